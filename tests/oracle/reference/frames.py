"""Activations of workflows, their scopes, and how they end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any

from tests.oracle.reference.cells import Cell
from tests.oracle.reference.names import Workflow
from tests.oracle.reference.outcome import Error, Trace
from wfc.dsl import ast


class Scope:
    """Names and their cells. The body of a comprehension has a scope of its own."""

    def __init__(self, frame: Frame, path: str, trace: Trace, outer: Scope | None = None) -> None:
        self.frame = frame
        self.path = path
        self.trace = trace
        self.outer = outer
        self.cells: dict[str, Cell] = {}
        self.seen: Counter[str] = Counter()

    def find(self, name: str) -> Cell | None:
        scope: Scope | None = self
        while scope is not None:
            if name in scope.cells:
                return scope.cells[name]
            scope = scope.outer
        return None

    def unnamed(self, name: str) -> str:
        """The path of a call that is not bound to a name."""
        self.seen[name] += 1
        count = self.seen[name]
        return f"{self.path}/{name}" + (f"#{count}" if count > 1 else "")


@dataclass
class Frame:
    """One activation of a workflow."""

    workflow: Workflow
    path: str
    nocheckpoint: bool
    managed: frozenset[str]
    errors: set[Error] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Returned:
    """The frame ended with a value."""

    value: Any


@dataclass(frozen=True, slots=True)
class Hop:
    """The frame ended with a continuation: its result is that of `run`."""

    run: Callable[[list[Callable[[], None]]], Any]


class Broken:
    """The frame cannot go on: its errors are in the frame."""


Exit = Returned | Hop | Broken


def next_hop(path: str) -> str:
    """The path of the frame that takes the place of the one at `path`."""
    first, _, hops = path.rpartition("~")
    return f"{first}~{int(hops) + 1}" if first and hops.isdigit() else f"{path}~1"


def wait_numbers(decl: ast.WorkflowDecl) -> dict[int, int]:
    """Waits without a name of their own are counted as they are written, taken or not; in each
    fan-out anew. By the `id` of the expression."""
    numbers: dict[int, int] = {}

    def visit(node: Any, counter: list[int]) -> None:
        if isinstance(node, tuple):
            for item in node:
                visit(item, counter)
        elif is_dataclass(node) and type(node).__module__ == ast.__name__:
            if isinstance(node, ast.Comprehension):
                counter = [0]
            named = isinstance(node, ast.Assign) and len(node.targets) == 1
            if named and isinstance(node.value, ast.Wait):
                node = node.value
            elif isinstance(node, ast.Wait):
                counter[0] += 1
                numbers[id(node)] = counter[0]
            for part in fields(node):
                visit(getattr(node, part.name), counter)

    visit(decl.body, [0])
    visit(decl.finally_, [0])
    return numbers
