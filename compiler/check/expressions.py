"""The types of expressions: one function for each form, in the table at the end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from wfc.compiler import codes
from wfc.compiler.check.access import attribute, subscript
from wfc.compiler.check.calls import call
from wfc.compiler.check.frame import Frame
from wfc.compiler.check.modifiers import check_modifiers
from wfc.compiler.check.operators import binary, compare, unary
from wfc.compiler.check.scope import Binding, Scope, settled
from wfc.compiler.check.waits import wait
from wfc.compiler.relations import element, joined, unhashable
from wfc.compiler.types import (
    ANY,
    BOOL,
    STR,
    PendingType,
    ResultType,
    TupleType,
    Type,
    a_type,
    describe,
    dict_of,
    join,
    list_of,
    literal,
)
from wfc.dsl import ast
from wfc.dsl.diagnostics import Label


def infer(frame: Frame, node: ast.Expr) -> Type:
    """The type of an expression; what is wrong in it is reported."""
    return _FORMS[type(node)](frame, node)


def _name(frame: Frame, node: ast.Name) -> Type:
    return frame.name(node)


def _constant(frame: Frame, node: ast.Constant) -> Type:
    return literal(node.value)


def _fstring(frame: Frame, node: ast.FString) -> Type:
    for part in node.parts:
        if not isinstance(part, str):
            frame.plain(part.value, "in an f-string")
    return STR


def _list(frame: Frame, node: ast.ListExpr) -> Type:
    items = [frame.infer(i) for i in node.items]
    if node.items and all(frame.running(i) == "one" for i in node.items):
        frame.info.running[id(node)] = "many"
    return list_of(join(items))


def _tuple(frame: Frame, node: ast.TupleExpr) -> Type:
    return TupleType(tuple(frame.infer(i) for i in node.items))


def _dict(frame: Frame, node: ast.DictExpr) -> Type:
    keys, values = [], []
    for key, value in node.items:
        keys.append(_key(frame, key))
        values.append(frame.infer(value))
    return dict_of(join(keys), join(values))


def _key(frame: Frame, node: ast.Expr) -> Type:
    found = frame.plain(node, "as a key")
    if unhashable(found):
        text = f"{a_type(found)} cannot be the key of a dict"
        frame.report(
            codes.UNHASHABLE, text, node.span, "not hashable", "use a text, a number or a tuple"
        )
    return found


def _bool(frame: Frame, node: ast.BoolOp) -> Type:
    return join([frame.plain(v, f"with `{node.op}`") for v in node.values])


def _conditional(frame: Frame, node: ast.Conditional) -> Type:
    frame.plain(node.test, "as a condition")
    outer, kinds = frame.scope, []
    for part, known in zip((node.body, node.orelse), settled(node.test), strict=True):
        frame.scope = Scope(outer)
        frame.scope.ok.update(known)
        kinds.append(frame.infer(part))
    frame.scope = outer
    return join(kinds)


def _comprehension(frame: Frame, node: ast.Comprehension) -> Type:
    outer, frame.scope = frame.scope, Scope(frame.scope)
    conditions = 0
    for generator in node.generators:
        conditions += _generator(frame, generator)
    before = frame.started
    key = _key(frame, node.key) if node.key is not None else None
    value = frame.infer(node.value)
    frame.scope = outer
    starts = frame.started > before or conditions > 0
    if starts:
        several = node.key is not None or len(node.generators) > 1
        frame.info.running[id(node)] = "joined" if several else "many"
    check_modifiers(frame, node, "fan-out" if starts else "list")
    made: Type = list_of(value) if key is None else dict_of(key, value)
    return ResultType(made) if node.modifiers.catch else made


def _generator(frame: Frame, node: ast.Generator) -> int:
    """Bind the names of one `for`; the number of calls that its conditions start."""
    source = frame.infer(node.iterable)
    if not isinstance(source, PendingType):
        source = frame.as_plain(node.iterable, source, "in a `for`")
    item = element(source)
    if item is None:
        text = f"{a_type(source)} cannot be iterated over"
        hint = "to count, write `range(n)`" if describe(source) == "int" else ""
        frame.report(codes.NOT_ITERABLE, text, node.iterable.span, "expected a list", hint)
        item = ANY
    for target, found in zip(node.targets, unpacked(frame, item, node.targets), strict=True):
        _loop_name(frame, target, found)
    before = frame.started
    for condition in node.conditions:
        frame.plain(condition, "as a condition")
    return frame.started - before


def _loop_name(frame: Frame, target: ast.Name, found: Type) -> None:
    first = frame.scope.find(target.id)
    if first is not None and target.id != "_":
        text = f"the loop's name `{target.id}` is bound already"
        related = (Label(first.span, "bound here"),)
        hint = "a name is bound once: choose another name for the loop"
        frame.report(codes.LOOP_SHADOWS, text, target.span, "bound again", hint, related)
    frame.scope.names[target.id] = Binding(target.id, target.span, found, "loop")


def unpacked(frame: Frame, found: Type, targets: tuple[ast.Name, ...]) -> list[Type]:
    """The types of names that unpack a value; one name takes it whole."""
    count = len(targets)
    if count == 1:
        return [found]
    if isinstance(found, TupleType) and not found.variadic:
        if len(found.items) == count:
            return list(found.items)
        span = targets[0].span.to(targets[-1].span)
        text = f"{len(found.items)} values are unpacked into {count} names"
        frame.report(codes.UNPACK, text, span, f"{a_type(found)}")
        return [ANY] * count
    item = None if isinstance(found, ResultType) else element(joined(found))
    if item is None:
        span = targets[0].span.to(targets[-1].span)
        text = f"{a_type(found)} cannot be unpacked into {count} names"
        hint = ""
        if isinstance(found, ResultType):
            hint = "give it one name, `r = catch …`: `r.ok`, `r.value` and `r.error` are its parts"
        frame.report(codes.UNPACK, text, span, "expected as many values", hint)
        item = ANY
    return [item] * count


def _unary(frame: Frame, node: ast.Unary) -> Type:
    if node.op == "not":
        frame.plain(node.operand, "with `not`")
        return BOOL
    return unary(frame, node)


_FORMS: dict[type, Callable[[Frame, Any], Type]] = {
    ast.Name: _name,
    ast.Constant: _constant,
    ast.FString: _fstring,
    ast.ListExpr: _list,
    ast.TupleExpr: _tuple,
    ast.DictExpr: _dict,
    ast.Unary: _unary,
    ast.Binary: binary,
    ast.BoolOp: _bool,
    ast.Compare: compare,
    ast.Conditional: _conditional,
    ast.Subscript: subscript,
    ast.Attribute: attribute,
    ast.Call: call,
    ast.Comprehension: _comprehension,
    ast.Wait: wait,
}
