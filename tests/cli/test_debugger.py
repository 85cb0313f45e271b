"""`breakpoint()` in a task that runs on this machine."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from tests.cli.conftest import command, write

TASKS = """
    def look(i: int) -> int:
        found = 10 * i
        breakpoint()
        return found

    def once(i: int) -> int:
        if i == 0:
            breakpoint()
        found = i + 1
        return found

    def printed(i: int) -> int:
        print("before")
        breakpoint()
        return i
"""

SPEC = """
    from tasks import look, once, printed

    workflow main(n: int = 2) -> list[int]:
        return [look(i) for i in range(n)]

    workflow steps(n: int = 4) -> list[int]:
        return [once(i) for i in range(n)]

    workflow prints() -> int:
        return printed(7)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path / "tasks.py", TASKS)
    write(tmp_path / "main.wf", SPEC)
    return tmp_path


def run(
    folder: Path, typed: str | None, *arguments: str, **environ: str
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        command("run", *arguments, "--local"),
        cwd=folder,
        input=typed,
        stdin=subprocess.DEVNULL if typed is None else None,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, **environ},
    )
    assert "Traceback" not in done.stderr or "BdbQuit" in done.stderr
    return done


def test_it_stops_shows_and_goes_on(folder: Path) -> None:
    done = run(folder, "p found * 1000\nc\np found * 1000\nc\n", "main.wf")
    assert (done.returncode, done.stdout) == (0, "[0, 10]\n"), done.stderr
    first, second = done.stderr.split(" stops here:\n")[1:]
    for text in (first, second):
        # At the call itself from Python 3.13 on, before that at the line after it.
        assert re.search(r"tasks\.py\([34]\)look\(\)\n-> .*\n\(Pdb\) ", text)
    # One has the console until it is let go on.
    assert {first.split("(Pdb) ")[1].strip(), second.split("(Pdb) ")[1].strip()} == {"0", "10000"}


def test_values_can_be_changed(folder: Path) -> None:
    done = run(folder, "found = 5\nc\n", "main.wf", "-p", "n=1")
    assert (done.returncode, done.stdout) == (0, "[5]\n"), done.stderr


def test_stepping_ends_with_the_task(folder: Path) -> None:
    done = run(folder, "n\nn\nn\nn\nn\nn\nn\n", "main.wf:steps")
    assert (done.returncode, done.stdout) == (0, "[1, 2, 3, 4]\n"), done.stderr
    assert done.stderr.count("stops here") == 1
    assert "--Return--" in done.stderr


def test_breakpoints_that_are_set_stay(folder: Path) -> None:
    typed = "b 10\n" + "c\n" * 31
    done = run(folder, typed, "main.wf:steps", "-p", "n=30", WFC_BATCH="1")
    assert (done.returncode, done.stdout) == (0, f"{list(range(1, 31))}\n"), done.stderr
    assert done.stderr.count("tasks.py(10)once()") >= 2


def test_what_is_left_with_q_fails(folder: Path) -> None:
    done = run(folder, "q\n", "main.wf", "-p", "n=1")
    assert (done.returncode, done.stdout) == (1, "")
    assert "task main/look[0]/look failed: bdb.BdbQuit" in done.stderr


@pytest.mark.parametrize("typed", [None, "", "p found"], ids=["nothing", "empty", "no end"])
def test_where_nobody_is_it_goes_on(folder: Path, typed: str | None) -> None:
    done = run(folder, typed, "main.wf")
    assert (done.returncode, done.stdout) == (0, "[0, 10]\n"), done.stderr
    assert "goes on: there is nobody to type" in done.stderr


def test_the_environment_says_what_it_does(folder: Path) -> None:
    done = run(folder, None, "main.wf", PYTHONBREAKPOINT="0")
    assert (done.returncode, done.stdout) == (0, "[0, 10]\n")
    assert "stops here" not in done.stderr


def test_a_run_is_interrupted_while_it_waits_for_a_line(folder: Path) -> None:
    process = subprocess.Popen(
        command("run", "main.wf", "--local", "--run-id", "r"),
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    shown = ""
    while "stops here" not in shown:
        read = process.stderr.readline()
        assert read, shown
        shown += read
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 3  # stdin is open until then: its end would let the tasks go on
    out, err = process.communicate()
    assert out == ""
    assert "wfc resume r --local" in err
    again = subprocess.run(
        command("resume", "r", "--local"),
        cwd=folder, input="c\nc\n", capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (again.returncode, again.stdout) == (0, "[0, 10]\n"), again.stderr
