"""A `catch` takes the loss of a process too, wherever the call stands."""

from __future__ import annotations

from pathlib import Path

import pytest

import wfc

SPEC = """
from poison import poison

task once = poison with (max_retries=0)

workflow hops(n: int = 3) -> int:
    r = catch once(n, 1)
    if n == 0:
        return 0
    continuation hops(n - 1)

workflow inner(i: int) -> bool:
    r = catch once(i, 1)
    return r.ok

workflow inside() -> bool:
    return inplace inner(1)

workflow elements() -> list[bool]:
    return [inner(i) for i in range(3)]
"""

TASKS = """
import os

def poison(i: int, bad: int) -> int:
    if i == bad:
        os._exit(9)
    return i
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("workflow", "expected"),
    [("hops", 0), ("inside", False), ("elements", [True, False, True])],
)
def test_a_lost_process_is_caught(workflow: str, expected: object, tmp_path: Path) -> None:
    (tmp_path / "flow.wf").write_text(SPEC)
    (tmp_path / "poison.py").write_text(TASKS)
    plan = wfc.compile(tmp_path / "flow.wf", workflow)
    run = wfc.start(plan, store=tmp_path / "store", local=True)
    assert run.result(60) == expected
    assert "failed" not in {task.state for task in run.tasks()}
