"""Races of processes for the lease of a run: one wins, the others hear who; a stale owner is refused."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.storage.test_journal import DEFINITION, KEY
from wfc.runtime.journal import Journal, Owner
from wfc.runtime.storage_errors import StaleLease

RACES = 100
"""On each backend; 200 in all."""

pytestmark = pytest.mark.slow


class Contender:
    """One process; `tell` does not wait, so that several work at once."""

    def __init__(self, root: Path, url: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.storage.contender", url, KEY.hex()],
            cwd=root,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.asked = 0

    def tell(self, *order: object) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()

    def hear(self) -> list[Any]:
        assert self.process.stdout is not None
        answer = json.loads(self.process.stdout.readline())
        assert isinstance(answer, list)
        return answer

    def ready(self) -> None:
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "ready\n"

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def journal(journal_url: str) -> Iterator[Journal]:
    opened = Journal.open(journal_url, KEY)
    yield opened
    opened.close()


@pytest.fixture
def contenders(journal: Journal, journal_url: str, root: Path) -> Iterator[list[Contender]]:
    started = [Contender(root, journal_url) for _ in range(8)]
    for contender in started:
        contender.ready()
    yield started
    for contender in started:
        contender.kill()


def test_races(journal: Journal, contenders: list[Contender]) -> None:
    source = random.Random(1)
    far = Owner("far", "another machine", 1, "1")
    for race in range(RACES):
        run_id = f"r{race}"
        journal.create_run(run_id, DEFINITION)
        start = source.choice(["fresh", "expired", "dead", "released", "failed"])
        stale = None
        if start == "expired":
            stale = journal.acquire(run_id, far, ttl=0)
        elif start == "dead":
            here = Owner.current()
            dead = Owner(here.host, here.machine, here.pid, "an earlier process of this number")
            journal.acquire(run_id, dead, ttl=1000)
        elif start == "released":
            journal.release(journal.acquire(run_id))
        elif start == "failed":
            journal.finish(journal.acquire(run_id), "failed")
        before = journal.run(run_id).epoch
        racers = source.sample(contenders, source.randint(2, 8))
        for racer in racers:
            racer.tell("acquire", run_id, 1000)
        if stale is not None and source.random() < 0.5:
            # Either before the hand-over, or not at all.
            with contextlib.suppress(StaleLease):
                journal.append(stale, [("k", b"stale")])
        answers = [racer.hear() for racer in racers]
        winners = [
            racer for racer, answer in zip(racers, answers, strict=True) if answer[0] == "acquired"
        ]
        losers = [answer for answer in answers if answer[0] != "acquired"]
        assert len(winners) == 1 or (stale is not None and not winners), answers
        if not winners:  # the stale owner renewed its lease (of no seconds) in the nick of time
            continue
        assert ["acquired", before + 1] in answers
        assert {answer[0] for answer in losers} <= {"Owned"}
        owner = f"process {winners[0].process.pid} on "
        assert stale is not None or all(owner in answer[1] for answer in losers)
        winners[0].tell("append", run_id, "winner")
        assert winners[0].hear() == ["appended"]
        kept = [record.data for record in journal.read(run_id)]
        assert kept in ([b"winner"], [b"stale", b"winner"])


def test_a_killed_owner_is_followed_at_once(journal: Journal, contenders: list[Contender]) -> None:
    journal.create_run("r1", DEFINITION)
    for epoch, contender in enumerate(contenders, 1):
        contender.tell("acquire", "r1", 1000)
        assert contender.hear() == ["acquired", epoch]
        contender.tell("append", "r1", str(epoch))
        assert contender.hear() == ["appended"]
        contender.kill()
    assert [record.data for record in journal.read("r1")] == [b"%d" % n for n in range(1, 9)]


def test_an_owner_stopped_past_its_lease_is_refused(
    journal: Journal, contenders: list[Contender]
) -> None:
    journal.create_run("r1", DEFINITION)
    paused = contenders[0]
    paused.tell("acquire", "r1", 10)
    assert paused.hear() == ["acquired", 1]
    os.kill(paused.process.pid, signal.SIGSTOP)
    later = journal.run("r1").lease_expires + 1
    lease = journal.acquire("r1", now=later)
    paused.tell("append", "r1", "stale")
    os.kill(paused.process.pid, signal.SIGCONT)
    assert paused.hear()[0] == "StaleLease"
    journal.append(lease, [("k", b"mine")])
    assert [record.data for record in journal.read("r1")] == [b"mine"]
