"""Calls: what is called, with which arguments, and the words around it."""

from __future__ import annotations

from itertools import chain

from wfc.compiler import codes
from wfc.compiler.check.access import METHOD_HINT, not_in_spec
from wfc.compiler.check.arguments import bind_arguments
from wfc.compiler.check.builtin import builtin
from wfc.compiler.check.frame import WHAT, Frame
from wfc.compiler.check.info import CallInfo
from wfc.compiler.check.modifiers import check_inplace, check_modifiers
from wfc.compiler.check.specials import SPECIAL
from wfc.compiler.constants import dotted
from wfc.compiler.project import (
    SPECIALS,
    Builtin,
    SpecSymbol,
    TaskSymbol,
    TypeSymbol,
    WorkflowSymbol,
)
from wfc.compiler.types import ANY, ResultType, Type
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
            return SPECIAL[found.name](frame, node)
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
    check_inplace(frame, node, found)
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
    symbols = (n for n, s in frame.module.symbols.items() if not isinstance(s, SpecSymbol))
    hint = frame.context.suggest(func.id, symbols, (*BUILTINS, *SPECIALS, "wait"))
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
            hint = frame.context.suggest(owner, chain(frame.scope.visible(), frame.module.symbols))
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
