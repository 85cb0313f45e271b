"""What stands at the top of a spec: constants, tasks, signatures; and what nothing uses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from wfc.compiler import codes, options
from wfc.compiler.check.context import Context, as_expr, python_span
from wfc.compiler.check.expressions import infer
from wfc.compiler.check.frame import Frame
from wfc.compiler.check.info import Info
from wfc.compiler.check.modifiers import names_in
from wfc.compiler.constants import NotConstantError, dotted
from wfc.compiler.project import (
    Builtin,
    ConstantSymbol,
    SpecModule,
    SpecSymbol,
    TaskSymbol,
    TypeSymbol,
    WorkflowSymbol,
)
from wfc.compiler.relations import assignable
from wfc.compiler.signatures import Function
from wfc.compiler.types import ANY, AnyType, Type, article, describe, mismatch
from wfc.dsl import ast
from wfc.dsl.diagnostics import Label


def check_declarations(context: Context) -> None:
    """Check everything but the bodies of workflows."""
    context.type_constant = _type_constant
    for module in context.project.modules.values():
        for symbol in module.symbols.values():
            match symbol:
                case ConstantSymbol():
                    context.constant_type(symbol)
                case WorkflowSymbol():
                    _workflow(context, symbol)
                case TaskSymbol(decl=ast.TaskDecl()):
                    _task(context, symbol)


def check_unused(context: Context) -> None:
    """Warn about imports that nothing uses; Python code may call a task by its name too."""
    python = "".join(context.project.reader.sources().values())
    for module in context.project.modules.values():
        for symbol in module.symbols.values():
            imported = isinstance(symbol, (SpecSymbol, TypeSymbol)) or (
                isinstance(symbol, TaskSymbol) and symbol.decl is None
            )
            named = f'"{symbol.name}"' in python or f"'{symbol.name}'" in python
            if imported and symbol not in context.used and not named and symbol.name[0] != "_":
                text = f"`{symbol.name}` is imported and never used"
                hint = "remove it"
                context.report(codes.UNUSED_IMPORT, text, symbol.span, "", hint, severity="warning")
            elif context.strict and symbol in context.used:
                task = symbol.task if isinstance(symbol, TypeSymbol) else symbol
                if isinstance(task, TaskSymbol) and not isinstance(symbol, TypeSymbol):
                    _untyped_task(context, task)


# ------------------------------------------------------------------------------------- constants


def _type_constant(context: Context, symbol: ConstantSymbol) -> Type:
    return constant_expression(context, symbol.module, symbol.expr, symbol)


def constant_expression(
    context: Context, module: SpecModule, node: ast.Expr, symbol: ConstantSymbol | None = None
) -> Type:
    """The type of an expression that must be constant; what is not constant in it is reported."""
    for part in _calls(node):
        target = context.project.resolve(module, part.func) if isinstance(part, ast.Call) else None
        if isinstance(target, Builtin) and not target.special:
            continue
        if isinstance(part, ast.Call):
            context.use(module, dotted(part.func))
        what = f"`{dotted(part.func)}(…)`" if isinstance(part, ast.Call) else "`wait`"
        text = f"{what} cannot stand in a constant: it runs in a workflow only"
        hint = "a constant is known before anything runs: bind the value in a workflow"
        context.report(codes.NOT_CONSTANT, text, part.span, "not constant", hint)
        return ANY
    before = len(context.found)
    try:
        if symbol is not None:
            context.constants.constant(symbol)
        else:
            context.constants.evaluate(module, node)
    except NotConstantError as error:
        if error.kind == "cycle":
            ring = frozenset(error.text.split(" → "))
            if ring in context.rings:
                return ANY
            context.rings.add(ring)
            text = f"the constants need each other: {error.text}"
            context.report(codes.CONSTANT_CYCLE, text, node.span, "needs itself")
            return ANY
        found = Frame(context, module, Info(), infer).infer(node)
        if error.kind == "fails" and len(context.found) == before:
            text = f"this constant has no value: {error.text}"
            context.report(codes.CONSTANT_FAILS, text, error.node.span, "cannot be evaluated")
        return found
    return Frame(context, module, Info(), infer).infer(node)


def _calls(node: Any) -> Iterator[ast.Call | ast.Wait]:
    """The calls in an expression, outermost first."""
    if isinstance(node, (ast.Call, ast.Wait)):
        yield node
    if isinstance(node, tuple):
        for part in node:
            yield from _calls(part)
    elif not isinstance(node, ast.Span):
        for name in getattr(node, "__dataclass_fields__", ()):
            yield from _calls(getattr(node, name))


# ------------------------------------------------------------------------------------- workflows


def _workflow(context: Context, symbol: WorkflowSymbol) -> None:
    signature = symbol.decl.signature
    for keyword in symbol.decl.options:
        for name in names_in(keyword.value):
            context.use(symbol.module, name)
    for node in signature.parameters:
        declared = context.type(symbol.module, node.annotation)
        if node.annotation is None and context.strict:
            text = f"the parameter `{node.name}` of `{symbol.name}` has no type"
            context.report(codes.UNTYPED, text, node.span, "no type", f"write `{node.name}: T`")
        if node.default is not None:
            _default(context, symbol.module, node, declared)
    returns = context.type(symbol.module, signature.returns)
    if signature.returns is None and context.strict:
        text = f"`{symbol.name}` does not say what it returns"
        context.report(
            codes.UNTYPED, text, symbol.span, "no type", "write `-> T` after its parameters"
        )
    del returns


def _default(context: Context, module: SpecModule, node: ast.Parameter, declared: Type) -> None:
    assert node.default is not None
    found = constant_expression(context, module, node.default)
    if assignable(found, declared):
        return
    wanted, got = mismatch(declared, found)
    text = f"the default of `{node.name}` is {article(got)}, and its type is {wanted}"
    hint = ""
    if describe(found) == "None":
        hint = f"write `{node.name}: {describe(declared)} | None = None`"
    context.report(codes.DEFAULT_TYPE, text, node.default.span, f"expected {wanted}", hint)


# ------------------------------------------------------------------------------------- tasks


def _task(context: Context, symbol: TaskSymbol) -> None:
    decl = symbol.decl
    assert decl is not None
    context.use(symbol.module, decl.target)
    target = context.project.resolve(symbol.module, as_expr(decl.target, decl.target_span))
    if isinstance(target, (TaskSymbol, TypeSymbol)):
        context.used.add(target)
    for keyword in decl.options:
        for name in names_in(keyword.value):
            context.use(symbol.module, name)
    if symbol.inplace:
        for keyword in decl.options:
            if keyword.name in options.RESOURCES:
                text = f"`{keyword.name}` has no effect on an `inplace` task"
                hint = "it runs in a process that exists already: take the option or `inplace` away"
                context.report(
                    codes.INPLACE_RESOURCES, text, keyword.span, "would be ignored", hint
                )
        inherited = sorted(
            (symbol.options.keys() & options.RESOURCES) - {k.name for k in decl.options}
        )
        if inherited:
            text = f"`{decl.target}` asks for `{inherited[0]}`, which has no effect on an `inplace` task"
            hint = "it runs in a process that exists already: derive from a task without the option"
            context.report(
                codes.INPLACE_RESOURCES, text, decl.target_span, "would be ignored", hint
            )
    if decl.nocheckpoint:
        for keyword in decl.options:
            if keyword.name == "checkpoint":
                text = "`nocheckpoint` and the option `checkpoint` contradict each other"
                context.report(
                    codes.MODIFIER_PLACE, text, keyword.span, hint="take one of them away"
                )
    if decl.signature is not None:
        _signature(context, symbol, decl, decl.signature)


def _signature(
    context: Context, symbol: TaskSymbol, decl: ast.TaskDecl, written: ast.Signature
) -> None:
    """A signature in the spec must be one that the Python function, where it is readable, accepts."""
    declared = context.parameters(symbol.module, written)
    for node, param in zip(written.parameters, declared, strict=True):
        if node.default is not None:
            _default(context, symbol.module, node, param.type)
    function = symbol.function
    if function is None or function.params is None:
        return
    before = len(context.found)
    names = {p.name for p in function.params if p.kind in ("normal", "keyword", "positional")}
    open_ended = any(p.kind in ("args", "kwargs") for p in function.params)
    where = python_span(function)
    related = (Label(where, "the function"),) if where else ()
    for node in written.parameters:
        if node.name not in names and not open_ended:
            text = f"the Python function `{function.qualname}` has no parameter `{node.name}`"
            hint = f"its parameters: {', '.join(p.name for p in function.params)}" if names else ""
            context.report(codes.SIGNATURE, text, node.span, "not a parameter", hint, related)
    own = {p.name for p in written.parameters}
    for param in function.params:
        needed = param.kind in ("normal", "keyword", "positional") and not param.has_default
        if needed and param.name not in own and len(context.found) == before:
            text = f"the Python function `{function.qualname}` needs `{param.name}` too"
            context.report(codes.SIGNATURE, text, written.span, "one is missing", "", related)


def _untyped_task(context: Context, task: TaskSymbol) -> None:
    """Under `--strict`, a task that is used needs types, in Python or in the spec."""
    function: Function | None = task.function
    if function is None:
        return
    callee = context.callee(task)
    where = python_span(function)
    related = (Label(where, "defined here"),) if where else ()
    hint = "annotate it in Python, or declare `task name (x: T) -> U = …` in the spec"
    if callee.params is None:
        text = f"the signature of `{task.name}` cannot be read"
        context.report(codes.UNTYPED, text, task.span, "no types", hint, related)
        return
    bare = [p.name for p in callee.params if not p.annotated]
    if bare:
        names = ", ".join(f"`{n}`" for n in bare)
        text = f"{names} of the task `{task.name}` {'has' if len(bare) == 1 else 'have'} no type"
        context.report(codes.UNTYPED, text, task.span, "no type", hint, related)
    written = task.decl is not None and task.decl.signature is not None
    if (
        isinstance(callee.returns, AnyType)
        and not function.returns_annotated
        and not (
            written
            and task.decl is not None
            and task.decl.signature
            and task.decl.signature.returns
        )
    ):
        text = f"the task `{task.name}` does not say what it returns"
        context.report(codes.UNTYPED, text, task.span, "no type", hint, related)
