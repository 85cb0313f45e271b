"""How large a batch should be: pure arithmetic over what was measured, no clock and no processes.

A batch must be long enough that its fixed cost does not show, and short enough that the slots finish
together. Elements whose duration is unknown travel alone; then the size grows with what was seen,
bounded by a time budget, by the spread of durations, and by what is left to hand out.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator

BUDGET = 0.03
"""Seconds of work that a batch is meant to be, at least."""

WORTH = 60
"""How many times more work than its fixed cost a batch is meant to be: what the cost is on top."""

LONG = 0.05
"""Seconds from which an element counts as long: it is never batched with others on purpose."""

AHEAD = 1.0
"""Seconds up to which an element is sent before there is a slot for it, where it will run in whichever
is free first: between two batches a slot waits some milliseconds for the next one. What takes longer
does not feel that, and would only keep what is more urgent waiting."""

GROWTH = 32
"""How many times larger than anything seen so far the next batch of a kind may be."""

MAX_ELEMENTS = 20_000

MAX_BYTES = 4 * 1024 * 1024


class Ranges:
    """A set of integers as disjoint, sorted, half-open spans: a million offsets cost two integers."""

    __slots__ = ("_starts", "_stops", "count")

    def __init__(self, spans: Iterable[tuple[int, int]] = ()) -> None:
        self._starts: list[int] = []
        self._stops: list[int] = []
        self.count = 0
        for start, stop in spans:
            self.add(start, stop)

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return zip(list(self._starts), list(self._stops), strict=True)

    def __contains__(self, offset: int) -> bool:
        at = bisect_right(self._starts, offset) - 1
        return at >= 0 and offset < self._stops[at]

    def __repr__(self) -> str:
        return f"Ranges({list(self)})"

    @property
    def first(self) -> int:
        """The smallest member; raises `IndexError` when empty."""
        return self._starts[0]

    def add(self, start: int, stop: int) -> None:
        """Put in `start` to `stop`; what is in already stays once."""
        if stop <= start:
            return
        low = bisect_left(self._stops, start)
        high = bisect_right(self._starts, stop)
        if low < high:
            start = min(start, self._starts[low])
            stop = max(stop, self._stops[high - 1])
            for at in range(low, high):
                self.count -= self._stops[at] - self._starts[at]
        self._starts[low:high] = [start]
        self._stops[low:high] = [stop]
        self.count += stop - start

    def take(self, most: int) -> tuple[int, int]:
        """Remove and return the first span, cut to at most `most`; raises `IndexError` when empty."""
        start, stop = self._starts[0], self._stops[0]
        if stop - start > most:
            stop = start + most
            self._starts[0] = stop
        else:
            del self._starts[0], self._stops[0]
        self.count -= stop - start
        return start, stop

    def discard(self, start: int, stop: int) -> list[tuple[int, int]]:
        """Remove what of `start` to `stop` is in; returns the spans that were."""
        starts, stops = self._starts, self._stops
        if stop <= start:
            return []
        if starts and start == starts[0] and stop <= stops[0]:  # in order, as nearly always
            if stop == stops[0]:
                del starts[0], stops[0]
            else:
                starts[0] = stop
            self.count -= stop - start
            return [(start, stop)]
        low = bisect_right(stops, start)
        high = bisect_left(starts, stop)
        if low >= high:
            return []
        gone: list[tuple[int, int]] = []
        keep: list[tuple[int, int]] = []
        for at in range(low, high):
            left, right = starts[at], stops[at]
            gone.append((max(left, start), min(right, stop)))
            if left < start:
                keep.append((left, start))
            if right > stop:
                keep.append((stop, right))
        starts[low:high] = [span[0] for span in keep]
        stops[low:high] = [span[1] for span in keep]
        self.count -= sum(right - left for left, right in gone)
        return gone


class Pace:
    """What is known of the durations of one kind of element.

    The mean leans on the newest observations, so that a drift is followed. The first run in a process
    (imports, caches) is *cold*: it counts only while there is nothing better.
    """

    __slots__ = ("_cold", "_count", "_longs", "_seconds", "_seen", "largest")

    def __init__(self) -> None:
        self._seconds = 0.0
        self._count = 0.0
        self._cold: float | None = None
        self._longs = 0.0
        self._seen = 0.0
        self.largest = 0

    @property
    def known(self) -> bool:
        """Whether an element of this kind has ever completed."""
        return self._count > 0 or self._cold is not None

    @property
    def mean(self) -> float:
        """Expected seconds of an element; 0 when unknown."""
        if self._count > 0:
            return self._seconds / self._count
        return self._cold or 0.0

    def observe(self, count: int, seconds: float, cold: bool = False) -> None:
        """`count` elements took `seconds` together, in one process, one after the other."""
        if count <= 0:
            return
        each = seconds / count
        if cold and seconds > BUDGET / 3:
            if self._count == 0:
                self._cold = each if self._cold is None else min(self._cold, each)
            return
        self._seconds = self._seconds * 0.9 + seconds
        self._count = self._count * 0.9 + count
        self._seen = self._seen * 0.995 + count
        self._longs = self._longs * 0.995 + (seconds > LONG)
        self.largest = max(self.largest, count)

    def group(self, budget: float, *, last: bool = False) -> int:
        """How many elements make up `budget` seconds, at least 1.

        Towards the end (`last`) two long ones in one batch would run one after the other while other
        slots have nothing to do: there, that is kept improbable.
        """
        if not self.known:
            return 1
        mean = max(self.mean, 1e-7)
        if mean >= LONG:
            return 1
        size = min(budget / mean, GROWTH * max(1, self.largest), MAX_ELEMENTS)
        if last and self._longs > 0.01:
            size = min(size, 0.2 * self._seen / self._longs)
        return max(1, int(size))


def share(queued: float, slots: int, overhead: float) -> float:
    """Seconds of work for the next batch, when `queued` seconds are left for `slots` slots.

    Guided self-scheduling: half of an even share, so that batches shrink towards the end and the
    slots finish together; never so small that the cost of a batch (`overhead`) outweighs its work.
    """
    return min(full(overhead), max(queued / (2 * max(1, slots)), overhead))


def full(overhead: float) -> float:
    """Seconds of work in a batch while there is plenty of it."""
    return max(BUDGET, WORTH * overhead)
