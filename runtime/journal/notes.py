"""What stands beside the records, for people alone: what tasks printed, and how a run stands right now.

Nothing of it is sealed or read back by a run: losing it loses no result.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from wfc.runtime.journal import schema
from wfc.runtime.journal.database import Database
from wfc.runtime.journal.entries import storable


@dataclass(frozen=True, slots=True)
class Printed:
    """What one attempt of a task printed. `at` in seconds since the epoch; `pos` grows."""

    task: str
    attempt: int
    at: float
    text: str
    pos: int = 0


def add_printed(db: Connection, run_id: str, found: Sequence[Printed]) -> None:
    """Keep what tasks printed."""
    rows = [
        {
            "run_id": run_id,
            "task": storable(one.task),
            "attempt": one.attempt,
            "at": one.at,
            "text": storable(one.text),
        }
        for one in found
    ]
    db.execute(sa.insert(schema.printed), rows)


def read_printed(
    database: Database, run_id: str, after: int, task: str | None, limit: int
) -> list[Printed]:
    """At most `limit` of what was printed after the position `after`, in order."""
    table = schema.printed
    query = sa.select(table).where(table.c.run_id == run_id, table.c.pos > after)
    if task is not None:
        query = query.where(table.c.task == task)
    with database.read() as db:
        if not _has(db):
            return []
        rows = db.execute(query.order_by(table.c.pos).limit(limit))
        return [Printed(row.task, row.attempt, row.at, row.text, row.pos) for row in rows]


def put_moment(db: Connection, run_id: str, at: float, moment: str) -> None:
    """Put down how a run stands now, in place of what was there."""
    table = schema.moments
    db.execute(sa.delete(table).where(table.c.run_id == run_id))
    db.execute(sa.insert(table), {"run_id": run_id, "at": at, "moment": storable(moment)})


def read_moment(database: Database, run_id: str) -> tuple[float, str] | None:
    """When `put_moment` was called last, and with what."""
    table = schema.moments
    with database.read() as db:
        if not _has(db):
            return None
        row = db.execute(sa.select(table).where(table.c.run_id == run_id)).first()
        return None if row is None else (row.at, row.moment)


def forget(db: Connection, run_id: str) -> None:
    """Delete what belongs to a run."""
    if _has(db):
        for table in (schema.printed, schema.moments):
            db.execute(sa.delete(table).where(table.c.run_id == run_id))


def _has(db: Connection) -> bool:
    return sa.inspect(db).has_table(schema.moments.name)
