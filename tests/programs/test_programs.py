"""Every program of the corpus, by every way to run it."""

from __future__ import annotations

import pytest

from tests.programs.runner import Case, cases, check, run_program

CASES = cases()


@pytest.mark.parametrize("case", CASES, ids=str)
def test_reference(case: Case) -> None:
    check(case, run_program(case, "reference"))
