"""The tight loops for the common case: a fan-out whose body is a few task calls in a straight line."""

from __future__ import annotations

from time import perf_counter
from types import CoroutineType
from typing import Any

from wfc.runtime.references import is_reference
from wfc.runtime.storage_errors import StorageError
from wfc.runtime.values import HOLLOW, ErrorInfo
from wfc.runtime.work import Failed, Log, Partial, Report
from wfc.runtime.worker.cells import (
    SCALARS,
    VALUES,
    Cell,
    Source,
    ValueGone,
    given,
    unpicklable_result,
    value_of,
)
from wfc.runtime.worker.context import WATCH, Stage, awaited
from wfc.runtime.worker.dynamic import Continuation
from wfc.runtime.worker.elements import BadResult, Pack, add_outputs
from wfc.runtime.worker.errors import Unpicklable, Unresolved, error_info, expression_error
from wfc.runtime.worker.frames import Frame, Job, attempt_of, task_arguments
from wfc.runtime.worker.interp import Element
from wfc.runtime.worker.secrets import redact


class _Failure(Exception):  # noqa: N818 - becomes a report
    def __init__(self, info: ErrorInfo, node: str) -> None:
        super().__init__(info.message)
        self.info = info
        self.node = node


class FastElements:
    """Runs elements whose body is expressions and task calls, one after the other.

    It is also the context of the task that runs. Use `fits` first.
    """

    def __init__(self, job: Job, pack: Pack, stage: Stage, out: list[Report]) -> None:
        self.job = job
        self.offset = 0
        self.step: Any = job.steps[0]
        self._pack = pack
        self._stage = stage
        self.out = out
        assert job.map is not None
        self._target = job.map.targets[0]
        self._more = [o for o in job.map.outputs if o.column is None]
        self._plan = [self._prepare(step) for step in job.steps]
        self._frame = Frame(job.steps, dict(job.env))
        self._frame.src = dict(job.src)
        only = job.steps[0] if len(job.steps) == 1 and job.steps[0].kind == "call" else None
        # One call, of the element as it is, whose result is all that there is: nothing is in the way.
        self._tight = (
            only is not None and only.simple == self._target and self._plan[0][3] and not self._more
        )

    def _prepare(self, step: Any) -> tuple[Any, Any, bool, bool]:
        """The step, its function, whether its result is kept, and whether it is reported at all."""
        if step.kind == "expr":
            return step, None, False, False
        keep = self.job.work.checkpoint and step.checkpoint
        function = self.job.registry.function(step.target)
        return step, function, keep, keep or step.id in self.job.exported

    @staticmethod
    def fits(job: Job) -> bool:
        """Whether the loops can be used for a job."""
        if job.map is None or not job.steps or job.parked or len(job.map.targets) != 1:
            return False
        return not job.work.known and all(
            step.kind == "expr"
            or (step.kind == "call" and step.callee == "task" and not step.catch and not step.sync)
            for step in job.steps
        )

    # ------------------------------------------------------------------ context of the task

    def task_id(self) -> str:
        """See `wfc.task_id`."""
        origin = getattr(self.step, "origin", None)
        return f"{self.job.path(self.offset, origin)}/{self.step.id}"

    def attempt(self) -> int:
        """See `wfc.attempt`."""
        return attempt_of(self.job.work.failures.get(self.offset), self.task_id())

    def check(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """See `wfc.runtime.worker.context.Task`."""
        self.job.registry.check(name, args, kwargs)

    # ------------------------------------------------------------------ the loops

    def run(self, at: int, deadline: float) -> tuple[int, Element | None]:
        """Runs elements from `at` until the time is up. Gives the next one, and an element that has
        to be gone on with in the general way."""
        WATCH.task = self
        if self._tight:
            return self._run_tight(at, deadline)
        job, items = self.job, self.job.items
        while True:
            self.offset = at  # before the count is looked at, which another thread may lower
            if at >= job.count:
                break
            element = self._element(items[at])
            if element is not None:
                return at, element
            at += 1
            if perf_counter() >= deadline:
                break
        return at, None

    def _run_tight(self, at: int, deadline: float) -> tuple[int, Element | None]:
        pack, job, items = self._pack, self.job, self.job.items
        step, function, _, _ = self._plan[0]
        if pack.count and at != pack.start + pack.count:
            pack.flush()
        self.step = step
        while at < job.count:
            if not pack.count:  # at first, and after a failure
                pack.start = at
            append = pack.columns.setdefault(step.id, []).append
            while True:
                self.offset = at  # as above
                if at >= job.count:
                    break
                item = items[at]
                if type(item) in VALUES:
                    element = self._element(item)
                    if element is not None:
                        return at, element
                    at += 1
                    break
                try:
                    value = function(item)
                except BaseException as error:
                    self._fail(self._raised(error), {})
                    at += 1
                    break
                if type(value) in SCALARS:
                    append(value)
                    pack.count += 1
                else:
                    element = self._element(item, value)
                    if element is not None:
                        return at, element
                if WATCH.touched:
                    self._tidy()
                at += 1
                if perf_counter() >= deadline or not pack.count:
                    break
            if perf_counter() >= deadline:
                break
        return at, None

    def _element(self, item: Any, *made: Any) -> Element | None:
        """One element; `made` is what its first call gave, when that was made already."""
        frame = self._frame
        cells: dict[str, Cell] = {}
        env, src, target = frame.env, frame.src, self._target
        try:
            if type(item) in VALUES:
                source = src[target] = Source(item, self.job.cells.load)
                env[target] = source.very()
            else:
                src.pop(target, None)
                env[target] = item
            for position, (step, function, keep, report) in enumerate(self._plan):
                self.step = step
                if function is None:
                    env[step.id] = step.run(env)
                    continue
                args, kwargs = ((), {}) if made else task_arguments(frame, step)
                try:
                    value = made[0] if made else function(*args, **kwargs)
                    if type(value) is CoroutineType:
                        value = awaited(value)
                    if is_reference(value):
                        value = given(value)
                except Unresolved as failed:
                    raise self._raised(failed.error) from None
                except BaseException as error:
                    raise self._raised(error) from None
                made = ()
                if WATCH.touched:
                    self._tidy()
                if type(value) is Continuation:
                    element = Element(self.job, self.offset, self._stage, self.out)
                    element.adopt(position, dict(env), cells, value)
                    return element
                env[step.id] = value
                if report and type(value) in SCALARS:
                    cells[step.id] = value
                    src.pop(step.id, None)
                else:
                    env[step.id] = self._cell(step, value, keep, report, cells)
            if self._more:
                add_outputs(self.job, env, self.offset, cells)
        except _Failure as failure:
            self._fail(failure, cells)
        except BadResult as bad:
            self._fail(_Failure(bad.info, ""), cells)
        except ValueGone:
            raise
        except Exception as error:
            self._fail(self._refused(error), cells)
        else:
            self._pack.add(self.offset, cells)
        return None

    def _cell(self, step: Any, value: Any, keep: bool, report: bool, cells: dict[str, Cell]) -> Any:
        """Make the cell of a result; gives the result, in which references are resolved."""
        cell: Cell = HOLLOW
        if report:
            try:
                value, cell = self.job.cells.settle(value, keep)
            except Unresolved as failed:
                raise self._raised(failed.error) from None
            except Unpicklable as error:
                message = unpicklable_result(error, value, step.target)
                info = ErrorInfo(
                    "wfc.UnpicklableResult", message, task=self.task_id(), where=step.where
                )
                raise _Failure(info, step.id) from None
        cells[step.id] = cell
        if report and type(cell) in VALUES:
            self._frame.src[step.id] = Source(cell, self.job.cells.load)
        else:
            self._frame.src.pop(step.id, None)
        return value

    # ------------------------------------------------------------------ what went wrong

    def _raised(self, error: BaseException) -> _Failure:
        step = self.step
        if WATCH.touched:
            self._tidy()
        info = error_info(error, self.task_id(), step.where, self.attempt())
        return _Failure(info, step.id)

    def _refused(self, error: Exception) -> _Failure:
        """What was wrong was not the task, but an argument of it, or the storage."""
        task, where = self.task_id(), self.step.where
        if isinstance(error, StorageError):
            return _Failure(ErrorInfo("wfc.StorageError", str(error), task=task), self.step.id)
        return _Failure(expression_error(error, task, where), self.step.id)

    def _fail(self, failure: _Failure, cells: dict[str, Cell]) -> None:
        self._pack.flush()
        work = self.job.work.id
        kept = {step.id for step, _, keep, _ in self._plan if keep}
        self.out += [
            Partial(work, self.offset, name, value_of(cell))
            for name, cell in cells.items()
            if name in kept
        ]
        options = dict(getattr(self.step, "options", {})) if failure.node else {}
        info = Element.clean(failure.info)
        self.out.append(Failed(work, self.offset, failure.node, info, options=options))

    def _tidy(self) -> None:
        text = self._stage.tidy()
        if text:
            work, node = self.job.work.id, self.step.id
            task, attempt = self.task_id(), self.attempt()
            self.out.append(Log(work, self.offset, node, redact(text), task, attempt))
