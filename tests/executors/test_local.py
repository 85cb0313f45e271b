"""What is particular to the processes of this machine."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.executors.conftest import RUNNER, values
from tests.executors.fake_runner import rows
from tests.executors.fakes import PROGRAM, drain, work
from tests.executors.test_contract import pids, spin
from wfc.runtime.executors import zygote
from wfc.runtime.executors.local import LocalTransport, describe_exit
from wfc.runtime.executors.pool import Pool
from wfc.runtime.work import ExecutorLost, Failed, Program, Work


def test_closing_leaves_no_process(tmp_path: Path, alive: Callable[[int], bool]) -> None:
    pool = Pool(LocalTransport(2, runner=RUNNER), PROGRAM)
    marker = tmp_path / "pid"
    pool.submit(Work(1, "mark", "main", items=rows([str(marker)])))
    (busy,) = spin(pool, lambda: pids(marker))
    pool.submit(Work(2, "pid", "main"))
    (idle,) = values(drain(pool, 1))
    pool.close()
    pool.close()
    assert not alive(busy)
    assert not alive(idle)


def test_closing_without_a_program_is_silent(capfd: pytest.CaptureFixture[str]) -> None:
    transport = LocalTransport(2, runner=RUNNER)
    transport.close()
    transport.close()
    assert capfd.readouterr().err == ""


def test_a_process_that_a_task_started_goes_with_it(
    local: Pool, tmp_path: Path, alive: Callable[[int], bool]
) -> None:
    marker = tmp_path / "pid"
    local.submit(Work(1, "child", "main", items=rows([str(marker)])))
    (child,) = spin(local, lambda: pids(marker))
    local.cancel(1)
    spin(local, lambda: not alive(child))


COORDINATOR = """
import sys, time
from tests.executors.conftest import RUNNER
from tests.executors.fake_runner import rows
from tests.executors.fakes import PROGRAM
from wfc.runtime.executors.local import LocalTransport
from wfc.runtime.executors.pool import Pool
from wfc.runtime.work import Work
pool = Pool(LocalTransport(2, runner=RUNNER), PROGRAM)
pool.submit(Work(1, "mark", "main", items=rows([sys.argv[1]])))
pool.submit(Work(2, "mark", "main", items=rows([sys.argv[1]])))
while True:
    pool.poll(1.0)
"""


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGTERM])
def test_no_worker_outlives_the_coordinator(
    tmp_path: Path, root: Path, alive: Callable[[int], bool], signum: int
) -> None:
    marker = tmp_path / "pid"
    marker.touch()
    process = subprocess.Popen([sys.executable, "-c", COORDINATOR, str(marker)], cwd=root)
    end = time.monotonic() + 30
    while len(pids(marker)) < 2:
        assert time.monotonic() < end
        time.sleep(0.01)
    workers = pids(marker)
    parents = (
        {
            int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
            for pid in workers
        }
        if os.path.isdir("/proc/self")
        else set()
    )
    process.send_signal(signum)
    process.wait()
    while any(map(alive, [*workers, *parents])):
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_are_for_the_coordinator_only(tmp_path: Path, root: Path, signum: int) -> None:
    # The whole group gets the signal, as from a terminal or a service manager.
    code = COORDINATOR.replace(
        "while True:\n    pool.poll(1.0)",
        """
import signal
hits = []
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, lambda *_: hits.append(1))
print("ready", flush=True)
while not hits:
    pool.poll(0.05)
pool.poll(0.3)
assert len(pool._on.flights) == 2, "the workers go on"
pool.close()
""",
    )
    marker = tmp_path / "pid"
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(marker)],
        cwd=root,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    end = time.monotonic() + 30
    while len(pids(marker)) < 2:
        assert time.monotonic() < end
        time.sleep(0.01)
    os.killpg(process.pid, signum)
    assert process.wait(30) == 0
    process.stdout.close()


def test_a_signal_to_all_while_they_start(root: Path) -> None:
    """It waits until the process that makes the workers can ignore it."""
    code = """
import os, signal
from tests.executors.conftest import RUNNER
from tests.executors.fakes import PROGRAM, drain, work
from wfc.runtime.executors.local import LocalTransport
from wfc.runtime.executors.pool import Pool
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, lambda *_: None)
pool = Pool(LocalTransport(1, runner=RUNNER), PROGRAM)
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    os.killpg(0, number)
pool.submit(work(1, 1, "noop"))
drain(pool, 1)
pool.close()
"""
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, cwd=root, capture_output=True, text=True, start_new_session=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_parent_of_the_workers_is_killed(local: Pool, alive: Callable[[int], bool]) -> None:
    """Another one comes; what ran is tried again."""
    transport = local._transport
    assert isinstance(transport, LocalTransport)
    local.submit(Work(1, "pid", "main"))
    (worker,) = values(drain(local, 1))
    before = transport._zygote.pid
    os.kill(before, signal.SIGKILL)
    transport._zygote.wait(30)
    local.submit(Work(2, "pid", "main"))
    (other,) = values(drain(local, 1))
    assert other != worker
    assert transport._zygote.pid != before
    spin(local, lambda: not alive(worker))


def test_a_coordinator_that_is_killed_early_leaves_no_words(root: Path) -> None:
    """Its workers have heard nothing yet."""
    code = """
import os
from tests.executors.conftest import RUNNER
from wfc.runtime.executors.local import LocalTransport
transport = LocalTransport(2, runner=RUNNER)
os.kill(os.getpid(), 9)
"""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (-signal.SIGKILL, "")


def test_functions_that_cannot_be_loaded_fail_their_calls() -> None:
    program = Program("run", b"", b"broken", "", b"", "digest")
    pool = Pool(LocalTransport(1, runner=RUNNER), program)
    try:
        pool.submit(Work(1, "noop", "main"))
        (report,) = pool.poll(30)
        assert isinstance(report, Failed)
        assert report.error.type == "builtins.ImportError"
        assert "nothing" in report.error.message
    finally:
        pool.close()


def test_workers_that_cannot_start_are_an_error() -> None:
    transport = LocalTransport(1, runner="no.such.module:Runner")
    pool = Pool(transport, PROGRAM)
    try:
        transport._zygote.wait(30)
        pool.submit(work(1, 1, "noop"))
        with pytest.raises(ExecutorLost, match="worker processes cannot be started"):
            pool.poll(1.0)
    finally:
        pool.close()


def test_a_message_larger_than_any_socket_buffer(local: Pool) -> None:
    text = "x" * 3_000_000
    local.submit(Work(1, "noop", "main", items=rows([text] * 4), indices=range(4)))
    assert values(drain(local, 4)) == [text] * 4


def test_how_a_process_ended_in_words() -> None:
    assert "SIGKILL" in describe_exit(9)
    assert "exit status 3" in describe_exit(3 << 8)


def test_a_zygote_whose_coordinator_is_gone_ends_without_a_word() -> None:
    control, other = socket.socketpair()
    child = subprocess.Popen(["true"], start_new_session=True)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    other.close()
    with control:
        zygote._reap({child.pid: 1}, control)
    child.wait()
