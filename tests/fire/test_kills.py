"""Processes of a run are killed while it goes on: the coordinator, workers, homes, tasks that kill or
never return; on processes of this machine and on a real Ray."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import wfc
from tests.fire.project import SPEC, Kept, Project, expected, wait_for

pytestmark = pytest.mark.slow

COUNT = 150


@pytest.fixture
def project(tmp_path: Path, store: str, engine: dict[str, Any]) -> Project:
    where = ["--local"] if "local" in engine else ["--address", engine["address"]]
    return Project(tmp_path, store, where)


def begin(project: Project, engine: dict[str, Any], workflow: str, **params: Any) -> wfc.Run:
    """Start run `r` in this process."""
    plan = wfc.compile(SPEC, workflow)
    return wfc.start(plan, params=params, run_id="r", store=project.store, **engine)


def test_the_coordinator_is_killed_again_and_again(project: Project) -> None:
    kept: Kept = {}
    process = project.run(count=COUNT, size=2, pause=0.01)
    for share in (4, 2):
        wait_for(lambda share=share: len(project.lines()) >= COUNT // share, process)  # type: ignore[misc]
        process.send_signal(signal.SIGKILL)
        process.communicate()
        kept = {**project.committed(), **kept}
        process = project.resume()
    out, err = process.communicate(timeout=120)
    assert (process.returncode, out) == (0, expected(COUNT, 2)), err
    assert kept
    project.check(kept, COUNT)


def test_workers_are_killed_one_after_the_other(project: Project, engine: dict[str, Any]) -> None:
    run = begin(project, engine, "main", count=COUNT, size=2, log=str(project.log), pause=0.01)
    killed: set[str] = set()
    kept: Kept = {}
    for part in range(1, 7):
        wait_for(lambda part=part: len(project.lines()) >= COUNT * part // 8)  # type: ignore[misc]
        kept = {**project.committed(), **kept}
        victim = next((pid for _, pid in reversed(project.lines()) if pid not in killed), None)
        if victim is not None:
            killed.add(victim)
            os.kill(int(victim), signal.SIGKILL)
    assert run.result(120) == int(expected(COUNT, 2))
    assert len(killed) >= 3
    project.check(kept, COUNT)


def test_the_process_of_a_region_is_killed(
    project: Project, engine: dict[str, Any], tmp_path: Path
) -> None:
    """What is checkpointed does not run again, though the step after it runs for long in the same
    process; the value that is bound to the process is made again."""
    gate = tmp_path / "gate"
    run = begin(project, engine, "region", gate=str(gate), log=str(project.log))
    for times in (1, 2):
        wait_for(lambda n=times: [w for w, _ in project.lines()].count("waits") == n)  # type: ignore[misc]
        wait_for(lambda: "region/first" in [task.id for task in run.tasks()])
        os.kill(int(project.lines()[-1][1]), signal.SIGKILL)
    wait_for(lambda: [w for w, _ in project.lines()].count("waits") == 3)
    gate.touch()
    assert run.result(60) == [1, 2]
    ran = Counter(what for what, _ in project.lines())
    assert ran == {"connect": 3, "use1": 1, "waits": 3}


def test_nobody_waits_for_a_neighbour_that_hangs(project: Project, engine: dict[str, Any]) -> None:
    """Neither what is finished in its batch, nor what has not begun."""
    assert begin(project, engine, "most", count=5000).result(60) == 4999


@pytest.mark.parametrize("bad", [0, 77])
def test_a_task_that_kills_its_process_is_charged_alone(
    project: Project, engine: dict[str, Any], bad: int
) -> None:
    found = begin(project, engine, "poisoned", count=200, bad=bad).result(120)
    assert [i for i, result in enumerate(found) if not result.ok] == [bad]
    assert [result.value for result in found if result.ok] == [i for i in range(200) if i != bad]
    error = found[bad].error
    assert (error.type, error.attempts) == ("wfc.WorkerLost", 1)


@pytest.mark.parametrize("how", ["sleeps", "interpreter"])
def test_a_task_that_never_returns(project: Project, engine: dict[str, Any], how: str) -> None:
    began = time.monotonic()
    found, beside = begin(project, engine, "hung", how=how).result(120)
    assert beside == 20
    assert (found.ok, found.error.type) == (False, "wfc.TaskTimeout")
    assert "0.5 s" in found.error.message
    assert time.monotonic() - began < 60
