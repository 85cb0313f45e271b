"""The passes, in the order in which they run.

A pass is a function `(program, notes)` that changes the program in place, keeps its graphs
connected, and says in `notes` what it did and why, and what it did not and why not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from wfc.compiler.explain import Notes
from wfc.compiler.ir import Program
from wfc.compiler.passes.carry import carry, carry_single_calls
from wfc.compiler.passes.regions import assign_regions
from wfc.compiler.passes.units import build_units
from wfc.compiler.passes.verify import verify

Pass: TypeAlias = Callable[[Program, Notes], None]

PASSES: tuple[Pass, ...] = (assign_regions, carry, build_units)
NEEDED: tuple[Pass, ...] = (assign_regions, carry_single_calls)


class BrokenPass(AssertionError):  # noqa: N818
    """A pass left an IR that does not hold together: an error of the compiler."""


def run_passes(program: Program, notes: Notes, *, optimize: bool = True, verify: bool = False) -> None:
    """Run all passes, or only those that the meaning of the program needs."""
    _verified("lower", program, verify)
    for step in PASSES if optimize else NEEDED:
        notes.current = step.__name__.replace("_", " ")
        step(program, notes)
        _verified(step.__name__, program, verify)


def _verified(step: str, program: Program, wanted: bool) -> None:
    if wanted and (found := verify(program)):
        raise BrokenPass(f"after {step}:\n" + "\n".join(found))
