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
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, TypeAlias

import networkx as nx

from wfc.dsl.ast import Span
from wfc.plan.expr import names

Expr: TypeAlias = list[Any]
Checkpoint: TypeAlias = "bool | Literal['sync']"


@dataclass(slots=True, kw_only=True)
class Node:
    """What all nodes have; the fields are those of the plan's nodes (`wfc.plan.model`)."""

    kind: ClassVar[str] = ""
    id: str
    span: Span
    after: list[str] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class ExprNode(Node):
    """A pure expression with a name."""

    kind: ClassVar[str] = "expr"
    expr: Expr


@dataclass(slots=True, kw_only=True)
class Target(Node):
    """What a call and a continuation share."""

    target: str
    callee: Literal["task", "workflow"]
    args: list[Expr] = field(default_factory=list)
    kwargs: dict[str, Expr] = field(default_factory=dict)
    inplace: bool = False
    checkpoint: Checkpoint = True
    catch: bool = False
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class CallNode(Target):
    """A call of a task or a workflow."""

    kind: ClassVar[str] = "call"
    managed: bool = False
    region: str | None = None
    origin: str | None = None


@dataclass(slots=True, kw_only=True)
class ContinuationNode(Target):
    """The call that this frame becomes."""

    kind: ClassVar[str] = "continuation"


@dataclass(slots=True)
class MapOutput:
    """One list (or dict, with `key`) that a fan-out makes."""

    name: str
    value: Expr
    key: Expr | None = None
    when: Expr | None = None


@dataclass(slots=True, kw_only=True)
class MapNode(Node):
    """A fan-out."""

    kind: ClassVar[str] = "map"
    targets: list[str]
    items: Expr
    body: Graph
    outputs: list[MapOutput]
    where_each: Expr | None = None
    source: str | None = None
    concurrency: int | None = None
    priority: int = 0
    catch: bool = False
    managed: bool = False
    carried: bool = False


@dataclass(slots=True)
class Arm:
    """One arm of a branch."""

    condition: Expr
    body: Graph


@dataclass(slots=True, kw_only=True)
class BranchNode(Node):
    """`if/elif/else`."""

    kind: ClassVar[str] = "branch"
    arms: list[Arm]
    orelse: Graph | None = None
    outputs: dict[str, list[str | None]] = field(default_factory=dict)
    then: Graph | None = None
    carried: bool = False


@dataclass(slots=True, kw_only=True)
class GroupNode(Node):
    """A list literal of calls."""

    kind: ClassVar[str] = "group"
    members: list[str]


@dataclass(slots=True, kw_only=True)
class WaitNode(Node):
    """`wait(quorum of members)`."""

    kind: ClassVar[str] = "wait"
    members: Expr
    form: Literal["count", "all", "any", "percent"]
    quorum: Expr | None = None
    timeout: Expr | None = None


@dataclass(slots=True, kw_only=True)
class SleepNode(Node):
    """A durable timer."""

    kind: ClassVar[str] = "sleep"
    duration: Expr
    managed: bool = False


@dataclass(slots=True, kw_only=True)
class ReceiveNode(Node):
    """Waits for a signal."""

    kind: ClassVar[str] = "receive"
    signal: Expr
    timeout: Expr | None = None
    catch: bool = False
    managed: bool = False


@dataclass(slots=True, kw_only=True)
class CancelNode(Node):
    """`cancel(pending)`."""

    kind: ClassVar[str] = "cancel"
    pending: Expr


@dataclass(slots=True, kw_only=True)
class ReturnNode(Node):
    """Ends the frame with a value."""

    kind: ClassVar[str] = "return"
    expr: Expr


@dataclass(slots=True, kw_only=True)
class FailNode(Node):
    """Ends the frame as failed."""

    kind: ClassVar[str] = "fail"
    message: Expr


EXITS = (ReturnNode, ContinuationNode, FailNode)


@dataclass(slots=True)
class Unit:
    """Nodes that one worker runs in one go, in this order."""

    kind: Literal["chain", "region"]
    nodes: list[str]


@dataclass(slots=True)
class Region:
    """Connected inplace calls of a frame without a home.

    `nodes` are of the graph that the region belongs to: a branch or a fan-out stands for the members
    that it holds.
    """

    hang: str | None
    nodes: list[str]


class Graph:
    """A block: `nodes` in order of appearance, `dag` with the edges that `connect` derived.

    An edge's `ports` are the places of the consumer that the producer's names go to.
    """

    __slots__ = ("dag", "free", "nodes", "regions", "tail", "units")

    def __init__(self) -> None:
        self.nodes: dict[str, Node] = {}
        self.dag: nx.DiGraph[str] = nx.DiGraph()
        self.free: dict[str, None] = {}
        self.tail: str | None = None
        self.units: list[Unit] = []
        self.regions: dict[str, Region] = {}

    def add(self, node: Node) -> None:
        """Append a node; raises `ValueError` for an id that is there already."""
        if node.id in self.nodes:
            raise ValueError(f"two nodes {node.id!r} in one graph")
        self.nodes[node.id] = node

    def replace(self, nodes: list[Node]) -> None:
        """New nodes in place of all."""
        self.nodes = {}
        for node in nodes:
            self.add(node)

    def ordered(self) -> list[Node]:
        """The nodes, producers first, by order of appearance where the edges leave a choice."""
        if not self.dag.number_of_edges() or self._sorted():
            return list(self.nodes.values())
        order = {id: i for i, id in enumerate(self.nodes)}
        return [self.nodes[i] for i in nx.lexicographical_topological_sort(self.dag, order.__getitem__)]

    def _sorted(self) -> bool:
        seen: set[str] = set()
        for id in self.nodes:
            seen.add(id)
            if any(p not in seen for p in self.dag.pred[id]):
                return False
        return True

    def last(self) -> BranchNode | None:
        """The branch that ends this block, where one does."""
        node = self.nodes.get(self.tail) if self.tail is not None else None
        return node if isinstance(node, BranchNode) else None

    def chain(self) -> list[Graph]:
        """This graph and the `then` of its last branch, the `then` of that, …: the whole block.

        A loop and not a recursion: a thousand guards in a row are a thousand graphs deep.
        """
        out = [self]
        while (branch := out[-1].last()) is not None and branch.then is not None:
            out.append(branch.then)
        return out


@dataclass(slots=True)
class Param:
    """A parameter of a workflow."""

    name: str
    type: str | None = None
    default: Expr | None = None


@dataclass(slots=True, kw_only=True)
class Workflow:
    """A workflow; `name` is its key in the plan."""

    name: str
    span: Span
    params: list[Param]
    body: Graph
    finally_: Graph | None = None
    returns: str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    doc: str | None = None
    carried: Literal["inplace", "chain"] | None = None

    def blocks(self) -> Iterator[Graph]:
        """The body, and the `finally:` block where there is one."""
        yield self.body
        if self.finally_ is not None:
            yield self.finally_


@dataclass(slots=True, kw_only=True)
class Task:
    """A Python function as a task; the fields are those of the plan's `TaskDef`."""

    name: str
    module: str
    qualname: str
    beside: str | None = None
    params: list[str] = field(default_factory=list)
    pending: list[str] = field(default_factory=list)
    inplace: bool = False
    checkpoint: Checkpoint = True
    options: dict[str, Any] = field(default_factory=dict)
    fingerprint: str = ""
    span: Span | None = None


@dataclass(slots=True)
class Program:
    """Everything that one plan holds. `files` are the spec files, path and text, entry first."""

    entry: str
    tasks: dict[str, Task]
    workflows: dict[str, Workflow]
    files: list[tuple[str, str]]
    root: str | None = None


# ------------------------------------------------------------------------------------- reading


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
