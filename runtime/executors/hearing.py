"""What a pool knows of its works and batches, and what it makes of the messages that come in."""

from __future__ import annotations

import math
from collections.abc import Callable

from wfc.runtime.executors.batching import Pace, Ranges
from wfc.runtime.executors.flights import Flight, Job, Key, Part, Segment, split
from wfc.runtime.executors.lanes import Lane
from wfc.runtime.executors.messages import (
    Died,
    Echo,
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
    Report,
    Shape,
    ValueLost,
)

FLUSH = 0.05
"""Seconds of work that a worker may have finished but not reported, at most."""


class Hearing:
    """The books of a pool. `busy` is the part of the slots that is in use, `timed` are the batches
    that end by the clock, `out` are the reports for the engine."""

    def __init__(self, transport: Transport, clock: Callable[[], float]) -> None:
        self._transport = transport
        self._clock = clock
        self.lanes: dict[Shape, Lane] = {}
        self.homes: dict[int, Lane] = {}
        self.jobs: dict[int, Job] = {}
        self.flights: dict[int, Flight] = {}
        self.timed: set[int] = set()
        self.paces: dict[Key, Pace] = {}
        self.busy = 0.0
        self.out: list[Report] = []

    def hear(self, message: Message) -> None:
        """Take in a message of the transport."""
        if isinstance(message, Died):
            self._died(message)
            return
        if isinstance(message, Echo):
            self.out.append(message.log)  # it says all itself: its batch may be over meanwhile
            return
        flight = self.flights.get(message.batch)
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
            if part is None or report.work not in self.jobs:
                continue
            done = self._accept(part, report)
            if done:
                part.job.left -= done
                counts[part.job.key] = counts.get(part.job.key, 0) + done
                work = part.job.work
                home = report.home if isinstance(report, Became) else None
                if home == work.home:  # it is one already
                    home = None
                if work.park and not isinstance(report, Failed | Lost):
                    home = report.work
                if home is not None:
                    self.homes[home] = Lane(flight.lane.shape, home)
                    flight.homes.append(home)
        for id in flight.parts if counts else ():
            job = self.jobs.get(id)
            if job is not None and job.left <= 0:
                del self.jobs[id]
        flight.spent += message.seconds
        if counts and not message.seconds:  # told ahead of time, by another thread
            flight.completed += sum(counts.values())
        elif counts:
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
                self.out.append(rebase(report, part.start))
            else:
                for left, right in spans:
                    piece = narrow(report, left - start, right - start)
                    self.out.append(rebase(piece, part.start))
            return done
        if isinstance(report, ValueLost):
            self._forget(part.job)
            self.out.append(report)
            return 0
        assert not isinstance(report, HomeLost)
        offset = report.offset + part.start
        if isinstance(report, Failed | Became | Lost):
            if not part.open.discard(offset, offset + 1):
                return 0
            self.out.append(rebase(report, part.start))
            return 1
        if isinstance(report, Log):
            if offset not in part.gone:
                self.out.append(rebase(report, part.start))
        elif offset in part.open and not part.knows(offset, report):
            part.remember(offset, report)
            self.out.append(rebase(report, part.start))
        return 0

    def _forget(self, job: Job) -> None:
        """The engine submits anew what is left of it."""
        job.lane.drop(job, 0, job.slicer.size)
        for flight in self.flights.values():
            if job.work.id in flight.parts:
                flight.parts[job.work.id].open = Ranges()
        self.jobs.pop(job.work.id, None)

    def _learn(self, counts: dict[Key, int], seconds: float, cold: bool) -> None:
        weights = {key: count * max(self.pace(key).mean, 1e-6) for key, count in counts.items()}
        total = sum(weights.values())
        for key, count in counts.items():
            self.pace(key).observe(count, seconds * weights[key] / total, cold)

    def pace(self, key: Key) -> Pace:
        """What is known of the durations of a kind of element."""
        pace = self.paces.get(key)
        if pace is None:
            pace = self.paces[key] = Pace()
        return pace

    def _finished(self, flight: Flight, message: Finished) -> None:
        segments = self._land(flight)
        for home in message.parked:
            if home in self.homes:
                self.homes[home].ready = True
            else:  # released or cancelled in the meantime
                self._transport.release(home)
        if segments and not flight.completed and flight.asked is None:
            self._blame(flight, segments, "the worker ended a batch without a word")
            return
        for job, start, stop in reversed(segments):
            job.lane.give_back(job, start, stop)

    def _given_back(self, flight: Flight, kept: int) -> None:
        if kept == 0:  # it waited behind one that may run for long: as if it had not been sent
            for job, start, stop in reversed(self._land(flight)):
                job.lane.give_back(job, start, stop)
            return
        waits = False
        for part, start, stop in flight.after(kept):
            spans = part.open.discard(start, stop)
            part.gone.discard(start, stop)
            if part.job.work.id in self.jobs:
                for left, right in spans:
                    part.job.lane.give_back(part.job, left, right)
        for part in flight.parts.values():
            front = part.open.first if part.open.count else part.stop
            waits = waits or any(stop > part.start and start <= front for start, stop in part.gone)
        if flight.doom == "cancelled" and not waits:  # no cancelled element has begun
            flight.doom, flight.deadline = "", None

    def _land(self, flight: Flight) -> list[Segment]:
        """The batch is over: free its slot; returns what it has not reported."""
        del self.flights[flight.id]
        self.timed.discard(flight.id)
        lane = flight.lane
        lane.flights -= 1
        if lane.home is None:
            slots = max(1, self._transport.slots(lane.shape))
            self.busy = self.busy - 1.0 / slots if self.flights else 0.0
        for part in flight.parts.values():
            part.save()
            part.job.flights -= 1
            lane.offer(part.job)
        return [segment for segment in flight.segments() if segment[0].work.id in self.jobs]

    def _died(self, message: Died) -> None:
        for at, id in enumerate(message.batches):
            flight = self.flights.get(id)
            if flight is None:
                continue
            segments = self._land(flight)
            for home in flight.homes:
                if home in self.homes and not self.homes[home].ready:
                    self._home_lost(home, message.reason)
            if at == 0 and segments and flight.doom != "cancelled":
                self._blame(flight, segments, message.reason)
                continue
            for job, start, stop in reversed(segments):
                job.lane.give_back(job, start, stop)
        for home in message.homes:
            self._home_lost(home, message.reason)

    def _home_lost(self, home: int, reason: str) -> None:
        lane = self.homes.pop(home, None)
        if lane is not None:
            for id in [id for id, job in self.jobs.items() if job.lane is lane]:
                del self.jobs[id]
            self.out.append(HomeLost(home, reason))

    def _blame(self, flight: Flight, segments: list[Segment], reason: str) -> None:
        """A process died in these elements. One alone is charged; of several, halves are tried."""
        if sum(stop - start for _, start, stop in segments) == 1 or flight.doom == "timeout":
            job, start, stop = segments[0]
            if flight.doom == "timeout":
                reason = f"stopped after its timeout of {flight.timeout:g} s"
                self.out.append(Lost(job.work.id, start, "timeout", reason))
            else:
                self.out.append(Lost(job.work.id, start, "died", reason))
            job.left -= 1
            if job.left <= 0:
                self.jobs.pop(job.work.id, None)
            return
        near, far = split(segments, self._unflushed(segments[0][0]))
        for job, start, stop in reversed(far):
            job.lane.give_back(job, start, stop)
        half = sum(stop - start for _, start, stop in near) // 2
        for group in split(near, max(1, half)):
            if group:
                group[0][0].lane.suspect(group)

    def _unflushed(self, job: Job) -> int:
        """How many elements a worker may have finished since its last report, and the one it ran."""
        pace = self.pace(job.key)
        return 1 + math.ceil(FLUSH / max(pace.mean, 1e-6)) if pace.known else 64
