"""`sleep receive cancel fail secret`."""

from __future__ import annotations

from collections.abc import Callable

from wfc.compiler import codes
from wfc.compiler.check.frame import Frame
from wfc.compiler.check.handles import handed_on, why_a_value
from wfc.compiler.check.modifiers import check_modifiers
from wfc.compiler.check.operators import text_only
from wfc.compiler.constants import dotted
from wfc.compiler.relations import is_number
from wfc.compiler.suggest import did_you_mean
from wfc.compiler.types import ANY, NEVER, NONE, STR, ResultType, Type, a_type
from wfc.dsl import ast
from wfc.plan.names import IN_WORDS, NAME


def duration(frame: Frame, node: ast.Expr, what: str) -> None:
    """Report what is no duration."""
    found = frame.plain(node)
    value = frame.value_of(node)
    text = f"{what} must be a duration"
    if is_number(found) is False:
        frame.report(
            codes.DURATION, f"{text}, not {a_type(found)}", node.span, "such as 30s or 1h30m"
        )
    elif isinstance(value, (int, float)) and value < 0:
        frame.report(codes.DURATION, f"{text} of 0 or more", node.span, "negative")


def _named(frame: Frame, node: ast.Call, params: tuple[str, ...]) -> dict[str, ast.Expr]:
    """The arguments of a special call by name; the first parameter is the one that is needed."""
    name = dotted(node.func)
    given: dict[str, ast.Expr] = dict(zip(params[:1], node.args, strict=False))
    for extra in node.args[1:]:
        text = f"`{name}` takes one argument, got {len(node.args)}"
        hint = f"write `{name}(…, {params[1]}=…)`" if len(params) > 1 else ""
        frame.report(codes.TOO_MANY_ARGUMENTS, text, extra.span, "one too many", hint)
        break
    for keyword in node.keywords:
        if keyword.name not in params:
            text = f"`{name}` has no parameter `{keyword.name}`"
            hint = did_you_mean(keyword.name, params)
            frame.report(codes.UNKNOWN_KEYWORD, text, keyword.name_span, "not expected", hint)
            frame.infer(keyword.value)
        elif keyword.name in given:
            text = f"`{keyword.name}` is given twice"
            frame.report(codes.GIVEN_TWICE, text, keyword.span, "given again")
        else:
            given[keyword.name] = keyword.value
    if params[0] not in given:
        text = f"`{name}` needs its {params[0]}"
        frame.report(codes.MISSING_ARGUMENT, text, node.span, f"`{params[0]}` is missing")
    return given


def _text(frame: Frame, node: ast.Expr, what: str) -> None:
    found = frame.plain(node)
    if text_only(found):
        text = f"{what} is a text, not {a_type(found)}"
        frame.report(codes.ARGUMENT_TYPE, text, node.span, "expected a str", 'write f"{…}"')


def _sleep(frame: Frame, node: ast.Call) -> Type:
    check_modifiers(frame, node, "sleep")
    given = _named(frame, node, ("duration",))
    if "duration" in given:
        duration(frame, given["duration"], "what `sleep` takes")
    frame.started += 1
    frame.info.running[id(node)] = "one"
    return NONE


def _receive(frame: Frame, node: ast.Call) -> Type:
    check_modifiers(frame, node, "receive")
    given = _named(frame, node, ("name", "timeout"))
    if "name" in given:
        _text(frame, given["name"], "the name of a signal")
        name = frame.value_of(given["name"])
        if isinstance(name, str) and not NAME.fullmatch(name):
            text = "no signal can have this name"
            frame.report(codes.SIGNAL_NAME, text, given["name"].span, "not a name", IN_WORDS)
    if "timeout" in given:
        duration(frame, given["timeout"], "the timeout of `receive`")
    frame.started += 1
    frame.info.running[id(node)] = "one"
    return ResultType(ANY) if node.modifiers.catch else ANY


def _statement_only(frame: Frame, node: ast.Call) -> Type:
    name = dotted(node.func)
    text = f"`{name}(…)` gives no value: it is a statement of its own"
    frame.report(codes.STATEMENT_ONLY, text, node.span, "expected a value")
    for arg in node.args:
        frame.infer(arg)
    return NEVER


def cancel(frame: Frame, node: ast.Call) -> None:
    """The statement `cancel(pending)`."""
    check_modifiers(frame, node, "cancel")
    given = _named(frame, node, ("pending",))
    target = given.get("pending")
    if target is None:
        return
    found = frame.infer(target)
    if frame.running(target) == "one" or handed_on(frame, target, found) is not None:
        return
    text = "`cancel` takes what is still running, and this is a value"
    label, hint = why_a_value(frame, target)
    label = label or a_type(found)
    hint = hint or "it takes the remainder of a `wait`, a fan-out, or a call that was given a name"
    frame.report(codes.CANCEL_PLAIN, text, target.span, label, hint)


def fail(frame: Frame, node: ast.Call) -> None:
    """The statement `fail(message)`."""
    check_modifiers(frame, node, "fail")
    given = _named(frame, node, ("message",))
    if "message" in given:
        _text(frame, given["message"], "the message of `fail`")


def _secret(frame: Frame, node: ast.Call) -> Type:
    check_modifiers(frame, node, "secret")
    given = _named(frame, node, ("name",))
    if not frame.secrets:
        text = "`secret(…)` may stand only in the arguments of a task"
        hint = 'it is resolved where the task runs, and is never stored: `f(secret("NAME"))`'
        frame.report(codes.SECRET_PLACE, text, node.span, "would be stored", hint)
    name = given.get("name")
    if name is not None and not (isinstance(name, ast.Constant) and isinstance(name.value, str)):
        text = "the name of a secret is written out, as a text"
        frame.report(codes.ARGUMENT_TYPE, text, name.span, 'expected a text such as "TOKEN"')
        frame.infer(name)
    return STR


SPECIAL: dict[str, Callable[[Frame, ast.Call], Type]] = {
    "sleep": _sleep,
    "receive": _receive,
    "cancel": _statement_only,
    "fail": _statement_only,
    "secret": _secret,
}
