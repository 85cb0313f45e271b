"""Signals to a run: other processes put them in, the owner takes them up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from wfc.runtime.journal.model import Signal
from wfc.runtime.journal.schema import runs
from wfc.runtime.journal.schema import signals as table
from wfc.runtime.seal import Sealer, same
from wfc.runtime.storage_errors import CorruptRecord

_KNOWN = sa.select(table.c.pos).where(
    table.c.run_id == sa.bindparam("run"), table.c.id == sa.bindparam("sid")
)
_COUNT = (
    sa.update(runs)
    .where(runs.c.run_id == sa.bindparam("run"))
    .values(signals=runs.c.signals + 1)
    .returning(runs.c.signals)
)
_AFTER = (
    sa.select(table)
    .where(table.c.run_id == sa.bindparam("run"), table.c.pos > sa.bindparam("after"))
    .order_by(table.c.pos)
)
_ONE = sa.select(table).where(
    table.c.run_id == sa.bindparam("run"), table.c.id == sa.bindparam("sid")
)
_DELIVERED = (
    sa.update(table)
    .where(table.c.run_id == sa.bindparam("run"), table.c.pos == sa.bindparam("at"))
    .values(delivered=sa.bindparam("seq"), seal=sa.bindparam("proof"))
)


def put(db: Connection, sealer: Sealer, run_id: str, signal: Signal) -> bool:
    """Add a signal (its `pos` is given here); false when the run has one of that id.

    The caller holds the lock of the run's row, so that the signals of a run have no gaps, in the
    order of their commits.
    """
    if db.execute(_KNOWN, {"run": run_id, "sid": signal.id}).first() is not None:
        return False
    pos = db.execute(_COUNT, {"run": run_id}).scalar_one()
    placed = replace(signal, pos=pos)
    db.execute(
        sa.insert(table),
        {"run_id": run_id, "seal": _seal(sealer, run_id, placed), **asdict(placed)},
    )
    return True


def read(db: Connection, sealer: Sealer, run_id: str, after: int, count: int) -> Iterator[Signal]:
    """The signals that follow the `after`-th, of `count` in all; raises `CorruptRecord`."""
    expected = after + 1
    for row in db.execute(_AFTER, {"run": run_id, "after": after}):
        if row.pos != expected:
            break
        yield _checked(sealer, run_id, row)
        expected += 1
    if expected != max(count, after) + 1:
        raise CorruptRecord(f"signal {expected} of run {run_id} is missing")


def mark(db: Connection, sealer: Sealer, run_id: str, delivered: Mapping[str, int]) -> None:
    """Note by which record each signal (by id) was taken up."""
    for signal_id, seq in delivered.items():
        row = db.execute(_ONE, {"run": run_id, "sid": signal_id}).first()
        if row is None:
            raise CorruptRecord(f"signal {signal_id} of run {run_id} is missing")
        signal = replace(_checked(sealer, run_id, row), delivered=seq)
        proof = _seal(sealer, run_id, signal)
        db.execute(_DELIVERED, {"run": run_id, "at": signal.pos, "seq": seq, "proof": proof})


def _checked(sealer: Sealer, run_id: str, row: Any) -> Signal:
    signal = Signal(row.pos, row.id, row.name, row.payload, row.created, row.delivered)
    proper = (
        isinstance(row.payload, bytes)
        and isinstance(row.seal, bytes)
        and isinstance(row.created, float)
        and isinstance(row.delivered, (int, type(None)))
        and isinstance(row.id, str)
        and isinstance(row.name, str)
    )
    if not proper or not same(_seal(sealer, run_id, signal), row.seal):
        raise CorruptRecord(
            f"signal {row.pos} of run {run_id} is damaged: its seal does not fit it"
        )
    return signal


def _seal(sealer: Sealer, run_id: str, signal: Signal) -> bytes:
    return sealer.record(
        "signal",
        run_id,
        signal.pos,
        signal.id,
        signal.name,
        signal.created.hex(),
        -1 if signal.delivered is None else signal.delivered,
        signal.payload,
    )
