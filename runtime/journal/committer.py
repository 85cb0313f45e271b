"""Group commit: one transaction for all that came in since the last one."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from wfc.runtime.journal.core import Journal
from wfc.runtime.journal.model import Lease, Tick
from wfc.runtime.journal.notes import Printed
from wfc.runtime.journal.rows import Record
from wfc.runtime.storage_errors import StorageError

_SAMPLES = 4096


@dataclass(frozen=True, slots=True)
class CommitStats:
    """How commits went. A record's window is the time from `submit` to durable; `p50` and `p99` in
    seconds are of the oldest record of each of the last few thousand commits."""

    commits: int
    records: int
    bytes: int
    p50: float
    p99: float


@dataclass(slots=True)
class _Batch:
    records: list[Record] = field(default_factory=list)
    count: int = 0
    size: int = 0
    since: float = 0.0
    delivered: dict[str, int] = field(default_factory=dict)
    printed: list[Printed] = field(default_factory=list)
    moment: str | None = None


class GroupCommitter:
    """The one writer of a run's records: a thread that commits what came in since the last commit.

    `window` is how long, in seconds, it lets records gather; `wait` and `urgent` cut that short.
    `limit` is how many bytes may wait before `submit` blocks. Old records are deleted when
    `drop_every` of them are to go. The lease is renewed in time, and `on_tick` is called from the
    thread with what the journal tells, after each commit and at least every `peek` seconds.

    Once anything fails, nothing more is written, and each call raises the `StorageError`.
    """

    def __init__(
        self,
        journal: Journal,
        lease: Lease,
        *,
        window: float = 0.002,
        limit: int = 64 * 1024 * 1024,
        drop_every: int = 256,
        peek: float = 0.25,
        on_tick: Callable[[Tick], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._journal = journal
        self._lease = lease
        self._window = window
        self._limit = limit
        self._drop_every = drop_every
        self._peek = peek
        self._on_tick = on_tick
        self._clock = clock
        self._changed = threading.Condition()
        self._batch = _Batch()
        self._pending = 0  # bytes that are submitted and not yet durable
        self._next = lease.next_seq
        self._synced = lease.next_seq - 1
        self._urgent = False
        self._closing = False
        self._error: StorageError | None = None
        self._drops: set[int] = set()
        self._tick = Tick(lease.next_seq, False, 0)
        self._written = clock()
        self._windows: deque[float] = deque(maxlen=_SAMPLES)
        self._commits = self._records = self._bytes = 0
        self._thread = threading.Thread(target=self._run, name="wfc-commit", daemon=True)
        self._thread.start()

    # ------------------------------------------------------------------------- for the owner

    @property
    def synced_seq(self) -> int:
        """All records up to this number are durable."""
        return self._synced

    @property
    def next_seq(self) -> int:
        """The number that the next record will get."""
        return self._next

    @property
    def tick(self) -> Tick:
        """What the journal told last."""
        return self._tick

    def submit(
        self,
        kind: str,
        data: bytes,
        *,
        urgent: bool = False,
        delivers: str | None = None,
        drops: Iterable[int] = (),
    ) -> int:
        """Hand over a record; gives its number. Blocks while too many bytes wait.

        `delivers` is the id of the signal that the record takes up, `drops` are the numbers of
        records that it supersedes (see `drop`). Raises the `StorageError` that stopped the commits.
        """
        with self._changed:
            self._check()
            if self._closing:
                raise RuntimeError("the committer is closed")
            while self._pending and self._pending + len(data) > self._limit:
                self._urgent = True
                self._changed.notify_all()
                self._changed.wait()
                self._check()
            batch = self._batch
            seq = self._next
            self._next = seq + 1
            batch.records.append(Record(seq, kind, data))
            batch.size += len(data)
            self._pending += len(data)
            batch.count += 1
            if delivers is not None:
                batch.delivered[delivers] = seq
            if drops:
                self._drops.update(drops)
            if batch.count == 1:
                batch.since = self._clock()
                self._changed.notify_all()
            if urgent and not self._urgent:
                self._urgent = True
                self._changed.notify_all()
            return seq

    def print(self, printed: Printed) -> None:
        """Keep what a task printed, with the records or a little later. It never blocks, and what
        the next commit does not take is lost with the process."""
        with self._changed:
            self._check()
            self._batch.printed.append(printed)
            self._batch.size += len(printed.text)
            self._pending += len(printed.text)

    def tell(self, moment: str) -> None:
        """Let others read how the run stands now: with the next commit, or a little later."""
        with self._changed:
            self._check()
            self._batch.moment = moment

    def would_block(self, size: int) -> bool:
        """Whether `submit` of so many bytes would block now."""
        return self._pending > 0 and self._pending + size > self._limit

    def drop(self, seqs: Iterable[int]) -> None:
        """Let records be deleted that later ones, submitted already, have superseded: in the same
        transaction as those, or later."""
        with self._changed:
            self._check()
            self._drops.update(seqs)

    def wait(self, seq: int | None = None, timeout: float | None = None) -> bool:
        """Wait until a record (or all that were submitted) is durable; false after `timeout`
        seconds. Raises the `StorageError` that stopped the commits."""
        deadline = None if timeout is None else time.monotonic() + timeout
        with self._changed:
            target = self._next - 1 if seq is None else seq
            while self._synced < target:
                self._check()
                self._urgent = True
                self._changed.notify_all()
                left = None if deadline is None else deadline - time.monotonic()
                if left is not None and left <= 0:
                    return False
                self._changed.wait(left)
            return True

    def close(self, *, flush: bool = True) -> None:
        """Stop the thread; with `flush` all that was submitted is durable then, or this raises.

        The lease stays: `finish` or `release` it. Idempotent.
        """
        with self._changed:
            self._closing = True
            if not flush:
                self._batch = _Batch()
                self._drops.clear()
            self._changed.notify_all()
        if threading.current_thread() is not self._thread:
            self._thread.join()
        if flush:
            self._check()

    def stats(self) -> CommitStats:
        """Figures up to now."""
        with self._changed:
            windows = sorted(self._windows) or [0.0]
            p50, p99 = (windows[int((len(windows) - 1) * share)] for share in (0.5, 0.99))
            return CommitStats(self._commits, self._records, self._bytes, p50, p99)

    # ------------------------------------------------------------------------- in the thread

    def _check(self) -> None:
        if self._error is not None:
            # A new object each time: a raised one would gather tracebacks.
            raise type(self._error)(*self._error.args) from self._error

    def _run(self) -> None:
        try:
            while self._step():
                pass
        except StorageError as error:
            self._fail(error)
        except BaseException as error:
            failure = StorageError(f"committing to {self._journal.place} failed: {error!r}")
            failure.__cause__ = error
            self._fail(failure)

    def _fail(self, error: StorageError) -> None:
        with self._changed:
            self._error = error
            self._changed.notify_all()
        if self._on_tick is not None:
            self._on_tick(self._tick)  # wake the owner: its next call tells

    def _step(self) -> bool:
        with self._changed:
            self._gather()
            batch, self._batch = self._batch, _Batch()
            self._urgent = False
            drops = self._due_drops(batch)
            closing = self._closing
        if batch.count or drops or batch.printed or batch.moment is not None:
            self._commit(batch, drops)
        elif not closing:
            self._look()
        if self._on_tick is not None:
            self._on_tick(self._tick)
        return not (closing and not self._batch.count)

    def _gather(self) -> None:
        """Wait for records, then for the window to end; or for the time to look for news."""
        idle = self._clock() + min(self._peek, self._lease.ttl / 3)
        while not self._closing:
            if self._batch.count:
                left = self._batch.since + self._window - self._clock()
                if self._urgent or left <= 0:
                    return
            else:
                left = idle - self._clock()
                if left <= 0 or len(self._drops) >= self._drop_every:
                    return
            self._changed.wait(left)

    def _due_drops(self, batch: _Batch) -> list[int]:
        """Records that were superseded before they were written are not written at all; the others
        go when there are enough of them."""
        if not self._drops:
            return []
        doomed = self._drops
        if batch.count:
            kept = [record for record in batch.records if record.seq not in doomed]
            if len(kept) < len(batch.records):
                doomed.difference_update(record.seq for record in batch.records)
                batch.records = kept
        if len(doomed) < self._drop_every and not self._closing:
            return []
        self._drops = set()
        return list(doomed)

    def _commit(self, batch: _Batch, drops: list[int]) -> None:
        first = self._synced + 1
        tick = self._journal.commit(
            self._lease,
            first,
            batch.count,
            batch.records,
            drop=drops,
            delivered=batch.delivered,
            printed=batch.printed,
            moment=batch.moment,
        )
        now = self._clock()
        with self._changed:
            self._tick = tick
            self._written = now
            self._synced += batch.count
            self._pending -= batch.size
            self._commits += 1
            self._records += batch.count
            self._bytes += batch.size
            if batch.count:
                self._windows.append(now - batch.since)
            self._changed.notify_all()

    def _look(self) -> None:
        if self._clock() - self._written >= self._lease.ttl / 3:
            self._tick = self._journal.renew(self._lease)
            self._written = self._clock()
        else:
            self._tick = self._journal.peek(self._lease)
