"""What tasks can do to themselves and to the machinery: each has an outcome that is told in
`docs/guarantees.md`."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import pytest

import wfc
from tests.cli.conftest import write
from wfc.runtime.values import Result
from wfc.runtime.work import Log

HERE = Path(__file__).resolve().parent
SPEC = HERE / "limits.wf"

Results: TypeAlias = Mapping[str, Result]


class Heard:
    """What the tasks print."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def update(self, *seen: Any) -> None:
        pass

    def log(self, log: Log) -> None:
        self.texts.append(log.text)


class Ran:
    """A run of all limits: its results, and what there is besides."""

    def __init__(self, folder: Path, engine: dict[str, Any]) -> None:
        self.marker = folder / "marker"
        self.heard = Heard()
        run = wfc.start(
            wfc.compile(SPEC),
            store=folder / "store",
            observer=self.heard,
            text="é" * 1_000_000,
            marker=str(self.marker),
            **engine,
        )
        self.results: Results = run.result(120)
        # A reader in another process, after the end, sees the same.
        self.again: Results = wfc.get(run.id, store=folder / "store").result()


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory, engine: dict[str, Any]) -> Ran:
    """One run of all limits on each engine."""
    return Ran(tmp_path_factory.mktemp("limits"), engine)


VALUES = {
    "large": 200_000_000,  # bytes of a result that is passed on
    "apart": [[0, 2, 4], [100_000, 100_001], 1],  # of a list of 150 KB, and of pairs of 100 KB
    "kept_inside": "lock",
    "loud": 100_000,
    "long": 1_000_000,
    "shallow": 200,
    "round": True,
    "none": True,
    "exception": "ValueError: a value like any other",
    "not_number": True,
    "iterator": 3,
    "consumed": 3,
    "forked": 7,
    "doubled": 2,
    "child_fails": 3,
    "pooled": [1, 2],
    "threaded": 1,
    "moved": "/",
    "closed": 1,
    "after": [2 * i for i in range(100)],
}


@pytest.mark.parametrize("name", VALUES)
def test_fine(ran: Ran, name: str) -> None:
    assert ran.results[name] == Result(True, VALUES[name])


ERRORS = {
    "unpicklable": (
        "wfc.UnpicklableResult",
        "the result of lock cannot be kept: an object of type ",
    ),
    "refuses": (
        "wfc.UnpicklableResult",
        "the result of stubborn cannot be kept: an object of type ",
    ),
    "refuses_itself": (
        "wfc.UnpicklableResult",
        "the result of stubborn cannot be kept: an object of type limits.Stubborn cannot be pickled",
    ),
    "deep": ("wfc.UnpicklableResult", "maximum recursion depth exceeded"),
    "generator": ("wfc.UnpicklableResult", "return a list, or call it `nocheckpoint inplace`"),
    "trapped": ("RuntimeError", "cannot be read back"),
    "holding": ("limits.Holding", "holding a lock"),
    "mute": ("limits.Mute", "<Mute, whose __str__ raises RuntimeError>"),
    "wordy": ("ValueError", "[… 934,464 characters …]"),
    "recursive": ("RecursionError", "maximum recursion depth exceeded"),
    "exited": ("SystemExit", "the task called exit(3)"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_an_error_of_the_task_alone(ran: Ran, name: str) -> None:
    found = ran.results[name]
    assert not found.ok
    assert found.error is not None
    kind, message = ERRORS[name]
    assert found.error.type == kind
    assert message in found.error.message
    assert found.error.task.startswith(f"main/{name}")


def test_what_a_workflow_says_of_its_failure_is_cut(ran: Ran) -> None:
    error = ran.results["telling"].error
    assert error is not None
    assert (error.type, error.message) == ("wfc.Failure", 10_000 * "é")


def test_a_task_that_kills_its_process_is_tried_as_often_as_it_says(ran: Ran) -> None:
    found = ran.results["dead"]
    assert found.error is not None
    assert (found.error.type, found.error.attempts) == ("wfc.WorkerLost", 2)


def test_the_working_directory_is_put_back(ran: Ran) -> None:
    assert ran.results["stayed"].ok
    assert ran.results["stayed"].value != "/"


def test_a_forked_child_that_returns_ends_there(ran: Ran) -> None:
    assert ran.marker.read_text() == "1\n", "one parent went on, and saw its child end"


def test_all_of_it_is_kept(ran: Ran) -> None:
    assert ran.again == ran.results


def test_what_is_printed_is_cut(ran: Ran) -> None:
    printed = (text for text in ran.heard.texts if text.startswith(("xxx", "\n[…")))
    text = "".join(printed)  # it is told while the task still prints, too
    note = re.search(r"\n\[… ([\d,]+) characters left out …\]\n", text)
    assert note is not None
    kept = len(text) - len(note.group(0))
    assert kept <= 1 << 18
    assert kept + int(note.group(1).replace(",", "")) == 100_000_000


# ------------------------------------------------------------------ what needs a run of its own


def test_a_result_of_200_mb(tmp_path: Path) -> None:
    plan = wfc.compile(SPEC, "result")
    run = wfc.start(plan, store=tmp_path / "store", local=True, size=200_000_000)
    assert run.result(60) == bytes(200_000_000)
    journal = sum(path.stat().st_size for path in (tmp_path / "store").glob("journal.db*"))
    assert journal < 10_000_000, "it is beside the journal"


def test_what_goes_past_python_never_gets_into_the_result(tmp_path: Path) -> None:
    done = subprocess.run(
        [*(sys.executable, "-m", "wfc"), "run", f"{SPEC}:noisy", "--local", "--store", "store"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "3\n"
    assert done.stderr.count("past python\n") == 3
    assert done.stderr.count("from a child\n") == 1


LONG = "n" * 1000
NAMES = ["größe_步", LONG, unicodedata.normalize("NFC", "é" * 1000)]


@pytest.mark.parametrize("name", NAMES, ids=["unicode", "long", "long-unicode"])
def test_names_of_any_length_and_script(tmp_path: Path, name: str) -> None:
    """Functions, workflows, parameters and values may be named so; ids of tasks follow."""
    write(tmp_path / "names.py", f"def {name}(x: int) -> int:\n    return x + 1\n")
    write(
        tmp_path / "names.wf",
        f"""
        from names import {name}

        workflow w{name}(p{name}: int) -> int:
            v{name} = {name}(p{name})
            return {name}(v{name})
        """,
    )
    plan = wfc.compile(tmp_path / "names.wf")
    run = wfc.start(plan, store=tmp_path / "store", local=True, params={f"p{name}": 1})
    assert run.result(60) == 3
    assert [task.id for task in run.tasks()] == [f"w{name}/v{name}", f"w{name}/{name}"]
    assert run.output(f"w{name}/v{name}") == 2


@pytest.mark.parametrize("name", [LONG, "größe"])
def test_runs_and_signals_have_short_plain_names(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="name"):
        wfc.start(
            wfc.compile(SPEC, "result"),
            store=tmp_path / "store",
            local=True,
            run_id=name,
            size=1,
        )
    assert not os.listdir(tmp_path)
