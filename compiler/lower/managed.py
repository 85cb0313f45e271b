"""Which running calls some `wait` looks after: their failure does not fail the frame."""

from __future__ import annotations

from collections.abc import Iterator

from wfc.compiler.ir import (
    CallNode,
    Expr,
    Graph,
    GroupNode,
    MapNode,
    Node,
    ReceiveNode,
    SleepNode,
    Workflow,
    element_expressions,
    expressions,
    inner,
)
from wfc.plan.expr import children, names


class _Space:
    """Ids that mean the same wherever they stand in it: a block with its arms; the body of a fan-out
    is a space of its own, in which an id may hide one from outside."""

    def __init__(self, outer: _Space | None) -> None:
        self.outer = outer
        self.nodes: list[Node] = []
        self.bodies: dict[int, _Space] = {}
        self.joined: set[str] = set()
        self.handled: set[str] = set()

    def fill(self, graph: Graph, found: list[_Space]) -> None:
        todo = [graph]
        while todo:
            for node in todo.pop().nodes.values():
                self.nodes.append(node)
                if isinstance(node, MapNode):
                    body = self.bodies[id(node)] = _Space(self)
                    found.append(body)
                    body.fill(node.body, found)
                else:
                    todo.extend(g for _, g in inner(node))

    def of(self, name: str) -> _Space:
        """The space that an id seen from here belongs to."""
        space = self
        while space.outer is not None and all(n.id != name for n in space.nodes):
            space = space.outer
        return space


def mark_managed(workflow: Workflow) -> None:
    """Set `managed` where something refers to running calls by a handle and nothing joins them.

    Going element by element over a fan-out (`MapNode.source`) joins it, unless the elements that come
    of that are looked after themselves: what fails in one is then a failed member of the other. Ids
    may repeat in arms that exclude each other; then they are bound to the same name of the spec, and
    what holds for one holds for the other.
    """
    for block in workflow.blocks():
        spaces = [_Space(None)]
        spaces[0].fill(block, spaces)
        for space in spaces:
            for node in space.nodes:
                _note(space, node)
        joined = -1
        while joined != (joined := sum(len(space.joined) for space in spaces)):
            _decide(spaces)


def _decide(spaces: list[_Space]) -> None:
    """Set `managed` by what is known so far, and note what follows from that: members of a group are
    as the group is; what an unmanaged fan-out goes over is joined."""
    everywhere = [(space, node) for space in spaces for node in space.nodes]
    for space, node in everywhere:
        if isinstance(node, GroupNode):
            looked_after = node.id in space.handled and node.id not in space.joined
            for member in node.members:
                where = space.of(member)
                (where.handled if looked_after else where.joined).add(member)
    for space, node in everywhere:
        if isinstance(node, (CallNode, MapNode, SleepNode, ReceiveNode)):
            node.managed = node.id in space.handled and node.id not in space.joined
    for space, node in everywhere:
        if isinstance(node, MapNode) and node.source is not None and not node.managed:
            space.of(node.source).joined.add(node.source)


def _note(space: _Space, node: Node) -> None:
    for name in node.after:
        space.of(name).joined.add(name)
    for seen_from, expr in _all(space, node):
        source = isinstance(node, MapNode) and node.source is not None and expr is node.items
        for op, name in references(expr):
            where = seen_from.of(name)
            (where.joined if op == "name" and not source else where.handled).add(name)


def _all(space: _Space, node: Node) -> Iterator[tuple[_Space, Expr]]:
    """The expressions of a node, each with the space that its names are seen from."""
    yield from ((space, expr) for _, expr in expressions(node))
    if isinstance(node, MapNode):
        body = space.bodies[id(node)]
        yield from ((body, expr) for _, expr in element_expressions(node))


def references(expr: Expr) -> Iterator[tuple[str, str]]:
    """The free names of an expression, each with whether it is a `name` or a `handle`."""
    if expr[0] in ("name", "handle"):
        yield expr[0], expr[1]
    elif expr[0] == "comp":
        yield from (("name", name) for name in names(expr))
    else:
        for child in children(expr):
            yield from references(child)
