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
    tasks = [(t, s) for s in project.tasks() if (t := program.tasks.get(s.key)) is not None]
    functions = [s.function for _, s in tasks if s.function is not None]
    for task, symbol in tasks:
        if symbol.function is not None:
            version = str(symbol.options.get("version", ""))
            task.fingerprint = fingerprint(symbol.function, functions, version)


def _errors(diagnostics: list[Diagnostic]) -> bool:
    return any(d.severity == "error" for d in diagnostics)


def _sorted(diagnostics: list[Diagnostic]) -> list[Diagnostic]:
    return sorted(diagnostics, key=lambda d: (d.span.file, d.span.line, d.span.column, d.code))
