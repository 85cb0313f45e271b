"""What stands beside the records: what tasks printed, and the moment."""

from __future__ import annotations

import sqlalchemy as sa

from tests.storage.test_journal import DEFINITION, ELSEWHERE, KEY, Clock, clock, journal, lease
from wfc.runtime.journal import GroupCommitter, Journal, Lease, Printed, schema

__all__ = ["clock", "journal", "lease"]  # fixtures


def test_nothing_was_noted(journal: Journal, lease: Lease) -> None:
    assert journal.printed("r1") == []
    assert journal.moment("r1") is None
    journal.release(lease)
    journal.delete_run("r1")


def test_what_was_printed_is_read_in_order(journal: Journal, lease: Lease) -> None:
    first = [Printed("main/f", 1, 10.5, "one\n"), Printed("main/g", 2, 11.0, "nul \0 \udc80\n")]
    journal.commit(lease, 1, 0, [], printed=first)
    journal.commit(lease, 1, 0, [], printed=[Printed("main/f", 1, 12.0, "two\n")])
    found = journal.printed("r1")
    assert [(p.task, p.attempt, p.at, p.text) for p in found] == [
        ("main/f", 1, 10.5, "one\n"),
        ("main/g", 2, 11.0, "nul \N{REPLACEMENT CHARACTER} ?\n"),
        ("main/f", 1, 12.0, "two\n"),
    ]
    assert [p.text for p in journal.printed("r1", task="main/f")] == ["one\n", "two\n"]
    assert journal.printed("r1", found[1].pos) == found[2:]
    assert journal.printed("r1", limit=1) == found[:1]
    journal.create_run("r2", DEFINITION)
    assert journal.printed("r2") == []


def test_the_moment_is_the_last_one(journal: Journal, lease: Lease, clock: Clock) -> None:
    for text in ("{}", '{"a": 1}'):
        clock.now += 1
        journal.commit(lease, 1, 0, [], moment=text)
    assert journal.moment("r1") == (clock.now, '{"a": 1}')


def test_it_goes_with_the_run(journal: Journal, lease: Lease) -> None:
    journal.commit(lease, 1, 0, [], printed=[Printed("f", 1, 0.0, "x")], moment="{}")
    journal.release(lease)
    journal.delete_run("r1")
    assert (journal.printed("r1"), journal.moment("r1")) == ([], None)


def test_it_comes_with_the_next_commit(journal: Journal) -> None:
    journal.create_run("r1", DEFINITION)
    committer = GroupCommitter(journal, journal.acquire("r1", ELSEWHERE, ttl=10))
    committer.print(Printed("main/f", 1, 1.0, "hello"))
    committer.tell("{}")
    committer.wait(committer.submit("k", b"1"))
    committer.print(Printed("main/f", 1, 1.0, "at the end"))
    committer.close()
    assert [p.text for p in journal.printed("r1")] == ["hello", "at the end"]
    assert journal.moment("r1") is not None


def test_a_store_of_an_earlier_version_gets_the_tables(journal_url: str) -> None:
    with_tables = Journal.open(journal_url, KEY)
    with with_tables.database.write() as db:
        assert not sa.inspect(db).has_table(schema.printed.name), "only when they are needed"
    with_tables.create_run("r1", DEFINITION)
    with_tables.commit(with_tables.acquire("r1", ELSEWHERE), 1, 0, [], moment="{}")
    with_tables.close()
    again = Journal.open(journal_url, KEY)
    assert again.moment("r1") is not None
    again.close()
