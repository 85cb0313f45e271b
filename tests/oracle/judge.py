"""Compares what a program comes to by different ways, and shrinks one for which they disagree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from tests.oracle.generate import Knobs, Program, program
from tests.oracle.graphs import graphs, in_a_run
from tests.oracle.planned import evaluate_plan
from tests.oracle.source import Recorded, Seeded, shrink
from tests.programs.runner import case_of, compiled, function, plain, reference


def compare_plans(made: Program) -> None:
    """The plans, optimized and not, against the reference interpreter."""
    case = case_of(made)
    expected = reference(case)
    ids: list[Counter[str]] = []
    for optimize in (True, False):
        plan = compiled(case, optimize, verify=True)
        with in_a_run():
            found = evaluate_plan(plan, case.params, function, signals=case.signals, graphs=graphs)
        way = "optimized" if optimize else "not optimized"
        if not expected.ok:
            assert found.errors, f"{way}: should have failed with {set(expected.errors)}"
            for error in found.errors:
                assert any(e.covers(error.type, error.message) for e in expected.errors), (
                    f"{way}: {error} is none of {set(expected.errors)}"
                )
            continue
        assert found.ok, f"{way}: failed with {set(found.errors)}"
        assert plain(found.value) == plain(expected.value), f"{way}: a wrong value"
        for kind in ("must", "may"):
            one, other = getattr(found, kind), getattr(expected, kind)
            assert one == other, f"{way}: too many {one - other}, too few {other - one}"
        ids.append(Counter(found.ids))
    if ids:
        assert ids[0] == ids[1], "optimization changes the ids of instances"


def smallest(
    made: list[int], knobs: Knobs, judge: Callable[[Program], Any], budget: int = 600
) -> tuple[Program, BaseException]:
    """The smallest program found that fails in the same way, and its failure."""

    def failure(choices: list[int]) -> BaseException | None:
        try:
            judge(program(Recorded(choices), knobs))
        except Exception as error:
            return error
        return None

    first = failure(made)
    assert first is not None

    def fails(choices: list[int]) -> bool:
        return _kind(failure(choices)) == _kind(first)

    small = shrink(made, fails, budget)
    return program(Recorded(small), knobs), failure(small) or first


def _kind(error: BaseException | None) -> str:
    return f"{type(error).__name__} {str(error)[:20]}"


def judge_seeds(seeds: range, knobs: Knobs, judge: Callable[[Program], Any]) -> None:
    """Judge a program for each seed; raises `AssertionError` with a small one that fails."""
    for seed in seeds:
        source = Seeded(seed)
        made = program(source, knobs)
        try:
            judge(made)
        except Exception as error:
            small, why = smallest(source.made, knobs, judge)
            raise AssertionError(f"seed {seed}: {why}\n{small}") from error
