"""The engine itself: events in, effects out; records in, state out."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from wfc.plan.model import BranchNode, CallNode, ExprNode, Graph
from wfc.runtime.engine.evaluate import as_pending, fleeting, hollow, mark_lost
from wfc.runtime.engine.fans import is_absent
from wfc.runtime.engine.graphs import NodeInfo, inner_graphs, provides
from wfc.runtime.engine.records import (
    Advanced,
    Append,
    Attempted,
    Began,
    CancelEvent,
    Cancelled,
    CancelWork,
    Completed,
    Computed,
    Effect,
    Ended,
    Fired,
    Grew,
    Hopped,
    Record,
    SignalEvent,
    Signalled,
    Submit,
    Tick,
)
from wfc.runtime.engine.state import (
    DONE,
    FAILED,
    RUNNING,
    WAITING,
    Dispatch,
    Fan,
    Frame,
    Scope,
    durable,
    kept,
    shape_of,
)
from wfc.runtime.engine.waits import Waits
from wfc.runtime.policy import backoff_seconds, retries_error, retries_loss
from wfc.runtime.values import (
    HOLLOW,
    Bound,
    Chunk,
    Column,
    ErrorInfo,
    Hollow,
    Inline,
    Pending,
    Raised,
    Rows,
    Value,
    load_inline,
)
from wfc.runtime.work import (
    Became,
    Done,
    Dynamic,
    Failed,
    HomeLost,
    Hop,
    HopState,
    Log,
    Lost,
    Partial,
    Report,
    ValueLost,
    Work,
)

Event = Report | Tick | SignalEvent | CancelEvent


class Engine(Waits):
    """A run as a pure state machine.

    `begin` starts it, `handle` takes an event and gives effects, `replay` folds a record of an
    earlier life in, `resume` gives what was under way when that life ended. Times are seconds since
    the epoch and always come from outside.
    """

    # ------------------------------------------------------------------ the outside

    def begin(self, params: dict[str, Value], now: float) -> list[Effect]:
        """Start the run with parameters by name (defaults are the compiler's business)."""
        self.now = now
        self.record(Began(params, now))
        self._begin(params)
        return self._settle_down()

    def handle(self, event: Event, now: float) -> list[Effect]:
        """Take one event. Reports of works that no longer count are ignored."""
        self.now = max(self.now, now)
        if self.ended:
            return []
        if isinstance(event, Done):
            self._on_done(event)
        elif isinstance(event, Partial):
            self._on_partial(event)
        elif isinstance(event, Hop):
            self._on_hop(event)
        elif isinstance(event, Failed):
            self._on_failed(event)
        elif isinstance(event, Lost):
            self._on_lost(event)
        elif isinstance(event, Became):
            self._on_became(event)
        elif isinstance(event, HomeLost):
            self._on_home_lost(event)
        elif isinstance(event, ValueLost):
            self._on_value_lost(event)
        elif isinstance(event, Tick):
            self._on_tick()
        elif isinstance(event, SignalEvent):
            if event.id not in self.signal_ids:
                self._apply(Signalled(event.name, event.id, event.payload, self.now), sync=True)
        elif isinstance(event, CancelEvent):
            self._apply(Cancelled(event.reason, self.now))
        elif isinstance(event, Log):
            pass
        return self._settle_down()

    def replay(self, record: Record) -> None:
        """Fold a record of an earlier life in."""
        self.live = False
        self.now = max(self.now, record.at)
        self._replay(record)
        self._run_agenda()
        self.effects.clear()

    def resume(self, now: float) -> list[Effect]:
        """Take the run up again after its records were replayed."""
        self.live = True
        self.now = max(self.now, now)
        self.homes.clear()
        if self.unsaid is not None:
            # The end follows from the journal, but the record of it was lost.
            ended, self.unsaid = self.unsaid, None
            self.end(ended)
            return self._settle_down()
        self._regroup()
        for key, again in list(self.retry_undecided.items()):
            if key in self.undecided:
                self.later(again)
        self.retry_undecided.clear()
        return self._settle_down()

    def next_due(self) -> float | None:
        """When the next timer is due (seconds since the epoch)."""
        while self.timers and self.timers[0][1] not in self.timer_calls:
            self.pop_timer()
        return self.timers[0][0] if self.timers else None

    def waiting_for(self) -> list[str]:
        """What the run waits for besides work: signals by name, timers by key."""
        signals = [
            name
            for name, queue in self.receivers.items()
            if any(s.alive and s.state.get(("signal", i)) == name for s, i in queue)
        ]
        return [*(f"signal {s}" for s in signals), *(f"timer {k}" for k in self.timer_calls)]

    def fan_progress(self) -> list[tuple[str, int, int, int, int]]:
        """Of each fan-out: path, elements, done, running, failed."""
        out = []
        for (path, name), fan in self.fans.items():
            status = fan.status
            out.append(
                (f"{path}/{name}", fan.count, status.count(DONE), status.count(RUNNING),
                 status.count(FAILED))
            )  # fmt: skip
        return out

    # ------------------------------------------------------------------ turning the crank

    def _begin(self, params: dict[str, Value]) -> None:
        workflow = self.plan.workflows[self.plan.entry]
        args: dict[str, Value] = {}
        for param in workflow.params:
            if param.name in params:
                args[param.name] = params[param.name]
            elif param.default is not None:
                run = NodeInfo(ExprNode(id="$", where=workflow.where, expr=param.default), 0)
                args[param.name] = Inline(obj=run.run("default", param.default)({}))
        self.root = Frame(workflow.name, workflow.name, workflow, None, True, args=args)
        self.frames[workflow.name] = self.root
        self.enter(self.root)

    def _run_agenda(self) -> None:
        while self.agenda:
            step, args = self.agenda.popleft()
            step(*args)

    def _settle_down(self) -> list[Effect]:
        self._run_agenda()
        while self.ready and not self.ended:
            for work_id in sorted(self.ready):
                work = self.ready.pop(work_id, None)
                if work is not None and work_id in self.works:
                    self._submit(work)
            self._run_agenda()
        effects, self.effects = self.effects, []
        return effects

    def load(self, value: Value) -> Any:
        """The object of a small value."""
        return load_inline(value)

    # ------------------------------------------------------------------ building works

    def _submit(self, work: Dispatch) -> None:
        built = self._build(work)
        if built is not None:
            work.submitted = True
            self.joined_values.pop(work.id, None)
            self.effects.append(Submit(built))

    def _build(self, work: Dispatch) -> Work | None:
        if work.kind == "unit":
            return self._build_unit(work)
        if work.kind == "map":
            return self._build_map(work)
        if work.kind == "frame":
            return self._build_frame(work)
        return self._build_expr(work)

    def _env(
        self, work: Dispatch, scope: Scope, names: Sequence[str], handles: Sequence[str],
        as_handles: set[str],
    ) -> dict[str, Value] | None:  # fmt: skip
        """The values of these names, or `None` when some have to be made first (then the work is
        put off until they are)."""
        env: dict[str, Value] = {}
        joined = self.joined_values.setdefault(work.id, {})
        left, armed = 0, False

        def one() -> None:
            nonlocal left
            left -= 1
            if left == 0 and armed and work.id in self.works:
                self.ready[work.id] = work

        for name in names:
            value = self.lookup(scope, name)
            if value is None:
                value = self.lookup(scope, "&" + name)
                if value is None:
                    continue
            if hollow(value) or self._homeless(value, work):
                left += 1
                self.later(self.revive, scope, name, one)
                continue
            pending = as_pending(value)
            if pending is not None and name not in as_handles:
                if name not in joined:
                    left += 1
                    self._join_for(scope, name, pending, work, one)
                value = joined.get(name, value)
            env[name] = value
        for name in handles:
            handle = self.handles_of(scope, name)
            if handle is not None:
                env["&" + name] = handle
        armed = True
        return None if left else env

    def _homeless(self, value: Value, work: Dispatch) -> bool:
        from_home = getattr(value, "home", None)
        return from_home is not None and from_home not in self.homes

    def _join_for(
        self, scope: Scope, name: str, pending: Pending, work: Dispatch, one: Callable[[], None]
    ) -> None:
        def arrived(rows: Rows) -> None:
            self.joined_values.setdefault(work.id, {})[name] = rows
            one()

        def failed(error: ErrorInfo) -> None:
            if work.id in self.works:
                self.drop_work(work.id)
                if work.kind == "map" and work.fan is not None:
                    self.fail(work.fan.scope, work.fan.node, error)
                else:
                    self.fail(scope, work.node, error)

        self.join(pending, arrived, failed)

    def _pending_params(self, members: Sequence[NodeInfo]) -> set[str]:
        """Names that these calls hand on as handles: to `Pending[…]` parameters."""
        found: set[str] = set()
        for member in members:
            node = member.node
            if not isinstance(node, CallNode) or node.callee != "task":
                continue
            task = self.plan.tasks.get(node.target)
            if task is None or not task.pending:
                continue
            for name, arg in (*zip(task.params, node.args, strict=False), *node.kwargs.items()):
                if name in task.pending and arg[0] == "name":
                    found.add(arg[1])
        return found

    def _build_unit(self, work: Dispatch) -> Work | None:
        scope = work.scope
        nodes = [i for i in work.nodes if scope.status[i] == RUNNING]
        if not nodes:
            self.works.pop(work.id, None)
            return None
        members = [scope.g.nodes[i] for i in nodes]
        own = {n for m in members for n in provides(m.node)}
        names = dict.fromkeys(n for m in members for n in (*m.names, *m.free) if n not in own)
        handles = dict.fromkeys(
            n for m in members for n in (*m.handles, *m.free_handles) if n not in own
        )
        env = self._env(work, scope, list(names), list(handles), self._pending_params(members))
        if env is None:
            return None
        self.place(work, nodes, env)
        if self._before_home(work):
            return None
        calls = [m.node for m in members if isinstance(m.node, CallNode)]
        lead = calls[0] if calls else members[0].node
        options = getattr(lead, "options", {})
        known: dict[str, Value | HopState | Raised] = {
            _outer_step(scope.g.nodes[i].node.id, step): value
            for i in nodes
            for step, value in scope.known.get(i, {}).items()
        }
        if any(isinstance(m.node, BranchNode) for m in members):
            known.update(scope.prefilled)
        first = scope.g.nodes[nodes[0]].node
        path = self.node_path(scope, nodes[0])[: -len(first.id) - 1]
        return Work(
            id=work.id,
            graph=scope.g.address,
            path=path,
            nodes=tuple(m.node.id for m in members),
            env=env,
            known={0: known} if known else {},
            shape=self._shape(lead),
            home=work.home,
            park=work.park,
            timeout=_seconds(options.get("timeout")),
            attempts={0: scope.attempts.get(nodes[0], 0) + 1},
            checkpoint=scope.frame.checkpoint,
            priority=int(options.get("priority", 0)),
            dynamic=self._dynamic_of(scope),
        )

    def _before_home(self, work: Dispatch) -> bool:
        """Whether a work has to wait for the work that parks the process it must run in."""
        if work.home is None or work.home not in self.works:
            return False
        self.before_home.setdefault(work.home, []).append(work)
        return True

    def _shape(self, node: Any) -> Any:
        options = getattr(node, "options", {})
        if isinstance(node, CallNode) and node.callee == "workflow":
            options = self._first_call_options(self.plan.workflows[node.target].body, set())
        return shape_of(options)

    def _first_call_options(self, graph: Graph, seen: set[str]) -> dict[str, Any]:
        for node in graph.nodes:
            if isinstance(node, CallNode):
                if node.callee == "task":
                    return node.options
                if node.target not in seen:
                    seen.add(node.target)
                    inner = self._first_call_options(self.plan.workflows[node.target].body, seen)
                    if inner:
                        return inner
            elif isinstance(node, BranchNode):
                bodies = [*(a.body for a in node.arms), node.orelse, node.then]
                for body in bodies:
                    inner = self._first_call_options(body, seen) if body is not None else {}
                    if inner:
                        return inner
        return {}

    def _dynamic_of(self, scope: Scope) -> Dynamic | None:
        at = scope
        while at.up is not None:
            at = at.up
        dynamic = at.frame.dynamic
        return Dynamic(dynamic.graph, {}, dynamic.functions, dynamic.digest) if dynamic else None

    def _build_map(self, work: Dispatch) -> Work | None:
        fan = work.fan
        if fan is None:
            return None
        scope, node = fan.scope, self.map_node(fan)
        indices = work.indices
        if not self._all_running(fan, indices):
            indices = work.indices = [k for k in indices if fan.status[k] == RUNNING]
            work.left = len(indices)
        if not len(indices):
            self.works.pop(work.id, None)
            return None
        if self._items_missing(fan, work, indices):
            return None
        info = scope.g.nodes[fan.node]
        body = scope.g.inner[node.id]
        own = {*node.targets, *body.index}
        names = [n for n in info.free if n not in own]
        env = self._env(work, scope, names, info.free_handles, self._pending_params(body.nodes))
        if env is None:
            return None
        self.place(work, [work.node], env)
        if self._before_home(work):
            return None
        known: dict[int, dict[str, Value | HopState | Raised]] = {}
        attempts: dict[int, int] = {}
        if fan.known or fan.attempts:
            for offset, k in enumerate(indices):
                if k in fan.known:
                    known[offset] = fan.known[k]
                if k in fan.attempts:
                    attempts[offset] = fan.attempts[k] + 1
        options = self._first_call_options(node.body, set())
        return Work(
            id=work.id,
            graph=body.address,
            path=scope.path,
            env=env,
            map=node.id,
            items=self.items_of(fan, indices),
            indices=indices,
            known=known,
            shape=shape_of(options),
            home=work.home,
            limit=node.concurrency,
            timeout=_seconds(options.get("timeout")),
            attempts=attempts,
            checkpoint=scope.frame.checkpoint,
            priority=int(options.get("priority", node.priority)),
            dynamic=self._dynamic_of(scope),
        )

    @staticmethod
    def _all_running(fan: Fan, indices: Sequence[int]) -> bool:
        if isinstance(indices, range):
            part = fan.status[indices.start : indices.stop]
            return part.count(RUNNING) == len(indices)
        return all(fan.status[k] == RUNNING for k in indices)

    def _items_missing(self, fan: Fan, work: Dispatch, indices: Sequence[int]) -> bool:
        """Whether elements have to be made again before they can be shipped; that is under way."""
        if fan.items is not None and not hollow(fan.items):
            return False
        lost = [k for k in indices if hollow(self.item(fan, k))]
        if not lost:
            return False

        def made() -> None:
            if work.id in self.works:
                self.ready[work.id] = work

        self.later(self.revive_items, fan, lost, made)
        return True

    def _build_frame(self, work: Dispatch) -> Work | None:
        frame = work.frame
        if frame is None or frame.workflow is None:
            return None
        frame.args.update({n: work.scope.values[n] for n in frame.args if n in work.scope.values})
        bad = [n for n, v in frame.args.items() if hollow(v)]
        if bad:
            env = self._env(work, work.scope, bad, (), set())
            if env is None:
                return None
            frame.args.update(env)
        return Work(
            id=work.id,
            graph=frame.target,
            path=frame.path,
            env=dict(frame.args),
            known={0: dict(frame.known)} if frame.known else {},
            hop=frame.hop,
            shape=shape_of(self._first_call_options(frame.workflow.body, {frame.target})),
            home=frame.home,
            attempts={0: frame.attempts + 1},
            checkpoint=frame.checkpoint,
        )

    def _build_expr(self, work: Dispatch) -> Work | None:
        key, expr, explode = self.expr_jobs[work.id]
        scope = work.scope
        where = scope.g.nodes[work.node].node.where
        info = NodeInfo(ExprNode(id="$x", where=where, expr=expr), 0)
        env = self._env(
            work, scope, info.names, info.handles, {*info.names} if key == "members" else set()
        )
        if env is None:
            return None
        homes = [getattr(v, "home", None) for v in env.values()]
        home = next((h for h in homes if h is not None), None)
        graph = Graph(nodes=[info.node])
        dynamic = Dynamic(graph.model_dump_json().encode(), {}, {}, f"$expr:{_digest(expr)}")
        return Work(
            id=work.id,
            graph="$dyn",
            path=f"{scope.path}/{scope.g.nodes[work.node].node.id}",
            nodes=("$x",),
            env=env,
            home=home,
            explode=explode,
            checkpoint=key in ("keep", "return") or scope.frame.checkpoint,
            dynamic=dynamic,
        )

    # ------------------------------------------------------------------ reports

    def _on_done(self, report: Done) -> None:
        work = self.works.get(report.work)
        if work is None:
            return
        if work.kind == "expr":
            self._expr_done(work, report)
            return
        if work.kind == "map" and work.fan is not None:
            indices = work.indices[report.start : report.start + report.count]
            fresh = sum(work.fan.status[k] == RUNNING for k in indices)
            if not fresh:
                return
            columns = self._stripped(work, report.columns)
            node = self.map_node(work.fan).id
            self.record(_completed(work.fan.scope.path, node, indices, columns, report, self.now))
            self.take_columns(work.fan, indices, dict(report.columns))
            work.left -= fresh
            if work.left <= 0:
                self.works.pop(work.id, None)
                work.fan.works.discard(work.id)
            return
        self.works.pop(work.id, None)
        work.scope.works.discard(work.id)
        if work.kind == "frame" and work.frame is not None:
            columns = {k: kept(v, True) for k, v in report.columns.items()}
            self.record(_completed(work.frame.path, "", (0,), columns, report, self.now))
            self._frame_result(work.frame, report.columns)
            return
        scope = work.scope
        columns = self._stripped(work, report.columns)
        lead = scope.g.nodes[work.nodes[0]].node.id
        self.home_decided(work.id)
        if work.id in self.leaving:
            self.leaving.discard(work.id)
            self.release(work.id)
        sync = any(getattr(scope.g.nodes[i].node, "checkpoint", True) == "sync" for i in work.nodes)
        self.record(_completed(scope.path, lead, (0,), columns, report, self.now), sync)
        self._unit_done(scope, work.nodes, report.columns)

    def _stripped(self, work: Dispatch, columns: dict[str, Chunk]) -> dict[str, Chunk | int]:
        """The columns as they are journaled."""
        out: dict[str, Chunk | int] = {}
        for name, chunk in columns.items():
            keep = work.scope.frame.checkpoint
            if keep and work.kind == "map" and work.fan is not None:
                keep = self._column_kept(work.fan, name)
            elif keep and name in work.scope.g.index:
                index = work.scope.g.index[name]
                node = work.scope.g.nodes[index].node
                if isinstance(node, BranchNode):
                    keep = not _forgets(node)
                elif isinstance(node, ExprNode):
                    keep = not self.is_volatile(work.scope, work.scope.g.nodes[index].names)
                else:
                    keep = self.keeps(work.scope, index)
            out[name] = kept(chunk, keep)
        return out

    def _column_kept(self, fan: Fan, name: str) -> bool:
        body = fan.scope.g.inner[self.map_node(fan).id]
        if name.startswith("="):
            return all(n.node.checkpoint for n in body.nodes if isinstance(n.node, CallNode))
        if name in body.index:
            node = body.nodes[body.index[name]].node
            return bool(node.checkpoint) if isinstance(node, CallNode) else True
        return True

    def _unit_done(
        self, scope: Scope, nodes: Sequence[int], columns: Mapping[str, Chunk | int]
    ) -> None:
        """A unit has run: its calls are done, its expressions and branches as far as they are told."""
        for name, chunk in columns.items():
            if name not in scope.g.index and not isinstance(chunk, int):
                # A call inside a branch of the unit: should the branch have to be taken again, that
                # call is done already.
                value = _only(chunk)
                if not is_absent(value) and not hollow(value):
                    scope.prefilled[name] = value
        for index in nodes:
            scope.known.pop(index, None)
            if scope.status[index] not in (RUNNING, WAITING):
                continue
            node = scope.g.nodes[index].node
            if isinstance(node, CallNode):
                value = _told(columns, node.id)
                self.counts["done"] += 1
                volatile = not self.keeps(scope, index) or fleeting(value)
                self.settle(scope, index, value, volatile)
            elif isinstance(node, BranchNode) and node.then is None and scope.g.tail != node.id:
                self._branch_told(scope, index, node, columns)
            elif isinstance(node, ExprNode) and not hollow(_told(columns, node.id)):
                names = scope.g.nodes[index].names
                self.settle(scope, index, _told(columns, node.id), self.is_volatile(scope, names))
            else:
                self._loosen(scope, [index])

    def _branch_told(
        self, scope: Scope, index: int, node: BranchNode, columns: Mapping[str, Chunk | int]
    ) -> None:
        """A branch that ran inside a unit: what it gives is known, its arm is not opened here."""
        loses = not scope.frame.checkpoint or _forgets(node)
        for name in node.outputs:
            value = _told(columns, name)
            self.publish(scope, name, value, loses or fleeting(value))
        self.settle(scope, index, Inline(obj=None))

    def _frame_result(self, frame: Frame, columns: Mapping[str, Chunk | int]) -> None:
        chunk = columns.get("=")
        value = HOLLOW if chunk is None or isinstance(chunk, int) else _only(chunk)
        frame.exit = ("return", value, fleeting(value) or not frame.checkpoint)
        self.frame_ended(frame)

    def _expr_done(self, work: Dispatch, report: Done) -> None:
        key, _expr, explode = self.expr_jobs.pop(work.id)
        self.works.pop(work.id, None)
        scope = work.scope
        scope.works.discard(work.id)
        node = scope.g.nodes[work.node].node.id
        value = _only(report.columns["$x"])
        entry = self.undecided.get((scope.path, node, key))
        if entry is None:
            return
        noted: Value = durable(value)
        if explode and isinstance(value, Rows):
            noted = Inline(obj=len(value))
        self.record(Computed(scope.path, node, key, noted, self.now))
        entry[1](value)

    def _on_partial(self, report: Partial) -> None:
        work = self.works.get(report.work)
        if work is None or work.kind == "expr":
            return
        if self._is_unanchored(work, report.offset, report.node):
            return
        path, node = self._place_of(work)
        index = work.indices[report.offset]
        value = durable(report.value) if self._step_kept(work, report.node) else HOLLOW
        # A unit is no element of anything: its steps stand right below the path.
        place = -1 if work.kind == "unit" else index
        held = work.park and work.kind == "unit"
        self.record(Advanced(path, node, place, report.node, value, self.now, held))
        if held:
            # Nobody may go on with it before the process is parked, which is at the work's end.
            self._hold(work.scope, report.node, report.value)
            return
        self._advance(work.kind, work.scope, work.fan, work.frame, index, report.node, report.value)

    def _is_unanchored(self, work: Dispatch, offset: int, step: str) -> bool:
        return any(
            at == offset and (not frame or step == frame or step.startswith(f"{frame}/"))
            for at, frame in work.unanchored
        ) and not (work.kind == "unit" and step in work.scope.g.ids)

    def _hold(self, scope: Scope, step: str, value: Value) -> None:
        at, hopped, rest = scope.g.split_step(step)
        if at is not None and not fleeting(value):
            scope.known.setdefault(at, {})[_inner_step(hopped, rest)] = value

    def _step_kept(self, work: Dispatch, step: str) -> bool:
        if not work.scope.frame.checkpoint:
            return False
        if work.kind == "map" and work.fan is not None:
            body = work.fan.scope.g.inner[self.map_node(work.fan).id]
            at, _, _ = body.split_step(step)
            return at is None or self._column_kept(work.fan, body.nodes[at].node.id)
        if work.kind == "unit":
            at, _, _ = work.scope.g.split_step(step)
            return at is None or self.keeps(work.scope, at)
        return True

    def _place_of(self, work: Dispatch) -> tuple[str, str]:
        if work.kind == "frame" and work.frame is not None:
            return work.frame.path, ""
        if work.kind == "map" and work.fan is not None:
            return work.fan.scope.path, self.map_node(work.fan).id
        return work.scope.path, work.scope.g.nodes[work.nodes[0]].node.id

    def _advance(
        self, kind: str, scope: Scope, fan: Fan | None, frame: Frame | None, index: int, step: str,
        value: Value | HopState | Raised,
    ) -> None:  # fmt: skip
        """Remember a checkpoint inside an instance; a unit's own calls are done by it."""
        if kind == "map" and fan is not None:
            fan.known.setdefault(index, {})[step] = value
        elif kind == "frame" and frame is not None:
            frame.known[step] = value
        else:
            at, hopped, rest = scope.g.split_step(step)
            if at is None:
                if not isinstance(value, HopState | Raised):
                    scope.prefilled[step] = value
                return
            if not rest and not hopped and not isinstance(value, HopState | Raised):
                self._unreported(scope, at)
                if scope.status[at] == RUNNING:
                    self.counts["done"] += 1
                    self.settle(scope, at, value, not self.keeps(scope, at) or fleeting(value))
            else:
                scope.known.setdefault(at, {})[_inner_step(hopped, rest)] = value

    def _unreported(self, scope: Scope, at: int) -> None:
        """A unit runs in order: the calls before this one are done, though what nobody outside of
        the unit needs was not reported."""
        unit = scope.g.nodes[at].unit
        if unit is None or at in scope.loose:
            return
        for i in unit.order[: unit.order.index(at)]:
            node = scope.g.nodes[i].node
            if isinstance(node, CallNode) and scope.status[i] == RUNNING and i not in scope.loose:
                self.settle(scope, i, HOLLOW, True)

    def _on_hop(self, report: Hop) -> None:
        work = self.works.get(report.work)
        if work is None:
            return
        path, node = self._place_of(work)
        index = work.indices[report.offset]
        if any(fleeting(v) for v in report.state.args.values()):
            work.unanchored.add((report.offset, report.frame))
            return
        if self._is_unanchored(work, report.offset, report.frame):
            return
        self.record(Hopped(path, node, index, report.frame, report.state, self.now))
        self._hopped(work.kind, work.scope, work.fan, work.frame, index, report.frame, report.state)

    def _hopped(
        self, kind: str, scope: Scope, fan: Fan | None, frame: Frame | None, index: int, at: str,
        state: HopState,
    ) -> None:  # fmt: skip
        if kind == "frame" and frame is not None and not at:
            frame.known = {"~": state}
            return
        if kind == "map" and fan is not None:
            known = fan.known.setdefault(index, {})
        elif kind == "frame" and frame is not None:
            known = frame.known
        else:
            index_of, hopped, rest = scope.g.split_step(at)
            if index_of is None:
                return
            known = scope.known.setdefault(index_of, {})
            at = _inner_step(hopped, rest)
        for step in [s for s in known if s.startswith((f"{at}/", f"{at}~")) or not at]:
            del known[step]
        known[f"{at}~"] = state

    def _on_failed(self, report: Failed) -> None:
        work = self.works.get(report.work)
        if work is None:
            return
        if work.kind == "expr":
            self.works.pop(work.id, None)
            self.expr_jobs.pop(work.id, None)
            self.fail(work.scope, work.node, report.error)
            return
        path, node = self._place_of(work)
        index = work.indices[report.offset]
        if work.fan is not None and work.fan.status[index] != RUNNING:
            return
        attempt = self._attempts(work, index) + 1
        retry = retries_error(report.options, report.error, attempt)
        spread = (zlib.crc32(f"{path}/{node}[{index}]{attempt}".encode()) & 0xFFFF) / 65536
        delay = backoff_seconds(report.options, attempt, spread) if retry else 0.0
        due = self.now + delay if retry else None
        self._attempted(
            Attempted(path, node, index, report.node, report.error, self.now, due), work
        )

    def _on_lost(self, report: Lost) -> None:
        work = self.works.get(report.work)
        if work is None:
            return
        if work.kind == "expr":
            self.ready[work.id] = work
            work.submitted = False
            return
        path, node = self._place_of(work)
        index = work.indices[report.offset]
        if work.fan is not None and work.fan.status[index] != RUNNING:
            return
        step, options = self._lost_step(work, report.node)
        attempt = self._attempts(work, index) + 1
        kind = "wfc.WorkerLost" if report.kind == "died" else "wfc.TaskTimeout"
        bases = ("builtins.TimeoutError",) if report.kind == "timeout" else ()
        error = ErrorInfo(kind, report.reason, bases=bases, task=f"{path}/{node}", attempts=attempt)
        if report.kind == "died":
            retry = retries_loss(options, attempt)
        else:
            retry = retries_error(options, error, attempt)
        due = self.now if retry else None
        self._attempted(Attempted(path, node, index, step, error, self.now, due), work)

    def _lost_step(self, work: Dispatch, step: str) -> tuple[str, dict[str, Any]]:
        """The call that was lost, and its options."""
        if work.kind == "map" and work.fan is not None:
            body = work.scope.g.inner[self.map_node(work.fan).id]
            calls = [n.node for n in body.nodes if isinstance(n.node, CallNode)]
        elif work.kind == "unit":
            running = [
                work.scope.g.nodes[i].node for i in work.nodes if work.scope.status[i] == RUNNING
            ]
            calls = [n for n in running if isinstance(n, CallNode)]
        else:
            calls = []
        named = [c for c in calls if c.id == step] or calls
        if not named:
            return step, {}
        call = named[0]
        options = call.options
        if call.callee == "workflow":
            options = self._first_call_options(self.plan.workflows[call.target].body, set())
        return (step or call.id), options

    def _attempts(self, work: Dispatch, index: int) -> int:
        if work.kind == "map" and work.fan is not None:
            return work.fan.attempts.get(index, 0)
        if work.kind == "frame" and work.frame is not None:
            return work.frame.attempts
        running = [i for i in work.nodes if work.scope.status[i] == RUNNING]
        return work.scope.attempts.get(running[0], 0) if running else 0

    def _attempted(self, record: Attempted, work: Dispatch) -> None:
        self.record(record)
        if work.kind == "map" and work.fan is not None:
            work.left -= 1
            if work.left <= 0:
                self.works.pop(work.id, None)
                work.fan.works.discard(work.id)
            self._element_attempt(work.fan, record)
            return
        self.works.pop(work.id, None)
        work.scope.works.discard(work.id)
        self.homes.discard(work.id)  # what fails does not park
        self.leaving.discard(work.id)
        self.home_decided(work.id)
        if work.kind == "frame" and work.frame is not None:
            self._frame_attempt(work.frame, record)
        else:
            self._unit_attempt(work.scope, work.nodes, record)

    def _element_attempt(self, fan: Fan, record: Attempted) -> None:
        k = record.index
        if record.retry_at is None:
            self.element_error(fan, k, _counted(record.error, fan.attempts.get(k, 0) + 1))
            return
        fan.attempts[k] = fan.attempts.get(k, 0) + 1
        self.counts["retried"] += 1
        fan.status[k] = WAITING

        def again() -> None:
            if fan.status[k] == WAITING and fan.scope.alive:
                fan.status[k] = RUNNING
                self._ship(fan, (k,))

        self._at(fan.scope, f"{fan.scope.path}/{self.map_node(fan).id}[{k}]!retry", record, again)

    def _at(self, scope: Scope, key: str, record: Attempted, again: Any) -> None:
        if record.retry_at is None or record.retry_at <= record.at:
            again()
        else:
            scope.timers.add(key)
            self.open_timer(key, record.retry_at, again)

    def _frame_attempt(self, frame: Frame, record: Attempted) -> None:
        if record.retry_at is None:
            self.abort(frame, ("error", _counted(record.error, frame.attempts + 1)))
            return
        frame.attempts += 1
        self.counts["retried"] += 1

        def again() -> None:
            if frame.phase == "running" and frame.scope is not None:
                work = self.new_work("frame", frame.scope, 0, frame=frame, home=frame.home)
                frame.scope.works.add(work.id)
                frame.work = work.id

        if frame.scope is not None:
            self._at(frame.scope, f"{frame.path}!retry", record, again)

    def _unit_attempt(self, scope: Scope, nodes: list[int], record: Attempted) -> None:
        at, _, _ = scope.g.split_step(record.step)
        rest = [i for i in nodes if scope.status[i] == RUNNING]
        if at is None or at not in rest:
            at = rest[0] if rest else nodes[0]
        if record.retry_at is None:
            error = _counted(record.error, scope.attempts.get(at, 0) + 1)
            self.counts["failed"] += 1
            self._loosen(scope, [i for i in rest if i != at])
            if scope.status[at] == RUNNING or scope.status[at] == WAITING:
                self.fail(scope, at, error)
            return
        scope.attempts[at] = scope.attempts.get(at, 0) + 1
        self.counts["retried"] += 1
        lead = at
        for i in rest:
            scope.status[i] = WAITING

        def again() -> None:
            todo = [i for i in rest if scope.status[i] == WAITING]
            if scope.alive and todo:
                self.dispatch(scope, todo[0], todo)

        self._at(scope, f"{scope.path}/{scope.g.nodes[lead].node.id}!retry", record, again)

    def _loosen(self, scope: Scope, nodes: list[int]) -> None:
        """Take nodes out of their unit: each starts by itself when it can."""
        for i in nodes:
            if scope.status[i] in (DONE, FAILED):
                continue
            scope.loose.add(i)
            scope.status[i] = WAITING
            self._await(scope, i, self.needs(scope.g.nodes[i]))

    # ------------------------------------------------------------------ graphs that tasks return

    def _on_became(self, report: Became) -> None:
        work = self.works.get(report.work)
        if work is None or work.kind == "expr":
            return
        path, node = self._place_of(work)
        index = work.indices[report.offset]
        if work.fan is not None and work.fan.status[index] != RUNNING:
            return
        bound = any(fleeting(v) for v in report.dynamic.env.values())
        if not bound:
            self.record(Grew(path, node, index, report.node, report.dynamic, self.now))
        home = work.id if report.parked else None
        if home is not None:
            self.homes.add(home)
        self._grow(work.kind, work.scope, work.fan, work.frame, work.nodes, index, report.node,
                   report.dynamic, home)  # fmt: skip
        if work.kind == "map" and work.fan is not None:
            work.left -= 1
            if work.left <= 0:
                self.works.pop(work.id, None)
                work.fan.works.discard(work.id)
        else:
            self.works.pop(work.id, None)
            work.scope.works.discard(work.id)
            self.home_decided(work.id)

    def _grow(
        self, kind: str, scope: Scope, fan: Fan | None, frame: Frame | None, nodes: list[int],
        index: int, step: str, dynamic: Dynamic, home: int | None,
    ) -> None:  # fmt: skip
        """Open the frame of a graph that a task returned."""
        if kind == "unit" and step in scope.g.index:
            at = scope.g.index[step]
            rest = [i for i in nodes if scope.status[i] == RUNNING and i != at]
            self._loosen(scope, rest)
            child = Frame(
                self.node_path(scope, at), step, None,
                lambda out: self.frame_out(scope, at, out), self.keeps(scope, at),
                home=home, dynamic=dynamic, args=dict(dynamic.env), parent=scope.frame,
                again=lambda: self._task_again(scope, at),
            )  # fmt: skip
            scope.state[("frame", at)] = child
            scope.children.append(child)
        else:
            child = self._nested_growth(kind, scope, fan, frame, nodes, index, step, dynamic, home)
        child.owns_home = home is not None
        child.hop = 1
        self.frames[child.path] = child
        self.enter(child)

    def _nested_growth(
        self, kind: str, scope: Scope, fan: Fan | None, frame: Frame | None, nodes: list[int],
        index: int, step: str, dynamic: Dynamic, home: int | None,
    ) -> Frame:  # fmt: skip
        """A graph that a task deep inside a carried instance returned: its result is a known fact
        of that instance, which then goes on in a worker."""

        def delivered(out: tuple[Any, ...]) -> None:
            fact: Value | Raised = (
                out[1]
                if out[0] == "ok"
                else Raised(
                    out[1] if out[0] == "error" else ErrorInfo("wfc.Cancelled", "cancelled")
                )
            )
            self._advance_inside(kind, scope, fan, frame, index, step, fact)
            resume()

        def resume() -> None:
            if kind == "map" and fan is not None:
                fan.status[index] = RUNNING
                self._ship(fan, (index,))
            elif kind == "frame" and frame is not None:
                work = self.new_work("frame", scope, 0, frame=frame, home=frame.home)
                scope.works.add(work.id)
            else:
                todo = [i for i in nodes if scope.status[i] in (WAITING, RUNNING)]
                self.dispatch(scope, todo[0], todo)

        if kind == "map" and fan is not None:
            node = self.map_node(fan).id
            path, holder = f"{fan.scope.path}/{node}[{index}]/{step}", fan.scope
            fan.status[index] = WAITING
        elif kind == "frame" and frame is not None:
            path, holder = f"{frame.path}/{step}".replace("/~", "~"), scope
        else:
            path, holder = f"{scope.path}/{step}", scope
        child = Frame(
            path, step, None, delivered, holder.frame.checkpoint, home=home, dynamic=dynamic,
            args=dict(dynamic.env), parent=holder.frame, again=resume,
        )  # fmt: skip
        holder.children.append(child)
        return child

    def _task_again(self, scope: Scope, at: int) -> None:
        scope.state.pop(("frame", at), None)
        scope.loose.add(at)
        self.dispatch(scope, at, [at])

    def _advance_inside(
        self, kind: str, scope: Scope, fan: Fan | None, frame: Frame | None, index: int, step: str,
        fact: Value | Raised,
    ) -> None:  # fmt: skip
        if kind == "unit":
            at, hopped, rest = scope.g.split_step(step)
            if at is not None:
                scope.known.setdefault(at, {})[_inner_step(hopped, rest)] = fact
        else:
            self._advance(kind, scope, fan, frame, index, step, fact)

    # ------------------------------------------------------------------ lost processes and values

    def _on_home_lost(self, report: HomeLost) -> None:
        self.homes.discard(report.home)
        for frame in list(self.frames.values()):
            if frame.home == report.home:
                frame.home = None
                frame.owns_home = False
                if any(fleeting(v) for v in frame.args.values()):
                    self._remake_graph(frame, report.reason)
        for work in list(self.works.values()):
            if work.home == report.home and work.id in self.works:
                work.home = None
                if work.kind == "unit" and work.scope.alive:
                    self.drop_work(work.id)
                    todo = [i for i in work.nodes if work.scope.status[i] == RUNNING]
                    if todo:
                        self.dispatch(work.scope, todo[0], todo)

    def _remake_graph(self, frame: Frame, reason: str) -> None:
        """The graph of a frame could run only in a process that is gone: run its task again."""
        if frame.again is None:
            error = ErrorInfo("wfc.WorkerLost", f"its process is gone: {reason}", task=frame.path)
            self.abort(frame, ("error", error))
            return
        if frame.scope is not None:
            for info in frame.scope.g.nodes:
                value = frame.scope.values.get(info.node.id)
                if not isinstance(info.node, CallNode) or value is None or fleeting(value):
                    continue
                if self.keeps(frame.scope, info.index):
                    self._orphan(frame.scope.path, info.node.id, value)
        for scope in (*frame.lingering, frame.scope):
            if scope is not None:
                self.bury(scope)
        frame.phase = "done"
        self.frames.pop(frame.path, None)
        frame.again()

    def _orphan(self, path: str, node: str, value: Value) -> None:
        if not hollow(value) and not is_absent(value):
            self.orphans.setdefault(path, {})[node] = value

    def _on_value_lost(self, report: ValueLost) -> None:
        work = self.works.get(report.work)
        if work is None:
            return
        scope = work.fan.scope if work.fan is not None else work.scope
        for name in report.names:
            if name == "items" and work.fan is not None:
                for k in work.indices:
                    mark_lost(self.item(work.fan, k))
                continue
            value = self.lookup(scope, name)
            pending = as_pending(value)
            if pending is not None:
                members = self.fans.get((pending.scope, pending.node))
                if members is not None:
                    for k in pending.indices:
                        mark_lost(self.member_value(members, pending.node, k))
            mark_lost(value)
            if not hollow(value) and isinstance(value, Bound):
                where = scope.find(name)
                if where is not None:
                    where.values[name] = HOLLOW
        work.submitted = False
        if work.kind == "map" and work.fan is not None:
            work.left = len(work.indices)
        self.ready[work.id] = work

    def _on_tick(self) -> None:
        while self.timers and self.timers[0][0] <= self.now:
            key = self.pop_timer()
            self.fire(key)
            self._run_agenda()

    def cancel_offsets(self, work: int, offsets: tuple[int, ...]) -> None:
        """Have the executor stop some elements of a work."""
        known = self.works.get(work)
        if known is not None:
            known.left -= len(offsets)
        if self.live:
            self.effects.append(CancelWork(work, offsets))

    # ------------------------------------------------------------------ records

    def _apply(self, record: Record, sync: bool = False) -> None:
        self.record(record, sync)
        self._replay(record)

    def _replay(self, record: Record) -> None:
        if isinstance(record, Began):
            self._begin(record.params)
        elif isinstance(record, Completed):
            self._replay_completed(record)
        elif isinstance(record, Advanced):
            self._replay_advanced(record)
        elif isinstance(record, Hopped):
            self._replay_hopped(record)
        elif isinstance(record, Attempted):
            self._replay_attempted(record)
        elif isinstance(record, Grew):
            self._replay_grew(record)
        elif isinstance(record, Computed):
            self._replay_computed(record)
        elif isinstance(record, Fired):
            call = self.timer_calls.pop(record.timer, None)
            if call is not None:
                call()
        elif isinstance(record, Signalled):
            self.signalled(record)
        elif isinstance(record, Cancelled):
            if self.root is not None:
                self.abort(self.root, ("cancelled", record.reason))
        elif isinstance(record, Ended):
            self.ended = True
            self.unsaid = None

    def _replay_completed(self, record: Completed) -> None:
        if not record.node:
            frame = self.frames.get(record.path)
            if frame is not None and frame.work is not None:
                self._forget(frame.work)
                self._frame_result(frame, record.columns)
            return
        found = self.locate(record.path, record.node)
        if found is None:
            for name in record.columns:
                self._orphan(record.path, name, _told(record.columns, name))
            return
        scope, index = found
        fan = scope.fans.get(index)
        if fan is not None and fan.members is None:
            self.take_columns(fan, record.indices, record.columns)
            return
        nodes = self._unit_nodes(scope, index)
        self._forget_unit(scope, index)
        self._unit_done(scope, nodes, record.columns)

    def _forget_unit(self, scope: Scope, index: int) -> None:
        for work_id in list(scope.works):
            work = self.works.get(work_id)
            if work is not None and work.kind == "unit" and index in work.nodes:
                self._forget(work_id)
                scope.works.discard(work_id)

    def _forget(self, work: int) -> None:
        self.works.pop(work, None)
        self.ready.pop(work, None)

    def _find(
        self, path: str, node: str
    ) -> tuple[str, Scope | None, Fan | None, Frame | None, int]:
        if not node:
            frame = self.frames.get(path)
            return "frame", frame.scope if frame else None, None, frame, 0
        found = self.locate(path, node)
        if found is None:
            return "", None, None, None, 0
        scope, index = found
        fan = scope.fans.get(index)
        if fan is not None and fan.members is None:
            return "map", scope, fan, None, index
        return "unit", scope, None, None, index

    def _replay_advanced(self, record: Advanced) -> None:
        kind, scope, fan, frame, _ = self._find(record.path, record.node)
        if not kind and record.index < 0 and not isinstance(record.value, HopState):
            self._orphan(record.path, record.step, record.value)
        if kind and scope is not None and record.held:
            self._hold(scope, record.step, record.value)
        elif kind and scope is not None:
            self._advance(kind, scope, fan, frame, record.index, record.step, record.value)

    def _replay_hopped(self, record: Hopped) -> None:
        kind, scope, fan, frame, _ = self._find(record.path, record.node)
        if not kind or scope is None:
            return
        if kind == "frame" and frame is not None and not record.frame:
            if frame.hop == record.state.hop and any(hollow(v) for v in frame.args.values()):
                self._jump(frame, record.state)
                return
            if frame.hop >= record.state.hop:
                return
            if frame.work is None or frame.work not in self.works:
                self._jump(frame, record.state)
                return
        self._hopped(kind, scope, fan, frame, record.index, record.frame, record.state)

    def _jump(self, frame: Frame, state: HopState) -> None:
        """Stand at a later hop at once: what was before it is no longer in the journal."""
        if frame.scope is not None:
            self.bury(frame.scope)
        frame.hop = state.hop
        frame.target = state.target
        frame.args = dict(state.args)
        frame.exit = None
        frame.known = {}
        if state.callee == "workflow":
            frame.workflow, frame.dynamic = self.plan.workflows[state.target], None
        elif frame.dynamic is not None:
            old = frame.dynamic
            frame.dynamic = Dynamic(old.graph, dict(state.args), old.functions, old.digest)
        frame.work = None
        self.enter(frame)

    def _replay_attempted(self, record: Attempted) -> None:
        kind, scope, fan, frame, index = self._find(record.path, record.node)
        if kind == "map" and fan is not None:
            if fan.status[record.index] == RUNNING:
                self._element_attempt(fan, record)
        elif kind == "frame" and frame is not None:
            if frame.work is not None:
                self._forget(frame.work)
            self._frame_attempt(frame, record)
        elif kind == "unit" and scope is not None:
            nodes = self._unit_nodes(scope, index)
            self._forget_unit(scope, index)
            self._unit_attempt(scope, nodes, record)

    def _unit_nodes(self, scope: Scope, index: int) -> list[int]:
        for work_id in scope.works:
            work = self.works.get(work_id)
            if work is not None and work.kind == "unit" and index in work.nodes:
                return work.nodes
        return [index]

    def _replay_grew(self, record: Grew) -> None:
        kind, scope, fan, frame, index = self._find(record.path, record.node)
        if not kind or scope is None:
            return
        nodes = self._unit_nodes(scope, index) if kind == "unit" else []
        if kind == "unit":
            self._forget_unit(scope, index)
        elif frame is not None and frame.work is not None:
            self._forget(frame.work)
        self._grow(kind, scope, fan, frame, nodes, record.index, record.step, record.dynamic, None)

    def _replay_computed(self, record: Computed) -> None:
        at = (record.path, record.node, record.key)
        entry = self.undecided.get(at)
        self.retry_undecided.pop(at, None)
        if entry is None:
            self.computed[at] = record.value
            return
        self._forget_expr(record)
        if isinstance(record.value, Hollow) and record.key not in ("value", "return"):
            return
        entry[1](record.value)

    def _forget_expr(self, record: Computed) -> None:
        for work_id, (key, _, _) in list(self.expr_jobs.items()):
            work = self.works.get(work_id)
            if work is None or key != record.key or work.scope.path != record.path:
                continue
            if work.scope.g.nodes[work.node].node.id == record.node:
                self._forget(work_id)
                self.expr_jobs.pop(work_id, None)

    def _regroup(self) -> None:
        """After a replay: one work for all that is left of each fan-out, not one per attempt."""
        fans: dict[int, Fan] = {}
        for work_id in list(self.ready):
            work = self.ready[work_id]
            work.home = work.frame.home if work.frame is not None else None
            if work.kind == "map" and work.fan is not None:
                fans[id(work.fan)] = work.fan
                self._forget(work_id)
                work.fan.works.discard(work_id)
        for fan in fans.values():
            left = [k for k in range(fan.count) if fan.status[k] == RUNNING]
            if left and self.map_node(fan).carried:
                self._ship(fan, range(fan.count) if len(left) == fan.count else left)
        for scopes in self.scopes.values():
            for scope in scopes:
                scope.regions.clear()


def _inner_step(hopped: str, rest: str) -> str:
    """A relative path inside a node: `~3/step`, `step`, or `~` for where a frame has hopped to."""
    return f"{hopped}/{rest}" if hopped and rest else hopped or rest


def _outer_step(node: str, step: str) -> str:
    if not step:
        return node
    return f"{node}{step}" if step.startswith("~") else f"{node}/{step}"


def _told(columns: Mapping[str, Chunk | int], name: str) -> Value:
    """The value of a column of one; `HOLLOW` where there is none."""
    chunk = columns.get(name)
    if chunk is None or isinstance(chunk, int):
        return HOLLOW
    value = _only(chunk)
    return HOLLOW if is_absent(value) else value


def _forgets(node: BranchNode) -> bool:
    """Whether some call in a branch is not checkpointed."""
    stack: list[Graph] = [g for _, g in inner_graphs(node)]
    while stack:
        for inner in stack.pop().nodes:
            if isinstance(inner, CallNode) and not inner.checkpoint:
                return True
            stack.extend(g for _, g in inner_graphs(inner))
    return False


def _only(chunk: Chunk) -> Value:
    """The one value of a column of one."""
    if isinstance(chunk, Column):
        return Inline(obj=chunk.load()[0])
    return chunk[0]


def _completed(
    path: str, node: str, indices: Sequence[int], columns: dict[str, Chunk | int], report: Done,
    now: float,
) -> Completed:  # fmt: skip
    meta = report.meta
    return Completed(path, node, indices, columns, now, meta.started, meta.seconds, meta.worker)


def _counted(error: ErrorInfo, attempts: int) -> ErrorInfo:
    return ErrorInfo(
        error.type, error.message, error.traceback, error.bases, error.task, error.where, attempts
    )


def _seconds(value: Any) -> float | None:
    return None if value is None else float(value)


def _digest(expr: Any) -> str:
    return str(zlib.crc32(repr(expr).encode()))


__all__ = ["Append", "Engine", "Event"]
