"""How records stand in the journal: many in one row, a row for each commit.

A row covers the sequence numbers `first` to `last` without a gap, and holds those of its records
that were not deleted since. So all rows of a run, one after the other, cover every number that was
ever given out: one that is missing shows.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from wfc.runtime.storage_errors import CorruptRecord

ROW_LIMIT = 8 * 1024 * 1024
"""A row takes no more records when it has so many bytes (a single record may be larger)."""

RECORD_LIMIT = 512 * 1024 * 1024
"""The largest record in bytes: databases end at a gigabyte a row."""

_VERSION = 1
_HEAD = struct.Struct("<BBI")  # version, how many kinds, how many records


@dataclass(frozen=True, slots=True)
class Record:
    """One record: its number (from 1, in order), its kind, and bytes that the journal never reads."""

    seq: int
    kind: str
    data: bytes


def encode_row(first: int, records: Sequence[Record]) -> bytes:
    """The bytes of a row that starts at `first`; the records are in order. A row has at most 255
    kinds, of 1 to 255 ASCII characters."""
    kinds: dict[str, int] = {}
    numbers = [kinds.setdefault(record.kind, len(kinds)) for record in records]
    count = len(records)
    parts = [_HEAD.pack(_VERSION, len(kinds), count)]
    for kind in kinds:
        name = kind.encode("ascii")
        parts += (bytes((len(name),)), name)
    parts.append(struct.pack(f"<{count}I", *[record.seq - first for record in records]))
    parts.append(struct.pack(f"<{count}I", *[len(record.data) for record in records]))
    parts.append(bytes(numbers))
    parts += [record.data for record in records]
    return b"".join(parts)


def decode_row(first: int, blob: bytes, name: str) -> list[Record]:
    """The records of a row whose seal was checked; `name` says which one it is in messages.

    Raises `CorruptRecord` for a format of a later version.
    """
    version, kind_count, count = _HEAD.unpack_from(blob)
    if version != _VERSION:
        raise CorruptRecord(f"{name} has format {version}, which this version does not know")
    at = _HEAD.size
    kinds: list[str] = []
    for _ in range(kind_count):
        end = at + 1 + blob[at]
        kinds.append(blob[at + 1 : end].decode("ascii"))
        at = end
    offsets = struct.unpack_from(f"<{count}I", blob, at)
    sizes = struct.unpack_from(f"<{count}I", blob, at + 4 * count)
    at += 8 * count
    numbers = blob[at : at + count]
    at += count
    records: list[Record] = []
    for offset, size, number in zip(offsets, sizes, numbers, strict=True):
        records.append(Record(first + offset, kinds[number], blob[at : at + size]))
        at += size
    return records


def packed(records: Iterable[Record], limit: int = ROW_LIMIT) -> list[list[Record]]:
    """Records in order, cut into rows."""
    rows: list[list[Record]] = []
    room = 0
    for record in records:
        if room <= 0:
            rows.append([])
            room = limit
        rows[-1].append(record)
        room -= len(record.data) + 16
    return rows
