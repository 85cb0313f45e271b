"""A transport in virtual time, and works to run on it."""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from collections.abc import Callable
from typing import Any

from wfc.runtime.executors.messages import (
    Batch,
    Died,
    Finished,
    GivenBack,
    Message,
    Progress,
    Started,
)
from wfc.runtime.executors.pool import Pool
from wfc.runtime.values import Column, Rows
from wfc.runtime.work import Done, Failed, Lost, Program, Report, Shape, Work

PROGRAM = Program("run", b"", b"", "", b"", "digest")
FLUSH = 0.01


def work(id: int, count: int, graph: str = "main/xs", **options: Any) -> Work:
    items = Rows([Column(None, count, list(range(count)))])
    return Work(id, graph, "main", map="xs", items=items, indices=range(count), **options)


class Virtual:
    """Slots with clocks of their own. `duration(work, index)` in seconds; infinite = never ends.

    An element in `poison` kills its process when it begins.
    """

    exclusive = True
    pinned = False

    def __init__(
        self,
        slots: int,
        duration: Callable[[Work, int], float],
        *,
        overhead: float = 0.001,
        poison: Callable[[Work, int], bool] = lambda work, index: False,
        flush: float = FLUSH,
    ) -> None:
        self.overhead = overhead
        self.width = slots
        self.duration = duration
        self.poison = poison
        self.flush = flush
        self.now = 0.0
        self.batches: list[Batch] = []
        self.kills: list[int] = []
        self.ran: dict[tuple[int, int], int] = {}
        self.peak = 0
        self.wanted: list[tuple[Shape, int]] = []
        self.closed = False
        self._queue: deque[Batch] = deque()
        self._running: dict[int, Any] = {}
        self._events: list[tuple[float, int, Any]] = []
        self._tie = itertools.count()
        self._begun: dict[int, int] = {}
        self._stop: dict[int, int] = {}
        self._now: list[Message] = []

    def clock(self) -> float:
        return self.now

    def load(self, program: Program) -> None:
        assert program is PROGRAM

    def slots(self, shape: Shape) -> int:
        return max(1, int(self.width // max(shape.num_cpus, 1)))

    def send(self, batch: Batch) -> None:
        self.batches.append(batch)
        self._queue.append(batch)
        self._next()

    def _next(self) -> None:
        while self._queue and len(self._running) < self.width:
            batch = self._queue.popleft()
            self._running[batch.id] = self._run(batch)
            self.peak = max(self.peak, len(self._running))
            self._push(self.now + self.overhead, batch.id)

    def _push(self, at: float, batch: int) -> None:
        if at != float("inf"):
            heapq.heappush(self._events, (at, next(self._tie), batch))

    def _run(self, batch: Batch) -> Any:
        """Yields (seconds to pass, messages that come then)."""
        if batch.announce:
            yield 0.0, [Started(batch.id)]
        total = spent = 0.0
        count = 0
        pending: list[Report] = []
        for piece in batch.works:
            for offset, index in enumerate(piece.indices):
                over = total > batch.cap and not pending
                if over or count >= self._stop.get(batch.id, 1 << 60):
                    last = [Progress(batch.id, pending, spent)] if pending else []
                    yield 0.0, [*last, Finished(batch.id)]
                    return
                if self.poison(piece, index):
                    yield 0.0, [Died((batch.id,), "killed by signal 9")]
                    return
                count += 1
                self._begun[batch.id] = count
                self.ran[piece.id, index] = self.ran.get((piece.id, index), 0) + 1
                seconds = self.duration(piece, index)
                yield seconds, []
                total += seconds
                spent += seconds
                pending.append(Done(piece.id, offset, 1, {"f": Column(None, 1, [index])}))
                if spent >= self.flush:
                    yield 0.0, [Progress(batch.id, pending, spent)]
                    pending, spent = [], 0.0
        messages: list[Message] = [Progress(batch.id, pending, spent)] if pending else []
        yield 0.0, [*messages, Finished(batch.id)]

    def poll(self, timeout: float) -> list[Message]:
        out, self._now = self._now, []
        until = self.now + (0.0 if out else timeout)
        while self._events and self._events[0][0] <= until:
            at, _, id = heapq.heappop(self._events)
            if id not in self._running:
                continue
            self.now = max(self.now, at)
            for seconds, messages in self._running[id]:
                out += messages
                if messages and isinstance(messages[-1], Finished | Died):
                    del self._running[id]
                    self._next()
                    break
                if seconds or messages:
                    self._push(self.now + seconds, id)
                    break
            if out:
                break
        if not out:
            self.now = max(self.now, until)
        return out

    def want(self, shape: Shape, count: int) -> None:
        self.wanted.append((shape, count))

    def recall(self, batch: int) -> None:
        for queued in self._queue:
            if queued.id == batch:
                self._queue.remove(queued)
                self._now.append(Finished(batch))
                return
        running = [one for one in self.batches if one.id == batch and batch in self._running]
        if running and batch not in self._stop:
            self._stop[batch] = kept = self._begun.get(batch, 0)
            self._now.append(GivenBack(batch, kept))

    def kill(self, batch: int, reason: str) -> None:
        self.kills.append(batch)
        self._running.pop(batch, None)
        self._queue = deque(other for other in self._queue if other.id != batch)
        self._running[batch] = iter([(0.0, [Died((batch,), reason)])])
        self._push(self.now, batch)

    def release(self, home: int) -> None:
        pass

    def describe(self) -> dict[str, Any]:
        return {}

    def close(self) -> None:
        self.closed = True


def drain(pool: Pool, elements: int, limit: float = 1e6) -> list[Report]:
    """Poll until so many elements are done or lost."""
    out: list[Report] = []
    left = elements
    idle = 0
    while left > 0:
        reports = pool.poll(1.0)
        idle = 0 if reports else idle + 1
        assert idle < limit, f"{left} elements never came"
        out += reports
        for report in reports:
            if isinstance(report, Done):
                left -= report.count
            elif isinstance(report, Lost | Failed):
                left -= 1
    return out
