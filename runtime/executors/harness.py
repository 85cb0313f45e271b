"""The worker's side of a batch: drives the runner, and turns what it yields into messages."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from wfc.runtime.executors.messages import Batch, Finished, Message, Progress, Started
from wfc.runtime.work import Became, Done, Report, Work


class Runs(Protocol):
    """What the harness needs of `wfc.runtime.worker.runner.Runner`."""

    def run(self, batch: Sequence[Work]) -> Iterable[list[Report]]:
        """Run the works in order; yields reports every few milliseconds, at element boundaries."""


class Harness:
    """Runs batches in this process, one at a time.

    `recall` may be called from another thread: the batch then ends at the next chance.
    """

    def __init__(self, runner: Runs) -> None:
        self._runner = runner
        self._seen: set[object] = set()
        self._recalled: set[int] = set()

    def recall(self, batch: int) -> None:
        """End this batch early; harmless when it is over already."""
        self._recalled.add(batch)

    def run(self, batch: Batch) -> Iterator[Message]:
        """The messages of a batch; `Finished` is always the last."""
        parked: list[int] = []
        parks = {work.id for work in batch.works if work.park}
        if batch.id not in self._recalled:
            if batch.announce:
                yield Started(batch.id)
            start = mark = time.perf_counter()
            steps = iter(self._runner.run(batch.works))
            for reports in steps:
                now = time.perf_counter()
                parked += _parked(reports, parks)
                yield Progress(batch.id, reports, now - mark, self._cold(batch))
                mark = time.perf_counter()
                if parked or now - start > batch.cap or batch.id in self._recalled:
                    if hasattr(steps, "close"):
                        steps.close()
                    break
        self._recalled.discard(batch.id)
        yield Finished(batch.id, tuple(parked))

    def _cold(self, batch: Batch) -> bool:
        first = False
        for work in batch.works:
            key = (work.graph, work.nodes, work.dynamic.digest if work.dynamic else "")
            if key not in self._seen:
                self._seen.add(key)
                first = True
        return first


def _parked(reports: Iterable[Report], parks: set[int]) -> Iterator[int]:
    for report in reports:
        if (isinstance(report, Became) and report.parked) or (
            parks and isinstance(report, Done | Became) and report.work in parks
        ):
            yield report.work
