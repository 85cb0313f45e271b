"""The pure built-in functions: their arguments and what they give."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from wfc.compiler import codes
from wfc.compiler.check.frame import Frame
from wfc.compiler.relations import element, is_number
from wfc.compiler.suggest import did_you_mean
from wfc.compiler.types import (
    ANY,
    BOOL,
    FLOAT,
    INT,
    STR,
    Instance,
    NoneT,
    TupleType,
    Type,
    a_type,
    join,
    list_of,
    widen,
)
from wfc.dsl import ast
from wfc.dsl.diagnostics import Label


@dataclass(frozen=True, slots=True)
class _Builtin:
    """How many arguments it takes, its keywords, and the type of what it gives."""

    least: int
    most: int | None
    keywords: tuple[str, ...]
    returns: Callable[[list[Type]], Type]
    wants: str = ""


def _item(args: list[Type]) -> Type:
    return (element(args[0]) or ANY) if args else ANY


def _smallest(args: list[Type]) -> Type:
    return _item(args) if len(args) == 1 else join(args)


def _sum(args: list[Type]) -> Type:
    item = widen(_item(args))
    if is_number(item) and isinstance(item, Instance):
        return INT if item.cls.name == "bool" else item
    return ANY


def _round(args: list[Type]) -> Type:
    return INT if len(args) == 1 else (widen(args[0]) if args else ANY)


def _abs(args: list[Type]) -> Type:
    found = widen(args[0]) if args else ANY
    return INT if found == BOOL else found if is_number(found) else ANY


def _zip(args: list[Type]) -> Type:
    return list_of(TupleType(tuple(element(a) or ANY for a in args)))


def _enumerate(args: list[Type]) -> Type:
    return list_of(TupleType((INT, _item(args))))


_TABLE: dict[str, _Builtin] = {
    "len": _Builtin(1, 1, (), lambda _: INT, "sized"),
    "range": _Builtin(1, 3, (), lambda _: list_of(INT), "numbers"),
    "min": _Builtin(1, None, ("default",), _smallest, "one-iterable"),
    "max": _Builtin(1, None, ("default",), _smallest, "one-iterable"),
    "sum": _Builtin(1, 2, ("start",), _sum, "iterable"),
    "sorted": _Builtin(1, 1, ("reverse",), lambda a: list_of(_item(a)), "iterable"),
    "any": _Builtin(1, 1, (), lambda _: BOOL, "iterable"),
    "all": _Builtin(1, 1, (), lambda _: BOOL, "iterable"),
    "int": _Builtin(0, 2, ("base",), lambda _: INT, "scalar"),
    "float": _Builtin(0, 1, (), lambda _: FLOAT, "scalar"),
    "str": _Builtin(0, 1, (), lambda _: STR),
    "bool": _Builtin(0, 1, (), lambda _: BOOL),
    "round": _Builtin(1, 2, ("ndigits",), _round, "numbers"),
    "abs": _Builtin(1, 1, (), _abs, "numbers"),
    "zip": _Builtin(1, None, (), _zip, "iterables"),
    "enumerate": _Builtin(1, 2, ("start",), _enumerate, "iterable"),
}


def builtin(frame: Frame, node: ast.Call, name: str) -> Type:
    """The type of a call of a built-in."""
    spec = _TABLE[name]
    args = [frame.plain(a, f"with `{name}`") for a in node.args]
    _arity(frame, node, name, spec)
    _keywords(frame, node, name, spec)
    _wants(frame, node, name, spec, args)
    return spec.returns(args)


def _arity(frame: Frame, node: ast.Call, name: str, spec: _Builtin) -> None:
    count = len(node.args)
    if count < spec.least:
        text = f"`{name}` needs {'an argument' if spec.least == 1 else f'{spec.least} arguments'}"
        frame.report(codes.MISSING_ARGUMENT, text, node.span, "missing")
    elif spec.most is not None and count > spec.most:
        plural = "s" if spec.most != 1 else ""
        text = f"`{name}` takes {spec.most} argument{plural}, got {count}"
        span = node.args[spec.most].span.to(node.args[-1].span)
        frame.report(codes.TOO_MANY_ARGUMENTS, text, span, f"{count - spec.most} too many")


def _keywords(frame: Frame, node: ast.Call, name: str, spec: _Builtin) -> None:
    seen: dict[str, ast.Span] = {}
    for keyword in node.keywords:
        frame.plain(keyword.value, f"with `{name}`")
        if keyword.name in seen:
            text = f"`{keyword.name}` is given twice"
            related = (Label(seen[keyword.name], "given here first"),)
            frame.report(codes.GIVEN_TWICE, text, keyword.name_span, "given again", "", related)
        elif keyword.name not in spec.keywords:
            text = f"`{name}` has no parameter `{keyword.name}`"
            hint = did_you_mean(keyword.name, spec.keywords)
            if keyword.name == "key":
                hint = "a spec has no functions as values: sort in a Python function"
            frame.report(codes.UNKNOWN_KEYWORD, text, keyword.name_span, "not expected", hint)
        seen.setdefault(keyword.name, keyword.span)


def _wants(frame: Frame, node: ast.Call, name: str, spec: _Builtin, args: list[Type]) -> None:
    """Report arguments of the wrong sort."""
    wants = spec.wants
    checked = list(zip(node.args, args, strict=True))
    if wants == "iterable":
        checked = checked[:1]
    if wants == "one-iterable" and len(args) != 1:
        return
    for arg, found in checked:
        if wants in ("iterable", "iterables", "one-iterable") and element(found) is None:
            text = f"`{name}` goes through a list, and {a_type(found)} cannot be iterated over"
            hint = f"write `{name}(a, b)`" if wants == "one-iterable" else ""
            frame.report(codes.NOT_ITERABLE, text, arg.span, "expected a list", hint)
        elif wants == "sized" and (is_number(found) or isinstance(found, NoneT)):
            text = f"{a_type(found)} has no length"
            frame.report(codes.ARGUMENT_TYPE, text, arg.span, "expected a list, a dict or a text")
        elif wants == "numbers" and is_number(found) is False:
            text = f"`{name}` takes numbers, not {a_type(found)}"
            frame.report(codes.ARGUMENT_TYPE, text, arg.span, "expected a number")
        elif wants == "scalar" and _is_container(found):
            text = f"`{name}` cannot be made of {a_type(found)}"
            frame.report(codes.ARGUMENT_TYPE, text, arg.span, "expected a text or a number")


def _is_container(found: Type) -> bool:
    if isinstance(found, TupleType):
        return True
    return isinstance(found, Instance) and found.cls.name in ("list", "dict", "set")
