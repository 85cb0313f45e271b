"""An executor over a `Transport`: queues, batches, retries of lost batches, timeouts, cancelling.

What it keeps is per work and per batch, never per element. It reads one clock, given to it.
"""

from __future__ import annotations

import itertools
import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from wfc.runtime.executors.batching import LONG, Pace, Ranges
from wfc.runtime.executors.lanes import Flight, Job, Key, Lane, Load, Part, Segment
from wfc.runtime.executors.messages import (
    Batch,
    Died,
    Finished,
    GivenBack,
    Message,
    Progress,
    Started,
    Transport,
)
from wfc.runtime.executors.pieces import narrow, rebase
from wfc.runtime.work import (
    Became,
    Done,
    Failed,
    HomeLost,
    Log,
    Lost,
    Program,
    Report,
    Shape,
    ValueLost,
    Work,
)

SILENCE = 0.03
"""Seconds without a word after which a batch is asked to give back what it has not begun, when a
slot has nothing to do."""

GRACE = 0.1
"""Seconds that the batch of a cancelled element has to end by itself, before its process is killed."""

TICK = 0.02
FLUSH = 0.05
"""Seconds of work that a worker may have finished but not reported, at most."""


class Pool:
    """Implements `wfc.runtime.work.Executor`.

    `grouping` false (the environment's `WFC_BATCH=1`) sends each element alone: slower, with the
    same results. `clock` gives seconds, monotonic.
    """

    def __init__(
        self,
        transport: Transport,
        program: Program,
        *,
        grouping: bool | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        transport.load(program)
        self._transport = transport
        self._grouping = os.environ.get("WFC_BATCH") != "1" if grouping is None else grouping
        self._clock = clock
        self._ids = itertools.count(1)
        self._lanes: dict[Shape, Lane] = {}
        self._homes: dict[int, Lane] = {}
        self._jobs: dict[int, Job] = {}
        self._flights: dict[int, Flight] = {}
        self._timed: set[int] = set()
        self._paces: dict[Key, Pace] = {}
        self._busy = 0.0
        self._ticked = 0.0
        self._out: list[Report] = []
        self._closed = False

    # ------------------------------------------------------------------ Executor

    def submit(self, work: Work) -> None:
        """Queue a work; returns at once. A work for a home that is gone is answered by `HomeLost`."""
        if work.home is not None:
            home = self._homes.get(work.home)
            if home is None:
                self._out.append(HomeLost(work.home, "its process is gone"))
                return
            lane = home
        else:
            lane = self._lanes.get(work.shape) or Lane(work.shape)
            self._lanes[work.shape] = lane
        job = Job(work, lane)
        if job.left:
            self._jobs[work.id] = job
            lane.add(job)

    def cancel(self, work: int, offsets: Sequence[int] | None = None) -> None:
        """Stop these elements; see the protocol."""
        job = self._jobs.get(work)
        if job is None:
            return
        spans = [(0, job.slicer.size)] if offsets is None else list(Ranges(map(_one, offsets)))
        for start, stop in spans:
            job.left -= sum(b - a for a, b in job.lane.drop(job, start, stop))
        for flight in list(self._flights.values()) if job.left else ():
            part = flight.parts.get(work)
            if part is None or not part.open.count:
                continue
            front = flight.segments()[0]
            gone = [gone for span in spans for gone in part.open.discard(*span)]
            if not gone:
                continue
            for a, b in gone:
                part.gone.add(a, b)
                job.left -= b - a
            hit = front[0] is job and any(a <= front[1] < b for a, b in gone)
            self._stop(flight, hit)
        if job.left <= 0:
            self._jobs.pop(work, None)
        dropped = _Dropped(work, spans)
        self._out = [report for report in self._out if not dropped.covers(report)]

    def release(self, home: int) -> None:
        """Let a parked process go, with all that waits for it."""
        lane = self._homes.pop(home, None)
        if lane is None:
            return
        for job in [job for job in self._jobs.values() if job.lane is lane]:
            self.cancel(job.work.id)
        if lane.ready:
            self._transport.release(home)

    def poll(self, timeout: float) -> list[Report]:
        """Reports that came in; waits up to `timeout` seconds for the first."""
        until = self._clock() + timeout
        self._dispatch()
        while True:
            now = self._clock()
            wait = 0.0 if self._out else max(0.0, until - now)
            if wait > TICK and self._watching():
                wait = TICK
            for message in self._transport.poll(wait):
                self._handle(message)
            now = self._clock()
            if now - self._ticked >= TICK:
                self._ticked = now
                self._tick(now)
            self._dispatch()
            if self._out or now >= until:
                out, self._out = self._out, []
                return out

    def running(self) -> dict[str, Any]:
        """What is going on, for the live view."""
        elements: dict[str, int] = {}
        for flight in self._flights.values():
            for part in flight.parts.values():
                graph = part.job.work.graph
                elements[graph] = elements.get(graph, 0) + part.open.count
        return {
            "batches": len(self._flights),
            "slots": {_name(lane.shape): self._transport.slots(lane.shape) for lane in self._all()},
            "queued": sum(lane.waiting for lane in self._all()),
            "sent": elements,
            "homes": len(self._homes),
            "transport": self._transport.describe(),
        }

    def close(self) -> None:
        """Stop everything that this executor started. Idempotent."""
        if not self._closed:
            self._closed = True
            self._jobs.clear()
            self._flights.clear()
            self._transport.close()

    # ------------------------------------------------------------------ sending

    def _all(self) -> Iterator[Lane]:
        return itertools.chain(self._lanes.values(), self._homes.values())

    def _dispatch(self) -> None:
        lanes = [lane for lane in self._lanes.values() if lane.waiting]
        if len(lanes) > 1:
            lanes.sort(key=lambda lane: -lane.priority)
        for lane in lanes:
            slots = max(1, self._transport.slots(lane.shape))
            while lane.waiting and self._room(lane, slots) and self._launch(lane, slots):
                pass
        for lane in self._homes.values():
            while lane.waiting and lane.ready and lane.flights < 1 + lane.short(self._paces):
                if not self._launch(lane, 1):
                    break

    def _room(self, lane: Lane, slots: int) -> bool:
        """Whether one more batch may be sent: for a free slot, or ahead to hide the latency."""
        shared = self._busy + 1.0 / slots - 1e-6 if self._transport.exclusive else 0.0
        if lane.flights < slots and shared <= 1.0:
            return True
        return lane.flights < 2 * slots and shared <= 2.0 and lane.short(self._paces)

    def _launch(self, lane: Lane, slots: int) -> bool:
        load = lane.fill(self._paces, slots, self._transport.overhead, self._grouping)
        if not load.segments:
            return False
        now = self._clock()
        first = load.segments[0][0].work
        batch = Batch(
            id=next(self._ids),
            works=[job.slicer.cut(start, stop) for job, start, stop in load.segments],
            shape=lane.shape,
            home=lane.home,
            announce=first.timeout is not None,
            cap=max(LONG, 2 * load.seconds),
            grain=load.grain,
        )
        flight = Flight(batch.id, lane, _parts(load), load.seconds, now, now, first.timeout)
        self._flights[batch.id] = flight
        if first.timeout is not None:
            self._timed.add(batch.id)
        lane.flights += 1
        if lane.home is None:
            self._busy += 1.0 / slots
        self._transport.send(batch)
        return True

    # ------------------------------------------------------------------ time

    def _watching(self) -> bool:
        return bool(self._timed) or any(
            lane.flights and not lane.waiting for lane in self._lanes.values()
        )

    def _tick(self, now: float) -> None:
        for id in list(self._timed):
            flight = self._flights.get(id)
            if flight is None:
                self._timed.discard(id)
            elif flight.deadline is not None and now >= flight.deadline:
                flight.deadline = None
                flight.doom = flight.doom or "timeout"
                self._transport.kill(id, flight.doom)
        for lane in self._all():
            if lane.flights and not lane.waiting:
                self._level(lane, now)

    def _level(self, lane: Lane, now: float) -> None:
        """A slot has nothing to do: silent batches give back what they have not begun."""
        flights = [flight for flight in self._flights.values() if flight.lane is lane]
        slots = 1 if lane.home is not None else self._transport.slots(lane.shape)
        idle = slots - lane.flights
        for flight in flights:
            silent = now - flight.heard
            if flight.recalled or silent < SILENCE + self._transport.overhead:
                continue
            if (idle > 0 and flight.left > 1) or (lane.flights > 1 and not flight.completed):
                flight.recalled = True
                self._transport.recall(flight.id)

    def _stop(self, flight: Flight, hit: bool) -> None:
        """Some elements of a batch are cancelled; `hit`: the one that probably runs now."""
        flight.recalled = True
        flight.doom = flight.doom or "cancelled"
        self._transport.recall(flight.id)
        grace = GRACE if hit else 10 * GRACE
        if hit and flight.seconds > LONG:
            grace = 0.0
        due = self._clock() + grace
        flight.deadline = due if flight.deadline is None else min(due, flight.deadline)
        self._timed.add(flight.id)

    # ------------------------------------------------------------------ hearing

    def _handle(self, message: Message) -> None:
        if isinstance(message, Died):
            self._died(message)
            return
        flight = self._flights.get(message.batch)
        if flight is None:
            if isinstance(message, Finished):
                for home in message.parked:
                    self._transport.release(home)
            return
        flight.heard = self._clock()
        if isinstance(message, Progress):
            self._progress(flight, message)
        elif isinstance(message, GivenBack):
            self._given_back(flight, message.kept)
        elif isinstance(message, Started):
            if flight.timeout is not None and flight.deadline is None:
                flight.deadline = flight.heard + flight.timeout
        else:
            self._finished(flight, message)

    def _progress(self, flight: Flight, message: Progress) -> None:
        counts: dict[Key, int] = {}
        for report in message.reports:
            if isinstance(report, HomeLost):
                continue
            part = flight.parts.get(report.work)
            if part is None or report.work not in self._jobs:
                continue
            done = self._accept(part, report)
            if done:
                part.job.left -= done
                counts[part.job.key] = counts.get(part.job.key, 0) + done
                parks = part.job.work.park and not isinstance(report, Failed | Lost)
                if parks or (isinstance(report, Became) and report.parked):
                    self._homes[report.work] = Lane(flight.lane.shape, report.work)
        for id in flight.parts if counts else ():
            job = self._jobs.get(id)
            if job is not None and job.left <= 0:
                del self._jobs[id]
        flight.spent += message.seconds
        if counts:
            self._learn(counts, flight.spent, message.cold)
            flight.spent = 0.0
            flight.completed += sum(counts.values())

    def _accept(self, part: Part, report: Report) -> int:
        """Pass a report on unless its element is cancelled or done; how many elements it ends."""
        if isinstance(report, Done):
            start = report.start + part.start
            spans = part.open.discard(start, start + report.count)
            done = sum(right - left for left, right in spans)
            if done == report.count:
                self._out.append(rebase(report, part.start))
            else:
                for left, right in spans:
                    piece = narrow(report, left - start, right - start)
                    self._out.append(rebase(piece, part.start))
            return done
        if isinstance(report, ValueLost):
            self._forget(part.job)
            self._out.append(report)
            return 0
        assert not isinstance(report, HomeLost)
        offset = report.offset + part.start
        if isinstance(report, Failed | Became | Lost):
            if not part.open.discard(offset, offset + 1):
                return 0
            self._out.append(rebase(report, part.start))
            return 1
        if isinstance(report, Log):
            if offset not in part.gone:
                self._out.append(rebase(report, part.start))
        elif offset in part.open:
            part.remember(offset, report)
            self._out.append(rebase(report, part.start))
        return 0

    def _forget(self, job: Job) -> None:
        """The engine submits anew what is left of it."""
        job.lane.drop(job, 0, job.slicer.size)
        for flight in self._flights.values():
            if job.work.id in flight.parts:
                flight.parts[job.work.id].open = Ranges()
        self._jobs.pop(job.work.id, None)

    def _learn(self, counts: dict[Key, int], seconds: float, cold: bool) -> None:
        weights = {key: count * max(self._pace(key).mean, 1e-6) for key, count in counts.items()}
        total = sum(weights.values())
        for key, count in counts.items():
            self._pace(key).observe(count, seconds * weights[key] / total, cold)

    def _pace(self, key: Key) -> Pace:
        pace = self._paces.get(key)
        if pace is None:
            pace = self._paces[key] = Pace()
        return pace

    def _finished(self, flight: Flight, message: Finished) -> None:
        segments = self._land(flight)
        for home in message.parked:
            if home in self._homes:
                self._homes[home].ready = True
            else:  # released or cancelled in the meantime
                self._transport.release(home)
        if segments and not flight.completed and not flight.recalled:
            self._blame(flight, segments, "the worker ended a batch without a word")
            return
        for job, start, stop in reversed(segments):
            job.lane.give_back(job, start, stop)

    def _given_back(self, flight: Flight, kept: int) -> None:
        waits = False
        for part, start, stop in flight.after(kept):
            spans = part.open.discard(start, stop)
            part.gone.discard(start, stop)
            if part.job.work.id in self._jobs:
                for left, right in spans:
                    part.job.lane.give_back(part.job, left, right)
        for part in flight.parts.values():
            front = part.open.first if part.open.count else part.stop
            waits = waits or any(stop > part.start and start <= front for start, stop in part.gone)
        if flight.doom == "cancelled" and not waits:  # no cancelled element has begun
            flight.doom, flight.deadline = "", None

    def _land(self, flight: Flight) -> list[Segment]:
        """The batch is over: free its slot; returns what it has not reported."""
        del self._flights[flight.id]
        self._timed.discard(flight.id)
        lane = flight.lane
        lane.flights -= 1
        if lane.home is None:
            slots = max(1, self._transport.slots(lane.shape))
            self._busy = self._busy - 1.0 / slots if self._flights else 0.0
        for part in flight.parts.values():
            part.save()
            part.job.flights -= 1
            lane.offer(part.job)
        return [segment for segment in flight.segments() if segment[0].work.id in self._jobs]

    def _died(self, message: Died) -> None:
        for at, id in enumerate(message.batches):
            flight = self._flights.get(id)
            if flight is None:
                continue
            segments = self._land(flight)
            if at == 0 and segments and flight.doom != "cancelled":
                self._blame(flight, segments, message.reason)
                continue
            for job, start, stop in reversed(segments):
                job.lane.give_back(job, start, stop)
            for home in [home for home in flight.parts if home in self._homes]:
                if not self._homes[home].ready:
                    self._home_lost(home, message.reason)
        for home in message.homes:
            self._home_lost(home, message.reason)

    def _home_lost(self, home: int, reason: str) -> None:
        lane = self._homes.pop(home, None)
        if lane is not None:
            for id in [id for id, job in self._jobs.items() if job.lane is lane]:
                del self._jobs[id]
            self._out.append(HomeLost(home, reason))

    def _blame(self, flight: Flight, segments: list[Segment], reason: str) -> None:
        """A process died in these elements. One alone is charged; of several, halves are tried."""
        if sum(stop - start for _, start, stop in segments) == 1 or flight.doom == "timeout":
            job, start, stop = segments[0]
            if flight.doom == "timeout":
                reason = f"stopped after its timeout of {flight.timeout:g} s"
                self._out.append(Lost(job.work.id, start, "timeout", reason))
            else:
                self._out.append(Lost(job.work.id, start, "died", reason))
            job.left -= 1
            if job.left <= 0:
                self._jobs.pop(job.work.id, None)
            return
        near, far = _split(segments, self._unflushed(segments[0][0]))
        for job, start, stop in reversed(far):
            job.lane.give_back(job, start, stop)
        half = sum(stop - start for _, start, stop in near) // 2
        for group in _split(near, max(1, half)):
            if group:
                group[0][0].lane.suspect(group)

    def _unflushed(self, job: Job) -> int:
        """How many elements a worker may have finished since its last report, and the one it ran."""
        pace = self._pace(job.key)
        return 1 + math.ceil(FLUSH / max(pace.mean, 1e-6)) if pace.known else 64


class _Dropped:
    """Which reports belong to cancelled elements."""

    def __init__(self, work: int, spans: list[tuple[int, int]]) -> None:
        self._work = work
        self._spans = Ranges(spans)

    def covers(self, report: Report) -> bool:
        if isinstance(report, HomeLost) or report.work != self._work:
            return False
        if isinstance(report, ValueLost):
            return True
        return (report.start if isinstance(report, Done) else report.offset) in self._spans


def _one(offset: int) -> tuple[int, int]:
    return offset, offset + 1


def _parts(load: Load) -> dict[int, Part]:
    return {
        job.work.id: Part(job, start, stop, Ranges([(start, stop)]))
        for job, start, stop in load.segments
    }


def _split(segments: list[Segment], count: int) -> tuple[list[Segment], list[Segment]]:
    """The first `count` elements, and the rest."""
    near: list[Segment] = []
    far: list[Segment] = []
    for job, start, stop in segments:
        cut = min(stop, start + max(0, count))
        count -= stop - start
        if start < cut:
            near.append((job, start, cut))
        if cut < stop:
            far.append((job, cut, stop))
    return near, far


def _name(shape: Shape) -> str:
    parts = [f"{shape.num_cpus:g} CPU"]
    if shape.num_gpus:
        parts.append(f"{shape.num_gpus:g} GPU")
    parts += [f"{count:g} {name}" for name, count in shape.resources]
    return ", ".join(parts)
