"""A run that has failed is resumed: what led to the failure is tried again, and nothing else."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

import wfc

SPEC = """
from shaky import ask, best

workflow caught() -> str:
    first = catch ask("a")
    second = ask("b") after (first)
    return second if not first.ok else "both"

workflow quorum() -> str:
    ready, rest = wait(2 of [ask(v) for v in ["a", "b", "c"]])
    return best(ready)
"""

TASKS = """
from pathlib import Path

def ask(vendor: str) -> str:
    with open("asked", "a") as asked:
        asked.write(vendor)
    if vendor in "ab" and not Path("mended").exists():
        raise ConnectionError("no answer")
    return vendor

def best(answers: list[str]) -> str:
    return min(answers)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "shaky.wf").write_text(SPEC)
    (tmp_path / "shaky.py").write_text(TASKS)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def asked(folder: Path) -> Counter[str]:
    return Counter((folder / "asked").read_text())


def test_a_caught_failure_like_the_one_that_ended_the_run_stays(folder: Path) -> None:
    with pytest.raises(wfc.RunFailed, match="no answer"):
        wfc.run("shaky.wf:caught", run_id="r", local=True)
    assert asked(folder) == Counter("ab")
    (folder / "mended").touch()
    assert wfc.resume("r", local=True).result() == "b"
    assert asked(folder) == Counter("abb")


def test_members_of_a_quorum_that_could_not_be_reached(folder: Path) -> None:
    with pytest.raises(wfc.RunFailed, match="cannot be reached"):
        wfc.run("shaky.wf:quorum", run_id="r", local=True)
    before = asked(folder)
    (folder / "mended").touch()
    assert wfc.resume("r", local=True).result() in ("a", "b")
    again = asked(folder) - before
    assert set(again) & {"a", "b"}, "of what had failed, as many as it took"
    assert set(again.values()) == {1}
