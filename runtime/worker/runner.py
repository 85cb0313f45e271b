"""Runs batches of works in this process and yields what there is to report."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping
from time import perf_counter
from typing import Any

from wfc.plan.model import Plan
from wfc.runtime.functions import load
from wfc.runtime.importing import Code, activate, active
from wfc.runtime.linked import Linked
from wfc.runtime.storage_errors import StorageError
from wfc.runtime.values import INLINE_LIMIT, ErrorInfo
from wfc.runtime.valuestore import ValueStore, open_values
from wfc.runtime.work import Failed, Hop, Log, Program, Report, ValueLost, Work
from wfc.runtime.worker.cells import Cells, Large, NoLarge, ValueGone
from wfc.runtime.worker.context import WATCH, Stage
from wfc.runtime.worker.elements import BadResult, Pack, element_cells
from wfc.runtime.worker.errors import kind_of, message_of
from wfc.runtime.worker.fast import FastElements
from wfc.runtime.worker.frames import Job
from wfc.runtime.worker.interp import Element
from wfc.runtime.worker.registry import Registry
from wfc.runtime.worker.secrets import redact
from wfc.runtime.worker.shared import SharedValues

FLUSH = 0.015
"""Seconds of work after which what there is gets reported."""


class Runner:
    """Runs works of one program, in order, in the thread that iterates.

    `large` is the executor's own way for large values; `functions`, `store` and `registry` replace
    what the program names (for tests, and for executors in the coordinator's own process). With `capture`
    what tasks print is reported; without it goes where it always goes (a debugger needs that). Values
    of more than `inline` bytes are stored, or are put into `large`.

    `between` is false while an element is under way: a batch that is given up then has to start that
    element again from what was reported of it.
    """

    def __init__(
        self,
        program: Program,
        large: Large | None = None,
        *,
        functions: Mapping[str, Callable[..., Any]] | None = None,
        store: ValueStore | None = None,
        capture: bool = True,
        flush: float = FLUSH,
        inline: int = INLINE_LIMIT,
        worker: str = "",
        registry: Registry | None = None,
    ) -> None:
        self.program = program
        self.between = True
        self._given = functions
        self._store = store
        self._capture = capture
        self._flush = flush
        self._worker = worker or f"{socket.gethostname()}:{os.getpid()}"
        self._large = large or NoLarge()
        self._cells = Cells(program.run_id, self._values, self._large, inline)
        self._registry = registry
        self._out: list[Report] = []
        self._deadline = 0.0
        self._runs: _Runs | None = None
        self._seen: object = None
        self._told = False
        self._code: Code | None = None

    def _values(self) -> ValueStore:
        if self._store is None:
            if self.program.proof is not None:
                self._store = SharedValues(self.program, self._large)
            else:
                self._store = open_values(self.program.store, self.program.seal_key)
        return self._store

    def _functions(self) -> Mapping[str, Callable[..., Any]]:
        return self._given if self._given is not None else self._load()

    def _load(self) -> Mapping[str, Callable[..., Any]]:
        """A function that is not to be had here fails when it is called: others may be."""
        found = load(self.program.functions, partial=True, children=True)
        self._code = active()
        return found

    @property
    def registry(self) -> Registry:
        """What calls can name; the plan is read when it is first needed."""
        if self._registry is None:
            self._functions()  # values may be of classes that come with the functions
            plan = Plan.from_json(self.program.plan)
            self._registry = Registry(Linked(plan), self._functions)
        return self._registry

    @property
    def homes(self) -> frozenset[int]:
        """The homes whose values this process keeps."""
        return frozenset(self._cells.homes)

    def release(self, home: int) -> None:
        """Let the values of a home go."""
        self._cells.homes.pop(home, None)

    def echo(self) -> Log | None:
        """What the task that runs has printed so far, if it prints and runs for long. To be called
        from another thread."""
        with WATCH.lock:
            task: Any = WATCH.task
            text = WATCH.early() if task is not None else ""
            if not text:
                return None
            work, offset = task.job.work.id, task.offset
            return Log(work, offset, "", redact(text), task.task_id(), task.attempt())

    def cut(self) -> int:
        """Begin no more elements of the work that runs; how many of it never will. To be called from
        another thread."""
        runs = self._runs
        return runs.cut() if runs is not None else 0

    def finished(self) -> list[Report]:
        """What is finished and not reported, while a call has been running since this was last asked:
        it may go on for hours. To be called from another thread, now and then; it is a copy, and all
        of it will be reported once more."""
        runs = self._runs
        place = runs.place() if runs is not None else None
        if runs is None or place != self._seen:
            self._seen, self._told = place, False
            return []
        if self._told:
            return []
        self._told = True
        try:
            found = runs.copy()
        except RuntimeError:  # something changed under the reader: the call has ended
            return []
        return found if self._runs is runs and runs.place() == place else []

    # ------------------------------------------------------------------ running

    def run(self, batch: Iterable[Work]) -> Iterator[list[Report]]:
        """Run the works, one after the other; yields reports every few milliseconds of work, and
        whatever is left at the end. Offsets are those of the works as they are given."""
        self._out = []
        self._deadline = perf_counter() + self._flush
        self._take_over()
        try:
            for work in batch:
                yield from self._work(work)
            if self._out:
                yield self._take()
        finally:
            self.between = True

    def _take_over(self) -> None:
        """Of several programs in one process the one that runs has its modules in place."""
        if self._code is not None:
            activate(self._code, children=True)

    def _take(self) -> list[Report]:
        out, self._out = self._out, []
        self._deadline = perf_counter() + self._flush
        return out

    def _work(self, work: Work) -> Iterator[list[Report]]:
        home = work.id if work.park else work.home
        if home is not None:
            self._cells.homes.setdefault(home, {})
        job = self._job(work)
        if job is None:
            return
        stage = Stage(self._capture)
        runs = self._runs = _Runs(job, stage, self._worker)
        while not runs.over:
            runs.out = self._out
            stage.enter()
            try:
                runs.go(self._deadline)
            except ValueGone:
                runs.over = True
                self._out.append(ValueLost(work.id, job.lost()))
            finally:
                stage.leave()
            if runs.over or runs.urgent or perf_counter() >= self._deadline:
                runs.report()
                self.between = runs.element is None
                if perf_counter() < self._deadline and not runs.urgent:
                    continue
                if self._out:
                    yield self._take()
                self._deadline = perf_counter() + self._flush
        self._runs = None

    def _job(self, work: Work) -> Job | None:
        """The work made ready, or `None` when it cannot be: that is reported."""
        try:
            job = Job(work, self._cells, self.registry)
        except Exception as error:
            self._refuse(work, error)
            return None
        try:
            job.open()
        except ValueGone:
            self._out.append(ValueLost(work.id, job.lost()))
            return None
        except Exception as error:
            self._refuse(work, error)
            return None
        return job

    def _refuse(self, work: Work, error: Exception) -> None:
        info = ErrorInfo(kind_of(error), message_of(error), task=work.path)
        node = work.nodes[0] if work.nodes else ""
        self._out += [Failed(work.id, i, node, info) for i in range(len(work.indices))]


class _Runs:
    """The elements of a job, one after the other."""

    def __init__(self, job: Job, stage: Stage, worker: str) -> None:
        self.job = job
        self.over = job.count == 0
        self.urgent = False
        self.element: Element | None = None
        self._out: list[Report] = []
        self._stage = stage
        self._at = 0
        self._pack = Pack(job, self._out, worker)
        self._fast: FastElements | None = None
        self._fits = FastElements.fits(job)

    @property
    def out(self) -> list[Report]:
        """Where reports go."""
        return self._out

    @out.setter
    def out(self, out: list[Report]) -> None:
        self._out = self._pack.out = out
        if self._fast is not None:
            self._fast.out = out
        if self.element is not None:
            self.element.out = out

    def place(self) -> object:
        """Where it is; the same as before while one call runs."""
        if (element := self.element) is not None:
            frame = element.frame
            return element.offset, id(frame), frame.pos, frame.hop
        fast = self._fast
        return (fast.offset, id(fast.step)) if fast is not None else self._at

    def cut(self) -> int:
        """Begin nothing more, from another thread; how many elements that spares."""
        job, size = self.job, self.job.count
        while True:
            # Each element is noted as begun before the count is looked at: one that began between
            # these two lines shows in the third, and then it counts.
            begun = self._begun()
            job.count = min(size, begun + 1)
            if self._begun() == begun:
                return size - job.count

    def _begun(self) -> int:
        return max(self._at, self._fast.offset if self._fast is not None else 0)

    def copy(self) -> list[Report]:
        """What would be reported now, for a reader in another thread. A hop is not copied, nor what
        comes after it: that would be of no use without."""
        out: list[Report] = [r for r in list(self._out) if not isinstance(r, Log)]
        if any(isinstance(report, Hop | ValueLost) for report in out):
            return []
        done = self._pack.copy()
        if done is not None:
            out.append(done)
        if self.element is not None:
            out += self.element.unreported()
        return out

    def go(self, deadline: float) -> None:
        """Run until the time is up or all is done."""
        self.urgent = False
        while not self.over:
            if self.element is None and self._fits:
                if not self._run_fast(deadline):
                    return
                continue
            if self.element is None:
                self.element = Element(self.job, self._at, self._stage, self._out)
            element = self.element
            if not element.advance(deadline):
                self.urgent = element.urgent
                element.urgent = False
                return
            self._finish(element)
            if perf_counter() >= deadline:
                return

    def _run_fast(self, deadline: float) -> bool:
        """`False` when the time is up."""
        if self._fast is None:
            self._fast = FastElements(self.job, self._pack, self._stage, self._out)
        self._at, self.element = self._fast.run(self._at, deadline)
        self.over = self._at >= self.job.count
        return self.element is not None

    def _finish(self, element: Element) -> None:
        self.element = None
        self._at += 1
        self.over = self._at >= self.job.count
        report = element.report
        if report is None:
            try:
                cells = element_cells(self.job, element)
            except BadResult as bad:
                info = Element.clean(bad.info)
                report = Failed(self.job.work.id, element.offset, "", info)
            except StorageError as error:
                info = ErrorInfo("wfc.StorageError", str(error), task=self.job.path(element.offset))
                report = Failed(self.job.work.id, element.offset, "", info)
            else:
                self._pack.add(element.offset, cells)
                return
        self._pack.flush()
        element.drain()
        self._out.append(report)

    def report(self) -> None:
        """Put all that is known into reports."""
        self._pack.flush(under_way=self.element is not None)
        if self.element is not None:
            self.element.drain()
