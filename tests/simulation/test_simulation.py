"""The engine under a seeded simulator, 2,000 runs: what the reference says comes out, whatever fails.

`python -m tests.simulation --seeds N` runs more, and shows the first failure small.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace

import pytest

from tests.oracle.generate import SMALL, Knobs, program
from tests.oracle.source import Seeded
from tests.programs.runner import FOLDER, Case, case_of, cases, read_case
from tests.simulation.faults import HARSH, NONE, STORM, USUAL
from tests.simulation.simulation import Simulation
from tests.simulation.verdict import KNOBS, Trial, functions, result, run, simulate, trial
from tests.simulation.world import World
from wfc.runtime.engine import records as rec

PROGRAMS = 250
CANCELLED = replace(USUAL, cancel=30)
FAULTS = (NONE, NONE, USUAL, USUAL, CANCELLED, HARSH, HARSH, HARSH)
PARTS = 10
EVERY_KIND = {
    "crash",
    "storage",
    "died",
    "home",
    "value",
    "raises",
    "duplicate",
    "stale",
    "clock",
    "cancel",
}


def made(seed: int, optimize: bool = True) -> Trial:
    """The program of a seed: most are small."""
    return trial(case_of(program(Seeded(seed), _knobs(seed)), f"seed {seed}"), optimize)


@pytest.mark.parametrize("part", range(PARTS))
def test_random_programs(part: int) -> None:
    counts: Counter[str] = Counter()
    for seed in range(part, PROGRAMS, PARTS):
        tried = made(seed, optimize=seed % 3 != 0)
        for number, faults in enumerate(FAULTS):
            try:
                counts.update(run(tried, Seeded(f"{seed}/{number}"), faults).counts)
            except Exception as error:
                raise AssertionError(
                    f"program {seed}, faults {number}: {error}\n"
                    f"{program(Seeded(seed), _knobs(seed))}\n" + "\n".join(error.__notes__)
                ) from error
    print(dict(counts))
    assert not EVERY_KIND - counts.keys()


def _knobs(seed: int) -> Knobs:
    return KNOBS[seed % 2] if seed % 5 else KNOBS[2 + seed % 2]


@pytest.mark.parametrize(
    ("seed", "lists"), [(538, False), (77001232, False), (200580, True), (200654, True)]
)
def test_programs_that_have_failed(seed: int, lists: bool) -> None:
    """Of each mistake that no short spec shows as often; as long as the generator writes them."""
    simulate(Seeded(seed), kinds=tuple(replace(knobs, lists=lists) for knobs in KNOBS))


def test_same_seed_same_events() -> None:
    for seed in range(10):
        digests = {simulate(Seeded(seed), SMALL)[1].digest for _ in range(2)}
        assert len(digests) == 1


@pytest.mark.parametrize("optimize", [True, False], ids=["optimized", "plain"])
@pytest.mark.parametrize("case", cases(), ids=str)
def test_corpus(case: Case, optimize: bool) -> None:
    if max(map(_number, case.files.values())) > 500:
        pytest.skip("too long for a simulator that looks at each step")
    tried = trial(case, optimize)
    for number, faults in enumerate((NONE, USUAL, HARSH, STORM) if case.faults else (NONE,)):
        run(tried, Seeded(f"{case.name}/{number}"), faults)


@pytest.mark.parametrize(
    "name", ["lists_of_objects_in_a_fan_out", "receives_behind_what_workers_read"]
)
def test_specs_that_few_seeds_fail(name: str) -> None:
    """What only shows when a fault comes at a certain moment: a few seeds would not find it."""
    case = read_case(FOLDER / f"{name}.wf")
    for optimize in (True, False):
        tried = trial(case, optimize)
        for seed in range(60):
            run(tried, Seeded(f"{name}/{optimize}/{seed}"), (USUAL, HARSH)[seed % 2])


NOT_KEPT = """
from tasks import add

workflow deep(n: int, acc: int) -> int:
    if n <= 0:
        return acc
    continuation deep(n - 1, add(acc, n))

workflow outer(a: int) -> int:
    sleep(10ms)
    continuation deep(3, a)

workflow main(a: int) -> int:
    return add(nocheckpoint outer(a), 1)
"""


@pytest.mark.parametrize("optimize", [True, False], ids=["optimized", "plain"])
def test_a_workflow_that_is_not_kept_leaves_no_values(optimize: bool) -> None:
    tried = trial(Case("not_kept", {"main.wf": NOT_KEPT}, "main.wf", {"a": 100}), optimize)
    world = World(tried.plan, functions(tried.plan), tried.linked)
    simulation = Simulation(Seeded(1), world, {"a": 100}, {}, NONE)
    assert result(simulation.run().outcome.value, world) == 107
    done = [r for _, r in simulation.journal.read() if isinstance(r, rec.Completed)]
    inside = [column for r in done if "outer" in r.path for column in r.columns.values()]
    assert inside
    assert all(isinstance(column, int) for column in inside)  # as many values, but none of them


def test_a_chain_leaves_few_records() -> None:
    """What a hop makes obsolete is dropped with the commit that makes the hop durable."""
    chain = read_case(FOLDER / "python_continuation_chain.wf")
    assert run(trial(chain), Seeded(1), NONE).counts["dropped"] > 500


def _number(text: str) -> int:
    """The largest number in a program, but for what it gives: those with large ones run long."""
    lines = [line for line in text.splitlines() if not line.startswith("# expect")]
    return max(map(int, re.findall(r"(?<![\w.])\d+", "\n".join(lines))), default=0)
