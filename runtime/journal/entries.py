"""Rows of the journal that are not records: what is checked of each before it is believed."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Table
from sqlalchemy.engine import Connection

from wfc.runtime.journal import schema
from wfc.runtime.journal.database import Database
from wfc.runtime.journal.model import ENDED, RUNNING, RunInfo
from wfc.runtime.journal.owner import Owner
from wfc.runtime.names import is_name
from wfc.runtime.seal import Sealer, same
from wfc.runtime.storage_errors import CorruptRecord, StorageError, StoreTooNew, WrongKey

_NUMBER = (int, float)
_TYPES: dict[str, tuple[type, ...]] = {
    "run_id": (str,),
    "entry": (str,),
    "created": _NUMBER,
    "status": (str,),
    "error": (str,),
    "finished": (int, float, type(None)),
    "seal": (bytes,),
    "updated": _NUMBER,
    "epoch": (int,),
    "host": (str, type(None)),
    "machine": (str, type(None)),
    "pid": (int, type(None)),
    "started": (str, type(None)),
    "since": (int, float, type(None)),
    "lease_expires": (int, float, type(None)),
    "next_seq": (int,),
    "signals": (int,),
    "cancel_requested": (int, float, type(None)),
}


def run_seal(sealer: Sealer, row: Mapping[str, Any]) -> bytes:
    """The seal over what a run is and how it ended."""
    finished = row["finished"]
    times = float(row["created"]).hex(), "" if finished is None else float(finished).hex()
    return sealer.record(
        "run", row["run_id"], row["entry"], times[0], row["status"], row["error"], times[1]
    )


def run_info(sealer: Sealer, row: Mapping[str, Any]) -> RunInfo:
    """A run's row; `damage` is set when the row is not what was written."""
    wrong = [name for name, types in _TYPES.items() if not isinstance(row[name], types)]
    if wrong or not same(run_seal(sealer, row), row["seal"]):
        run_id = row["run_id"] if is_name(row["run_id"]) else "?"
        why = f"column {wrong[0]} is not of its type" if wrong else "its seal does not fit it"
        return RunInfo(run_id, damage=f"the row of run {run_id} is damaged: {why}")
    assert row["status"] in (RUNNING, *ENDED)  # it is sealed
    owner = None
    if row["host"] is not None:
        owner = Owner(row["host"], row["machine"] or "", row["pid"] or 0, row["started"] or "")
    return RunInfo(
        run_id=row["run_id"],
        entry=row["entry"],
        status=row["status"],
        created=row["created"],
        updated=row["updated"],
        finished=row["finished"],
        error=row["error"],
        owner=owner,
        since=row["since"],
        lease_expires=row["lease_expires"] or 0.0,
        epoch=row["epoch"],
        next_seq=row["next_seq"],
        signals=row["signals"],
        cancel_requested=row["cancel_requested"],
    )


def put_blob(db: Connection, sealer: Sealer, table: Table, run_id: str, data: bytes) -> None:
    """Set a run's blob in a table that has one for each."""
    blob = table.columns.keys()[-1]
    db.execute(sa.delete(table).where(table.c.run_id == run_id))
    seal = sealer.record(table.name, run_id, data)
    db.execute(sa.insert(table), {"run_id": run_id, "seal": seal, blob: data})


def get_blob(db: Connection, sealer: Sealer, table: Table, run_id: str) -> bytes | None:
    """A run's blob, or `None`; raises `CorruptRecord`."""
    row = db.execute(sa.select(table).where(table.c.run_id == run_id)).first()
    if row is None:
        return None
    _, seal, data = row
    proper = isinstance(seal, bytes) and isinstance(data, bytes)
    if not proper or not same(sealer.record(table.name, run_id, data), seal):
        what = table.columns.keys()[-1]
        raise CorruptRecord(f"the {what} of run {run_id} is damaged: its seal does not fit it")
    return bytes(data)


def storable(text: str) -> str:
    """The text as every database can store it: no NUL, no half of a surrogate pair."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()


def check_meta(database: Database, sealer: Sealer, create: bool) -> None:
    """Check a journal's format and key; with `create` a new one is made where there is none."""
    found = _meta(database)
    if not found and create:
        with database.write() as db:
            database.make_tables(db)
            found = _select_meta(db)
            if not found:
                found = {"format": str(schema.FORMAT), "key_id": sealer.key_id}
                rows = [{"name": name, "value": value} for name, value in found.items()]
                db.execute(sa.insert(schema.meta), rows)
    if not found:
        raise StorageError(f"there is no journal in {database.place}")
    stored = str(found.get("format", ""))
    if not stored.isdecimal():
        raise CorruptRecord(f"the journal in {database.place} does not say its format")
    if int(stored) > schema.FORMAT:
        raise StoreTooNew(
            f"the journal in {database.place} has format {stored}; this version of wfc knows "
            f"formats up to {schema.FORMAT}: use a later version"
        )
    if found.get("key_id") != sealer.key_id:
        raise WrongKey(
            f"the journal in {database.place} was sealed with another key "
            f"(its key's id is {found.get('key_id')}, this one's {sealer.key_id})"
        )


def own_name(database: Database) -> str:
    """A name that no other journal has, made when it is first asked for."""
    found = _meta(database).get("name")
    if found is None:
        with database.write() as db:
            database.make_tables(db)  # from here on nobody else makes a name
            found = _select_meta(db).get("name")
            if found is None:
                found = secrets.token_hex(8)
                db.execute(sa.insert(schema.meta), [{"name": "name", "value": found}])
    if not is_name(found):
        raise CorruptRecord(f"the journal in {database.place} does not say its name")
    return found


def _meta(database: Database) -> dict[str, str]:
    """What the journal says of itself; nothing when there is none yet."""
    with database.read() as db:
        try:
            return _select_meta(db)
        except (sa.exc.ProgrammingError, sa.exc.OperationalError) as error:
            if any(sign in str(error) for sign in ("no such table", "UndefinedTable")):
                return {}
            raise


def _select_meta(db: Connection) -> dict[str, str]:
    return {row.name: row.value for row in db.execute(sa.select(schema.meta))}
