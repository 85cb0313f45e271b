"""An executor in this process, in virtual time: tasks run for real, and take the time they say."""

from __future__ import annotations

import heapq
import pickle
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from wfc.runtime.executors.pieces import Slicer, rebase
from wfc.runtime.work import Became, Done, Failed, HomeLost, Lost, Report, ValueLost, Work
from wfc.runtime.worker.runner import Runner

_ENDS = (Done, Failed, Became, ValueLost)

_taken: list[float] = []
"""What `takes` was told during the step that runs; it has no place for that outside of one."""


def takes(seconds: float) -> None:
    """Called by a stub: this attempt takes so many seconds of virtual time (they add up).

    The time passes after the function's own code has run; a timeout strikes within it. Raises
    `RuntimeError` outside of `wfc.testing.run`, `ValueError` for less than nothing.
    """
    if not _taken:
        raise RuntimeError(
            "takes() is for tasks that wfc.testing runs: there is no virtual time here"
        )
    if seconds < 0:
        raise ValueError(f"a task cannot take {seconds} seconds")
    _taken[-1] += seconds


@dataclass(eq=False, slots=True)
class _Element:
    """One element of a work, in a process of its own or in a home."""

    work: Work
    offset: int
    process: Runner
    steps: Iterator[list[Report]]
    started: float
    open: bool = True


@dataclass(eq=False, slots=True)
class _Queued:
    """A work with elements that wait for their start."""

    work: Work
    slicer: Slicer
    left: deque[int]
    running: int = 0
    elements: list[_Element] = field(default_factory=list)


class VirtualExecutor:
    """Does what `wfc.runtime.work.Executor` does, on a clock that only its driver moves.

    `process` makes a process (of this process: they share nothing but the interpreter). All ready
    elements start at once, but for what `concurrency` and homes hold back; each step of one is an
    event, so that what is cancelled or lost in the middle ends there.
    """

    def __init__(self, process: Callable[[], Runner], now: float) -> None:
        self._process = process
        self._now = now
        self._idle: list[Runner] = []
        self._works: dict[int, _Queued] = {}
        self._homes: dict[int, Runner] = {}
        self._busy: set[Runner] = set()
        self._events: list[tuple[float, int, _Element | None, list[Report] | None]] = []
        self._count = 0

    def submit(self, work: Work) -> None:
        """Queue a work."""
        if work.home is not None and not self._parks(work.home):
            self._later(0.0, None, [HomeLost(work.home, "its process is gone")])
            return
        sent: Work = pickle.loads(pickle.dumps(work))  # as if it went to another process
        slicer = Slicer(sent)
        self._works[work.id] = _Queued(sent, slicer, deque(range(slicer.size)))

    def cancel(self, work: int, offsets: Sequence[int] | None = None) -> None:
        """Stop these elements (all when `None`)."""
        queued = self._works.get(work)
        if queued is None:
            return
        gone = None if offsets is None else set(offsets)
        queued.left = deque(at for at in queued.left if gone is not None and at not in gone)
        for element in list(queued.elements):
            if gone is None or element.offset in gone:
                self._end(element, keep=False)
        self._tidy(queued)

    def release(self, home: int) -> None:
        """Let a parked process go."""
        process = self._homes.pop(home, None)
        if process is not None:
            process.release(home)
            self._rest(process)

    def due(self) -> float | None:
        """When something happens next, in seconds of the virtual clock; `None`: nothing will."""
        self._start()
        while self._events and not _counts(self._events[0][2]):
            heapq.heappop(self._events)
        return self._events[0][0] if self._events else None

    def advance(self, now: float) -> list[Report]:
        """Let the next event that is due happen; gives what is reported of it."""
        self._now = now
        if (self.due() or now + 1) > now:
            return []
        _at, _serial, element, reports = heapq.heappop(self._events)
        if reports is None:
            assert element is not None
            self._step(element)
            return []
        if element is not None:
            last = reports[-1]
            if isinstance(last, (*_ENDS, Lost, HomeLost)):
                self._end(element, keep=isinstance(last, _ENDS), report=last)
            else:
                self._later(0.0, element, None)
        copied: list[Report] = pickle.loads(pickle.dumps(reports))
        return copied

    # ------------------------------------------------------------------ elements

    def _start(self) -> None:
        for queued in list(self._works.values()):
            work = queued.work
            while queued.left and (work.limit is None or queued.running < work.limit):
                if work.home is None:
                    process = self._idle.pop() if self._idle else self._process()
                elif (home := self._homes.get(work.home)) is not None and home not in self._busy:
                    process = home
                else:
                    break
                self._begin(queued, queued.left.popleft(), process)

    def _begin(self, queued: _Queued, offset: int, process: Runner) -> None:
        piece = queued.slicer.cut(offset, offset + 1)
        element = _Element(queued.work, offset, process, process.run([piece]), self._now)
        queued.elements.append(element)
        queued.running += 1
        self._busy.add(process)
        self._later(0.0, element, None)

    def _step(self, element: _Element) -> None:
        """Run it up to its next checkpoint; that is reported when its time has passed."""
        _taken.append(0.0)
        try:
            given = next(element.steps, None)
        finally:
            seconds = _taken.pop()
        if given is None:
            raise AssertionError(f"the worker says nothing of the end of {element.work.path}")
        limit = element.work.timeout
        if limit is not None and self._now + seconds > element.started + limit:
            lost = Lost(
                element.work.id,
                element.offset,
                "timeout",
                f"stopped after its timeout of {limit:g} s",
            )
            self._later(element.started + limit - self._now, element, [lost])
            return
        self._later(seconds, element, [rebase(report, element.offset) for report in given])

    def _later(
        self, seconds: float, element: _Element | None, reports: list[Report] | None
    ) -> None:
        self._count += 1
        heapq.heappush(self._events, (self._now + seconds, self._count, element, reports))

    def _end(self, element: _Element, *, keep: bool, report: Report | None = None) -> None:
        """It is over; `keep`: its process goes on."""
        element.open = False
        queued = self._works[element.work.id]
        queued.elements.remove(element)
        queued.running -= 1
        process = element.process
        self._busy.discard(process)
        if keep:
            home = report.home if isinstance(report, Became) else None
            if element.work.park and isinstance(report, Done):
                home = element.work.id
            if home is not None:
                self._homes[home] = process
            else:
                process.release(element.work.id)
                self._rest(process)
        else:
            for home in [h for h, at in self._homes.items() if at is process]:
                self._lose(home)
        self._tidy(queued)

    def _lose(self, home: int) -> None:
        del self._homes[home]
        for queued in [q for q in self._works.values() if q.work.home == home]:
            self.cancel(queued.work.id)
        self._later(0.0, None, [HomeLost(home, "its process is gone")])

    def _tidy(self, queued: _Queued) -> None:
        if not queued.left and not queued.elements:
            self._works.pop(queued.work.id, None)

    def _rest(self, process: Runner) -> None:
        if process not in self._homes.values() and process not in self._busy:
            self._idle.append(process)

    def _parks(self, home: int) -> bool:
        """Whether a process is parked, or about to be."""
        queued = self._works.get(home)
        return home in self._homes or (queued is not None and queued.work.park)


def _counts(element: _Element | None) -> bool:
    return element is None or element.open
