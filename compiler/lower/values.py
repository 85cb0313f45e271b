"""Pure expressions, and those whose laziness makes a branch of them."""

from __future__ import annotations

from collections.abc import Callable

from wfc.compiler.ir import Arm, BranchNode, Expr, ExprNode
from wfc.compiler.lower.block import Block, lowers, value
from wfc.compiler.lower.lifting import lifts
from wfc.compiler.lower.scope import Binding
from wfc.compiler.project import ConstantSymbol
from wfc.dsl import ast


@lowers(ast.Constant)
def constant(block: Block, node: ast.Constant, bound: str | None) -> Expr:
    """A literal."""
    return ["lit", node.value]


@lowers(ast.Name)
def name(block: Block, node: ast.Name, bound: str | None) -> Expr:
    """A name: joined, where it stands for running calls."""
    found = block.names.find(node.id)
    if found is not None:
        return found.ref
    symbol = block.frame.lowering.project.resolve(block.frame.module, node)
    if isinstance(symbol, ConstantSymbol):
        return block.frame.constant(symbol)
    return block.refuse(f"`{node.id}` is not a value", node.span)


@lowers(ast.FString)
def fstring(block: Block, node: ast.FString, bound: str | None) -> Expr:
    """An f-string."""
    return ["fstr", [
        part if isinstance(part, str) else [value(block, part.value), part.conversion, part.spec]
        for part in node.parts
    ]]  # fmt: skip


@lowers(ast.TupleExpr)
def tuple_(block: Block, node: ast.TupleExpr, bound: str | None) -> Expr:
    """A tuple."""
    return ["tuple", [value(block, item) for item in node.items]]


@lowers(ast.DictExpr)
def dict_(block: Block, node: ast.DictExpr, bound: str | None) -> Expr:
    """A dict."""
    return ["dict", [[value(block, k), value(block, v)] for k, v in node.items]]


@lowers(ast.Unary)
def unary(block: Block, node: ast.Unary, bound: str | None) -> Expr:
    """A sign, or `not`."""
    return ["un", node.op, value(block, node.operand)]


@lowers(ast.Binary)
def binary(block: Block, node: ast.Binary, bound: str | None) -> Expr:
    """Arithmetic. A long sum leans to the left: a loop, so that its length costs no stack."""
    tail: list[ast.Binary] = []
    left: ast.Expr = node
    while isinstance(left, ast.Binary):
        tail.append(left)
        left = left.left
    result = value(block, left)
    for part in reversed(tail):
        result = ["bin", part.op, result, value(block, part.right)]
    return result


@lowers(ast.Compare)
def compare(block: Block, node: ast.Compare, bound: str | None) -> Expr:
    """A comparison, chained or not."""
    if any(lifts(block.frame, right) for right in node.rights[1:]):
        return _chained(block, node, bound)
    return ["cmp", list(node.ops), [value(block, part) for part in (node.left, *node.rights)]]


def _chained(block: Block, node: ast.Compare, bound: str | None) -> Expr:
    """`a < b < f()`: Python does not call `f` unless `a < b`, so it is `a < b and b < f()`."""
    split = next(i for i, r in enumerate(node.rights) if i > 0 and lifts(block.frame, r))
    parts = [value(block, part) for part in (node.left, *node.rights[:split])]
    middle = _once(block, parts[-1], node)
    test: Expr = ["cmp", list(node.ops[:split]), [*parts[:-1], middle]]

    def rest(arm: Block, into: str | None) -> Expr:
        right = value(arm, node.rights[split])
        if split + 1 == len(node.rights):
            return ["cmp", [node.ops[split]], [middle, right]]
        known = _once(arm, right, node)
        tail = ast.Compare(
            ast.Name("", node.span), node.ops[split + 1 :], node.rights[split + 1 :], node.span
        )
        arm.names.own[""] = Binding(known)
        first: Expr = ["cmp", [node.ops[split]], [middle, known]]
        return choose(arm, node, first, lambda b, i: value(b, tail, i), lambda b, i: first, into)

    return choose(block, node, test, rest, lambda b, i: test, bound)


@lowers(ast.BoolOp)
def boolean(block: Block, node: ast.BoolOp, bound: str | None) -> Expr:
    """`and`, `or`: what stands right of them and makes calls runs only when it is asked for."""
    split = next((i for i, v in enumerate(node.values) if i > 0 and lifts(block.frame, v)), None)
    if split is None:
        return [node.op, [value(block, part) for part in node.values]]
    heads = [value(block, part) for part in node.values[:split]]
    head = _once(block, heads[0] if split == 1 else [node.op, heads], node)
    rest = node.values[split:]
    tail = rest[0] if len(rest) == 1 else ast.BoolOp(node.op, rest, node.span)

    def right(arm: Block, into: str | None) -> Expr:
        return value(arm, tail, into)

    def left(arm: Block, into: str | None) -> Expr:
        return head

    yes, no = (right, left) if node.op == "and" else (left, right)
    return choose(block, node, head, yes, no, bound)


def _once(block: Block, expr: Expr, node: ast.Expr) -> Expr:
    """The expression as something that may be written twice and is evaluated once."""
    if expr[0] in ("lit", "name"):
        return expr
    return block.add(ExprNode(id=block.scope.fresh("value"), span=node.span, expr=expr))


@lowers(ast.Conditional)
def conditional(block: Block, node: ast.Conditional, bound: str | None) -> Expr:
    """`a if test else b`."""
    test = value(block, node.test)
    if not lifts(block.frame, node.body) and not lifts(block.frame, node.orelse):
        return ["if", test, value(block, node.body), value(block, node.orelse)]
    return choose(
        block, node, test,
        lambda arm, into: value(arm, node.body, into),
        lambda arm, into: value(arm, node.orelse, into),
        bound,
    )  # fmt: skip


Arms = Callable[[Block, "str | None"], Expr]


def choose(
    block: Block, node: ast.Expr, test: Expr, yes: Arms, no: Arms, bound: str | None
) -> Expr:
    """A branch that gives a value: one of two lazily lowered expressions."""
    id = block.scope.fresh("if")
    name = bound or block.scope.fresh("value")
    arms, providers = [], []
    for lower in (yes, no):
        arm = block.child()
        result = lower(arm, bound)
        arms.append(arm)
        providers.append(None if arm.ends else provider(arm, name, result, node))
    block.branch(
        BranchNode(
            id=id, span=node.span, arms=[Arm(test, arms[0].start)], orelse=arms[1].start,
            outputs={name: providers},
        ),
        arms,
    )  # fmt: skip
    return ["name", name]


def provider(arm: Block, name: str, result: Expr, node: ast.Expr | ast.If) -> str:
    """The name in an arm that gives its result: a node of the arm itself, made if need be."""
    if result[0] == "name" and result[1] in arm.made:
        return str(result[1])
    arm.add(ExprNode(id=name, span=node.span, expr=result))
    return name


@lowers(ast.Subscript)
def subscript(block: Block, node: ast.Subscript, bound: str | None) -> Expr:
    """`a[i]`, `a[i:j]`."""
    of = value(block, node.value)
    if isinstance(node.index, ast.Slice):
        parts = (node.index.lower, node.index.upper, node.index.step)
        return ["slice", of, *(None if p is None else value(block, p) for p in parts)]
    return ["idx", of, value(block, node.index)]


@lowers(ast.Attribute)
def attribute(block: Block, node: ast.Attribute, bound: str | None) -> Expr:
    """`a.b`: of a value, or a constant of another spec."""
    if isinstance(node.value, ast.Name) and block.names.find(node.value.id) is None:
        symbol = block.frame.lowering.project.resolve(block.frame.module, node)
        if isinstance(symbol, ConstantSymbol):
            return block.frame.constant(symbol)
        if symbol is not None:
            return block.refuse(f"`{node.value.id}.{node.name}` is not a value", node.span)
    return ["attr", value(block, node.value), node.name]
