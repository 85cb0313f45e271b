"""Signals before a run has begun, and those that come twice: no traceback, wherever they come."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import psutil
import pytest

from tests.cli.conftest import write
from tests.fire.project import COMMAND, wait_for

pytestmark = pytest.mark.slow

SPEC = """
    from slow import one

    workflow main() -> int:
        return one()
    """

SLOW = """
    import os
    import time

    open("importing", "w").close()
    while not os.path.exists("gate"):
        time.sleep(0.005)

    def one() -> int:
        return 1
    """


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_before_there_is_a_run(tmp_path: Path, number: int) -> None:
    """The tasks' module is being imported: nothing is stored yet, and nothing is left."""
    write(tmp_path / "flow.wf", SPEC)
    write(tmp_path / "slow.py", SLOW)
    process = subprocess.Popen(
        [*COMMAND, "run", "flow.wf", "--local"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    wait_for((tmp_path / "importing").exists, process)
    others = psutil.Process(process.pid).children(recursive=True)
    assert others, "the workers' processes are being started meanwhile"
    os.killpg(process.pid, number)
    assert (*process.communicate(timeout=30), process.returncode) == ("", "interrupted\n", 3)
    wait_for(lambda: not any(other.is_running() for other in others))
    assert not (tmp_path / ".wfc").exists()


TWICE = """
import os, signal
from wfc.cli.stopping import Stopping

class Hanging:
    def ask_to_stop(self):
        os.kill(os.getpid(), signal.SIGTERM)

with Stopping() as stopping:
    stopping.begins("r", "wfc resume r --local")
    stopping.of(Hanging())
    os.kill(os.getpid(), signal.SIGINT)
    signal.pause()
"""


def test_twice_at_once_tells_how_to_go_on_all_the_same() -> None:
    done = subprocess.run(
        [sys.executable, "-c", TWICE], capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == textwrap.dedent(
        """\
        run r was interrupted. To go on:
          wfc resume r --local
        """
    )


def test_twice_on_a_terminal_gives_the_cursor_back() -> None:
    """The live view has hidden it, and is not asked any more."""
    master, slave = pty.openpty()
    with open(master, "rb", buffering=0) as terminal:
        code = subprocess.run([sys.executable, "-c", TWICE], stderr=slave, timeout=30, check=False)
        os.close(slave)
        assert code.returncode == 3
        assert terminal.read(1000).startswith(b"\x1b[?25hrun r was interrupted")
