"""A journal in memory, which loses what was not synced when its process dies."""

from __future__ import annotations

from typing import Any

from tests.oracle.source import Source
from wfc.runtime.coordinator import RECORDS as CODEC
from wfc.runtime.engine import Compaction


class DiskFullError(Exception):
    """A write failed."""


class FencedError(Exception):
    """Somebody else owns the run by now."""


class FakeJournal:
    """Records as bytes: the durable ones, and those of the group that is not committed yet.

    What a hop makes obsolete is dropped in the commit that makes the hop durable or a later one, as
    the coordinator has it: when there are `drop_every` such records.
    """

    def __init__(self, entry: str, drop_every: int = 1) -> None:
        self.drop_every = drop_every
        self.durable: dict[int, bytes] = {}
        self.waiting: dict[int, bytes] = {}
        self.doomed: list[int] = []
        self.epoch = 0
        self.next_seq = 1
        self.fail_next = False
        self.dropped = 0
        self.entry = entry
        self.compaction = Compaction(entry)

    def append(self, record: Any) -> None:
        """Add a record to the group."""
        seq = self.next_seq
        self.next_seq += 1
        self.waiting[seq] = CODEC.pack(record)
        self.doomed += self.compaction.add(seq, record)

    def acquire(self) -> int:
        """A new owner; what earlier ones try to commit is refused from here on."""
        self.epoch += 1
        return self.epoch

    def commit(self, epoch: int) -> None:
        """Make the group durable; or raise, and nothing is."""
        if epoch != self.epoch:
            raise FencedError
        if self.fail_next and self.waiting:
            self.fail_next = False
            raise DiskFullError
        self.durable |= self.waiting
        self.waiting = {}
        if len(self.doomed) >= self.drop_every:
            for seq in self.doomed:
                self.dropped += self.durable.pop(seq, None) is not None
            self.doomed = []

    def crash(self, source: Source) -> None:
        """The process dies: the group may have reached the disk, all of it or not at all."""
        self.fail_next = False
        if self.waiting and source.below(2):
            self.commit(self.epoch)
        self.waiting, self.doomed = {}, []
        self.compaction = Compaction(self.entry)
        for seq, record in self.read():
            self.doomed += self.compaction.add(seq, record)

    def read(self) -> list[tuple[int, Any]]:
        """All durable records, made anew, with their numbers."""
        return [(seq, CODEC.unpack(data)) for seq, data in sorted(self.durable.items())]

    def since(self, seq: int) -> list[Any]:
        """Durable records with higher numbers."""
        return [CODEC.unpack(data) for at, data in sorted(self.durable.items()) if at > seq]
