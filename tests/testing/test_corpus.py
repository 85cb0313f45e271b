"""The corpus of programs, by `wfc.testing`: as expected, and the same after a crash."""

from __future__ import annotations

import pytest

from tests.oracle.reference import Error
from tests.programs.runner import FOLDER, Case, Ran, cases, check, compiled, plain
from wfc.testing import Signal, crash_everywhere, run

CRASHES = 12
"""Programs with so many checkpoints at most are made to crash everywhere."""

FUSED = ("fan_out_chained", "fan_out_nested", "catch_workflow_passed_on")
"""Programs whose calls are all kept: the journal knows each by the id that the task knows."""

DEEP = ("recursion_deep", "recursion_deep_with_tasks")


@pytest.mark.parametrize("case", [c for c in cases() if c.name not in DEEP], ids=str)
def test_corpus(case: Case) -> None:
    plan = compiled(case).model_copy(update={"root": str(FOLDER)})
    signals = [Signal(name, value) for name, values in case.signals.items() for value in values]
    ran = run(plan, case.params, signals=signals)
    failed = {Error(ran.error.type, ran.error.message)} if ran.error else set()
    value = None if failed else plain(ran.result())
    check(case, Ran(value, frozenset(failed)))
    if case.faults and ran.checkpoints <= CRASHES:
        crash_everywhere(plan, case.params, signals=signals, same=lambda a, b: plain(a) == plain(b))


@pytest.mark.parametrize("case", [c for c in cases() if c.name in FUSED], ids=str)
@pytest.mark.parametrize("optimize", [True, False])
def test_the_journal_has_the_ids_that_tasks_know(case: Case, optimize: bool) -> None:
    plan = compiled(case, optimize).model_copy(update={"root": str(FOLDER)})
    ran = run(plan, case.params)
    assert {task.id for task in ran.tasks()} == {call.id for call in ran.calls}
