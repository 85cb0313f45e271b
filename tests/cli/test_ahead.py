"""What is known before: `run --dry-run`, `resume --plan`; and runs that go on by themselves: `--detach`."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

import wfc
from tests.cli.conftest import write
from tests.cli.test_show import wait_for

SPEC = """
from work import check, find, grow, one, save

workflow main(names: list[str], deep: bool = False) -> int:
    found = [find(name, k) for name in names if name != "" for k in range(len(name))]
    sizes = [one(f) for f in found]
    if deep:
        more = grow(sizes)
    else:
        more = 0
    if more > 10:
        again = check(more)
    rest = part(names)
    for_each = [save(s) for s in check(rest)]
    return more
finally:
    save(0)

workflow part(names: list[str]) -> list[int]:
    return [one(name) for name in names]

workflow loop(n: int) -> int:
    if n == 0:
        return 0
    m = one(n)
    continuation loop(m)

workflow three(gate: str) -> list[int]:
    first = [one(i) for i in range(3)]
    return check(first, gate)

workflow held(gate: str) -> str:
    kept = one(gate)
    return receive(kept)
"""

WORK = """
from pathlib import Path

def find(name, k): return k
def one(x): return x
def grow(x): return 1
def save(x): return x

def check(found, gate=""):
    print("checked")
    if not Path(gate).exists():
        raise FileNotFoundError(gate)
    return found
"""


@pytest.fixture
def project(project: Path) -> Path:
    write(project / "flow.wf", SPEC)
    write(project / "work.py", WORK)
    return project


def test_counts_as_far_as_they_are_known(cli: Any, project: Path) -> None:
    done = cli("run", "flow.wf", "--dry-run", "--json", "-p", 'names=["ab", "", "xyz"]')
    found = json.loads(done.stdout)
    assert found["params"] == {"names": ["ab", "", "xyz"], "deep": False}
    assert {call["task"]: call["count"] for call in found["calls"]} == {
        "main/find[*]/find[*]/find": 5,
        "main/sizes[*]/one": None,
        "main/rest/one[*]/one": 3,
        "main/check": 1,
        "main/for_each[*]/save": None,
        "main/finally/save#2": 1,
    }
    assert not (project / ".wfc").exists()


def test_what_a_resume_would_do(cli: Any, project: Path) -> None:
    assert cli("run", "flow.wf:three", "--local", "-p", "gate=gate", "--run-id", "r").exit_code == 1
    assert cli("resume", "r", "--plan").stdout.splitlines() == [
        "r  failed",
        "  nothing has changed since: all that is done counts",
        "  kept           3 x  three/first[*]/one",
        "  runs           1 of 1 calls in three",
    ]
    assert json.loads(cli("resume", "r", "--plan", "--json").stdout)["kept"] == {
        "three/first[*]/one": 3
    }
    assert wfc.get("r").status == "failed", "it was a look"
    work = project / "work.py"
    text = work.read_text()
    work.write_text(text.replace("def one(x): return x", "def one(x): return x + 1"))
    told = cli("resume", "r", "--plan").stdout.splitlines()
    assert told[1:3] == [
        "  changed  task one: the code of work.one has changed",
        "  kept           3 x  three/first[*]/one    by the code as it was",
    ]
    work.write_text(text)
    (project / "gate").touch()
    assert cli("resume", "r", "--local").stdout == "[0, 1, 2]\n"
    assert "nothing left to do" in cli("resume", "r", "--plan").stdout
    assert cli("resume", "nobody", "--plan").exit_code == 2


def test_a_store_that_a_run_made_changes_nothing(cli: Any, project: Path, monkeypatch: Any) -> None:
    """A store marks a project's root: here it comes to be below the one that there was."""
    (project.parent / ".wfc").mkdir()
    assert cli("run", "flow.wf:three", "--local", "-p", "gate=gate", "--run-id", "r").exit_code == 1
    assert (project / ".wfc").is_dir()
    assert "nothing has changed" in cli("resume", "r", "--plan").stdout
    (project / "gate").touch()
    assert cli("resume", "r", "--local").stdout == "[0, 1, 2]\n"


def test_all_that_were_interrupted_are_resumed(cli: Any, project: Path) -> None:
    for name in ("a", "b"):
        run = wfc.start("flow.wf:held", gate="go", local=True, run_id=name)
        wait_for(lambda run=run: [t.state for t in run.tasks()] == ["done"])
        run.interrupt()
        run.send("go", name)
    done = cli("resume", "--all", "--local")
    assert (done.exit_code, done.stdout) == (0, '"a"\n"b"\n')
    assert cli("resume", "--all", "--local").stdout == ""


def test_a_detached_run_goes_on_by_itself(cli: Any, project: Path) -> None:
    done = cli("run", "flow.wf:held", "-p", "gate=go", "--local", "--detach", "--run-id", "r")
    assert (done.exit_code, done.stdout) == (0, "r\n")
    assert "wfc show r" in done.stderr
    run = wfc.get("r")
    assert run.status == "running"
    pid = json.loads(cli("list", "--json").stdout)[0]["owner"].split()[1]
    assert os.getsid(int(pid)) == int(pid), "a terminal that closes does not reach it"
    run.send("go", "on")
    assert run.result(timeout=30) == "on"
    wait_for(lambda: (project / ".wfc/detached/r.log").read_text().endswith('"on"\n'))


def test_what_cannot_start_detached_is_told_here(cli: Any, project: Path) -> None:
    done = cli("run", "flow.wf:held", "--local", "--detach")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "gate" in done.stderr
    assert cli("run", "flow.wf:held", "-p", "gate=g", "--local", "--run-id", "r", "--quiet",
               "--params", "none.toml", "--detach").exit_code == 2  # fmt: skip
    assert cli("resume", "nobody", "--detach").exit_code == 2
