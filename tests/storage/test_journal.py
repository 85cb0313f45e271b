"""The contract of the journal, which each backend has to keep."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from wfc.runtime.journal import Definition, Journal, Lease, Owner, Record
from wfc.runtime.storage_errors import (
    Owned,
    RunExists,
    RunOver,
    StaleLease,
    StorageError,
    StoreTooNew,
    UnknownRun,
    WrongKey,
)

KEY = bytes(range(32))
ELSEWHERE = Owner("far", "another machine", 1, "1")
DEFINITION = Definition(
    "main",
    b"the plan",
    b"the parameters\n\0",
    {"a.wf": "text \U0001f600 \udc80", "b.wf": ""},
    {"f": "0123"},
    {"address": "here"},
)


class Clock:
    """A clock that stands still unless it is moved; seconds."""

    def __init__(self) -> None:
        self.now = 1_000_000.25

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def journal(journal_url: str, clock: Clock) -> Iterator[Journal]:
    opened = Journal.open(journal_url, KEY, clock=clock)
    yield opened
    opened.close()


@pytest.fixture
def lease(journal: Journal) -> Lease:
    journal.create_run("r1", DEFINITION)
    return journal.acquire("r1", ELSEWHERE, ttl=10)


def records(journal: Journal, run_id: str = "r1") -> list[tuple[int, str, bytes]]:
    return [(r.seq, r.kind, r.data) for r in journal.read(run_id)]


class TestRuns:
    def test_a_run_is_what_was_created(self, journal: Journal, clock: Clock) -> None:
        journal.create_run("r1", DEFINITION)
        info = journal.run("r1")
        assert (info.run_id, info.entry, info.status) == ("r1", "main", "running")
        assert (info.created, info.updated, info.finished) == (clock.now, clock.now, None)
        assert (info.owner, info.next_seq, info.damage) == (None, 1, "")
        assert not info.is_owned(clock.now)
        assert journal.definition("r1") == DEFINITION
        assert records(journal) == []

    def test_a_name_is_taken_once(self, journal: Journal) -> None:
        journal.create_run("r1", DEFINITION)
        with pytest.raises(RunExists, match="r1"):
            journal.create_run("r1", DEFINITION)

    def test_unknown_runs(self, journal: Journal) -> None:
        for ask in (
            journal.run,
            journal.definition,
            journal.acquire,
            journal.delete_run,
            journal.request_cancel,
            journal.result,
            journal.signals,
            lambda run_id: list(journal.read(run_id)),
            lambda run_id: journal.send_signal(run_id, "s", "1", b""),
        ):
            with pytest.raises(UnknownRun, match="r9"):
                ask("r9")

    def test_lists(self, journal: Journal, clock: Clock) -> None:
        assert journal.runs() == []
        for name in ("b", "a"):
            journal.create_run(name, DEFINITION)
            clock.now += 1
        journal.finish(journal.acquire("a"), "failed", error="why")
        assert [info.run_id for info in journal.runs()] == ["b", "a"]
        assert [info.run_id for info in journal.runs("failed")] == ["a"]
        assert journal.runs() == [journal.run("b"), journal.run("a")]

    def test_finish(self, journal: Journal, lease: Lease, clock: Clock) -> None:
        clock.now += 5
        journal.finish(lease, "succeeded", result=b"42")
        info = journal.run("r1")
        assert (info.status, info.finished, info.owner) == ("succeeded", clock.now, None)
        assert journal.result("r1") == b"42"
        with pytest.raises(RunOver):
            journal.acquire("r1")
        with pytest.raises(StaleLease):
            journal.append(lease, [("k", b"")])

    def test_errors_of_any_text(self, journal: Journal, lease: Lease) -> None:
        journal.finish(lease, "failed", error="nul \0, half \ud800, whole \U0001f600")
        assert journal.run("r1").error == "nul \N{REPLACEMENT CHARACTER}, half ?, whole \U0001f600"

    def test_a_failed_run_can_be_taken_up_again(self, journal: Journal, lease: Lease) -> None:
        journal.append(lease, [("k", b"1")])
        journal.finish(lease, "failed", error="why")
        again = journal.acquire("r1")
        assert (again.epoch, again.next_seq) == (lease.epoch + 1, 2)
        info = journal.run("r1")
        assert (info.status, info.error, info.finished) == ("running", "", None)

    def test_only_an_end_ends(self, journal: Journal, lease: Lease) -> None:
        with pytest.raises(ValueError, match="running"):
            journal.finish(lease, "running")

    def test_cancel(self, journal: Journal, lease: Lease) -> None:
        assert not journal.peek(lease).cancel_requested
        assert journal.request_cancel("r1")
        assert journal.peek(lease).cancel_requested
        assert journal.append(lease, [("k", b"")]).cancel_requested
        journal.finish(lease, "cancelled")
        assert not journal.request_cancel("r1")
        assert not journal.peek(journal.acquire("r1")).cancel_requested

    def test_what_is_cancelled_does_not_succeed(self, journal: Journal, lease: Lease) -> None:
        assert journal.request_cancel("r1")
        assert not journal.finish(lease, "succeeded", result=b"42")
        assert journal.run("r1").status == "running"
        assert journal.result("r1") is None
        assert journal.finish(lease, "cancelled")
        assert journal.finish(journal.acquire("r1"), "succeeded", result=b"42")

    def test_rewrite(self, journal: Journal, lease: Lease) -> None:
        changed = Definition("main", b"another", b"")
        journal.rewrite(lease, changed, [])
        assert journal.definition("r1") == changed

    def test_delete(self, journal: Journal, lease: Lease) -> None:
        journal.append(lease, [("k", b"")])
        journal.send_signal("r1", "go", "1", b"")
        with pytest.raises(Owned):
            journal.delete_run("r1")
        journal.finish(lease, "succeeded", result=b"")
        journal.delete_run("r1")
        assert journal.runs() == []
        journal.create_run("r1", DEFINITION)
        assert records(journal) == []
        assert journal.signals("r1") == []
        assert journal.result("r1") is None


class TestLease:
    def test_says_who(self, journal: Journal, lease: Lease) -> None:
        with pytest.raises(Owned) as caught:
            journal.acquire("r1")
        assert str(caught.value) == (
            "run r1 is owned by process 1 on far since 1970-01-12 13:46:40 UTC; "
            "its lease lasts until 1970-01-12 13:46:50 UTC"
        )

    def test_expires(self, journal: Journal, lease: Lease, clock: Clock) -> None:
        clock.now += 9.99
        with pytest.raises(Owned):
            journal.acquire("r1")
        clock.now += 0.01
        other = journal.acquire("r1")
        assert other.epoch == lease.epoch + 1

    def test_is_renewed_by_each_write(self, journal: Journal, lease: Lease, clock: Clock) -> None:
        for write in (journal.renew, lambda held: journal.append(held, [("k", b"")])):
            clock.now += 9
            write(lease)
            with pytest.raises(Owned):
                journal.acquire("r1")

    def test_a_stale_owner_writes_nothing(
        self, journal: Journal, lease: Lease, clock: Clock
    ) -> None:
        clock.now += 10
        journal.acquire("r1", ELSEWHERE)
        before = journal.run("r1")
        journal.send_signal("r1", "go", "1", b"")
        for write in (
            lambda: journal.append(lease, [("k", b"")]),
            lambda: journal.append(lease, [], drop=[1]),
            lambda: journal.append(lease, [], delivered={"1": 1}),
            lambda: journal.finish(lease, "succeeded", result=b""),
            lambda: journal.rewrite(lease, Definition("x", b"", b""), []),
            lambda: journal.renew(lease),
            lambda: journal.peek(lease),
        ):
            with pytest.raises(StaleLease, match="epoch 1"):
                write()
        journal.release(lease)
        after = journal.run("r1")
        assert (after.owner, after.epoch, after.next_seq) == (before.owner, 2, 1)
        assert records(journal) == []
        assert len(journal.new_signals("r1")) == 1

    def test_is_released(self, journal: Journal, lease: Lease) -> None:
        journal.release(lease)
        journal.release(lease)
        with pytest.raises(StaleLease):
            journal.renew(lease)
        assert journal.acquire("r1").epoch == lease.epoch + 1

    def test_a_dead_process_of_this_machine_loses_it_at_once(
        self, journal: Journal, lease: Lease, clock: Clock
    ) -> None:
        clock.now += 100
        here = Owner.current()
        reused = Owner(here.host, here.machine, here.pid, "long before")
        journal.acquire("r1", reused, ttl=1000)
        journal.acquire("r1", here, ttl=1000)  # the number is ours, the process is not
        with pytest.raises(Owned):
            journal.acquire("r1", here)

    def test_a_deleted_run_is_nobodys(self, journal: Journal, lease: Lease, clock: Clock) -> None:
        clock.now += 10
        journal.delete_run("r1")
        with pytest.raises(StaleLease):
            journal.append(lease, [("k", b"")])


class TestRecords:
    def test_come_back_in_order(self, journal: Journal, lease: Lease) -> None:
        assert journal.append(lease, [("a", b"1"), ("b", b"")]).next_seq == 3
        assert journal.append(lease, [("a", b"\0" * 100_000)]).next_seq == 4
        assert journal.append(lease, []).next_seq == 4
        assert records(journal) == [(1, "a", b"1"), (2, "b", b""), (3, "a", b"\0" * 100_000)]

    def test_many_and_large(self, journal: Journal, lease: Lease) -> None:
        given = [(f"kind{i % 7}", bytes([i % 256]) * (i % 5000)) for i in range(5000)]
        journal.append(lease, given)
        assert [(kind, data) for _, kind, data in records(journal)] == given

    def test_of_two_runs_do_not_mix(self, journal: Journal, lease: Lease) -> None:
        journal.create_run("r2", DEFINITION)
        other = journal.acquire("r2")
        journal.append(lease, [("a", b"1")])
        journal.append(other, [("a", b"2")])
        assert (records(journal), records(journal, "r2")) == ([(1, "a", b"1")], [(1, "a", b"2")])

    def test_a_reader_sees_one_moment(self, journal: Journal, lease: Lease) -> None:
        for index in range(100):
            journal.append(lease, [("k", bytes([index]))])
        reader = journal.read("r1")
        first = next(reader)
        journal.append(lease, [("k", b"late")], drop=range(2, 90))
        assert [first.seq, *(record.seq for record in reader)] == list(range(1, 101))

    def test_a_second_writer_of_the_same_lease_is_refused(
        self, journal: Journal, lease: Lease
    ) -> None:
        journal.append(lease, [("k", b"")])
        with pytest.raises(StaleLease, match="another writer"):
            journal.commit(lease, 1, 1, [Record(1, "k", b"")])
        assert len(records(journal)) == 1


class TestDeletion:
    def test_of_some(self, journal: Journal, lease: Lease) -> None:
        for start in range(1, 31, 3):
            journal.append(lease, [("k", bytes([start + i])) for i in range(3)])
        gone = {1, 2, 3, 5, 10, 11, 12, 29, 30, 77}
        journal.delete_records(lease, gone)
        kept = [(s, "k", bytes([s])) for s in range(1, 31) if s not in gone]
        assert records(journal) == kept
        journal.delete_records(lease, gone)
        assert records(journal) == kept
        journal.append(lease, [("k", b"next")])
        assert records(journal) == [*kept, (31, "k", b"next")]

    def test_of_all(self, journal: Journal, lease: Lease) -> None:
        journal.append(lease, [("k", b"1")] * 3)
        journal.delete_records(lease, [1, 2, 3])
        assert records(journal) == []
        assert journal.append(lease, [("k", b"4")]).next_seq == 5
        assert records(journal) == [(4, "k", b"4")]

    def test_of_what_is_not_there(self, journal: Journal, lease: Lease) -> None:
        journal.delete_records(lease, [1, 5])
        journal.append(lease, [("k", b"1")])
        journal.delete_records(lease, [0, -3, 2, 10**12])
        assert records(journal) == [(1, "k", b"1")]

    def test_in_the_commit_that_supersedes(self, journal: Journal, lease: Lease) -> None:
        journal.append(lease, [("old", b"")])
        journal.append(lease, [("new", b"")], drop=[1])
        assert records(journal) == [(2, "new", b"")]

    def test_large_rows_are_not_glued_together(self, journal: Journal, lease: Lease) -> None:
        for index in range(6):
            journal.append(lease, [("k", bytes([index]) * 400_000), ("gone", b"")])
        journal.delete_records(lease, range(2, 13, 2))
        assert [seq for seq, _, _ in records(journal)] == [1, 3, 5, 7, 9, 11]

    def test_hops_keep_the_number_of_rows_constant(self, journal: Journal, lease: Lease) -> None:
        journal.append(lease, [("begin", b"x" * 10_000)])
        sizes = []
        for _ in range(8):
            tick = journal.renew(lease)
            for _ in range(40):
                tick = journal.append(lease, [("hop", b"state")])
            journal.delete_records(lease, range(tick.next_seq - 40, tick.next_seq - 1))
            journal.delete_records(lease, range(2, tick.next_seq - 41))
            sizes.append(row_count(journal))
        assert max(sizes[1:]) <= sizes[1] + 1


class TestSignals:
    def test_in_order(self, journal: Journal, lease: Lease) -> None:
        assert journal.send_signal("r1", "go", "1", b"one")
        assert journal.send_signal("r1", "stop", "2", b"two\0")
        found = journal.new_signals("r1")
        assert [(s.pos, s.name, s.id, s.payload) for s in found] == [
            (1, "go", "1", b"one"),
            (2, "stop", "2", b"two\0"),
        ]
        assert journal.new_signals("r1", 1) == found[1:]
        assert journal.new_signals("r1", 2) == []
        assert journal.peek(lease).signals == 2

    def test_the_same_id_twice(self, journal: Journal, lease: Lease) -> None:
        assert journal.send_signal("r1", "go", "1", b"one")
        assert not journal.send_signal("r1", "other", "1", b"two")
        assert journal.send_signal("r1", "go", "2", b"")
        assert [(s.pos, s.payload) for s in journal.signals("r1")] == [(1, b"one"), (2, b"")]

    def test_delivery_is_part_of_the_commit(self, journal: Journal, lease: Lease) -> None:
        journal.send_signal("r1", "go", "1", b"one")
        journal.send_signal("r1", "go", "2", b"two")
        journal.append(lease, [("k", b""), ("signal", b"1")], delivered={"1": 2})
        assert [s.id for s in journal.new_signals("r1")] == ["2"]
        assert [s.delivered for s in journal.signals("r1")] == [2, None]

    def test_to_a_run_that_nobody_works_on(self, journal: Journal) -> None:
        journal.create_run("r1", DEFINITION)
        assert journal.send_signal("r1", "go", "1", b"")
        lease = journal.acquire("r1")
        journal.finish(lease, "failed")
        assert journal.send_signal("r1", "go", "2", b"")
        journal.finish(journal.acquire("r1"), "succeeded", result=b"")
        with pytest.raises(RunOver):
            journal.send_signal("r1", "go", "3", b"")

    def test_from_many_at_once(self, journal: Journal, lease: Lease) -> None:
        sent: list[bool] = []

        def send(sender: int) -> None:
            for index in range(10):
                sent.append(journal.send_signal("r1", "go", f"shared-{index}", b""))
                sent.append(journal.send_signal("r1", "go", f"{sender}-{index}", b""))

        threads = [threading.Thread(target=send, args=(sender,)) for sender in range(4)]
        for thread in threads:
            thread.start()
        for _ in range(10):
            journal.append(lease, [("k", b"")])
        for thread in threads:
            thread.join()
        assert sum(sent) == 10 + 4 * 10
        found = journal.signals("r1")
        assert [s.pos for s in found] == list(range(1, 51))
        assert len({s.id for s in found}) == 50


class TestOpening:
    def test_again(self, journal: Journal, lease: Lease, journal_url: str) -> None:
        journal.append(lease, [("k", b"1")])
        again = Journal.open(journal_url, KEY, create=False)
        assert records(again) == [(1, "k", b"1")]
        again.close()

    def test_another_key(self, journal: Journal, journal_url: str) -> None:
        with pytest.raises(WrongKey, match="another key"):
            Journal.open(journal_url, bytes(32))

    def test_what_a_later_version_wrote(self, journal: Journal, journal_url: str) -> None:
        with journal.database.write() as db:
            db.exec_driver_sql("UPDATE wfc_meta SET value = '2' WHERE name = 'format'")
        with pytest.raises(StoreTooNew, match="format 2"):
            Journal.open(journal_url, KEY)

    def test_nothing_there(self, journal_url: str) -> None:
        with pytest.raises(StorageError, match=r"no journal|no such file"):
            Journal.open(journal_url, KEY, create=False)

    def test_by_many_at_once(self, journal_url: str) -> None:
        assert opened_at_once(journal_url, 6) == []


def opened_at_once(url: str, count: int) -> list[BaseException]:
    """What is raised when so many threads open a journal at the same time."""
    errors: list[BaseException] = []
    start = threading.Barrier(count)

    def open_it() -> None:
        start.wait()
        try:
            Journal.open(url, KEY).close()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=open_it) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return errors


def row_count(journal: Journal) -> int:
    with journal.database.read() as db:
        return int(db.exec_driver_sql("SELECT count(*) FROM wfc_records").scalar_one())


@pytest.mark.parametrize(
    "url",
    ["mysql://h/d", "sqlite://", "sqlite:///:memory:", "not a url", "oracle+oracledb://h"],
)
def test_urls_that_cannot_be(url: str) -> None:
    with pytest.raises(StorageError):
        Journal.open(url, KEY)


def test_a_password_never_shows() -> None:
    url = "postgresql://me:hunter2@127.0.0.1:1/none?connect_timeout=1"
    pytest.importorskip("psycopg")
    with pytest.raises(StorageError) as caught:
        Journal.open(url, KEY)
    assert "hunter2" not in str(caught.value)
    assert "127.0.0.1:1" in str(caught.value)


def test_an_unknown_run_that_was_nearly_spelt_right(journal: Journal) -> None:
    journal.create_run("roses", DEFINITION)
    with pytest.raises(UnknownRun, match=r"there is no run rose in .*: did you mean roses\?$"):
        journal.run("rose")
    with pytest.raises(UnknownRun, match=r"there is no run tulips in [^?]*$"):
        journal.run("tulips")


@pytest.mark.slow
def test_new_files_opened_by_many_at_once(tmp_path: Path) -> None:
    """Now and then SQLite refuses the switch to its write-ahead log without waiting: so, many times."""
    for number in range(80):
        assert opened_at_once(f"sqlite:///{tmp_path / f'{number}.db'}", 8) == []
