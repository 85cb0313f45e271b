"""Which running calls some `wait` looks after: their failure does not fail the frame."""

from __future__ import annotations

from collections.abc import Iterator

from wfc.compiler.ir import (
    CallNode,
    Expr,
    GroupNode,
    MapNode,
    Node,
    ReceiveNode,
    SleepNode,
    Workflow,
    element_expressions,
    expressions,
    walk,
)
from wfc.plan.expr import children, names


def mark_managed(workflow: Workflow) -> None:
    """Set `managed` where something refers to running calls by a handle and nothing joins them.

    Going element by element over a fan-out (`MapNode.source`) counts as joining it: an element that
    fails has nobody to look after it. Ids may repeat in arms that exclude each other; then they are
    bound to the same name of the spec, and what holds for one holds for the other.
    """
    nodes = [node for graph in workflow.blocks() for node in walk(graph)]
    joined: set[str] = set()
    handled: set[str] = set()
    for node in nodes:
        for expr, own in _all(node):
            source = isinstance(node, MapNode) and node.source is not None and expr is node.items
            for op, name in references(expr):
                if name not in own:
                    (joined if op == "name" or source else handled).add(name)
    for node in nodes:
        if isinstance(node, GroupNode):
            looked_after = node.id in handled and node.id not in joined
            (handled if looked_after else joined).update(node.members)
    # The call in a fan-out that has no name of its own is called as the fan-out is: not it is meant.
    hidden = {
        id(inner)
        for node in nodes
        if isinstance(node, MapNode)
        for inner in walk(node.body)
        if inner.id == node.id
    }
    for node in nodes:
        if id(node) in hidden:
            continue
        if isinstance(node, (CallNode, MapNode, SleepNode, ReceiveNode)):
            node.managed = node.id in handled and node.id not in joined


def _all(node: Node) -> Iterator[tuple[Expr, frozenset[str]]]:
    """The expressions of a node, each with the names that mean something inside of the node there:
    a fan-out without a name of its own is called as the call in its body is."""
    yield from ((expr, frozenset()) for _, expr in expressions(node))
    if isinstance(node, MapNode):
        body = frozenset(one.id for one in walk(node.body))
        yield from ((expr, body) for _, expr in element_expressions(node))


def references(expr: Expr) -> Iterator[tuple[str, str]]:
    """The free names of an expression, each with whether it is a `name` or a `handle`."""
    if expr[0] in ("name", "handle"):
        yield expr[0], expr[1]
    elif expr[0] == "comp":
        yield from (("name", name) for name in names(expr))
    else:
        for child in children(expr):
            yield from references(child)
