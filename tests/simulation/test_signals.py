"""Signals that come early, late, twice and out of order, with crashes between receiving and committing:
each is delivered once, and in the order in which it came in."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from tests.oracle.source import Seeded
from tests.programs.runner import FOLDER, Case
from tests.simulation.faults import HARSH, STORM, USUAL, Faults
from tests.simulation.simulation import Simulation
from tests.simulation.verdict import LIMIT, functions, limited, result, trial
from tests.simulation.world import World
from wfc.runtime.engine import records as rec

RUNS = 200
PARTS = 4

SPEC = """
from tasks import add

workflow main(n: int):
    a = receive("go")
    b = add(a, 1)
    c = receive("go") after (b)
    each = [receive("each"), receive("each"), receive("each"), receive("each")]
    late = catch receive("never", timeout=1s)
    looped = collect(n, [])
    return [[a, c], each, looped, late.ok]

workflow collect(n: int, got: list[int]) -> list[int]:
    if n == 0:
        return got
    x = receive("loop")
    y = add(x, 0)
    continuation collect(n - 1, got + [y])
"""

SENT = {"go": [1, 2], "each": [3, 4, 5, 6], "loop": [7, 8, 9, 10]}


@pytest.mark.parametrize("part", range(PARTS))
def test_each_is_delivered_once(part: int) -> None:
    signals: dict[str, list[Any]] = dict(SENT)
    files = {"main.wf": SPEC, "lib.wf": (FOLDER / "lib.wf").read_text(encoding="utf-8")}
    case = Case("signals", files, "main.wf", {"n": 4}, signals)
    counts: Counter[str] = Counter()
    for optimize in (True, False):
        tried = trial(case, optimize)
        for seed in range(part, RUNS // 2, PARTS):
            world = World(tried.plan, functions(tried.plan), tried.linked)
            faults = HARSH if seed // PARTS % 2 else USUAL
            simulation = Simulation(Seeded(f"{seed}/{optimize}"), world, {"n": 4}, signals, faults)
            try:
                with limited(LIMIT):
                    ended = simulation.run()
                assert ended.outcome.status == "succeeded"
                went, each, looped, late = result(ended.outcome.value, world)
                came: dict[str, list[int]] = {}
                for _, record in simulation.journal.read():
                    if isinstance(record, rec.Signalled):
                        came.setdefault(record.name, []).append(record.payload.load())
                assert {name: sorted(found) for name, found in came.items()} == signals
                assert (went, sorted(each), looped) == (came["go"], signals["each"], came["loop"])
                assert late is False
            except Exception as error:
                error.add_note(f"seed {seed}\n" + "\n".join(simulation.trace))
                raise
            counts.update(ended.counts)
    print(dict(counts))
    assert counts["signal"] >= 10 * RUNS / PARTS
    assert counts["crash"] > RUNS / PARTS
    assert counts["duplicate"] > RUNS / PARTS


TAKEN = """
from tasks import Held, add, hold, use

workflow turns(held: Held, n: int, acc: int) -> int:
    if n <= 0:
        return acc
    s = receive("go")
    a = add(inplace use(held, acc), s)
    sleep(40s) after (a)
    continuation turns(held, n - 1, a - s)

workflow begin(n: int) -> int:
    held = nocheckpoint inplace hold(n)
    continuation inplace turns(held, 1, n)

workflow other(n: int) -> int:
    later = add(add(add(n)))
    s = receive("go") after (later)
    return add(s, 0)

workflow main(n: int):
    a = begin(n)
    b = other(n)
    return a
"""


@pytest.mark.parametrize("part", range(PARTS))
def test_what_a_loop_took_is_its_own(part: int) -> None:
    """The loop begins again after a crash, when the other receive waits already."""
    signals: dict[str, list[Any]] = {"go": [1, 2]}
    files = {"main.wf": TAKEN, "lib.wf": (FOLDER / "lib.wf").read_text(encoding="utf-8")}
    case = Case("taken", files, "main.wf", {"n": 3}, signals)
    crashes = 0
    for optimize in (True, False):
        tried = trial(case, optimize)
        for seed in range(part, RUNS, PARTS):
            world = World(tried.plan, functions(tried.plan), tried.linked)
            faults = HARSH if seed // PARTS % 2 else USUAL
            simulation = Simulation(Seeded(f"{seed}/{optimize}"), world, {"n": 3}, signals, faults)
            with limited(LIMIT):
                ended = simulation.run()
            assert result(ended.outcome.value, world) == 9, "\n".join(simulation.trace)
            crashes += ended.counts["crash"]
    assert crashes > RUNS / PARTS


AT_ROOT = """
from tasks import add

workflow main(n: int, got: list[int] = []) -> list[int]:
    if n == 0:
        return got
    a = add(n)
    x = receive("go") after (a)
    y = add(x, 0)
    continuation main(n - 1, got + [y])
"""

ALTERNATING = """
from grown import back
from tasks import add

workflow main(n: int, got: list[int] = []) -> list[int]:
    if n == 0:
        return got
    a = add(n)
    x = receive("go") after (a)
    continuation spin(2, n, got + [x])

workflow spin(k: int, n: int, got: list[int]) -> list[int]:
    if k == 0:
        continuation back(n, got)
    y = add(k)
    continuation spin(k - 1, n, got)
"""
"""Hops that the engine makes, and hops of workers."""

BY_TURNS = """
from tasks import add

workflow main(n: int, got: list[int] = []) -> list[int]:
    if n == 0:
        return got
    late = add(add(n))
    x = receive("go") after (late)
    y = receive("go")
    z = catch receive("never", timeout=1s)
    continuation main(n - 1, got + [add(x, 0), y])
"""


@pytest.mark.parametrize("spec", [AT_ROOT, ALTERNATING], ids=["engine", "alternating"])
@pytest.mark.parametrize("most", [1, 5, 20])
def test_no_hop_forgets_who_took_a_signal(spec: str, most: int) -> None:
    """A loop of the run itself: its journal is cut at each hop, and it is interrupted at any."""
    signals: dict[str, list[Any]] = {"go": [1, 2, 3, 4, 5, 6, 7, 8]}
    files = {"main.wf": spec, "lib.wf": (FOLDER / "lib.wf").read_text(encoding="utf-8")}
    case = Case("loop", files, "main.wf", {"n": 6}, signals)
    counts: Counter[str] = Counter()
    for optimize in (True, False):
        tried = trial(case, optimize)
        for seed in range(12):
            world = World(tried.plan, functions(tried.plan), tried.linked)
            faults = Faults(crash=150, crashes=most)
            simulation = Simulation(Seeded(f"{seed}"), world, {"n": 6}, signals, faults)
            with limited(LIMIT):
                ended = simulation.run()
            came = [
                record.payload.load()
                for _, record in simulation.journal.read()
                if isinstance(record, rec.Signalled)
            ]
            got = result(ended.outcome.value, world)
            assert got == came[:6], "\n".join(ended.trace)
            counts.update(ended.counts)
    print(dict(counts))
    assert counts["crash"] >= min(most, 5) * 12
    assert counts["dropped"] > 24 * 6


@pytest.mark.parametrize("optimize", [True, False], ids=["optimized", "plain"])
def test_receives_side_by_side_in_a_loop_take_each_once(optimize: bool) -> None:
    signals: dict[str, list[Any]] = {"go": [1, 2, 3, 4, 5, 6, 7, 8]}
    files = {"main.wf": BY_TURNS, "lib.wf": (FOLDER / "lib.wf").read_text(encoding="utf-8")}
    tried = trial(Case("turns", files, "main.wf", {"n": 3}, signals), optimize)
    crashes = 0
    for seed in range(30):
        world = World(tried.plan, functions(tried.plan), tried.linked)
        faults = (USUAL, HARSH, STORM)[seed % 3]
        simulation = Simulation(Seeded(f"{seed}"), world, {"n": 3}, signals, faults)
        with limited(LIMIT):
            ended = simulation.run()
        got = result(ended.outcome.value, world)
        assert len(got) == len(set(got)) == 6, "\n".join(ended.trace)
        crashes += ended.counts["crash"]
    assert crashes > 30
