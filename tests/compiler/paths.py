"""All paths that the task instances of a plan can have, with `[*]` for the index of an element."""

from __future__ import annotations

from collections.abc import Iterator

from wfc.plan.model import (
    BranchNode,
    CallNode,
    ContinuationNode,
    Graph,
    MapNode,
    Plan,
    ReceiveNode,
    SleepNode,
)

DEPTH = 6


def paths(plan: Plan) -> set[str]:
    """The paths of calls of tasks, timers and signals. Recursion is followed a few frames deep."""
    found: set[str] = set()

    def frame(path: str, workflow: str, depth: int) -> None:
        if depth > DEPTH:
            return
        definition = plan.workflows[workflow]
        for graph in (definition.body, definition.finally_):
            if graph is not None:
                block(path, path, graph, depth)

    def block(path: str, outside: str, graph: Graph, depth: int) -> None:
        """`outside` is the path around the element, for nodes that were moved into it."""
        for node in graph.nodes:
            if isinstance(node, CallNode):
                at = f"{outside}/{node.origin}[*]" if node.origin is not None else path
                if node.callee == "task":
                    found.add(f"{at}/{node.id}")
                else:
                    frame(f"{at}/{node.id}", node.target, depth + 1)
            elif isinstance(node, (SleepNode, ReceiveNode)):
                found.add(f"{path}/{node.id}")
            elif isinstance(node, ContinuationNode):
                if node.callee == "task":
                    found.add(f"{path}~")
                elif depth < DEPTH:
                    frame(f"{path}~", node.target, depth + 2)
            elif isinstance(node, MapNode):
                block(f"{path}/{node.id}[*]", path, node.body, depth)
            elif isinstance(node, BranchNode):
                for inner in _arms(node):
                    block(path, outside, inner, depth)

    frame("main", plan.entry, 0)
    return found


def _arms(node: BranchNode) -> Iterator[Graph]:
    yield from (arm.body for arm in node.arms)
    for graph in (node.orelse, node.then):
        if graph is not None:
            yield graph
