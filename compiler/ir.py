"""The compiler's own form of a program: one networkx graph per block of a workflow.

A fan-out or a branch is ONE node that owns inner graphs, so that a fan-out over a million items is
as small as one over two. A `Graph` keeps its nodes in order of appearance; its edges are never
written by hand: `connect` derives them from the expressions, and passes call it when they are done.

Names. A node defines the names that `defines` gives (its id, the outputs of a fan-out or a branch).
An inner graph sees the names of the graphs around it. A name that is free in an inner graph is an
input of the node that owns it, which is what makes the edges of the outer graph complete. The names
of a branch's `then` belong to the block that the branch stands in: `then` is the rest of it.
"""

from __future__ import annotations

from collections.abc import Iterator

import networkx as nx

from wfc.compiler.nodes import (
    EXITS,
    Arm,
    BranchNode,
    CallNode,
    CancelNode,
    Checkpoint,
    ContinuationNode,
    Expr,
    ExprNode,
    FailNode,
    Graph,
    GroupNode,
    MapNode,
    MapOutput,
    Node,
    Param,
    Program,
    ReceiveNode,
    Region,
    ReturnNode,
    SleepNode,
    Target,
    Task,
    Unit,
    WaitNode,
    Workflow,
)
from wfc.plan.expr import names

__all__ = [
    "EXITS",
    "Arm",
    "BranchNode",
    "CallNode",
    "CancelNode",
    "Checkpoint",
    "ContinuationNode",
    "Expr",
    "ExprNode",
    "FailNode",
    "Graph",
    "GroupNode",
    "MapNode",
    "MapOutput",
    "Node",
    "Param",
    "Program",
    "ReceiveNode",
    "Region",
    "ReturnNode",
    "SleepNode",
    "Target",
    "Task",
    "Unit",
    "WaitNode",
    "Workflow",
    "always_ends",
    "block_names",
    "connect",
    "defines",
    "derive",
    "element_expressions",
    "expressions",
    "graphs",
    "inner",
    "names",
    "producers",
    "uses",
    "walk",
    "walk_inside",
]


def defines(node: Node) -> list[str]:
    """The names that a node gives to what comes after it (its own id, but for outputs of others)."""
    if isinstance(node, MapNode):
        return [o.name for o in node.outputs]
    if isinstance(node, BranchNode):
        return list(node.outputs)
    return [node.id]


def inner(node: Node) -> Iterator[tuple[str, Graph]]:
    """The graphs that a node owns, each with the port under which its free names come in."""
    if isinstance(node, MapNode):
        yield "body", node.body
    elif isinstance(node, BranchNode):
        for i, arm in enumerate(node.arms):
            yield f"arm {i}", arm.body
        if node.orelse is not None:
            yield "else", node.orelse
        if node.then is not None:
            yield "then", node.then


def graphs(graph: Graph) -> Iterator[Graph]:
    """This graph and all that its nodes own, outer ones first."""
    todo = [graph]
    while todo:
        current = todo.pop()
        yield current
        todo.extend(g for node in current.nodes.values() for _, g in inner(node))


def walk(graph: Graph) -> Iterator[Node]:
    """Every node of this graph and of all that its nodes own."""
    for g in graphs(graph):
        yield from g.nodes.values()


def walk_inside(node: Node) -> Iterator[Node]:
    """Every node of the graphs that a node owns."""
    for _, graph in inner(node):
        yield from walk(graph)


def expressions(node: Node) -> Iterator[tuple[str, Expr]]:
    """The expressions that a node evaluates where it stands, each with its port.

    Those of a fan-out that see its elements (`where_each`, outputs) are not among them.
    """
    if isinstance(node, Target):
        for i, arg in enumerate(node.args):
            yield f"arg {i}", arg
        for key, arg in node.kwargs.items():
            yield f"arg {key}", arg
    elif isinstance(node, (ExprNode, ReturnNode)):
        yield "expr", node.expr
    elif isinstance(node, MapNode):
        yield "items", node.items
    elif isinstance(node, BranchNode):
        for i, arm in enumerate(node.arms):
            yield f"condition {i}", arm.condition
    else:
        for port in ("members", "quorum", "timeout", "duration", "signal", "pending", "message"):
            found = getattr(node, port, None)
            if isinstance(found, list) and not isinstance(node, GroupNode):
                yield port, found


def element_expressions(node: MapNode) -> Iterator[tuple[str, Expr]]:
    """The expressions of a fan-out that see its loop names; all but `where_each` see its body too."""
    if node.where_each is not None:
        yield "where", node.where_each
    for output in node.outputs:
        for part in (output.value, output.key, output.when):
            if part is not None:
                yield f"output {output.name}", part


def uses(node: Node) -> Iterator[tuple[str, str]]:
    """The names that a node needs from the graph it stands in or from those around, with ports.

    Inner graphs must be connected: their `free` is read.
    """
    for name in node.after:
        yield "after", name
    if isinstance(node, GroupNode):
        for i, member in enumerate(node.members):
            yield f"member {i}", member
    for port, expr in expressions(node):
        for name in names(expr):
            yield port, name
    if isinstance(node, MapNode):
        bound = {*node.targets, *block_names(node.body)}
        for port, expr in element_expressions(node):
            yield from ((port, name) for name in names(expr) if name not in bound)
        yield from (("body", name) for name in node.body.free if name not in node.targets)
    elif isinstance(node, BranchNode):
        for port, graph in inner(node):
            own = node.outputs if port == "then" else ()
            yield from ((port, name) for name in graph.free if name not in own)


def producers(graph: Graph) -> dict[str, str]:
    """Which node of the graph defines each name; an `after` may give a node's id as well."""
    found = {id: id for id in graph.nodes}
    for node in graph.nodes.values():
        found.update((name, node.id) for name in defines(node))
    return found


def block_names(graph: Graph) -> Iterator[str]:
    """The names that a whole block defines, the `then` of its last branch included."""
    for part in graph.chain():
        for node in part.nodes.values():
            yield from defines(node)


def connect(graph: Graph) -> None:
    """Derive the edges and the free names of a graph, and of all that its nodes own."""
    for block in reversed(graph.chain()):
        then = branch.then if (branch := block.last()) is not None else None
        for node in block.nodes.values():
            for _, owned in inner(node):
                if owned is not then:
                    connect(owned)
        derive(block)


def derive(graph: Graph) -> None:
    """Edges and free names of this one graph; what its nodes own must be connected."""
    made = producers(graph)
    dag: nx.DiGraph[str] = nx.DiGraph()
    dag.add_nodes_from(graph.nodes)
    succ = dag.adj
    free: dict[str, None] = {}
    for node in graph.nodes.values():
        for port, name in uses(node):
            producer = made.get(name)
            if producer is None:
                free[name] = None
            elif producer in succ and node.id in succ[producer]:
                succ[producer][node.id]["ports"].add(port)
            else:
                dag.add_edge(producer, node.id, ports={port})
    graph.dag, graph.free = dag, free


def always_ends(graph: Graph) -> bool:
    """Whether the frame ends in this block, whichever arms are taken."""
    last = graph.chain()[-1]
    if last.tail is None:
        return False
    node = last.nodes[last.tail]
    if not isinstance(node, BranchNode):
        return True
    return node.orelse is not None and all(
        always_ends(g) for g in (*(arm.body for arm in node.arms), node.orelse)
    )
