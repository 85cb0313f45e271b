"""The engine's state: scopes, frames, fan-outs in columns, and what is under way.

A *scope* is an instance of a graph of the plan. A *frame* is the call of a workflow: its scope, and
after a continuation the next one in its place. The elements of a fan-out are rows of columns
(`Fan`); one gets a scope of its own only if the engine has to run it step by step.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from wfc.plan.model import CallNode, WorkflowDef
from wfc.runtime.engine.columns import Segments
from wfc.runtime.engine.graphs import GraphInfo
from wfc.runtime.values import (
    ErrorInfo,
    Raised,
    Rows,
    Split,
    Value,
)
from wfc.runtime.work import Dynamic, HopState

WAITING, RUNNING, DONE, FAILED, DROPPED, HELD = range(6)
"""The states of a node or an element; `DROPPED`: cancelled, or in an arm that was not taken; `HELD`: an
element that waits for its next attempt, or for what a graph comes to that a task of it returned."""


@dataclass(slots=True, eq=False)
class Fan:
    """Handles: the elements of a fan-out, or the members of a group, as rows of columns.

    `status` is one byte an element. `columns` hold results by relative path or `"=output"`. `sparse`:
    elements may turn out to be filtered out, by a call.
    """

    scope: Scope
    node: int
    count: int
    status: bytearray
    left: int
    columns: dict[str, Segments] = field(default_factory=dict)
    errors: dict[int, ErrorInfo] = field(default_factory=dict)
    members: list[tuple[Scope, int]] | None = None
    items: Rows | None = None
    failures: dict[int, dict[str, int]] = field(default_factory=dict)
    known: dict[int, dict[str, Value | HopState | Raised]] = field(default_factory=dict)
    item_values: dict[int, Value] = field(default_factory=dict)
    source: Fan | None = None
    source_indices: tuple[int, ...] = ()
    source_name: str | None = None
    volatile: bool = False
    volatile_members: set[int] = field(default_factory=set)
    managed: bool = False
    sparse: bool = False
    running: int = 0
    scopes: dict[int, Scope] = field(default_factory=dict)
    queue: deque[int] = field(default_factory=deque)
    works: set[int] = field(default_factory=set)
    watchers: list[Callable[[Sequence[int]], None]] = field(default_factory=list)

    def error(self, index: int) -> ErrorInfo:
        """Why an element has failed, or is not there."""
        return self.errors.get(index) or ErrorInfo("wfc.Cancelled", "cancelled")

    @property
    def key(self) -> tuple[str, str]:
        """Scope path and node id: what a `Pending` says."""
        return self.scope.path, self.scope.g.nodes[self.node].node.id


@dataclass(slots=True, eq=False)
class Wait:
    """A `wait` that has not been decided: `quorum` members are to be ready, or `share` percent. `split`
    is what it had come to in an earlier life, if it had, and `missing` are the members that were done by
    then and are not again."""

    scope: Scope
    node: int
    fan: Fan
    indices: tuple[int, ...]
    quorum: int
    share: float | None = None
    name: str = ""
    look: Any = None
    order: list[int] = field(default_factory=list)
    split: Split | ErrorInfo | None = None
    missing: set[int] = field(default_factory=set)
    failed: set[int] = field(default_factory=set)
    absent: set[int] = field(default_factory=set)

    @property
    def count(self) -> int:
        """How many members there are, as far as is known: one that is filtered out is none."""
        return len(self.indices) - len(self.absent)

    @property
    def wanted(self) -> int:
        """How many members have to be ready."""
        return self.quorum if self.share is None else math.ceil(self.count * self.share / 100)


@dataclass(slots=True, eq=False)
class Scope:
    """An instance of a graph. `up` is where its free names are found. `owner` is what it is for:
    `("frame",)`, `("arm", scope, node, number)`, `("then", scope, node)`, `("element", fan, index)`,
    or `("shipped",)`: it stands for a frame that a worker runs whole."""

    path: str
    g: GraphInfo
    up: Scope | None
    frame: Frame
    owner: tuple[Any, ...]
    status: bytearray
    missing: list[list[int]]
    values: dict[str, Any] = field(default_factory=dict)
    state: dict[Any, Any] = field(default_factory=dict)
    waiters: dict[str, list[Any]] = field(default_factory=dict)
    exports: dict[str, list[str]] = field(default_factory=dict)
    handle_names: set[str] = field(default_factory=set)
    errors: dict[int, ErrorInfo] = field(default_factory=dict)
    failures: dict[int, dict[str, int]] = field(default_factory=dict)
    known: dict[int, dict[str, Value | HopState | Raised]] = field(default_factory=dict)
    volatile: set[str] = field(default_factory=set)
    prefilled: dict[str, Value | HopState | Raised] = field(default_factory=dict)
    regions: dict[str, int] = field(default_factory=dict)
    children: list[Scope | Frame] = field(default_factory=list)
    works: set[int] = field(default_factory=set)
    timers: set[str] = field(default_factory=set)
    again: set[int] = field(default_factory=set)
    loose: set[int] = field(default_factory=set)
    groups: dict[int, list[tuple[Fan, int]]] = field(default_factory=dict)
    fans: dict[int, Fan] = field(default_factory=dict)
    open: int = 0
    alive: bool = True
    passing: bool = False

    def find(self, name: str) -> Scope | None:
        """The scope whose graph or own names provide `name`."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.g.index or name in scope.values:
                return scope
            scope = scope.up
        return None


@dataclass(slots=True, eq=False)
class Frame:
    """The call of a workflow, or of a graph that a task returned.

    `path` is without hops; the scope's path has `~n` after `n` of them. `deliver` is told the
    outcome: `("ok", value, volatile)`, `("error", error)` or `("cancelled", reason)`.
    `caller` is the node that it is the value of. `home` is the process for its inplace calls, if it has
    one; `bound` says that it should, also where that process is gone, or not there yet.
    `catches` is how often the outcome is caught before it is delivered. `args` are kept so that the
    frame can be made again, `first` is where it begins then, and `stands` its last hop that is kept.
    `again` runs the task once more that returned the frame's graph. `due` is when its time is over.
    """

    path: str
    target: str
    workflow: WorkflowDef | None
    deliver: Callable[[tuple[Any, ...]], None] | None
    checkpoint: bool
    home: int | None = None
    bound: bool = False
    hop: int = 0
    scope: Scope | None = None
    args: dict[str, Value] = field(default_factory=dict)
    dynamic: Dynamic | None = None
    exit: tuple[Any, ...] | None = None
    phase: str = "running"
    outcome: tuple[Any, ...] | None = None
    parent: Frame | None = None
    caller: tuple[Scope, int] | None = None
    fans: list[Fan] = field(default_factory=list)
    work: int | None = None
    known: dict[str, Value | HopState | Raised] = field(default_factory=dict)
    failures: dict[str, int] = field(default_factory=dict)
    owns_home: bool = False
    lingering: list[Scope] = field(default_factory=list)
    exit_at: tuple[Scope, int] | None = None
    again: Callable[[], None] | None = None
    first: Start | None = None
    stands: HopState | None = None
    catches: int = 0
    due: float | None = None

    @property
    def hopped_path(self) -> str:
        """The path of the scope of the hop that the frame is in."""
        return self.path if not self.hop else f"{self.path}~{self.hop}"


@dataclass(frozen=True, slots=True)
class Start:
    """Where a frame begins again when what a later hop was given is lost: the last hop that was
    given nothing that can be lost, and what is known inside of it."""

    target: str
    args: dict[str, Value]
    dynamic: Dynamic | None
    hop: int
    known: dict[str, Value | HopState | Raised]
    checkpoint: bool
    bound: bool
    catches: int

    @classmethod
    def of(cls, frame: Frame) -> Start:
        """Where a frame stands now."""
        return cls(
            frame.target, frame.args, frame.dynamic, frame.hop, frame.known, frame.checkpoint,
            frame.bound, frame.catches,
        )  # fmt: skip


def hosts(frame: Frame) -> Iterator[Frame]:
    """A frame, and those whose process is its own too: its caller, if that calls it inplace, and so on."""
    at: Frame | None = frame
    while at is not None:
        yield at
        called = inplace_call(at)
        at = called[0].frame if called is not None else None


def inplace_call(frame: Frame) -> tuple[Scope, CallNode] | None:
    """The call that opened a frame, if that was inplace, and the scope that it stands in."""
    if not frame.bound or frame.caller is None:
        return None
    scope, index = frame.caller
    node = scope.g.nodes[index].node
    return (scope, node) if isinstance(node, CallNode) and node.inplace else None


@dataclass(slots=True)
class Dispatch:
    """A work under way: what it stands for. `kind` is unit, map, frame or expr.

    `unanchored` are its frames (offset and relative path) that hopped with what only their process
    has: nothing inside of them can be kept, since it could not be told which hop it belongs to. `gone`
    are the offsets of elements that have failed, or become graphs: they are no longer of this work.
    """

    id: int
    kind: str
    scope: Scope
    node: int
    nodes: list[int] = field(default_factory=list)
    fan: Fan | None = None
    indices: Sequence[int] = (0,)
    frame: Frame | None = None
    submitted: bool = False
    home: int | None = None
    park: bool = False
    left: int = 0
    unanchored: set[tuple[int, str]] = field(default_factory=set)
    gone: set[int] = field(default_factory=set)


def enclosing(scope: Scope) -> Iterator[Scope]:
    """A scope, and those that it is an arm in, outwards."""
    at: Scope | None = scope
    while at is not None and at.frame is scope.frame:
        yield at
        at = at.up if at.owner[0] in ("arm", "then") else None
