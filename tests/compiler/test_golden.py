"""Programs and what the compiler makes of them, side by side in one file per case.

`golden/<step>/*.txt` holds a program, a line `--- ir`, and the IR after that step; for a pass also a
line `--- explain` and its decisions. `WFC_UPDATE_GOLDEN=1` rewrites what is expected.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.compiler.fixtures import HEAD, lowered
from wfc.compiler import ir
from wfc.compiler.emit.ir import dump
from wfc.compiler.explain import Notes, explain
from wfc.compiler.passes import (
    Pass,
    assign_regions,
    build_units,
    carry,
    carry_single_calls,
    drop_dead_values,
    fold_constants,
    inline_workflows,
    pipeline_maps,
    place_checkpoints,
    prune_branches,
)
from wfc.compiler.passes.verify import verify

GOLDEN = Path(__file__).parent / "golden"

STEPS: dict[str, tuple[Pass, ...]] = {
    "lower": (),
    "fold": (fold_constants,),
    "prune": (fold_constants, prune_branches),
    "inline": (inline_workflows,),
    "dead": (fold_constants, drop_dead_values),
    "pipeline": (pipeline_maps,),
    "checkpoints": (place_checkpoints,),
    "regions": (assign_regions,),
    "carry": (assign_regions, carry),
    "single_calls": (assign_regions, carry_single_calls),
    "units": (assign_regions, carry, build_units),
}
"""What runs for each folder; the decisions shown are those of the last pass."""

CASES = sorted(GOLDEN.glob("*/*.txt"))


def output(program: ir.Program, step: str) -> str:
    notes = Notes()
    for one in STEPS[step]:
        notes = Notes(current=one.__name__.replace("_", " "))
        one(program, notes)
        assert verify(program) == []
    text = dump(program)
    shown = text[text.index("\n\nworkflow ") + 2 :] if "\n\nworkflow " in text else text
    out = f"--- ir\n{shown}"
    if STEPS[step]:
        out += f"--- explain\n{explain(notes.decisions)}"
    return out


@pytest.mark.parametrize("case", CASES, ids=lambda p: f"{p.parent.name}-{p.stem}")
def test_golden(case: Path, tmp_path: Path) -> None:
    source, _, _expected = case.read_text().partition("--- ir\n")
    program, _ = lowered(tmp_path, HEAD + source)
    assert verify(program) == []
    found = source + output(program, case.parent.name)
    if os.environ.get("WFC_UPDATE_GOLDEN") == "1":
        case.write_text(found)
    assert found == case.read_text()


def test_every_step_has_cases() -> None:
    assert {p.parent.name for p in CASES} == set(STEPS)
