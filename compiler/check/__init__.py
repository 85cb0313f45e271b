"""All checks of a project. Each returns or collects diagnostics; nothing is raised, nothing printed.

`analyze` gives what the lowering needs besides: the type of every expression, and which names and
arguments are handles of running calls rather than values.
"""

from __future__ import annotations

from dataclasses import dataclass

from wfc.compiler import codes
from wfc.compiler.check.context import CASCADES, Context
from wfc.compiler.check.declarations import check_declarations, check_unused
from wfc.compiler.check.entry import entry
from wfc.compiler.check.flow import check_workflow
from wfc.compiler.check.info import CallInfo, Info
from wfc.compiler.check.recursion import check_recursion
from wfc.compiler.limits import deep, no_collector
from wfc.compiler.project import Project
from wfc.dsl.diagnostics import Diagnostic

__all__ = ["Analysis", "CallInfo", "Info", "analyze", "check", "entry"]

UNUSED = (codes.UNUSED_IMPORT, codes.UNUSED_VALUE)
"""What is reported only for a file without errors: a name that was mistyped is not used, either."""


@dataclass(eq=False, slots=True)
class Analysis:
    """The diagnostics of a project, sorted, and an `Info` per workflow (by its key)."""

    diagnostics: list[Diagnostic]
    infos: dict[str, Info]


def analyze(project: Project, *, strict: bool = False) -> Analysis:
    """Check everything. `strict` makes a missing annotation an error."""
    context = Context(project, strict)
    with no_collector(), deep():
        check_declarations(context)
        infos = {w.key: check_workflow(context, w) for w in project.workflows()}
        check_recursion(context)
        check_unused(context)
    everything = dict.fromkeys([*project.diagnostics, *context.found])
    broken = {m.file for m in project.modules.values() if m.broken}
    wrong = {d.span.file for d in everything if d.severity == "error"}
    kept = [
        d
        for d in everything
        if not (d.code in CASCADES and d.span.file in broken)
        and not (d.code in UNUSED and d.span.file in wrong)
    ]
    files = {file: index for index, file in enumerate(project.modules)}

    def place(d: Diagnostic) -> tuple[int, str, int, int, str, str]:
        s = d.span
        return files.get(s.file, len(files)), s.file, s.line, s.column, d.code, d.message

    return Analysis(sorted(kept, key=place), infos)


def check(project: Project, *, strict: bool = False) -> list[Diagnostic]:
    """All diagnostics of a project, those of loading included, sorted by file and place."""
    return analyze(project, strict=strict).diagnostics
