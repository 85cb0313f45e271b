"""The lease of a run, inside a transaction that somebody else has opened."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from wfc.runtime.journal.entries import run_info, run_seal
from wfc.runtime.journal.model import RUNNING, Lease, RunInfo, Tick
from wfc.runtime.journal.owner import Owner
from wfc.runtime.journal.schema import runs
from wfc.runtime.seal import Sealer
from wfc.runtime.storage_errors import CorruptRecord, Owned, RunOver, StaleLease

NOBODY: dict[str, Any] = dict.fromkeys(
    ("host", "machine", "pid", "started", "since", "lease_expires")
)
"""The columns of a run that nobody owns."""

_TICK = (runs.c.next_seq, runs.c.cancel_requested, runs.c.signals)
_MINE = (
    runs.c.run_id == sa.bindparam("run"),
    runs.c.epoch == sa.bindparam("at_epoch"),
    runs.c.host.is_not(None),
)
# The first statement of every commit: it checks the epoch, locks the row, and gives out numbers.
_ADVANCE = (
    sa.update(runs)
    .where(*_MINE)
    .values(
        next_seq=runs.c.next_seq + sa.bindparam("count"),
        updated=sa.bindparam("now"),
        lease_expires=sa.bindparam("expires"),
    )
    .returning(*_TICK)
)
_PEEK = sa.select(*_TICK).where(*_MINE)
_GIVE_UP = sa.update(runs).where(*_MINE).values(**NOBODY)


def take(
    db: Connection, sealer: Sealer, row: dict[str, Any], owner: Owner, now: float, ttl: float
) -> Lease:
    """Make `owner` the owner of the run of this (locked) row, or raise `Owned`, `RunOver`."""
    info = run_info(sealer, row)
    if info.damage:
        raise CorruptRecord(info.damage)
    if info.status == "succeeded":
        raise RunOver(f"run {info.run_id} has succeeded: there is nothing left to do")
    if info.is_owned(now):
        raise owned(info)
    state = {"status": RUNNING, "error": "", "finished": None}
    values = {
        **state,
        "seal": run_seal(sealer, {**row, **state}),
        "epoch": info.epoch + 1,
        "host": owner.host,
        "machine": owner.machine,
        "pid": owner.pid,
        "started": owner.started,
        "since": now,
        "lease_expires": now + ttl,
        "updated": now,
    }
    # The row is locked; the epoch is compared all the same.
    unchanged = (runs.c.run_id == info.run_id, runs.c.epoch == info.epoch)
    if db.execute(sa.update(runs).where(*unchanged).values(values)).rowcount != 1:
        raise StaleLease(f"run {info.run_id} changed hands just now")
    return Lease(info.run_id, info.epoch + 1, owner, ttl, info.next_seq)


def advance(db: Connection, lease: Lease, count: int, now: float) -> Tick:
    """Check the epoch, extend the lease, give out `count` numbers; the row is locked from here on."""
    values = {"count": count, "now": now, "expires": now + lease.ttl}
    return _tick(lease, db.execute(_ADVANCE, {**_which(lease), **values}).first())


def peek(db: Connection, lease: Lease) -> Tick:
    """Check the epoch alone."""
    return _tick(lease, db.execute(_PEEK, _which(lease)).first())


def give_up(db: Connection, lease: Lease) -> None:
    """End a lease, unless it has ended."""
    db.execute(_GIVE_UP, _which(lease))


def owned(info: RunInfo) -> Owned:
    """Who owns it, since when, and until when at least."""
    since, until = _utc(info.since or 0.0), _utc(info.lease_expires)
    return Owned(
        f"run {info.run_id} is owned by {info.owner} since {since}; its lease lasts until {until}"
    )


def _which(lease: Lease) -> dict[str, Any]:
    return {"run": lease.run_id, "at_epoch": lease.epoch}


def _tick(lease: Lease, row: Any) -> Tick:
    if row is None:
        raise StaleLease(
            f"run {lease.run_id} is no longer this process's (its epoch {lease.epoch} is over): "
            "somebody else resumed, ended or deleted it; nothing was written"
        )
    return Tick(row.next_seq, row.cancel_requested is not None, row.signals)


def _utc(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")
