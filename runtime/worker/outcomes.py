"""What steps come to, in the interpreter: ids, cells of results, failures and what catches them."""

from __future__ import annotations

from typing import Any

from wfc.runtime.policy import retries_error
from wfc.runtime.values import HOLLOW, Bound, ErrorInfo, Result
from wfc.runtime.work import Failed, Log, Report
from wfc.runtime.worker.cells import IMMUTABLE, VALUES, Source, unpicklable_result
from wfc.runtime.worker.errors import Unpicklable, Unresolved, error_info, expression_error
from wfc.runtime.worker.frames import DEEP, Frame, attempt_of
from wfc.runtime.worker.hops import Hops, StepError
from wfc.runtime.worker.secrets import redact


class _Nowhere:
    id = ""
    kind = ""
    where = ()


NOWHERE = _Nowhere()


class Outcomes(Hops):
    """The part of the interpreter that knows about results. See `wfc.runtime.worker.interp.Element`."""

    stage: Any
    failures: dict[str, int] | None
    urgent: bool
    exited: bool
    result: Any
    report: Report | None
    at: tuple[Frame, Any] | None

    # ------------------------------------------------------------------ context of the task

    def task_id(self) -> str:
        """See `wfc.task_id`."""
        assert self.at is not None
        return self.id_of(*self.at)

    def attempt(self) -> int:
        """See `wfc.attempt`."""
        return attempt_of(self.failures, self.task_id()) if self.failures else 1

    def check(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """See `wfc.runtime.worker.context.Task`."""
        self.job.registry.check(name, args, kwargs)

    def id_of(self, frame: Frame, step: Any) -> str:
        """The id of a task instance."""
        inner = frame.hops()
        outer, at = step, frame
        while at.parent is not None:
            outer, at = at.step, at.parent
        path = self.job.path(self.offset, getattr(outer, "origin", None))
        if self.top.hop:
            path = f"{path}~{self.top.hop}"
        if inner:
            path = f"{path}/{inner}"
        return f"{path}/{step.id}" if step.id else path

    def tidy(self, frame: Frame, step: Any) -> None:
        """What the task printed is reported; the folder is as before."""
        text = self.stage.tidy()
        if text:
            work, node = self.job.work.id, frame.join(step.id)
            task, attempt = self.id_of(frame, step), self.attempt()
            self.out.append(Log(work, self.offset, node, redact(text), task, attempt))

    # ------------------------------------------------------------------ frames end

    def _end(self, frame: Frame) -> bool:
        """The steps are used up: a frame without an exit returns nothing."""
        if frame is self.top and not self.job.whole and frame.hop == self.job.work.hop:
            self.result = None
            return True
        return self._return(frame, None, None)

    def _return(self, frame: Frame, value: Any, step: Any) -> bool:
        """A frame's result; `True` when it was the element's own."""
        for _ in range(frame.catches):
            value = Result(True, value)
        self.exited = frame is self.top
        return self._deliver(frame, value)

    def _deliver(self, frame: Frame, value: Any) -> bool:
        parent, call = frame.parent, frame.step
        if parent is None:
            self.result = value
            return True
        if frame.depth <= DEEP:
            parent.closed += [(f"{call.id}/{n}", c) for n, c in frame.unsent.items()]
            parent.closed += [(f"{call.id}/{p}", c) for p, c in frame.closed]
        self.frame = parent
        self._settle(parent, call, Result(True, value) if call.catch else value)
        return False

    # ------------------------------------------------------------------ results

    def _settle(self, frame: Frame, step: Any, value: Any) -> None:
        """A call's value is there: make it known to the frame, and a cell of it to be reported."""
        frame.env[step.id] = value
        if type(value) in IMMUTABLE and frame.depth and frame.checkpoint and step.checkpoint:
            frame.facts[step.id] = frame.unsent[step.id] = value
            return
        keep = frame.checkpoint and step.checkpoint
        keep = keep or (type(value) is Result and not value.ok)  # failures always are
        self._note(frame, step.id, value, keep, step)
        if step.sync:
            self.urgent = True

    def _note(self, frame: Frame, name: str, value: Any, keep: bool, step: Any) -> None:
        job = self.job
        parked = job.parked and frame is self.top
        if parked:
            path = job.path(self.offset)
            key = f"{path}~{frame.hop}/{name}" if frame.hop else f"{path}/{name}"
        cell: Any = HOLLOW
        if keep or (frame is self.top and name in job.exported):
            try:
                value, cell = job.cells.settle(value, keep)
                frame.env[name] = value
            except Unresolved as error:
                raise self.unresolved(error, frame, step) from None
            except Unpicklable as error:
                if not keep and job.parked:
                    cell = Bound(job.home, key)
                else:
                    raise StepError(
                        frame, step, self._unpicklable(error, frame, step, value)
                    ) from None
            if type(cell) in VALUES and not isinstance(cell, Bound):
                frame.src[name] = Source(cell, job.cells.load)
            else:
                frame.src.pop(name, None)
        else:
            frame.src.pop(name, None)
        if parked:
            job.cells.homes.setdefault(job.home, {})[key] = value
        if keep:
            frame.facts[name] = frame.unsent[name] = cell
        else:
            frame.facts[name] = cell

    def unresolved(self, error: Unresolved, frame: Frame, step: Any) -> StepError:
        """A task's result is a reference whose object cannot be had, or holds one: the task has failed
        with the error of that, and may be tried again."""
        call = step.call if step.kind == "resume" else step
        task = self.id_of(frame, step)
        attempt = attempt_of(self.failures, task)
        info = error_info(error.error, task, call.where, attempt)
        retry = retries_error(getattr(call, "options", {}), info, attempt)
        return StepError(frame, step, info, retry)

    def _unpicklable(self, error: Unpicklable, frame: Frame, step: Any, value: Any) -> ErrorInfo:
        message = unpicklable_result(error, value, getattr(step, "target", step.id))
        info = ErrorInfo("wfc.UnpicklableResult", message, where=tuple(step.where))
        return self._placed(info, frame, step)

    # ------------------------------------------------------------------ failures

    def _unwind(self, failure: StepError) -> bool:
        """Find the `catch` that takes a failure and go on there; `False` when there is none."""
        if failure.retry:
            return False
        frame, step = failure.frame, failure.step
        result = Result(False, error=self.clean(failure.info))
        while True:
            if step is not None and step.kind == "call" and step.catch:
                self.frame = frame
                self._settle(frame, step, result)
                return True
            catches = frame.catches
            if step is not None and step.kind == "continuation" and step.catch:
                catches += 1
            if catches:
                value: Any = result
                for _ in range(catches - 1):
                    value = Result(True, value)
                self._deliver(frame, value)
                return True
            if frame.parent is None:
                return False
            frame, step = frame.parent, frame.step

    def _failed(self, failure: StepError) -> Failed:
        step = failure.step
        call = step.call if step is not None and step.kind == "resume" else step
        node = failure.frame.join(step.id) if step is not None else failure.frame.path()
        if step is not None and step.kind in ("resume", "continuation"):
            node = failure.frame.path()
        options = getattr(call, "options", {})
        return Failed(
            self.job.work.id, self.offset, node, self.clean(failure.info), options=dict(options)
        )

    def _expression(self, error: Exception, frame: Frame, step: Any) -> ErrorInfo:
        step = step or NOWHERE
        where = (step.call if step.kind == "resume" else step).where
        return expression_error(error, self.id_of(frame, step), where)

    def _placed(self, info: ErrorInfo, frame: Frame, step: Any = None) -> ErrorInfo:
        task = self.id_of(frame, step) if step is not None else self.scope_of(frame)
        return ErrorInfo(info.type, info.message, task=task, where=info.where)

    def scope_of(self, frame: Frame) -> str:
        """The path of a frame, hops included."""
        return self.id_of(frame, NOWHERE)

    @staticmethod
    def clean(info: ErrorInfo) -> ErrorInfo:
        """The error without secrets."""
        message, trace = redact(info.message), redact(info.traceback)
        if message is info.message and trace is info.traceback:
            return info
        return ErrorInfo(
            info.type, message, trace, info.bases, info.task, info.where, info.attempts
        )
