"""Calls: what is called, with which arguments, and the words around it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from wfc.compiler import codes, options
from wfc.compiler.check.access import METHOD_HINT, not_in_spec
from wfc.compiler.check.arguments import bind_arguments
from wfc.compiler.check.builtin import builtin
from wfc.compiler.check.frame import WHAT, Frame
from wfc.compiler.check.info import CallInfo
from wfc.compiler.constants import dotted
from wfc.compiler.project import (
    SPECIALS,
    Builtin,
    SpecSymbol,
    TaskSymbol,
    TypeSymbol,
    WorkflowSymbol,
)
from wfc.compiler.suggest import did_you_mean
from wfc.compiler.types import (
    ANY,
    NEVER,
    NONE,
    STR,
    PendingType,
    ResultType,
    Type,
    describe,
    is_number,
)
from wfc.dsl import ast
from wfc.dsl.diagnostics import Label
from wfc.plan.expr import BUILTINS

_FOREIGN = {
    "print": "print in a Python function: what tasks print is in the run's log",
    "open": "read and write files in a Python function",
    "isinstance": "test the type in a Python function",
    "list": "write `[x for x in xs]`",
    "dict": "write `{k: v for k, v in pairs}`",
    "set": "make the set in a Python function",
    "tuple": "write `(a, b)`",
    "map": "write a fan-out: `[f(x) for x in xs]`",
    "filter": "write `[x for x in xs if …]`",
    "reversed": "write `xs[::-1]`",
    "eval": "nothing is ever evaluated from text",
    "exec": "nothing is ever evaluated from text",
    "input": 'wait for a person with `receive("name")`',
    "gather": "a list of calls runs in parallel: `[f(1), f(2)]`",
    "raise": 'write `fail("message")`',
}


def call(frame: Frame, node: ast.Call) -> Type:
    """The type of a call; a `Result` of it where it is caught."""
    found = _target(frame, node)
    if isinstance(found, Builtin):
        if found.name in SPECIALS:
            return _SPECIAL[found.name](frame, node)
        check_modifiers(frame, node, "built-in")
        return builtin(frame, node, found.name)
    if found is None:
        _arguments_only(frame, node)
        return ANY
    frame.started += 1
    frame.info.running[id(node)] = "one"
    callee = frame.context.callee(found)
    outer, frame.secrets = frame.secrets, not isinstance(found, WorkflowSymbol)
    handles = bind_arguments(frame, node, callee)
    frame.secrets = outer
    frame.info.calls[id(node)] = CallInfo(found, handles)
    check_modifiers(frame, node, "workflow" if isinstance(found, WorkflowSymbol) else "task")
    _inplace(frame, node, found)
    return ResultType(callee.returns) if node.modifiers.catch else callee.returns


def _arguments_only(frame: Frame, node: ast.Call) -> None:
    for arg in node.args:
        frame.infer(arg)
    for keyword in node.keywords:
        frame.infer(keyword.value)
    frame.started += 1
    frame.info.running[id(node)] = "one"


Target = TaskSymbol | WorkflowSymbol | TypeSymbol | Builtin


def _target(frame: Frame, node: ast.Call) -> Target | None:
    """What a call calls; `None` when nothing can be called there, which is reported."""
    func = node.func
    name = dotted(func)
    local = frame.scope.find(name.partition(".")[0]) if name else None
    if local is None or isinstance(func, ast.Name):
        found = frame.context.project.resolve(frame.module, func)
        if name:
            frame.context.use(frame.module, name)
        if isinstance(found, (TaskSymbol, WorkflowSymbol, TypeSymbol, Builtin)):
            if local is not None and not isinstance(found, Builtin):
                local.use()
                _not_callable(frame, func, f"`{name}` is a value here", local.span, "bound here")
                return None
            return found
        if local is not None:
            local.use()
            _not_callable(frame, func, f"`{name}` is a value", local.span, "bound here")
            return None
        if found is not None:
            what = f"`{name}` is {WHAT[type(found)]}"
            _not_callable(frame, func, what, found.span, "declared here")
            return None
        if isinstance(func, ast.Name):
            _unknown(frame, func)
            return None
        if isinstance(func, ast.Attribute) and isinstance(func.value, ast.Name):
            owner = frame.module.symbols.get(func.value.id)
            if isinstance(owner, SpecSymbol):
                if owner.target is not None:
                    not_in_spec(frame, func, owner)
                return None
    _method(frame, func)
    return None


def _not_callable(frame: Frame, func: ast.Expr, what: str, span: ast.Span, label: str) -> None:
    text = f"{what}, and cannot be called"
    hint = "a spec calls tasks, workflows and built-ins only"
    frame.report(codes.NOT_CALLABLE, text, func.span, "not callable", hint, (Label(span, label),))


def _unknown(frame: Frame, func: ast.Name) -> None:
    symbols = [n for n, s in frame.module.symbols.items() if not isinstance(s, SpecSymbol)]
    hint = did_you_mean(func.id, symbols) or did_you_mean(func.id, [*BUILTINS, *SPECIALS, "wait"])
    if func.id in _FOREIGN:
        hint = _FOREIGN[func.id]
    if not hint:
        hint = f"import it from Python: `from module import {func.id}`"
    text = f"there is no task, workflow or built-in `{func.id}`"
    frame.report(codes.UNKNOWN_CALLEE, text, func.span, "not known here", hint)


def _method(frame: Frame, func: ast.Expr) -> None:
    """A call of something that is neither a name nor a member of a spec."""
    if isinstance(func, ast.Attribute):
        owner = dotted(func).partition(".")[0]
        if owner and not _anywhere(frame, owner):
            text = f"the name `{owner}` is not known here"
            hint = did_you_mean(owner, [*frame.scope.visible(), *frame.module.symbols])
            hint = hint or f"import the function: `from {owner} import {func.name}`"
            frame.report(codes.UNKNOWN_NAME, text, func.span, "not bound", hint)
            return
        frame.infer(func.value)
        text = f"`.{func.name}(…)` calls a method"
        frame.report(codes.METHOD_CALL, text, func.name_span, "a method", METHOD_HINT)
        return
    frame.infer(func)
    text = "only a name can be called"
    frame.report(codes.NOT_CALLABLE, text, func.span, "not callable", METHOD_HINT)


def _anywhere(frame: Frame, name: str) -> bool:
    """Whether a name is bound here, or elsewhere in the workflow, or declared."""
    if frame.scope.find(name) is not None or frame.scope.find_partial(name) is not None:
        return True
    return name in frame.later or name in frame.body or name in frame.module.symbols


# ------------------------------------------------------------------------------------- modifiers

_ALLOWED = {
    "task": ("catch", "inplace", "nocheckpoint", "with", "after"),
    "workflow": ("catch", "inplace", "nocheckpoint", "with", "after"),
    "fan-out": ("catch", "with", "after"),
    "list": (),
    "built-in": (),
    "sleep": ("after",),
    "receive": ("catch", "after"),
    "cancel": ("after",),
    "fail": ("after",),
    "secret": (),
}
_PLACE: dict[str, options.Place] = {"task": "call", "workflow": "sub", "fan-out": "map"}
_NAMED = {
    "fan-out": "a fan-out",
    "list": "a comprehension without calls",
    "built-in": "a built-in",
}
_MODIFIER_HINTS = {
    "fan-out": "write it on the call inside the fan-out: `[{word} f(x) for x in xs]`",
    "list": "it runs no task",
    "built-in": "it runs no task",
    "receive": "give the limit of time as an argument: `receive(name, timeout=1h)`",
}


def check_modifiers(frame: Frame, node: ast.Call | ast.Comprehension, what: str) -> None:
    """Report the words around a call that it cannot have, and its options."""
    m = node.modifiers
    place = _PLACE.get(what)
    given = {"catch": m.catch, "inplace": m.inplace, "nocheckpoint": m.nocheckpoint}
    if m.options:
        given["with"] = m.options[0].span
    if m.after:
        given["after"] = m.after[0].span
    for word, span in given.items():
        if span is None or word in _ALLOWED[what]:
            continue
        if word == "nocheckpoint" and what == "receive":
            text = "`nocheckpoint` cannot be used with `receive`: a signal comes only once"
            hint = "take `nocheckpoint` away: after a restart the signal could not be had again"
            frame.report(codes.NOCHECKPOINT_RECEIVE, text, span, hint=hint)
            continue
        text = f"`{word}` cannot be used with {_NAMED.get(what, f'`{what}`')}"
        hint = _MODIFIER_HINTS.get(what, "").format(word=word)
        frame.report(codes.MODIFIER_PLACE, text, span, hint=hint)
    if place is not None and m.options:
        _options(frame, node, place)
    for item in m.after:
        _after(frame, item)


def _options(frame: Frame, node: ast.Call | ast.Comprehension, place: options.Place) -> None:
    info = frame.info.calls.get(id(node))
    symbol = info.symbol if info is not None else None
    if isinstance(symbol, TypeSymbol):
        symbol = symbol.task
    inherited = symbol.options if isinstance(symbol, TaskSymbol) else {}
    for keyword in node.modifiers.options:
        _use_names(frame, keyword.value)
    constants = frame.context.constants
    _, wrong = options.read(constants, frame.module, node.modifiers.options, place, inherited)
    frame.context.found.extend(wrong)
    if node.modifiers.nocheckpoint is not None:
        for keyword in node.modifiers.options:
            if keyword.name == "checkpoint":
                text = "`nocheckpoint` and the option `checkpoint` contradict each other"
                frame.report(codes.MODIFIER_PLACE, text, keyword.span, hint="take one of them away")


def _use_names(frame: Frame, node: ast.Expr) -> None:
    for name in names_in(node):
        frame.context.use(frame.module, name)


def names_in(node: Any) -> list[str]:
    """The names that an expression of options mentions."""
    if isinstance(node, ast.Name):
        return [node.id]
    if isinstance(node, tuple):
        return [n for part in node for n in names_in(part)]
    parts = getattr(node, "__dataclass_fields__", {})
    return [n for f in parts if f != "span" for n in names_in(getattr(node, f))]


def _after(frame: Frame, node: ast.Expr) -> None:
    """What `after (…)` names must be something that runs."""
    if isinstance(node, ast.Name):
        binding = frame.scope.find(node.id)
        if binding is not None and binding.kind == "value":
            frame.infer(node)
            return
        if binding is None:
            symbol = frame.module.symbols.get(node.id)
            if symbol is None or isinstance(symbol, (TaskSymbol, WorkflowSymbol)):
                frame.infer(node)
                return
        frame.infer(node)
    elif isinstance(node, (ast.Call, ast.Comprehension, ast.Wait)):
        frame.infer(node)
        if frame.running(node) or isinstance(node, ast.Wait):
            return
    else:
        frame.infer(node)
    text = "`after (…)` waits for what runs in this workflow, and this is a value"
    hint = "name the result of a call: `a = f(x)` … `g(y) after (a)`"
    frame.report(codes.AFTER_PLAIN, text, node.span, "already there", hint)


def _inplace(
    frame: Frame, node: ast.Call, symbol: TaskSymbol | WorkflowSymbol | TypeSymbol
) -> None:
    """Resources on an inplace call would be ignored."""
    task = symbol.task if isinstance(symbol, TypeSymbol) else symbol
    own = isinstance(task, TaskSymbol) and task.inplace
    if node.modifiers.inplace is None and not own:
        return
    for keyword in node.modifiers.options:
        if keyword.name in options.RESOURCES:
            text = f"`{keyword.name}` has no effect on an `inplace` call"
            hint = "it runs in a process that exists already: take the option or `inplace` away"
            frame.report(codes.INPLACE_RESOURCES, text, keyword.span, "would be ignored", hint)
    if not own and isinstance(task, TaskSymbol) and node.modifiers.inplace is not None:
        asked = sorted(task.options.keys() & options.RESOURCES)
        if asked:
            text = f"`{task.name}` asks for `{asked[0]}`, which has no effect on an `inplace` call"
            hint = "it runs in a process that exists already: call the function without the option"
            related = (Label(task.span, "asked for here"),)
            frame.report(
                codes.INPLACE_RESOURCES,
                text,
                node.modifiers.inplace,
                "would be ignored",
                hint,
                related,
            )


# ------------------------------------------------------------------------------------- specials


def duration(frame: Frame, node: ast.Expr, what: str) -> None:
    """Report what is no duration."""
    found = frame.plain(node)
    value = frame.value_of(node)
    text = f"{what} must be a duration"
    if is_number(found) is False:
        frame.report(
            codes.DURATION, f"{text}, not a {describe(found)}", node.span, "such as 30s or 1h30m"
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
    from wfc.compiler.check.operators import text_only

    if text_only(found):
        text = f"{what} is a text, not {describe(found)}"
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
    if isinstance(found, PendingType) or found == ANY or frame.running(target):
        return
    text = "`cancel` takes what is still running, and this is a value"
    hint = "it takes the remainder of a `wait`, a fan-out, or a call that was given a name"
    frame.report(codes.CANCEL_PLAIN, text, target.span, f"a {describe(found)}", hint)


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


_SPECIAL: dict[str, Callable[[Frame, ast.Call], Type]] = {
    "sleep": _sleep,
    "receive": _receive,
    "cancel": _statement_only,
    "fail": _statement_only,
    "secret": _secret,
}
