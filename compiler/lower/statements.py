"""Statements: bindings, branches and the ends of a frame."""

from __future__ import annotations

from collections.abc import Sequence

from wfc.compiler.ir import Arm, BranchNode, Expr, ExprNode, ReturnNode
from wfc.compiler.lower.block import NOTHING, Block, value
from wfc.compiler.lower.calls import continuation
from wfc.compiler.lower.handles import binding_of
from wfc.compiler.lower.lifting import lifts
from wfc.compiler.lower.scope import Binding
from wfc.compiler.lower.values import provider
from wfc.dsl import ast


def statements(block: Block, body: Sequence[ast.Statement]) -> None:
    """Lower statements in order. What follows the end of the frame is unreachable: left out."""
    for statement in body:
        if block.ends:
            return
        if isinstance(statement, ast.Assign):
            assign(block, statement)
        elif isinstance(statement, ast.If):
            if_(block, statement)
        elif isinstance(statement, ast.ExprStatement):
            bare(block, statement)
        elif isinstance(statement, ast.Return):
            result = value(block, statement.value) if statement.value is not None else NOTHING
            id = block.scope.fresh("return")
            block.add(ReturnNode(id=id, span=statement.span, expr=result))
        elif isinstance(statement, ast.Continuation):
            continuation(block, statement.call)


def bare(block: Block, statement: ast.ExprStatement) -> None:
    """A bare call: its value is not used, and what is pure about it has no effect but to fail."""
    result = value(block, statement.value)
    if result[0] not in ("name", "lit"):
        block.add(ExprNode(id=block.scope.fresh("value"), span=statement.span, expr=result))


def assign(block: Block, statement: ast.Assign) -> None:
    """`a = value`, or `a, b = value`."""
    if len(statement.targets) == 1:
        bind(block, statement.targets[0].id, statement.value, statement)
        return
    given = statement.value
    targets = [target.id for target in statement.targets]
    if isinstance(given, ast.Wait) and given.modifiers.catch is None:
        made = value(block, given)
        for name, part in zip(targets, ("ready", "pending"), strict=False):
            _name(block, name, ["attr", made, part], statement)
        return
    if isinstance(given, (ast.TupleExpr, ast.ListExpr)) and len(given.items) == len(targets):
        for name, item in zip(targets, given.items, strict=True):
            bind(block, name, item, statement)
        return
    made = value(block, given)
    if made[0] != "name":
        made = block.add(ExprNode(id=block.scope.fresh("value"), span=given.span, expr=made))
    for i, name in enumerate(targets):
        _name(block, name, ["unpack", made, len(targets), i], statement)


def _name(block: Block, name: str, expr: Expr, statement: ast.Assign) -> None:
    block.add(ExprNode(id=name, span=statement.span, expr=expr))
    block.bind(name, Binding(["name", name], name))


def bind(block: Block, name: str, node: ast.Expr, statement: ast.Assign) -> None:
    """Bind a name. The node that makes its value gets the name as its id; another name for running
    calls stays only that, so that it can be a handle of them too."""
    if isinstance(node, ast.Name):
        known = block.names.find(node.id)
        if known is not None and known.handle is not None:
            block.bind(name, known)
            return
    made = value(block, node, name)
    if made != ["name", name]:
        made = block.add(ExprNode(id=name, span=statement.span, expr=made))
    block.bind(name, binding_of(block, made))


def if_(block: Block, node: ast.If) -> None:
    """`if/elif/else`. An `elif` whose condition makes calls is an `if` in the `else`: the calls must
    not run unless they are asked for."""
    split = next(
        (i for i, (test, _) in enumerate(node.arms) if i > 0 and lifts(block.frame, test)), None
    )
    orelse = node.orelse
    arms = node.arms
    if split is not None:
        orelse = (ast.If(node.arms[split:], node.orelse, node.span),)
        arms = node.arms[:split]
    conditions = [value(block, test) for test, _ in arms]
    id = block.scope.fresh("if")
    lowered: list[Block] = []
    for body in [body for _, body in arms] + ([orelse] if orelse else []):
        arm = block.child()
        statements(arm, body)
        lowered.append(arm)
    outputs, bindings = merge(block, lowered, complete=bool(orelse), node=node)
    branch = BranchNode(
        id=id, span=node.span, outputs=outputs,
        arms=[Arm(c, arm.start) for c, arm in zip(conditions, lowered, strict=False)],
        orelse=lowered[-1].start if orelse else None,
    )  # fmt: skip
    block.branch(branch, lowered)
    for name, binding in bindings.items():
        block.bind(name, binding)


def merge(
    block: Block, arms: list[Block], complete: bool, node: ast.If
) -> tuple[dict[str, list[str | None]], dict[str, Binding]]:
    """The names that may be used after a branch: those that every arm that goes on binds."""
    going = [arm for arm in arms if not arm.ends]
    if not complete or not going:
        return {}, {}
    shared = [n for n in going[0].names.own if all(n in arm.names.own for arm in going[1:])]
    outputs: dict[str, list[str | None]] = {}
    bindings: dict[str, Binding] = {}
    for name in shared:
        outputs[name] = [
            None if arm.ends else provider(arm, name, arm.names.own[name].ref, node) for arm in arms
        ]
        bindings[name] = Binding(["name", name], name)
    return outputs, bindings
