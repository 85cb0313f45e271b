"""SIGKILL at every named failpoint of the store's writers: fork, kill, reopen, verify."""

from __future__ import annotations

import itertools
import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.storage import scenario

ROUNDS = 42
"""Kills at each failpoint: over 1,000 in all."""

pytestmark = pytest.mark.slow


class Forks:
    """A process that has imported all that is needed, and forks one that works until it is killed."""

    def __init__(self, root: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.storage.scenario"],
            cwd=root,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, folder: Path, point: str, nth: int, seed: int) -> tuple[int, scenario.Told]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([str(folder), point, nth, seed]) + "\n")
        self._process.stdin.flush()
        code = int(self._process.stdout.readline())
        return code, scenario.Told.read(folder)

    def close(self) -> None:
        self._process.communicate()


@pytest.fixture(scope="module")
def forks(root: Path) -> Iterator[Forks]:
    server = Forks(root)
    yield server
    server.close()


def test_every_failpoint_is_reached(forks: Forks, quick: Path) -> None:
    code, told = forks.run(quick / "store", "", 0, 0)
    assert code == 0
    (hits,) = told.all("hits")[0]
    assert isinstance(hits, dict)
    assert [point for point in scenario.FAILPOINTS if not hits.get(point)] == []
    scenario.verify(quick / "store", told)


@pytest.mark.parametrize("point", scenario.FAILPOINTS)
def test_killed(forks: Forks, quick: Path, point: str) -> None:
    kills = 0
    reached: int | None = None  # how often a whole run gets there
    for seed in itertools.count():
        nth = kills % reached + 1 if reached else kills + 1
        folder = quick / str(seed)
        code, told = forks.run(folder, point, nth, seed)
        scenario.verify(folder, told)
        shutil.rmtree(folder)
        if code == -signal.SIGKILL:
            kills += 1
            if kills == ROUNDS:
                return
        else:
            assert (code, reached) == (0, None)
            assert kills, f"{point} was never reached"
            reached = kills
