"""A naive, sequential interpreter of plans: what the compiler made, run without the engine.

Compared with the reference interpreter it judges the compiler alone. It ignores all that only says
how to dispatch (units, regions, `carried`), and keeps the ids of the task calls, which must be the
same with and without optimization.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.oracle.reference import (
    ANY,
    UNREACHABLE,
    CallRecord,
    Cell,
    Error,
    ErrorView,
    FailuresError,
    Remainder,
    ResultView,
    Split,
    Trace,
    UnsupportedError,
    WaitPolicy,
    WaitValue,
    WaitView,
    attempt,
    check_copy,
    check_split,
    copy,
    gather,
    in_order,
    join,
    with_deep_stack,
)
from wfc.plan import model as m
from wfc.plan.expr import compile_expr, names
from wfc.runtime.values import Pending


@dataclass(frozen=True)
class PlanOutcome:
    """How it ended, the calls made, and the ids of the instances that made them."""

    value: Any
    errors: frozenset[Error]
    must: Counter[CallRecord]
    may: Counter[CallRecord]
    ids: list[str]

    @property
    def ok(self) -> bool:
        return not self.errors


@dataclass(eq=False)
class Frame:
    """One activation of a workflow."""

    checkpoint: bool
    errors: set[Error] = field(default_factory=set)


@dataclass(eq=False)
class Scope:
    """An instance of a graph: names (and, with `&`, handles) to cells."""

    path: str
    frame: Frame
    trace: Trace
    up: Scope | None = None
    cells: dict[str, Cell] = field(default_factory=dict)
    index: int = -1

    def find(self, name: str) -> Cell:
        scope: Scope | None = self
        while scope is not None:
            if name in scope.cells:
                return scope.cells[name]
            scope = scope.up
        raise LookupError(f"no value for {name!r} at {self.path}")


@dataclass(frozen=True)
class Returned:
    value: Any


@dataclass(frozen=True)
class Hop:
    run: Callable[[], Any]


class Broken:
    """The frame cannot go on."""


Exit = Returned | Hop | Broken


class Planned:
    """Runs a plan; `functions` finds a task's function by `module.qualname`."""

    def __init__(
        self,
        plan: m.Plan,
        functions: Callable[[str], Callable[..., Any]],
        signals: Mapping[str, Sequence[Any]],
        policy: WaitPolicy,
        graphs: Any = None,
    ) -> None:
        self.plan = plan
        self.graphs = graphs
        self.functions = functions
        self.signals = {name: deque(payloads) for name, payloads in signals.items()}
        self.policy = policy
        self.ids: list[str] = []
        self.handles: dict[str, Remainder] = {}
        self.compiled: dict[int, Any] = {}
        self.kept: list[Any] = []

    # ---- expressions

    def value(self, expr: Any, scope: Scope) -> Any:
        """The value of an expression; the failures of all names in it when some are broken."""
        env: dict[str, Any] = {}
        wanted = list(dict.fromkeys(self._wanted(expr)))
        values = gather(lambda n=name: scope.find(n).get() for name in wanted)
        env.update(zip(wanted, values, strict=True))
        run = self.compiled.get(id(expr))
        if run is None:
            run = self.compiled[id(expr)] = compile_expr(expr)
            self.kept.append(expr)
        return attempt(lambda: run(env))

    def _wanted(self, expr: Any) -> list[str]:
        handles = set(_handles(expr))
        plain = [n for n in names(expr) if n not in handles or _plainly(expr, n)]
        return [*plain, *(f"&{h}" for h in handles)]

    # ---- frames

    def call(
        self, target: str, args: Sequence[Any], kwargs: Mapping[str, Any], path: str, trace: Trace,
        checkpoint: bool,
    ) -> Any:  # fmt: skip
        """The value of a call of a workflow, its continuations included."""
        finals: list[Callable[[], None]] = []
        hop = 0
        try:
            result = self._frame(target, args, kwargs, path, trace, checkpoint, finals)
            while isinstance(result, Hop):
                hop += 1
                result = result.run(f"{path}~{hop}", finals)
        except FailuresError:
            self._finish(finals, keep=False)
            raise
        self._finish(finals, keep=True)
        return result

    def _finish(self, finals: list[Callable[[], None]], keep: bool) -> None:
        errors: set[Error] = set()
        for final in reversed(finals):
            try:
                final()
            except FailuresError as failed:
                errors |= failed.errors
        if keep and errors:
            raise FailuresError(*errors)

    def _frame(
        self, target: str, args: Sequence[Any], kwargs: Mapping[str, Any], path: str, trace: Trace,
        checkpoint: bool, finals: list[Callable[[], None]],
    ) -> Any:  # fmt: skip
        workflow = self.plan.workflows[target]
        frame = Frame(checkpoint)
        body = Trace(trace)
        given = dict(zip((p.name for p in workflow.params), args, strict=False)) | dict(kwargs)
        scope = Scope(path, frame, body)
        for param in workflow.params:
            if param.name in given:
                scope.cells[param.name] = Cell(given[param.name])
            else:
                scope.cells[param.name] = Cell(self.value(param.default, scope))
        if workflow.finally_ is not None:
            finals.append(lambda: self._final(workflow, dict(scope.cells), path, trace, checkpoint))
        ended = self.graph(workflow.body, scope)
        if frame.errors or isinstance(ended, Broken):
            body.certain = False
            raise FailuresError(*frame.errors)
        if isinstance(ended, Hop):
            return ended
        return ended.value if isinstance(ended, Returned) else None

    def _final(
        self,
        workflow: m.WorkflowDef,
        cells: dict[str, Cell],
        path: str,
        trace: Trace,
        checkpoint: bool,
    ) -> None:
        assert workflow.finally_ is not None
        params = {p.name for p in workflow.params}
        inner = Trace(trace)
        scope = Scope(f"{path}/finally", Frame(checkpoint), inner)
        scope.cells = {name: cell for name, cell in cells.items() if name in params}
        self.graph(workflow.finally_, scope)
        if scope.frame.errors:
            inner.certain = False
            raise FailuresError(*scope.frame.errors)

    # ---- graphs

    def graph(self, graph: m.Graph, scope: Scope) -> Exit | None:
        """Run the nodes in order, which is topological."""
        for node in graph.nodes:
            ended = self.node(node, scope)
            if ended is not None:
                return ended
        return None

    def node(self, node: Any, scope: Scope) -> Exit | None:
        frame = scope.frame
        try:
            gather(lambda n=name: scope.find(n).get() for name in node.after)
            if isinstance(node, m.BranchNode):
                return self._branch(node, scope)
            if isinstance(node, m.MapNode):
                self._map(node, scope)
                return None
            if isinstance(node, m.GroupNode):
                self._group(node, scope)
                return None
            if isinstance(node, m.ReturnNode):
                returned = join(self.value(node.expr, scope))
                return Broken() if frame.errors else Returned(returned)
            if isinstance(node, m.ContinuationNode):
                args, kwargs = self._arguments(node, scope)
                return Broken() if frame.errors else Hop(self._hop(node, args, kwargs, scope))
            if isinstance(node, m.FailNode):
                message = str(self.value(node.message, scope))
                frame.errors.add(Error(ANY, message))
                return Broken()
        except FailuresError as failed:
            frame.errors |= failed.errors
            for name in _provided(node):
                scope.cells[name] = Cell(errors=failed.errors)
            if isinstance(node, (m.ReturnNode, m.ContinuationNode, m.FailNode)) or _may_end(node):
                return Broken()
            return None
        self._simple(node, scope)
        return None

    def _simple(self, node: Any, scope: Scope) -> None:
        """A node with one value."""
        managed = getattr(node, "managed", False)
        trace = Trace(scope.trace, certain=not managed)
        try:
            cell = Cell(self._made(node, scope, trace), trace=trace)
        except FailuresError as failed:
            cell = Cell(errors=failed.errors, trace=trace)
            if not managed:
                scope.frame.errors |= failed.errors
        scope.cells[node.id] = cell

    def _made(self, node: Any, scope: Scope, trace: Trace) -> Any:
        if isinstance(node, m.ExprNode):
            return self.value(node.expr, scope)
        if isinstance(node, m.CallNode):
            return self._call(node, scope, trace)
        if isinstance(node, m.SleepNode):
            self.value(node.duration, scope)
            return None
        if isinstance(node, m.ReceiveNode):
            signal, has_timeout = self.value(node.signal, scope), node.timeout is not None
            return _caught(node.catch, lambda: self.take_signal(signal, has_timeout))
        if isinstance(node, m.CancelNode):
            if not isinstance(self.value(node.pending, scope), Remainder):
                raise FailuresError(Error("TypeError", ANY))
            return None
        assert isinstance(node, m.WaitNode), node
        return _caught(node.catch, lambda: self._wait(node, scope))

    # ---- calls

    def _arguments(self, node: Any, scope: Scope) -> tuple[list[Any], dict[str, Any]]:
        keys = [*range(len(node.args)), *node.kwargs]
        values = gather(
            lambda e=e: self.value(e, scope) for e in [*node.args, *node.kwargs.values()]
        )
        if node.callee == "task":
            task = self.plan.tasks[node.target]
            named = dict(enumerate(task.params))
            wanted = {key for key in keys if named.get(key, key) in task.pending}
            values = [v if k in wanted else join(v) for k, v in zip(keys, values, strict=True)]
        return values[: len(node.args)], dict(
            zip(node.kwargs, values[len(node.args) :], strict=True)
        )

    def _call(self, node: m.CallNode, scope: Scope, trace: Trace) -> Any:
        args, kwargs = self._arguments(node, scope)
        path = self._path(node, scope)
        keep = scope.frame.checkpoint and bool(node.checkpoint)
        if node.callee == "task":
            return _caught(
                node.catch, lambda: self._task(node, args, kwargs, path, trace, keep, scope)
            )
        return _caught(
            node.catch, lambda: join(self.call(node.target, args, kwargs, path, trace, keep))
        )

    def _path(self, node: Any, scope: Scope) -> str:
        origin = getattr(node, "origin", None)
        if origin is None:
            return f"{scope.path}/{node.id}"
        # The enclosing element's path, under the name of the fan-out that the node came from.
        at: Scope | None = scope
        while at is not None and at.index < 0:
            at = at.up
        assert at is not None, f"{node.id} has an origin outside of a fan-out"
        assert at.up is not None, "an element has something round it"
        head, rest = at.up.path, scope.path[len(at.path) :]
        return f"{head}/{origin}[{at.index}]{rest}/{node.id}"

    def _task(
        self, node: Any, args: Any, kwargs: Any, path: str, trace: Trace, keep: bool, scope: Scope
    ) -> Any:
        task = self.plan.tasks[node.target]
        fn = self.functions(f"{task.module}.{task.qualname}")
        self.ids.append(path)
        return self.call_function(fn, args, kwargs, trace, node.inplace, keep, scope.frame)

    def call_function(
        self, fn: Any, args: Any, kwargs: Any, trace: Trace, inplace: bool, keep: bool, frame: Any
    ) -> Any:
        """Call a Python function; its arguments and result are copies, unless it is inplace."""
        args = [self._handed(v) for v in args]
        kwargs = {k: self._handed(v) for k, v in kwargs.items()}
        if not inplace:
            args = [copy(v) for v in args]
            kwargs = {k: copy(v) for k, v in kwargs.items()}
        trace.entries.append(CallRecord.of(fn, args, kwargs))
        result = attempt(lambda: fn(*args, **kwargs))
        if self.graphs is not None:
            result = self.graphs(self, result, trace, frame)
        return copy(result) if keep and not inplace else check_copy(result) if keep else result

    def call_named(
        self, name: str, args: Any, kwargs: Any, trace: Trace, inplace: bool, keep: bool, frame: Any
    ) -> Any:
        """A call of a task or workflow of the plan in a graph that a task returned."""
        if name in self.plan.workflows:
            return join(self.call(name, args, kwargs, "?", trace, keep))
        task = self.plan.tasks[name]
        fn = self.functions(f"{task.module}.{task.qualname}")
        return self.call_function(fn, args, kwargs, trace, inplace or task.inplace, keep, frame)

    def take_signal(self, signal: str, has_timeout: bool) -> Any:
        """The next payload of a signal."""
        waiting = self.signals.get(signal)
        if waiting:
            return waiting.popleft()
        if not has_timeout:
            raise UnsupportedError(f"nobody sends the signal {signal!r}")
        raise FailuresError(Error(ANY, ANY))

    def _handed(self, value: Any) -> Any:
        if not isinstance(value, Remainder):
            return value
        key = f"reference-{len(self.handles)}"
        self.handles[key] = value
        return Pending(key, "", tuple(range(len(value.members))))

    def _hop(
        self, node: m.ContinuationNode, args: list[Any], kwargs: dict[str, Any], scope: Scope
    ) -> Any:
        keep = scope.frame.checkpoint and bool(node.checkpoint)

        def run(path: str, finals: list[Callable[[], None]]) -> Any:
            def inner() -> Any:
                if node.callee == "task":
                    return self._task(
                        node, args, kwargs, f"{path}/{node.target}", scope.trace, keep, scope
                    )
                return self._frame(node.target, args, kwargs, path, scope.trace, keep, finals)

            if not node.catch:
                return inner()
            result = _caught(True, lambda: self._until_end(inner, path, finals))
            return result

        return run

    def _until_end(
        self, inner: Callable[[], Any], path: str, finals: list[Callable[[], None]]
    ) -> Any:
        result = inner()
        hop = 0
        while isinstance(result, Hop):
            hop += 1
            result = result.run(f"{path}~{hop}", finals)
        return result

    # ---- fan-outs, groups, waits

    def _map(self, node: m.MapNode, scope: Scope) -> None:
        items = self.value(node.items, scope)
        sources = (
            list(items.members)
            if isinstance(items, Remainder)
            else [Cell(item) for item in attempt(lambda: list(items))]
        )
        members: list[tuple[Cell, dict[str, Cell]]] = []
        for source in sources:
            trace = Trace(scope.trace, certain=not node.managed)
            index = len(members)
            inner = Scope(
                f"{scope.path}/{node.id}[{index}]", scope.frame, trace, scope, index=index
            )
            outer_errors = scope.frame.errors
            if not node.managed:
                source.need()
            try:
                self._bind(node.targets, source, inner)
                if node.where_each is not None and not self.value(node.where_each, inner):
                    continue
                inner.frame = Frame(scope.frame.checkpoint)
                self.graph(node.body, inner)
                if inner.frame.errors:
                    raise FailuresError(*inner.frame.errors)
                outs = {o.name: self._output(o, inner) for o in node.outputs}
                members.append((Cell(None, trace=trace, sources=[source]), outs))
            except FailuresError as failed:
                broken = Cell(errors=failed.errors, trace=trace, sources=[source])
                members.append((broken, {o.name: broken for o in node.outputs}))
            assert scope.frame.errors is outer_errors
        errors = frozenset[Error]().union(*(cell.errors for cell, _ in members))
        if node.catch and errors:
            for cell, _ in members:
                if cell.trace is not None:
                    cell.trace.certain = False
            for out in node.outputs:
                scope.cells[out.name] = Cell(ResultView(False, None, ErrorView(errors)))
            return
        if errors and not node.managed:
            scope.frame.errors |= errors
        for out in node.outputs:
            whole = self._whole(out, members)
            if node.catch:
                whole = Cell(ResultView(True, whole.get()))
            scope.cells[out.name] = whole
            handles: list[Cell] = []
            for cell, outs in members:
                if cell.errors:
                    handles.append(Cell(errors=cell.errors, sources=[cell]))
                else:  # one that a condition leaves out is no element for those who come after
                    handles += [Cell(v, sources=[cell]) for _, v in outs[out.name].value]
            scope.cells[f"&{out.name}"] = Cell(Remainder(tuple(handles)))

    def _bind(self, targets: list[str], source: Cell, scope: Scope) -> None:
        if source.errors:
            raise FailuresError(*source.errors)
        if len(targets) == 1:
            scope.cells[targets[0]] = Cell(source.value)
            return
        items = attempt(lambda: list(source.value))
        if len(items) != len(targets):
            raise FailuresError(Error(ANY, ANY))
        scope.cells.update({t: Cell(i) for t, i in zip(targets, items, strict=True)})

    def _output(self, out: m.MapOutput, scope: Scope) -> Cell:
        """The pairs that an element adds to an output."""
        if out.when is not None and not self.value(out.when, scope):
            return Cell([])
        key = None if out.key is None else self.value(out.key, scope)
        return Cell([(key, self.value(out.value, scope))])

    def _whole(self, out: m.MapOutput, members: list[tuple[Cell, dict[str, Cell]]]) -> Cell:
        cells = [cell for cell, _ in members]
        errors = frozenset[Error]().union(*(cell.errors for cell in cells))
        if errors:
            return Cell(errors=errors, sources=cells)
        pairs = [pair for _, outs in members for pair in outs[out.name].value]
        value: Any = [v for _, v in pairs]
        if out.key is not None:
            value = dict(pairs)
        return Cell(value, sources=cells)

    def _group(self, node: m.GroupNode, scope: Scope) -> None:
        members = [scope.find(name) for name in node.members]
        errors = frozenset[Error]().union(*(cell.errors for cell in members))
        values = None if errors else [cell.value for cell in members]
        scope.cells[node.id] = Cell(values, errors, sources=members)
        scope.cells[f"&{node.id}"] = Cell(Remainder(tuple(members)))

    def _wait(self, node: m.WaitNode, scope: Scope) -> WaitValue:
        pending = self.value(node.members, scope)
        if not isinstance(pending, Remainder):
            raise FailuresError(Error("TypeError", ANY))
        members = pending.members
        count = len(members)
        form, value = node.quorum.form, node.quorum.value
        if form == "all":
            quorum = count
        elif form == "any":
            quorum = 1
        elif form == "percent":
            quorum = math.ceil(count * self.value(value, scope) / 100)
        else:
            quorum = int(self.value(value, scope))
        if node.timeout is not None:
            self.value(node.timeout, scope)
        path = f"{scope.path}/{node.id}"
        view = WaitView(
            path, tuple(not c.errors for c in members), quorum, node.timeout is not None
        )
        split: Split | None = self.policy(view)
        check_split(view, split)
        if split is None:
            raise FailuresError(Error(UNREACHABLE, ANY))
        settled = {*split.ready, *split.failed}
        for i in settled:
            members[i].need()
        return WaitValue(
            [members[i].value for i in split.ready],
            Remainder(tuple(c for i, c in enumerate(members) if i not in settled)),
            [ErrorView(members[i].errors) for i in split.failed],
            split.timed_out,
        )

    # ---- branches

    def _branch(self, node: m.BranchNode, scope: Scope) -> Exit | None:
        taken = len(node.arms)
        for number, arm in enumerate(node.arms):
            if self.value(arm.condition, scope):
                taken = number
                break
        body = node.arms[taken].body if taken < len(node.arms) else node.orelse
        inner = Scope(scope.path, scope.frame, scope.trace, scope)
        if body is not None:
            ended = self.graph(body, inner)
            if ended is not None:
                return ended
        for name, providers in node.outputs.items():
            provider = providers[taken]
            if provider is not None:
                scope.cells[name] = inner.find(provider)
        scope.cells.setdefault(node.id, Cell(None))
        if node.then is not None:
            # What it binds is visible where the branch stands: an outer branch may give it on.
            return self.graph(node.then, scope)
        return None


def _caught(catch: bool, run: Callable[[], Any]) -> Any:
    if not catch:
        return run()
    try:
        return ResultView(True, run())
    except FailuresError as failed:
        return ResultView(False, None, ErrorView(failed.errors))


def _provided(node: Any) -> list[str]:
    if isinstance(node, m.MapNode):
        return [name for out in node.outputs for name in (out.name, f"&{out.name}")]
    if isinstance(node, m.BranchNode):
        return [node.id, *node.outputs]
    return [node.id, f"&{node.id}"]


def _may_end(node: Any) -> bool:
    """Whether a branch may end its frame."""
    if not isinstance(node, m.BranchNode):
        return False
    graphs = [arm.body for arm in node.arms] + [
        g for g in (node.orelse, node.then) if g is not None
    ]
    return any(g.tail is not None for g in graphs)


def _handles(expr: Any) -> list[str]:
    if isinstance(expr, list):
        if len(expr) == 2 and expr[0] == "handle" and isinstance(expr[1], str):
            return [expr[1]]
        if expr and expr[0] == "lit":
            return []
        return [h for part in expr for h in _handles(part)]
    if isinstance(expr, dict):
        return [h for part in expr.values() for h in _handles(part)]
    return []


def _plainly(expr: Any, name: str) -> bool:
    if isinstance(expr, list):
        if len(expr) == 2 and expr[0] == "name":
            return bool(expr[1] == name)
        if expr and expr[0] == "lit":
            return False
        return any(_plainly(part, name) for part in expr)
    if isinstance(expr, dict):
        return any(_plainly(part, name) for part in expr.values())
    return False


def evaluate_plan(
    plan: m.Plan,
    params: Mapping[str, Any],
    functions: Callable[[str], Callable[..., Any]],
    *,
    signals: Mapping[str, Sequence[Any]] | None = None,
    policy: WaitPolicy = in_order,
    graphs: Any = None,
) -> PlanOutcome:
    """Run a plan's entry."""
    planned = Planned(plan, functions, signals or {}, policy, graphs)
    trace = Trace()

    def run() -> PlanOutcome:
        value, errors = None, frozenset[Error]()
        try:
            value = planned.call(plan.entry, (), params, plan.entry, trace, True)
        except FailuresError as failed:
            errors = failed.errors
        must, may = trace.count()
        return PlanOutcome(value, errors, must, may, planned.ids)

    outcome: PlanOutcome = with_deep_stack(run)
    return outcome
