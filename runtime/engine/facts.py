"""Facts, live and replayed alike: what is done, known, tried again, or grown inside a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from wfc.plan.model import BranchNode, CallNode, ExprNode
from wfc.runtime.engine.columns import boxed
from wfc.runtime.engine.evaluate import fleeting, hollow
from wfc.runtime.engine.fans import is_absent
from wfc.runtime.engine.graphs import forgets, inner_step
from wfc.runtime.engine.growing import Growing
from wfc.runtime.engine.records import Attempted
from wfc.runtime.engine.state import DONE, HELD, RUNNING, WAITING, Fan, Frame, Scope
from wfc.runtime.values import (
    HOLLOW,
    Chunk,
    Column,
    ErrorInfo,
    Hollow,
    Inline,
    Raised,
    Value,
)
from wfc.runtime.work import HopState


class Facts(Growing):
    """Takes facts into the state."""

    # ------------------------------------------------------------------ what is done

    def _unit_done(
        self, scope: Scope, nodes: Sequence[int], columns: Mapping[str, Chunk | int]
    ) -> None:
        """A unit has run: its calls are done, its expressions and branches as far as they are told."""
        for name, chunk in columns.items():
            if name not in scope.g.index and not isinstance(chunk, int):
                # A call inside a branch of the unit: should the branch have to be taken again, that
                # call is done already.
                value = only(chunk)
                if not is_absent(value) and not hollow(value):
                    scope.prefilled[name] = value
        for index in nodes:
            scope.known.pop(index, None)
            self._supersede((scope.path, scope.g.nodes[index].node.id, 0))
            if scope.status[index] not in (RUNNING, WAITING):
                continue
            node = scope.g.nodes[index].node
            if isinstance(node, CallNode):
                value = told(columns, node.id)
                self.counts["done"] += 1
                volatile = not self.keeps(scope, index) or fleeting(value)
                self.settle(scope, index, value, volatile)
            elif isinstance(node, BranchNode) and node.then is None and scope.g.tail != node.id:
                self._branch_told(scope, index, node, columns)
            elif isinstance(node, ExprNode) and not hollow(told(columns, node.id)):
                names = scope.g.nodes[index].names
                self.settle(scope, index, told(columns, node.id), self.is_volatile(scope, names))
            else:
                self.loosen(scope, [index])

    def _branch_told(
        self, scope: Scope, index: int, node: BranchNode, columns: Mapping[str, Chunk | int]
    ) -> None:
        """A branch that ran inside a unit: what it gives is known, its arm is not opened here."""
        loses = not scope.frame.checkpoint or forgets(node)
        for name in node.outputs:
            value = told(columns, name)
            self.publish(scope, name, value, loses or fleeting(value))
        self.settle(scope, index, Inline(obj=None))

    def _frame_result(self, frame: Frame, columns: Mapping[str, Chunk | int]) -> None:
        chunk = columns.get("=")
        value = HOLLOW if chunk is None or isinstance(chunk, int) else only(chunk)
        frame.exit = ("return", value, fleeting(value) or not frame.checkpoint)
        self.frame_ended(frame)

    # ------------------------------------------------------------------ what is known inside an instance

    def _hold(self, scope: Scope, step: str, value: Value) -> None:
        at, hopped, rest = scope.g.split_step(step)
        if at is None and not isinstance(value, HopState | Raised | Hollow):
            scope.prefilled[step] = value
        elif at is not None and not fleeting(value):
            scope.known.setdefault(at, {})[inner_step(hopped, rest)] = value

    def _advance(
        self, kind: str, scope: Scope, fan: Fan | None, frame: Frame | None, index: int, step: str,
        value: Value | HopState | Raised,
    ) -> None:  # fmt: skip
        """Remember a checkpoint inside an instance; a unit's own calls are done by it."""
        if kind == "map" and fan is not None:
            fan.known.setdefault(index, {})[step] = value
        elif kind == "frame" and frame is not None:
            frame.known[step] = value
            frame.failures.pop("", None)  # whatever it was that was lost there: it got further
        else:
            at, hopped, rest = scope.g.split_step(step)
            if at is None:
                scope.prefilled[step] = value
            elif not rest and not hopped and not isinstance(value, HopState | Raised):
                node = scope.g.nodes[at].node
                if scope.status[at] == RUNNING and isinstance(node, BranchNode):
                    self._branch_told(scope, at, node, {})
                elif scope.status[at] in (RUNNING, WAITING):
                    self.counts["done"] += 1
                    self.settle(scope, at, value, not self.keeps(scope, at) or fleeting(value))
            else:
                scope.known.setdefault(at, {})[inner_step(hopped, rest)] = value

    def _unreported(self, scope: Scope, nodes: Sequence[int], at: int = -1) -> list[int]:
        """What a unit had run, though it was not told of: all before a call that is done, or has got
        to `at`. Nothing of it is kept, so it is made again if it is needed."""
        last = 0
        for place, i in enumerate(nodes):
            done = scope.status[i] == DONE and isinstance(scope.g.nodes[i].node, CallNode)
            if i == at or done:
                last = place
        found = []
        for i in nodes[:last]:
            node = scope.g.nodes[i].node
            told = isinstance(node, CallNode | ExprNode) or (
                isinstance(node, BranchNode) and node.then is None and scope.g.tail != node.id
            )
            if told and scope.status[i] == RUNNING:
                found.append(i)
        return found

    def _forget_unreported(self, scope: Scope, nodes: Sequence[int], at: int = -1) -> None:
        for i in self._unreported(scope, nodes, at):
            node = scope.g.nodes[i].node
            held = scope.known.get(i, {}).get("", HOLLOW)  # told, but not to be gone on with so far
            if isinstance(node, BranchNode):
                self._branch_told(scope, i, node, {})
            elif isinstance(held, HopState | Raised) or hollow(held):
                self.settle(scope, i, HOLLOW, True)
            else:
                self.settle(scope, i, held, not self.keeps(scope, i) or fleeting(held))

    def _hopped(
        self, kind: str, scope: Scope, fan: Fan | None, frame: Frame | None, index: int, at: str,
        state: HopState,
    ) -> None:  # fmt: skip
        if kind == "frame" and frame is not None and not at:
            frame.known = {"~": state}
            frame.failures.pop("", None)
            return
        if kind == "map" and fan is not None:
            known = fan.known.setdefault(index, {})
        elif kind == "frame" and frame is not None:
            known = frame.known
        else:
            index_of, hopped, rest = scope.g.split_step(at)
            if index_of is None:  # it is in an arm that the unit runs
                known = scope.prefilled
            else:
                known = scope.known.setdefault(index_of, {})
                at = inner_step(hopped, rest)
        for step in [s for s in known if s.startswith((f"{at}/", f"{at}~")) or not at]:
            del known[step]
        known[f"{at}~"] = state

    def _advance_inside(
        self, kind: str, scope: Scope, fan: Fan | None, frame: Frame | None, index: int, step: str,
        fact: Value | Raised,
    ) -> None:  # fmt: skip
        if kind == "unit":
            at, hopped, rest = scope.g.split_step(step)
            if at is None:
                scope.prefilled[step] = fact
            else:
                scope.known.setdefault(at, {})[inner_step(hopped, rest)] = fact
        else:
            self._advance(kind, scope, fan, frame, index, step, fact)

    # ------------------------------------------------------------------ attempts

    def _element_attempt(self, fan: Fan, record: Attempted) -> None:
        k = record.index
        attempts = count_failure(fan.failures.setdefault(k, {}), record)
        if record.retry_at is None and self._caught_inside(fan, record.step):
            # The process that would have caught it is gone: another one goes on from there.
            error = _counted(record.error, attempts)
            self._advance("map", fan.scope, fan, None, k, record.step, Raised(error))
            fan.status[k] = RUNNING
            self.ship(fan, (k,))
            return
        if record.retry_at is None:
            self.element_error(fan, k, _counted(record.error, attempts))
            return
        self.counts["retried"] += 1
        fan.status[k] = HELD

        def again() -> None:
            if fan.status[k] == HELD and fan.scope.alive:
                fan.status[k] = RUNNING
                self.ship(fan, (k,))

        self._at(fan.scope, f"{fan.scope.path}/{self.map_node(fan).id}[{k}]!retry", record, again)

    def _caught_inside(self, fan: Fan, step: str) -> bool:
        """Whether the failure of this call is a value of the element."""
        body = fan.scope.g.inner[self.map_node(fan).id]
        calls = (n.node for n in body.nodes if isinstance(n.node, CallNode))
        return any(call.id == step and call.catch for call in calls)

    def _at(self, scope: Scope, key: str, record: Attempted, again: Any) -> None:
        # What is folded in late has no record of its timer, which was due when the next was written.
        due = self.now if self.late else record.at
        if record.retry_at is None or record.retry_at <= due:
            again()
        else:
            scope.timers.add(key)
            self.open_timer(key, record.retry_at, again)

    def _frame_attempt(self, frame: Frame, record: Attempted) -> None:
        attempts = count_failure(frame.failures, record)
        if record.retry_at is None:
            self.abort(frame, ("error", _counted(record.error, attempts)))
            return
        self.counts["retried"] += 1

        def again() -> None:
            if frame.phase == "running" and frame.scope is not None:
                work = self.new_work("frame", frame.scope, 0, frame=frame)
                frame.scope.works.add(work.id)
                frame.work = work.id

        if frame.scope is not None:
            self._at(frame.scope, f"{frame.path}!retry", record, again)

    def _unit_attempt(self, scope: Scope, nodes: list[int], record: Attempted) -> None:
        self._forget_unreported(scope, nodes)
        at = scope.g.holder(record.step)
        rest = [i for i in nodes if scope.status[i] == RUNNING]
        if at is None or at not in rest:
            at = rest[0] if rest else nodes[0]
        attempts = count_failure(scope.failures.setdefault(at, {}), record)
        if record.retry_at is None:
            error = _counted(record.error, attempts)
            self.counts["failed"] += 1
            self.loosen(scope, [i for i in rest if i != at])
            if scope.status[at] == RUNNING or scope.status[at] == WAITING:
                self.fail(scope, at, error)
            return
        self.counts["retried"] += 1
        for i in rest:
            scope.status[i] = WAITING

        def again() -> None:
            todo = [i for i in rest if scope.status[i] == WAITING]
            if scope.alive and todo:
                self.dispatch(scope, todo[0], todo)

        self._at(scope, f"{scope.path}/{scope.g.nodes[at].node.id}!retry", record, again)


def told(columns: Mapping[str, Chunk | int], name: str) -> Value:
    """The value of a column of one; `HOLLOW` where there is none."""
    chunk = columns.get(name)
    if chunk is None or isinstance(chunk, int):
        return HOLLOW
    value = only(chunk)
    return HOLLOW if is_absent(value) else value


def only(chunk: Chunk) -> Value:
    """The one value of a column of one."""
    if isinstance(chunk, Column):
        return boxed(chunk.load()[0])
    return chunk[0]


def charged(step: str, error: ErrorInfo) -> str:
    """Under which id a failure counts: the task's alone, for what runs before and after it in the same
    instance has attempts of its own. Of a process that is lost it may not be known what it ran."""
    lost = error.type in ("wfc.WorkerLost", "wfc.TaskTimeout")
    return "" if lost and not step else error.task


def count_failure(failures: dict[str, int], record: Attempted) -> int:
    """Note that a task has failed; how often it has by now."""
    task = charged(record.step, record.error)
    failures[task] = failures.get(task, 0) + 1
    return failures[task]


def _counted(error: ErrorInfo, attempts: int) -> ErrorInfo:
    return replace(error, attempts=max(attempts, error.attempts))
