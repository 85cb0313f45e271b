"""The words around a call, and its options."""

from __future__ import annotations

from typing import Any

from wfc.compiler import codes, options
from wfc.compiler.check.frame import Frame
from wfc.compiler.project import (
    TaskSymbol,
    TypeSymbol,
    WorkflowSymbol,
)
from wfc.dsl import ast
from wfc.dsl.diagnostics import Label

_ALLOWED = {
    "task": ("catch", "inplace", "nocheckpoint", "with", "after"),
    "workflow": ("catch", "inplace", "nocheckpoint", "with", "after"),
    "fan-out": ("catch", "with", "after"),
    "list": (),
    "built-in": (),
    "sleep": ("after",),
    "receive": ("catch", "after"),
    "wait": ("catch", "after"),
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
    "wait": "write it on the calls that are waited for; a `wait` has only its `timeout`",
    "receive": "give the limit of time as an argument: `receive(name, timeout=1h)`",
}


def check_modifiers(frame: Frame, node: ast.Call | ast.Comprehension | ast.Wait, what: str) -> None:
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
    if place is not None and m.options and not isinstance(node, ast.Wait):
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


def check_inplace(
    frame: Frame, node: ast.Call, symbol: TaskSymbol | WorkflowSymbol | TypeSymbol
) -> None:
    """Resources on an inplace call would be ignored."""
    task = symbol.task if isinstance(symbol, TypeSymbol) else symbol
    own = isinstance(task, TaskSymbol) and task.inplace
    if node.modifiers.inplace is None and not own:
        return
    for keyword in node.modifiers.options:
        if keyword.name in options.RESOURCES and isinstance(task, TaskSymbol):
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
