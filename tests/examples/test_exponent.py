from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from wfc import testing

WORKFLOWS = ["main", "placed", "python"]


@pytest.mark.parametrize("workflow", WORKFLOWS)
@pytest.mark.parametrize("n", [0, 7])
def test_small(run: Any, workflow: str, n: int) -> None:
    assert run(f"exponent/exponent.wf:{workflow}", n=n) == 3 * 2**n


@pytest.mark.slow
@pytest.mark.parametrize("workflow", WORKFLOWS)
def test_large(run: Any, workflow: str) -> None:
    assert run(f"exponent/exponent.wf:{workflow}", n=10_000) == 3 * 2**10_000


def test_the_python_task_can_be_called_by_itself(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(root / "examples" / "exponent"))
    import maths  # type: ignore[import-not-found]

    assert maths.by_hand(3, 7) == 384
    del sys.modules["maths"]


@pytest.mark.parametrize("workflow", WORKFLOWS)
def test_a_crash_at_any_hop_changes_nothing(root: Path, workflow: str) -> None:
    runs = testing.crash_everywhere(f"{root}/examples/exponent/exponent.wf:{workflow}", {"n": 5})
    assert {ran.result() for ran in runs} == {96}
