"""Standard streams that are closed or cannot be written to, and a current folder that is gone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import wfc

pytestmark = pytest.mark.slow

WFC = f"{sys.executable} -m wfc"


def shell(command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "-c", command], capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full here")
@pytest.mark.parametrize("buffered", ["", "1"])
def test_an_output_that_is_full(project: Path, buffered: str) -> None:
    """The run has succeeded, the command has not: that is told apart from a task's failure."""
    env = f"PYTHONUNBUFFERED={buffered}"
    done = shell(f"{env} {WFC} run flow.wf --local --run-id r > /dev/full")
    assert done.returncode == 5
    assert done.stderr.endswith(
        "run r has succeeded. To see its result:\n"
        "  wfc output r\n"
        "error: cannot write to the standard output: No space left on device\n"
    )
    assert wfc.get("r").status == "succeeded"
    done = shell(f"{env} {WFC} list > /dev/full")
    assert (done.returncode, done.stderr.count("\n")) == (5, 1)


@pytest.mark.parametrize("closed", [">&-", "<&- >&- 2>&-"])
def test_streams_that_are_closed(project: Path, closed: str) -> None:
    """Nothing that is printed gets into a file that was opened in their place."""
    done = shell(f"{WFC} run flow.wf --local --run-id r {closed}")
    assert done.returncode == 0
    assert done.stdout == ("" if ">&-" in closed.split() else "6\n")
    assert "Traceback" not in done.stderr
    assert wfc.get("r").result() == 6


def test_an_output_of_few_characters(project: Path) -> None:
    """JSON stays JSON; all else is shown with escapes."""
    (project / "words.py").write_text("def word() -> str:\n    return 'é☃'\n")
    (project / "words.wf").write_text(
        "from words import word\n\nworkflow größe() -> str:\n    return word()\n"
    )
    env = "PYTHONIOENCODING=ascii"
    done = shell(f"{env} {WFC} run words.wf --local")
    assert (done.returncode, json.loads(done.stdout)) == (0, "é☃")
    assert done.stdout.isascii()
    done = shell(f"{env} {WFC} list")
    assert done.returncode == 0
    assert "gr\\xf6\\xdfe" in done.stdout


def test_a_current_folder_that_is_gone(tmp_path: Path) -> None:
    done = shell(
        f"mkdir {tmp_path}/gone && cd {tmp_path}/gone && rmdir {tmp_path}/gone; {WFC} list"
    )
    assert (done.returncode, done.stdout) == (5, "")
    assert done.stderr == "error: cannot open .wfc: there is no such file or folder (ENOENT)\n"
