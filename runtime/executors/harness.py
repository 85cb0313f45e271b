"""The worker's side of a batch: drives the runner, and turns what it yields into messages."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Generator, Iterable, Iterator
from typing import Protocol

from wfc.runtime.executors.messages import (
    Batch,
    Echo,
    Finished,
    GivenBack,
    Message,
    Progress,
    Started,
)
from wfc.runtime.executors.pieces import merge
from wfc.runtime.values import ErrorInfo
from wfc.runtime.work import Became, Done, Failed, Log, Report, Work


class Runs(Protocol):
    """What the harness needs of `wfc.runtime.worker.runner.Runner`."""

    @property
    def between(self) -> bool:
        """At a yield: no element is under way."""

    def finished(self) -> list[Report]:
        """While a call runs for long: what will be reported after it, from another thread."""

    def run(self, batch: Iterable[Work]) -> Generator[list[Report], None, None]:
        """Run the works in order; yields reports every few milliseconds."""

    def cut(self) -> int:
        """Begin no more elements of the work that runs, from another thread; how many it spares."""

    def release(self, home: int) -> None:
        """Let the values of a home go."""

    def echo(self) -> Log | None:
        """What the task that runs has printed so far, if there is something to tell."""


class Feed:
    """The works of a batch, handed to the runner one by one; another thread may cut it short."""

    def __init__(self, batch: Batch) -> None:
        self.batch = batch
        self._fed = 0
        self._left = iter(batch.works)
        self._lock = threading.Lock()

    def __iter__(self) -> Iterator[Work]:
        return self

    def __next__(self) -> Work:
        with self._lock:
            work = next(self._left)
            self._fed += len(work.indices)
            return work

    def close(self) -> int:
        """Hand out nothing more; returns how many elements were."""
        with self._lock:
            self._left = iter(())
            return self._fed


class Harness:
    """Runs batches in this process, one at a time. `recall` may be called from another thread."""

    def __init__(self, runner: Runs) -> None:
        self._runner = runner
        self._seen: set[object] = set()
        self._recalled: set[int] = set()
        self._feed: Feed | None = None
        self._last = 0

    def recall(self, batch: int) -> GivenBack | None:
        """Begin nothing more of this batch. The message to send, unless it is over."""
        self._recalled.add(batch)
        feed = self._feed
        if feed is not None and feed.batch.id == batch:
            begun = feed.close() - self._runner.cut()
            if feed is self._feed:  # otherwise it is over, and that was of another
                return GivenBack(batch, begun)
        elif batch > self._last:  # it waits behind another one, and will see that it is recalled
            return GivenBack(batch, 0)
        else:
            self._recalled.discard(batch)  # it is over; another pool may number its own the same
        return None

    def release(self, home: int) -> None:
        """Let the values of a home go."""
        self._runner.release(home)

    def echo(self) -> Echo | None:
        """What the task that runs has printed so far, from another thread."""
        feed = self._feed
        log = self._runner.echo() if feed is not None else None  # asked for, it is not told again
        return Echo(feed.batch.id, log) if feed is not None and log is not None else None

    def finished(self) -> Progress | None:
        """What waits behind a call that runs for long, from another thread. It comes once more."""
        feed = self._feed
        reports = self._runner.finished()
        if feed is None or feed is not self._feed or not reports:
            return None
        return Progress(feed.batch.id, reports, 0.0)

    def run(self, batch: Batch) -> Iterator[Message]:
        """The messages of a batch; `Finished` is always the last."""
        parked: list[int] = []
        feed = self._feed = Feed(batch)
        self._last = batch.id
        if batch.id not in self._recalled:
            if batch.announce:
                yield Started(batch.id)
            yield from self._run(batch, feed, parked)
        self._feed = None
        self._recalled.discard(batch.id)
        yield Finished(batch.id, tuple(parked))

    def _run(self, batch: Batch, feed: Feed, parked: list[int]) -> Iterator[Message]:
        parks = {work.id for work in batch.works if work.park}
        start = mark = time.perf_counter()
        ended = 0
        try:
            steps = self._runner.run(feed)
            for given in steps:
                reports = merge(given)
                now = time.perf_counter()
                ended += sum(map(_ended, reports))
                parked += _parked(reports, parks, batch.home)
                yield Progress(batch.id, reports, now - mark, self._cold(batch))
                mark = time.perf_counter()
                enough = parked or now - start > batch.cap or batch.id in self._recalled
                if enough and self._runner.between:
                    steps.close()
                    return
        except Exception as error:  # a mistake of the runner's own: one element fails with it
            failed = _next(batch, ended, explain(error))
            yield Progress(batch.id, failed, time.perf_counter() - mark)

    def _cold(self, batch: Batch) -> bool:
        first = False
        for work in batch.works:
            key = (work.graph, work.nodes, work.dynamic.digest if work.dynamic else "")
            if key not in self._seen:
                self._seen.add(key)
                first = True
        return first


def explain(error: Exception) -> ErrorInfo:
    """An exception of the machinery, as text."""
    kind = type(error)
    return ErrorInfo(
        type=f"{kind.__module__}.{kind.__qualname__}",
        message=str(error),
        traceback="".join(traceback.format_exception(error)),
        bases=tuple(f"{base.__module__}.{base.__qualname__}" for base in kind.__mro__[1:-1]),
    )


def _ended(report: Report) -> int:
    """How many elements a report ends."""
    if isinstance(report, Done):
        return report.count
    return isinstance(report, Failed | Became)


def _next(batch: Batch, ended: int, error: ErrorInfo) -> list[Report]:
    """The failure of the element after the first `ended` ones."""
    for work in batch.works:
        if ended < len(work.indices):
            return [Failed(work.id, ended, "", error)]
        ended -= len(work.indices)
    return []


def _parked(reports: Iterable[Report], parks: set[int], here: int | None) -> Iterator[int]:
    """The homes that a process has become, `here` being one that it is already."""
    for report in reports:
        if isinstance(report, Became) and report.home is not None:
            if report.home != here:
                yield report.home
        elif parks and isinstance(report, Done | Became) and report.work in parks:
            yield report.work


class Broken:
    """Stands in for a runner that could not be made: every element fails with the reason."""

    def __init__(self, error: Exception) -> None:
        self._error = explain(error)
        self.between = True

    def release(self, home: int) -> None:
        """See `Runs`."""

    def echo(self) -> None:
        """See `Runs`."""

    def cut(self) -> int:
        """See `Runs`."""
        return 0

    def finished(self) -> list[Report]:
        """See `Runs`."""
        return []

    def run(self, batch: Iterable[Work]) -> Generator[list[Report], None, None]:
        """See `Runs`."""
        for work in batch:
            yield [Failed(work.id, at, "", self._error) for at in range(len(work.indices))]
