"""Cancel, Ctrl-C, SIGTERM and a closed terminal, in every state of a run: it ends within moments,
leaves nothing behind, and can be gone on with."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

import wfc
from tests.fire.project import COMMAND, SPEC, Project, wait_for

pytestmark = pytest.mark.slow

STATES = {"working": "hangs", "sleeping": "begins", "receiving": "begins", "ending": "hangs"}
"""Workflows that come to a state and stay there, and what their last task has noted by then."""


def patience() -> float:
    """The two seconds that are promised, on a machine that has that much time for us."""
    return 2.0 * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


class Started:
    """A run that has come to its state, in a process of its own."""

    def __init__(self, project: Project, state: str, folder: Path) -> None:
        self.project = project
        self.temporary = folder / "tmp"
        self.temporary.mkdir()
        environ = {"TMPDIR": str(self.temporary)}
        self.process = project.run(state, environ=environ)
        wait_for(lambda: self.waits(state), self.process)
        self.worker = int(project.lines()[-1][1])

    def waits(self, state: str) -> bool:
        """Whether it is where it is to be."""
        if STATES[state] not in [what for what, _ in self.project.lines()]:
            return False
        if state in ("working", "ending"):
            return True
        out = self.project.says("show", "r")[1]
        return {"sleeping": "sleep", "receiving": "signal"}[state] in out

    def left(self) -> list[str]:
        """Processes of its session and files of its own that are there after its end."""
        found = []
        for process in psutil.process_iter():
            try:
                if os.getsid(process.pid) == self.process.pid and process.status() != "zombie":
                    found.append(" ".join(process.cmdline()))
            except (OSError, psutil.Error):
                continue
        if psutil.pid_exists(self.worker) and psutil.Process(self.worker).status() != "zombie":
            is_ray = "ray::" in (psutil.Process(self.worker).cmdline() or [""])[0]
            if not is_ray or "wfc" in psutil.Process(self.worker).cmdline()[0]:
                found.append(f"worker {self.worker}")
        return found + [path.name for path in self.temporary.iterdir()]


@pytest.fixture
def project(tmp_path: Path, store: str) -> Project:
    return Project(tmp_path, store)


@pytest.fixture
def on_ray(tmp_path: Path, store: str, ray_session: str) -> Project:
    return Project(tmp_path, store, ["--address", ray_session])


@pytest.mark.parametrize("state", ["working", "sleeping", "receiving"])
def test_cancel(project: Project, tmp_path: Path, state: str) -> None:
    check_cancel(project, tmp_path, state)


@pytest.mark.ray
def test_cancel_on_ray(on_ray: Project, tmp_path: Path) -> None:
    check_cancel(on_ray, tmp_path, "working")
    wait_for(lambda: not hubs())


def check_cancel(project: Project, tmp_path: Path, state: str) -> None:
    """It ends cancelled in time, its `finally:` has run, and nothing is left."""
    run = Started(project, state, tmp_path)
    began = time.monotonic()
    assert wfc.get("r", store=project.store).cancel()
    wait_for(lambda: wfc.get("r", store=project.store).status == "cancelled")
    assert time.monotonic() - began < patience()
    out, err = run.process.communicate(timeout=30)
    assert (run.process.returncode, out) == (3, ""), err
    assert "run r was cancelled" in err
    assert [what for what, _ in project.lines()].count("finally") == 1
    wait_for(lambda: not run.left())


SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


@pytest.mark.parametrize(
    ("state", "number"),
    [*((state, SIGNALS[n % 3]) for n, state in enumerate(STATES)), ("working", signal.SIGHUP)],
)
def test_signals(project: Project, tmp_path: Path, state: str, number: int) -> None:
    check_signal(project, tmp_path, state, number)


@pytest.mark.ray
def test_signal_on_ray(on_ray: Project, tmp_path: Path) -> None:
    check_signal(on_ray, tmp_path, "working", signal.SIGINT)
    wait_for(lambda: not hubs())


def hubs() -> list[str]:
    """The actors that runs have left in the session."""
    import ray

    found = ray.util.list_named_actors(all_namespaces=True)
    return [actor["name"] for actor in found if actor["name"].startswith("wfc-hub")]


def check_signal(project: Project, tmp_path: Path, state: str, number: int) -> None:
    """It ends in time, says how to go on, is resumable, and nothing is left."""
    run = Started(project, state, tmp_path)
    drafts = Path(project.store) / "values" / ".tmp"
    drafts.mkdir(exist_ok=True)
    (drafts / "r.0f").write_bytes(b"a value that a worker is just writing")
    began = time.monotonic()
    run.process.send_signal(number)
    out, err = run.process.communicate(timeout=30)
    took = time.monotonic() - began
    assert (run.process.returncode, out) == (3, ""), err
    assert f"wfc resume r --store {project.store} {' '.join(project.where)}\n" in err
    assert took < patience()
    wait_for(lambda: not run.left())
    assert not list(drafts.iterdir())
    assert wfc.get("r", store=project.store).status == "interrupted"
    assert "finally" not in [what for what, _ in project.lines()], "it is not over"


def test_what_was_cancelled_goes_on_only_when_named(tmp_path: Path, store: str) -> None:
    project = Project(tmp_path, store)
    run = Started(project, "receiving", tmp_path)
    code, out, err = project.says("resume", "r", "--local")
    assert (code, out) == (4, ""), err
    assert f"run r is owned by process {run.process.pid} on " in err
    assert " since " in err
    wfc.get("r", store=store).cancel()
    run.process.communicate(timeout=30)
    code, out, err = project.says("resume", "--all", "--local")
    assert (code, out) == (0, ""), err
    assert wfc.get("r", store=store).status == "cancelled"
    assert project.says("send", "r", "go", "5")[0] == 0
    assert project.says("resume", "r", "--local")[:2] == (0, "5\n")


def test_cancelled_while_it_tidies_up(tmp_path: Path, store: str) -> None:
    """`finally:` runs to its end; the run is cancelled all the same."""
    project = Project(tmp_path, store)
    gate = tmp_path / "gate"
    process = project.run("tidying", gate=gate)
    wait_for(lambda: "waits" in [what for what, _ in project.lines()], process)
    assert wfc.get("r", store=store).cancel()
    gate.touch()
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (3, ""), err
    assert wfc.get("r", store=store).status == "cancelled"


# The run is the session leader of a terminal of its own, which is closed under it.
TERMINAL = """
import os, pty, sys, threading
pid, master = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], sys.argv[1:])
def drain():
    try:
        while os.read(master, 65536):
            pass
    except OSError:
        pass
reader = threading.Thread(target=drain, daemon=True)
reader.start()
print(pid, flush=True)
sys.stdin.readline()
os.close(master)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
"""


def test_a_terminal_that_is_closed(tmp_path: Path, store: str) -> None:
    project = Project(tmp_path, store)
    target = [
        f"{SPEC}:working",
        f"-plog={project.log}",
        "--local",
        "--run-id",
        "r",
        "--store",
        store,
    ]
    with subprocess.Popen(
        [sys.executable, "-c", TERMINAL, *COMMAND, "run", *target],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as terminal:
        assert terminal.stdin is not None
        assert terminal.stdout is not None
        pid = int(terminal.stdout.readline())
        wait_for(lambda: "hangs" in [what for what, _ in project.lines()], terminal)
        worker = int(project.lines()[-1][1])
        terminal.stdin.write("\n")
        terminal.stdin.flush()
        assert int(terminal.stdout.readline()) == 3
    assert not psutil.pid_exists(pid)
    wait_for(lambda: not psutil.pid_exists(worker))
    assert wfc.get("r", store=store).status == "interrupted"
    assert project.says("list")[1].startswith("r  interrupted")
