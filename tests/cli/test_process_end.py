"""What becomes of runs when the process ends, and of the process when a run does."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import wfc

DROPPED = """
import atexit, sys, wfc

file = open("unflushed", "w")
file.write("kept")
atexit.register(print, "at the end")
run = wfc.start("flow.wf:approved", local=True, run_id="dropped")
"""


class Ends:
    """An observer that ends its thread, as Ray does with one that calls it at its end."""

    def update(self, moment: object) -> None:
        """See `Observer`."""
        raise SystemExit(0)

    def log(self, log: object) -> None:
        """See `Observer`."""


def ran(code: str, project: Path) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=project,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def test_a_process_that_ends_under_a_run_has_not_ended_well(project: Path) -> None:
    code, out, err = ran(DROPPED, project)
    assert (code, out) == (3, "at the end\n"), err
    assert err == (
        "run dropped was interrupted: its process has ended; wfc.resume('dropped') goes on with it\n"
    )
    assert (project / "unflushed").read_text() == "kept", "all ends as it does otherwise"
    assert wfc.get("dropped").status == "interrupted"


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ("raise ValueError('its own')", 1),
        ("run.interrupt()", 0),
        ("run.send('approval', 'yes'); run.result()", 0),
    ],
)
def test_how_a_process_ends_otherwise(project: Path, more: str, expected: int) -> None:
    code, out, err = ran(DROPPED + more, project)
    assert (code, out) == (expected, "at the end\n"), err
    assert ("was interrupted" in err) == bool(expected)


def test_a_run_that_was_interrupted_and_that_nobody_asked_for(project: Path) -> None:
    code = f"""
import sys
sys.path[:0] = {sys.path!r}
import wfc
from tests.cli.test_process_end import Ends
run = wfc.start("flow.wf:approved", local=True, run_id="dropped", observer=Ends())
run.wait()
"""
    assert ran(code, project)[::2] == (
        3,
        "run dropped was interrupted: SystemExit: 0; wfc.resume('dropped') goes on with it\n",
    )
    asked = code.replace("dropped", "asked") + "print(run.status)"
    assert ran(asked, project) == (0, "interrupted\n", "")


def test_the_end_of_a_runs_thread_is_not_that_of_its_caller(project: Path) -> None:
    run = wfc.start("flow.wf:approved", local=True, run_id="r", observer=Ends())
    with pytest.raises(wfc.RunInterrupted, match=r"\(SystemExit: 0\)"):
        run.result(timeout=60)
    assert run.status == "interrupted"


def test_what_is_awaited_takes_no_threads_from_others(project: Path) -> None:
    """The first run waits for what comes after the second one."""

    async def main() -> list[Any]:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
        one = wfc.start("flow.wf:approved", local=True, run_id="one")
        two = wfc.start("flow.wf", n=2, local=True, run_id="two")

        async def approve() -> Any:
            try:
                return await asyncio.wait_for(two, 20)
            finally:
                one.send("approval", "yes")

        return await asyncio.gather(one, approve())

    assert asyncio.run(main()) == ["said yes", 2]
