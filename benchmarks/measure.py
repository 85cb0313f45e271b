"""Rows, how they are measured, and how they are printed.

A row has sides: the floor (or several), and ours. Each gives one figure per run. The sides take
turns, so that what disturbs the machine disturbs all of them; the median counts, and the smallest and
largest figure are shown beside it.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Side = Callable[[], float]
Medians = Mapping[str, float]


@dataclass(frozen=True)
class Row:
    """`sides` by name, in `unit`; `met` tells of the medians whether the target is met, and `note`
    puts them into a few words. `runs` limits how often a slow row is run."""

    number: int
    work: str
    unit: str
    sides: Mapping[str, Side]
    target: str = ""
    met: Callable[[Medians], bool] | None = None
    note: Callable[[Medians], str] | None = None
    runs: int | None = None
    warm: bool = True


Makers = Iterator[tuple[int, Callable[[], Row]]]
"""Rows that can be made, by their numbers: a row that nobody asks for costs nothing."""


@dataclass
class Found:
    """What was measured: all figures of each side."""

    row: Row
    figures: dict[str, list[float]] = field(default_factory=dict)

    @property
    def medians(self) -> dict[str, float]:
        return {name: statistics.median(seen) for name, seen in self.figures.items()}

    def as_json(self) -> dict[str, Any]:
        row, medians = self.row, self.medians
        return {
            "row": row.number,
            "work": row.work,
            "unit": row.unit,
            "sides": {
                name: {"median": medians[name], "least": min(seen), "most": max(seen), "runs": seen}
                for name, seen in self.figures.items()
            },
            "note": row.note(medians) if row.note else "",
            "target": row.target,
            "met": row.met(medians) if row.met else None,
        }


def measure(row: Row, runs: int) -> Found:
    """Run the sides of a row in turn. The first turn only warms up, where that makes sense."""
    found = Found(row, {name: [] for name in row.sides})
    turns = min(runs, row.runs or runs)
    for turn in range(turns + row.warm):
        for name, side in row.sides.items():
            figure = side()
            if turn >= row.warm:
                found.figures[name].append(figure)
    return found


def rate(amount: float, run: Callable[[], Any], expected: Any) -> Side:
    """A side that gives work per second."""

    def side() -> float:
        return amount / timed(run, expected)

    return side


def timed(run: Callable[[], Any], expected: Any) -> float:
    """Seconds that it takes; ends the program when the result is another one than expected."""
    start = time.perf_counter()
    result = run()
    seconds = time.perf_counter() - start
    tidy()
    if result != expected:
        raise SystemExit(f"a benchmark gave {result!r}, not {expected!r}")
    return seconds


_folders: list[tempfile.TemporaryDirectory[str]] = []


def fresh() -> str:
    """A folder of one's own. It goes once the clock has stopped: to delete is not what is measured."""
    _folders.append(tempfile.TemporaryDirectory(prefix="wfc-bench-"))
    return _folders[-1].name


def tidy() -> None:
    """Delete what `fresh` gave."""
    while _folders:
        _folders.pop().cleanup()


def times(factor: float, of: str, ours: str = "wfc") -> dict[str, Any]:
    """The target, its test and its note: ours is at least `factor` times the side `of`."""
    return {
        "target": f"≥ {factor:g}× {of}",
        "met": lambda medians: medians[ours] >= factor * medians[of],
        "note": lambda medians: f"{medians[ours] / medians[of]:.2f}× {of}",
    }


def text(found: Found, judge: bool = True) -> str:
    """The row as it is printed: a line per side, then what it comes to and (with `judge`) whether
    the target is met."""
    row, medians = found.row, found.medians
    lines = [f"{row.number:>2}  {row.work}"]
    for name, seen in found.figures.items():
        spread = f"({shown(min(seen))} - {shown(max(seen))})" if min(seen) != max(seen) else ""
        lines.append(f"      {name:<34}{shown(medians[name]):>12} {row.unit:<6} {spread}".rstrip())
    said = [row.note(medians)] if row.note else []
    if judge and row.met is not None:
        said.append(f"target {row.target}: {'met' if row.met(medians) else 'MISSED'}")
    if said:
        lines.append(f"      → {'; '.join(said)}")
    return "\n".join(lines)


def shown(figure: float) -> str:
    """Three digits that count."""
    if figure >= 100:
        return f"{figure:,.0f}"
    return f"{figure:.3g}"
