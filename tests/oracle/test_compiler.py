"""What the compiler makes of random programs, against the reference interpreter."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings

from tests.oracle.generate import LARGE, SMALL, Knobs, Program, programs
from tests.oracle.judge import compare_plans, judge_seeds


@pytest.mark.parametrize(
    ("knobs", "count"),
    [(SMALL, 60), (Knobs(), 60), (LARGE, 15), (Knobs(splits=True), 60)],
    ids=["small", "usual", "large", "splits"],
)
def test_plans_mean_what_the_text_means(knobs: Knobs, count: int) -> None:
    judge_seeds(range(count), knobs, compare_plans)


@settings(max_examples=30, suppress_health_check=list(HealthCheck))
@given(made=programs(SMALL))
def test_plans_of_any_program(made: Program) -> None:
    compare_plans(made)
