"""Runs that earlier versions of the format stored are listed, shown and gone on with."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import wfc
from tests.formats.make import RESULT
from wfc.api import state_of
from wfc.runtime.journal import schema

HERE = Path(__file__).resolve().parent
VERSIONS = sorted(path.name for path in HERE.glob("v[0-9]*"))


@pytest.fixture(params=VERSIONS)
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A store of that version, with the modes that it had (version control keeps none)."""
    store = tmp_path / "store"
    shutil.copytree(HERE / request.param, store)
    for path in [store, *store.rglob("*")]:
        path.chmod(0o700 if path.is_dir() else 0o600)
    return store


def test_there_is_one_of_each_version() -> None:
    assert [f"v{number}" for number in range(1, schema.FORMAT + 1)] == VERSIONS


def test_listed_and_shown(old: Path) -> None:
    found = {info.run_id: wfc.get(info.run_id, store=old) for info in wfc.runs(store=old)}
    assert {name: run.status for name, run in found.items()} == {
        "ended": "succeeded",
        "waiting": "interrupted",
    }
    assert {info.run_id: state_of(info) for info in wfc.runs(store=old)} == {
        name: run.status for name, run in found.items()
    }
    assert found["ended"].result() == RESULT
    assert found["waiting"].output("main/large") == "x" * 100_000
    for run in found.values():
        states = {task.id: task.state for task in run.tasks()}
        assert states["main/joined"] == "done"
        assert states["main/doubled[4]/mul"] == "done"


def test_gone_on_with(old: Path) -> None:
    before = {task.id for task in wfc.get("waiting", store=old).tasks()}
    assert wfc.get("waiting", store=old).send("go", 7)
    run = wfc.resume("waiting", store=old, local=True)
    assert run.result(60) == RESULT
    assert {task.id for task in run.tasks()} >= before
    assert wfc.resume("ended", store=old, local=True).result(60) == RESULT
