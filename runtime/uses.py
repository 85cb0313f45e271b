"""Which names the nodes of a graph use: by value, as handles, in their own or in inner graphs.

Engine and workers read a plan by what is said here, so that they cannot disagree on it.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from wfc.plan.expr import children
from wfc.plan.model import BranchNode, Graph, GroupNode, MapNode

VALUE, HANDLE, AFTER = 1, 2, 4
"""How a name is used: its (joined) value, its handle, or only that it is done."""


class Uses(NamedTuple):
    """The names that a node refers to outside of it and how (`VALUE | HANDLE | AFTER`); `own` are
    those of its own expressions alone, `inner` those of the graphs in it and of what they give."""

    used: dict[str, int]
    own: dict[str, int]
    inner: dict[str, int]


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


def own_expressions(node: Any) -> Iterator[Any]:
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


def node_uses(node: Any, inner_free: Sequence[dict[str, int]]) -> Uses:
    """What a node uses, given the free names of the graphs that it owns (in address order)."""
    own: dict[str, int] = {}
    inner: dict[str, int] = {}

    def take(expr: Any, into: dict[str, int], hidden: Container[str] = ()) -> None:
        for name, handle in names_used(expr):
            if name not in hidden:
                into[name] = into.get(name, 0) | (HANDLE if handle else VALUE)

    if isinstance(node, GroupNode):
        own.update(dict.fromkeys(node.members, HANDLE))
    for expr in own_expressions(node):
        take(expr, own)
    if isinstance(node, MapNode):
        hidden = set(node.targets)
        if node.where_each is not None:
            take(node.where_each, inner, hidden)
        _merge(inner, inner_free[0], hidden)
        for body_node in node.body.nodes:
            hidden.update(provides(body_node))
        for output in node.outputs:
            for part in (output.value, output.key, output.when):
                if part is not None:
                    take(part, inner, hidden)
    elif isinstance(node, BranchNode):
        arms = inner_free[:-1] if node.then is not None else inner_free
        for free in arms:
            _merge(inner, free, ())
        if node.then is not None:
            _merge(inner, inner_free[-1], node.outputs)
    used = dict(own)
    _merge(used, dict.fromkeys(node.after, AFTER), ())
    _merge(used, inner, ())
    return Uses(used, own, inner)


def inner_graphs(node: Any) -> Iterator[tuple[str, Graph]]:
    """The graphs that a node owns, each with the suffix of its address (see `Work.graph`)."""
    if isinstance(node, MapNode):
        yield node.id, node.body
    elif isinstance(node, BranchNode):
        for number, arm in enumerate(node.arms):
            yield f"{node.id}:{number}", arm.body
        if node.orelse is not None:
            yield f"{node.id}:else", node.orelse
        if node.then is not None:
            yield f"{node.id}:then", node.then


def taken(node: Any, number: int) -> Iterator[str]:
    """The names that a node takes from inside one of the graphs that it owns (numbered as
    `inner_graphs` gives them). What is named in the rest of a block after a branch is not the branch's:
    it belongs to the graph that the branch stands in."""
    if isinstance(node, MapNode):
        for output in node.outputs:
            for part in (output.value, output.key, output.when):
                if part is not None:
                    yield from (name for name, _ in names_used(part))
    elif number < len(node.arms) + (node.orelse is not None):
        yield from (inners[number] for inners in node.outputs.values() if inners[number])


def _merge(used: dict[str, int], free: dict[str, int], hidden: Container[str]) -> None:
    for name, how in free.items():
        if name not in hidden:
            used[name] = used.get(name, 0) | how


def graph_uses(used: Iterable[dict[str, int]], made: Container[str]) -> dict[str, int]:
    """The free names of a graph, in the order of their first use, and how each is used: of what its
    nodes use, that which they do not make themselves."""
    free: dict[str, int] = {}
    for names in used:
        _merge(free, names, made)
    return free


def provides(node: Any) -> Iterable[str]:
    """The names that a node makes: its id, the outputs of a map or of a branch."""
    if isinstance(node, MapNode):
        return (node.id, *(o.name for o in node.outputs))
    if isinstance(node, BranchNode):
        return (node.id, *node.outputs)
    return (node.id,)
