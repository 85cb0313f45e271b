"""An executor in virtual time: results are real, but when and whether they come is up to a seed."""

from __future__ import annotations

import heapq
import pickle
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tests.oracle.source import Source, between, chance
from tests.simulation.faults import Injector
from wfc.runtime.values import Column, Rows, Transient, Value
from wfc.runtime.work import (
    Became,
    Done,
    Failed,
    HomeLost,
    Hop,
    Log,
    Lost,
    Partial,
    Report,
    ValueLost,
    Work,
)


@dataclass(eq=False)
class Process:
    """A process that runs elements, one at a time."""

    runner: Any


Interpret = Callable[[Work, int, Process], Iterator[Report]]
"""Runs one element of a work for real, step by step: its reports in order. The last one ends it."""


@dataclass(eq=False)
class Element:
    """One element of a work that was submitted."""

    work: Work
    offset: int
    process: Process | None = None
    steps: Generator[Report, None, None] | Iterator[Report] | None = None

    @property
    def instance(self) -> tuple[Any, ...]:
        """What it is an instance of: the same for every attempt."""
        work = self.work
        graph = work.dynamic.digest if work.dynamic is not None else work.graph
        return (work.path, graph, work.nodes, work.map, work.indices[self.offset], work.hop)


class FakeExecutor:
    """Implements `wfc.runtime.work.Executor` on a virtual clock; one per life of the coordinator."""

    def __init__(
        self,
        source: Source,
        faults: Injector,
        interpret: Interpret,
        process: Callable[[], Process],
        objects: dict[int, Any],
        now: float,
    ) -> None:
        self.source = source
        self.faults = faults
        self.interpret = interpret
        self.process = process
        self.objects = objects
        self.now = now
        self.idle: list[Process] = []
        self.patient = True
        self.slots = between(source, 1, 6)
        self.queue: list[Element] = []
        self.active: dict[int, list[Element]] = {}
        self.homes: dict[int, Process] = {}
        self.events: list[tuple[float, int, Element]] = []
        self.outbox: list[tuple[float, int, Report]] = []
        self.sent: list[Report] = []
        self.serial = 0

    # ------------------------------------------------------------------ Executor

    def submit(self, work: Work) -> None:
        if work.home is not None and not self._is_home(work.home):
            self._send(HomeLost(work.home, "its process is gone"), 0.0)
            return
        gone = self._missing(work)
        if gone:
            self._send(ValueLost(work.id, gone), 0.0)
            return
        elements = [Element(work, offset) for offset in range(len(work.indices))]
        for element in elements:
            self._check_alone(element)
        self.active[work.id] = elements
        self.queue += elements

    def cancel(self, work: int, offsets: Sequence[int] | None = None) -> None:
        gone = [e for e in self.active.get(work, []) if offsets is None or e.offset in offsets]
        for element in gone:
            self._drop(element)
        unheard = [entry[2] for entry in self.outbox if _belongs(entry[2], work, offsets)]
        self.outbox = [entry for entry in self.outbox if not _belongs(entry[2], work, offsets)]
        for report in unheard:
            home = report.home if isinstance(report, Became) else None
            if home is not None and report.work in (home, home >> 32):  # else it was one before
                self.release(home)

    def release(self, home: int) -> None:
        inside = {id for id, left in self.active.items() if left[0].work.home == home}
        assert not inside, f"process {home} is let go while {inside} are to run in it"
        process = self.homes.pop(home, None)
        if process is not None:
            process.runner.release(home)
            if process not in self.homes.values():
                self.idle.append(process)

    def running(self) -> dict[str, Any]:
        return {"elements": sum(map(len, self.active.values()))}

    def close(self) -> None:
        self.queue, self.active, self.events, self.outbox = [], {}, [], []
        self.homes = {}

    def poll(self, timeout: float) -> list[Report]:
        """What has come in by now: some of it; the rest stays for the next time."""
        ready = [entry for entry in self.outbox if entry[0] <= self.now]
        if not ready:
            return []
        ready.sort()
        count = between(self.source, 1, len(ready))
        self.outbox = [entry for entry in self.outbox if entry not in ready[:count]]
        return self._merged([report for _at, _serial, report in ready[:count]])

    # ------------------------------------------------------------------ time

    def due(self) -> float | None:
        """When something happens next."""
        self._start()
        times = [self.events[0][0]] if self.events else []
        times += [at for at, _serial, _report in self.outbox]
        return min(times, default=None)

    def advance(self, now: float) -> None:
        """Let time pass: elements take their steps, processes die."""
        self.now = now
        self._start()
        while self.events and self.events[0][0] <= now:
            _at, _serial, element = heapq.heappop(self.events)
            if element in self.active.get(element.work.id, ()):
                self._step(element)
            self._start()
        if self.homes and self.faults.strikes("home"):
            self._lose_home(sorted(self.homes)[self.source.below(len(self.homes))])
        if self.objects and self.faults.strikes("value"):
            del self.objects[sorted(self.objects)[self.source.below(len(self.objects))]]

    def _start(self) -> None:
        """Put waiting elements on free slots, in any order."""
        while self.queue:
            running: dict[int, int] = {}
            busy = 0
            for elements in self.active.values():
                for element in elements:
                    if element.steps is not None:
                        running[element.work.id] = running.get(element.work.id, 0) + 1
                        busy += element.work.home is None
            ready = [
                e
                for e in self.queue
                if (e.work.limit is None or running.get(e.work.id, 0) < e.work.limit)
                and (self._free(e.work.home) if e.work.home is not None else busy < self.slots)
            ]
            if not ready:
                return
            element = ready[self.source.below(len(ready))]
            self.queue.remove(element)
            if element.work.home is not None:
                element.process = self.homes[element.work.home]
            else:
                element.process = self.idle.pop() if self.idle else self.process()
            element.steps = self.interpret(element.work, element.offset, element.process)
            self._later(element)

    def _is_home(self, home: int) -> bool:
        """Whether a process is parked, or about to be."""
        parks = any(e.work.park for e in self.active.get(home, ()))
        return home in self.homes or (parks and self.patient)

    def _free(self, home: int) -> bool:
        process = self.homes.get(home)
        return process is not None and not any(
            e.process is process and e.steps is not None
            for elements in self.active.values()
            for e in elements
        )

    def _later(self, element: Element) -> None:
        self.serial += 1
        seconds = (1 + self.source.below(1000)) / (10 if chance(self.source, 10) else 1000)
        heapq.heappush(self.events, (self.now + seconds, self.serial, element))

    def _step(self, element: Element) -> None:
        work = element.work
        if self.faults.strikes("died"):
            self._drop(element)
            if work.home is not None:
                self._lose_home(work.home)
            else:
                self._send(Lost(work.id, element.offset, "died", "the process is gone"))
                if work.park and any(e.work.home == work.id for e in self.queue):
                    self._lose_home(work.id)
            return
        assert element.steps is not None
        report = next(element.steps, None)
        if report is None:
            raise AssertionError(f"{element.instance}: the worker says nothing of its end")
        self._send(report)
        if isinstance(report, (Done, Failed, Became, ValueLost)):
            process = element.process
            assert process is not None
            home = work.id if work.park and isinstance(report, Done) else None
            if isinstance(report, Became):
                home = report.home
            if home is not None:
                self.homes[home] = process
            else:
                process.runner.release(work.id)
            self._drop(element)
            if process not in self.homes.values():
                self.idle.append(process)
            if isinstance(report, ValueLost):  # the engine submits anew what is left of it
                for other in list(self.active.get(work.id, ())):
                    self._drop(other)
        else:
            self._later(element)

    def _drop(self, element: Element) -> None:
        if element in self.queue:
            self.queue.remove(element)
        element.steps = None
        left = self.active.get(element.work.id, [])
        if element in left:
            left.remove(element)
        if not left:
            self.active.pop(element.work.id, None)

    def _lose_home(self, home: int) -> None:
        self.homes.pop(home, None)
        for elements in list(self.active.values()):
            for element in list(elements):
                if element.work.home == home:
                    self._drop(element)
        self._send(HomeLost(home, "the process is gone"), 0.0)

    # ------------------------------------------------------------------ reports

    def _send(self, report: Report, delay: float | None = None) -> None:
        """Put a report on its way to another process. Those of one element keep their order."""
        report = pickle.loads(pickle.dumps(report))
        if delay is None:
            delay = self.source.below(200) / 1000 if chance(self.source, 30) else 0.0
        at = self.now + delay
        for sent_at, _serial, other in self.outbox:
            if _same(other, report):
                at = max(at, sent_at)
        self.serial += 1
        self.outbox.append((at, self.serial, report))
        self.sent.append(report)
        if isinstance(report, (Done, Failed, Partial)) and self.faults.strikes("duplicate"):
            self.serial += 1
            self.outbox.append((at + self.source.below(3000) / 1000, self.serial, report))

    def _merged(self, reports: list[Report]) -> list[Report]:
        """Neighbours that completed together come as one report, now and then."""
        out: list[Report] = []
        for report in reports:
            last = out[-1] if out else None
            if (
                isinstance(report, Done)
                and isinstance(last, Done)
                and last.work == report.work
                and last.start + last.count == report.start
                and set(last.columns) == set(report.columns)
                and not chance(self.source, 20)
            ):
                self.faults.note("merged")
                columns = {k: _joined(c, report.columns[k]) for k, c in last.columns.items()}
                out[-1] = replace(last, count=last.count + report.count, columns=columns)
            else:
                out.append(report)
        return out

    def _missing(self, work: Work) -> tuple[str, ...]:
        """Names of the environment whose values are gone."""
        gone = [name for name, value in work.env.items() if self._is_gone(value)]
        if work.items is not None and self._is_gone(work.items):
            gone.append("items")
        return tuple(gone)

    def _is_gone(self, value: Value) -> bool:
        if isinstance(value, Transient):
            return value.handle not in self.objects
        if isinstance(value, Rows):
            return any(
                self._is_gone(v) for c in value.chunks if not isinstance(c, Column) for v in c
            )
        return False

    def _check_alone(self, element: Element) -> None:
        for elements in self.active.values():
            for other in elements:
                assert other.instance != element.instance, f"{element.instance} is running already"


def _joined(first: Any, second: Any) -> Any:
    if isinstance(first, Column) and isinstance(second, Column):
        return Column(None, first.count + second.count, [*first.load(), *second.load()])
    return [*_listed(first), *_listed(second)]


def _listed(chunk: Any) -> list[Any]:
    return list(Rows([chunk]).values()) if isinstance(chunk, Column) else list(chunk)


def _span(report: Report) -> tuple[int, int, int] | None:
    if isinstance(report, Done):
        return report.work, report.start, report.start + report.count
    if isinstance(report, (Partial, Hop, Failed, Became, Lost, Log)):
        return report.work, report.offset, report.offset + 1
    return None


def _same(a: Report, b: Report) -> bool:
    """Whether two reports are of the same element."""
    one, two = _span(a), _span(b)
    return (
        one is not None
        and two is not None
        and one[0] == two[0]
        and one[1] < two[2]
        and two[1] < one[2]
    )


def _belongs(report: Report, work: int, offsets: Sequence[int] | None) -> bool:
    span = _span(report)
    if span is None or span[0] != work:
        return isinstance(report, ValueLost) and report.work == work
    return offsets is None or any(span[1] <= offset < span[2] for offset in offsets)
