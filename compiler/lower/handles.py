"""Running calls as handles: what is waited on, cancelled, passed on unjoined; and `wait` itself."""

from __future__ import annotations

from typing import Literal

from wfc.compiler.ir import (
    CallNode,
    Expr,
    ExprNode,
    GroupNode,
    MapNode,
    ReceiveNode,
    SleepNode,
    WaitNode,
)
from wfc.compiler.lower.block import Block, lowers, value
from wfc.compiler.lower.lifting import lifts
from wfc.compiler.lower.scope import Binding
from wfc.dsl import ast
from wfc.plan.expr import names

CALLS = (CallNode, SleepNode, ReceiveNode)


def handle(block: Block, node: ast.Expr) -> Expr:
    """The expression for running calls as a handle. Of anything else it is the expression itself:
    its value is a `Pending`, or (where its type is not known) may be one."""
    binding = block.names.find(node.id) if isinstance(node, ast.Name) else None
    if isinstance(node, (ast.ListExpr, ast.TupleExpr)):
        found = group(block, node, None)
        if found is not None:
            return found
    made = value(block, node)
    if isinstance(node, (ast.Comprehension, ast.Call)):
        binding = binding_of(block, made)
    return binding.handle(block) if binding is not None and binding.handle is not None else made


def binding_of(block: Block, made: Expr) -> Binding:
    """What a name bound to a lowered value stands for."""
    if made[0] != "name":
        return Binding(made)
    id = str(made[1])
    node = block.graph.nodes.get(id)
    if isinstance(node, CALLS):
        span = node.span

        def alone(where: Block) -> Expr:
            return _group(where, [id], span)

        return Binding(made, id, alone, call=True)
    if isinstance(node, GroupNode) or (isinstance(node, MapNode) and node.outputs[0].key is None):
        return Binding(made, id, lambda where: ["handle", id], source=id, scope=block.scope)
    return Binding(made, id)


def _group(block: Block, members: list[str], span: ast.Span) -> Expr:
    id = block.scope.fresh("group")
    block.add(GroupNode(id=id, span=span, members=members))
    return ["handle", id]


def group(block: Block, node: ast.ListExpr | ast.TupleExpr, bound: str | None) -> Expr | None:
    """A list of calls as a group, and its handle; `None` (and nothing lowered) where it is not one."""
    if not node.items or not all(_is_member(block, item) for item in node.items):
        return None
    members: list[str] = []
    for item in node.items:
        if isinstance(item, ast.Name):
            binding = block.names.find(item.id)
            assert binding is not None
            assert binding.node is not None
            members.append(binding.node)
        else:
            members.append(str(value(block, item)[1]))
    id = bound or block.scope.fresh("group")
    block.add(GroupNode(id=id, span=node.span, members=members))
    return ["handle", id]


def _is_member(block: Block, item: ast.Expr) -> bool:
    if isinstance(item, ast.Name):
        binding = block.names.find(item.id)
        return binding is not None and binding.call
    return isinstance(item, ast.Call) and lifts(block.frame, item)


@lowers(ast.ListExpr)
def list_(block: Block, node: ast.ListExpr, bound: str | None) -> Expr:
    """A list; one of calls that has a name may be waited on, so it is a group."""
    calls = any(isinstance(item, ast.Call) for item in node.items)
    many = bound is not None and (calls or block.frame.info.is_running(node))
    if many and group(block, node, bound) is not None:
        return ["name", bound]
    return ["list", [value(block, item) for item in node.items]]


@lowers(ast.Wait)
def wait(block: Block, node: ast.Wait, bound: str | None) -> Expr:
    """`wait(quorum of members, timeout=…)`."""
    members = handle(block, node.members)
    quorum = None
    if isinstance(node.quorum, ast.Percent):
        quorum = value(block, node.quorum.value)
    elif not isinstance(node.quorum, str):
        quorum = value(block, node.quorum)
    timeout = value(block, node.timeout) if node.timeout is not None else None
    order = after(block, node.modifiers.after)
    id = bound or block.scope.fresh("wait")
    return block.add(
        WaitNode(
            id=id, span=node.span, members=members, quorum=quorum, timeout=timeout,
            form=_form(node), catch=node.modifiers.catch is not None, after=order,
        )
    )  # fmt: skip


def _form(node: ast.Wait) -> Literal["count", "all", "any", "percent"]:
    if isinstance(node.quorum, ast.Percent):
        return "percent"
    return node.quorum if isinstance(node.quorum, str) else "count"


def named_pending(block: Block, expr: Expr, node: ast.Expr) -> str:
    """The name of a pending value: a fan-out over one refers to it by name."""
    if expr[0] == "name":
        return str(expr[1])
    return str(block.add(ExprNode(id=block.scope.fresh("pending"), span=node.span, expr=expr))[1])


def after(block: Block, entries: tuple[ast.Expr, ...]) -> list[str]:
    """The names to wait for of `after (…)`; what is there from the start is left out."""
    found: dict[str, None] = {}
    for entry in entries:
        binding = block.names.find(entry.id) if isinstance(entry, ast.Name) else None
        if binding is not None:
            if binding.node is not None:
                found[binding.node] = None
            continue
        expr = value(block, entry)
        if expr[0] != "name":
            made = ExprNode(id=block.scope.fresh("value"), span=entry.span, expr=expr)
            expr = block.add(made) if any(names(expr)) else expr
        found.update((name, None) for name in names(expr))
    return list(found)
