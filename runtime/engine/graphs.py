"""How the engine reads a graph of the plan: who waits for whom, and what belongs together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from wfc.plan import expr as ex
from wfc.plan.expr import Compiled, compile_expr
from wfc.plan.model import (
    AnyNode,
    BranchNode,
    CallNode,
    CancelNode,
    ContinuationNode,
    ExprNode,
    FailNode,
    Graph,
    GroupNode,
    MapNode,
    Plan,
    ReceiveNode,
    ReturnNode,
    SleepNode,
    WaitNode,
)
from wfc.runtime.values import Value
from wfc.runtime.work import Dynamic


def own_exprs(node: AnyNode) -> Iterator[Any]:
    """The expressions that a node itself evaluates (not those of graphs inside it)."""
    if isinstance(node, ExprNode | ReturnNode):
        yield node.expr
    elif isinstance(node, CallNode | ContinuationNode):
        yield from node.args
        yield from node.kwargs.values()
    elif isinstance(node, MapNode):
        yield node.items
    elif isinstance(node, BranchNode):
        for arm in node.arms:
            yield arm.condition
    elif isinstance(node, WaitNode):
        yield node.members
        if node.quorum.value is not None:
            yield node.quorum.value
        if node.timeout is not None:
            yield node.timeout
    elif isinstance(node, SleepNode):
        yield node.duration
    elif isinstance(node, ReceiveNode):
        yield node.signal
        if node.timeout is not None:
            yield node.timeout
    elif isinstance(node, CancelNode):
        yield node.pending
    elif isinstance(node, FailNode):
        yield node.message


def inner_graphs(node: AnyNode) -> Iterator[tuple[str, Graph]]:
    """The graphs inside a node, each with the suffix of its address (see `Work.graph`)."""
    if isinstance(node, MapNode):
        yield node.id, node.body
    elif isinstance(node, BranchNode):
        for number, arm in enumerate(node.arms):
            yield f"{node.id}:{number}", arm.body
        if node.orelse is not None:
            yield f"{node.id}:else", node.orelse
        if node.then is not None:
            yield f"{node.id}:then", node.then


def _mentions(e: Any, plain: set[str], handles: set[str]) -> None:
    for op, name in _refs(e):
        (plain if op == "name" else handles).add(name)


def _refs(e: Any) -> Iterator[tuple[str, str]]:
    if e[0] in ("name", "handle"):
        yield e[0], e[1]
    elif e[0] == "comp":
        for name in ex.names(e):
            yield "name", name
    else:
        for child in ex.children(e):
            yield from _refs(child)


def provides(node: AnyNode) -> list[str]:
    """The names that a node gives to others."""
    if isinstance(node, MapNode):
        return [o.name for o in node.outputs]
    if isinstance(node, BranchNode):
        return [node.id, *node.outputs]
    return [node.id]


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
    )

    def __init__(self, node: AnyNode, index: int) -> None:
        self.node = node
        self.index = index
        names: set[str] = set()
        handles: set[str] = set()
        for e in own_exprs(node):
            _mentions(e, names, handles)
        if isinstance(node, GroupNode):
            names.update(node.members)
        if isinstance(node, MapNode) and node.where_each is not None:
            names.update(n for n in ex.names(node.where_each) if n not in node.targets)
        self.names = sorted(names)
        self.handles = sorted(handles)
        self.after = list(node.after)
        self.free: tuple[str, ...] = ()
        self.free_handles: tuple[str, ...] = ()
        self.unit: UnitInfo | None = None
        self.compiled: dict[str, Compiled] = {}

    def run(self, key: str, e: Any) -> Compiled:
        """The compiled form of one of the node's expressions, kept under `key`."""
        found = self.compiled.get(key)
        if found is None:
            found = self.compiled[key] = compile_expr(e)
        return found


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
    branch provides names that nodes in its arms have as ids), `units`, free names, and `unkept`: the
    ids of calls, however deep inside, that are not checkpointed."""

    __slots__ = (
        "address",
        "free",
        "free_handles",
        "graph",
        "ids",
        "index",
        "inner",
        "later",
        "nodes",
        "tail",
        "units",
        "unkept",
    )

    def __init__(self, graph: Graph, address: str, inside: Mapping[str, GraphInfo]) -> None:
        """`inside`: the graphs in it, by address. `read_graph` makes them."""
        self.graph = graph
        self.address = address
        self.tail = graph.tail
        self.nodes = [NodeInfo(node, i) for i, node in enumerate(graph.nodes)]
        self.index: dict[str, int] = {}
        self.ids = {info.node.id: info.index for info in self.nodes}
        self.inner: dict[str, GraphInfo] = {}
        for info in self.nodes:
            for name in provides(info.node):
                self.index[name] = info.index
            self.index[info.node.id] = info.index
        for info in self.nodes:
            self._read_inner(info, inside)
        # Names that come from what follows a branch: they belong to the block of the branch too.
        self.later: set[str] = set()
        for suffix, owned in self.inner.items():
            if suffix.endswith(":then"):
                self.later.update(owned.index, owned.later)
        calls = (n for n in graph.nodes if isinstance(n, CallNode) and not n.checkpoint)
        self.unkept: set[str] = {n.id for n in calls}.union(
            *(owned.unkept for owned in self.inner.values())
        )
        self.units: list[UnitInfo] = []
        for unit in graph.units:
            read_unit = UnitInfo(unit.kind, [self.nodes[self.index[n]] for n in unit.nodes])
            self.units.append(read_unit)
            for member in read_unit.members:
                member.unit = read_unit
        named: set[str] = set()
        handled: set[str] = set()
        for info in self.nodes:
            named.update(info.names, info.free, info.after)
            handled.update(info.handles, info.free_handles)
        self.free: set[str] = {n for n in named if n not in self.index}
        self.free_handles: set[str] = {n for n in handled if n not in self.index}

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

    def _read_inner(self, info: NodeInfo, inside: Mapping[str, GraphInfo]) -> None:
        node = info.node
        free: set[str] = set()
        handles: set[str] = set()
        for suffix, _ in inner_graphs(node):
            read = self.inner[suffix] = inside[f"{self.address}/{suffix}"]
            free.update(read.free)
            handles.update(read.free_handles)
        if isinstance(node, MapNode):
            body = self.inner[node.id]
            shown: set[str] = set()
            for out in node.outputs:
                for e in (out.value, out.key, out.when):
                    if e is not None:
                        shown.update(ex.names(e))
            if node.where_each is not None:
                shown.update(ex.names(node.where_each))
            free.update(n for n in shown if n not in body.index)
            free -= set(node.targets)
        elif isinstance(node, BranchNode):
            free -= set(provides(node))
        info.free = tuple(sorted(free))
        info.free_handles = tuple(sorted(handles))


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
