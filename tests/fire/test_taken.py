"""A loop of a run takes a signal in each turn, and is killed or interrupted in each: on processes of this
machine, with hops of the coordinator and of workers by turns."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

import wfc
from tests.fire.project import Project, wait_for
from wfc.runtime.store import Store

LOOP = """
from turns import add, back, note

workflow main(n: int, log: str, got: list[int] = []) -> list[int]:
    if n == 0:
        return got
    a = add(n)
    x = receive("go") after (a)
    continuation spin(3, n, log, got + [x])

workflow spin(k: int, n: int, log: str, got: list[int]) -> list[int]:
    if k == 0:
        continuation back(n, log, got)
    y = note(n, log)
    continuation spin(k - 1, n, log, got)
"""
TURNS = """
import time

import wfc


def add(a: int, b: int = 1) -> int:
    return a + b


def note(n: int, log: str) -> int:
    time.sleep(0.02)
    with open(log, "a", encoding="utf-8") as out:
        print(n, file=out)
    return n


def back(n: int, log: str, got: list) -> list:
    return wfc.continuation(wfc.call("main", n - 1, log, got))
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT], ids=["killed", "interrupted"])
def test_each_signal_is_taken_once(how: signal.Signals, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "turns.py").write_text(TURNS, encoding="utf-8")
    spec = tmp_path / "loop.wf"
    spec.write_text(LOOP, encoding="utf-8")
    project = Project(tmp_path, str(tmp_path / "store"))
    given = ["-pn=3", f"-plog={project.log}", "--local", "--run-id", "r", "-q"]
    process = project.start("run", str(spec), *given)
    wait_for(lambda: project.says("show", "r")[0] == 0, process)
    for turn in (3, 2, 1):
        wfc.get("r", store=project.store).send("go", 4 - turn)
        if turn > 1:
            wait_for(lambda turn=turn: [str(turn)] in project.lines(), process)  # type: ignore[misc]
            process.send_signal(how)
            process.communicate()
            process = project.start("resume", "r", "--local", "-q")
    out, err = process.communicate(timeout=90)
    assert (process.returncode, out) == (0, "[1, 2, 3]\n"), err


def test_hops_of_the_coordinator_cut_the_journal(tmp_path: Path) -> None:
    """What a loop leaves does not grow with it, where a timer makes the coordinator run it too."""
    spec = tmp_path / "loop.wf"
    spec.write_text(
        "from operator import add\n\n"
        "workflow main(n: int, acc: int = 0) -> int:\n"
        "    if n == 0:\n"
        "        return acc\n"
        "    x = add(acc, 1)\n"
        "    nap = sleep(0ms)\n"
        "    continuation main(n - 1, x) after (nap)\n",
        encoding="utf-8",
    )
    store = str(tmp_path / "store")
    run = wfc.start(spec, params={"n": 60}, run_id="r", store=store, local=True)
    assert run.result(90) == 60
    with Store.open(store, create=False) as opened:
        assert len(list(opened.journal.read("r"))) < 10
