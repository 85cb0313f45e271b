"""What workers report, as records and as facts."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from wfc.plan.model import BranchNode, CallNode, ExprNode
from wfc.runtime.engine.building import failures_of
from wfc.runtime.engine.columns import boxed, durable, kept
from wfc.runtime.engine.evaluate import as_pending, fleeting, hollow, mark_lost
from wfc.runtime.engine.facts import Facts, charged, only
from wfc.runtime.engine.fans import is_absent
from wfc.runtime.engine.graphs import forgets
from wfc.runtime.engine.records import (
    Advanced,
    Attempted,
    CancelWork,
    Completed,
    Grew,
    Hopped,
)
from wfc.runtime.engine.state import RUNNING, Dispatch, Fan, enclosing
from wfc.runtime.policy import backoff_seconds, retries_error, retries_loss
from wfc.runtime.values import (
    HOLLOW,
    MISSING,
    Bound,
    Chunk,
    Column,
    ErrorInfo,
    Transient,
)
from wfc.runtime.work import (
    Became,
    Done,
    Failed,
    HomeLost,
    Hop,
    HopState,
    Lost,
    Partial,
    ValueLost,
)


class Reports(Facts):
    """Takes reports."""

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
                self.forget(work.id)
                work.fan.works.discard(work.id)
            return
        self.forget(work.id)
        work.scope.works.discard(work.id)
        if work.kind == "frame" and work.frame is not None:
            keep = work.frame.checkpoint
            columns = {k: kept(v, keep) for k, v in report.columns.items()}
            self.record(_completed(work.frame.path, "", (0,), columns, report, self.now))
            self._frame_result(work.frame, report.columns)
            return
        scope = work.scope
        # The record tells all that the work was of, also what its worker does not tell of.
        told = dict.fromkeys((scope.g.nodes[i].node.id for i in work.nodes), 1)
        columns = told | self._stripped(work, report.columns)
        lead = scope.g.nodes[work.nodes[0]].node.id
        self.home_decided(work.id)
        sync = any(getattr(scope.g.nodes[i].node, "checkpoint", True) == "sync" for i in work.nodes)
        self.record(_completed(scope.path, lead, (0,), columns, report, self.now), sync)
        self._unit_done(scope, work.nodes, report.columns)

    def _stripped(self, work: Dispatch, columns: dict[str, Chunk]) -> dict[str, Chunk | int]:
        """The columns as they are journaled."""
        out: dict[str, Chunk | int] = {}
        for name, chunk in columns.items():
            keep = work.scope.frame.checkpoint
            if keep and work.kind == "map" and work.fan is not None:
                keep = self.column_kept(work.fan, name)
            elif keep and name not in work.scope.g.index:
                keep = name not in work.scope.g.unkept
            elif keep:
                index = work.scope.g.index[name]
                node = work.scope.g.nodes[index].node
                if isinstance(node, BranchNode):
                    keep = not forgets(node)
                elif isinstance(node, ExprNode):
                    keep = not self.is_volatile(work.scope, work.scope.g.nodes[index].names)
                else:
                    keep = self.keeps(work.scope, index)
            out[name] = kept(chunk, keep)
            if not keep and work.fan is not None and self._filtered(work.fan, name):
                out[name] = passed(chunk)
        return out

    def _filtered(self, fan: Fan, column: str) -> bool:
        """Whether a column has no entry for elements that do not pass."""
        node = self.map_node(fan)
        return any(
            out.when is not None and self.output_column(node, out.name) == column
            for out in node.outputs
        )

    def _expr_done(self, work: Dispatch, report: Done) -> None:
        key, _expr, explode = self.expr_jobs.pop(work.id)
        self.forget(work.id)
        scope = work.scope
        scope.works.discard(work.id)
        node = scope.g.nodes[work.node].node.id
        value = only(report.columns["$x"])
        self.home_decided(work.id)
        entry = self.undecided.get((scope.path, node, key))
        if entry is None:
            return
        self.note(scope, node, key, value, explode)
        entry[1](value)

    def _on_partial(self, report: Partial) -> None:
        work = self.works.get(report.work)
        if work is None or work.kind == "expr":
            return
        if self._is_unanchored(work, report.offset, report.node):
            return
        path, node = self._place_of(work)
        index = work.indices[report.offset]
        if not report.kept:
            if work.park:
                self._hold(work.scope, report.node, report.value)
            else:
                self._advance(
                    work.kind, work.scope, work.fan, work.frame, index, report.node, report.value
                )
            return
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

    def _step_kept(self, work: Dispatch, step: str) -> bool:
        if not work.scope.frame.checkpoint:
            return False
        if work.kind == "map" and work.fan is not None:
            body = work.fan.scope.g.inner[self.map_node(work.fan).id]
            at, _, _ = body.split_step(step)
            return at is None or self.column_kept(work.fan, body.nodes[at].node.id)
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

    def _on_hop(self, report: Hop) -> None:
        work = self.works.get(report.work)
        if work is None:
            return
        path, node = self._place_of(work)
        index = work.indices[report.offset]
        if not report.kept:
            self._hopped(
                work.kind, work.scope, work.fan, work.frame, index, report.frame, report.state
            )
            return
        if any(fleeting(v) for v in report.state.args.values()):
            work.unanchored.add((report.offset, report.frame))
            return
        if self._is_unanchored(work, report.offset, report.frame):
            return
        self.record(Hopped(path, node, index, report.frame, report.state, self.now))
        self._hopped(work.kind, work.scope, work.fan, work.frame, index, report.frame, report.state)

    def _on_failed(self, report: Failed) -> None:
        work = self.works.get(report.work)
        if work is None:
            return
        if work.kind == "expr":
            self.forget(work.id)
            self.expr_jobs.pop(work.id, None)
            self.fail(work.scope, work.node, report.error)
            return
        path, node = self._place_of(work)
        index = work.indices[report.offset]
        if self._is_gone(work, report.offset):
            return
        attempt = self._failures(work, index).get(report.error.task, 0) + 1
        retry = retries_error(report.options, report.error, attempt)
        spread = (zlib.crc32(f"{path}/{node}[{index}]{attempt}".encode()) & 0xFFFF) / 65536
        delay = backoff_seconds(report.options, attempt, spread) if retry else 0.0
        due = self.now + delay if retry else None
        self._attempted(
            Attempted(path, node, index, report.node, report.error, self.now, due),
            work,
            report.offset,
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
        if self._is_gone(work, report.offset):
            return
        step, options, where = self._lost_step(work, index, report.node)
        kind = "wfc.WorkerLost" if report.kind == "died" else "wfc.TaskTimeout"
        bases = ("builtins.TimeoutError",) if report.kind == "timeout" else ()
        error = ErrorInfo(
            kind,
            report.reason,
            bases=bases,
            task=self._instance(work, index, step),
            where=where,
        )
        attempt = self._failures(work, index).get(charged(step, error), 0) + 1
        error = replace(error, attempts=attempt)
        if report.kind == "died":
            retry = retries_loss(options, attempt)
        else:
            retry = retries_error(options, error, attempt)
        due = self.now if retry else None
        self._attempted(
            Attempted(path, node, index, step, error, self.now, due), work, report.offset
        )

    def _instance(self, work: Dispatch, index: int, step: str) -> str:
        """The id of a call inside a work."""
        if work.kind == "map" and work.fan is not None:
            return self.element_path(work.fan, index, step)
        if work.kind == "frame" and work.frame is not None:
            return f"{work.frame.path}/{step}".rstrip("/")
        at, _, _ = work.scope.g.split_step(step)
        return f"{work.scope.path}/{step}" if at is None else self.node_path(work.scope, at)

    def _lost_step(
        self, work: Dispatch, index: int, step: str
    ) -> tuple[str, dict[str, Any], tuple[int, ...] | None]:
        """The call that was lost, its options, and where it stands in the spec."""
        if work.kind == "map" and work.fan is not None:
            body = work.scope.g.inner[self.map_node(work.fan).id]
            known = work.fan.known.get(index, ())
            calls = [
                n.node
                for n in body.nodes
                if isinstance(n.node, CallNode) and n.node.id not in known
            ]
        elif work.kind == "unit":
            running = [
                work.scope.g.nodes[i].node for i in work.nodes if work.scope.status[i] == RUNNING
            ]
            calls = [n for n in running if isinstance(n, CallNode)]
        else:
            calls = []
        named = [c for c in calls if c.id == step] or calls
        if not named:
            return step, {}, None
        call = named[0]
        options = call.options
        if call.callee == "workflow":
            options = self._first_call_options(self.plan.workflows[call.target].body, set())
        return (step or call.id), options, tuple(call.where)

    @staticmethod
    def _failures(work: Dispatch, index: int) -> dict[str, int]:
        """How often tasks of an instance have failed, by their ids (see `Work.failures`)."""
        if work.kind == "map" and work.fan is not None:
            return work.fan.failures.get(index, {})
        if work.kind == "frame" and work.frame is not None:
            return work.frame.failures
        return failures_of(work.scope, work.nodes)

    @staticmethod
    def _is_gone(work: Dispatch, offset: int) -> bool:
        """Whether an element is not (or no longer) this work's to tell of: reports may come twice."""
        if work.fan is None:
            return False
        return offset in work.gone or work.fan.status[work.indices[offset]] != RUNNING

    def _attempted(self, record: Attempted, work: Dispatch, offset: int) -> None:
        self.record(record)
        if work.kind == "map" and work.fan is not None:
            work.gone.add(offset)
            work.left -= 1
            if work.left <= 0:
                self.forget(work.id)
                work.fan.works.discard(work.id)
            self._element_attempt(work.fan, record)
            return
        self.forget(work.id)
        work.scope.works.discard(work.id)
        self.homes.pop(work.id, None)  # what fails does not park
        self.leaving.discard(work.id)
        self.home_decided(work.id)
        if work.kind == "frame" and work.frame is not None:
            self._frame_attempt(work.frame, record)
        else:
            self._unit_attempt(work.scope, work.nodes, record)

    def _on_became(self, report: Became) -> None:
        work = self.works.get(report.work)
        if work is None or work.kind == "expr":
            return
        path, node = self._place_of(work)
        index = work.indices[report.offset]
        if self._is_gone(work, report.offset):
            return
        bound = any(fleeting(v) for v in report.dynamic.env.values())
        grew = Grew(
            path, node, index, report.node, report.dynamic, self.now, report.path, report.hop,
            report.catches, report.checkpoint,
        )  # fmt: skip
        if report.kept:
            self.record(
                replace(grew, dynamic=replace(grew.dynamic, graph=b"", env={})) if bound else grew
            )
        if work.kind == "frame":
            self.forget(work.id)
            work.scope.works.discard(work.id)
        tell = report.kept and bound  # its graph is not journaled, but what that comes to can be
        home = report.home
        owned = home is not None and home not in self.homes
        if home is not None:
            self.homes.setdefault(home, 0)
        self._grow(work.kind, work.scope, work.fan, work.frame, work.nodes, grew, home, owned, tell)
        if work.kind == "map" and work.fan is not None:
            work.gone.add(report.offset)
            work.left -= 1
            if work.left <= 0:
                self.forget(work.id)
                work.fan.works.discard(work.id)
        else:
            self.forget(work.id)
            work.scope.works.discard(work.id)
            self.home_decided(work.id)

    # ------------------------------------------------------------------ lost processes and values

    def _on_home_lost(self, report: HomeLost) -> None:
        self.homes.pop(report.home, None)
        for frame in list(self.frames.values()):
            # What stood in a graph that is made again is gone with it, and made again by that.
            if frame.home == report.home and self.frames.get(frame.path) is frame:
                frame.home = None
                frame.owns_home = False
                # A workflow's are made again when they are needed, a graph by the task that gave it.
                if frame.again is not None and any(map(fleeting, frame.args.values())):
                    self.remake_graph(frame, frame.again)
        for work in list(self.works.values()):
            if work.home == report.home and work.id in self.works:
                self.move(work, None)
                if work.kind == "unit" and work.scope.alive:
                    self.drop_work(work.id)
                    todo = [i for i in work.nodes if work.scope.status[i] == RUNNING]
                    if todo:
                        self.dispatch(work.scope, todo[0], todo)
                    continue
                self._submit_again(work)

    def _submit_again(self, work: Dispatch) -> None:
        """Give out once more what is left of a work. But for a unit by another id: reports may still
        be on their way, which tell of what is gone, or count a slice's elements as they were."""
        if work.kind == "unit":
            self.unpark(work)
            work.submitted = False
            self.ready[work.id] = work
            return
        job = self.expr_jobs.get(work.id)
        self.drop_work(work.id)
        if work.fan is None:
            again = self.new_work(work.kind, work.scope, work.node, nodes=[], frame=work.frame)
            work.scope.works.discard(work.id)
            work.scope.works.add(again.id)
            if job is not None:
                self.expr_jobs[again.id] = job
            if work.frame is not None:
                work.frame.work = again.id
            return
        fan = work.fan
        fan.works.discard(work.id)
        here = (k for offset, k in enumerate(work.indices) if offset not in work.gone)
        left = [k for k in here if fan.status[k] == RUNNING]
        if left:
            self.ship(fan, left if len(left) < len(work.indices) else work.indices)

    def _on_value_lost(self, report: ValueLost) -> None:
        work = self.works.get(report.work)
        if work is None:
            return
        scope = work.fan.scope if work.fan is not None else work.scope
        if "items" in report.names:  # which stands for all that has no name
            for known in self._known_of(work):
                for step in [s for s, value in known.items() if _is_passing(value)]:
                    del known[step]
                    if step.endswith("~"):  # the frame begins again: its steps are of that hop
                        frame = step[:-1]
                        for inner in [s for s in known if s.startswith(f"{frame}/") or not frame]:
                            del known[inner]
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
        self._submit_again(work)

    @staticmethod
    def _known_of(work: Dispatch) -> list[dict[str, Any]]:
        """What a work is told of what was done of it before."""
        if work.frame is not None:
            return [work.frame.known]
        if work.fan is not None:
            return [work.fan.known[k] for k in work.indices if k in work.fan.known]
        scope = work.scope
        steps: list[dict[str, Any]] = [scope.known[i] for i in work.nodes if i in scope.known]
        return [*steps, *(outer.prefilled for outer in enclosing(scope))]

    def cancel_offsets(self, work: int, offsets: tuple[int, ...]) -> None:
        """Have the executor stop some elements of a work."""
        known = self.works.get(work)
        if known is not None:
            known.left -= len(offsets)
            if known.submitted:
                self.effects.append(CancelWork(work, offsets))


def _is_passing(value: Any) -> bool:
    """Whether what is known of a step (or of a hop) stands on what may be gone with its process."""
    if isinstance(value, HopState):
        return any(isinstance(part, Transient) for part in value.args.values())
    return isinstance(value, Transient)


def _completed(
    path: str, node: str, indices: Sequence[int], columns: dict[str, Chunk | int], report: Done,
    now: float,
) -> Completed:  # fmt: skip
    meta = report.meta
    return Completed(path, node, indices, columns, now, meta.started, meta.seconds, meta.worker)


def passed(chunk: Chunk) -> Chunk | int:
    """What is journaled of outputs that are not kept: which elements have none. Who goes through them
    element by element has to know that, also after a restart."""
    values = chunk.load() if isinstance(chunk, Column) else chunk
    absent = [v is MISSING or is_absent(v) for v in values]
    return [boxed(MISSING) if no else HOLLOW for no in absent] if any(absent) else len(absent)
