"""Graphs that tasks return, in the place of what they are the result of."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

from wfc.plan.model import CallNode
from wfc.runtime.engine.building import Building
from wfc.runtime.engine.ending import Outcome, caught_times
from wfc.runtime.engine.evaluate import fleeting
from wfc.runtime.engine.records import Advanced, Attempted, Grew
from wfc.runtime.engine.state import (
    HELD,
    RUNNING,
    WAITING,
    Fan,
    Frame,
    Scope,
    Start,
)
from wfc.runtime.values import HOLLOW, ErrorInfo, Raised, Value
from wfc.runtime.work import Dynamic


class Growing(Building):
    """Opens them, and knows where their results go."""

    def _grow(
        self, kind: str, scope: Scope, fan: Fan | None, frame: Frame | None, nodes: list[int],
        grew: Grew, home: int | None, owned: bool = False, tell: bool = False,
    ) -> None:  # fmt: skip
        """Open the frame of a graph that a task returned. `owned`: its process is let go with it;
        `tell`: its end is to be journaled."""
        step, dynamic = grew.step, grew.dynamic
        if frame is not None and not step:
            self._go_on(frame, grew, home, owned)
            return
        if kind == "unit" and step in scope.g.ids:
            at = scope.g.ids[step]
            self._break_up(scope, nodes, at)
            catches = grew.catches - bool(getattr(scope.g.nodes[at].node, "catch", False))

            def delivered(out: Outcome) -> None:
                out = caught_times(out, catches)
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
        child.bound = home is not None or self._has_inplace(dynamic)
        child.hop = grew.hop + 1
        self.frames[child.path] = child
        self.enter(child)

    def _has_inplace(self, dynamic: Dynamic) -> bool:
        calls = (n.node for n in self.book.dynamic(dynamic.graph, dynamic.digest).nodes)
        return any(isinstance(call, CallNode) and call.inplace for call in calls)

    def _go_on(self, frame: Frame, grew: Grew, home: int | None, owned: bool) -> None:
        """The graph stands in the place of a frame that was a whole work: it is its next hop. Should
        it be lost, a worker begins again where this one stood."""
        holder = frame.scope
        assert holder is not None
        frame.first = Start.of(frame)
        frame.known, frame.failures, frame.work = {}, {}, None
        frame.workflow, frame.dynamic, frame.args = None, grew.dynamic, dict(grew.dynamic.env)
        frame.hop = grew.hop + 1
        frame.checkpoint = frame.checkpoint and grew.checkpoint
        frame.bound = frame.bound or home is not None or self._has_inplace(grew.dynamic)
        if home is not None and home != frame.home:
            frame.home, frame.owns_home = home, owned

        frame.catches += grew.catches
        self.bury(holder)
        self.enter(frame)

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
            out = caught_times(out, grew.catches)
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
            inside = scope.g.holder(step)
            if inside is not None:
                self._forget_unreported(scope, nodes, inside)
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

    @abstractmethod
    def _forget_unreported(self, scope: Scope, nodes: Sequence[int], at: int = -1) -> None:
        """What a unit has run without telling of it is lost."""

    @abstractmethod
    def _advance_inside(
        self, kind: str, scope: Scope, fan: Fan | None, frame: Frame | None, index: int, step: str,
        fact: Value | Raised,
    ) -> None:  # fmt: skip
        """Remember what a step inside of an instance has come to."""

    def _task_again(self, scope: Scope, at: int) -> None:
        scope.state.pop(("frame", at), None)
        scope.loose.add(at)
        self.dispatch(scope, at, [at])
