"""What lives in one process only: what reads it runs there, or fails; nothing is tried for ever."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import wfc

TASKS = """
import threading

import wfc

class Held:
    def __init__(self, number: int) -> None:
        self.number = number
        self.lock = threading.Lock()  # it cannot be pickled

def hold(number: int) -> Held:
    return Held(number)

def use(held: Held, n: int) -> int:
    return held.number * n

def add(a: int, b: int) -> int:
    return a + b

def away_and_back(number: int) -> int:
    away = wfc.call(add, number, 1)
    return wfc.continuation(wfc.call(use, hold(number), away).options(inplace=True))
"""

SPEC = """
from jobs import Held, add, away_and_back, hold, use

workflow read_in_a_fan_out() -> list[int]:
    held = nocheckpoint inplace hold(2)
    n = inplace use(held, 1)
    xs = [add(x, held.number) for x in range(n)]
    last = inplace use(held, sum(xs))
    return xs + [last]

workflow used_in_a_fan_out() -> list[int]:
    held = nocheckpoint inplace hold(2)
    n = inplace use(held, 1)
    xs = [use(held, x) for x in range(n)]
    return [inplace use(held, sum(xs))]

workflow used_in_a_branch(n: int = 1) -> list[int]:
    held = nocheckpoint inplace hold(2)
    m = inplace use(held, n)
    if m > 1:
        k = use(held, m)
    else:
        k = m
    return [inplace use(held, k)]

workflow uses(held: Held) -> int:
    return use(held, 2)

workflow used_in_a_workflow() -> list[int]:
    held = nocheckpoint inplace hold(2)
    m = inplace use(held, 1)
    return [inplace use(held, uses(held) + m)]

workflow of_two_processes() -> list[int]:
    one = nocheckpoint inplace hold(2)
    two = nocheckpoint inplace hold(3)
    a = inplace use(one, 1)
    b = inplace use(two, 1)
    xs = [add(held.number, 1) for held in [one, two]]
    return xs + [inplace use(one, a), inplace use(two, b)]

workflow returned() -> object:
    held = nocheckpoint inplace hold(2)
    n = inplace use(held, 1)
    return held

workflow read_later() -> list[int]:
    held = nocheckpoint inplace hold(2)
    n = inplace use(held, 1)
    m = add(n, 1)
    return [add(m, held.number)]

workflow given_to_a_hop() -> list[int]:
    held = nocheckpoint inplace hold(2)
    n = inplace use(held, 1)
    continuation hops(held, n)

workflow hops(held: Held, n: int) -> list[int]:
    if n == 0:
        return [held.number]
    continuation hops(held, add(n, -1))

workflow graphs(n: int) -> list[int]:
    products = [away_and_back(x) for x in range(n)]
    return [add(product, 1) for product in products]

workflow turns(held: Held, n: int) -> int:
    if n == 0:
        return inplace use(held, 4)
    used = inplace use(held, n)
    continuation inplace turns(held, n - 1)

workflow makes_one(n: int) -> int:
    held = nocheckpoint inplace hold(n)
    continuation inplace turns(held, n)

workflow goes_on(n: int = 3) -> int:
    sleep(10ms)
    continuation makes_one(n)
"""

pytestmark = pytest.mark.slow


@pytest.fixture(params=[True, False], ids=["optimized", "plain"])
def outcome(request: pytest.FixtureRequest, spec: Path, store: str) -> Any:
    """What a workflow of the spec gives, or the kind of its failure; it has to end."""

    def run(workflow: str) -> Any:
        plan = wfc.compile(spec, workflow, optimize=request.param)
        started = wfc.start(plan, store=store, local=True)
        try:
            return started.result(30)
        except wfc.RunFailed as failed:
            return failed.error.type.removeprefix("wfc.")

    return run


def test_an_expression_is_computed_where_it_lives(outcome: Any) -> None:
    assert outcome("read_in_a_fan_out") == [2, 3, 6 + 4]


@pytest.mark.parametrize("workflow", ["fan_out", "branch", "workflow"])
def test_a_plain_call_cannot_have_it(outcome: Any, workflow: str) -> None:
    assert outcome(f"used_in_a_{workflow}") == "UnpicklableArgument"


def test_it_cannot_be_the_result_of_the_run(outcome: Any) -> None:
    assert outcome("returned") == "UnpicklableResult"


def test_two_of_two_processes_cannot_be_used_together(outcome: Any) -> None:
    assert outcome("of_two_processes") in ("UnpicklableArgument", "UnpicklableResult")


@pytest.mark.parametrize(("workflow", "result"), [("read_later", [5]), ("given_to_a_hop", [2])])
def test_it_is_there_as_long_as_it_may_be_read(outcome: Any, workflow: str, result: Any) -> None:
    """Where its calls are put together with nothing else, it does not leave them: that is said."""
    assert outcome(workflow) in (result, "UnpicklableResult")


def test_a_hop_that_is_a_whole_work_may_make_one_and_loop_over_it(spec: Path, store: str) -> None:
    assert wfc.start(wfc.compile(spec, "goes_on"), store=store, local=True).result(30) == 12


def test_each_graph_of_a_fan_out_is_at_home_in_a_process_of_its_own(
    spec: Path, store: str, engine: dict[str, Any]
) -> None:
    plan = wfc.compile(spec, "graphs")
    assert wfc.run(plan, params={"n": 5}, store=store, **engine) == [1, 3, 7, 13, 21]
