"""A secret that tasks print, raise, hand on and hold is nowhere in the store, nor in any view."""

from __future__ import annotations

import os
import pickle
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.fire.project import Project, wait_for
from wfc.runtime.worker.secrets import MASK, secret

pytestmark = pytest.mark.slow

SPEC = Path(__file__).with_name("vault.wf")
CANARY = os.environ["RAY_AUTH_TOKEN"]
"""The token of the tests' own Ray: it is in the environment of its workers, too."""


def traces(text: str | bytes) -> list[str]:
    """What of the canary is in a text: whole, or the half of it."""
    data = text.encode() if isinstance(text, str) else text
    return [part for part in (CANARY, CANARY[:32], CANARY[32:]) if part.encode() in data]


@pytest.fixture
def project(tmp_path: Path, store: str, engine: dict[str, Any]) -> Project:
    where = ["--local"] if "local" in engine else ["--address", engine["address"]]
    return Project(tmp_path, store, where)


def check_store(folder: Path) -> None:
    """Nothing in any file, the journal's log of changes included."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert any(path.name == "journal.db" for path in files)
    for path in files:
        assert traces(path.read_bytes()) == [], path


def check_views(project: Project, run: str) -> None:
    """Nothing in what the commands tell."""
    for command in (
        ["show", run],
        ["show", run, "--json"],
        ["logs", run],
        ["list"],
        ["output", run],
    ):
        code, out, err = project.says(*command)
        assert code in (0, 1), (command, err)
        assert traces(out + err) == [], command


def test_through_every_path(project: Project, tmp_path: Path) -> None:
    """Killed in the middle, too: what a crash leaves is looked at as it is."""
    gate, folder = tmp_path / "gate", Path(project.store)
    process = project.start(
        "run", f"{SPEC}:main", f"-pgate={gate}", *project.where, "--run-id", "r"
    )
    wait_for(lambda: (folder / "journal.db").exists(), process)
    wait_for(lambda: "main/handed" in project.says("show", "r")[1], process)
    process.send_signal(signal.SIGKILL)
    out, err = process.communicate()
    assert traces(out + err) == []
    check_store(folder)
    gate.touch()
    code, out, err = project.says("resume", "r", *project.where)
    assert code == 0, err
    assert traces(out + err) == []
    assert f"{MASK} is refused" in out
    check_store(folder)
    check_views(project, "r")
    logs = project.says("logs", "r")[1]
    assert f"the token is {MASK}\n" in logs
    assert "{'token': secret('RAY_AUTH_TOKEN')}" in logs


def test_a_run_that_fails_of_it(tmp_path: Path, store: str) -> None:
    project = Project(tmp_path, store)
    code, out, err = project.says(
        "run", f"{SPEC}:refused", *project.where, "--run-id", "r", "--json"
    )
    assert code == 1
    assert f"{MASK} is refused" in out
    assert traces(out + err) == []
    check_store(Path(project.store))
    check_views(project, "r")


def test_a_pickled_secret_is_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HERE", CANARY)
    data = pickle.dumps([secret("HERE")])
    assert traces(data) == []
    assert pickle.loads(data) == [CANARY]
    monkeypatch.delenv("HERE")
    with pytest.raises(LookupError, match="the secret HERE is not in the environment"):
        secret("HERE")
