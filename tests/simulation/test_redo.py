"""A run is stopped, a task's code changes, and the run is redone: it ends as one of today's code does."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.oracle.generate import program
from tests.oracle.reference import Error
from tests.oracle.source import Seeded, Source, between
from tests.programs.runner import FOLDER, Case, case_of, plain, reference
from tests.simulation.faults import NONE, USUAL
from tests.simulation.simulation import Simulation
from tests.simulation.test_signals import ALTERNATING, AT_ROOT
from tests.simulation.verdict import KNOBS, Replayed, Trial, functions, limited, result, trial
from tests.simulation.world import Values, World
from wfc.runtime.coordinator import RECORDS, without_failure
from wfc.runtime.engine import records as rec
from wfc.runtime.redo import redo

PROGRAMS = 400
PARTS = 8


def changed(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Code as it was before: it gives something else of the same type."""

    def before(*args: Any, **kwargs: Any) -> Any:
        given = fn(*args, **kwargs)
        if isinstance(given, bool):
            return not given
        if isinstance(given, int):
            return given + 1
        if isinstance(given, str):
            return given + "~"
        return given + given[:1] if isinstance(given, list) else given

    before.__name__, before.__module__ = fn.__name__, fn.__module__
    before.__qualname__ = fn.__qualname__
    before.__signature__ = inspect.signature(fn)  # type: ignore[attr-defined]
    return before


def part_of_a_run(tried: Trial, source: Source, names: set[str], values: Values) -> list[Any]:
    """The records of a run with the old code of these tasks, which was stopped somewhere."""
    of_old = functions(tried.plan)
    of_old.update((name, changed(of_old[name])) for name in names)
    world = World(tried.plan, of_old, tried.linked, values=values)
    case = tried.case
    simulation = Simulation(source, world, case.params, case.signals, USUAL)
    with limited(10.0):
        simulation._guarded(simulation._boot)
        for _ in range(between(source, 0, 60)):
            if simulation.finished is not None:
                break
            simulation._guarded(simulation._step)
    rows = list(enumerate(record for _, record in simulation.journal.read()))
    kept = [record for _, record in without_failure(rows)]
    return [record for record in kept if not isinstance(record, rec.Ended)]


def finish(tried: Trial, source: Source, kept: list[Any], values: Values) -> None:
    """Go on from these records with the code of today, and compare the end with the reference."""
    world = World(tried.plan, functions(tried.plan), tried.linked, values=values)
    case = tried.case
    simulation = Simulation(source, world, case.params, case.signals, NONE)
    seen = {record.id for record in kept if isinstance(record, rec.Signalled)}
    for mail in simulation.mail:
        mail.seen = mail.kept = mail.id in seen
    journal = simulation.journal
    journal.durable = {seq: RECORDS.pack(record) for seq, record in enumerate(kept, 1)}
    journal.next_seq = len(kept) + 1
    try:
        with limited(10.0):
            ended = simulation.run()
        expected = tried.expected
        if expected.waits:
            expected = reference(case, tried.modules, policy=Replayed(ended.splits))
        outcome = ended.outcome
        if outcome.error is not None:
            error = Error(outcome.error.type, outcome.error.message)
            assert any(e.covers(error.type, error.message) for e in expected.errors), error
        else:
            assert expected.ok, f"should have failed with {set(expected.errors)}"
            assert plain(result(outcome.value, world)) == plain(expected.value)
    except Exception as error:
        error.add_note("\n".join(simulation.trace))
        raise


@pytest.mark.parametrize("part", range(PARTS))
def test_a_run_that_is_redone_ends_as_a_new_one(part: int) -> None:
    for seed in range(part, PROGRAMS, PARTS):
        source = Seeded(f"redo {seed}")
        made = program(Seeded(seed), KNOBS[seed % 2])
        tried = trial(case_of(made), seed % 3 != 0)
        tasks = sorted(tried.plan.tasks)
        if not tasks:
            continue
        one = tried.plan.tasks[tasks[source.below(len(tasks))]]
        names = {n for n, t in tried.plan.tasks.items() if t.qualname == one.qualname}
        values = Values()
        records = part_of_a_run(tried, source, names, values)
        if not records:
            continue
        kept = redo(records, tried.plan, tried.plan, names)
        try:
            finish(tried, source, kept, values)
        except Exception as error:
            raise AssertionError(
                f"program {seed}, changed {sorted(names)}: {error}\n{made}\n"
                + "\n".join(["", *map(str, records), "kept", *map(str, kept)])[:6000]
                + "\n".join(getattr(error, "__notes__", []))
            ) from error


def _of_a_graph(record: rec.Record) -> bool:
    """Whether a record is of a graph that a task returned: that is always returned anew."""
    hopped = isinstance(record, rec.Hopped) and record.state.target.startswith("$")
    return hopped or isinstance(record, rec.Grew)


def test_without_a_change_all_is_kept() -> None:
    count = 0
    for seed in range(60):
        source = Seeded(f"redo {seed}")
        made = program(Seeded(seed), KNOBS[seed % 2])
        tried = trial(case_of(made), seed % 3 != 0)
        records = part_of_a_run(tried, source, set(), Values())
        if any(map(_of_a_graph, records)) or "turns(" in str(made):
            continue  # what stands behind an object of a process cannot be told
        kept = redo(records, tried.plan, tried.plan, set())
        count += len(kept)
        # Words about scopes and frames that have ended since are of no use to anybody.
        results = (rec.Completed, rec.Advanced)
        assert [str(k) for k in kept if isinstance(k, results)] == [
            str(r) for r in records if isinstance(r, results)
        ]
    assert count > 100


@pytest.mark.parametrize("loop", [AT_ROOT, ALTERNATING], ids=["engine", "alternating"])
@pytest.mark.parametrize("again", [False, True], ids=["as it was", "renamed"])
def test_a_redone_loop_takes_each_signal_once(loop: str, again: bool) -> None:
    """Those of hops that still hold stay taken; those of a receive that is no more are free."""
    sent: dict[str, list[Any]] = {"go": [1, 2, 3, 4, 5, 6]}
    lib = {"lib.wf": (FOLDER / "lib.wf").read_text(encoding="utf-8")}
    now = re.sub(r"\bx\b", "taken", loop) if again else loop
    old, new = (
        trial(Case("loop", {"main.wf": text, **lib}, "main.wf", {"n": 4}, sent))
        for text in (loop, now)
    )
    hops = 0
    for seed in range(20):
        source = Seeded(f"loop {seed}")
        values = Values()
        records = part_of_a_run(old, source, set(), values)
        if not records:
            continue
        hops += sum(isinstance(record, rec.Hopped) for record in records)
        kept = redo(records, old.plan, new.plan, set())
        world = World(new.plan, functions(new.plan), new.linked, values=values)
        simulation = Simulation(source, world, {"n": 4}, sent, NONE)
        seen = {record.id for record in kept if isinstance(record, rec.Signalled)}
        for mail in simulation.mail:
            mail.seen = mail.kept = mail.id in seen
        simulation.journal.durable = {n: RECORDS.pack(r) for n, r in enumerate(kept, 1)}
        simulation.journal.next_seq = len(kept) + 1
        with limited(10.0):
            got = result(simulation.run().outcome.value, world)
        came = [
            record.payload.load()
            for _, record in simulation.journal.read()
            if isinstance(record, rec.Signalled)
        ]
        assert got == came[:4], "\n".join(simulation.trace)
    assert hops > 10
