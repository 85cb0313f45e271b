"""`wfc resume --redo`: what changed runs again, and what hangs on it; all else stays done."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from wfc.redoing import redone
from wfc.runtime.engine import records
from wfc.runtime.store import Store

SPEC = """
from steps import fetch, parse, total, last

workflow main(n: int = 3) -> int:
    raw = [fetch(i) for i in range(n)]
    rows = [parse(r) for r in raw]
    other = fetch(100)
    return last(total(rows), other)
"""

STEPS = """
from pathlib import Path

def note(text: str) -> None:
    with open("ran", "a") as file:
        file.write(text + "\\n")

def fetch(i: int) -> int:
    note(f"fetch {i}")
    return i

def parse(i: int) -> int:
    note(f"parse {i}")
    return 2 * i

def total(rows: list[int]) -> int:
    note("total")
    return sum(rows)

def last(sum: int, other: int) -> int:
    note("last")
    if not Path("mended").exists():
        raise ValueError("not yet")
    return sum + other
"""


@pytest.fixture
def failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli: Any) -> Path:
    """The folder of a run `r` that has failed at its last task, and would not fail again."""
    (tmp_path / "flow.wf").write_text(SPEC)
    (tmp_path / "steps.py").write_text(STEPS)
    monkeypatch.chdir(tmp_path)
    assert cli("run", "flow.wf", "--local", "--run-id", "r", "--quiet").exit_code == 1
    (tmp_path / "ran").unlink()
    (tmp_path / "mended").touch()
    return tmp_path


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def ran(folder: Path) -> Counter[str]:
    return Counter((folder / "ran").read_text().split("\n")[:-1])


def test_a_changed_task(failed: Path, cli: Any) -> None:
    edit(failed / "steps.py", "2 * i", "3 * i")
    refused = cli("resume", "r", "--local")
    assert refused.exit_code == 4
    assert "wfc resume r --local --redo " in refused.stderr
    assert "wfc resume r --redo runs 4 of the kept again" in cli("resume", "r", "--plan").stdout
    done = cli("resume", "r", "--local", "--redo", "--quiet")
    assert (done.exit_code, done.stdout) == (0, "109\n")
    assert ran(failed) == Counter(["parse 0", "parse 1", "parse 2", "total", "last"])


def test_a_changed_helper_counts_and_a_comment_does_not(failed: Path, cli: Any) -> None:
    edit(failed / "steps.py", "def note", "# a comment\ndef note")
    assert cli("resume", "r", "--local", "--quiet").stdout == "106\n"
    assert ran(failed) == Counter(["last"])


def test_a_changed_spec(failed: Path, cli: Any) -> None:
    edit(failed / "flow.wf", "fetch(100)", "fetch(200)")
    edit(failed / "flow.wf", "range(n)]", "range(n + 1)]")
    done = cli("resume", "r", "--local", "--redo", "--quiet")
    assert (done.exit_code, done.stdout) == (0, "212\n")
    again = ran(failed)
    assert again["fetch 200"] == again["total"] == again["last"] == 1
    assert again["parse 3"] == again["fetch 3"] == 1


def test_it_can_be_interrupted_and_shown(failed: Path, cli: Any) -> None:
    edit(failed / "steps.py", "2 * i", "3 * i")
    (failed / "mended").unlink()
    assert cli("resume", "r", "--local", "--redo", "--quiet").exit_code == 1
    (failed / "mended").touch()
    (failed / "ran").unlink()
    assert cli("resume", "r", "--local", "--quiet").stdout == "109\n", "the code is that of the run"
    assert ran(failed) == Counter(["last"])
    assert cli("output", "r").stdout == "109\n"


def test_code_that_cannot_be_imported_loses_nothing(failed: Path, cli: Any) -> None:
    (failed / "steps.py").write_text(STEPS.replace("2 * i", "3 * i") + "\nimport nowhere\n")
    assert cli("resume", "r", "--local", "--redo").exit_code == 2
    (failed / "steps.py").write_text(STEPS)
    assert cli("resume", "r", "--local", "--quiet").stdout == "106\n"
    assert ran(failed) == Counter(["last"])


def test_a_timer_that_was_changed_runs_again(failed: Path, cli: Any) -> None:
    slept = SPEC.replace("    other", "    sleep(10ms)\n    other")
    (failed / "flow.wf").write_text(slept)
    (failed / "mended").unlink()
    cli("run", "flow.wf", "--local", "--run-id", "s", "--quiet")

    def timers() -> list[Any]:
        with Store.open(str(failed / ".wfc"), create=False) as store:
            return [r for r in redone(store, "s").records if isinstance(r, records.Fired)]

    edit(failed / "flow.wf", "range(n)]", "range(n + 1)]")
    assert len(timers()) == 1, "it has nothing to do with what changed"
    edit(failed / "flow.wf", "sleep(10ms)", "sleep(20ms)")
    assert timers() == []


def test_other_parameters_are_another_run(failed: Path, cli: Any) -> None:
    edit(failed / "flow.wf", "n: int = 3", "n: int, m: int")
    edit(failed / "flow.wf", "fetch(100)", "fetch(m)")
    done = cli("resume", "r", "--local", "--redo")
    assert done.exit_code == 2
    assert "m: a parameter that the run was not started with" in done.stderr
    assert not (failed / "ran").exists()


def test_a_broken_spec(failed: Path, cli: Any) -> None:
    edit(failed / "flow.wf", "total(rows)", "totl(rows)")
    done = cli("resume", "r", "--local", "--redo")
    assert done.exit_code == 2
    assert "totl" in done.stderr
    edit(failed / "flow.wf", "totl(rows)", "total(rows)")
    assert cli("resume", "r", "--local", "--quiet").stdout == "106\n", "nothing was lost"


def test_keep_or_redo(failed: Path, cli: Any) -> None:
    assert cli("resume", "r", "--keep", "--redo").exit_code == 2
