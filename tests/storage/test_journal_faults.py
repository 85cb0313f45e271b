"""A journal whose database fails: what is told, what is left, and how it goes on."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.storage.postgres import Server, find_binaries
from tests.storage.test_journal import DEFINITION, KEY
from wfc.runtime.journal import GroupCommitter, Journal, Lease
from wfc.runtime.storage_errors import StorageError


class Breaker:
    """A failpoint at which the database reports an error."""

    def __init__(self) -> None:
        self.point = ""

    def __call__(self, point: str) -> None:
        if point == self.point:
            raise sqlite3.OperationalError("disk I/O error")


@pytest.mark.parametrize("point", [p for p in Journal.FAILPOINTS if not p.endswith("committed")])
def test_an_error_in_a_transaction_leaves_nothing(quick: Path, point: str) -> None:
    breaker = Breaker()
    journal = Journal.open(f"sqlite:///{quick}/journal.db", KEY, failpoint=breaker)
    journal.create_run("r0", DEFINITION)
    journal.create_run("r1", DEFINITION)
    lease = journal.acquire("r1")
    journal.append(lease, [("k", b"1")])
    journal.send_signal("r1", "go", "1", b"")
    journal.create_run("r2", DEFINITION)

    def state() -> object:
        facts = [(i.run_id, i.status, i.epoch, i.next_seq, i.signals) for i in journal.runs()]
        return facts, list(journal.read("r1")), journal.signals("r1")

    before = state()
    actions = {
        "create": lambda: journal.create_run("r3", DEFINITION),
        "acquire": lambda: journal.acquire("r0"),
        "append": lambda: journal.append(lease, [("k", b"2")], drop=[1], delivered={"1": 2}),
        "finish": lambda: journal.finish(lease, "succeeded", result=b""),
        "signal": lambda: journal.send_signal("r1", "go", "2", b""),
        "delete": lambda: journal.delete_run("r2"),
    }
    action = actions[point.partition(".")[0]]
    breaker.point = point
    with pytest.raises(StorageError, match=r"cannot write to .*journal\.db: disk I/O error"):
        action()
    assert state() == before
    breaker.point = ""
    action()
    assert state() != before
    journal.close()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_no_permission(quick: Path) -> None:
    (quick / "journal.db").touch(mode=0o000)
    with pytest.raises(StorageError, match="permission denied"):
        Journal.open(f"sqlite:///{quick}/journal.db", KEY)


def test_not_a_database(quick: Path) -> None:
    (quick / "journal.db").write_bytes(b"something else entirely" * 1000)
    with pytest.raises(StorageError, match=r"journal\.db is damaged: file is not a database"):
        Journal.open(f"sqlite:///{quick}/journal.db", KEY)


@pytest.mark.slow
class TestDatabaseGone:
    """The server stops in the middle of a run, and comes back."""

    @pytest.fixture
    def server(self) -> Iterator[Server]:
        binaries = find_binaries()
        if binaries is None:
            pytest.skip("no PostgreSQL server is installed")
        pytest.importorskip("psycopg")
        own = Server(binaries)
        yield own
        own.close()

    def test_a_server_that_stops(self, server: Server) -> None:
        journal = Journal.open(server.url(), KEY)
        journal.create_run("r1", DEFINITION)
        lease = journal.acquire("r1")
        committer = GroupCommitter(journal, lease, window=0)
        assert committer.wait(committer.submit("k", b"before"), 60)
        server.stop()
        for call in (
            lambda: committer.wait(committer.submit("k", b"lost"), 60),
            lambda: committer.submit("k", b"lost"),
            lambda: journal.append(lease, [("k", b"lost")]),
            lambda: list(journal.read("r1")),
            lambda: Journal.open(journal.database.url, KEY),
        ):
            with pytest.raises(StorageError, match="postgresql://"):
                call()
        committer.close(flush=False)
        server.start()
        assert [record.data for record in journal.read("r1")] == [b"before"]
        again = Lease(lease.run_id, lease.epoch, lease.owner, lease.ttl, 2)
        journal.append(again, [("k", b"after")])
        assert [record.data for record in journal.read("r1")] == [b"before", b"after"]
        journal.close()
