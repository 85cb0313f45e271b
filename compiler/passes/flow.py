"""Where values come from: the flow of data through a whole workflow, inner graphs included.

A vertex is a name that some node gives (or the name of a loop). Calls make values; everything else
passes on what it is given.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from wfc.compiler import ir
from wfc.plan.expr import names


@dataclass(slots=True, eq=False)
class Place:
    """A graph, and the place of the graph around it."""

    graph: ir.Graph
    up: Place | None = None
    depth: int = 0
    owners: dict[int, str] = field(default_factory=dict)

    def owner(self, inner: ir.Graph) -> str:
        """The node of this graph that owns an inner graph."""
        if not self.owners:
            for node in self.graph.nodes.values():
                self.owners.update((id(graph), node.id) for _, graph in ir.inner(node))
        return self.owners[id(inner)]

    def common(self, other: Place) -> Place:
        """The innermost place around both; both must be of one block."""
        a, b = self, other
        while a is not b:
            if a.depth >= b.depth:
                assert a.up is not None
                a = a.up
            else:
                assert b.up is not None
                b = b.up
        return a


@dataclass(slots=True, eq=False)
class Vertex:
    """A name in the flow, the node that gives it, and where that stands."""

    name: str
    node: ir.Node
    place: Place
    inputs: list[Vertex] = field(default_factory=list)

    @property
    def makes(self) -> bool:
        """Whether the value is made here rather than passed on."""
        return isinstance(self.node, (ir.CallNode, ir.SleepNode, ir.ReceiveNode))


class Flow:
    """The flow of one block of a workflow. `vertices` are in order of appearance."""

    def __init__(self, block: ir.Graph) -> None:
        self.vertices: list[Vertex] = []
        self._block(block, None, {})

    def _block(
        self, graph: ir.Graph, around: Place | None, seen: dict[str, Vertex]
    ) -> dict[str, Vertex]:
        """Read a block; the result are the names that it gives. `seen` is as before afterwards."""
        own: dict[str, Vertex] = {}
        hidden: dict[str, Vertex | None] = {}
        place = around
        for part in graph.chain():
            place = Place(part, place, place.depth + 1 if place is not None else 0)
            then = branch.then if (branch := part.last()) is not None else None
            for node in part.ordered():
                for vertex in self._node(node, place, seen, then):
                    hidden.setdefault(vertex.name, seen.get(vertex.name))
                    own[vertex.name] = seen[vertex.name] = vertex
        for name, before in hidden.items():
            if before is None:
                del seen[name]
            else:
                seen[name] = before
        return own

    def _node(
        self,
        node: ir.Node,
        place: Place,
        seen: dict[str, Vertex],
        then: ir.Graph | None,
    ) -> list[Vertex]:
        inputs = self._inputs((expr for _, expr in ir.expressions(node)), seen)
        if isinstance(node, ir.MapNode):
            return self._map(node, place, seen, inputs)
        if isinstance(node, ir.BranchNode):
            return self._branch(node, place, seen, then)
        if isinstance(node, ir.GroupNode):
            inputs = [seen[m] for m in node.members if m in seen]
        vertex = Vertex(node.id, node, place, inputs)
        self.vertices.append(vertex)
        return [vertex]

    def _map(
        self,
        node: ir.MapNode,
        place: Place,
        seen: dict[str, Vertex],
        items: list[Vertex],
    ) -> list[Vertex]:
        inner = dict(seen) if any(t in seen for t in node.targets) else seen
        for name in node.targets:
            inner[name] = Vertex(name, node, place, items)
            self.vertices.append(inner[name])
        own = self._block(node.body, place, inner)
        out = []
        for output in node.outputs:
            parts = [e for e in (output.value, output.key) if e is not None]
            given = {name: None for e in parts for name in names(e)}
            found = [own.get(name) or inner.get(name) for name in given]
            out.append(Vertex(output.name, node, place, [v for v in found if v is not None]))
        for name in node.targets:
            inner.pop(name, None)
        self.vertices += out
        return out

    def _branch(
        self,
        node: ir.BranchNode,
        place: Place,
        seen: dict[str, Vertex],
        then: ir.Graph | None,
    ) -> list[Vertex]:
        arms = [self._block(arm.body, place, seen) for arm in node.arms]
        arms.append(self._block(node.orelse, place, seen) if node.orelse is not None else {})
        out = []
        for name, providers in node.outputs.items():
            found = [
                arm[p] for p, arm in zip(providers, arms, strict=True) if p is not None and p in arm
            ]
            out.append(Vertex(name, node, place, found))
        self.vertices += out
        return out

    @staticmethod
    def _inputs(exprs: Iterator[ir.Expr], seen: dict[str, Vertex]) -> list[Vertex]:
        found = {name: None for expr in exprs for name in names(expr)}
        return [seen[name] for name in found if name in seen]
