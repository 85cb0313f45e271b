"""Facts, live and replayed alike: what is done, known, tried again, or grown inside a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from wfc.plan.model import BranchNode, CallNode, ExprNode
from wfc.runtime.engine.building import Building
from wfc.runtime.engine.ending import Outcome
from wfc.runtime.engine.evaluate import fleeting, hollow
from wfc.runtime.engine.fans import is_absent
from wfc.runtime.engine.graphs import forgets
from wfc.runtime.engine.records import Advanced, Attempted, Grew
from wfc.runtime.engine.state import (
    DONE,
    HELD,
    RUNNING,
    WAITING,
    Fan,
    Frame,
    Scope,
    boxed,
)
from wfc.runtime.values import (
    HOLLOW,
    Caught,
    Chunk,
    Column,
    ErrorInfo,
    Hollow,
    Inline,
    Raised,
    Result,
    Value,
)
from wfc.runtime.work import HopState


class Facts(Building):
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
            scope.known.setdefault(at, {})[_inner_step(hopped, rest)] = value

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
                scope.known.setdefault(at, {})[_inner_step(hopped, rest)] = value

    def _unreported(self, scope: Scope, nodes: Sequence[int], at: int = -1) -> list[int]:
        """What a unit had run, though it was not told of: all before a call that is done, or has got
        to `at`. Nothing of it is kept, so it is made again if it is needed."""
        last = 0
        for place, i in enumerate(nodes):
            if (i == at or scope.status[i] == DONE) and isinstance(scope.g.nodes[i].node, CallNode):
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
            if isinstance(node, BranchNode):
                self._branch_told(scope, i, node, {})
            else:
                self.settle(scope, i, HOLLOW, True)

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
                at = _inner_step(hopped, rest)
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
                scope.known.setdefault(at, {})[_inner_step(hopped, rest)] = fact
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

    # ------------------------------------------------------------------ graphs that tasks return

    def _grow(
        self, kind: str, scope: Scope, fan: Fan | None, frame: Frame | None, nodes: list[int],
        grew: Grew, home: int | None, owned: bool = False, tell: bool = False,
    ) -> None:  # fmt: skip
        """Open the frame of a graph that a task returned. `owned`: its process is let go with it;
        `tell`: its end is to be journaled."""
        step, dynamic = grew.step, grew.dynamic
        if kind == "unit" and step in scope.g.ids:
            at = scope.g.ids[step]
            self._break_up(scope, nodes, at)
            catches = grew.catches - bool(getattr(scope.g.nodes[at].node, "catch", False))

            def delivered(out: Outcome) -> None:
                out = _caught(out, catches)
                if tell and scope.alive:
                    self._tell_end(grew, -1, self.caught(scope, at, out), self.keeps(scope, at))
                self.frame_out(scope, at, out)

            child = Frame(
                self.node_path(scope, at), step, None, delivered, self.keeps(scope, at),
                home=home, dynamic=dynamic, args=dict(dynamic.env), parent=scope.frame,
                again=lambda: self._task_again(scope, at),
            )  # fmt: skip
            scope.state[("frame", at)] = child
            scope.children.append(child)
            if scope.status[at] == WAITING:  # in a replay, for what is to be made again
                scope.status[at] = RUNNING
        else:
            child = self._nested_growth(kind, scope, fan, frame, nodes, grew, home, tell)
        child.owns_home = owned
        calls = (n.node for n in self.book.dynamic(dynamic.graph, dynamic.digest).nodes)
        inplace = any(isinstance(call, CallNode) and call.inplace for call in calls)
        child.bound = inplace or home is not None
        child.hop = grew.hop + 1
        self.frames[child.path] = child
        self.enter(child)

    def _nested_growth(
        self, kind: str, scope: Scope, fan: Fan | None, frame: Frame | None, nodes: list[int],
        grew: Grew, home: int | None, tell: bool,
    ) -> Frame:  # fmt: skip
        """A graph that a task deep inside a carried instance returned: its result is a known fact
        of that instance, which then goes on in a worker."""
        index, step, dynamic = grew.index, grew.step, grew.dynamic
        key = self._instance_key(kind, scope, grew)
        self._supersede(key)

        def delivered(out: Outcome) -> None:
            self.grown.pop(key, None)
            out = _caught(out, grew.catches)
            fact: Value | Raised = (
                out[1]
                if out[0] == "ok"
                else Raised(
                    out[1] if out[0] == "error" else ErrorInfo("wfc.Cancelled", "cancelled")
                )
            )
            if tell and out[0] == "ok" and not fleeting(out[1]):
                self._tell_end(grew, -1 if kind == "unit" else index, out, grew.checkpoint)
            self._advance_inside(kind, scope, fan, frame, index, step, fact)
            resume()

        def resume() -> None:
            if kind == "map" and fan is not None:
                if fan.status[index] == HELD:
                    fan.status[index] = RUNNING
                    self.ship(fan, (index,))
            elif kind == "frame" and frame is not None:
                work = self.new_work("frame", scope, 0, frame=frame)
                scope.works.add(work.id)
                frame.work = work.id
            else:
                todo = [i for i in nodes if scope.status[i] in (WAITING, RUNNING)]
                if todo:
                    self.dispatch(scope, todo[0], todo)

        if kind == "map" and fan is not None:
            path, holder = self.element_path(fan, index, step), fan.scope
            fan.status[index] = HELD
        elif kind == "frame" and frame is not None:
            path, holder = f"{frame.path}/{step}".replace("/~", "~"), scope
        else:
            path, holder = f"{scope.path}/{step}", scope
        child = Frame(
            grew.frame or path, step, None, delivered, holder.frame.checkpoint and grew.checkpoint,
            home=home, dynamic=dynamic, args=dict(dynamic.env), parent=holder.frame, again=resume,
        )  # fmt: skip
        holder.children.append(child)
        self.grown[key] = child
        return child

    def _supersede(self, key: tuple[str, str, int]) -> None:
        """In a replay a graph may still go on whose end was not kept: what it is of has got further."""
        if self.grown:
            frame = self.grown.pop(key, None)
            if frame is not None and frame.phase == "running":
                self.remake_graph(frame, lambda: None)

    @staticmethod
    def _instance_key(kind: str, scope: Scope, record: Grew | Attempted) -> tuple[str, str, int]:
        if kind != "unit":
            return record.path, record.node, record.index
        holder = scope.g.holder(record.step)  # by whatever name the unit goes
        node = record.node if holder is None else scope.g.nodes[holder].node.id
        return record.path, node, 0

    def _break_up(self, scope: Scope, nodes: Sequence[int], at: int) -> None:
        """A call of a unit has become a graph: what comes after it in the unit is on its own."""
        self._forget_unreported(scope, nodes, at)
        self.loosen(scope, [i for i in nodes if scope.status[i] == RUNNING and i != at])

    def _tell_end(self, grew: Grew, index: int, out: Outcome, keep: bool) -> None:
        """Journal what a graph came to that is not in the journal itself."""
        path, node, step = grew.path, grew.node, grew.step
        if out[0] == "ok":
            value = out[1] if keep and not fleeting(out[1]) else HOLLOW
            self.record(Advanced(path, node, index, step, value, self.now))
        elif out[0] == "error":
            self.record(Attempted(path, node, max(index, 0), step, out[1], self.now, None))

    def _task_again(self, scope: Scope, at: int) -> None:
        scope.state.pop(("frame", at), None)
        scope.loose.add(at)
        self.dispatch(scope, at, [at])


def _caught(out: Outcome, times: int) -> Outcome:
    """An outcome as what catches it so many times sees it."""
    if times <= 0 or out[0] == "cancelled":
        return out
    failed = Inline(obj=Result(ok=False, error=out[1])) if out[0] == "error" else None
    value, volatile = (out[1], out[2]) if failed is None else (failed, False)
    for _ in range(times - (out[0] != "ok")):
        value = Caught(value)
    return "ok", value, volatile


def _inner_step(hopped: str, rest: str) -> str:
    """A relative path inside a node: `~3/step`, `step`, or `~` for where a frame has hopped to."""
    return f"{hopped}/{rest}" if hopped and rest else hopped or rest


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
    return replace(error, attempts=attempts)
