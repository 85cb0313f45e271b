"""There is one way to recover from a journal, and whoever reads one takes it: what a wait had come to is
known before what it waits for is there, also where that would be there sooner than it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.oracle.source import Seeded
from tests.programs.runner import FOLDER, Case
from tests.simulation.faults import NONE
from tests.simulation.simulation import Simulation
from tests.simulation.verdict import Trial, functions, result, trial
from tests.simulation.world import World
from wfc import stored
from wfc.cli import resuming
from wfc.runtime import coordinator
from wfc.runtime.coordinator import RECORDS
from wfc.runtime.engine import Engine
from wfc.runtime.engine import records as rec
from wfc.runtime.redo import redo
from wfc.runtime.store import Store
from wfc.runtime.values import Inline, Split
from wfc.testing import lives
from wfc.testing.stubs import MemoryValues

AT = 1_700_000_000.0
SPEC = """
from odd import large
from tasks import add

workflow passed(n: int) -> bytes:
    data = nocheckpoint large(70)
    return data[n:]

workflow main(n: int) -> int:
    v = wait(2 of [nocheckpoint passed(1), nocheckpoint passed(2)], timeout=1s)
    if v.timed_out:
        a = add(n)
        m = receive("late") after (a)
    else:
        a = add(n, 2)
        m = receive("early") after (a)
    return a * 10 + m
"""


@pytest.fixture(scope="module")
def waiting() -> Trial:
    """A run whose wait was over when the calls were done that it had waited for, and what they gave was
    still to be read by a worker. Nothing of that is kept."""
    files = {"main.wf": SPEC, "lib.wf": (FOLDER / "lib.wf").read_text(encoding="utf-8")}
    case = Case("waiting", files, "main.wf", {"n": 4}, {"late": [7], "early": [8]})
    return trial(case, optimize=False)


RECORDS_OF_IT: tuple[rec.Record, ...] = (
    rec.Began({"n": Inline(obj=4)}, AT),
    rec.Completed("main/passed", "data", (0,), {"data": 1}, AT + 0.5),
    rec.Completed("main/passed#2", "data", (0,), {"data": 1}, AT + 0.6),
    rec.Fired("main/v", AT + 1),
    rec.Computed("main", "v", "decided", Inline(obj=Split((), (0, 1), (), True)), AT + 1),
    rec.Computed("main", "if", "if:0", Inline(obj=True), AT + 1.2),
    rec.Completed("main", "a", (0,), {"a": [Inline(obj=5)]}, AT + 1.5),
)


def test_redo_keeps_what_stands_behind_the_wait(waiting: Trial) -> None:
    records = [RECORDS.unpack(RECORDS.pack(record)) for record in RECORDS_OF_IT]
    assert list(map(str, redo(records, waiting.plan, waiting.plan, set()))) == list(
        map(str, records)
    )


@pytest.mark.parametrize("known", [5, 7], ids=["decided", "gone on"])
def test_a_run_under_test_goes_on_behind_the_wait(waiting: Trial, known: int) -> None:
    journal = [RECORDS.pack(record) for record in RECORDS_OF_IT[:known]]
    world = lives.World(
        waiting.linked, functions(waiting.plan), journal, MemoryValues(), now=AT + 9
    )
    script = lives.Script(signals=[lives.Signal("late", 7)], limit=60)
    ended = lives.Life(world, script).run({"n": 4})
    assert ended.value is not None
    assert ended.value.load() == 57


def test_what_it_waits_for_is_told_as_it_is(waiting: Trial, tmp_path: Path) -> None:
    with Store.open(str(tmp_path / "store")) as store:
        coordinator.create(store, "r", waiting.plan, {"n": 4})
        held = store.journal.acquire("r")
        rows = [(type(record).__name__, RECORDS.pack(record)) for record in RECORDS_OF_IT]
        store.journal.rewrite(held, store.journal.definition("r"), rows)
        store.journal.release(held)
        assert [(w.kind, w.name) for w in stored.waiting_for(store, "r")] == [("signal", "late")]
        found: dict[str, Any] = resuming._plan_of(store, "r")
    assert len(found["waits_for"]) == 1
    assert "late" in found["waits_for"][0]


def test_no_reader_can_leave_the_lookahead_out() -> None:
    """Records are taken in together or not at all."""
    public = {name for name in dir(Engine) if "replay" in name or "foresee" in name}
    assert not {name for name in public if not name.startswith("_")}


CHOOSING = """
from tasks import add, total

workflow main(n: int) -> int:
    early, late = wait(1 of [add(n), add(n, 2)], timeout=9s)
    nap = sleep(10s) after (early)
    m = receive("go", timeout=9s)
    x = total(late) after (nap)
    return m + x - x
"""


def _choosing() -> Trial:
    files = {"main.wf": CHOOSING, "lib.wf": (FOLDER / "lib.wf").read_text(encoding="utf-8")}
    return trial(Case("choosing", files, "main.wf", {"n": 4}, {"go": [7]}))


def test_every_choice_is_written() -> None:
    chosen = _choosing()
    world = World(chosen.plan, functions(chosen.plan), chosen.linked)
    simulation = Simulation(Seeded(1), world, {"n": 4}, {"go": [7]}, NONE)
    assert result(simulation.run().outcome.value, world) == 7
    found = [record for _, record in simulation.journal.read()]
    choices = {(r.node, r.key) for r in found if isinstance(r, rec.Computed)}
    names = {r.node.id: r.node.kind for r in Engine(chosen.plan).book.workflow("main").nodes}
    nap = next(name for name, kind in names.items() if kind == "sleep")
    wait = next(name for name, kind in names.items() if kind == "wait")
    assert choices >= {(wait, rec.DECIDED), (wait, rec.DUE), (nap, rec.DECIDED), (nap, rec.DUE)}
    claims = [(r.id, r.path, names[r.node]) for r in found if isinstance(r, rec.Claimed)]
    assert claims == [("go-0", "main", "receive")]


def test_a_timer_is_due_when_it_was() -> None:
    """Whenever its node is reached in a recovery, and however long that was after its first time."""
    chosen = _choosing()
    names = {r.node.kind: r.node.id for r in Engine(chosen.plan).book.workflow("main").nodes}
    split = Inline(obj=Split((0,), (1,), (), False))
    records = [
        rec.Began({"n": Inline(obj=4)}, AT),
        rec.Signalled("go", "go-0", Inline(obj=7), AT, True),
        rec.Claimed("go-0", "main", names["receive"], AT),
        rec.Computed("main", names["sleep"], rec.DUE, Inline(obj=AT + 11), AT + 1),
        rec.Completed("main", "add", (0,), {"add": [Inline(obj=5)]}, AT + 5),
        rec.Computed("main", names["wait"], rec.DECIDED, split, AT + 1),
        rec.Completed("main", "add#2", (0,), {"add#2": [Inline(obj=6)]}, AT + 8),
    ]
    engine = Engine(chosen.plan)
    engine.recover([RECORDS.unpack(RECORDS.pack(record)) for record in records])
    engine.resume(AT + 9)
    assert engine.next_due() == AT + 11
