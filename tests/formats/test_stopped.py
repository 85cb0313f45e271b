"""Runs that an earlier version of the program has stored, and that were killed, interrupted or failed
anywhere, come to what they must: on local processes, and under the simulator's faults."""

from __future__ import annotations

import importlib
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

import wfc
from tests.formats.stopped import as_expected, outcome
from tests.oracle.source import Seeded
from tests.programs.runner import plain
from tests.simulation.faults import NONE, Faults
from tests.simulation.simulation import Ended, Mail, Simulation
from tests.simulation.verdict import LIMIT, limited, result
from tests.simulation.world import World
from wfc.plan.model import Plan
from wfc.runtime import codec
from wfc.runtime.coordinator import RECORDS, without_failure
from wfc.runtime.linked import Linked
from wfc.runtime.store import Store
from wfc.runtime.values import Inline
from wfc.stored import plan_in

HERE = Path(__file__).resolve().parent
ARCHIVES = sorted(path.name for path in HERE.glob("stopped-*.tar.xz"))
REAL = 10
"""Of so many runs of an archive, one is gone on with in real processes."""

CRASHES = Faults(crash=150, storage=20, home=200, value=60, duplicate=100, crashes=20)
"""No process of a task dies: some that have failed have no attempts left."""


@pytest.fixture(params=ARCHIVES)
def stopped(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A store of such runs."""
    with tarfile.open(HERE / request.param) as tar:
        tar.extractall(tmp_path, filter="data")
    return tmp_path / "store"


def test_gone_on_with_in_processes(stopped: Path) -> None:
    expected = _expected(stopped)
    for run_id in sorted(expected)[::REAL]:
        found = outcome(str(stopped), run_id)
        assert as_expected(found, expected[run_id]), f"{run_id}: {found}, not {expected[run_id]}"
        assert wfc.get(run_id, store=stopped).status in ("succeeded", "failed")


@pytest.mark.parametrize("faults", [NONE, CRASHES], ids=["none", "crashes"])
def test_gone_on_with_in_a_simulation(stopped: Path, faults: Faults) -> None:
    expected = _expected(stopped)
    crashes = 0
    with Store.open(str(stopped), create=False) as store:
        for run_id, wanted in expected.items():
            found, ended = _simulated(store, run_id, faults)
            crashes += ended.counts["crash"]
            assert as_expected(found, wanted), f"{run_id}: {found}, not {wanted}\n" + "\n".join(
                ended.trace
            )
    assert crashes > 10 or faults == NONE


def _expected(stopped: Path) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = json.loads((stopped / "expected.json").read_text("utf-8"))
    assert len(found) >= 20
    return found


def _simulated(store: Store, run_id: str, faults: Faults) -> tuple[dict[str, Any], Ended]:
    definition = store.journal.definition(run_id)
    plan = plan_in(definition)
    rows = [(row.seq, RECORDS.unpack(row.data)) for row in store.journal.read(run_id)]
    world = World(plan, _functions(plan), Linked(plan), values=store.values)  # type: ignore[arg-type]
    params = codec.decode(definition.params)
    simulation = Simulation(Seeded(run_id), world, params, {}, faults)
    simulation.mail = [
        Mail(simulation.now, signal.name, signal.id, Inline(data=signal.payload).load())
        for signal in store.journal.new_signals(run_id)
    ]
    journal = simulation.journal
    journal.durable = {seq: RECORDS.pack(record) for seq, record in without_failure(rows)}
    journal.next_seq = max((seq for seq, _ in rows), default=0) + 1
    try:
        with limited(LIMIT):
            ended = simulation.run()
    except Exception as error:
        error.add_note(f"{run_id}\n" + "\n".join(simulation.trace))
        raise
    if ended.outcome.error is not None:
        return {"error": [ended.outcome.error.type, ended.outcome.error.message]}, ended
    return {"value": repr(plain(result(ended.outcome.value, world)))}, ended


def _functions(plan: Plan) -> dict[str, Any]:
    return {
        name: getattr(importlib.import_module(task.module), task.qualname)
        for name, task in plan.tasks.items()
    }
