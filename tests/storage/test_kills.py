"""SIGKILL at every named failpoint of the store's writers: fork, kill, reopen, verify."""

from __future__ import annotations

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

    def ask(self, folder: Path, point: str, nth: int, seed: int) -> None:
        """Have one forked, after those that were asked for before; does not wait."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([str(folder), point, nth, seed]) + "\n")
        self._process.stdin.flush()

    def ended(self) -> int:
        """How the next one ended."""
        assert self._process.stdout is not None
        return int(self._process.stdout.readline())

    def close(self) -> None:
        self._process.communicate()


@pytest.fixture(scope="module")
def forks(root: Path) -> Iterator[Forks]:
    server = Forks(root)
    yield server
    server.close()


@pytest.fixture(scope="module")
def reached(forks: Forks, tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    """How often work that nobody kills gets to each failpoint."""
    folder = tmp_path_factory.mktemp("whole") / "store"
    forks.ask(folder, "", 0, 0)
    assert forks.ended() == 0
    told = scenario.Told.read(folder)
    scenario.verify(folder, told)
    (hits,) = told.all("hits")[0]
    assert isinstance(hits, dict)
    return hits


def test_every_failpoint_is_reached(reached: dict[str, int]) -> None:
    assert [point for point in scenario.FAILPOINTS if not reached.get(point)] == []


@pytest.mark.parametrize("point", scenario.FAILPOINTS)
def test_killed(forks: Forks, reached: dict[str, int], quick: Path, point: str) -> None:
    for seed in range(ROUNDS):
        forks.ask(quick / str(seed), point, seed % reached[point] + 1, seed)
    for seed in range(ROUNDS):  # each is looked at while the next one works
        folder = quick / str(seed)
        assert forks.ended() == -signal.SIGKILL
        scenario.verify(folder, scenario.Told.read(folder))
        shutil.rmtree(folder)
