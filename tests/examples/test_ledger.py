from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

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
    booked_in = 1
    assert report.processes == booked_in


@pytest.mark.parametrize(
    ("workflow", "lines"),
    [
        ("main", []),
        ("two_inputs", []),
    ],
)
def test_explain_tells_what_was_fused(root: Path, workflow: str, lines: list[str]) -> None:
    done = compile_spec(root / "examples/ledger/ledger.wf", workflow)
    text = explain(done.decisions)
    for line in lines:
        assert line in text.splitlines()
