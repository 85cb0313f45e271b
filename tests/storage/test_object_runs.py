"""Whole runs whose values are in an object store: a real S3 server, and all that may become of it,
of the run and of its workers meanwhile."""

from __future__ import annotations

import re
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest

import wfc
from tests.fire.project import SPEC, Project, expected, wait_for
from tests.storage.s3 import S3, SECRET, Call, Fault
from wfc.runtime.store import Store

pytestmark = pytest.mark.slow

COUNT = 24
SIZE = 100_000  # more than what travels inline
PLACE = "s3://bucket/pre"
SEVERAL_PARTS = 20_000_000
STORE_KEY = "5e" * 32


@pytest.fixture
def project(tmp_path: Path, journal_url: str, s3: S3, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Runs with a journal on each backend, and values in the object store."""
    monkeypatch.setenv("WFC_STORE_KEY", STORE_KEY)
    monkeypatch.chdir(tmp_path)
    return Project(tmp_path, with_values(journal_url, PLACE))


@pytest.fixture
def embedded(tmp_path: Path, s3: S3, monkeypatch: pytest.MonkeyPatch) -> Project:
    """With a journal in SQLite, and the place of the values in the environment."""
    monkeypatch.setenv("WFC_STORE_KEY", STORE_KEY)
    monkeypatch.setenv("WFC_VALUES", PLACE)
    return Project(tmp_path, f"sqlite:///{tmp_path}/journal.db")


def with_values(url: str, place: str) -> str:
    return f"{url}{'&' if '?' in url else '?'}values={place}"


def end(process: subprocess.Popen[str], count: int, size: int) -> str:
    """The run succeeds; gives what it says beside its result."""
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (0, expected(count, size)), err
    return err


class Killer:
    """At the `nth` request of a kind the run is killed: before the server has done it or after."""

    def __init__(self, does: str, nth: int, fault: Fault) -> None:
        self.does, self.left, self.fault = does, nth, fault
        self.process: subprocess.Popen[str] | None = None

    def __call__(self, call: Call) -> Fault:
        if call.does != self.does:
            return None
        self.left -= 1
        if self.left != 0:
            return None
        assert self.process is not None
        self.process.kill()
        self.process.wait()
        return self.fault


def test_a_run_that_is_killed_in_the_middle_of_a_write(project: Project, s3: S3) -> None:
    fault: Fault = "before" if project.store.startswith("sqlite") else "after"
    killer = s3.fault = Killer("PUT", COUNT // 2, fault)
    killer.process = project.run(count=COUNT, size=SIZE)
    _, said = killer.process.communicate(timeout=60)
    assert killer.left <= 0, said
    kept = project.committed()
    assert 0 < len(kept) < COUNT
    said += end(project.resume(), COUNT, SIZE)
    project.check(kept, COUNT)
    assert all(re.fullmatch(r"pre/[0-9a-f]{16}/r/[0-9a-f]{32}", key) for key in s3.objects)
    assert len(s3.objects) >= COUNT
    with Store.open(project.store, create=False) as store:
        written = [said, repr(store.journal.definition("r"))]
    written += [data.decode("latin-1") for data in s3.objects.values()]
    told = [project.says(*command) for command in (["list"], ["show", "r"], ["delete", "r"])]
    assert [code for code, _, _ in told] == [0, 0, 0]
    assert told[0][1].startswith("r  succeeded")
    assert s3.objects == {}
    # Credentials and the key that seals come from the environment, and are written nowhere.
    written += map(str, told)
    for path in project.log.parent.rglob("*"):
        if path.is_file():
            written.append(path.read_bytes().decode("latin-1"))
    assert not any(SECRET in text or STORE_KEY in text for text in written)


def test_a_run_that_is_killed_in_the_middle_of_a_large_value(embedded: Project, s3: S3) -> None:
    killer = s3.fault = Killer("PART", 5, "before")
    killer.process = embedded.run(count=4, size=SEVERAL_PARTS)
    killer.process.communicate(timeout=60)
    kept = embedded.committed()
    assert len(kept) < 4
    end(embedded.resume(), 4, SEVERAL_PARTS)
    embedded.check(kept, 4)
    assert len(s3.objects) >= 4
    assert {len(data) // SEVERAL_PARTS for data in s3.objects.values()} == {1}


def test_a_server_that_goes_away(embedded: Project, s3: S3) -> None:
    left = COUNT // 3

    def stop(call: Call) -> Fault:
        nonlocal left
        left -= call.does == "PUT"
        if left > 0:
            return None
        s3.stop()
        return "before"

    s3.fault = stop
    run = embedded.run(count=COUNT, size=SIZE)
    out, err = run.communicate(timeout=60)
    assert (run.returncode, out) == (5, ""), err
    assert re.search(f"error: cannot write {PLACE}/[0-9a-f]{{16}}/r/", err)
    assert f"Connection refused (from {s3.endpoint})" in err
    assert "wfc resume r --store" in err
    assert "Traceback" not in err
    kept = embedded.committed()
    assert 0 < len(kept) < COUNT
    assert embedded.says("list")[1].startswith("r  interrupted")
    s3.fault = lambda call: None
    s3.start()
    end(embedded.resume(), COUNT, SIZE)
    embedded.check(kept, COUNT)


def test_a_run_is_stopped_while_the_server_does_not_answer(embedded: Project, s3: S3) -> None:
    over = threading.Event()
    asked: list[Call] = []

    def hang(call: Call) -> Fault:
        if call.does != "PUT":
            return None
        asked.append(call)
        over.wait(60)
        return 503

    s3.fault = hang
    run = embedded.run(count=COUNT, size=SIZE)
    wait_for(lambda: asked, run)
    try:
        began = time.monotonic()
        run.send_signal(signal.SIGINT)
        out, err = run.communicate(timeout=60)
        assert time.monotonic() - began < 20  # the server would be waited for for 30 s
    finally:
        over.set()
    assert (run.returncode, out) == (3, ""), err
    assert "wfc resume r --store" in err


def test_a_value_that_is_gone(embedded: Project, s3: S3) -> None:
    """It is told as it is for one in a folder: not as a failure of the task that needs it."""
    killer = s3.fault = Killer("PUT", COUNT, "after")
    killer.process = embedded.run(count=COUNT, size=SIZE)
    killer.process.communicate(timeout=60)
    for key in list(s3.objects):
        del s3.objects[key]
    run = embedded.resume()
    out, err = run.communicate(timeout=60)
    assert (run.returncode, out) == (5, ""), err
    assert re.search(f"is missing: no object {PLACE}/[0-9a-f]{{16}}/r/", err)


def test_a_place_that_refuses(embedded: Project, s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing begins, though the first value would come late."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody")
    run = embedded.run(count=COUNT, size=1)
    out, err = run.communicate(timeout=60)
    assert (run.returncode, out) == (5, "")
    assert re.search(f"cannot list {PLACE}/[0-9a-f]{{16}}: InvalidAccessKeyId", err)
    assert embedded.says("list")[:2] == (0, "")
    assert embedded.lines() == []


def test_a_run_that_is_detached(
    embedded: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it says goes to the working directory's `.wfc`: an object store has no folder for it."""
    monkeypatch.chdir(tmp_path)
    log = tmp_path / ".wfc" / "detached" / "r.log"
    parameters = [
        f"-p{name}={value}"
        for name, value in {"count": 2, "size": SIZE, "log": embedded.log}.items()
    ]
    code, out, err = embedded.says(
        "run", str(SPEC), *parameters, "--local", "--run-id", "r", "--detach"
    )
    assert (code, out) == (0, "r\n"), err
    assert str(log) in err
    assert wfc.get("r", store=embedded.store).result(60) == int(expected(2, SIZE))
    assert (tmp_path / ".wfc" / ".gitignore").exists()
    wait_for(lambda: embedded.says("delete", "r")[0] == 0)  # once its process has let go of it
    assert not log.exists()


def test_the_key_comes_from_the_environment(
    embedded: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("WFC_STORE_KEY")
    code, out, err = embedded.says("list")
    assert (code, out) == (5, "")
    assert "set WFC_STORE_KEY to 32 random bytes" in err
    assert list(tmp_path.iterdir()) == []


def test_a_store_in_a_folder_keeps_its_values_there(
    embedded: Project, tmp_path: Path, s3: S3
) -> None:
    """Whatever `WFC_VALUES` says: the runs of two such stores would take each other's for theirs."""
    project = Project(tmp_path, str(tmp_path / "store"))
    end(project.run(count=2, size=SIZE), 2, SIZE)
    assert len(list((tmp_path / "store" / "values" / "r").iterdir())) == 2
    assert s3.calls == []


def test_what_is_left_of_a_deletion_is_collected(embedded: Project, s3: S3) -> None:
    with Store.open(embedded.store) as store:
        size, _ = store.values.put("gone/a", [b"x"])
        assert size == 1
    code, _, err = embedded.says("gc", "--older-than", "1d")
    assert (code, s3.objects) == (0, {}), err
    assert "deleted 1 values of no run" in err


def test_the_result_may_be_large(embedded: Project, tmp_path: Path) -> None:
    """It is read where it is asked for."""
    spec = tmp_path / "large.wf"
    spec.write_text("from sizes import text\n\nworkflow main() -> str:\n    return text()\n")
    (tmp_path / "sizes.py").write_text(f"def text() -> str:\n    return {SIZE} * 'x'\n")
    assert wfc.run(spec, store=embedded.store, local=True, run_id="r") == SIZE * "x"
    assert wfc.get("r", store=embedded.store).result(0) == SIZE * "x"
