"""The records of a run, inside a transaction that somebody else has opened and fenced."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from wfc.runtime.journal.rows import Record, decode_row, encode_row, packed
from wfc.runtime.journal.schema import records as table
from wfc.runtime.seal import Sealer, same
from wfc.runtime.storage_errors import CorruptRecord

MERGE_LIMIT = 1024 * 1024
"""Neighbours that were thinned out are merged up to this many bytes."""

_SMALL = 4096  # an untouched neighbour that is smaller is merged with too
_APART = 1000  # numbers further apart are looked for one by one
_SELECT = (
    sa.select(table.c.first, table.c.last, table.c.seal, table.c.blob)
    .where(table.c.run_id == sa.bindparam("run"), table.c.first > sa.bindparam("after"))
    .order_by(table.c.first)
    # A few at a time: a run may be larger than the memory.
    .execution_options(yield_per=16)
)
_INSERT = sa.insert(table)
_EXTENTS = (
    sa.select(table.c.first, table.c.last, table.c.size)
    .where(table.c.run_id == sa.bindparam("run"))
    .where(table.c.first <= sa.bindparam("high"), table.c.first >= sa.bindparam("low"))
    .order_by(table.c.first)
)
_AT = sa.select(sa.func.max(table.c.first)).where(
    table.c.run_id == sa.bindparam("run"), table.c.first <= sa.bindparam("seq")
)
_BEYOND = sa.select(sa.func.min(table.c.first)).where(
    table.c.run_id == sa.bindparam("run"), table.c.first > sa.bindparam("seq")
)
_ONE = sa.select(table.c.last, table.c.seal, table.c.blob).where(
    table.c.run_id == sa.bindparam("run"), table.c.first == sa.bindparam("at")
)
_DELETE = sa.delete(table).where(
    table.c.run_id == sa.bindparam("run"), table.c.first == sa.bindparam("at")
)


@dataclass(frozen=True, slots=True)
class Extent:
    """A row without its blob: the numbers that it covers, and the blob's size in bytes."""

    first: int
    last: int
    size: int


@dataclass(slots=True)
class Log:
    """The records of one run."""

    run_id: str
    sealer: Sealer

    def insert(self, db: Connection, first: int, last: int, records: Sequence[Record]) -> None:
        """Add rows that cover `first` to `last`, and hold these records of it."""
        rows = packed(records) or [[]]
        values = []
        for index, row in enumerate(rows):
            end = last if index == len(rows) - 1 else row[-1].seq
            blob = encode_row(first, row)
            values.append(
                {
                    "run_id": self.run_id,
                    "first": first,
                    "last": end,
                    "size": len(blob),
                    "seal": self._seal(first, end, blob),
                    "blob": blob,
                }
            )
            first = end + 1
        db.execute(_INSERT, values)

    def read(self, db: Connection, next_seq: int) -> Iterator[Record]:
        """All records; raises `CorruptRecord` unless every row up to `next_seq` is what it was."""
        expected = 1
        for first, last, seal, blob in db.execute(_SELECT, {"run": self.run_id, "after": 0}):
            if first != expected:
                raise self._missing(expected, first)
            yield from self._decode(first, last, seal, blob)
            expected = last + 1
        if expected != next_seq:
            raise self._missing(expected, next_seq)

    def delete(self, db: Connection, seqs: Iterable[int]) -> None:
        """Delete records, and merge what is left of their rows with each other and with small
        neighbours, so that the rows do not become many."""
        doomed = sorted(set(seqs))
        touched = self._touched(db, doomed)
        dropped = set(doomed)
        for group in _neighbours(touched):
            kept: list[Record] = []
            for extent in group:
                # A row of which nothing is left need not be read.
                if any(seq not in dropped for seq in range(extent.first, extent.last + 1)):
                    kept += [r for r in self._row(db, extent) if r.seq not in dropped]
            db.execute(_DELETE, [{"run": self.run_id, "at": extent.first} for extent in group])
            first = group[0].first
            cuts = packed(kept, MERGE_LIMIT) or [[]]
            for index, cut in enumerate(cuts):
                last = group[-1].last if index == len(cuts) - 1 else cut[-1].seq
                self.insert(db, first, last, cut)
                first = last + 1

    def _touched(self, db: Connection, doomed: Sequence[int]) -> list[Extent]:
        """The rows that hold these (sorted) numbers, and the small ones right beside them."""
        hits: dict[int, Extent] = {}
        start = 0
        for end in range(1, len(doomed) + 1):
            if end == len(doomed) or doomed[end] - doomed[end - 1] > _APART:
                self._touch(db, doomed[start:end], hits)
                start = end
        return [hits[first] for first in sorted(hits)]

    def _touch(self, db: Connection, doomed: Sequence[int], hits: dict[int, Extent]) -> None:
        holder = self._scalar(db, _AT, doomed[0])
        low = self._scalar(db, _AT, (holder or 1) - 1)
        high = self._scalar(db, _BEYOND, doomed[-1])
        span = {"run": self.run_id, "low": low or 0, "high": high or doomed[-1]}
        rows = [Extent(*row) for row in db.execute(_EXTENTS, span)]
        at = 0
        for index, row in enumerate(rows):
            while at < len(doomed) and doomed[at] < row.first:
                at += 1
            if at < len(doomed) and doomed[at] <= row.last:
                hits[row.first] = row
                for near in (*rows[max(index - 1, 0) : index], *rows[index + 1 : index + 2]):
                    if near.size <= _SMALL:
                        hits[near.first] = near

    def _scalar(self, db: Connection, query: sa.Select[Any], seq: int) -> int | None:
        found = db.execute(query, {"run": self.run_id, "seq": seq}).scalar()
        return None if found is None else int(found)

    def _row(self, db: Connection, extent: Extent) -> list[Record]:
        row = db.execute(_ONE, {"run": self.run_id, "at": extent.first}).one()
        return self._decode(extent.first, row.last, row.seal, row.blob)

    def _decode(self, first: int, last: int, seal: bytes, blob: bytes) -> list[Record]:
        name = f"the row of records {first} to {last} of run {self.run_id}"
        proper = isinstance(first, int) and isinstance(last, int) and first <= last
        if not (proper and isinstance(seal, bytes) and isinstance(blob, bytes)):
            raise CorruptRecord(f"{name} is damaged: a column is not of its type")
        if not same(self._seal(first, last, blob), seal):
            raise CorruptRecord(f"{name} is damaged: its seal does not fit its bytes")
        return decode_row(first, blob, name)

    def _seal(self, first: int, last: int, blob: bytes) -> bytes:
        return self.sealer.record("records", self.run_id, first, last, blob)

    def _missing(self, expected: object, found: object) -> CorruptRecord:
        return CorruptRecord(
            f"records of run {self.run_id} are missing or out of place: "
            f"record {found} stands where record {expected} should"
        )


def _neighbours(extents: Iterable[Extent]) -> Iterator[list[Extent]]:
    """The rows in groups that cover numbers without a gap."""
    group: list[Extent] = []
    for extent in extents:
        if group and extent.first != group[-1].last + 1:
            yield group
            group = []
        group.append(extent)
    if group:
        yield group
