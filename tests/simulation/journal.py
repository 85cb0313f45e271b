"""A journal in memory, which loses what was not synced when its process dies."""

from __future__ import annotations

from typing import Any

from tests.oracle.source import Source
from wfc.runtime.engine import records
from wfc.runtime.journal.packing import RecordCodec

CODEC = RecordCodec(records.Record.__args__)


class DiskFullError(Exception):
    """A write failed."""


class FakeJournal:
    """Records as bytes: the durable ones, and those of the group that is not committed yet."""

    def __init__(self) -> None:
        self.durable: list[bytes] = []
        self.waiting: list[bytes] = []
        self.fail_next = False

    def append(self, record: Any) -> None:
        """Add a record to the group."""
        self.waiting.append(CODEC.pack(record))

    def commit(self) -> None:
        """Make the group durable; or raise, and nothing is."""
        if self.fail_next and self.waiting:
            self.fail_next = False
            raise DiskFullError
        self.durable += self.waiting
        self.waiting = []

    def crash(self, source: Source) -> None:
        """The process dies: the group may have reached the disk, all of it or not at all."""
        if self.waiting and source.below(2):
            self.durable += self.waiting
        self.waiting = []
        self.fail_next = False

    def read(self) -> list[Any]:
        """All durable records, made anew."""
        return [CODEC.unpack(data) for data in self.durable]
