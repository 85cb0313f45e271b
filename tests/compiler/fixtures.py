"""Programs for the compiler's tests: a spec as text, beside a module of tasks that is never run."""

from __future__ import annotations

from pathlib import Path

from wfc.compiler import Compiled, compile_spec, ir
from wfc.compiler.check import analyze, entry
from wfc.compiler.explain import Notes
from wfc.compiler.limits import deep
from wfc.compiler.lower import lower
from wfc.compiler.project import WorkflowSymbol, load

TASKS = """
from wfc import Pending

def f(x): ...
def g(x): ...
def h(x, y=0): ...
def many(n: int) -> list: ...
def pair(x) -> tuple: ...
def good(x) -> bool: ...
def join(a, b): ...
def peek(p: Pending[int]) -> int: ...
def note(text: str): ...
"""

HEAD = "from tasks import f, g, h, many, pair, good, join, peek, note\n"


def write(folder: Path, text: str) -> Path:
    """The spec as a file, with the tasks beside it. Unused imports are the checks' affair."""
    (folder / "tasks.py").write_text(TASKS)
    spec = folder / "spec.wf"
    spec.write_text(text)
    return spec


def compiled(folder: Path, text: str, *, optimize: bool = True) -> Compiled:
    """The program compiled, verified after every pass; it must be free of errors."""
    done = compile_spec(write(folder, text), optimize=optimize, verify=True)
    errors = [d for d in done.diagnostics if d.severity == "error"]
    assert not errors, errors
    return done


def lowered(folder: Path, text: str) -> tuple[ir.Program, Notes]:
    """The program as the lowering leaves it, checked but not optimized."""
    project = load(write(folder, text))
    with deep():
        analysis = analyze(project)
        errors = [d for d in analysis.diagnostics if d.severity == "error"]
        assert not errors, errors
        start = entry(project)
        assert isinstance(start, WorkflowSymbol)
        program, refused = lower(project, analysis, start)
    assert not refused, refused
    return program, Notes()
