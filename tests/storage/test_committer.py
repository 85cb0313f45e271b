"""Group commit: what it acknowledges is durable, what it cannot do it says."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.storage.test_journal import DEFINITION, KEY
from wfc.runtime.journal import GroupCommitter, Journal, Lease, Owner, Tick
from wfc.runtime.storage_errors import StaleLease, StorageError

FOREVER = 60.0  # seconds; no test waits so long unless it fails


class Gate:
    """A failpoint that can hold commits up, or break them."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.open.set()
        self.reached = threading.Semaphore(0)
        self.error: BaseException | None = None

    def __call__(self, point: str) -> None:
        if point == "append.fenced":
            self.reached.release()
            assert self.open.wait(FOREVER)
            if self.error is not None:
                raise self.error


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def journal(tmp_path: Path, gate: Gate) -> Iterator[Journal]:
    opened = Journal.open(f"sqlite:///{tmp_path}/journal.db", KEY, failpoint=gate)
    opened.create_run("r1", DEFINITION)
    yield opened
    gate.open.set()
    opened.close()


Start = Callable[..., GroupCommitter]


@pytest.fixture
def start(journal: Journal) -> Iterator[Start]:
    started: list[GroupCommitter] = []

    def make(lease: Lease | None = None, **options: object) -> GroupCommitter:
        lease = lease or journal.acquire("r1")
        started.append(GroupCommitter(journal, lease, **options))  # type: ignore[arg-type]
        return started[-1]

    yield make
    for committer in started:
        committer.close(flush=False)


def data(journal: Journal) -> list[bytes]:
    return [record.data for record in journal.read("r1")]


def test_what_is_waited_for_is_durable(journal: Journal, start: Start) -> None:
    committer = start(window=FOREVER)
    seqs = [committer.submit("k", bytes([i])) for i in range(100)]
    assert seqs == list(range(1, 101))
    assert committer.synced_seq == 0
    assert committer.wait(50, FOREVER)
    assert committer.synced_seq == 100
    assert data(journal) == [bytes([i]) for i in range(100)]
    assert committer.stats().commits == 1
    assert (committer.stats().records, committer.stats().bytes) == (100, 100)


def test_urgent_cuts_the_window_short(start: Start) -> None:
    ticks: list[Tick] = []
    seen = threading.Event()

    def on_tick(tick: Tick) -> None:
        ticks.append(tick)
        if tick.next_seq == 3:
            seen.set()

    committer = start(window=FOREVER, peek=FOREVER, on_tick=on_tick)
    committer.submit("k", b"")
    committer.submit("k", b"", urgent=True)
    assert seen.wait(FOREVER)
    assert committer.synced_seq == 2


def test_close_flushes(journal: Journal, start: Start) -> None:
    committer = start(window=FOREVER)
    for index in range(10):
        committer.submit("k", bytes([index]))
    committer.close()
    committer.close()
    assert len(data(journal)) == 10
    with pytest.raises(RuntimeError, match="closed"):
        committer.submit("k", b"")


def test_close_without_flush_writes_nothing(journal: Journal, start: Start) -> None:
    committer = start(window=FOREVER)
    committer.submit("k", b"")
    committer.close(flush=False)
    assert data(journal) == []


def test_what_came_in_meanwhile_is_one_commit(journal: Journal, start: Start, gate: Gate) -> None:
    gate.open.clear()
    committer = start(window=0)
    committer.submit("k", b"0")
    assert gate.reached.acquire(timeout=FOREVER)
    for index in range(1000):
        committer.submit("k", str(index).encode())
    gate.open.set()
    assert committer.wait(timeout=FOREVER)
    assert committer.stats().commits == 2
    assert len(data(journal)) == 1001


def test_wait_gives_up(start: Start, gate: Gate) -> None:
    gate.open.clear()
    committer = start()
    seq = committer.submit("k", b"")
    assert not committer.wait(seq, 0.01)
    gate.open.set()
    assert committer.wait(seq, FOREVER)


def test_submit_blocks_while_too_much_waits(start: Start, gate: Gate) -> None:
    gate.open.clear()
    committer = start(limit=1000, window=0)
    committer.submit("k", b"x" * 5000)  # one alone may be larger
    assert gate.reached.acquire(timeout=FOREVER)
    assert committer.would_block(1)
    submitted = threading.Event()

    def submit() -> None:
        committer.submit("k", b"x")
        submitted.set()

    thread = threading.Thread(target=submit)
    thread.start()
    assert not submitted.wait(0.05)
    gate.open.set()
    assert submitted.wait(FOREVER)
    thread.join()
    assert committer.wait(timeout=FOREVER)
    assert not committer.would_block(1)


def test_errors_surface_everywhere(journal: Journal, start: Start, gate: Gate) -> None:
    gate.error = StorageError("the disk is on fire")
    woken = threading.Event()
    committer = start(window=0, on_tick=lambda tick: woken.set())
    seq = committer.submit("k", b"")
    for call in (
        lambda: committer.wait(seq, FOREVER),
        lambda: committer.submit("k", b""),
        lambda: committer.drop([1]),
        committer.close,
        committer.close,
    ):
        with pytest.raises(StorageError, match="on fire"):
            call()
    assert woken.is_set()
    committer.close(flush=False)
    gate.error = None
    assert data(journal) == []


def test_a_blocked_submit_is_told_of_errors(start: Start, gate: Gate) -> None:
    gate.open.clear()
    gate.error = StorageError("the disk is on fire")
    committer = start(limit=10, window=0)
    committer.submit("k", b"x" * 10)
    assert gate.reached.acquire(timeout=FOREVER)
    told: list[str] = []

    def submit() -> None:
        try:
            committer.submit("k", b"x")
        except StorageError as error:
            told.append(str(error))

    thread = threading.Thread(target=submit)
    thread.start()
    gate.open.set()
    thread.join()
    assert told == ["the disk is on fire"]


def test_errors_of_other_kinds_are_not_swallowed(start: Start, gate: Gate) -> None:
    gate.error = ZeroDivisionError("a mistake")
    committer = start(window=0)
    with pytest.raises(StorageError, match="a mistake"):
        committer.wait(committer.submit("k", b""), FOREVER)


def test_a_lost_lease_stops_it(journal: Journal, start: Start) -> None:
    lease = journal.acquire("r1", Owner("far", "other", 1, "1"), ttl=10_000)
    committer = start(lease, window=0, peek=FOREVER)
    assert committer.wait(committer.submit("k", b"mine"), FOREVER)
    journal.acquire("r1", now=2e10)
    committer.submit("k", b"stale")
    with pytest.raises(StaleLease):
        committer.wait(timeout=FOREVER)
    assert data(journal) == [b"mine"]


def test_an_idle_owner_hears_that_it_lost_its_lease(journal: Journal, start: Start) -> None:
    lost = threading.Event()
    lease = journal.acquire("r1", Owner("far", "other", 1, "1"), ttl=10_000)
    committer = start(lease, peek=0.01, on_tick=lambda tick: lost.is_set())
    journal.acquire("r1", now=2e10)
    committer._thread.join(FOREVER)
    with pytest.raises(StaleLease):
        committer.submit("k", b"")


def test_an_idle_owner_hears_news(journal: Journal, start: Start) -> None:
    heard = threading.Event()

    def on_tick(tick: Tick) -> None:
        if tick.cancel_requested and tick.signals == 1:
            heard.set()

    committer = start(peek=0.01, on_tick=on_tick)
    journal.send_signal("r1", "go", "1", b"")
    journal.request_cancel("r1")
    assert heard.wait(FOREVER)
    assert committer.tick.cancel_requested


def test_an_idle_owner_keeps_its_lease(journal: Journal, start: Start) -> None:
    first = journal.acquire("r1", ttl=0.09)
    expires = journal.run("r1").lease_expires
    start(first, peek=0.01)
    renewed = threading.Event()
    while not renewed.is_set():
        if journal.run("r1").lease_expires > expires:
            renewed.set()


def test_delivery(journal: Journal, start: Start) -> None:
    journal.send_signal("r1", "go", "1", b"")
    committer = start()
    committer.submit("k", b"")
    committer.submit("signal", b"", delivers="1")
    committer.close()
    assert [signal.delivered for signal in journal.signals("r1")] == [2]


def test_what_is_superseded_at_once_is_never_written(journal: Journal, start: Start) -> None:
    committer = start(window=FOREVER)
    before = None
    for index in range(1000):
        drops = () if before is None else (before,)
        before = committer.submit("hop", str(index).encode(), drops=drops)
    committer.close()
    assert data(journal) == [b"999"]
    assert journal.acquire("r1", now=2e10).next_seq == 1001


def test_what_is_superseded_later_goes_in_a_while(journal: Journal, start: Start) -> None:
    committer = start(window=0, drop_every=10)
    before = None
    for index in range(100):
        seq = committer.submit("hop", str(index).encode())
        assert committer.wait(seq, FOREVER)
        if before is not None:
            committer.drop([before])
        before = seq
    assert len(data(journal)) <= 12
    committer.close()
    assert data(journal) == [b"99"]
