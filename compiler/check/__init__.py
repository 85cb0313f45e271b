"""All checks of a project. Each returns diagnostics; nothing is raised and nothing printed.

`analyze` gives what the lowering needs besides: the type of every expression, and which names and
arguments are handles of running calls rather than values.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from wfc.compiler.project import Project, Symbol, WorkflowSymbol
from wfc.compiler.types import ANY, PendingType, Type
from wfc.dsl import ast
from wfc.dsl.diagnostics import Diagnostic


@dataclass(eq=False, slots=True)
class CallInfo:
    """A call that was resolved. `handles` are the arguments (by position or keyword) that the callee
    wants as handles of running calls, not joined."""

    symbol: Symbol
    handles: frozenset[int | str] = frozenset()


@dataclass(eq=False, slots=True)
class Info:
    """What the checker found out about one workflow, by node of its syntax tree.

    Nodes are known by identity: they live as long as the project.
    """

    types: dict[int, Type] = field(default_factory=dict)
    calls: dict[int, CallInfo] = field(default_factory=dict)
    running: set[int] = field(default_factory=set)

    def type_at(self, node: ast.Expr) -> Type:
        """The type of an expression."""
        return self.types.get(id(node), ANY)

    def is_pending(self, node: ast.Expr) -> bool:
        """Whether the expression's value is a pending value (a `Pending`), as it stands."""
        return isinstance(self.type_at(node), PendingType)

    def is_running(self, node: ast.Expr) -> bool:
        """Whether the expression is, or names, a fan-out, a list of calls or a call of this frame:
        what can be used as a handle, and is joined everywhere else."""
        return id(node) in self.running

    def call_at(self, node: ast.Call) -> CallInfo | None:
        """What a call calls; `None` for a built-in, or where it is not known."""
        return self.calls.get(id(node))


@dataclass(eq=False, slots=True)
class Analysis:
    """The diagnostics of a project, sorted, and an `Info` per workflow (by its key)."""

    diagnostics: list[Diagnostic]
    infos: dict[str, Info]


def analyze(project: Project, *, strict: bool = False) -> Analysis:
    """Check everything. `strict` makes a missing annotation an error."""
    raise NotImplementedError


def check(project: Project, *, strict: bool = False) -> list[Diagnostic]:
    """All diagnostics of a project, those of loading included, sorted by file and place."""
    return analyze(project, strict=strict).diagnostics


def entry(project: Project, name: str | None = None) -> WorkflowSymbol | Diagnostic:
    """The workflow to run: the one named, else `main`, else the only one of the entry spec."""
    raise NotImplementedError
