"""Frames, their statements, and the whole."""

from __future__ import annotations

import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tests.oracle.reference.calls import Calls
from tests.oracle.reference.cells import Cell, Remainder, WaitValue, attempt, join
from tests.oracle.reference.frames import Broken, Exit, Frame, Hop, Returned, Scope, next_hop
from tests.oracle.reference.names import (
    Functions,
    Workflow,
    import_path,
    is_fail,
    no_workflow,
    walk,
)
from tests.oracle.reference.outcome import (
    ANY,
    Error,
    FailuresError,
    Outcome,
    Trace,
    UnsupportedError,
)
from tests.oracle.reference.splits import WaitPolicy, WaitView, in_order
from wfc.dsl import ast

Graphs = Callable[["Reference", Any, Trace, "Frame | None"], Any]
"""Makes a value of what a task returned: of a graph of calls its result, of anything else itself."""


class Reference(Calls):
    """Evaluates workflows of a set of parsed specs; see `evaluate`."""

    def __init__(
        self,
        modules: Mapping[str, ast.Module],
        functions: Functions = import_path,
        *,
        signals: Mapping[str, Sequence[Any]] | None = None,
        policy: WaitPolicy = in_order,
        secrets: Mapping[str, str] | None = None,
        graphs: Graphs | None = None,
    ) -> None:
        self.modules = modules
        self.functions = functions
        self.signals = {name: deque(payloads) for name, payloads in (signals or {}).items()}
        self.policy = policy
        self.secrets = secrets or {}
        self.graphs = graphs
        self.waits: dict[str, WaitView] = {}
        self.handles: dict[str, Remainder] = {}
        self.names = {file: self._declared(module) for file, module in modules.items()}
        self.constants: dict[tuple[str, str], Cell] = {}
        self.numbers: dict[int, dict[int, int]] = {}

    def call_workflow(
        self,
        workflow: Workflow,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        path: str,
        trace: Trace,
        nocheckpoint: bool = False,
    ) -> Any:
        """The value of a call of a workflow, its continuations included."""
        finals: list[Callable[[], None]] = []
        value, failed = None, None
        try:
            value = self._frame(workflow, args, kwargs, path, trace, nocheckpoint, finals)
            while isinstance(value, Hop):
                value = value.run(finals)
        except FailuresError as error:
            failed = error
        # The chain's `finally` blocks run when its result is known, the last frame's first.
        errors: set[Error] = set()
        for final in reversed(finals):
            try:
                final()
            except FailuresError as error:
                errors |= error.errors
        if failed is not None:
            raise failed
        if errors:
            raise FailuresError(*errors)
        return value

    def _frame(
        self,
        workflow: Workflow,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        path: str,
        trace: Trace,
        nocheckpoint: bool,
        finals: list[Callable[[], None]],
    ) -> Any:
        """One frame: its value, or the hop that replaces it. Its `finally` is added to `finals`."""
        frame = Frame(workflow, path, nocheckpoint, self._managed(workflow))
        body = Trace(trace)
        scope = Scope(frame, path, body)
        given = {name: Cell(value) for name, value in self._bind(workflow, args, kwargs).items()}
        scope.cells.update(given)
        if workflow.decl.finally_:
            finals.append(lambda: self._finally(workflow, given, path, trace, nocheckpoint))
        ended = self._block(workflow.decl.body, scope)
        if isinstance(ended, Broken) or frame.errors:
            body.certain = False
            raise FailuresError(*frame.errors)
        if isinstance(ended, Hop):
            return ended
        return ended.value if isinstance(ended, Returned) else None

    def _finally(
        self,
        workflow: Workflow,
        given: dict[str, Cell],
        path: str,
        trace: Trace,
        nocheckpoint: bool,
    ) -> None:
        """A frame's `finally` block, which sees its parameters."""
        frame = Frame(workflow, f"{path}/finally", nocheckpoint, frozenset())
        scope = Scope(frame, frame.path, Trace(trace))
        scope.cells.update(given)
        if isinstance(self._block(workflow.decl.finally_, scope), Broken) or frame.errors:
            scope.trace.certain = False
            raise FailuresError(*frame.errors)

    def _bind(
        self, workflow: Workflow, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> dict[str, Any]:
        parameters = workflow.decl.signature.parameters
        out: dict[str, Any] = dict(zip((p.name for p in parameters), args, strict=False))
        out.update(kwargs)
        if len(args) > len(parameters) or set(out) - {p.name for p in parameters}:
            raise UnsupportedError(f"arguments of {workflow.decl.name}")
        for parameter in parameters:
            if parameter.name not in out:
                if parameter.default is None:
                    raise UnsupportedError(
                        f"no argument {parameter.name!r} of {workflow.decl.name}"
                    )
                out[parameter.name] = self._constant(parameter.default, workflow.file)
        return out

    def _constant(self, expr: Any, file: str) -> Any:
        frame = Frame(no_workflow(file), "", False, frozenset())
        return self.value(expr, Scope(frame, "", Trace()))

    def _block(self, statements: Sequence[ast.Statement], scope: Scope) -> Exit | None:
        for statement in statements:
            ended = self._statement(statement, scope)
            if ended is not None:
                return ended
        return None

    def _statement(self, statement: ast.Statement, scope: Scope) -> Exit | None:
        errors = scope.frame.errors
        if isinstance(statement, ast.Pass):
            return None
        if isinstance(statement, ast.Assign):
            self._assign(statement, scope)
            return None
        if isinstance(statement, ast.If):
            return self._if(statement, scope)
        try:
            if isinstance(statement, ast.ExprStatement):
                self.value(statement.value, scope)
                return None
            if isinstance(statement, ast.Return):
                if statement.value is None:
                    return Returned(None)
                return Returned(join(self.value(statement.value, scope)))
            call = statement.call
            assert isinstance(call, ast.Call)
            run = self._prepare(call, scope, lambda: next_hop(scope.frame.path))
        except FailuresError as failed:
            errors |= failed.errors
            return (
                None
                if isinstance(statement, ast.ExprStatement) and not is_fail(statement)
                else Broken()
            )
        return Broken() if errors else Hop(run)

    def _assign(self, statement: ast.Assign, scope: Scope) -> None:
        targets = [target.id for target in statement.targets]
        only = targets[0] if len(targets) == 1 else None
        managed = only is not None and only in scope.frame.managed
        cell = self.cell(statement.value, scope, only, managed)
        if not managed:
            scope.frame.errors |= cell.errors
        if only is not None:
            scope.cells[only] = cell
            return
        try:
            value = cell.get()
            if isinstance(value, WaitValue):
                items: list[Any] = [value.ready, value.pending]
            else:
                items = attempt(lambda: list(value))
            if len(items) != len(targets):
                raise FailuresError(Error(ANY, ANY))
            for target, item in zip(targets, items, strict=True):
                scope.cells[target] = Cell(item)
        except FailuresError as failed:
            scope.frame.errors |= failed.errors
            for target in targets:
                scope.cells[target] = Cell(errors=failed.errors)

    def _if(self, statement: ast.If, scope: Scope) -> Exit | None:
        try:
            for condition, body in statement.arms:
                if attempt(lambda: bool(self.value(condition, scope))):  # noqa: B023
                    return self._block(body, scope)
            return self._block(statement.orelse, scope)
        except FailuresError as failed:
            scope.frame.errors |= failed.errors
            bodies = [b for c, b in statement.arms if not self._never(c, scope)]
            for part in walk((*bodies, statement.orelse)):
                if isinstance(part, (ast.Return, ast.Continuation)) or is_fail(part):
                    return Broken()
                if isinstance(part, ast.Assign):
                    for target in part.targets:
                        scope.cells[target.id] = Cell(errors=failed.errors)
            return None

    def _never(self, condition: ast.Expr, scope: Scope) -> bool:
        """Whether a condition is false whatever the values are: nothing has to wait for it."""
        if any(isinstance(part, (ast.Name, ast.Call)) for part in walk(condition)):
            return False
        try:
            return not attempt(lambda: bool(self.value(condition, scope)))
        except FailuresError:
            return False


def evaluate(
    modules: Mapping[str, ast.Module],
    entry: str,
    params: Mapping[str, Any],
    functions: Functions = import_path,
    *,
    file: str | None = None,
    signals: Mapping[str, Sequence[Any]] | None = None,
    policy: WaitPolicy = in_order,
    secrets: Mapping[str, str] | None = None,
    graphs: Graphs | None = None,
) -> Outcome:
    """Run the workflow `entry` of `file` (the first module, when it is not given)."""
    reference = Reference(
        modules, functions, signals=signals, policy=policy, secrets=secrets, graphs=graphs
    )
    workflow = reference.names[file or next(iter(modules))][entry]
    assert isinstance(workflow, Workflow), f"{entry!r} is not a workflow"
    trace = Trace()

    def run() -> Outcome:
        value, errors = None, frozenset[Error]()
        try:
            value = reference.call_workflow(workflow, (), params, entry, trace)
        except FailuresError as failed:
            errors = failed.errors
        must, may = trace.count()
        return Outcome(value, errors, must, may, reference.waits)

    return with_deep_stack(run)


def with_deep_stack(run: Callable[[], Any], megabytes: int = 512) -> Any:
    """The result of `run`, called where recursion may go deep."""
    out: list[Any] = []
    failed: list[BaseException] = []

    def work() -> None:
        try:
            out.append(run())
        except BaseException as error:
            failed.append(error)

    limit, size = sys.getrecursionlimit(), threading.stack_size(megabytes << 20)
    sys.setrecursionlimit(1_000_000)
    try:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    finally:
        sys.setrecursionlimit(limit)
        threading.stack_size(size)
    if failed:
        raise failed[0]
    return out[0]
