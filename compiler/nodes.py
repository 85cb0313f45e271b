"""The nodes and graphs of the IR: plain data. What they mean is in `wfc.compiler.ir`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, TypeAlias

import networkx as nx

from wfc.dsl.ast import Span

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
    catch: bool = False


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

    def add(self, node: Node) -> Expr:
        """Append a node; the result refers to it. Raises `ValueError` for an id that is there."""
        if node.id in self.nodes:
            raise ValueError(f"two nodes {node.id!r} in one graph")
        self.nodes[node.id] = node
        return ["name", node.id]

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
        return [
            self.nodes[i] for i in nx.lexicographical_topological_sort(self.dag, order.__getitem__)
        ]

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
    """Everything that one plan holds. `files` are the spec files, path and text, entry first; `imports`
    the Python modules and the folders that they lie beside a spec in, in the order of the specs."""

    entry: str
    tasks: dict[str, Task]
    workflows: dict[str, Workflow]
    files: list[tuple[str, str]]
    imports: list[tuple[str, str | None]] = field(default_factory=list)
    root: str | None = None
