"""Whether a worker could run a block by itself, going by the block's own nodes alone."""

from __future__ import annotations

from dataclasses import dataclass, field

from wfc.compiler import ir
from wfc.compiler.passes.shapes import shape
from wfc.dsl.ast import Span


@dataclass(slots=True)
class Verdict:
    """What was found of a block and all in it.

    `inplace` and `chain` tell which ways to carry it are open as far as its own nodes go; the sets
    name the workflows that it calls: those must be carriable too. `plain` counts the nodes that hold
    plain calls, `regions` are those that its calls belong to and that are kept outside of it.
    """

    inplace: bool = True
    chain: bool = True
    reason: str = ""
    exits: bool = False
    plain: int = 0
    shapes: set[str] = field(default_factory=set)
    plain_calls: set[str] = field(default_factory=set)
    inplace_calls: set[str] = field(default_factory=set)
    regions: set[str] = field(default_factory=set)

    @property
    def all_calls(self) -> set[str]:
        """The workflows called, either way."""
        return self.plain_calls | self.inplace_calls

    def refuse(self, why: str, span: Span) -> None:
        """Neither way is open; the first reason is kept."""
        self.inplace = False
        self.no_chain(why, span)

    def no_chain(self, why: str, span: Span) -> None:
        """It is no chain."""
        self.chain = False
        self.reason = self.reason or f"{why} (line {span.line})"

    def take(self, other: Verdict) -> None:
        """Add what was found of a block inside."""
        self.inplace = self.inplace and other.inplace
        self.chain = self.chain and other.chain
        self.reason = self.reason or other.reason
        self.exits = self.exits or other.exits
        self.shapes |= other.shapes
        self.plain_calls |= other.plain_calls
        self.inplace_calls |= other.inplace_calls
        self.regions |= other.regions


class Judge:
    """Judges blocks; `inner` collects the fan-outs and branches met, each with its own verdict."""

    def __init__(self) -> None:
        self.inner: list[tuple[ir.Node, Verdict]] = []

    def block(self, graph: ir.Graph) -> Verdict:
        """Judge a whole block."""
        rest: Verdict | None = None
        for part in reversed(graph.chain()):
            rest = self._graph(part, rest)
        assert rest is not None
        return rest

    def _graph(self, graph: ir.Graph, then: Verdict | None) -> Verdict:
        """Judge one graph, given the verdict on the `then` of its last branch."""
        found = Verdict()
        latest: dict[str, int] = {}  # the last node with plain calls that a node follows
        last = graph.last()
        for node in graph.ordered():
            before = max((latest[p] for p in graph.dag.pred[node.id]), default=0)
            plain = self._node(node, found, then if node is last else None)
            if plain:
                if before != found.plain:
                    found.no_chain(f"`{node.id}` does not follow what stands before it", node.span)
                found.plain += 1
            latest[node.id] = found.plain if plain else before
        kept = {name: region.hang for name, region in graph.regions.items()}
        found.regions -= kept.keys()
        if found.chain and any(hang is None for hang in kept.values()):
            found.chain = False
            found.reason = found.reason or "some inplace calls need a process of their own"
        if found.regions:
            found.inplace = found.chain = False
            found.reason = found.reason or "it has inplace calls that belong to a process elsewhere"
        return found

    def _node(self, node: ir.Node, found: Verdict, then: Verdict | None) -> bool:
        """Add a node to the verdict; the result tells whether it holds plain calls."""
        if isinstance(node, ir.Target):
            return self._call(node, found)
        if isinstance(node, (ir.ExprNode, ir.ReturnNode, ir.FailNode)):
            found.exits = found.exits or not isinstance(node, ir.ExprNode)
            return False
        if isinstance(node, ir.BranchNode):
            return self._branch(node, found, then)
        if isinstance(node, ir.MapNode):
            self.inner.append((node, self.block(node.body)))
        found.refuse(f"it holds the {_WORDS.get(node.kind, node.kind)} `{node.id}`", node.span)
        return False

    def _branch(self, node: ir.BranchNode, found: Verdict, then: Verdict | None) -> bool:
        own = Verdict()
        for port, graph in ir.inner(node):
            verdict = self.block(graph) if port != "then" else then
            assert verdict is not None
            own.plain += verdict.plain
            own.take(verdict)
        self.inner.append((node, own))
        found.take(own)
        return own.plain > 0

    def _call(self, node: ir.Target, found: Verdict) -> bool:
        leaves = isinstance(node, ir.ContinuationNode)
        found.exits = found.exits or leaves
        if "timeout" in node.options:
            found.refuse(f"`{node.id}` has a timeout", node.span)
        if isinstance(node, ir.CallNode) and node.managed:
            found.refuse(f"a `wait` looks after `{node.id}`", node.span)
        if isinstance(node, ir.CallNode) and node.region is not None:
            found.regions.add(node.region)
        if not node.inplace:
            found.inplace = False
        if node.callee == "workflow":
            (found.inplace_calls if node.inplace else found.plain_calls).add(node.target)
        elif not node.inplace:
            found.shapes.add(shape(node))
        return not node.inplace and not leaves


_WORDS = {"map": "fan-out", "receive": "signal", "group": "list of calls"}
