"""What waits and what is under way, by resource shape. Pure: no clock, no processes."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from itertools import islice
from typing import TypeAlias

from wfc.runtime.executors.batching import BUDGET, GRAIN, LONG, MAX_BYTES, Pace, Ranges, share
from wfc.runtime.executors.pieces import Slicer
from wfc.runtime.values import Raised, Value
from wfc.runtime.work import Hop, HopState, Partial, Shape, Work

Key: TypeAlias = tuple[str, tuple[str, ...] | None, str]
"""What elements of equal expected duration have in common."""


class Job:
    """A work on its way: `todo` are the offsets that no process has, `left` counts the unfinished."""

    __slots__ = ("alone", "flights", "key", "lane", "left", "queued", "slicer", "todo", "work")

    def __init__(self, work: Work, lane: Lane) -> None:
        self.work = work
        self.lane = lane
        self.slicer = Slicer(work)
        self.left = self.slicer.size
        self.todo = Ranges([(0, self.left)])
        self.key: Key = (work.graph, work.nodes, work.dynamic.digest if work.dynamic else "")
        self.alone = work.timeout is not None or work.park
        self.queued = False
        self.flights = 0

    @property
    def blocked(self) -> bool:
        """Whether its `limit` forbids one more batch now."""
        return self.work.limit is not None and self.flights >= max(1, self.work.limit)


Segment: TypeAlias = tuple[Job, int, int]


@dataclass(slots=True)
class Load:
    """What goes into one batch."""

    segments: list[Segment] = field(default_factory=list)
    seconds: float = 0.0
    suspect: bool = False

    @property
    def grain(self) -> int:
        """How many elements to begin at a time."""
        count = sum(stop - start for _, start, stop in self.segments)
        return max(1, math.ceil(count * GRAIN / self.seconds)) if self.seconds else max(1, count)


@dataclass(slots=True)
class Part:
    """A piece under way: offsets `start` to `stop` of a job, of which `open` are not reported yet.

    `known` is what was checkpointed inside the element `at`, which has begun.
    """

    job: Job
    start: int
    stop: int
    open: Ranges
    gone: Ranges = field(default_factory=Ranges)
    at: int = -1
    known: dict[str, Value | HopState | Raised] = field(default_factory=dict)

    def remember(self, offset: int, report: Partial | Hop) -> None:
        """Keep a checkpoint, for the case that the element has to start again."""
        if offset != self.at:
            self.at = offset
            self.known = dict(self.job.work.known.get(offset, {}))
        if isinstance(report, Partial):
            self.known[report.node] = report.value
            return
        inside = f"{report.frame}/" if report.frame else ""
        for path in [path for path in self.known if path.startswith(inside)]:
            del self.known[path]
        self.known[f"{report.frame}~"] = report.state

    def save(self) -> None:
        """The element under way starts again, from what is known of it."""
        if self.at in self.open and self.known:
            self.job.work.known = {**self.job.work.known, self.at: self.known}


@dataclass(slots=True)
class Flight:
    """A batch under way. Times are of the pool's clock. `doom` is why it was or will be killed."""

    id: int
    lane: Lane
    parts: dict[int, Part]
    seconds: float
    sent: float
    heard: float
    timeout: float | None = None
    deadline: float | None = None
    doom: str = ""
    recalled: bool = False
    spent: float = 0.0
    completed: int = 0

    @property
    def left(self) -> int:
        """Elements that are not reported yet."""
        return sum(part.open.count for part in self.parts.values())

    def after(self, kept: int) -> list[tuple[Part, int, int]]:
        """What comes after the first `kept` elements of the batch."""
        out = []
        for part in self.parts.values():
            size = part.stop - part.start
            if kept < size:
                out.append((part, part.start + max(kept, 0), part.stop))
            kept -= size
        return out

    def segments(self) -> list[Segment]:
        """What is not reported yet, in the order in which it runs."""
        return [(part.job, *span) for part in self.parts.values() for span in part.open]


class Lane:
    """The queue of one shape, or of one parked process."""

    __slots__ = ("_counts", "_queues", "flights", "home", "ready", "shape", "suspects", "waiting")

    def __init__(self, shape: Shape, home: int | None = None) -> None:
        self.shape = shape
        self.home = home
        self.ready = home is None
        self.flights = 0
        self.waiting = 0
        self.suspects: deque[list[Segment]] = deque()
        self._queues: dict[int, deque[Job]] = {}
        self._counts: dict[Key, int] = {}

    # ------------------------------------------------------------------ queue

    def add(self, job: Job) -> None:
        """Queue a new job."""
        self._count(job, job.todo.count)
        self.offer(job, front=False)

    def offer(self, job: Job, front: bool = True) -> None:
        """Queue a job again if it has something to do and may."""
        if job.queued or not job.todo.count or job.blocked:
            return
        job.queued = True
        queue = self._queues.get(job.work.priority)
        if queue is None:
            self._queues[job.work.priority] = deque([job])
            self._queues = dict(sorted(self._queues.items(), reverse=True))
        elif front:
            queue.appendleft(job)
        else:
            queue.append(job)

    def give_back(self, job: Job, start: int, stop: int) -> None:
        """These offsets have not run after all."""
        before = job.todo.count
        job.todo.add(start, stop)
        self._count(job, job.todo.count - before)
        self.offer(job)

    def drop(self, job: Job, start: int, stop: int) -> list[tuple[int, int]]:
        """Take offsets out of the queue for good; returns those that were in it."""
        spans = job.todo.discard(start, stop)
        self._count(job, -sum(right - left for left, right in spans))
        for load in list(self.suspects):
            kept: list[Segment] = []
            for other, left, right in load:
                inside = Ranges([(left, right)])
                if other is job:
                    gone = inside.discard(start, stop)
                    self.waiting -= sum(b - a for a, b in gone)
                    spans += gone
                kept += [(other, *span) for span in inside]
            load[:] = kept
            if not kept:
                self.suspects.remove(load)
        return spans

    def suspect(self, segments: list[Segment]) -> None:
        """Run these by themselves: one of them may have killed its process."""
        self.waiting += sum(stop - start for _, start, stop in segments)
        self.suspects.append(segments)

    def seconds(self, paces: dict[Key, Pace]) -> float:
        """Expected seconds of all that waits; of many kinds, a sample of them."""
        total, sampled = 0.0, 0
        for key, count in islice(self._counts.items(), 32):
            pace = paces.get(key)
            total += count * (pace.mean if pace else 0.0)
            sampled += count
        return total * self.waiting / sampled if sampled else total

    def _count(self, job: Job, change: int) -> None:
        self.waiting += change
        count = self._counts.get(job.key, 0) + change
        if count:
            self._counts[job.key] = count
        else:
            self._counts.pop(job.key, None)

    def _head(self) -> Job | None:
        for queue in self._queues.values():
            while queue:
                job = queue[0]
                if job.todo.count and not job.blocked:
                    return job
                queue.popleft()
                job.queued = False
        return None

    @property
    def priority(self) -> int:
        """Of the first in the queue."""
        head = self._head()
        return head.work.priority if head else 0

    # ------------------------------------------------------------------ batches

    def short(self, paces: dict[Key, Pace]) -> bool:
        """Whether the next batch may wait behind another one: known to be short."""
        if self.suspects:
            return False
        head = self._head()
        pace = paces.get(head.key) if head else None
        return bool(head and not head.alone and pace and pace.known and pace.mean < LONG)

    def fill(self, paces: dict[Key, Pace], slots: int, overhead: float, grouping: bool) -> Load:
        """Take the next batch out of the queue; empty when nothing may run."""
        if self.suspects:
            segments = self.suspects.popleft()
            jobs = {id(segment[0]): segment for segment in reversed(segments)}
            first = [segment for segment in segments if jobs[id(segment[0])] is segment]
            if rest := [segment for segment in segments if jobs[id(segment[0])] is not segment]:
                self.suspects.appendleft(rest)  # a batch has one piece of each work
            self.waiting -= sum(stop - start for _, start, stop in first)
            for segment in first:
                segment[0].flights += 1
            return Load(first, suspect=True)
        load = Load()
        budget = share(self.seconds(paces), slots, overhead)
        weight = 0.0
        taken: set[int] = set()
        while job := self._head():
            pace = paces.get(job.key)
            single = job.alone or not grouping or pace is None or not pace.known
            room = budget - load.seconds
            if load.segments and (
                single or job.work.id in taken or (pace is not None and pace.mean > room)
            ):
                break
            most = 1 if single or pace is None else pace.group(room)
            each = job.slicer.weight(job.todo.first)
            if each:
                most = max(1, min(most, int((MAX_BYTES - weight) / each)))
            start, stop = job.todo.take(most)
            self._count(job, start - stop)
            load.segments.append((job, start, stop))
            load.seconds += (stop - start) * (pace.mean if pace else 0.0)
            weight += each * (stop - start)
            taken.add(job.work.id)
            job.flights += 1  # one batch of this job under way, as far as its limit goes
            if single or weight >= MAX_BYTES or load.seconds >= min(budget, BUDGET):
                break
        return load
