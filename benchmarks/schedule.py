"""Row 8: tasks that take their time. What counts is when the last one is done."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Any

from benchmarks.measure import Makers, Medians, Row, timed
from benchmarks.ours import ours

SLOTS = 2
IDEAL = "ideal"


def rows(small: int) -> Makers:
    """The rows, a `small`-th of the work."""
    yield 8, lambda: naps(f"{max(4, 40 // small)} tasks of 0.5 s", [0.5] * max(4, 40 // small))
    yield 8, lambda: naps("heavy-tailed mix", heavy_tailed(400 // small))


def heavy_tailed(n: int, seed: int = 8) -> list[float]:
    """Mostly some milliseconds, a few of them hundreds: the same list each time."""
    draw = random.Random(seed)
    return [min(0.5, 0.004 * draw.paretovariate(1.1)) for _ in range(n)]


def naps(name: str, seconds: list[float]) -> Row:
    ideal = max(sum(seconds) / SLOTS, max(seconds))
    sides = {
        IDEAL: lambda: ideal,
        "plain Ray": lambda: timed(ray_naps(seconds), len(seconds)),
        "wfc": lambda: timed(ours("naps", seconds=seconds), len(seconds)),
    }
    even = min(seconds) == max(seconds)

    def met(medians: Medians) -> bool:
        enough = not even or medians[IDEAL] / medians["wfc"] >= 0.97
        return enough and medians["wfc"] <= 1.05 * medians["plain Ray"]

    return Row(
        8,
        f"{name}, {len(seconds)} in all, on {SLOTS} slots",
        "s",
        sides,
        target=("≥ 0.97 of ideal, " if even else "") + "≤ 1.05× plain Ray",
        met=met,
        note=lambda medians: (
            f"{medians[IDEAL] / medians['wfc']:.3f} of ideal, "
            f"{medians['wfc'] / medians['plain Ray']:.3f}× plain Ray"
        ),
    )


def ray_naps(seconds: list[float]) -> Callable[[], Any]:
    import ray

    @ray.remote
    def nap(seconds: float) -> int:
        time.sleep(seconds)
        return 1

    return lambda: sum(ray.get([nap.remote(s) for s in seconds]))
