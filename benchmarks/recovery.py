"""Row 7: a run with many finished tasks is taken up again."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.measure import Makers, Medians, Row
from benchmarks.ours import SPEC

FEW = "resume, 1 task finished"


def rows(small: int) -> Makers:
    """The row, a `small`-th of the work."""
    yield 7, lambda: resumed([n // small for n in (25_000, 50_000, 100_000)])


def resumed(sizes: list[int], batch: str = "") -> Row:
    """Each run fails in its last task; it is resumed, in a copy of its store, once that can do.
    With `batch` "1" each task has a record of its own."""
    sides = {FEW: _resume(1, batch)}
    sides |= {f"resume, {n:,} tasks finished": _resume(n, batch) for n in sizes}
    half, whole = (f"resume, {n:,} tasks finished" for n in sizes[-2:])

    def extra(medians: Medians) -> tuple[float, float]:
        return medians[half] - medians[FEW], medians[whole] - medians[FEW]

    return Row(
        7,
        f"resume of a run with finished tasks{', a record for each' if batch else ''}",
        "s",
        sides,
        target="≤ 2 s over start-up, linear",
        met=lambda medians: extra(medians)[1] <= 2,
        note=lambda medians: (
            f"{extra(medians)[1]:.3f} s over start-up; {extra(medians)[0]:.3f} s for half as many"
        ),
    )


def _resume(n: int, batch: str) -> Callable[[], float]:
    kept: list[tempfile.TemporaryDirectory[str]] = []

    def side() -> float:
        import wfc

        if not kept:
            kept.append(_stopped(n, batch))
        with tempfile.TemporaryDirectory(prefix="wfc-bench-") as folder:
            store = os.path.join(folder, "store")
            shutil.copytree(Path(kept[0].name, "store"), store)
            Path(kept[0].name, "gate").touch()
            start = time.perf_counter()
            result = wfc.resume("r", store=store).result()
            seconds = time.perf_counter() - start
        if result != n * (n - 1) // 2:
            raise SystemExit(f"the resumed run gave {result!r}")
        return seconds

    return side


def _stopped(n: int, batch: str) -> tempfile.TemporaryDirectory[str]:
    """A store with a run that has failed at its last task."""
    import wfc

    folder = tempfile.TemporaryDirectory(prefix="wfc-bench-")
    params: dict[str, Any] = {"n": n, "path": os.path.join(folder.name, "gate")}
    plan = wfc.compile(SPEC, "gated")
    os.environ["WFC_BATCH"] = batch
    run = wfc.start(plan, params=params, store=os.path.join(folder.name, "store"), run_id="r")
    try:
        run.result()
    except wfc.api.RunFailed:
        return folder
    finally:
        del os.environ["WFC_BATCH"]
    raise SystemExit("the run was to fail in its last task")
