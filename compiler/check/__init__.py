"""All checks of a project. Each returns or collects diagnostics; nothing is raised, nothing printed.

`analyze` gives what the lowering needs besides: the type of every expression, and which names and
arguments are handles of running calls rather than values.
"""

from __future__ import annotations

from dataclasses import dataclass

from wfc.compiler.check.context import CASCADES, Context
from wfc.compiler.check.declarations import check_declarations, check_unused
from wfc.compiler.check.entry import entry
from wfc.compiler.check.flow import check_workflow
from wfc.compiler.check.info import CallInfo, Info
from wfc.compiler.check.recursion import check_recursion
from wfc.compiler.project import Project
from wfc.dsl.diagnostics import Diagnostic

__all__ = ["Analysis", "CallInfo", "Info", "analyze", "check", "entry"]


@dataclass(eq=False, slots=True)
class Analysis:
    """The diagnostics of a project, sorted, and an `Info` per workflow (by its key)."""

    diagnostics: list[Diagnostic]
    infos: dict[str, Info]


def analyze(project: Project, *, strict: bool = False) -> Analysis:
    """Check everything. `strict` makes a missing annotation an error."""
    context = Context(project, strict)
    check_declarations(context)
    infos = {w.key: check_workflow(context, w) for w in project.workflows()}
    check_recursion(context)
    check_unused(context)
    broken = {m.file for m in project.modules.values() if m.broken}
    loading = [d for d in project.diagnostics if not (d.code in CASCADES and d.span.file in broken)]
    files = {file: index for index, file in enumerate(project.modules)}

    def place(d: Diagnostic) -> tuple[int, str, int, int, str, str]:
        s = d.span
        return files.get(s.file, len(files)), s.file, s.line, s.column, d.code, d.message

    unique = dict.fromkeys([*loading, *context.found])
    return Analysis(sorted(unique, key=place), infos)


def check(project: Project, *, strict: bool = False) -> list[Diagnostic]:
    """All diagnostics of a project, those of loading included, sorted by file and place."""
    return analyze(project, strict=strict).diagnostics
