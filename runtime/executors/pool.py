"""An executor over a `Transport`: queues, batches, retries of lost batches, timeouts, cancelling.

What it keeps is per work and per batch, never per element. It reads one clock, given to it.
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from wfc.runtime.executors.batching import AHEAD, LONG
from wfc.runtime.executors.demand import ASK_EVERY, wanted
from wfc.runtime.executors.flights import (
    Dropped,
    Flight,
    Job,
    parts_of,
    spans_of,
)
from wfc.runtime.executors.hearing import Hearing
from wfc.runtime.executors.lanes import Lane
from wfc.runtime.executors.messages import (
    Batch,
    Transport,
)
from wfc.runtime.work import (
    Became,
    HomeLost,
    Program,
    Report,
    Shape,
    Work,
)

SILENCE = 0.03
"""Seconds without a word after which a batch is asked to give back what it has not begun, when a
slot has nothing to do."""

AGAIN = 1.0
"""Seconds after which it is asked once more: it may have been between two things at that moment."""

GRACE = 0.1
"""Seconds that the batch of a cancelled element has to end by itself, before its process is killed."""

TICK = 0.02


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
        self._on = Hearing(transport, clock)
        self._ticked = 0.0
        self._asked = clock()
        self._wanted: set[Shape] = set()
        self._closed = False

    # ------------------------------------------------------------------ Executor

    def submit(self, work: Work) -> None:
        """Queue a work; returns at once. A work for a home that is gone is answered by `HomeLost`."""
        if work.home is not None:
            home = self._on.homes.get(work.home)
            if home is None:
                self._on.out.append(HomeLost(work.home, "its process is gone"))
                return
            lane = home
        else:
            lane = self._on.lanes.get(work.shape) or Lane(work.shape)
            self._on.lanes[work.shape] = lane
        job = Job(work, lane)
        if job.left:
            self._on.jobs[work.id] = job
            lane.add(job)

    def cancel(self, work: int, offsets: Sequence[int] | None = None) -> None:
        """Stop these elements; see the protocol."""
        job = self._on.jobs.get(work)
        if job is None:
            return
        spans = [(0, job.slicer.size)] if offsets is None else spans_of(offsets)
        for start, stop in spans:
            job.left -= sum(b - a for a, b in job.lane.drop(job, start, stop))
        for flight in list(self._on.flights.values()) if job.left else ():
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
            self._on.jobs.pop(work, None)
        dropped = Dropped(work, spans)
        unheard = [report for report in self._on.out if dropped.covers(report)]
        self._on.out = [report for report in self._on.out if not dropped.covers(report)]
        for report in unheard:
            if isinstance(report, Became) and report.home not in (None, job.work.home):
                self.release(report.home)

    def release(self, home: int) -> None:
        """Let a parked process go, with all that waits for it."""
        lane = self._on.homes.pop(home, None)
        if lane is None:
            return
        for job in [job for job in self._on.jobs.values() if job.lane is lane]:
            self.cancel(job.work.id)
        if lane.ready:
            self._transport.release(home)

    def poll(self, timeout: float) -> list[Report]:
        """Reports that came in; waits up to `timeout` seconds for the first."""
        until = self._clock() + timeout
        self._dispatch()
        while True:
            now = self._clock()
            wait = 0.0 if self._on.out else max(0.0, until - now)
            if wait > TICK and self._watching():
                wait = TICK
            elif wait > ASK_EVERY and self._wants():
                wait = ASK_EVERY
            for message in self._transport.poll(wait):
                self._on.hear(message)
            now = self._clock()
            if now - self._ticked >= TICK:
                self._ticked = now
                self._tick(now)
            if now - self._asked >= ASK_EVERY:
                self._asked = now
                self._ask(now)
            self._dispatch()
            if self._on.out or now >= until:
                out, self._on.out = self._on.out, []
                return out

    def running(self) -> dict[str, Any]:
        """What is going on, for the live view."""
        elements: dict[str, int] = {}
        for flight in self._on.flights.values():
            for part in flight.parts.values():
                graph = part.job.work.graph
                elements[graph] = elements.get(graph, 0) + part.open.count
        return {
            "batches": len(self._on.flights),
            "slots": {_name(lane.shape): self._transport.slots(lane.shape) for lane in self._all()},
            "queued": sum(lane.waiting for lane in self._all()),
            "sent": elements,
            "tasks": self._tasks(),
            "homes": len(self._on.homes),
            "transport": self._transport.describe(),
        }

    def _tasks(self) -> list[tuple[Work, int, float]]:
        """What runs now: work, offset, and for how long nothing was heard of it; the longest first.

        Batches run in the order in which they were sent, and each its elements in order: of as many
        as there are slots, the first that is not reported.
        """
        now = self._clock()
        out = []
        left: dict[int, int] = {}
        for flight in self._on.flights.values():
            lane = flight.lane
            slots = 1 if lane.home is not None else self._transport.slots(lane.shape)
            free = left.setdefault(id(lane), slots)
            front = flight.segments() if free else []
            if front:
                left[id(lane)] = free - 1
                out.append((front[0][0].work, front[0][1], now - flight.heard))
        return sorted(out, key=lambda task: -task[2])

    def close(self) -> None:
        """Stop everything that this executor started. Idempotent."""
        if not self._closed:
            self._closed = True
            self._on.jobs.clear()
            self._on.flights.clear()
            self._transport.close()

    # ------------------------------------------------------------------ sending

    def _all(self) -> Iterator[Lane]:
        return itertools.chain(self._on.lanes.values(), self._on.homes.values())

    def _dispatch(self) -> None:
        lanes = [lane for lane in self._on.lanes.values() if lane.waiting]
        if len(lanes) > 1:
            lanes.sort(key=lambda lane: -lane.priority)
        for lane in lanes:
            slots = max(1, self._transport.slots(lane.shape))
            while lane.waiting and self._room(lane, slots) and self._launch(lane, slots):
                pass
        for lane in self._on.homes.values():
            while lane.waiting and lane.ready and lane.flights < 1 + lane.short(self._on.paces):
                if not self._launch(lane, 1):
                    break

    def _room(self, lane: Lane, slots: int) -> bool:
        """Whether one more batch may be sent: for a free slot, or ahead to hide the latency."""
        shared = self._on.busy + 1.0 / slots - 1e-6 if self._transport.exclusive else 0.0
        if lane.flights < slots and shared <= 1.0:
            return True
        below = LONG if self._transport.pinned else AHEAD
        return lane.flights < 2 * slots and shared <= 2.0 and lane.short(self._on.paces, below)

    def _launch(self, lane: Lane, slots: int) -> bool:
        load = lane.fill(self._on.paces, slots, self._transport.overhead, self._grouping)
        if not load.segments:
            return False
        now = self._clock()
        first = load.segments[0][0].work
        batch = Batch(
            id=next(self._ids),
            works=[job.slicer.cut(start, stop) for job, start, stop in load.segments],
            envs={job.work.id: job.work.env for job, _, _ in load.segments if job.slicer.heavy},
            shape=lane.shape,
            home=lane.home,
            announce=first.timeout is not None,
            cap=max(LONG, 2 * load.seconds),
        )
        flight = Flight(batch.id, lane, parts_of(load), load.seconds, now, now, first.timeout)
        flight.ahead = lane.flights >= slots
        self._on.flights[batch.id] = flight
        if first.timeout is not None:
            self._on.timed.add(batch.id)
        lane.flights += 1
        if lane.home is None:
            self._on.busy += 1.0 / slots
        self._transport.send(batch)
        return True

    # ------------------------------------------------------------------ time

    def _watching(self) -> bool:
        return bool(self._on.timed) or any(
            flight.asked is None and not flight.lane.waiting and (flight.ahead or flight.left > 1)
            for flight in self._on.flights.values()
        )

    def _tick(self, now: float) -> None:
        for id in list(self._on.timed):
            flight = self._on.flights.get(id)
            if flight is None:
                self._on.timed.discard(id)
            elif flight.deadline is not None and now >= flight.deadline:
                flight.deadline = None
                flight.doom = flight.doom or "timeout"
                self._transport.kill(id, flight.doom)
        for lane in self._all():
            if lane.flights and not lane.waiting:
                self._level(lane, now)

    def _wants(self) -> bool:
        return bool(self._wanted) or any(lane.waiting for lane in self._on.lanes.values())

    def _ask(self, now: float) -> None:
        """Tell the transport what the queues could use beyond what there is."""
        for lane in self._on.lanes.values():
            count = 0
            if lane.waiting:
                slots = self._transport.slots(lane.shape)
                flights = self._on.flights.values()
                since = min((flight.sent for flight in flights if flight.lane is lane), default=now)
                jobs = (job for job in self._on.jobs.values() if job.lane is lane)
                count = wanted(jobs, self._on.paces, slots, now - since)
            if count or lane.shape in self._wanted:
                self._transport.want(lane.shape, count)
            (self._wanted.add if count else self._wanted.discard)(lane.shape)

    def _level(self, lane: Lane, now: float) -> None:
        """Nothing waits: where a slot has nothing to do, silent batches give back what they have not
        begun, and those that wait behind another one all."""
        flights = [flight for flight in self._on.flights.values() if flight.lane is lane]
        slots = 1 if lane.home is not None else self._transport.slots(lane.shape)
        behind = [flight for flight in flights if flight.ahead and not flight.completed]
        if slots <= len(flights) - len(behind):
            return
        for flight in flights:
            silent = now - flight.heard >= SILENCE + self._transport.overhead
            stuck = self._transport.pinned and flight in behind
            due = flight.asked is None or now - flight.asked >= AGAIN
            if silent and due and (stuck or flight.left > 1):
                flight.asked = now
                self._transport.recall(flight.id)

    def _stop(self, flight: Flight, hit: bool) -> None:
        """Some elements of a batch are cancelled; `hit`: the one that probably runs now."""
        flight.asked = self._clock()
        flight.doom = flight.doom or "cancelled"
        self._transport.recall(flight.id)
        grace = GRACE if hit else 10 * GRACE
        if hit and flight.seconds > LONG:
            grace = 0.0
        due = flight.asked + grace
        flight.deadline = due if flight.deadline is None else min(due, flight.deadline)
        self._on.timed.add(flight.id)


def _name(shape: Shape) -> str:
    parts = [f"{shape.num_cpus:g} CPU"]
    if shape.num_gpus:
        parts.append(f"{shape.num_gpus:g} GPU")
    parts += [f"{count:g} {name}" for name, count in shape.resources]
    return ", ".join(parts)
