"""The coordinator is killed: a chain of hops goes on at the last one, attempts go on being counted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import wfc

COMMAND = [sys.executable, "-m", "wfc"]
COUNT = 200
EXPECTED = sum(i * i for i in range(COUNT))

SPEC = """
from steps import step

workflow chain(log: str, count: int) -> int:
    continuation hop(0, 0, log, count)

workflow hop(sum: int, i: int, log: str, count: int) -> int:
    if i == count:
        return sum
    squared = step(i, log)
    continuation hop(sum + squared, i + 1, log, count)
"""

STEPS = """
import os
import time

def step(i: int, log: str) -> int:
    time.sleep(0.01)
    with open(log, "a") as file:
        file.write(f"{i} {os.getpid()}\\n")
    return i * i
"""


@pytest.fixture(params=["local", pytest.param("ray", marks=pytest.mark.ray)])
def engine(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Where the run runs."""
    if request.param == "local":
        return {"local": True}
    return {"address": request.getfixturevalue("ray_session")}


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """The side effects: a line for each time that a step ran."""
    (tmp_path / "flow.wf").write_text(SPEC.lstrip())
    (tmp_path / "steps.py").write_text(STEPS)
    return tmp_path / "log"


def lines(log: Path) -> list[list[str]]:
    return [line.split() for line in log.read_text().splitlines()] if log.exists() else []


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    until = time.monotonic() + 90
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.01)


def begin(
    log: Path, store: str, engine: dict[str, Any], workflow: str, *, count: bool = True
) -> subprocess.Popen[str]:
    where = ["--local"] if "local" in engine else ["--address", engine["address"]]
    target = f"{log.parent / 'flow.wf'}:{workflow}"
    params = ["-p", f"log={log}", *(["-p", f"count={COUNT}"] if count else [])]
    return subprocess.Popen(
        [*COMMAND, "run", target, *params, *where, "--run-id", "r", "--store", store],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )


def test_a_chain_of_hops_goes_on_at_the_last_one(
    log: Path, store: str, engine: dict[str, Any]
) -> None:
    run = begin(log, store, engine, "chain")
    wait_for(lambda: len(lines(log)) >= COUNT // 3, run)
    run.send_signal(signal.SIGKILL)
    run.communicate()
    before = len(lines(log))
    assert wfc.resume("r", store=store, **engine).result(120) == EXPECTED
    times = Counter(int(i) for i, _ in lines(log))
    assert set(times) == set(range(COUNT))
    again = [i for i in times if times[i] > 1]
    assert all(before - 60 <= i <= before + 1 for i in again), "only the last few were under way"


TRIES = """
from tries import attempt_it

workflow tries(log: str) -> int:
    r = catch attempt_it(log) with (max_retries=4, retry_exceptions=True, backoff=(200ms, 400ms))
    return r.error.attempts
"""

ATTEMPT = """
import wfc

def attempt_it(log: str) -> None:
    with open(log, "a") as file:
        file.write(f"{wfc.attempt()}\\n")
    raise ConnectionError("no line")
"""


def test_retries_are_counted_across_crashes(
    tmp_path: Path, store: str, engine: dict[str, Any]
) -> None:
    log = tmp_path / "log"
    (tmp_path / "flow.wf").write_text(TRIES.lstrip())
    (tmp_path / "tries.py").write_text(ATTEMPT)
    run = begin(log, store, engine, "tries", count=False)
    wait_for(lambda: len(lines(log)) >= 2, run)
    run.send_signal(signal.SIGKILL)
    run.communicate()
    assert wfc.resume("r", store=store, **engine).result(120) == 5
    # The attempt that was under way when the coordinator was killed may be made again.
    made = [int(n) for (n,) in lines(log)]
    assert sorted(set(made)) == [1, 2, 3, 4, 5]
    assert len(made) <= 6
