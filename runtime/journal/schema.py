"""The tables of the journal, in portable SQL. Times are seconds since the epoch."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

FORMAT = 1
"""The version of the tables and of all that stands in them."""

metadata = MetaData()

meta = Table(
    "wfc_meta",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", Text, nullable=False),
)

# Small, since each commit rewrites its row: what is large is in tables of its own.
# `seal` covers what a run is and how it ended, not who owns it at the moment.
runs = Table(
    "wfc_runs",
    metadata,
    Column("run_id", String(128), primary_key=True),
    Column("entry", Text, nullable=False),
    Column("created", Double, nullable=False),
    Column("status", String(16), nullable=False),
    Column("error", Text, nullable=False),
    Column("finished", Double),
    Column("seal", LargeBinary, nullable=False),
    Column("updated", Double, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("host", Text),
    Column("machine", Text),
    Column("pid", BigInteger),
    Column("started", Text),
    Column("since", Double),
    Column("lease_expires", Double),
    Column("next_seq", BigInteger, nullable=False),
    Column("signals", BigInteger, nullable=False),
    Column("cancel_requested", Double),
)

definitions = Table(
    "wfc_definitions",
    metadata,
    Column("run_id", String(128), primary_key=True),
    Column("seal", LargeBinary, nullable=False),
    Column("definition", LargeBinary, nullable=False),
)

results = Table(
    "wfc_results",
    metadata,
    Column("run_id", String(128), primary_key=True),
    Column("seal", LargeBinary, nullable=False),
    Column("result", LargeBinary, nullable=False),
)

records = Table(
    "wfc_records",
    metadata,
    Column("run_id", String(128), primary_key=True),
    Column("first", BigInteger, primary_key=True, autoincrement=False),
    Column("last", BigInteger, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("seal", LargeBinary, nullable=False),
    Column("blob", LargeBinary, nullable=False),
)

signals = Table(
    "wfc_signals",
    metadata,
    Column("run_id", String(128), primary_key=True),
    Column("pos", BigInteger, primary_key=True, autoincrement=False),
    Column("id", String(128), nullable=False),
    Column("name", String(128), nullable=False),
    Column("created", Double, nullable=False),
    Column("delivered", BigInteger),
    Column("seal", LargeBinary, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    UniqueConstraint("run_id", "id"),
)

# For people alone: nothing below is needed to recover a run. A store of an earlier version gets
# these tables when something is first written to them.
notes = MetaData()

printed = Table(
    "wfc_printed",
    notes,
    Column("pos", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("run_id", String(128), nullable=False),
    Column("task", Text, nullable=False),
    Column("attempt", BigInteger, nullable=False),
    Column("at", Double, nullable=False),
    Column("text", Text, nullable=False),
    Index("wfc_printed_of_run", "run_id", "pos"),
)

moments = Table(
    "wfc_moments",
    notes,
    Column("run_id", String(128), primary_key=True),
    Column("at", Double, nullable=False),
    Column("moment", Text, nullable=False),
)
