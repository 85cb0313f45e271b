"""How the engine reads a graph of the plan: who waits for whom, and what belongs together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from wfc.plan.expr import Compiled, compile_expr
from wfc.plan.model import (
    AnyNode,
    CallNode,
    ContinuationNode,
    ExprNode,
    Graph,
    GroupNode,
    MapNode,
    Plan,
    ReturnNode,
)
from wfc.runtime.uses import (
    AFTER,
    HANDLE,
    VALUE,
    graph_uses,
    inner_graphs,
    names_used,
    node_uses,
    provides,
)
from wfc.runtime.values import Value
from wfc.runtime.work import Dynamic, HopState


class NodeInfo:
    """One node, read: what it waits for and, once asked for, its compiled expressions."""

    __slots__ = (
        "after",
        "compiled",
        "free",
        "free_handles",
        "handles",
        "index",
        "names",
        "node",
        "unit",
        "uses",
    )

    def __init__(self, node: AnyNode, index: int, inside: Sequence[dict[str, int]] = ()) -> None:
        """`inside`: the free names of the graphs in it, in the order of their addresses."""
        self.node = node
        self.index = index
        uses = node_uses(node, inside)
        own = uses.own
        self.uses: dict[str, int] = uses.used
        if isinstance(node, GroupNode):  # here its members are done when it is
            own = self.uses = dict.fromkeys(node.members, VALUE)
        names = _used_as(VALUE, own)
        if isinstance(node, MapNode) and node.where_each is not None:
            names.update(n for n, _ in names_used(node.where_each) if n not in node.targets)
        self.names = sorted(names)
        self.handles = sorted(_used_as(HANDLE, own))
        self.after = list(node.after)
        self.free = tuple(sorted(_used_as(VALUE | AFTER, uses.inner)))
        self.free_handles = tuple(sorted(_used_as(HANDLE, uses.inner)))
        self.unit: UnitInfo | None = None
        self.compiled: dict[str, Compiled] = {}

    def run(self, key: str, e: Any) -> Compiled:
        """The compiled form of one of the node's expressions, kept under `key`."""
        found = self.compiled.get(key)
        if found is None:
            found = self.compiled[key] = compile_expr(e)
        return found


def _used_as(how: int, uses: dict[str, int]) -> set[str]:
    return {name for name, used in uses.items() if used & how}


class UnitInfo:
    """Nodes that are dispatched together; `needs` are the names that they take from outside."""

    __slots__ = ("calls", "inplace", "kind", "members", "needs", "order")

    def __init__(self, kind: str, members: list[NodeInfo]) -> None:
        self.kind = kind
        self.members = members
        own = {name for m in members for name in provides(m.node)}
        needs: set[str] = set()
        handles: set[str] = set()
        for m in members:
            needs.update(n for n in (*m.names, *m.free, *m.after) if n not in own)
            handles.update(h for h in (*m.handles, *m.free_handles) if h not in own)
        self.needs = (sorted(needs), sorted(handles))
        self.order = [m.index for m in members]
        self.inplace = any(isinstance(m.node, CallNode) and m.node.inplace for m in members)
        self.calls = [m.index for m in members if not isinstance(m.node, ExprNode)]


class GraphInfo:
    """A graph, read once: `nodes` in order, `index` by provided name, `ids` by node id alone (a
    branch provides names that nodes in its arms have as ids), `units`, free names, and, of what is in it
    however deep inside, `unkept`: the ids of calls that are not checkpointed, and `handed_on`: the names
    that continuations take."""

    __slots__ = (
        "address",
        "free",
        "free_handles",
        "graph",
        "handed_on",
        "ids",
        "index",
        "inner",
        "later",
        "nodes",
        "tail",
        "units",
        "unkept",
        "uses",
    )

    def __init__(self, graph: Graph, address: str, inside: Mapping[str, GraphInfo]) -> None:
        """`inside`: the graphs in it, by address. `read_graph` makes them."""
        self.graph = graph
        self.address = address
        self.tail = graph.tail
        self.inner: dict[str, GraphInfo] = {}
        self.nodes: list[NodeInfo] = []
        for i, node in enumerate(graph.nodes):
            inner = {suffix: inside[f"{address}/{suffix}"] for suffix, _ in inner_graphs(node)}
            self.inner.update(inner)
            self.nodes.append(NodeInfo(node, i, [read.uses for read in inner.values()]))
        self.ids = {info.node.id: info.index for info in self.nodes}
        self.index: dict[str, int] = {}
        for info in self.nodes:
            self.index.update(dict.fromkeys(provides(info.node), info.index))
        # Names that come from what follows a branch: they belong to the block of the branch too.
        self.later: set[str] = set()
        for suffix, owned in self.inner.items():
            if suffix.endswith(":then"):
                self.later.update(owned.index, owned.later)
        calls = (n for n in graph.nodes if isinstance(n, CallNode) and not n.checkpoint)
        self.unkept: set[str] = {n.id for n in calls}.union(
            *(owned.unkept for owned in self.inner.values())
        )
        hops = (info.uses for info in self.nodes if isinstance(info.node, ContinuationNode))
        self.handed_on: set[str] = set().union(
            *hops, *(owned.handed_on for owned in self.inner.values())
        )
        self.units: list[UnitInfo] = []
        for unit in graph.units:
            read_unit = UnitInfo(unit.kind, [self.nodes[self.index[n]] for n in unit.nodes])
            self.units.append(read_unit)
            for member in read_unit.members:
                member.unit = read_unit
        self.uses: dict[str, int] = graph_uses((info.uses for info in self.nodes), self.index)
        self.free = _used_as(VALUE | AFTER, self.uses)
        self.free_handles = _used_as(HANDLE, self.uses)

    def split_step(self, step: str) -> tuple[int | None, str, str]:
        """The node that a relative path starts at, the mark of a hop after it (`~3`), and the rest.

        Ids of inlined nodes hold slashes themselves, so the longest id that fits is meant. The value of
        an inlined workflow has its call's id, but nothing inside of it.
        """
        parts = step.split("/")
        for end in range(len(parts), 0, -1):
            head = "/".join(parts[:end])
            name, tilde, hop = head.partition("~")
            if name in self.ids:
                inside = tilde or end < len(parts)
                if inside and isinstance(self.nodes[self.ids[name]].node, ExprNode):
                    continue
                return self.ids[name], tilde + hop, "/".join(parts[end:])
        return None, "", step

    def holder(self, step: str) -> int | None:
        """The node that a step is of: its own, or what has it inside."""
        at, _, _ = self.split_step(step)
        if at is not None:
            return at
        for info in self.nodes:
            todo = [self.inner[suffix] for suffix, _ in inner_graphs(info.node)]
            while todo:
                inside = todo.pop()
                if inside.split_step(step)[0] is not None:
                    return info.index
                todo.extend(inside.inner.values())
        return None

    def has_inside(self, step: str) -> bool:
        """Whether a step is a node of the graph, or of one inside: no part of one."""
        todo = [self]
        while todo:
            graph = todo.pop()
            if step in graph.ids:
                return True
            todo.extend(graph.inner.values())
        return False


def read_graph(graph: Graph, address: str) -> GraphInfo:
    """A graph and all graphs in it, the innermost first. A loop: what follows many branches is deep."""
    found, todo = [], [(graph, address)]
    while todo:
        outer, at = todo.pop()
        found.append((outer, at))
        todo.extend((g, f"{at}/{suffix}") for n in outer.nodes for suffix, g in inner_graphs(n))
    made: dict[str, GraphInfo] = {}
    for outer, at in reversed(found):
        made[at] = GraphInfo(outer, at, made)
    return made[address]


class Book:
    """All graphs of a plan by address, read when first asked for."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._read: dict[str, GraphInfo] = {}
        self._singles: dict[str, Dynamic] = {}
        self.nothing = read_graph(Graph(nodes=[]), "$nothing")

    def single(
        self, call: CallNode, args: dict[str, Value], functions: dict[str, Value]
    ) -> Dynamic:
        """A graph of one call that returns its result; its arguments are names in `args`, and
        `functions` are those of the graph that it stood in, should it be of one."""
        leave = ReturnNode(id="return", where=call.where, expr=["name", call.id])
        text = Graph(nodes=[call, leave], tail="return").model_dump_json()
        made = self._singles.get(text)
        if made is None:
            made = self._singles[text] = Dynamic(text.encode(), {}, {}, f"$call:{text}")
        return Dynamic(made.graph, args, functions, made.digest)

    def workflow(self, name: str) -> GraphInfo:
        """The body of a workflow."""
        found = self._read.get(name)
        if found is None:
            found = self._read[name] = read_graph(self.plan.workflows[name].body, name)
        return found

    def continuation(self, state: HopState) -> ContinuationNode | None:
        """The continuation of the plan that a hop was made by, if the engine made it."""
        stack = [workflow.body for workflow in self.plan.workflows.values()] if state.where else []
        made = state.target, tuple(state.where)
        while stack:
            for node in stack.pop().nodes:
                if isinstance(node, ContinuationNode) and (node.target, tuple(node.where)) == made:
                    return node
                stack.extend(graph for _, graph in inner_graphs(node))
        return None

    def finally_(self, name: str) -> GraphInfo | None:
        """The `finally:` block of a workflow, if it has one."""
        graph = self.plan.workflows[name].finally_
        if graph is None:
            return None
        address = f"{name}:finally"
        found = self._read.get(address)
        if found is None:
            found = self._read[address] = read_graph(graph, address)
        return found

    def dynamic(self, data: bytes, digest: str) -> GraphInfo:
        """A graph that a task returned."""
        found = self._read.get(digest)
        if found is None:
            found = self._read[digest] = read_graph(Graph.from_json(data), "$dyn")
        return found


def unkept(node: AnyNode) -> Iterator[CallNode]:
    """The calls that are not checkpointed: the node itself, or what the graphs inside it hold."""
    stack: list[AnyNode] = [node]
    while stack:
        at = stack.pop()
        if isinstance(at, CallNode) and not at.checkpoint:
            yield at
        stack.extend(n for _, g in inner_graphs(at) for n in g.nodes)


def forgets(node: AnyNode) -> bool:
    """Whether some call in a branch is not checkpointed."""
    return next(unkept(node), None) is not None


def outer_step(node: str, step: str) -> str:
    """A relative path inside a node as one from outside of it."""
    if not step:
        return node
    return f"{node}{step}" if step.startswith("~") else f"{node}/{step}"


def inner_step(hopped: str, rest: str) -> str:
    """A relative path inside a node: `~3/step`, `step`, or `~` for where a frame has hopped to."""
    return f"{hopped}/{rest}" if hopped and rest else hopped or rest
