"""The steps of compiling a project that was loaded, in order."""

from __future__ import annotations

from wfc.compiler import Compiled
from wfc.compiler.build import build
from wfc.compiler.check import analyze, entry
from wfc.compiler.explain import Notes
from wfc.compiler.ir import Program
from wfc.compiler.limits import deep, no_collector
from wfc.compiler.lower import lower
from wfc.compiler.passes import run_passes
from wfc.compiler.project import Project
from wfc.compiler.signatures import fingerprint
from wfc.dsl.diagnostics import Diagnostic


def compile_project(
    project: Project,
    workflow: str | None = None,
    *,
    optimize: bool = True,
    strict: bool = False,
    verify: bool = False,
) -> Compiled:
    """See `wfc.compiler.compile_spec`."""
    with deep(), no_collector():
        analysis = analyze(project, strict=strict)
        start = entry(project, workflow)
        found = list(analysis.diagnostics)
        if isinstance(start, Diagnostic) and not project.entry.broken:
            found.append(start)  # of a file that could not be read or parsed this would be noise
        if isinstance(start, Diagnostic) or _errors(found):
            return Compiled(None, _sorted(found), sources=project.sources())
        program, refused = lower(project, analysis, start)
        found += refused
        if _errors(refused):
            return Compiled(None, _sorted(found), sources=project.sources())
        notes = Notes()
        run_passes(program, notes, optimize=optimize, verify=verify)
        _fingerprints(project, program)
        plan = build(program)
        found += notes.warnings
    return Compiled(plan, _sorted(found), notes.decisions, program, project.sources())


def _fingerprints(project: Project, program: Program) -> None:
    for symbol in project.tasks():
        task = program.tasks.get(symbol.key)
        if task is not None and symbol.function is not None:
            task.fingerprint = fingerprint(symbol.function)


def _errors(diagnostics: list[Diagnostic]) -> bool:
    return any(d.severity == "error" for d in diagnostics)


def _sorted(diagnostics: list[Diagnostic]) -> list[Diagnostic]:
    return sorted(diagnostics, key=lambda d: (d.span.file, d.span.line, d.span.column, d.code))
