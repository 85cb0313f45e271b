"""The fold of a journal: records of an earlier life, as facts."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TypeAlias

from wfc.plan.model import ExprNode, MapNode
from wfc.runtime.engine.evaluate import ITEMS_AGAIN, hollow
from wfc.runtime.engine.facts import count_failure, told
from wfc.runtime.engine.graphs import NodeInfo
from wfc.runtime.engine.records import (
    DECIDED,
    DUE,
    Advanced,
    Attempted,
    Began,
    Cancelled,
    Claimed,
    Completed,
    Computed,
    Ended,
    Fired,
    Grew,
    Hopped,
    Record,
    Signalled,
)
from wfc.runtime.engine.reports import Reports
from wfc.runtime.engine.state import (
    DONE,
    HELD,
    RUNNING,
    WAITING,
    Fan,
    Frame,
    Scope,
)
from wfc.runtime.values import (
    HOLLOW,
    Hollow,
    Inline,
    Value,
)

Placed: TypeAlias = Completed | Advanced | Hopped | Attempted | Grew
"""Records of something that stands at a path."""


class Replaying(Reports):
    """Takes records."""

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

    def _apply(self, record: Record, sync: bool = False) -> None:
        self.record(record, sync)
        self._replay(record)

    def _replay(self, record: Record) -> None:
        if isinstance(record, Placed) and not self._is_open(record):
            self._stray(record)
        elif isinstance(record, Began):
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
            if self.live:
                self.signalled(record)
            else:
                self.recall(record)
        elif isinstance(record, Cancelled):
            if self.root is not None:
                self.abort(self.root, ("cancelled", record.reason))
        elif isinstance(record, Ended):
            self.ended = True
            self.unsaid = None

    def _is_open(self, record: Placed) -> bool:
        if not record.node:
            return record.path in self.frames
        found = self.locate(record.path, record.node)
        if found is None:
            return False
        scope, index = found
        if not isinstance(scope.g.nodes[index].node, MapNode):
            return True
        fan = scope.fans.get(index)
        indices = record.indices if isinstance(record, Completed) else (record.index,)
        return fan is not None and all(fan.status[k] != WAITING for k in indices)

    def _stray(self, record: Placed) -> None:
        """Keep a record until there is what it is of. It was there when it was written: what came
        before depends on what has to be made again. A unit may run it, though: then it never opens."""
        self.strays.setdefault(record.path, []).append(record)
        fan = self.instance(record.path, record.node)[2]
        if fan is not None:
            if isinstance(record, Completed):
                self.take_columns(fan, record.indices, record.columns)  # those that do run
        elif isinstance(record, Completed):
            for name in record.columns:
                self.orphan(record.path, name, told(record.columns, name))
        elif isinstance(record, Advanced) and record.index < 0:
            self.orphan(record.path, record.step, record.value)

    def catch_up(self) -> None:
        """Fold in what is known of what has opened."""
        if not self.opened:
            return
        live, self.live, self.late = self.live, False, True
        while self.opened:
            for record in self.strays.pop(self.opened.pop(0), ()):
                self._replay(record)
                self.run_agenda()
        self.live, self.late = live, False
        if live:
            self.take_up()

    def take_up(self) -> None:
        """Go on after a replay."""
        if self.unsaid is not None:
            # The end follows from the journal, but the record of it was lost.
            ended, self.unsaid = self.unsaid, None
            self.end(ended)
            return
        self.write_choices()
        self.deliver_untaken()
        self._untold()
        self._regroup()
        for key, again in list(self.retry_undecided.items()):
            if key in self.undecided and self.undecided[key][0].alive:
                self.later(again)
        self.retry_undecided.clear()

    @abstractmethod
    def run_agenda(self) -> None:
        """Do all that is on the agenda."""

    def _replay_completed(self, record: Completed) -> None:
        if not record.node:
            frame = self.frames.get(record.path)
            if frame is not None:
                if frame.work is not None:
                    self.forget(frame.work)
                if isinstance(record.columns.get("="), int):  # should it be needed, it runs again
                    self.set_aside(frame)
                self._frame_result(frame, record.columns)
            return
        _, scope, fan, _, index = self.instance(record.path, record.node)
        if fan is not None:
            for k in record.indices if self.grown else ():
                if fan.status[k] == HELD:
                    self._supersede((record.path, record.node, k))
                    fan.status[k] = RUNNING
            self.take_columns(fan, record.indices, record.columns)
            return
        assert scope is not None, "it is open"
        unit = scope.g.nodes[index].unit
        order = unit.order if unit is not None else [index]
        nodes = [i for i in order if scope.g.nodes[i].node.id in record.columns]
        self._unit_done(scope, nodes, record.columns)
        for work_id in list(scope.works):
            work = self.works.get(work_id)
            mine = work is not None and work.kind == "unit" and index in work.nodes
            if mine and all(scope.status[i] != RUNNING for i in self.works[work_id].nodes):
                self.forget(work_id)
                scope.works.discard(work_id)

    def _forget_unit(self, scope: Scope, index: int) -> None:
        for work_id in list(scope.works):
            work = self.works.get(work_id)
            if work is not None and work.kind == "unit" and index in work.nodes:
                self.forget(work_id)
                scope.works.discard(work_id)

    def instance(
        self, path: str, node: str
    ) -> tuple[str, Scope | None, Fan | None, Frame | None, int]:
        """What a record is of: `unit`, `map` or `frame` (empty: nothing that is there), its scope, its
        fan-out or frame, and the number of its node."""
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
        kind, scope, fan, frame, _ = self.instance(record.path, record.node)
        if scope is None:
            return
        if record.held:
            self._hold(scope, record.step, record.value)
        else:
            self._advance(kind, scope, fan, frame, record.index, record.step, record.value)

    def _replay_hopped(self, record: Hopped) -> None:
        kind, scope, fan, frame, _ = self.instance(record.path, record.node)
        if scope is None:
            return
        if kind == "frame" and frame is not None and not record.frame:
            if frame.hop == record.state.hop and any(hollow(v) for v in frame.args.values()):
                self.jump(frame, record.state)
                return
            if frame.hop >= record.state.hop:
                return
            if record.state.where or frame.work is None or frame.work not in self.works:
                self.jump(frame, record.state)
                return
        self._hopped(kind, scope, fan, frame, record.index, record.frame, record.state)

    def _replay_attempted(self, record: Attempted) -> None:
        kind, scope, fan, frame, index = self.instance(record.path, record.node)
        if self.grown and scope is not None:
            key = self._instance_key(kind, scope, record)
            if fan is not None and key in self.grown and fan.status[record.index] == HELD:
                fan.status[record.index] = RUNNING
            self._supersede(key)
        if kind == "map" and fan is not None:
            if fan.status[record.index] == RUNNING:
                self._element_attempt(fan, record)
        elif kind == "frame" and frame is not None:
            if frame.work is not None:
                self.forget(frame.work)
            self._frame_attempt(frame, record)
        elif (
            kind == "unit"
            and scope is not None
            and (at := self._made_again(scope, record.step)) >= 0
        ):
            if record.retry_at is None:
                self.fail(scope, at, record.error)
            else:
                count_failure(scope.failures.setdefault(at, {}), record)
        elif kind == "unit" and scope is not None:
            nodes = self._unit_nodes(scope, index)
            self._forget_unit(scope, index)
            self._unit_attempt(scope, nodes, record)

    @staticmethod
    def _made_again(scope: Scope, step: str) -> int:
        """The node of a step that was done already: it was made again, what is not told in a replay.
        Negative when it was not."""
        at, _, _ = scope.g.split_step(step)
        return at if at is not None and scope.status[at] == DONE else -1

    def _unit_nodes(self, scope: Scope, index: int) -> list[int]:
        for work_id in scope.works:
            work = self.works.get(work_id)
            if work is not None and work.kind == "unit" and index in work.nodes:
                return work.nodes
        return [index]

    def _replay_grew(self, record: Grew) -> None:
        kind, scope, fan, frame, index = self.instance(record.path, record.node)
        if scope is None:
            return
        done = kind == "unit" and self._made_again(scope, record.step) >= 0
        if done or (fan is not None and fan.status[record.index] not in (RUNNING, HELD)):
            return  # it was made again, which is not told in a replay
        there = self.frames.get(record.frame)
        known = there.dynamic if there is not None and there.phase == "running" else None
        if known is not None and known.digest == record.dynamic.digest:
            return  # what it stood in was opened again, which is not told either
        # The unit may be led by another call now, where what came before is known.
        holder = scope.g.holder(record.step) if kind == "unit" else None
        index = index if holder is None else holder
        nodes = self._unit_nodes(scope, index) if kind == "unit" else []
        if not record.dynamic.graph:
            if kind == "unit" and record.step in scope.g.ids:
                self._replay_break_up(scope, nodes, index)
            return
        if kind == "unit":
            self._forget_unit(scope, index)
        elif frame is not None and frame.work is not None:
            self.forget(frame.work)
        self._grow(kind, scope, fan, frame, nodes, record, None)

    def _replay_break_up(self, scope: Scope, nodes: Sequence[int], at: int) -> None:
        """A call of a unit had become a graph that lives in a process: it runs again, on its own. Not
        before a graph inside of it has ended, though, should there be one that is not told of."""
        if scope.status[at] != RUNNING:
            return
        self._forget_unit(scope, at)
        self._break_up(scope, nodes, at)
        inside = (f"{self.node_path(scope, at)}/", f"{self.node_path(scope, at)}~")
        children = (c for c in scope.children if isinstance(c, Frame) and c.phase == "running")
        if not any(child.path.startswith(inside) for child in children):
            self.dispatch(scope, at, [at])

    def _replay_computed(self, record: Computed) -> None:
        if record.key in (ITEMS_AGAIN, DECIDED, DUE):
            return
        at = (record.path, record.node, record.key)
        entry = self.undecided.get(at)
        if entry is None:
            self.computed[at] = record.value
            return
        self._forget_expr(record)
        if isinstance(record.value, Hollow) and record.key not in ("value", "return"):
            return  # it could not be kept, so it is asked for again
        self.retry_undecided.pop(at, None)
        entry[1](record.value)

    def _foresee(self, record: Record) -> None:
        """Look at a record that is about to be replayed: what something came to has to be known before
        it is open, since what it waits for may be there sooner than it was."""
        if isinstance(record, Computed) and record.key == DECIDED:
            at = (record.path, record.node)
            what = self.decisions[at] = self.load(record.value)
            if isinstance(
                what, str
            ):  # of an earlier version: such claims did not belong to the signal
                self.claims[what] = at
                self.unwritten[record.path, record.node, DECIDED] = what
        elif isinstance(record, Computed) and record.key == DUE:
            self.dues[record.path, record.node] = self.load(record.value)
        elif isinstance(record, Claimed):
            taker = (record.path, record.node) if record.node else None
            self.claims[record.id] = taker
            if taker is not None:
                self.decisions[taker] = record.id
                self.unwritten.pop((record.path, record.node, DECIDED), None)

    def _forget_expr(self, record: Computed) -> None:
        for work_id, (key, _, _) in list(self.expr_jobs.items()):
            work = self.works.get(work_id)
            if work is None or key != record.key or work.scope.path != record.path:
                continue
            if work.scope.g.nodes[work.node].node.id == record.node:
                self.forget(work_id)
                self.expr_jobs.pop(work_id, None)

    def _untold(self) -> None:
        """After a replay: what the units that are lost had run without telling of it."""
        for work in list(self.ready.values()):
            if work.kind == "unit":
                for i in self._unreported(work.scope, work.nodes):
                    step = work.scope.g.nodes[i].node.id
                    self._apply(Advanced(work.scope.path, step, -1, step, HOLLOW, self.now))

    def _regroup(self) -> None:
        """After a replay: one work for all that is left of each fan-out, not one per attempt."""
        fans: dict[int, Fan] = {}
        for work_id in list(self.ready):
            work = self.ready[work_id]
            self.move(work, work.frame.home if work.frame is not None else None)
            if work.kind == "map" and work.fan is not None:
                if any(id in self.works and id not in self.ready for id in work.fan.works):
                    continue  # it was open before
                fans[id(work.fan)] = work.fan
                self.forget(work_id)
                work.fan.works.discard(work_id)
        for fan in fans.values():
            left = [k for k in range(fan.count) if fan.status[k] == RUNNING]
            if left and self.map_node(fan).carried:
                self.ship(fan, range(fan.count) if len(left) == fan.count else left)
