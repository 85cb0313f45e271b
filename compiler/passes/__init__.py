"""The passes, in the order in which they run.

A pass is a function `(program, notes)` that changes the program in place, keeps its graphs
connected, and says in `notes` what it did and why, and what it did not and why not. Why each stands
where it stands is said in its module.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from wfc.compiler.explain import Notes
from wfc.compiler.ir import Program
from wfc.compiler.passes.carry import carry, carry_single_calls
from wfc.compiler.passes.checkpoints import place_checkpoints
from wfc.compiler.passes.dead import drop_dead_outputs, drop_dead_values
from wfc.compiler.passes.fold import fold_constants
from wfc.compiler.passes.inline import inline_workflows
from wfc.compiler.passes.pipeline import pipeline_maps
from wfc.compiler.passes.prune import prune_branches
from wfc.compiler.passes.regions import assign_regions
from wfc.compiler.passes.units import build_units
from wfc.compiler.passes.verify import verify

__all__ = [
    "NEEDED",
    "PASSES",
    "BrokenPass",
    "Pass",
    "assign_regions",
    "build_units",
    "carry",
    "carry_single_calls",
    "drop_dead_outputs",
    "drop_dead_values",
    "fold_constants",
    "inline_workflows",
    "pipeline_maps",
    "place_checkpoints",
    "prune_branches",
    "run_passes",
    "verify",
]

Pass: TypeAlias = Callable[[Program, Notes], None]

PASSES: tuple[Pass, ...] = (
    fold_constants,
    prune_branches,
    inline_workflows,
    fold_constants,
    prune_branches,
    drop_dead_values,
    pipeline_maps,
    drop_dead_outputs,
    place_checkpoints,
    assign_regions,
    carry,
    build_units,
)
"""What runs on every program."""

NEEDED: tuple[Pass, ...] = (
    drop_dead_outputs,
    place_checkpoints,
    assign_regions,
    carry_single_calls,
)
"""What runs even without optimization: what the meaning needs, and slices for plain fan-outs."""


class BrokenPass(AssertionError):  # noqa: N818
    """A pass left an IR that does not hold together: an error of the compiler."""


def run_passes(
    program: Program, notes: Notes, *, optimize: bool = True, verify: bool = False
) -> None:
    """Run all passes, or only those that the meaning of the program needs.

    With `verify` the IR is checked after each; raises `BrokenPass` for the first that broke it.
    """
    _verified("lower", program, verify)
    for step in PASSES if optimize else NEEDED:
        notes.current = step.__name__.replace("_", " ")
        step(program, notes)
        _verified(step.__name__, program, verify)


def _verified(step: str, program: Program, wanted: bool) -> None:
    if wanted and (found := verify(program)):
        raise BrokenPass(f"after {step}:\n" + "\n".join(found))
