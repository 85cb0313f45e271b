"""From the syntax tree to the IR: calls become nodes, laziness becomes branches, names become ids.

Takes only projects that passed the checks. What it cannot do it refuses with a diagnostic.
"""

from __future__ import annotations

from wfc.compiler import ir
from wfc.compiler.check import Analysis, Info
from wfc.compiler.constants import Constants
from wfc.compiler.lower import calls, fanouts, handles, values
from wfc.compiler.lower.block import Block, Frame, Lowering, value
from wfc.compiler.lower.managed import mark_managed
from wfc.compiler.lower.scope import Binding, Names, Scope
from wfc.compiler.lower.statements import statements
from wfc.compiler.options import NOT_OF_CALLS
from wfc.compiler.project import Project, TaskSymbol, WorkflowSymbol
from wfc.dsl import ast
from wfc.dsl.diagnostics import Diagnostic

__all__ = ["lower"]
_REGISTERED = (calls, fanouts, handles, values)


def lower(
    project: Project, analysis: Analysis, entry: WorkflowSymbol
) -> tuple[ir.Program, list[Diagnostic]]:
    """The IR of a checked project, and what it refused."""
    lowering = Lowering(project, Constants(project))
    workflows = {
        symbol.key: _workflow(lowering, symbol, analysis.infos.get(symbol.key, Info()))
        for symbol in project.workflows()
    }
    for task in project.tasks():
        if task.decl is not None or (task.function is not None and not task.function.is_class):
            lowering.need(task)
    program = ir.Program(
        entry=entry.key,
        tasks={key: _task(task) for key, task in sorted(lowering.needed.items())},
        workflows=workflows,
        files=[(file.path, file.text) for file in project.files],
        imports=list(project.imports()),
        root=str(project.root),
    )
    return program, lowering.diagnostics


def _task(symbol: TaskSymbol) -> ir.Task:
    function = symbol.function
    if function is None:
        return ir.Task(name=symbol.key, module="", qualname=symbol.name, span=symbol.span)
    options = {k: v for k, v in symbol.options.items() if k not in NOT_OF_CALLS}
    return ir.Task(
        name=symbol.key, module=function.module, qualname=function.qualname,
        beside=function.beside, params=[p.name for p in function.params or ()],
        pending=list(function.pending), inplace=symbol.inplace, checkpoint=symbol.checkpoint,
        options=options, span=symbol.span,
    )  # fmt: skip


def _workflow(lowering: Lowering, symbol: WorkflowSymbol, info: Info) -> ir.Workflow:
    decl = symbol.decl
    frame = Frame(lowering, symbol.module, info)
    params = [_parameter(frame, p) for p in decl.signature.parameters]
    names = Names(own={p.name: Binding(["name", p.name]) for p in params})
    reserved = {p.name for p in params} | _bound(decl.body) | _bound(decl.finally_)
    scope = Scope(reserved=reserved)
    body = Block(frame, scope, names)
    statements(body, decl.body)
    finally_ = None
    if decl.finally_:
        finally_ = Block(frame, scope, Names(names))
        finally_.names = Names(own={p.name: Binding(["name", p.name]) for p in params})
        statements(finally_, decl.finally_)
    returns = decl.signature.returns
    workflow = ir.Workflow(
        name=symbol.key, span=decl.span, params=params, body=body.start,
        finally_=finally_.start if finally_ is not None else None,
        returns=type_text(returns) if returns is not None else None,
        options={k: v for k, v in symbol.options.items() if k != "checkpoint"}, doc=decl.doc,
    )  # fmt: skip
    for graph in workflow.blocks():
        for node in list(ir.walk(graph)):
            if isinstance(node, ir.BranchNode) and node.then is not None and not node.then.nodes:
                node.then = None
        ir.connect(graph)
    mark_managed(workflow)
    return workflow


def _parameter(frame: Frame, given: ast.Parameter) -> ir.Param:
    default = None
    if given.default is not None:
        default = value(Block(frame, Scope(), Names()), given.default)
    annotation = type_text(given.annotation) if given.annotation is not None else None
    return ir.Param(given.name, annotation, default)


def _bound(body: tuple[ast.Statement, ...]) -> set[str]:
    """The names that statements bind, in all their arms."""
    found: set[str] = set()
    todo = [body]
    while todo:
        for statement in todo.pop():
            if isinstance(statement, ast.Assign):
                found.update(target.id for target in statement.targets)
            elif isinstance(statement, ast.If):
                todo.extend(arm for _, arm in statement.arms)
                todo.append(statement.orelse)
    return found


def type_text(written: ast.TypeExpr) -> str:
    """A type as it was written, in one style."""
    args = [type_text(arg) for arg in written.args]
    if written.name == "Union":
        return " | ".join(args)
    return f"{written.name}[{', '.join(args)}]" if args else written.name
