"""How frames end: by their exit, by failure, by cancellation; and `finally:` blocks."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

from wfc.plan.model import ContinuationNode
from wfc.runtime.engine.calls import Calls
from wfc.runtime.engine.columns import durable
from wfc.runtime.engine.evaluate import fleeting
from wfc.runtime.engine.flow import NONE, RESULT
from wfc.runtime.engine.records import Attempted, Completed, Ended, Finish
from wfc.runtime.engine.state import Fan, Frame, Scope
from wfc.runtime.values import Caught, ErrorInfo, Inline, Result, Value, homes_of

Outcome = tuple[Any, ...]


class Ending(Calls):
    """Ends frames, and all that is inside them."""

    # ------------------------------------------------------------------ ending

    def frame_ended(self, frame: Frame) -> None:
        """All of a frame's path is settled: leave by its exit."""
        if frame.phase != "running":
            return
        leaving = frame.exit or ("return", NONE, False)
        if leaving[0] == "cont":
            if self._final(frame):
                self.finish(frame, ("hop", *leaving[1:]))
            else:
                self.hop(frame, leaving[1], leaving[2], leaving[3])
        elif leaving[0] == "fail":
            self.abort(frame, ("error", leaving[1]))
        else:
            value, volatile = leaving[1], leaving[2]
            if frame is self.root and fleeting(value) and frame.scope is not None:
                self._keep_result(frame, value)
                return
            self.finish(frame, ("ok", value, volatile))

    def _keep_result(self, frame: Frame, value: Value) -> None:
        """The run's own result must be durable, even if nothing on the way to it is."""
        scope = frame.scope
        if scope is None or not scope.g.nodes:
            self.finish(frame, ("ok", value, True))
            return
        scope.values[RESULT] = value

        tail = scope.g.index.get(scope.g.tail or "", 0)

        def kept(made: Value, _volatile: bool) -> None:
            if not any(homes_of(made)):
                self.finish(frame, ("ok", made, False))
                return
            message = (
                f"the result of {frame.target} cannot be kept: it cannot be pickled, and lives in one "
                "process only. Return something that can be pickled"
            )
            where = scope.g.nodes[tail].node.where
            error = ErrorInfo("wfc.UnpicklableResult", message, task=frame.path, where=where)
            self.abort(frame, ("error", error))

        # A worker makes the value that is kept: a form that the engine would not see through.
        self.compute(scope, tail, "keep", ["idx", ["tuple", [["name", RESULT]]], ["lit", 0]], kept)

    @abstractmethod
    def hop(
        self, frame: Frame, node: ContinuationNode, args: dict[str, Value], volatile: set[str]
    ) -> None:
        """Put the next hop of a frame in the place of this one."""

    def finish(self, frame: Frame, outcome: Outcome) -> None:
        """End a frame: drop what nobody waits for, run `finally:`, deliver the outcome."""
        frame.phase = "ending"
        frame.outcome = outcome
        if outcome[0] != "hop":
            for fan in frame.fans:
                self.cancel_fan(fan)
            frame.fans = []
        self.wind_down([], lambda: self._close(frame), frame)

    def _final(self, frame: Frame) -> bool:
        return frame.workflow is not None and frame.workflow.finally_ is not None

    def wind_down(
        self,
        buried: list[Frame],
        then: Callable[[], None] = lambda: None,
        last: Frame | None = None,
    ) -> None:
        """Run the `finally:` of buried frames one after the other, and that of `last`, then `then`;
        those that are at it already are waited for. The run does not end before all of this has."""
        due = [f for f in buried if f.phase == "done"]
        busy = [f for f in buried if f.phase == "ending"]
        left = len(busy) + 1
        self.winding += 1

        def one() -> None:
            nonlocal left
            left -= 1
            if left == 0:
                self.winding -= 1
                then()
                if self.winding == 0 and self.last_outcome is not None:
                    self._end_run(self.last_outcome)

        def following() -> None:
            if due:
                self._finalize(due.pop(0), following)
            else:
                one()

        if last is not None and self._final(last):
            due.append(last)
        for frame in busy:
            frame.deliver = lambda _out: one()
        following()

    def _finalize(self, frame: Frame, then: Callable[[], None]) -> None:
        """Run a frame's `finally:` block; its failure is the frame's, if that had none."""
        g = self.book.finally_(frame.target)

        def done(out: Outcome) -> None:
            if out[0] == "error" and frame.outcome is not None and frame.outcome[0] == "ok":
                frame.outcome = out
            leaving = frame.outcome or ("ok",)
            if leaving[0] == "hop" and any(map(fleeting, leaving[2].values())) and final.scope:
                self.set_aside(final.scope)  # should that be lost, the frame begins again
            then()

        if g is None:
            then()
            return
        final = Frame(
            f"{frame.hopped_path}/finally", frame.target, None, done, frame.checkpoint,
            args=frame.args, parent=frame,
        )  # fmt: skip
        final.scope = self.open_scope(final.path, g, None, final, ("frame",), dict(frame.args))

    def _close(self, frame: Frame) -> None:
        frame.phase = "done"
        if frame.outcome is not None and frame.outcome[0] == "hop":
            self.hop(frame, frame.outcome[1], frame.outcome[2], frame.outcome[3])
            return
        self.close_timer(f"{frame.path}!timeout")
        self.leave_home(frame)
        outcome = caught_times(frame.outcome or ("ok", NONE, False), frame.catches)
        stays = (
            outcome[0] == "ok"
            and outcome[2]
            and frame.exit_at is not None
            and frame is not self.root
        )
        if not stays:
            # Otherwise its scope stays: should its result have to be made again, what it kept counts.
            for scope in (*frame.lingering, frame.scope):
                if scope is not None:
                    self.bury(scope)
            frame.lingering = []
        if self.frames.get(frame.path) is frame:
            del self.frames[frame.path]
        if frame.first is not None and any(map(fleeting, frame.args.values())):
            self._tell_end_of(frame, outcome)
        if frame is self.root:
            self.last_outcome = outcome
        elif frame.deliver is not None:
            frame.deliver(outcome)

    def _tell_end_of(self, frame: Frame, out: Outcome) -> None:
        """Journal what a frame came to whose last hop cannot be taken up from the journal."""
        if out[0] == "ok":
            kept = frame.checkpoint and not out[2] and not fleeting(out[1])
            self.record(Completed(frame.path, "", (0,), {"=": [out[1]] if kept else 1}, self.now))
        elif out[0] == "error":
            self.record(Attempted(frame.path, "", 0, "", out[1], self.now, None))

    def _end_run(self, outcome: Outcome) -> None:
        self.last_outcome = None
        if outcome[0] == "ok":
            ended = Ended("succeeded", self.now, value=durable(outcome[1]))
        elif outcome[0] == "error":
            ended = Ended("failed", self.now, error=outcome[1])
        else:
            ended = Ended("cancelled", self.now)
        if self.live:
            self.end(ended)
        else:
            self.unsaid = ended

    def end(self, ended: Ended) -> None:
        """Write the run's end down, and say it."""
        self.ended = True
        self.record(ended, sync=True)
        self.let_go()
        self.effects.append(Finish(ended))

    # ------------------------------------------------------------------ failure and cancellation

    def scope_failed(self, scope: Scope, error: ErrorInfo) -> None:
        """Carry a failure outwards to the frame or the element that it ends."""
        at = scope
        while at.owner[0] in ("arm", "then"):
            at = at.owner[1]
        if at.owner[0] == "element":
            self.element_failed(at, error)
        else:
            self.abort(at.frame, ("error", error))

    @abstractmethod
    def element_failed(self, scope: Scope, error: ErrorInfo) -> None:
        """An element that the engine runs has failed."""

    def abort(self, frame: Frame, outcome: Outcome) -> None:
        """Stop everything inside a frame, then finalize it with this outcome. A run that is
        cancelled in its `finally:` goes on with that to its end, and is cancelled all the same."""
        if frame.phase == "ending" and frame is self.root and outcome[0] == "cancelled":
            frame.outcome = outcome
        if frame.phase != "running":
            return
        frame.phase = "ending"
        frame.outcome = outcome
        finals: list[Frame] = []
        if frame.scope is not None:
            finals = self.bury(frame.scope)
            for scope in frame.lingering:
                finals += self.bury(scope)
        for fan in frame.fans:
            self.cancel_fan(fan)
        frame.fans = []
        self.wind_down(finals[::-1], lambda: self._close(frame), frame)

    def bury(self, scope: Scope) -> list[Frame]:
        """Stop and forget a scope and all below it. Gives the frames whose `finally:` is due, or
        under way (see `wind_down`)."""
        finals: list[Frame] = []
        stack: list[Scope | Frame] = [scope]
        while stack:
            item = stack.pop()
            if isinstance(item, Frame):
                stack.extend(self._bury_frame(item, finals))
                continue
            if not item.alive:
                continue
            item.alive = False
            self._unlist(item)
            for work in item.works:
                self.drop_work(work)
            for timer in item.timers:
                self.close_timer(timer)
            for home in item.regions.values():
                self.release(home)
            for fan in item.fans.values():
                for work in fan.works:
                    self.drop_work(work)
                stack.extend(fan.scopes.values())
                for name in self.fan_names(fan):
                    self.fans.pop((fan.scope.path, name), None)
            stack.extend(item.children)
        return finals

    def _bury_frame(self, frame: Frame, finals: list[Frame]) -> list[Scope | Frame]:
        if frame.phase == "ending":
            frame.outcome = ("cancelled", "no longer needed")
            finals.append(frame)
            return []
        inside: list[Scope | Frame] = [*frame.lingering]
        if frame.scope is not None:
            inside.append(frame.scope)
        if frame.phase == "done":
            return inside
        if frame.phase == "running" and self._final(frame):
            finals.append(frame)
        frame.phase = "done"
        self.frames.pop(frame.path, None)
        self.close_timer(f"{frame.path}!timeout")
        self.leave_home(frame)
        return inside

    def leave_home(self, frame: Frame) -> None:
        """Let the process go that a frame has for itself."""
        if frame.owns_home and frame.home is not None:
            self.release(frame.home)
            frame.home, frame.owns_home = None, False

    def _unlist(self, scope: Scope) -> None:
        listed = self.scopes.get(scope.path)
        if listed is not None:
            if scope in listed:
                listed.remove(scope)
            if not listed:
                del self.scopes[scope.path]

    @abstractmethod
    def set_aside(self, what: Scope | Frame) -> None:
        """Keep what has been done in a scope or frame that is to be opened again."""

    @abstractmethod
    def cancel_fan(self, fan: Fan) -> None:
        """Stop what still runs of a fan-out or group."""

    @abstractmethod
    def fan_names(self, fan: Fan) -> list[str]:
        """The names that stand for a fan-out."""


def caught_times(out: Outcome, times: int) -> Outcome:
    """An outcome as what catches it so many times sees it."""
    if times <= 0 or out[0] == "cancelled":
        return out
    failed = Inline(obj=Result(ok=False, error=out[1])) if out[0] == "error" else None
    value, volatile = (out[1], out[2]) if failed is None else (failed, False)
    for _ in range(times - (out[0] != "ok")):
        value = Caught(value)
    return "ok", value, volatile
