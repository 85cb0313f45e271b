"""What the checker found out, as the lowering reads it."""

from __future__ import annotations

from dataclasses import dataclass, field

from wfc.compiler.check.scope import Running
from wfc.compiler.project import Symbol
from wfc.compiler.types import ANY, PendingType, Type
from wfc.dsl import ast


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
    running: dict[int, Running] = field(default_factory=dict)

    def type_at(self, node: ast.Expr) -> Type:
        """The type of an expression."""
        return self.types.get(id(node), ANY)

    def is_pending(self, node: ast.Expr) -> bool:
        """Whether the expression's value is a pending value (a `Pending`), as it stands."""
        return isinstance(self.type_at(node), PendingType)

    def is_running(self, node: ast.Expr) -> bool:
        """Whether the expression is, or names, a fan-out or a list of calls of this frame: what can
        be used as a handle, and is joined everywhere else."""
        return self.running.get(id(node)) == "many"

    def is_call(self, node: ast.Expr) -> bool:
        """Whether the expression is, or names, one call of this frame (`sleep`, `receive` too)."""
        return self.running.get(id(node)) == "one"

    def call_at(self, node: ast.Call) -> CallInfo | None:
        """What a call calls; `None` for a built-in, or where it is not known."""
        return self.calls.get(id(node))
