"""Elements one after the other: the tight loop for the common case, and what an element comes to."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from time import perf_counter
from types import CoroutineType
from typing import Any

from wfc.runtime.steps import CallStep
from wfc.runtime.values import HOLLOW, MISSING, Bound, Chunk, ErrorInfo, Rows
from wfc.runtime.work import Done, Failed, Log, Meta, Report
from wfc.runtime.worker.cells import (
    SCALARS,
    VALUES,
    Cell,
    Source,
    Unpicklable,
    ValueGone,
    unpicklable_result,
)
from wfc.runtime.worker.context import WATCH, Stage
from wfc.runtime.worker.dynamic import Continuation
from wfc.runtime.worker.errors import error_info, expression_error
from wfc.runtime.worker.frames import Frame, Job, task_arguments
from wfc.runtime.worker.interp import Element
from wfc.runtime.worker.secrets import redact


class Pack:
    """Results of consecutive elements of a job, by column, until they are reported."""

    def __init__(self, job: Job, out: list[Report], worker: str) -> None:
        self._job = job
        self.out = out
        self._worker = worker
        self.start = 0
        self.count = 0
        self.columns: dict[str, list[Cell]] = {}
        self._wall = time.time()
        self._clock = perf_counter()

    def add(self, offset: int, cells: dict[str, Cell]) -> None:
        """An element is complete."""
        if self.count and offset != self.start + self.count:
            self.flush()
        if not self.count:
            self.start = offset
        columns, count = self.columns, self.count
        for name, cell in cells.items():
            column = columns.get(name)
            if column is None:
                column = columns[name] = [MISSING] * count
            column.append(cell)
        self.count = count + 1
        if len(columns) > len(cells):
            for column in columns.values():
                if len(column) <= count:
                    column.append(MISSING)

    def flush(self) -> None:
        """Report what is complete."""
        now = perf_counter()
        if self.count:
            pack = self._job.cells.pack
            meta = Meta(self._wall, now - self._clock, self._worker)
            columns: dict[str, Chunk] = {n: pack(c) for n, c in self.columns.items()}
            self.out.append(Done(self._job.work.id, self.start, self.count, columns, meta))
            self.columns = {}
            self.start += self.count
            self.count = 0
        self._wall = time.time()
        self._clock = now


def element_cells(job: Job, element: Element) -> dict[str, Cell]:
    """What is reported of a complete element. Raises `BadResult`."""
    top = element.top
    cells = dict(top.facts)
    cells.update(top.closed)
    if job.map is not None:
        add_outputs(job, top.env, element.offset, cells)
    elif not job.whole:
        for step in job.steps:
            if step.kind == "expr" and step.id in job.exported:
                cells[step.id] = _expression_cell(job, step, top.env[step.id], element)
    if job.whole or element.exited:
        cells["="] = _result_cell(job, element)
    return cells


class BadResult(Exception):  # noqa: N818 - reported as the element's failure
    """An element's result cannot be had."""

    def __init__(self, info: ErrorInfo) -> None:
        super().__init__(info.message)
        self.info = info


def _expression_cell(job: Job, step: Any, value: Any, element: Element) -> Cell:
    try:
        if job.work.explode:
            return Rows([job.cells.pack([job.cells.cell(v, job.durable) for v in value])])
        return job.cells.cell(value, job.durable)
    except Unpicklable as error:
        if job.parked:
            return _bind(job, step.id, value, element.offset)
        message = f"the value of {step.id} cannot be kept: {error}"
        raise BadResult(_unpicklable(job, element.offset, message, step.where)) from None
    except TypeError as error:
        raise BadResult(expression_error(error, job.path(element.offset), step.where)) from None


def _result_cell(job: Job, element: Element) -> Cell:
    keep = job.work.checkpoint
    try:
        return job.cells.cell(element.result, keep)
    except Unpicklable as error:
        if job.parked and not keep:
            return _bind(job, "=", element.result, element.offset)
        message = unpicklable_result(error, element.result, job.path(element.offset))
        where = job.graph.steps[job.graph.tail].where if job.graph.tail >= 0 else ()
        raise BadResult(_unpicklable(job, element.offset, message, where)) from None


def _bind(job: Job, name: str, value: Any, offset: int) -> Bound:
    key = f"{job.path(offset)}/{name}"
    job.cells.homes.setdefault(job.home, {})[key] = value
    return Bound(job.home, key)


def _unpicklable(job: Job, offset: int, message: str, where: Any) -> ErrorInfo:
    path = job.path(offset)
    return ErrorInfo("wfc.UnpicklableResult", message, task=path, where=tuple(where) or None)


def add_outputs(job: Job, env: dict[str, Any], offset: int, cells: dict[str, Cell]) -> None:
    """The outputs of a fan-out that are not simply columns of its calls."""
    assert job.map is not None
    for output in job.map.outputs:
        if output.column is not None:
            continue
        try:
            if output.when is not None and not output.when(env):
                cells["=" + output.name] = MISSING
                continue
            value = output.value(env)
            if output.key is not None:
                value = (output.key(env), value)
            cells["=" + output.name] = job.cells.cell(value, job.durable)
        except Unpicklable as error:
            message = f"an element of {output.name} cannot be kept: {error}"
            raise BadResult(_unpicklable(job, offset, message, job.map.where)) from None
        except Exception as error:
            raise BadResult(expression_error(error, job.path(offset), job.map.where)) from None


class FastElements:
    """A fan-out whose body is one task call: a loop with as little as possible in it.

    It is also the context of the task that runs. Use `fits` first.
    """

    def __init__(self, job: Job, pack: Pack, stage: Stage, out: list[Report]) -> None:
        self.job = job
        self.step: CallStep = job.steps[0]
        self.offset = 0
        self._pack = pack
        self._stage = stage
        self.out = out
        assert job.map is not None
        self._target = job.map.targets[0]
        self._function = job.registry.function(self.step.target)
        self._keep = job.work.checkpoint and self.step.checkpoint
        self._report = self._keep or self.step.id in job.exported
        self._more = [o for o in job.map.outputs if o.column is None]
        self._frame = Frame(job.steps, dict(job.env))
        self._frame.src = dict(job.src)

    @staticmethod
    def fits(job: Job) -> bool:
        """Whether the loop can be used for a job."""
        if job.map is None or len(job.steps) != 1 or job.parked or len(job.map.targets) != 1:
            return False
        step = job.steps[0]
        return (
            step.kind == "call"
            and step.callee == "task"
            and not step.catch
            and not step.sync
            and not job.work.known
        )

    # ------------------------------------------------------------------ context of the task

    def task_id(self) -> str:
        """See `wfc.task_id`."""
        return f"{self.job.path(self.offset, self.step.origin)}/{self.step.id}"

    def attempt(self) -> int:
        """See `wfc.attempt`."""
        return self.job.work.attempts.get(self.offset, 1)

    def check(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """See `wfc.runtime.worker.context.Task`."""
        self.job.registry.check(name, args, kwargs)

    # ------------------------------------------------------------------ the loop

    def run(self, at: int, deadline: float) -> tuple[int, Element | None]:
        """Runs elements from `at` until the time is up. Gives the next one, and an element that has
        to be gone on with in the general way."""
        pack, items, count = self._pack, self.job.items, self.job.count
        function, simple = self._function, self.step.simple == self._target
        tight = simple and self._report and not self._more
        WATCH.task = self
        if pack.count and at != pack.start + pack.count:
            pack.flush()
        if not pack.count:
            pack.start = at
        column = pack.columns.setdefault(self.step.id, [])
        append = column.append
        while at < count:
            self.offset = at
            item = items[at]
            if tight and type(item) not in VALUES:
                try:
                    value = function(item)
                except BaseException as error:
                    self._raised(error)
                else:
                    if type(value) in SCALARS:
                        append(value)
                        pack.count += 1
                    else:
                        element = self._other(value)
                        if element is not None:
                            return at, element
            else:
                element = self._general(item)
                if element is not None:
                    return at, element
            if WATCH.touched:
                self._tidy()
            at += 1
            if pack.count == 0:  # flushed by a failure
                pack.start = at
                column = pack.columns.setdefault(self.step.id, [])
                append = column.append
            if perf_counter() >= deadline:
                break
        return at, None

    def _general(self, item: Any) -> Element | None:
        frame, step = self._frame, self.step
        try:
            if type(item) in VALUES:
                source = Source(item, self.job.cells.load)
                frame.src[self._target] = source
                frame.env[self._target] = source.very() if step.simple != self._target else MISSING
                if step.inplace or self._more:
                    frame.env[self._target] = source.very()
            else:
                frame.src.pop(self._target, None)
                frame.env[self._target] = item
            args, kwargs = self._arguments()
        except ValueGone:
            raise
        except Exception as error:
            self._fail(self._bad_argument(error))
            return None
        try:
            value = self._function(*args, **kwargs)
        except BaseException as error:
            self._raised(error)
            return None
        return self._other(value)

    def _arguments(self) -> tuple[Sequence[Any], dict[str, Any]]:
        return task_arguments(self._frame, self.step)

    def _other(self, value: Any) -> Element | None:
        """A value that is more than a number, or of a body that is more than its call."""
        job, step, pack = self.job, self.step, self._pack
        if type(value) is CoroutineType:
            try:
                value = asyncio.run(value)
            except BaseException as error:
                self._raised(error)
                return None
        if type(value) is Continuation:
            element = Element(job, self.offset, self._stage, self.out)
            element.adopt(step, value)
            return element
        cells: dict[str, Cell] = {}
        try:
            cells[step.id] = job.cells.cell(value, self._keep) if self._report else HOLLOW
            if self._more:
                self._frame.env[step.id] = value
                add_outputs(job, self._frame.env, self.offset, cells)
        except Unpicklable as error:
            message = unpicklable_result(error, value, step.target)
            info = ErrorInfo(
                "wfc.UnpicklableResult", message, task=self.task_id(), where=step.where
            )
            self._fail(info)
            return None
        except BadResult as bad:
            self._fail(bad.info, node="")
            return None
        pack.add(self.offset, cells)
        return None

    # ------------------------------------------------------------------ what went wrong

    def _raised(self, error: BaseException) -> None:
        step = self.step
        info = error_info(error, self.task_id(), step.where, self.attempt())
        self._fail(info)

    def _bad_argument(self, error: Exception) -> ErrorInfo:
        if isinstance(error, Unpicklable):
            task, where = self.task_id(), self.step.where
            return ErrorInfo("wfc.UnpicklableArgument", str(error), task=task, where=where)
        return expression_error(error, self.task_id(), self.step.where)

    def _fail(self, info: ErrorInfo, node: str | None = None) -> None:
        if WATCH.touched:
            self._tidy()
        self._pack.flush()
        self.out.append(
            Failed(
                self.job.work.id,
                self.offset,
                self.step.id if node is None else node,
                Element.clean(info),
                options=dict(self.step.options),
            )
        )

    def _tidy(self) -> None:
        text = self._stage.tidy()
        if text:
            self.out.append(Log(self.job.work.id, self.offset, self.step.id, redact(text)))
