"""Row 13: how long a task can be complete and not yet on the disk.

Each task's result is the time at which it was complete. The journal's writer is made to look at the
clock after each commit: what lies between is the streaming to the coordinator, the engine, and the
window of the group commit.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks.measure import Makers, Row
from benchmarks.ours import ours

P50, P99, MOST = "half of the tasks within", "99 % within", "all within"


def rows(small: int) -> Makers:
    """The rows, a `small`-th of the work."""
    yield 13, lambda: window("10,000 no-op tasks", "stamps", n=10_000 // small)
    yield 13, lambda: window("200 tasks of 20 ms", "late_stamps", n=200 // small)


def window(work: str, workflow: str, **params: Any) -> Row:
    seen: list[float] = []
    run = ours(workflow, **params)

    def half() -> float:
        seen.clear()
        with watched(seen):
            run()
        return 1000 * statistics.median(seen)

    sides: dict[str, Callable[[], float]] = {
        P50: half,
        P99: lambda: 1000 * statistics.quantiles(seen, n=100)[98],
        MOST: lambda: 1000 * max(seen),
    }
    return Row(13, f"from a task's end to its checkpoint on the disk, {work}", "ms", sides)


@contextmanager
def watched(seen: list[float]) -> Iterator[None]:
    """While this is entered, the age in seconds of each result at its commit is noted."""
    from wfc.runtime import coordinator
    from wfc.runtime.engine.records import Completed
    from wfc.runtime.values import Column

    plain = coordinator.GroupCommitter

    class Watching(plain):  # type: ignore[misc, valid-type]
        def _commit(self, batch: Any, drops: Any) -> None:
            super()._commit(batch, drops)
            now = time.time()
            for record in batch.records:
                made = coordinator.RECORDS.unpack(record.data)
                for column in made.columns.values() if isinstance(made, Completed) else ():
                    stamps = column.load() if isinstance(column, Column) else ()
                    seen.extend(now - stamp for stamp in stamps if isinstance(stamp, float))

    coordinator.GroupCommitter = Watching  # type: ignore[misc]
    try:
        yield
    finally:
        coordinator.GroupCommitter = plain  # type: ignore[misc]
