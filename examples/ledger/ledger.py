"""The tasks of `ledger.wf`."""

from __future__ import annotations

import csv
import os
import sqlite3
from dataclasses import dataclass
from pathlib import Path

DATA = Path(__file__).parent / "bookings.csv"


@dataclass(frozen=True)
class Report:
    accounts: dict[str, float]
    processes: int


def read_bookings(year: int) -> list[tuple[str, float]]:
    with open(DATA, newline="") as lines:
        rows = csv.DictReader(lines)
        return [(r["account"], float(r["amount"])) for r in rows if int(r["year"]) == year]


def rate_of(year: int) -> float:
    return 2.5 if year < 2026 else 3.0


def open_ledger(bookings: list[tuple[str, float]]) -> sqlite3.Connection:
    ledger = sqlite3.connect(":memory:")
    ledger.execute("CREATE TABLE booking (account TEXT, amount REAL, process INT)")
    rows = [(account, amount, os.getpid()) for account, amount in bookings]
    ledger.executemany("INSERT INTO booking VALUES (?, ?, ?)", rows)
    return ledger


def interest(ledger: sqlite3.Connection, percent: float) -> sqlite3.Connection:
    ledger.execute(
        "INSERT INTO booking SELECT account, sum(amount) * ? / 100, ? FROM booking GROUP BY account",
        (percent, os.getpid()),
    )
    return ledger


def report(ledger: sqlite3.Connection) -> Report:
    """The balances, and how many processes had the connection in hand."""
    query = "SELECT account, round(sum(amount), 2) FROM booking GROUP BY account ORDER BY account"
    accounts = dict(ledger.execute(query).fetchall())
    seen = {process for (process,) in ledger.execute("SELECT process FROM booking")} | {os.getpid()}
    ledger.close()
    return Report(accounts, len(seen))
