"""The results of fan-outs in columns, and values as they are journaled."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from wfc.runtime.values import (
    HOLLOW,
    MISSING,
    Bound,
    Caught,
    Chunk,
    Column,
    Inline,
    Pairs,
    Part,
    Rows,
    Transient,
    Value,
    Waited,
)


class Segments:
    """One column of a fan-out: chunks of results in any order of arrival, read by index."""

    __slots__ = ("chunks", "sorted", "starts")

    def __init__(self) -> None:
        self.starts: list[int] = []
        self.chunks: list[tuple[int, int, Chunk | int]] = []
        self.sorted = True

    def add(self, start: int, count: int, chunk: Chunk | int) -> None:
        """Put `count` results of the elements from `start` on (a number: they are not kept)."""
        if self.chunks and start < self.chunks[-1][0]:
            self.sorted = False
        self.chunks.append((start, count, chunk))

    def _order(self) -> None:
        if not self.sorted or len(self.starts) != len(self.chunks):
            self.chunks.sort(key=lambda c: c[0])
            self.starts = [c[0] for c in self.chunks]
            self.sorted = True

    def get(self, index: int) -> Value:
        """The value of one element; `HOLLOW` while it is (or has to be) made again."""
        self._order()
        place = bisect_right(self.starts, index) - 1
        if place < 0:
            return HOLLOW
        start, count, chunk = self.chunks[place]
        if isinstance(chunk, int) or index >= start + count:
            return HOLLOW
        if isinstance(chunk, Column):
            return boxed(chunk.load()[index - start])
        return chunk[index - start]

    def rows(self) -> Rows:
        """All of them, in order."""
        self._order()
        out: list[Chunk] = []
        for _start, count, chunk in self.chunks:
            out.append([HOLLOW] * count if isinstance(chunk, int) else chunk)
        return Rows(out)

    def forget(self, indices: Iterable[int]) -> None:
        """Drop the values of these elements (they will be made again)."""
        gone = set(indices)
        self._order()
        kept: list[tuple[int, int, Chunk | int]] = []
        for start, count, chunk in self.chunks:
            if not any(i in gone for i in range(start, start + count)):
                kept.append((start, count, chunk))
                continue
            items: list[Value]
            if isinstance(chunk, int):
                items = [HOLLOW] * chunk
            elif isinstance(chunk, Column):
                items = [boxed(o) for o in chunk.load()]
            else:
                items = list(chunk)
            for i, item in enumerate(items, start):
                if i not in gone:
                    kept.append((i, 1, [item]))
        self.chunks = kept
        self.starts = []


def boxed(obj: Any) -> Inline:
    """An object of a column as a value; `MISSING` (no such result) is one of its own."""
    return Inline(data=Inline.encode(MISSING)) if obj is MISSING else Inline(obj=obj)


def kept(chunk: Chunk | int, keep: bool) -> Chunk | int:
    """A column as it is journaled: without what is not to be kept or cannot outlive the process."""
    if isinstance(chunk, int):
        return chunk
    if isinstance(chunk, Column):
        return chunk if keep else chunk.count
    if not keep:
        return len(chunk)
    return [durable(v) for v in chunk]


def durable(value: Value) -> Any:
    """A value as it is journaled: one of the same kind, or `HOLLOW`."""
    if isinstance(value, Transient | Bound):
        return HOLLOW
    if isinstance(value, Rows) and any(not isinstance(c, Column) for c in value.chunks):
        return Rows([c if isinstance(c, Column) else [durable(v) for v in c] for c in value.chunks])
    if isinstance(value, Pairs):
        return Pairs(durable(value.rows))
    if isinstance(value, Waited):
        return Waited(durable(value.ready), value.pending, value.failed, value.timed_out)
    if isinstance(value, Caught):
        return Caught(durable(value.value))
    if isinstance(value, Part):
        return Part(durable(value.value), value.index, value.count)
    return value


def runs(indices: Sequence[int]) -> Iterator[tuple[int, int, int]]:
    """Runs of consecutive numbers: offset, first number, length."""
    if isinstance(indices, range) and indices.step == 1:
        if len(indices):
            yield 0, indices.start, len(indices)
        return
    at = 0
    while at < len(indices):
        end = at + 1
        while end < len(indices) and indices[end] == indices[end - 1] + 1:
            end += 1
        yield at, indices[at], end - at
        at = end


def cut(chunk: Chunk | int, start: int, count: int) -> Chunk | int:
    """A part of a column."""
    if isinstance(chunk, int):
        return count
    if isinstance(chunk, Column):
        if start == 0 and count == chunk.count:
            return chunk
        return Column(None, count, chunk.load()[start : start + count])
    return chunk[start : start + count]
