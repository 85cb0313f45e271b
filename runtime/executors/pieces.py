"""Slices of works, and the way back from a slice's reports to the work's offsets. Pure."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import replace
from typing import TypeVar

from wfc.runtime.values import Chunk, Column, Inline, Rows, Value
from wfc.runtime.work import Done, HomeLost, Report, ValueLost, Work

HEAVY = 32 * 1024
"""Bytes from which an environment or a column is not copied about."""

_Entry = TypeVar("_Entry")


class Slicer:
    """Cuts one work into pieces. Keeps only where its chunks start, nothing per element.

    With `bare` the pieces of a work with a `heavy` environment come without it.
    """

    __slots__ = ("_starts", "heavy", "size", "work")

    def __init__(self, work: Work, *, bare: bool = False) -> None:
        self.work = work
        self.size = len(work.indices)
        # Many pieces with a large environment: it is sent once to a process, not with each piece.
        self.heavy = bare and self.size > 1 and work.home is None and _bytes(work.env) > HEAVY
        self._starts: list[int] = []
        if work.items is not None:
            at = 0
            for chunk in work.items.chunks:
                self._starts.append(at)
                at += length(chunk)
            if at != self.size:
                raise ValueError(f"work {work.id} has {self.size} indices and {at} items")

    def cut(self, start: int, stop: int) -> Work:
        """The elements from `start` to `stop` as a work of their own, with offsets from 0."""
        work = self.work
        if start == 0 and stop == self.size and not self.heavy:
            return work
        return replace(
            work,
            env={} if self.heavy else work.env,
            indices=work.indices[start:stop],
            items=self._rows(start, stop),
            known=_shift(work.known, start, stop),
            failures=_shift(work.failures, start, stop),
        )

    def weight(self, start: int) -> float:
        """Bytes that an element near `start` adds to a message, roughly."""
        if not self._starts or self.work.items is None:
            return 0.0
        at = bisect_right(self._starts, start) - 1
        chunk = self.work.items.chunks[at]
        if isinstance(chunk, Column):
            return 0.0 if chunk._data is None or not chunk.count else len(chunk.data) / chunk.count
        value = chunk[start - self._starts[at]]
        if isinstance(value, Inline):
            return 64.0 if value._data is None else float(len(value._data))
        return 256.0

    def _rows(self, start: int, stop: int) -> Rows | None:
        if self.work.items is None:
            return None
        chunks = self.work.items.chunks
        out: list[Chunk] = []
        at = bisect_right(self._starts, start) - 1
        while at < len(chunks) and self._starts[at] < stop:
            base = self._starts[at]
            out.append(_part(chunks[at], max(start - base, 0), stop - base))
            at += 1
        return Rows([chunk for chunk in out if length(chunk)])


def _bytes(env: dict[str, Value]) -> int:
    """How much an environment adds to a message, roughly."""
    total = 0
    for value in env.values():
        if isinstance(value, Inline):
            total += 64 if value._data is None else len(value._data)
        elif isinstance(value, Rows):
            for chunk in value.chunks:
                if isinstance(chunk, Column):
                    total += 8 * chunk.count if chunk._data is None else len(chunk._data)
                else:
                    total += 128 * len(chunk)
        else:
            total += 128
    return total


def merge(reports: list[Report]) -> list[Report]:
    """Neighbouring completions of one work as one report: each costs its receivers something."""
    out: list[Report] = []
    for report in reports:
        last = out[-1] if out else None
        if isinstance(report, Done) and isinstance(last, Done) and _follows(last, report):
            out[-1] = _joined(last, report)
        else:
            out.append(report)
    return out


def _follows(last: Done, report: Done) -> bool:
    return (
        last.work == report.work
        and last.start + last.count == report.start
        and last.columns.keys() == report.columns.keys()
        and all(
            isinstance(chunk, Column) and len(chunk.data) < HEAVY
            for done in (last, report)
            for chunk in done.columns.values()
        )
    )


def _joined(last: Done, report: Done) -> Done:
    columns: dict[str, Chunk] = {}
    for name, chunk in last.columns.items():
        other = report.columns[name]
        assert isinstance(chunk, Column)
        assert isinstance(other, Column)
        columns[name] = Column(None, chunk.count + other.count, [*chunk.load(), *other.load()])
    meta = replace(last.meta, seconds=last.meta.seconds + report.meta.seconds)
    return Done(last.work, last.start, last.count + report.count, columns, meta)


def length(chunk: Chunk) -> int:
    """How many elements a chunk holds."""
    return chunk.count if isinstance(chunk, Column) else len(chunk)


def _part(chunk: Chunk, start: int, stop: int) -> Chunk:
    if start == 0 and stop >= length(chunk):
        return chunk
    if not isinstance(chunk, Column):
        return chunk[start:stop]
    items = chunk.load()[start:stop]
    return Column(None, len(items), items)


def _shift(table: dict[int, _Entry], start: int, stop: int) -> dict[int, _Entry]:
    if not table:
        return table
    if len(table) > stop - start:
        return {at - start: table[at] for at in range(start, stop) if at in table}
    return {at - start: entry for at, entry in table.items() if start <= at < stop}


def rebase(report: Report, base: int) -> Report:
    """The report of a piece that began at `base`, as one of the whole work."""
    if not base or isinstance(report, HomeLost | ValueLost):
        return report
    if isinstance(report, Done):
        return replace(report, start=report.start + base)
    return replace(report, offset=report.offset + base)


def narrow(report: Done, start: int, stop: int) -> Done:
    """The elements `start` to `stop` (counted within the report) of a report alone."""
    return replace(
        report,
        start=report.start + start,
        count=stop - start,
        columns={name: _part(chunk, start, stop) for name, chunk in report.columns.items()},
    )
