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

DEPTH = 8


def paths(plan: Plan) -> set[str]:
    """The paths of calls of tasks, timers and signals, down to a depth: recursion has no end. It is the
    path that tells how deep they are, for workflows that are inlined are no frames."""
    found: set[str] = set()

    def frame(path: str, workflow: str) -> None:
        if _depth(path) > DEPTH:
            return
        definition = plan.workflows[workflow]
        for graph in (definition.body, definition.finally_):
            if graph is not None:
                block(path, path, graph)

    def block(path: str, outside: str, graph: Graph) -> None:
        """`outside` is the path around the element, for nodes that were moved into it."""
        for node in graph.nodes:
            if isinstance(node, CallNode):
                at = f"{outside}/{node.origin}[*]" if node.origin is not None else path
                if node.callee == "task":
                    found.add(f"{at}/{node.id}")
                else:
                    frame(f"{at}/{node.id}", node.target)
            elif isinstance(node, (SleepNode, ReceiveNode)):
                found.add(f"{path}/{node.id}")
            elif isinstance(node, ContinuationNode):
                if node.callee == "task":
                    found.add(f"{path}~")
                else:
                    frame(f"{path}~", node.target)
            elif isinstance(node, MapNode):
                block(f"{path}/{node.id}[*]", path, node.body)
            elif isinstance(node, BranchNode):
                for inner in _arms(node):
                    block(path, outside, inner)

    frame("main", plan.entry)
    return {path for path in found if _depth(path) <= DEPTH}


def _depth(path: str) -> int:
    return path.count("/") + 2 * path.count("~")


def _arms(node: BranchNode) -> Iterator[Graph]:
    yield from (arm.body for arm in node.arms)
    for graph in (node.orelse, node.then):
        if graph is not None:
            yield graph
