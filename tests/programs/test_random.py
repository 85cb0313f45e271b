"""Any program gives the same result by every way to run it, optimized and not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings

from tests.oracle.generate import SMALL, Program, programs
from tests.oracle.source import Seeded
from tests.programs.runner import Ran, case_of, check, plain, reference, run_program
from tests.simulation.faults import NONE, USUAL
from tests.simulation.verdict import run, trial

TIMES = {"simulator": 60, "local": 8, "ray": 4}


def any_program(engine: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a test as many programs as there is time for."""

    def decorate(test: Callable[..., None]) -> Callable[..., None]:
        chosen = settings(max_examples=TIMES[engine], suppress_health_check=list(HealthCheck))
        return chosen(given(made=programs(SMALL))(test))

    return decorate


def check_for_real(made: Program, engine: str) -> None:
    case = case_of(made)
    # What has a timeout may end either way on a machine that is busy, and nobody has time for what
    # sleeps; the simulator has those.
    assume(not any("timeout" in t or "sleep(" in t for t in case.files.values()))
    outcome = reference(case)
    expected = Ran(plain(outcome.value), outcome.errors)
    for optimize in (True, False):
        check(case, run_program(case, engine, optimize), expected)


@any_program("simulator")
def test_simulator(made: Program) -> None:
    for optimize in (True, False):
        tried = trial(case_of(made), optimize)
        for faults in (NONE, USUAL):
            run(tried, Seeded(str(made)), faults)


@pytest.mark.slow
@any_program("local")
def test_local(made: Program) -> None:
    check_for_real(made, "local")


@pytest.mark.ray
def test_ray(ray_session: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", ray_session)

    @any_program("ray")
    def each(made: Program) -> None:
        check_for_real(made, "ray")

    each()
