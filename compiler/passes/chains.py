"""Chains: task calls that follow one another, so that nothing is lost when one worker runs them all.

A call extends a chain when it needs the one before it, when all else that it needs was there when
the chain began, and when nothing outside the chain waits for the one before (it would have to wait
for the rest of the chain as well).
"""

from __future__ import annotations

from wfc.compiler import ir
from wfc.compiler.explain import Notes
from wfc.compiler.passes.shapes import shape

NEAR = 64
"""How many nodes are looked at to find out what a chain's beginning waited for. What is not found
within that counts as not known, which costs a chain and never a wrong one."""


def chains(graph: ir.Graph, ready: set[str], notes: Notes) -> None:
    """Add the chains of one graph to its units. `ready` are names that are there from its start."""
    taken = {id for unit in graph.units for id in unit.nodes}
    order = {node.id: i for i, node in enumerate(graph.ordered())}
    for id in order:
        if id in taken or _shape(graph.nodes[id]) is None:
            continue
        chain = _Chain(graph, id, ready, order, taken)
        while (following := chain.next()) is not None:
            chain.extend(following)
        if len(chain.calls) > 1:
            nodes = sorted(chain.nodes, key=order.__getitem__)
            graph.units.append(ir.Unit("chain", nodes))
            taken |= chain.nodes
            first, last = graph.nodes[chain.calls[0]], graph.nodes[chain.calls[-1]]
            count = len(chain.calls)
            notes.did(
                f"run the {count} calls from `{first.id}` to `{last.id}` in one go", first.span
            )


def _shape(node: ir.Node) -> str | None:
    """The resources that a link of a chain wants; `None` for what cannot be one."""
    if isinstance(node, ir.CallNode):
        alone = node.inplace or node.managed or node.callee != "task" or "timeout" in node.options
        return None if alone else shape(node)
    if isinstance(node, ir.BranchNode) and node.carried:
        calls = [n for n in ir.walk_inside(node) if isinstance(n, ir.CallNode)]
        shapes = {shape(n) for n in calls if n.callee == "task" and not n.inplace}
        return shapes.pop() if len(shapes) == 1 else None
    return None


class _Chain:
    """A chain that grows: `calls` in order, `nodes` with the expressions between them. `taken` are
    nodes of other units."""

    def __init__(
        self, graph: ir.Graph, first: str, ready: set[str], order: dict[str, int], taken: set[str]
    ) -> None:
        self.graph = graph
        self.taken = taken
        self.order = order
        self.calls = [first]
        self.nodes = {first}
        self.shape = _shape(graph.nodes[first])
        self.given = ready
        self.known: set[str] | None = None

    def next(self) -> str | None:
        """The call that extends the chain."""
        waiting = self._waiting(self.calls[-1])
        if waiting is None:
            return None
        for id in sorted(waiting, key=self.order.__getitem__):
            if id in self.taken or _shape(self.graph.nodes[id]) != self.shape:
                return None  # it comes first, and would have to wait for the others
            later = self._waiting(id)
            rest = waiting - {id}
            if later is None or not rest <= later or self._needs(id) is None:
                return None
            return id
        return None

    def extend(self, id: str) -> None:
        """Add a call, with the expressions that it needs."""
        self.nodes |= self._needs(id) or set()
        self.nodes.add(id)
        self.calls.append(id)

    def _waiting(self, id: str) -> set[str] | None:
        """What waits for a node, by itself or through expressions; `None` when that is a lot."""
        found: set[str] = set()
        seen: set[str] = set()
        todo = [id]
        while todo:
            for follower in self.graph.dag.adj[todo.pop()]:
                if follower in seen:
                    continue
                seen.add(follower)
                if len(seen) > NEAR:
                    return None
                node = self.graph.nodes[follower]
                if isinstance(node, ir.ExprNode):
                    todo.append(follower)
                elif not isinstance(node, ir.EXITS):
                    found.add(follower)
        return found

    def _needs(self, id: str) -> set[str] | None:
        """The expressions that a call needs and that need the chain; `None` when it needs more than
        the chain and what was there when that began."""
        between: set[str] = set()
        seen = {id}
        todo = [id]
        while todo:
            current = todo.pop()
            if not self._free(self.graph.nodes[current]) <= self._known():
                return None
            for given in self.graph.dag.pred[current]:
                if given in seen or given in self.nodes or given in self._known():
                    continue
                seen.add(given)
                if not isinstance(self.graph.nodes[given], ir.ExprNode) or len(seen) > NEAR:
                    return None
                if given in self.taken:
                    return None
                between.add(given)
                todo.append(given)
        return between

    def _free(self, node: ir.Node) -> set[str]:
        """The names from around the graph that a node uses."""
        return {name for _, name in ir.uses(node) if name in self.graph.free}

    def _known(self) -> set[str]:
        """What was there when the chain began: all that its first call waited for."""
        if self.known is None:
            first = self.calls[0]
            self.known = set(self.given) | self._free(self.graph.nodes[first])
            todo, left = [first], NEAR
            while todo and left:
                for given in self.graph.dag.pred[todo.pop()]:
                    if given not in self.known:
                        self.known.add(given)
                        self.known |= self._free(self.graph.nodes[given])
                        todo.append(given)
                        left -= 1
                        if not left:
                            break
        return self.known
