"""The journal: the runs of a store, who owns each, their records and their signals."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection

from wfc.dsl.suggest import nearest
from wfc.runtime.files import nothing
from wfc.runtime.journal import inbox, lease, notes, schema
from wfc.runtime.journal.database import Database
from wfc.runtime.journal.entries import (
    check_meta,
    get_blob,
    own_name,
    put_blob,
    run_info,
    run_seal,
    storable,
)
from wfc.runtime.journal.log import Log
from wfc.runtime.journal.model import (
    ENDED,
    RUNNING,
    Definition,
    Lease,
    RunInfo,
    Signal,
    Status,
    Tick,
)
from wfc.runtime.journal.notes import Printed
from wfc.runtime.journal.owner import Owner
from wfc.runtime.journal.rows import RECORD_LIMIT, Record
from wfc.runtime.names import check_name
from wfc.runtime.seal import Sealer
from wfc.runtime.storage_errors import (
    CorruptRecord,
    RunExists,
    RunOver,
    StaleLease,
    StorageError,
    UnknownRun,
)

_RUNS = schema.runs


class Journal:
    """All methods raise `StorageError` (or one of its kinds), check names before they do anything,
    and may be called by several threads and processes at once.

    `clock` gives seconds since the epoch. `failpoint` is called with each name of `FAILPOINTS` on
    the way of a write. Both are for tests.
    """

    FAILPOINTS = (
        "create.inserted",
        "create.committed",
        "acquire.updated",
        "acquire.committed",
        "append.fenced",
        "append.inserted",
        "append.deleted",
        "append.delivered",
        "append.committed",
        "finish.updated",
        "finish.committed",
        "signal.inserted",
        "signal.committed",
        "delete.deleted",
        "delete.committed",
    )

    def __init__(
        self,
        database: Database,
        sealer: Sealer,
        *,
        clock: Callable[[], float] = time.time,
        failpoint: Callable[[str], None] = nothing,
    ) -> None:
        self.database = database
        self._sealer = sealer
        self._clock = clock
        self._failpoint = failpoint
        self._has_notes = False

    @classmethod
    def open(
        cls,
        url: str | URL,
        key: bytes,
        *,
        create: bool = True,
        clock: Callable[[], float] = time.time,
        failpoint: Callable[[str], None] = nothing,
    ) -> Journal:
        """The journal at a database's URL, sealed with a key of 32 bytes.

        Raises `WrongKey`, `StoreTooNew`, or `StorageError` when there is none (and `create` is
        false) or it cannot be reached.
        """
        database = Database(url, create=create)
        sealer = Sealer(key)
        try:
            check_meta(database, sealer, create)
        except BaseException:
            database.close()
            raise
        return cls(database, sealer, clock=clock, failpoint=failpoint)

    @property
    def place(self) -> str:
        """The path, or the URL without its password: for messages."""
        return self.database.place

    def name(self) -> str:
        """A name that no other journal has: the same one for good."""
        return own_name(self.database)

    def close(self) -> None:
        """Close the connections. Idempotent."""
        self.database.close()

    # ----------------------------------------------------------------------------------- runs

    def create_run(self, run_id: str, definition: Definition) -> None:
        """Add a run that nobody owns yet; raises `RunExists`."""
        check_name(run_id, "run")
        now = self._clock()
        run = {
            "run_id": run_id,
            "entry": definition.entry,
            "created": now,
            "status": RUNNING,
            "error": "",
            "finished": None,
        }
        with self.database.write() as db:
            others = {"updated": now, "epoch": 0, "next_seq": 1, "signals": 0}
            try:
                db.execute(sa.insert(_RUNS), {**run, **others, "seal": run_seal(self._sealer, run)})
            except sa.exc.IntegrityError as error:
                raise RunExists(f"there is a run {run_id} in {self.place} already") from error
            put_blob(db, self._sealer, schema.definitions, run_id, definition.to_bytes())
            self._failpoint("create.inserted")
        self._failpoint("create.committed")

    def rewrite(
        self, held: Lease, definition: Definition, records: Sequence[tuple[str, bytes]]
    ) -> Tick:
        """Put another definition and other records (kind and bytes) in place of a run's, in one
        transaction: what still holds when it is redone with changed code. Raises `StaleLease`."""
        _check_sizes(records)
        log = Log(held.run_id, self._sealer)
        with self.database.write() as db:
            info = self._sound(db, held.run_id)
            doomed = [record.seq for record in log.read(db, info.next_seq)]
            tick = lease.advance(db, held, len(records), self._clock())
            first = tick.next_seq - len(records)
            if records:
                made = [Record(first + i, kind, data) for i, (kind, data) in enumerate(records)]
                log.insert(db, first, tick.next_seq - 1, made)
            log.delete(db, doomed)
            put_blob(db, self._sealer, schema.definitions, held.run_id, definition.to_bytes())
        return tick

    def definition(self, run_id: str) -> Definition:
        """What a run was made from."""
        check_name(run_id, "run")
        with self.database.read() as db:
            self._row(db, run_id)
            found = get_blob(db, self._sealer, schema.definitions, run_id)
        if found is None:
            raise CorruptRecord(f"the definition of run {run_id} is missing")
        return Definition.from_bytes(found)

    def runs(self, status: Status | None = None) -> list[RunInfo]:
        """The runs, the newest last. One whose row is damaged is shown as such."""
        query = sa.select(_RUNS).order_by(_RUNS.c.created, _RUNS.c.run_id)
        if status is not None:
            query = query.where(_RUNS.c.status == status)
        with self.database.read() as db:
            return [run_info(self._sealer, row._asdict()) for row in db.execute(query)]

    def run(self, run_id: str) -> RunInfo:
        """One run; raises `UnknownRun`, `CorruptRecord`."""
        check_name(run_id, "run")
        with self.database.read() as db:
            return self._sound(db, run_id)

    def result(self, run_id: str) -> bytes | None:
        """What `finish` was given as the result."""
        check_name(run_id, "run")
        with self.database.read() as db:
            info = self._sound(db, run_id)
            found = get_blob(db, self._sealer, schema.results, run_id)
        if found is None and info.status == "succeeded":
            raise CorruptRecord(f"the result of run {run_id} is missing")
        return found

    def request_cancel(self, run_id: str) -> bool:
        """Ask for a run to be cancelled; its owner sees it at its next commit or look. False when
        the run has ended."""
        check_name(run_id, "run")
        with self.database.write() as db:
            if self._sound(db, run_id, lock=True).status != RUNNING:
                return False
            asked = sa.update(_RUNS).where(_RUNS.c.run_id == run_id)
            db.execute(asked.values(cancel_requested=self._clock()))
        return True

    def delete_run(self, run_id: str) -> None:
        """Delete a run and all that belongs to it; raises `Owned` while somebody works on it."""
        check_name(run_id, "run")
        with self.database.write() as db:
            row = self._row(db, run_id, lock=True)
            info = run_info(self._sealer, row)
            if info.is_owned(self._clock()):
                raise lease.owned(info)
            for table in (schema.records, schema.signals, schema.results, schema.definitions):
                db.execute(sa.delete(table).where(table.c.run_id == run_id))
            notes.forget(db, run_id)
            db.execute(sa.delete(_RUNS).where(_RUNS.c.run_id == run_id))
            self._failpoint("delete.deleted")
        self._failpoint("delete.committed")

    # -------------------------------------------------------------------------------- the lease

    def acquire(
        self,
        run_id: str,
        owner: Owner | None = None,
        *,
        ttl: float = 30.0,
        now: float | None = None,
    ) -> Lease:
        """Become the owner of a run for `ttl` seconds from `now`, and for as long as it is renewed.

        One of any number of callers gets it; the others get `Owned`. An owner that is surely dead
        (a process of this machine that is gone) loses it at once, any other when its lease is over.
        Raises `RunOver` when the run has succeeded.
        """
        check_name(run_id, "run")
        owner = owner or Owner.current()
        with self.database.write() as db:
            row = self._row(db, run_id, lock=True)
            # Only now: to get the lock may have taken a while.
            now = self._clock() if now is None else now
            taken = lease.take(db, self._sealer, row, owner, now, ttl)
            self._failpoint("acquire.updated")
        self._failpoint("acquire.committed")
        return taken

    def renew(self, held: Lease) -> Tick:
        """Extend a lease to `ttl` seconds from now; raises `StaleLease`."""
        with self.database.write() as db:
            return lease.advance(db, held, 0, self._clock())

    def peek(self, held: Lease) -> Tick:
        """Look for news without writing anything; raises `StaleLease`."""
        with self.database.read() as db:
            return lease.peek(db, held)

    def release(self, held: Lease) -> None:
        """Give a run up, unfinished. Does nothing when the lease was lost already."""
        with self.database.write() as db:
            lease.give_up(db, held)

    def finish(
        self, held: Lease, status: Status, *, result: bytes | None = None, error: str = ""
    ) -> bool:
        """End a run and its lease: status, result and error together; raises `StaleLease`.

        A run that was asked to be cancelled does not succeed: then this is false, and nothing was
        written but the lease.
        """
        if status not in ENDED:
            raise ValueError(f"a run does not end {status}")
        error = storable(error)
        now = self._clock()
        with self.database.write() as db:
            lease.advance(db, held, 0, now)
            found = self._row(db, held.run_id)
            if status == "succeeded" and found["cancel_requested"] is not None:
                return False
            row = {**found, "status": status, "error": error, "finished": now}
            statement = sa.update(_RUNS).where(_RUNS.c.run_id == held.run_id)
            ended = {"status": status, "error": error, "finished": now, "cancel_requested": None}
            seal = run_seal(self._sealer, row)
            db.execute(statement.values(**lease.NOBODY, **ended, seal=seal))
            if result is not None:
                put_blob(db, self._sealer, schema.results, held.run_id, result)
            self._failpoint("finish.updated")
        self._failpoint("finish.committed")
        return True

    # ------------------------------------------------------------------------------ the records

    def append(
        self,
        held: Lease,
        records: Sequence[tuple[str, bytes]],
        *,
        drop: Iterable[int] = (),
        delivered: Mapping[str, int] | None = None,
    ) -> Tick:
        """Add records (kind and bytes) in one transaction, which is durable when this returns.

        Their numbers are those before the `next_seq` of the result. In the same transaction the
        records `drop` are deleted, and the signals `delivered` (by id) marked with the number of
        the record that took each up. Raises `StaleLease`, and then nothing was written.
        """
        _check_sizes(records)

        def numbered(first: int) -> list[Record]:
            return [Record(first + i, kind, data) for i, (kind, data) in enumerate(records)]

        return self._commit(held, len(records), numbered, drop, delivered)

    def commit(
        self,
        held: Lease,
        first: int,
        count: int,
        records: Sequence[Record],
        *,
        drop: Iterable[int] = (),
        delivered: Mapping[str, int] | None = None,
        printed: Sequence[Printed] = (),
        moment: str | None = None,
    ) -> Tick:
        """As `append`, for the numbers `first` and on, `count` of them, of which `records` alone
        are kept; `printed` and `moment` are noted beside them. Raises `StaleLease` when `first` is
        not the next number."""
        _check_sizes((record.kind, record.data) for record in records)

        def numbered(given: int) -> Sequence[Record]:
            if given != first:
                raise StaleLease(
                    f"run {held.run_id} has another writer under this lease: record {first} "
                    f"would have been number {given}; nothing was written"
                )
            return records

        return self._commit(held, count, numbered, drop, delivered, printed, moment)

    def _commit(
        self,
        held: Lease,
        count: int,
        numbered: Callable[[int], Sequence[Record]],
        drop: Iterable[int],
        delivered: Mapping[str, int] | None,
        printed: Sequence[Printed] = (),
        moment: str | None = None,
    ) -> Tick:
        doomed = list(drop)
        with self.database.write() as db:
            tick = lease.advance(db, held, count, self._clock())
            self._failpoint("append.fenced")
            log = Log(held.run_id, self._sealer)
            if count:
                first = tick.next_seq - count
                log.insert(db, first, tick.next_seq - 1, numbered(first))
                self._failpoint("append.inserted")
            if doomed:
                log.delete(db, doomed)
                self._failpoint("append.deleted")
            if delivered:
                inbox.mark(db, self._sealer, held.run_id, delivered)
                self._failpoint("append.delivered")
            if printed or moment is not None:
                self._note(db, held.run_id, printed, moment)
        self._failpoint("append.committed")
        return tick

    def _note(
        self, db: Connection, run_id: str, printed: Sequence[Printed], moment: str | None
    ) -> None:
        if not self._has_notes:
            self.database.make_tables(db, schema.notes)
        if printed:
            notes.add_printed(db, run_id, printed)
        if moment is not None:
            notes.put_moment(db, run_id, self._clock(), moment)
        self._has_notes = True

    def printed(
        self, run_id: str, after: int = 0, *, task: str | None = None, limit: int = 1000
    ) -> list[Printed]:
        """What tasks of a run (or the one named) printed, after the position `after`."""
        check_name(run_id, "run")
        return notes.read_printed(self.database, run_id, after, task, limit)

    def moment(self, run_id: str) -> tuple[float, str] | None:
        """How the owner of a run said last that it stands, and when (seconds since the epoch)."""
        check_name(run_id, "run")
        return notes.read_moment(self.database, run_id)

    def delete_records(self, held: Lease, seqs: Iterable[int]) -> Tick:
        """Delete records that others have superseded; unknown numbers are no error."""
        return self.append(held, (), drop=seqs)

    def read(self, run_id: str) -> Iterator[Record]:
        """The records of a run in order, each with its seal checked; raises `CorruptRecord`.

        They are those of the moment at which the first one is asked for.
        """
        check_name(run_id, "run")
        with self.database.read() as db:
            info = self._sound(db, run_id)
            yield from Log(run_id, self._sealer).read(db, info.next_seq)

    # ------------------------------------------------------------------------------ the signals

    def send_signal(self, run_id: str, name: str, id: str, payload: bytes) -> bool:
        """Put a signal into a run's inbox, durably. False when one of that `id` is there already:
        then nothing is changed. Raises `RunOver` when the run has succeeded."""
        check_name(run_id, "run")
        signal = Signal(
            0, check_name(id, "signal id"), check_name(name, "signal"), payload, self._clock()
        )
        with self.database.write() as db:
            info = self._sound(db, run_id, lock=True)
            if info.status == "succeeded":
                raise RunOver(f"run {run_id} has succeeded: it takes no more signals")
            if not inbox.put(db, self._sealer, run_id, signal):
                return False
            self._failpoint("signal.inserted")
        self._failpoint("signal.committed")
        return True

    def new_signals(self, run_id: str, after: int = 0) -> list[Signal]:
        """Signals after the `after`-th that no record has taken up; raises `CorruptRecord`."""
        return [signal for signal in self.signals(run_id, after) if signal.delivered is None]

    def signals(self, run_id: str, after: int = 0) -> list[Signal]:
        """All signals of a run after the `after`-th, in the order in which they were sent."""
        check_name(run_id, "run")
        with self.database.read() as db:
            count = self._sound(db, run_id).signals
            return list(inbox.read(db, self._sealer, run_id, after, count))

    # -------------------------------------------------------------------------------- the parts

    def _row(self, db: Connection, run_id: str, *, lock: bool = False) -> dict[str, Any]:
        query = sa.select(_RUNS).where(_RUNS.c.run_id == run_id)
        row = db.execute(query.with_for_update() if lock else query).first()
        if row is None:
            names = db.execute(sa.select(_RUNS.c.run_id)).scalars()
            near = nearest(run_id, [n for n in names if isinstance(n, str)])  # a row may be damaged
            hint = f": did you mean {near}?" if near else ""
            raise UnknownRun(f"there is no run {run_id} in {self.place}{hint}")
        return row._asdict()

    def _sound(self, db: Connection, run_id: str, *, lock: bool = False) -> RunInfo:
        info = run_info(self._sealer, self._row(db, run_id, lock=lock))
        if info.damage:
            raise CorruptRecord(info.damage)
        return info


def _check_sizes(records: Iterable[tuple[str, bytes]]) -> None:
    for kind, data in records:
        if len(data) > RECORD_LIMIT:
            raise StorageError(f"a {kind} record of {len(data)} bytes is too large to journal")
