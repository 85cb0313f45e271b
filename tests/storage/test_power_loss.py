"""The power goes, or the process is killed, at any moment of what a store writes to the disk: all that
was acknowledged is there, and nothing half. And every write may fail."""

from __future__ import annotations

import contextlib
import itertools
import random
import shutil
import sqlite3
import time
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.storage import scenario
from tests.storage.disk import Disk, LoggedFiles
from wfc.runtime.storage_errors import StorageError
from wfc.runtime.store import Store

LOGS = 2
VARIANTS = 2000
"""Disks after a loss of power, over all moments."""


def later() -> float:
    """When the lease of the owner, which is this process, is over."""
    return time.time() + 60


def opened_anew(folder: Path, disk: Disk, source: random.Random) -> Generator[Store, None, None]:
    """A store that is closed and opened, or has its log merged into its database, now and then."""
    files = LoggedFiles(disk)
    store = Store.open(folder, files=files)
    try:
        while True:
            yield store
            how = source.choice(["on", "merged", "emptied", "anew"])
            if how == "anew":
                store.close()
                store = Store.open(folder, files=files)
            elif how != "on":
                mode = {"merged": "PASSIVE", "emptied": "TRUNCATE"}[how]
                connection = sqlite3.connect(folder / "journal.db")
                connection.execute("PRAGMA synchronous = FULL")
                with contextlib.suppress(sqlite3.OperationalError):  # as SQLite itself does
                    connection.execute(f"PRAGMA wal_checkpoint({mode})")
                connection.close()
    finally:
        store.close()


def log_of(folder: Path, seed: int) -> tuple[Disk, list[tuple[int, tuple[object, ...]]]]:
    """What the scenario wrote, and what was acknowledged to it, each with the moment."""
    disk, source = Disk(), random.Random(seed)
    told: list[tuple[int, tuple[object, ...]]] = []
    folder.mkdir()
    with disk.under_sqlite():
        stores = opened_anew(folder, disk, source)
        scenario.work(stores, source, lambda fact: told.append((len(disk.log), fact)))
        stores.close()
    return disk, told


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(LOGS))
def test_power_loss_at_every_moment(quick: Path, seed: int) -> None:
    folder = quick.resolve() / "store"
    disk, told = log_of(folder, seed)
    scenario.verify(folder, scenario.Told([fact for _, fact in told]), later)
    kinds = {(call.kind, Path(call.path).name) for call in disk.log}
    assert {("fsync", "journal.db-wal"), ("fsync", "journal.db"), ("fsync", "store")} <= kinds
    moments = len(disk.log) + 1
    source = random.Random(seed)
    choices = {moment: [0] for moment in range(moments)}
    for _ in range(VARIANTS // LOGS):
        choices[source.randrange(moments)].append(source.randrange(1, 1 << 30))
    for moment, variants in choices.items():
        facts = [fact for when, fact in told if when <= moment]
        for choice in variants:
            after = quick / f"{moment}-{choice}"
            disk.replay(folder, after, moment, choice)
            scenario.verify(after, scenario.Told(facts), later)
            shutil.rmtree(after)


CODES = {
    "write": [13, 778],  # SQLITE_FULL, SQLITE_IOERR_WRITE
    "fsync": [1034],  # SQLITE_IOERR_FSYNC
    "truncate": [1546],  # SQLITE_IOERR_TRUNCATE
    "create": [14],  # SQLITE_CANTOPEN
    "unlink": [2570],  # SQLITE_IOERR_DELETE
}


class Fault:
    """The call number `at` of SQLite fails, and where `lasting` all after it."""

    def __init__(self, at: int, lasting: bool) -> None:
        self.left, self.lasting = at, lasting
        self.hit = ""

    def __call__(self, kind: str, path: str) -> int:
        self.left -= 1
        if self.left > 0 or (self.left < 0 and not self.lasting):
            return 0
        self.hit = self.hit or f"{kind} {Path(path).name}"
        return CODES[kind][self.left % len(CODES[kind])]


@pytest.mark.slow
def test_every_write_of_the_journal_fails(quick: Path) -> None:
    """Once, or from then on, by turns. It is told, with the place, by the first call that depends on
    it; what was acknowledged before is there when the disk is well again, and the run can be gone on
    with."""
    hits: set[str] = set()
    for at in itertools.count(1):
        folder = quick.resolve() / str(at)
        lasting = at % 2 == 1
        fault, told = Fault(at, lasting), scenario.Told()
        disk, source = Disk(fault), random.Random(at)
        message = ""
        with disk.under_sqlite():
            folder.mkdir()
            try:
                with contextlib.closing(opened_anew(folder, disk, source)) as stores:
                    scenario.work(stores, source, told.facts.append)
            except StorageError as error:
                message = str(error)
        if not fault.hit:
            break
        hits.add(fault.hit)
        assert not message or f"{folder}/journal.db" in message
        assert message or told.has("deleted")
        assert message or not lasting or fault.hit.endswith(("unlink journal.db-wal", "journal.db"))
        scenario.verify(folder, told, later)
        shutil.rmtree(folder)
    assert {"write journal.db-wal", "fsync journal.db-wal", "write journal.db"} <= hits
