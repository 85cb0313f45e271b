"""Which names the nodes of a graph use: by value, as handles, in their own or in inner graphs."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from typing import Any, NamedTuple

from wfc.plan.expr import children
from wfc.plan.model import BranchNode, GroupNode, MapNode


class Uses(NamedTuple):
    """The names that a node refers to outside of it and how (`VALUE | HANDLE | AFTER`); `own` are
    those of its own expressions alone."""

    used: dict[str, int]
    own: tuple[str, ...]


def names_used(expr: Any) -> Iterator[tuple[str, bool]]:
    """The free names of an expression, each with whether it is used as a handle.

    Iterative where expressions nest deep (they may be thousands of operands long).
    """
    todo = [expr]
    while todo:
        part = todo.pop()
        op = part[0]
        if op == "name":
            yield part[1], False
        elif op == "handle":
            yield part[1], True
        elif op == "comp":
            yield from _comprehension(part)
        else:
            todo.extend(reversed(list(children(part))))


def _comprehension(expr: Any) -> Iterator[tuple[str, bool]]:
    bound: set[str] = set()
    for targets, iterable, conditions in expr[4]:
        yield from (u for u in names_used(iterable) if u[0] not in bound)
        bound.update(targets)
        for condition in conditions:
            yield from (u for u in names_used(condition) if u[0] not in bound)
    for part in (expr[2], expr[3]):
        if part is not None:
            yield from (u for u in names_used(part) if u[0] not in bound)


def _own_expressions(node: Any) -> Iterator[Any]:
    """The expressions that are evaluated outside of the node's inner graphs."""
    kind = node.kind
    if kind in ("expr", "return"):
        yield node.expr
    elif kind in ("call", "continuation"):
        yield from node.args
        yield from node.kwargs.values()
    elif kind == "map":
        yield node.items
    elif kind == "branch":
        yield from (arm.condition for arm in node.arms)
    elif kind == "wait":
        yield node.members
        if node.quorum.value is not None:
            yield node.quorum.value
        if node.timeout is not None:
            yield node.timeout
    elif kind == "sleep":
        yield node.duration
    elif kind == "receive":
        yield node.signal
        if node.timeout is not None:
            yield node.timeout
    elif kind == "cancel":
        yield node.pending
    elif kind == "fail":
        yield node.message


VALUE, HANDLE, AFTER = 1, 2, 4
"""How a name is used: its (joined) value, its handle, or only that it is done."""


def node_uses(node: Any, inner_free: list[dict[str, int]]) -> Uses:
    """What a node uses, given the free names of the graphs that it owns (in address order)."""
    used: dict[str, int] = {}

    def take(expr: Any, hidden: Iterable[str] = ()) -> None:
        for name, handle in names_used(expr):
            if name not in hidden:
                used[name] = used.get(name, 0) | (HANDLE if handle else VALUE)

    if isinstance(node, GroupNode):
        used.update(dict.fromkeys(node.members, HANDLE))
    for expr in _own_expressions(node):
        take(expr)
    own = tuple(used)
    for name in node.after:
        used[name] = used.get(name, 0) | AFTER
    if isinstance(node, MapNode):
        hidden = set(node.targets)
        if node.where_each is not None:
            take(node.where_each, hidden)
        _merge(used, inner_free[0], hidden)
        for body_node in node.body.nodes:
            hidden.update(provides(body_node))
        for output in node.outputs:
            for part in (output.value, output.key, output.when):
                if part is not None:
                    take(part, hidden)
    elif isinstance(node, BranchNode):
        arms = inner_free[:-1] if node.then is not None else inner_free
        for free in arms:
            _merge(used, free, ())
        if node.then is not None:
            _merge(used, inner_free[-1], node.outputs)
    return Uses(used, own)


def _merge(used: dict[str, int], free: dict[str, int], hidden: Container[str]) -> None:
    for name, how in free.items():
        if name not in hidden:
            used[name] = used.get(name, 0) | how


def graph_uses(uses: Iterable[Uses], made: set[str]) -> dict[str, int]:
    """The free names of a graph, in the order of their first use, and how each is used."""
    free: dict[str, int] = {}
    for use in uses:
        _merge(free, use.used, made)
    return free


def provides(node: Any) -> Iterable[str]:
    """The names that a node makes: its id, the outputs of a map or of a branch."""
    if isinstance(node, MapNode):
        return (node.id, *(o.name for o in node.outputs))
    if isinstance(node, BranchNode):
        return (node.id, *node.outputs)
    return (node.id,)
