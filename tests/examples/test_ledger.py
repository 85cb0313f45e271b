from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from wfc import testing
from wfc.compiler import compile_spec
from wfc.compiler.explain import explain


@pytest.mark.parametrize("workflow", ["main", "two_inputs"])
def test_the_connection_stays_in_one_process(run: Any, workflow: str) -> None:
    report = run(f"ledger/ledger.wf:{workflow}", year=2025)
    assert report.accounts == {
        "food": -614.54,
        "rent": -973.75,
        "salary": 4920.0,
        "savings": 153.75,
    }
    assert report.processes == 1


@pytest.mark.parametrize(
    ("workflow", "lines"),
    [
        (
            "main",
            [
                "examples/ledger/ledger.wf:11: assign regions: will run `opened`, `booked`, "
                "`report` in the process of `bookings` (line 10)",
                "examples/ledger/ledger.wf:11: build units: will run the region of `opened` "
                "as one program",
            ],
        ),
        (
            "two_inputs",
            [
                "examples/ledger/ledger.wf:19: assign regions: will run `opened`, `booked`, "
                "`report` in a process of their own: their inputs come from the processes of "
                "`bookings` (line 17) and `rate` (line 18)",
            ],
        ),
    ],
)
def test_explain_tells_what_was_fused(root: Path, workflow: str, lines: list[str]) -> None:
    done = compile_spec(root / "examples/ledger/ledger.wf", workflow)
    text = explain(done.decisions)
    for line in lines:
        assert line in text.splitlines()


@pytest.mark.parametrize("workflow", ["main", "two_inputs"])
def test_a_lost_connection_is_made_again(root: Path, workflow: str) -> None:
    runs = testing.crash_everywhere(f"{root}/examples/ledger/ledger.wf:{workflow}")
    assert {ran.result().accounts["savings"] for ran in runs} == {153.75}
    assert max(len(ran.called("open_ledger")) for ran in runs) == 2
