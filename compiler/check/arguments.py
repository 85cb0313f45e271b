"""Arguments against parameters: arity, keywords, types, and which of them are handles."""

from __future__ import annotations

from dataclasses import dataclass

from wfc.compiler import codes
from wfc.compiler.check.context import Callee
from wfc.compiler.check.frame import Frame
from wfc.compiler.check.handles import handed_on, why_a_value
from wfc.compiler.parameters import Param
from wfc.compiler.relations import assignable, joined
from wfc.compiler.types import (
    ANY,
    AnyType,
    Instance,
    PendingType,
    ResultType,
    Type,
    WaitType,
    a_type,
    article,
    describe,
    mismatch,
)
from wfc.dsl import ast
from wfc.dsl.diagnostics import Label


@dataclass(frozen=True, slots=True)
class _Given:
    """An argument: its expression, where it stands, and its position or keyword."""

    node: ast.Expr
    span: ast.Span
    place: int | str


def bind_arguments(frame: Frame, node: ast.Call, callee: Callee) -> frozenset[int | str]:
    """Check the arguments of a call; gives those that the callee wants as handles."""
    given = [_Given(a, a.span, i) for i, a in enumerate(node.args)]
    keywords: dict[str, ast.Keyword] = {}
    for keyword in node.keywords:
        if keyword.name in keywords:
            text = f"`{keyword.name}` is given twice"
            related = (Label(keywords[keyword.name].span, "given here first"),)
            frame.report(codes.GIVEN_TWICE, text, keyword.name_span, "given again", related=related)
            frame.infer(keyword.value)
            continue
        keywords[keyword.name] = keyword
        given.append(_Given(keyword.value, keyword.span, keyword.name))
    if callee.params is None:
        for one in given:
            _argument(frame, one, Param(str(one.place)), callee)
        return frozenset()
    bound = _bind(frame, node, callee, callee.params, given)
    handles = set()
    for one, param in bound:
        if _argument(frame, one, param, callee):
            handles.add(one.place)
    return frozenset(handles)


def _bind(
    frame: Frame, node: ast.Call, callee: Callee, params: tuple[Param, ...], given: list[_Given]
) -> list[tuple[_Given, Param]]:
    """Pair arguments with parameters as Python does; what does not fit is reported."""
    slots = [p for p in params if p.kind in ("positional", "normal")]
    rest = next((p for p in params if p.kind == "args"), None)
    extra = next((p for p in params if p.kind == "kwargs"), None)
    by_name = {p.name: p for p in params if p.kind in ("normal", "keyword")}
    taken: dict[str, _Given] = {}
    bound: list[tuple[_Given, Param]] = []
    too_many: list[_Given] = []
    unknown: list[_Given] = []
    for one in given:
        if isinstance(one.place, int):
            if one.place < len(slots):
                taken[slots[one.place].name] = one
                bound.append((one, slots[one.place]))
            elif rest is not None:
                bound.append((one, rest))
            else:
                too_many.append(one)
        elif one.place in by_name and one.place not in taken:
            taken[one.place] = one
            bound.append((one, by_name[one.place]))
        elif one.place in by_name:
            _twice(frame, one, taken[one.place])
        elif extra is not None:
            bound.append((one, extra))
        else:
            unknown.append(one)
    missing = [
        p.name
        for p in params
        if p.kind in ("positional", "normal", "keyword")
        and not p.has_default
        and p.name not in taken
    ]
    _report_too_many(frame, callee, slots, too_many, missing)
    _report_unknown(frame, callee, by_name, taken, unknown)
    if missing and len(missing) > len(unknown) + len(too_many):
        _report_missing(frame, node, callee, missing)
    for one in (*too_many, *unknown):
        frame.infer(one.node)
    return bound


def _twice(frame: Frame, one: _Given, first: _Given) -> None:
    text = f"`{one.place}` is given twice"
    related = (Label(first.span, "given here by position"),)
    frame.report(codes.GIVEN_TWICE, text, one.span, "given again", related=related)
    frame.infer(one.node)


def _declared(callee: Callee) -> tuple[Label, ...]:
    return (Label(callee.where, f"`{callee.name}` is defined here"),) if callee.where else ()


def _report_too_many(
    frame: Frame, callee: Callee, slots: list[Param], extra: list[_Given], missing: list[str]
) -> None:
    if not extra:
        return
    count = len(slots)
    takes = "no arguments" if not count else f"{count} argument{'s' if count > 1 else ''}"
    only = " by position" if any(p.kind == "keyword" for p in callee.params or ()) else ""
    text = f"`{callee.name}` takes {takes}{only}, got {count + len(extra)}"
    span = extra[0].span.to(extra[-1].span)
    label = "one too many" if len(extra) == 1 else f"{len(extra)} too many"
    hint = f"name it: `{missing[0]}=…`" if missing else ""
    frame.report(codes.TOO_MANY_ARGUMENTS, text, span, label, hint, _declared(callee))


def _report_unknown(
    frame: Frame,
    callee: Callee,
    by_name: dict[str, Param],
    taken: dict[str, _Given],
    unknown: list[_Given],
) -> None:
    free = [n for n in by_name if n not in taken]
    by_position = {p.name for p in callee.params or () if p.kind == "positional"}
    named = ", ".join([*by_name][:12]) + (", …" if len(by_name) > 12 else "")
    for one in unknown:
        text = f"`{callee.name}` has no parameter `{one.place}`"
        hint = frame.context.suggest(str(one.place), free)
        if not hint:
            hint = f"its parameters: {named}" if by_name else ""
            if one.place in by_position:
                hint = f"`{one.place}` is given by position only"
        frame.report(codes.UNKNOWN_KEYWORD, text, one.span, "not expected", hint, _declared(callee))


def _report_missing(frame: Frame, node: ast.Call, callee: Callee, missing: list[str]) -> None:
    names = ", ".join(f"`{n}`" for n in missing[:12]) + (", …" if len(missing) > 12 else "")
    text = f"`{callee.name}` needs {names}"
    label = f"{names} {'is' if len(missing) == 1 else 'are'} missing"
    frame.report(codes.MISSING_ARGUMENT, text, node.span, label, related=_declared(callee))


def _argument(frame: Frame, one: _Given, param: Param, callee: Callee) -> bool:
    """Check one argument's type; true when the callee wants it as a handle."""
    found = frame.infer(one.node)
    if isinstance(param.type, PendingType):
        return _handle(frame, one, param, param.type, found, callee)
    if isinstance(found, WaitType):
        frame.as_plain(one.node, found, f"as `{param.name}`")
        return False
    if assignable(joined(found), param.type):
        return False
    wanted, got = mismatch(param.type, found)
    text = f"`{param.name}` of `{callee.name}` is {article(wanted)}, not {article(got)}"
    hint = ""
    if isinstance(found, ResultType):
        hint = "it is the result of `catch`: test `.ok`, and pass its `.value`"
    elif _is_item(found, param.type):
        hint = "a list is expected: `[x]`"
    elif _is_item(param.type, found):
        hint = f"to call it for each element: `[{callee.name}(x) for x in …]`"
    frame.report(
        codes.ARGUMENT_TYPE,
        text,
        one.span,
        f"expected {wanted}",
        hint,
        _declared(callee),
    )
    return False


def _is_item(found: Type, wanted: Type) -> bool:
    """Whether a value is one element of the list that is wanted."""
    if not isinstance(wanted, Instance) or wanted.cls.name != "list" or not wanted.args:
        return False
    return not isinstance(wanted.args[0], AnyType) and assignable(found, wanted.args[0])


def _handle(
    frame: Frame, one: _Given, param: Param, wanted: PendingType, found: Type, callee: Callee
) -> bool:
    """An argument for a parameter that takes handles of running calls."""
    item = ANY if isinstance(found, AnyType) else handed_on(frame, one.node, found)
    if item is None:
        text = f"`{param.name}` of `{callee.name}` takes running calls, and this is a value"
        label, hint = why_a_value(frame, one.node)
        frame.report(
            codes.HANDLE_PLAIN,
            text,
            one.span,
            label or f"expected {describe(param.type)}",
            hint or "pass the remainder of a `wait`, a fan-out or a list of calls",
            _declared(callee),
        )
        return True
    if not assignable(item, wanted.item):
        text = f"`{param.name}` of `{callee.name}` is {a_type(param.type)}, not {a_type(PendingType(item))}"
        frame.report(
            codes.ARGUMENT_TYPE,
            text,
            one.span,
            f"expected {describe(param.type)}",
            "",
            _declared(callee),
        )
    return True
