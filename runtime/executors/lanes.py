"""What waits, by resource shape. Pure: no clock, no processes."""

from __future__ import annotations

from collections import deque
from itertools import islice

from wfc.runtime.executors.batching import LONG, MAX_BYTES, Pace, Ranges, full, share
from wfc.runtime.executors.flights import Job, Key, Load, Segment
from wfc.runtime.work import Shape


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

    def short(self, paces: dict[Key, Pace], below: float = LONG) -> bool:
        """Whether the next batch may wait behind another one: its elements are known to take less than
        `below` seconds."""
        if self.suspects:
            return False
        head = self._head()
        pace = paces.get(head.key) if head else None
        return bool(head and not head.alone and pace and pace.known and pace.mean < below)

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
        last = budget < full(overhead)
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
            most = 1 if single or pace is None else pace.group(room, last=last)
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
            if single or weight >= MAX_BYTES or load.seconds >= budget:
                break
        return load
