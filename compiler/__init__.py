"""From a spec to a plan: load, check, lower, improve, build.

`compile_spec` does it all; `check_spec` stops after the checks, and imports only what those need.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wfc.compiler.explain import Decision
    from wfc.compiler.ir import Program
    from wfc.dsl.diagnostics import Diagnostic
    from wfc.plan.model import Plan

__all__ = ["Compiled", "check_spec", "compile_spec"]


@dataclass(slots=True)
class Compiled:
    """What came of compiling. `plan` and `ir` are `None` when some diagnostic is an error.

    `sources` are the texts of the files that diagnostics point into.
    """

    plan: Plan | None
    diagnostics: list[Diagnostic]
    decisions: list[Decision] = field(default_factory=list)
    ir: Program | None = None
    sources: dict[str, str] = field(default_factory=dict)


def check_spec(path: str | os.PathLike[str], *, strict: bool = False) -> list[Diagnostic]:
    """All findings about a spec and what it imports, sorted. Runs and imports no user code."""
    from wfc.compiler.check import check
    from wfc.compiler.project import load

    return check(load(path), strict=strict)


def compile_spec(
    path: str | os.PathLike[str],
    workflow: str | None = None,
    *,
    optimize: bool = True,
    strict: bool = False,
    verify: bool = False,
) -> Compiled:
    """Compile a spec. Never raises for a bad one: see `Compiled.diagnostics`.

    `workflow` names the entry point, where it is not `main` or the only one. Without `optimize`
    only what the meaning needs is done to the program. `verify` checks the IR after every pass, and
    raises `wfc.compiler.passes.BrokenPass` for a pass that broke it: for tests.
    """
    from wfc.compiler.driver import compile_project
    from wfc.compiler.project import load

    return compile_project(load(path), workflow, optimize=optimize, strict=strict, verify=verify)
