"""A journal in memory, which loses what was not synced when its process dies."""

from __future__ import annotations

from typing import Any

from tests.oracle.source import Source
from wfc.runtime.coordinator import RECORDS as CODEC
from wfc.runtime.engine import records
from wfc.runtime.values import MISSING, Inline


class DiskFullError(Exception):
    """A write failed."""


class FencedError(Exception):
    """Somebody else owns the run by now."""


class FakeJournal:
    """Records as bytes: the durable ones, and those of the group that is not committed yet.

    What a hop makes obsolete is dropped in the commit that makes the hop durable, as the
    coordinator has it.
    """

    def __init__(self) -> None:
        self.durable: dict[int, bytes] = {}
        self.waiting: dict[int, bytes] = {}
        self.doomed: list[int] = []
        self.epoch = 0
        self.next_seq = 1
        self.fail_next = False
        self.dropped = 0
        self._start_over()

    def _start_over(self) -> None:
        self.superseded: list[int] = []
        self.hops: dict[tuple[str, str, int, str], int] = {}

    def append(self, record: Any, entry: str) -> None:
        """Add a record to the group."""
        seq = self.next_seq
        self.next_seq += 1
        self.waiting[seq] = CODEC.pack(record)
        if isinstance(record, records.Hopped):
            self._supersede(record, seq, entry)
        elif not isinstance(record, (records.Signalled, records.Began)):
            self.superseded.append(seq)

    def _supersede(self, record: records.Hopped, seq: int, entry: str) -> None:
        values = record.state.args.values()
        if any(v.peek(b"Pending") is not MISSING for v in values if isinstance(v, Inline)):
            self.superseded.append(seq)
            return
        if record.path == entry and not record.node and not record.frame:
            self.doomed += self.superseded
            self.superseded = [seq]
            self.hops.clear()
            return
        key = (record.path, record.node, record.index, record.frame)
        before = self.hops.get(key)
        if before is not None:
            self.doomed.append(before)
            if before in self.superseded:
                self.superseded.remove(before)
        self.hops[key] = seq
        self.superseded.append(seq)

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
        for seq in self.doomed:
            self.dropped += self.durable.pop(seq, None) is not None
        self.doomed = []

    def crash(self, source: Source, entry: str) -> None:
        """The process dies: the group may have reached the disk, all of it or not at all."""
        self.fail_next = False
        if self.waiting and source.below(2):
            self.commit(self.epoch)
        self.waiting, self.doomed = {}, []
        self._start_over()
        for seq, record in self.read():
            if isinstance(record, records.Hopped) and record.path == entry and not record.node:
                self.superseded.clear()
            if not isinstance(record, (records.Signalled, records.Began)):
                self.superseded.append(seq)

    def read(self) -> list[tuple[int, Any]]:
        """All durable records, made anew, with their numbers."""
        return [(seq, CODEC.unpack(data)) for seq, data in sorted(self.durable.items())]

    def since(self, seq: int) -> list[Any]:
        """Durable records with higher numbers."""
        return [CODEC.unpack(data) for at, data in sorted(self.durable.items()) if at > seq]
