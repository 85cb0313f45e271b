"""Operators: what they give, and what they certainly cannot be applied to."""

from __future__ import annotations

from wfc.compiler import codes
from wfc.compiler.check.frame import Frame
from wfc.compiler.relations import element, is_number
from wfc.compiler.types import (
    ANY,
    BOOL,
    FLOAT,
    INT,
    AnyType,
    Instance,
    NoneT,
    TupleType,
    Type,
    UnionType,
    a_type,
    join,
    list_of,
    literal,
    widen,
)
from wfc.dsl import ast
from wfc.plan.expr import BINARY, UNARY

_RANK = {"bool": 0, "int": 1, "float": 2, "complex": 3}
_SEQUENCES = ("str", "bytes", "list", "tuple")


def _class(t: Type) -> str:
    """The name of a built-in class; empty for anything that is not certain."""
    if isinstance(t, TupleType):
        return "tuple"
    if isinstance(t, NoneT):
        return "None"
    return t.cls.name if isinstance(t, Instance) and t.cls.module == "builtins" else ""


def _known(frame: Frame, node: ast.Expr) -> Type | None:
    """The literal type of a constant operation, so that small arithmetic stays exact."""
    if not isinstance(node, (ast.Unary, ast.Binary)):
        return None
    parts = [node.operand] if isinstance(node, ast.Unary) else [node.left, node.right]
    if not all(isinstance(p, ast.Constant) and isinstance(p.value, (int, float)) for p in parts):
        return None
    values = [p.value for p in parts if isinstance(p, ast.Constant)]
    try:
        return literal((UNARY if len(values) == 1 else BINARY)[node.op](*values))
    except Exception:
        return None


def unary(frame: Frame, node: ast.Unary) -> Type:
    """`-x +x ~x`."""
    found = frame.plain(node.operand, f"with `{node.op}`")
    if (known := _known(frame, node)) is not None:
        return known
    if is_number(found) is False:
        text = f"`{node.op}` cannot be applied to {a_type(found)}"
        frame.report(codes.OPERAND_TYPE, text, node.span, "expected a number")
        return ANY
    return INT if _class(widen(found)) == "bool" else widen(found)


def binary(frame: Frame, node: ast.Binary) -> Type:
    """Arithmetic. A long chain (`a + b + c + …`) is walked as a loop: it nests to the left."""
    chain = [node]
    while isinstance(chain[-1].left, ast.Binary):
        chain.append(chain[-1].left)
    left = frame.plain(chain[-1].left, f"with `{chain[-1].op}`")
    for part in reversed(chain):
        right = frame.plain(part.right, f"with `{part.op}`")
        left = _known(frame, part) or _binary(frame, part, widen(left), widen(right))
        frame.info.types[id(part)] = left
    return left


def _binary(frame: Frame, node: ast.Binary, left: Type, right: Type) -> Type:
    if isinstance(left, (AnyType, UnionType)) or isinstance(right, (AnyType, UnionType)):
        return ANY
    a, b = _class(left), _class(right)
    if a in _RANK and b in _RANK:
        return _arithmetic(node.op, a, b)
    found = _sequences(node.op, left, right)
    if found is not None:
        return found
    if not a or not b:
        return ANY  # a class of the user's may define the operator
    if node.op in ("|", "&", "-", "^") and a == b and a in ("set", "frozenset", "dict"):
        return left
    text = f"`{node.op}` cannot be applied to {a_type(left)} and {a_type(right)}"
    hint = ""
    if node.op == "+" and "str" in (a, b):
        hint = 'make it text first: `str(x)`, or write an f-string: f"{x}"'
    elif node.op == "%" and a == "str":
        hint = 'write an f-string: f"{x}"'
    elif node.op == "+" and "list" in (a, b):
        hint = "to add one element, write `xs + [x]`"
    frame.report(codes.OPERAND_TYPE, text, node.span, hint=hint)
    return ANY


def _arithmetic(op: str, a: str, b: str) -> Type:
    wider = a if _RANK[a] >= _RANK[b] else b
    if op in ("<<", ">>", "&", "|", "^"):
        return BOOL if a == b == "bool" and op in "&|^" else INT
    if op == "/":
        return FLOAT if _RANK[wider] <= 2 else ANY
    if op == "**":
        return ANY if wider in ("bool", "int") else FLOAT if wider == "float" else ANY
    return {"bool": INT, "int": INT, "float": FLOAT}.get(wider, ANY)


def _sequences(op: str, left: Type, right: Type) -> Type | None:
    a, b = _class(left), _class(right)
    if op == "+" and a == b and a in _SEQUENCES:
        if a == "list":
            return list_of(join([element(left) or ANY, element(right) or ANY]))
        if isinstance(left, TupleType) and isinstance(right, TupleType):
            if not left.variadic and not right.variadic:
                return TupleType(left.items + right.items)
            return TupleType((join([element(left) or ANY, element(right) or ANY]),), variadic=True)
        return left
    if op == "*":
        for sequence, count in ((left, b), (right, a)):
            if _class(sequence) in _SEQUENCES and count in ("int", "bool"):
                if isinstance(sequence, TupleType):
                    return TupleType((element(sequence) or ANY,), variadic=True)
                return sequence
    return None


def compare(frame: Frame, node: ast.Compare) -> Type:
    """Comparisons, chained or not."""
    left = frame.plain(node.left, "in a comparison")
    for op, right_node in zip(node.ops, node.rights, strict=True):
        right = frame.plain(right_node, "in a comparison")
        _comparison(frame, op, widen(left), widen(right), right_node.span, node.span)
        left = right
    return BOOL


def _comparison(
    frame: Frame, op: str, left: Type, right: Type, right_span: ast.Span, span: ast.Span
) -> None:
    if op in ("in", "not-in"):
        if is_number(right) is True or isinstance(right, NoneT):
            text = f"`in` looks into a list, a dict or a text, not into {a_type(right)}"
            frame.report(codes.OPERAND_TYPE, text, right_span, "expected a list")
        return
    if op not in ("<", "<=", ">", ">="):
        return
    a, b = _class(left), _class(right)
    if not a or not b or (a in _RANK and b in _RANK) or a == b != "None":
        return
    text = f"`{op}` cannot compare {a_type(left)} with {a_type(right)}"
    frame.report(codes.OPERAND_TYPE, text, span, "no order between them")


def text_only(t: Type) -> bool:
    """Whether a type is certainly not text."""
    found = _class(widen(t))
    return bool(found) and found != "str"
