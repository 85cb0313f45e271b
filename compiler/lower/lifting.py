"""Which expressions hold calls that become nodes: the others can stay expressions."""

from __future__ import annotations

from collections.abc import Iterator

from wfc.compiler.lower.block import Frame
from wfc.compiler.project import Builtin
from wfc.dsl import ast


def lifts(frame: Frame, node: ast.Expr) -> bool:
    """Whether some part of the expression is a call of a task or workflow, a timer, a wait, ….

    Every part is looked at once per workflow: the answers are remembered.
    """
    known = frame.lifting.get(id(node))
    if known is None:
        known = _is_node(frame, node) or any(lifts(frame, part) for part in parts(node))
        frame.lifting[id(node)] = known
    return known


def _is_node(frame: Frame, node: ast.Expr) -> bool:
    if isinstance(node, ast.Wait):
        return True
    if not isinstance(node, ast.Call):
        return False
    symbol = frame.symbol(node)
    return not isinstance(symbol, Builtin) or (symbol.special and symbol.name != "secret")


def parts(node: ast.Expr) -> Iterator[ast.Expr]:
    """The direct sub-expressions."""
    if isinstance(node, ast.Binary):
        while isinstance(node, ast.Binary):  # a long sum leans to the left: a loop
            yield node.right
            node = node.left
        yield node
    elif isinstance(node, ast.Unary):
        yield node.operand
    elif isinstance(node, (ast.ListExpr, ast.TupleExpr)):
        yield from node.items
    elif isinstance(node, ast.DictExpr):
        for key, item in node.items:
            yield key
            yield item
    elif isinstance(node, ast.BoolOp):
        yield from node.values
    elif isinstance(node, ast.Compare):
        yield node.left
        yield from node.rights
    elif isinstance(node, ast.Conditional):
        yield from (node.test, node.body, node.orelse)
    elif isinstance(node, ast.FString):
        yield from (part.value for part in node.parts if not isinstance(part, str))
    elif isinstance(node, ast.Attribute):
        yield node.value
    elif isinstance(node, ast.Subscript):
        yield node.value
        bounds = node.index
        if isinstance(bounds, ast.Slice):
            yield from (p for p in (bounds.lower, bounds.upper, bounds.step) if p is not None)
        else:
            yield bounds
    elif isinstance(node, ast.Call):
        yield from node.args
        yield from (keyword.value for keyword in node.keywords)
    elif isinstance(node, ast.Comprehension):
        yield from ([node.key] if node.key is not None else [])
        yield node.value
        for generator in node.generators:
            yield generator.iterable
            yield from generator.conditions
