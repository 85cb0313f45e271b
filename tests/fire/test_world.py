"""The disk is full, unreadable, read-only, or the database goes away: the command says so and where,
ends with exit code 5, and `wfc resume` goes on when that is mended."""

from __future__ import annotations

import errno
import itertools
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import wfc
from tests.fire import broken
from tests.fire.project import Project, expected, wait_for
from tests.storage.postgres import Server, find_binaries
from wfc.launching import TransportLauncher, launcher
from wfc.running import Active
from wfc.runtime import coordinator
from wfc.runtime.executors.local import LocalTransport
from wfc.runtime.storage_errors import StorageError
from wfc.runtime.store import Store
from wfc.stored import bundle

pytestmark = pytest.mark.slow

COUNT = 60


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Callable[..., None]]:
    """Mount a small file system; skipped where that is not allowed."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    mounted: list[Path] = []

    def mount(folder: Path, options: str) -> None:
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
        if folder in mounted:
            command = ["mount", "-o", f"remount,{options}", str(folder)]
        elif subprocess.run(command, check=False, capture_output=True).returncode != 0:
            pytest.skip("this root cannot mount")
        else:
            mounted.append(folder)
            return
        subprocess.run(command, check=True)

    yield mount
    for folder in mounted:
        subprocess.run(["umount", str(folder)], check=True)


def stopped(project: Project, run: subprocess.Popen[str], *told: str) -> None:
    """It ended as a failure of the storage, and said what to do."""
    out, err = run.communicate(timeout=60)
    assert (run.returncode, out) == (5, ""), err
    for text in (*told, f"wfc resume r --store {project.store} --local\n"):
        assert text in err
    assert "Traceback" not in err


def goes_on(project: Project, size: int) -> None:
    """What was committed counts, the rest runs, and the result is the same."""
    kept = project.committed()
    assert 0 < len(kept) < COUNT
    assert wfc.get("r", store=project.store).status == "interrupted"
    again = project.resume()
    out, err = again.communicate(timeout=60)
    assert (again.returncode, out) == (0, expected(COUNT, size)), err
    project.check(kept, COUNT)


def test_a_disk_that_is_full(tmp_path: Path, mount: Callable[..., None]) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount(disk, "size=800k")
    project = Project(tmp_path, str(disk / "store"))
    run = project.run(count=COUNT, size=10_000)
    stopped(project, run, f"cannot write to {disk}/store/journal.db: ", "full")
    mount(disk, "size=50m")
    goes_on(project, 10_000)


def test_a_disk_that_is_full_of_values(tmp_path: Path, mount: Callable[..., None]) -> None:
    """The journal has room: no task may be said to have failed."""
    with Store.open(tmp_path / "store"):
        pass
    values = tmp_path / "store" / "values"
    mount(values, "size=2m,mode=0700")
    project = Project(tmp_path, str(tmp_path / "store"))
    run = project.run(count=COUNT, size=100_000)
    stopped(project, run, f"cannot write {values}/r/", "no space is left on the device (ENOSPC)")
    mount(values, "size=50m")
    goes_on(project, 100_000)


LIMITED = """
import os, resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
os.execv(sys.argv[1], sys.argv[1:])
"""


def test_files_that_may_not_grow(tmp_path: Path) -> None:
    """The nearest thing to a full disk that needs no privileges."""
    project = Project(tmp_path, str(tmp_path / "store"))
    run = project.run(count=COUNT, size=10_000, before=[sys.executable, "-c", LIMITED])
    stopped(project, run, f"cannot write to {tmp_path}/store/journal.db: ")
    goes_on(project, 10_000)


def test_a_file_system_that_is_read_only(tmp_path: Path, mount: Callable[..., None]) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount(disk, "size=50m")
    project = Project(tmp_path, str(disk / "store"))
    assert project.run(count=1, size=1).communicate(timeout=60)[0] == "0\n"
    mount(disk, "ro")
    for command in (["resume", "r", "--local"], ["send", "r", "go"], ["list"]):
        code, out, err = project.says(*command)
        assert (code, out) == (5, "")
        assert str(disk) in err
        assert "read" in err
    fresh = Project(tmp_path, str(disk / "other"))
    run = fresh.run(count=1, size=1)
    out, err = run.communicate(timeout=60)
    assert (run.returncode, out) == (5, ""), err
    assert f"{disk}/other: the file system is read-only (EROFS)" in err


# Without these capabilities root is refused what modes forbid, as anybody is.
MORTAL = """
import ctypes, os, sys
if os.geteuid() == 0:
    for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
        if ctypes.CDLL(None).prctl(24, capability, 0, 0, 0) != 0:
            sys.exit("cannot drop capabilities")
os.execv(sys.argv[1], sys.argv[1:])
"""


@pytest.fixture
def mortal() -> list[str]:
    """What to put before a command so that permissions count for it."""
    command = [sys.executable, "-c", MORTAL]
    if subprocess.run([*command, "/bin/true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("this root cannot drop its capabilities")
    return command


def test_a_folder_that_is_not_allowed(tmp_path: Path, mortal: list[str]) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    project = Project(tmp_path, str(closed / "store"))
    run = project.run(count=1, size=1, before=mortal)
    out, err = run.communicate(timeout=60)
    assert (run.returncode, out) == (5, "")
    assert f"{closed}/store: permission denied (EACCES)" in err
    assert "Traceback" not in err


def test_a_folder_that_is_closed_in_mid_run(tmp_path: Path, mortal: list[str]) -> None:
    project = Project(tmp_path, str(tmp_path / "store"))
    run = project.run(count=COUNT, size=100_000, pause=0.02, before=mortal)
    wait_for(lambda: len(project.lines()) > COUNT // 3, run)
    folder = tmp_path / "store" / "values" / "r"
    folder.chmod(0o500)
    stopped(project, run, f"cannot write {folder}/", "permission denied (EACCES)")
    folder.chmod(0o700)
    goes_on(project, 100_000)


@pytest.mark.parametrize("instead", ["nothing", "folder", "file"])
def test_a_journal_that_is_taken_away_in_mid_run(tmp_path: Path, instead: str) -> None:
    """SQLite would go on writing to the deleted file, and keep nothing."""
    project = Project(tmp_path, str(tmp_path / "store"))
    run = project.run(count=COUNT, size=10, pause=0.02)
    wait_for(lambda: len(project.lines()) > COUNT // 3, run)
    journal, aside = tmp_path / "store" / "journal.db", tmp_path / "aside"
    aside.mkdir()
    for path in journal.parent.glob("journal.db*"):
        path.rename(aside / path.name)
    if instead == "folder":
        journal.mkdir()
    elif instead == "file":
        journal.touch()
    stopped(project, run, f"cannot write to {journal}: ")
    if instead == "folder":
        journal.rmdir()
    for path in aside.iterdir():
        path.rename(journal.parent / path.name)
    goes_on(project, 10)


class Breaker:
    """From its `at`th time on, a point of the journal fails as it does on a broken device."""

    def __init__(self, point: str, at: int) -> None:
        self.point, self.left = point, at

    def __call__(self, point: str) -> None:
        if point == self.point:
            self.left -= 1
            if self.left < 0:
                raise sqlite3.OperationalError("disk I/O error")


@pytest.mark.parametrize(
    ("point", "at"), [("append.fenced", 0), ("append.inserted", 2), ("finish.updated", 0)]
)
def test_a_device_that_breaks(tmp_path: Path, point: str, at: int) -> None:
    store = tmp_path / "store"
    plan = wfc.compile(Path(__file__).with_name("steps.wf"))
    log = str(tmp_path / "log")
    with Store.open(store) as opened:
        coordinator.create(
            opened,
            "r",
            plan,
            {"count": 8, "size": 2, "log": log, "pause": 0.05},  # more than two commits
            options={"root": plan.root or ""},
        )
    breaking = Store.open(store, failpoint=Breaker(point, at))
    program = coordinator.program(breaking, "r", plan, bundle(plan))
    active = Active(breaking, "r", launcher(local=True), program)
    with pytest.raises(StorageError, match=r"journal\.db: disk I/O error"):
        active.join(60)
    project = Project(tmp_path, str(store))
    kept = project.committed()
    assert wfc.resume("r", store=store, local=True).result(60) == int(expected(8, 2))
    project.check(kept, 8)


def test_every_call_of_a_worker_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each call with which a worker stores values, by turns once and from then on: the run stops,
    says where, and blames no task."""
    plan = wfc.compile(Path(__file__).with_name("steps.wf"))
    codes = itertools.cycle([errno.EIO, errno.EACCES, errno.ENOSPC, errno.EROFS, errno.EMFILE])
    fired = 0
    for at, code in zip(itertools.count(1), codes, strict=False):
        monkeypatch.setenv(broken.VARIABLE, f"{code}:{at}:{at % 2}")
        folder = tmp_path / str(at)
        folder.mkdir()
        project = Project(folder, str(folder / "store"))
        params = {"count": 1, "size": 100_000, "log": str(project.log), "pause": 0.0}
        store = Store.open(project.store)
        coordinator.create(store, "r", plan, params, options={"root": plan.root or ""})
        program = coordinator.program(store, "r", plan, bundle(plan))
        transport = TransportLauncher(lambda: LocalTransport(1, runner="tests.fire.broken:runner"))
        active = Active(store, "r", transport, program)
        told = ""
        try:
            assert active.join(60).status == "succeeded"
        except StorageError as error:
            told = str(error)
        if not told:
            break
        fired += 1
        assert str(folder / "store" / "values") in told
        assert f"({errno.errorcode[code]})" in told
        assert wfc.get("r", store=project.store).status == "interrupted"
        kept = project.committed()
        assert wfc.resume("r", store=project.store, local=True).result(60) == int(
            expected(1, 100_000)
        )
        project.check(kept, 1)
    assert fired >= 10


def test_a_database_that_goes_away(tmp_path: Path) -> None:
    binaries = find_binaries()
    if binaries is None:
        pytest.skip("no PostgreSQL server is installed")
    pytest.importorskip("psycopg")
    server = Server(binaries)
    try:
        project = Project(tmp_path, f"{server.url()}&values={tmp_path}/values")
        run = project.run(count=COUNT, size=10, pause=0.02)
        wait_for(lambda: len(project.lines()) > COUNT // 3, run)
        server.stop()
        out, err = run.communicate(timeout=60)
        assert (run.returncode, out) == (5, ""), err
        assert "postgresql://" in err
        assert "wfc resume r --store" in err
        assert "Traceback" not in err
        assert project.says("list")[0] == 5
        server.start()
        goes_on(project, 10)
    finally:
        server.close()
