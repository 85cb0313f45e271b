"""Simulated runs of programs, and whether they ended as the reference interpreter says."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from tests.oracle.generate import SMALL, Knobs, Program, program
from tests.oracle.reference import CallRecord, Error, Outcome, Replayed
from tests.oracle.source import Recorded, Seeded, Source, chance, choice, shrink
from tests.programs import grown, tasks
from tests.programs.runner import Case, case_of, compiled, function, parsed, plain, reference
from tests.simulation.faults import NONE, Faults, draw
from tests.simulation.simulation import Ended, Simulation, StuckError
from tests.simulation.world import World
from wfc.dsl import ast
from wfc.plan.model import Plan
from wfc.runtime.linked import Linked
from wfc.runtime.reading import load_value

LIMIT = 10.0
KNOBS = (SMALL, replace(SMALL, splits=True), Knobs(), Knobs(splits=True))


@dataclass(frozen=True)
class Trial:
    """A program ready to be run, many times."""

    case: Case
    plan: Plan
    modules: dict[str, ast.Module]
    expected: Outcome
    linked: Linked


def trial(case: Case, optimize: bool = True) -> Trial:
    """Compile a case and ask the reference about it."""
    plan = compiled(case, optimize)
    modules = parsed(case.files)
    return Trial(case, plan, modules, reference(case, modules), Linked(plan))


def functions(plan: Plan) -> dict[str, Any]:
    """The task functions of a plan."""
    return {name: function(f"{t.module}.{t.qualname}") for name, t in plan.tasks.items()}


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Raise `StuckError` after so many seconds: in virtual time nothing takes long."""

    def late(_signal: int, _frame: object) -> None:
        raise StuckError(f"the simulation takes more than {seconds} s: an endless loop?")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def run(tried: Trial, source: Source, faults: Faults) -> Ended:
    """Run it once, and judge it; raises `AssertionError`."""
    case = tried.case
    world = World(tried.plan, functions(tried.plan), tried.linked)
    simulation = Simulation(source, world, case.params, case.signals, faults)
    try:
        with limited(LIMIT), grown.noting(world.note):
            ended = simulation.run()
    except Exception as error:
        error.add_note("\n".join(simulation.trace))
        raise
    try:
        judge(tried, ended, world, faults, simulation.cancelled)
    except AssertionError as error:
        error.add_note("\n".join(ended.trace))
        raise
    return ended


def judge(
    tried: Trial, ended: Ended, world: World, faults: Faults = NONE, cancelled: bool = False
) -> None:
    """Raise `AssertionError` unless a run ended as it must."""
    expected = tried.expected
    if expected.waits:
        expected = reference(tried.case, tried.modules, policy=Replayed(ended.splits))
    outcome = ended.outcome
    if outcome.status == "cancelled":
        assert cancelled, "cancelled, but nobody asked"
        return
    if outcome.status == "failed":
        assert outcome.error is not None
        error = Error(outcome.error.type, outcome.error.message)
        assert expected.errors, f"failed with {error}: {outcome.error.traceback}"
        assert any(e.covers(error.type, error.message) for e in expected.errors), (
            f"failed with {error}, not with one of {set(expected.errors)}"
        )
    else:
        assert expected.ok, f"should have failed with {set(expected.errors)}"
        value = result(outcome.value, world)
        assert plain(value) == plain(expected.value), (
            f"gave {value!r} instead of {expected.value!r}"
        )
    if not cancelled:
        ours = {tasks.__name__, grown.__name__}
        names = {fn.__name__ for fn in world.functions.values() if fn.__module__ in ours}
        names |= grown.GRAPHED
        if expected.waits.keys() - ended.splits.keys():
            # What was ready first is not known everywhere, so nor is what had to be called, and with
            # which arguments.
            most = Counter(call.name for call in (expected.must + expected.may).elements())
            made = Counter(
                c.name for c in {called.task: called.call for called in ended.calls}.values()
            )
            extra = {name for name in made - most if name in names}
            assert not extra, f"called too often: {extra}"
            return
        judge_calls(ended, expected, names, exact=faults == NONE)


def judge_calls(ended: Ended, expected: Outcome, names: set[str], exact: bool) -> None:
    """Nothing missing, nothing twice. After faults, repetitions of an instance count once.

    Only calls of these functions count: others are called by graphs that tasks return.
    """
    seen: dict[str, CallRecord] = {}
    for called in ended.calls:
        before = seen.get(called.task)
        if before is not None and before == called.call:
            # An object that is not kept is made again where a graph takes its process' place.
            assert not exact or called.call.name == "hold", f"{called.task} ran twice"
        elif before is not None:
            # A wait that was decided just before a crash may not be on the disk: then it is decided
            # anew, and what had begun to run begins again with what is ready now. What is given a
            # failure is told how many attempts it took, of which the last may not be on the disk.
            assert expected.waits or called.call.name not in names, (
                f"{called.task} stands for two calls"
            )
        seen[called.task] = called.call
    made = Counter(seen.values())
    must = Counter({call: n for call, n in expected.must.items() if call.name in names})
    missing = must - made
    assert not missing, f"never called: {missing}"
    extra = made - expected.must - expected.may
    extra = Counter({call: n for call, n in extra.items() if call.name in names})
    assert not extra, f"called too often: {extra}"


def result(value: Any, world: World) -> Any:
    """The object of a run's result."""
    return None if value is None else load_value(value, world.values)


# --------------------------------------------------------------------------- by choices


def simulate(
    source: Source, knobs: Knobs | None = None, kinds: tuple[Knobs, ...] = KNOBS
) -> tuple[Program, Ended]:
    """A random program, run once with random faults: all of it by the choices of a source."""
    chosen = knobs or choice(source, kinds)
    made = program(source, chosen)
    tried = trial(case_of(made), optimize=not chance(source, 30))
    return made, run(tried, source, draw(source))


def failure(choices: list[int] | None, seed: int | None = None) -> tuple[BaseException | None, Any]:
    """How a simulation fails, if it does; and the source with the choices that it made."""
    source = Recorded(choices) if choices is not None else Seeded(seed or 0)
    try:
        simulate(source)
    except Exception as error:
        return error, source
    return None, source


def kind(error: BaseException | None) -> str:
    """What two failures have in common when they are the same mistake."""
    if error is None:
        return ""
    words = "".join(c for c in str(error) if not c.isdigit()).split()
    return f"{type(error).__name__} {' '.join(words[:3])}"


def shrunk(seed: int, budget: int = 400) -> tuple[str, BaseException]:
    """The smallest failing simulation found from a seed that fails: its program, and its failure."""
    error, source = failure(None, seed)
    assert error is not None, f"seed {seed} does not fail"
    wanted = kind(error)
    small = shrink(source.made, lambda choices: kind(failure(choices)[0]) == wanted, budget)
    found, _source = failure(small)
    made = program_of(small)
    return str(made), found or error


def program_of(choices: list[int]) -> Program:
    """The program that a list of choices begins with."""
    source = Recorded(choices)
    return program(source, choice(source, KNOBS))
