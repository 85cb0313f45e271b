"""What an element comes to, and the columns that results are reported in."""

from __future__ import annotations

import time
from time import perf_counter
from typing import Any

from wfc.plan.order import iterate
from wfc.runtime.values import MISSING, Bound, Chunk, ErrorInfo, Rows
from wfc.runtime.work import Done, Meta, Report
from wfc.runtime.worker.cells import (
    Cell,
    unpicklable_result,
)
from wfc.runtime.worker.errors import Unpicklable, Unresolved, error_info, expression_error
from wfc.runtime.worker.frames import Job
from wfc.runtime.worker.interp import Element


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

    def flush(self, *, under_way: bool = False) -> None:
        """Report what is complete; with `under_way` the next element has begun already."""
        now = perf_counter()
        if self.count:
            pack = self._job.cells.pack
            meta = Meta(self._wall, now - self._clock, self._worker)
            columns: dict[str, Chunk] = {n: pack(c) for n, c in self.columns.items()}
            self.out.append(Done(self._job.work.id, self.start, self.count, columns, meta))
            self.columns = {}
            self.start += self.count
            self.count = 0
        elif under_way:
            return  # its time goes on
        self._wall = time.time()
        self._clock = now

    def copy(self) -> Done | None:
        """What `flush` would report, for a reader in another thread; `None` while that is in the making."""
        start, count = self.start, self.count
        columns = {name: column[:count] for name, column in dict(self.columns).items()}
        if not count or any(len(column) != count for column in columns.values()):
            return None
        meta = Meta(self._wall, perf_counter() - self._clock, self._worker)
        packed: dict[str, Chunk] = {n: self._job.cells.pack(c) for n, c in columns.items()}
        return Done(self._job.work.id, start, count, packed, meta)


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
            cells = [
                _cell(job, f"{step.id}[{i}]", v, element) for i, v in enumerate(iterate(value))
            ]
            return Rows([job.cells.pack(cells)])
        return _cell(job, step.id, value, element)
    except Unresolved as failed:
        raise BadResult(error_info(failed.error, job.path(element.offset), step.where)) from None
    except Unpicklable as error:
        message = f"the value of {step.id} cannot be kept: {error}"
        raise BadResult(_unpicklable(job, element.offset, message, step.where)) from None
    except TypeError as error:
        raise BadResult(expression_error(error, job.path(element.offset), step.where)) from None


def _cell(job: Job, name: str, value: Any, element: Element) -> Cell:
    """The cell of a value; what cannot be pickled stays in the process, if that is kept."""
    try:
        return job.cells.argument(value, job.durable)
    except Unpicklable as error:
        if not job.parked or isinstance(error, Unresolved):
            raise
        return _bind(job, name, value, element.offset)


def _result_cell(job: Job, element: Element) -> Cell:
    keep = job.work.checkpoint
    try:
        return job.cells.cell(element.result, keep)
    except Unresolved as failed:
        raise BadResult(error_info(failed.error, job.path(element.offset))) from None
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
            cells["=" + output.name] = job.cells.argument(value, job.durable)
        except Unresolved as failed:
            where = job.map.where
            raise BadResult(error_info(failed.error, job.path(offset), where)) from None
        except Unpicklable as error:
            message = f"an element of {output.name} cannot be kept: {error}"
            raise BadResult(_unpicklable(job, offset, message, job.map.where)) from None
        except Exception as error:
            raise BadResult(expression_error(error, job.path(offset), job.map.where)) from None
