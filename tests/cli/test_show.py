"""`wfc show` and `wfc logs`: what there is to see of a run and of its tasks, also while it goes on."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

import wfc
from tests.cli.conftest import write

SPEC = """
from work import double, fragile, gate, hidden, kill, total

task weak = fragile with (max_retries=2, retry_exceptions=True, backoff=1ms)

workflow main(n: int = 3, label: str = "sum") -> int:
    doubled = [double(i, times=2) for i in range(n) if i != 1]
    first = weak(label)
    sums = part(doubled, 10)
    return total(sums, first)

workflow part(values: list[int], more: int) -> list[int]:
    return [double(v + more, times=1) for v in values]

workflow waits(path: str) -> str:
    done = gate(path)
    answer = receive("approval", timeout=1h)
    return f"{done} {answer}"

workflow secretive() -> int:
    return hidden(secret("WFC_TEST_PASSWORD"))

workflow dies() -> None:
    return kill() with (max_retries=0)

workflow fails() -> int:
    return total([1], "no number")
"""

WORK = """
import os
import signal
import sys
import time
from pathlib import Path

import wfc

def double(i: int, times: int) -> int:
    for n in range(times):
        print(f"double {i}")
    return 2 * i

def fragile(label: str) -> int:
    print(f"attempt {wfc.attempt()} at {label}", file=sys.stderr)
    if wfc.attempt() == 1:
        raise OSError("busy")
    return 1

def total(values: list[int], one) -> int:
    return sum(values) + one

def gate(path: str) -> str:
    print("before the gate")
    print("half a line", end="")
    while not Path(path).exists():
        time.sleep(0.02)
    print("through")
    return "through"

def kill() -> None:
    print("last words")
    time.sleep(2)
    os.kill(os.getpid(), signal.SIGKILL)

def hidden(password: str) -> int:
    print(f"the password is {password}!")
    return len(password)
"""


@pytest.fixture
def project(project: Path) -> Path:
    write(project / "flow.wf", SPEC)
    write(project / "work.py", WORK)
    return project


@pytest.fixture
def finished(project: Path) -> str:
    assert wfc.run("flow.wf", local=True, run_id="r") == 49
    return "r"


def test_show(cli: Any, finished: str) -> None:
    lines = cli("show", "r").stdout.splitlines()
    assert re.fullmatch(r"r  succeeded  main  \d{4}-\d\d-\d\d \d\d:\d\d:\d\d  [\d.]+ m?s", lines[0])
    assert lines[2] == "STATE          TIME      SIZE  TRIES  TASK"
    rows = {line.split("  ", 4)[-1].strip(): line for line in lines[3:]}
    ends = {re.sub(r"^\S+ +(-|\S+ s) +", "", line) for line in lines[3:]}
    assert {re.sub(r"^[\d.]+ k?B +", "", end) for end in ends} == {
        "2  main/doubled[*]/double  x 2",
        "2  main/first",
        "2  main/sums/double[*]/double  x 2",
        "1  main/total",
    }, rows
    assert all(len(line) <= 80 for line in lines)
    found = json.loads(cli("show", "r", "--json").stdout)
    tasks = {t["id"]: t for t in found["tasks"]}
    assert (found["status"], found["waits_for"]) == ("succeeded", [])
    assert tasks["main/first"]["attempts"] == 2
    assert all(t["state"] == "done" and t["size"] > 0 and t["worker"] for t in tasks.values())
    assert cli("show", "nobody").exit_code == 2


def test_show_of_a_task_tells_what_came_in_and_out(cli: Any, finished: str) -> None:
    text = cli("show", "r", "main/doubled[1]/double").stdout
    assert text.startswith("main/doubled[1]/double  done\n")
    assert "  i         = 2\n  times     = 2\n" in text, "the filter comes before the indices"
    assert "  gave      4\n" in text
    assert "  printed\n    double 2\n    double 2\n" in text
    inner = json.loads(cli("show", "r", "main/sums/double[1]/double", "--json").stdout)
    assert inner["inputs"] == {"i": "14", "times": "1"}
    assert (inner["output"], inner["printed"]) == ("28", "double 14\n")
    total = json.loads(cli("show", "r", "main/total", "--json").stdout)
    assert total["inputs"] == {"values": "[20, 28]", "one": "1"}
    done = cli("show", "r", "main/nothing")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "no task main/nothing has run in r; wfc show r lists them" in done.stderr


def test_show_of_a_failure(cli: Any, project: Path) -> None:
    assert cli("run", "flow.wf:fails", "--local", "--run-id", "r").exit_code == 1
    lines = cli("show", "r").stdout.splitlines()
    assert lines[3].split() == ["failed", "-", "-", "1", "fails/total"], "first"
    assert lines[4].strip().startswith("TypeError: unsupported operand type(s)")
    text = cli("show", "r", "fails/total").stdout
    assert "  one       = 'no number'\n" in text
    assert "flow.wf:26:12" in text
    assert "TypeError: unsupported operand" in text


def test_logs(cli: Any, finished: str) -> None:
    text = cli("logs", "r").stdout
    blocks = dict(re.findall(r"== (.*)\n((?:[^=].*\n)+)", text))
    assert blocks == {
        "main/doubled[0]/double": "double 0\ndouble 0\n",
        "main/doubled[1]/double": "double 2\ndouble 2\n",
        "main/first": "attempt 1 at sum\n",
        "main/first (attempt 2)": "attempt 2 at sum\n",
        "main/sums/double[0]/double": "double 10\n",
        "main/sums/double[1]/double": "double 14\n",
    }
    assert cli("logs", "r", "main/doubled[0]/double").stdout == "double 0\ndouble 0\n"
    rows = [
        json.loads(line) for line in cli("logs", "r", "main/first", "--json").stdout.splitlines()
    ]
    assert [(row["task"], row["attempt"], row["text"]) for row in rows] == [
        ("main/first", 1, "attempt 1 at sum\n"),
        ("main/first", 2, "attempt 2 at sum\n"),
    ]
    done = cli("logs", "r", "main/total")
    assert (done.exit_code, done.stdout) == (0, "")
    assert done.stderr == "task main/total of run r has printed nothing\n"
    assert cli("logs", "nobody").exit_code == 2


def test_what_was_printed_before_the_process_died_is_kept(cli: Any, project: Path) -> None:
    assert cli("run", "flow.wf:dies", "--local", "--run-id", "r").exit_code == 1
    assert cli("logs", "r").stdout == "== dies/kill\nlast words\n"


@pytest.mark.ray
def test_a_task_that_runs_on_ray_is_heard(cli: Any, project: Path, ray_session: str) -> None:
    gate = project / "gate"
    run = wfc.start("flow.wf:waits", path=str(gate), address=ray_session, run_id="r")
    wait_for(lambda: "before the gate" in cli("logs", "r").stdout)
    assert run.tasks()[0].state == "running"
    run.interrupt()


@pytest.mark.ray
def test_logs_of_tasks_on_ray(cli: Any, project: Path, ray_session: str) -> None:
    assert wfc.run("flow.wf", n=4, address=ray_session, run_id="r") == 81
    assert cli("logs", "r", "main/doubled[2]/double").stdout == "double 3\ndouble 3\n"
    assert cli("logs", "r").stdout.count("== ") == 8


def test_secrets_are_not_in_the_logs(
    cli: Any, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WFC_TEST_PASSWORD", "correct horse")
    assert wfc.run("flow.wf:secretive", local=True, run_id="r") == 13
    assert cli("logs", "r").stdout == "== secretive/hidden\nthe password is ********!\n"
    assert "correct" not in cli("show", "r", "secretive/hidden").stdout


def test_while_it_goes_on(cli: Any, project: Path) -> None:
    gate = project / "gate"
    run = wfc.start("flow.wf:waits", path=str(gate), local=True, run_id="r")
    try:
        wait_for(lambda: run.moment() is not None)
        lines = cli("show", "r").stdout.splitlines()
        assert lines[1].startswith("  owned by process ")
        assert re.fullmatch(r"  waits for signal approval, 59 m \d+ s left", lines[2])
        assert re.fullmatch(r"running +[\d.]+ s +- +1  waits/done", lines[-1])
        found = json.loads(cli("show", "r", "--json").stdout)
        assert [(t["id"], t["state"]) for t in found["tasks"]] == [("waits/done", "running")]
        assert [(w["kind"], w["name"]) for w in found["waits_for"]] == [("signal", "approval")]
        wait_for(lambda: cli("logs", "r").stdout == "== waits/done\nbefore the gate\nhalf a line\n")
        gate.touch()
        wait_for(lambda: [t.state for t in run.tasks()] == ["done"])
        run.send("approval", "yes")
        followed = cli("logs", "r", "--follow").stdout
        assert followed == "== waits/done\nbefore the gate\nhalf a line\nthrough\n"
        assert run.result() == "through yes"
    finally:
        run.interrupt()


def wait_for(condition: Any) -> None:
    """Wait until something is so."""
    import time

    until = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.05)
