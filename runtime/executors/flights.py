"""Works on their way: what is left of each, and the batches that carry it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from wfc.runtime.executors.batching import Ranges
from wfc.runtime.executors.pieces import Slicer
from wfc.runtime.values import Raised, Value
from wfc.runtime.work import Done, HomeLost, Hop, HopState, Partial, Report, ValueLost, Work

if TYPE_CHECKING:
    from wfc.runtime.executors.lanes import Lane

Key: TypeAlias = tuple[str, tuple[str, ...] | None, str]
"""What elements of equal expected duration have in common."""


class Job:
    """A work on its way: `todo` are the offsets that no process has, `left` counts the unfinished."""

    __slots__ = ("alone", "flights", "key", "lane", "left", "queued", "slicer", "todo", "work")

    def __init__(self, work: Work, lane: Lane) -> None:
        self.work = work
        self.lane = lane
        self.slicer = Slicer(work, bare=True)
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

    def knows(self, offset: int, report: Partial | Hop) -> bool:
        """Whether this was reported before: what waits behind a long call is told twice."""
        return offset == self.at and isinstance(report, Partial) and report.node in self.known

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
    """A batch under way, last `heard` of at that time of the pool's clock, and `asked` then to begin
    nothing more. `doom` is why it was or will be killed; `ahead` that it was sent before there was a
    slot for it; `homes` are those for which its process is to be kept."""

    id: int
    lane: Lane
    parts: dict[int, Part]
    seconds: float
    heard: float
    sent: float
    timeout: float | None = None
    deadline: float | None = None
    doom: str = ""
    asked: float | None = None
    ahead: bool = False
    spent: float = 0.0
    completed: int = 0
    homes: list[int] = field(default_factory=list)

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


def parts_of(load: Load) -> dict[int, Part]:
    """The pieces of a batch, by work."""
    return {
        job.work.id: Part(job, start, stop, Ranges([(start, stop)]))
        for job, start, stop in load.segments
    }


def split(segments: list[Segment], count: int) -> tuple[list[Segment], list[Segment]]:
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


class Dropped:
    """Which reports belong to cancelled elements."""

    def __init__(self, work: int, spans: list[tuple[int, int]]) -> None:
        self._work = work
        self._spans = Ranges(spans)

    def covers(self, report: Report) -> bool:
        """Whether it is one of them."""
        if isinstance(report, HomeLost) or report.work != self._work:
            return False
        if isinstance(report, ValueLost):
            return True
        return (report.start if isinstance(report, Done) else report.offset) in self._spans


def spans_of(offsets: Sequence[int]) -> list[tuple[int, int]]:
    """Offsets as spans."""
    if isinstance(offsets, range) and offsets.step == 1:
        return [(offsets.start, offsets.stop)] if offsets else []
    return list(Ranges((offset, offset + 1) for offset in offsets))
