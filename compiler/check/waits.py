"""`wait(q of xs, timeout=…)`."""

from __future__ import annotations

from wfc.compiler import codes
from wfc.compiler.check.frame import Frame
from wfc.compiler.check.handles import handed_on, why_a_value
from wfc.compiler.check.modifiers import check_modifiers
from wfc.compiler.check.sizes import size_of
from wfc.compiler.check.specials import duration
from wfc.compiler.relations import is_number
from wfc.compiler.types import (
    ANY,
    AnyType,
    Instance,
    ResultType,
    Type,
    WaitType,
    a_type,
    list_of,
    widen,
)
from wfc.dsl import ast


def wait(frame: Frame, node: ast.Wait) -> Type:
    """The record that a wait gives."""
    item, ready = _members(frame, node.members)
    if isinstance(node.quorum, ast.Percent):
        _percent(frame, node.quorum)
    elif not isinstance(node.quorum, str):
        _count(frame, node, node.quorum)
    if node.timeout is not None:
        duration(frame, node.timeout, "the timeout of `wait`")
    check_modifiers(frame, node, "wait")
    made = WaitType(item, ready)
    return ResultType(made) if node.modifiers.catch else made


def _members(frame: Frame, node: ast.Expr) -> tuple[Type, Type]:
    """The type of one result, and of the results that are ready."""
    found = frame.infer(node)
    item = handed_on(frame, node, found)
    if item is None:
        _plain(frame, node, found)
        return ANY, ANY
    return item, ANY if isinstance(found, AnyType) else list_of(item)


def _plain(frame: Frame, node: ast.Expr, found: Type) -> None:
    text = "`wait` waits for running calls, and this is a value"
    hint = "give it a fan-out `[f(x) for x in xs]`, a list of calls, or the remainder of a `wait`"
    span, label = node.span, f"{a_type(found)}" if not isinstance(found, AnyType) else ""
    why = why_a_value(frame, node)
    if any(why):
        label, hint = why
        if frame.running(node) == "joined":
            text = f"{label} cannot be waited on"
    elif isinstance(found, WaitType):
        hint = "wait on its remainder: `.pending`"
    elif frame.running(node) == "one":
        hint = "a single call is used as it is; to wait for some of several, write a list: `[a, b]`"
        label = "one call"
    elif isinstance(node, ast.ListExpr):
        plain = [i for i in node.items if frame.running(i) != "one"]
        if plain and len(plain) < len(node.items):
            span, label = plain[0].span, "not a call"
            text = "a list to `wait` on holds calls only, and this is a value"
    elif isinstance(node, ast.Comprehension):
        hint = "nothing in it runs: call a task for each element"
    elif isinstance(node, ast.Name):
        binding = frame.scope.find(node.id)
        if binding is not None and binding.kind == "parameter":
            hint = f"declare the parameter as `{node.id}: pending[T]` to receive running calls"
    frame.report(codes.WAIT_PLAIN, text, span, label, hint)


def _count(frame: Frame, node: ast.Wait, quorum: ast.Expr) -> None:
    found = widen(frame.plain(quorum))
    value = frame.value_of(quorum)
    wrong = isinstance(found, Instance) and found.cls.name in ("float", "bool", "complex")
    if is_number(found) is False or wrong:
        text = f"how many to wait for is a whole number, not {a_type(found)}"
        hint = "write a number, `all`, `any` or a percentage such as `80%`"
        frame.report(codes.WAIT_QUORUM, text, quorum.span, "expected an int", hint)
    elif type(value) is int:
        if value < 0:
            text = f"`wait` cannot wait for {value}"
            frame.report(codes.WAIT_QUORUM, text, quorum.span, "negative")
        count = size_of(frame, node.members)
        if count is not None and value > count:
            text = f"`wait` for {value} of {count} can never be reached"
            hint = f"write `all of …`, or a number up to {count}"
            frame.report(codes.WAIT_TOO_MANY, text, quorum.span, f"there are only {count}", hint)


def _percent(frame: Frame, node: ast.Percent) -> None:
    found = frame.plain(node.value)
    value = frame.value_of(node.value)
    if is_number(found) is False:
        text = f"a percentage is a number, not {a_type(found)}"
        frame.report(codes.WAIT_QUORUM, text, node.value.span, "expected a number")
    elif isinstance(value, (int, float)) and not 0 < value <= 100:
        text = f"{value}% is outside the range of percentages"
        hint = "write a number above 0 and up to 100"
        frame.report(codes.WAIT_PERCENT, text, node.span, "out of range", hint)
