"""Every program of the corpus, by every way to run it."""

from __future__ import annotations

import pytest

from tests.programs.runner import Case, cases, check, run_program

CASES = cases()


@pytest.mark.parametrize("case", CASES, ids=str)
def test_reference(case: Case) -> None:
    check(case, run_program(case, "reference"))


@pytest.mark.parametrize("optimize", [True, False], ids=["optimized", "plain"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_plan(case: Case, optimize: bool) -> None:
    check(case, run_program(case, "plan", optimize))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_ids_are_the_same_with_and_without_optimization(case: Case) -> None:
    optimized, plain = (run_program(case, "plan", optimize).ids for optimize in (True, False))
    assert sorted(optimized) == sorted(plain)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=str)
def test_local(case: Case) -> None:
    check(case, run_program(case, "local"))


@pytest.mark.ray
@pytest.mark.parametrize("case", CASES[::6], ids=str)
def test_ray(case: Case, ray_session: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", ray_session)
    check(case, run_program(case, "ray"))
