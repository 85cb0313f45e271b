"""The engine's state: scopes, frames, fan-outs in columns, and what is under way.

A *scope* is an instance of a graph of the plan. A *frame* is the call of a workflow: its scope, and
after a continuation the next one in its place. The elements of a fan-out are rows of columns
(`Fan`); one gets a scope of its own only if the engine has to run it step by step.
"""

from __future__ import annotations

import heapq
import json
import math
from abc import ABC
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from wfc.plan.model import Plan, WorkflowDef
from wfc.runtime.engine.graphs import Book, GraphInfo
from wfc.runtime.engine.records import Append, Effect, Ended, Record, Signalled
from wfc.runtime.values import (
    HOLLOW,
    MISSING,
    Bound,
    Caught,
    Chunk,
    Column,
    ErrorInfo,
    Hollow,
    Inline,
    Pairs,
    Part,
    Raised,
    Rows,
    Split,
    Transient,
    Value,
    Waited,
)
from wfc.runtime.work import Dynamic, HopState, Shape

WAITING, RUNNING, DONE, FAILED, DROPPED, HELD = range(6)
"""The states of a node or an element; `DROPPED`: cancelled, or in an arm that was not taken; `HELD`: an
element that waits for its next attempt, or for what a graph comes to that a task of it returned."""


class Segments:
    """One column of a fan-out: chunks of results in any order of arrival, read by index."""

    __slots__ = ("chunks", "sorted", "starts")

    def __init__(self) -> None:
        self.starts: list[int] = []
        self.chunks: list[tuple[int, int, Chunk | int]] = []
        self.sorted = True

    def add(self, start: int, count: int, chunk: Chunk | int) -> None:
        """Put `count` results of the elements from `start` on (a number: they are not kept)."""
        if self.chunks and start < self.chunks[-1][0]:
            self.sorted = False
        self.chunks.append((start, count, chunk))

    def _order(self) -> None:
        if not self.sorted or len(self.starts) != len(self.chunks):
            self.chunks.sort(key=lambda c: c[0])
            self.starts = [c[0] for c in self.chunks]
            self.sorted = True

    def get(self, index: int) -> Value:
        """The value of one element; `HOLLOW` while it is (or has to be) made again."""
        self._order()
        place = bisect_right(self.starts, index) - 1
        if place < 0:
            return HOLLOW
        start, count, chunk = self.chunks[place]
        if isinstance(chunk, int) or index >= start + count:
            return HOLLOW
        if isinstance(chunk, Column):
            return boxed(chunk.load()[index - start])
        return chunk[index - start]

    def rows(self) -> Rows:
        """All of them, in order."""
        self._order()
        out: list[Chunk] = []
        for _start, count, chunk in self.chunks:
            out.append([HOLLOW] * count if isinstance(chunk, int) else chunk)
        return Rows(out)

    def forget(self, indices: Iterable[int]) -> None:
        """Drop the values of these elements (they will be made again)."""
        gone = set(indices)
        self._order()
        kept: list[tuple[int, int, Chunk | int]] = []
        for start, count, chunk in self.chunks:
            if not any(i in gone for i in range(start, start + count)):
                kept.append((start, count, chunk))
                continue
            items: list[Value]
            if isinstance(chunk, int):
                items = [HOLLOW] * chunk
            elif isinstance(chunk, Column):
                items = [boxed(o) for o in chunk.load()]
            else:
                items = list(chunk)
            for i, item in enumerate(items, start):
                if i not in gone:
                    kept.append((i, 1, [item]))
        self.chunks = kept
        self.starts = []


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
    reviving: bool = False

    @property
    def key(self) -> tuple[str, str]:
        """Scope path and node id: what a `Pending` says."""
        return self.scope.path, self.scope.g.nodes[self.node].node.id


@dataclass(slots=True, eq=False)
class Wait:
    """A `wait` that has not been decided: `quorum` members are to be ready, or `share` percent. `split`
    is what it came to when its scope was open before, if it was."""

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
    `fragile`: it, or one that it stands in, may have to begin again since a process is lost.
    `catches` is how often the outcome is caught before it is delivered. `args` are kept so that the
    frame can be made again, and `first` is where it begins then. `again` runs the task once more that
    returned the frame's graph.
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
    catches: int = 0
    fragile: bool = False

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


class Core(ABC):  # noqa: B024
    """What the parts of the engine share: the registries, the agenda, and the effects so far.

    Nothing here recurses: a step puts what follows from it on the agenda, so that ten thousand
    nested frames are no deeper than two. `homes` are the processes that are parked (or about to be),
    by the work that parks them, each with how many works are to run in it; `leaving` those that are
    not needed any more once these have ended. `strays` are records of a replay by the path of what
    they are of, which was not open yet; `opened` those of these paths that have opened since. `late`:
    such records are being folded in. `grown` are the graphs that go on inside of instances: an element
    (or frame, or node) waits for one at a time. `decisions` are what waits, timers and receives came
    to (by the path of the scope, and the node) where scopes may be opened again, and `claimed` the ids
    of the signals among them.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.book = Book(plan)
        self.now = 0.0
        self.live = True
        self.late = False
        self.agenda: deque[tuple[Callable[..., None], tuple[Any, ...]]] = deque()
        self.effects: list[Effect] = []
        self.works: dict[int, Dispatch] = {}
        self.ready: dict[int, Dispatch] = {}
        self.next_work = 1
        self.scopes: dict[str, list[Scope]] = {}
        self.fans: dict[tuple[str, str], Fan] = {}
        self.frames: dict[str, Frame] = {}
        self.timers: list[tuple[float, str]] = []
        self.timer_calls: dict[str, Callable[[], None]] = {}
        self.signals: dict[str, dict[str, Value]] = {}
        self.claimed: set[str] = set()
        self.unplaced: Signalled | None = None
        self.decisions: dict[tuple[str, str], Any] = {}
        self.signal_ids: set[str] = set()
        self.receivers: dict[str, deque[tuple[Scope, int]]] = {}
        self.homes: dict[int, int] = {}
        self.leaving: set[int] = set()
        self.orphans: dict[str, dict[str, Value]] = {}
        self.strays: dict[str, list[Record]] = {}
        self.opened: list[str] = []
        self.grown: dict[tuple[str, str, int], Frame] = {}
        self.orphan_rows: dict[
            tuple[str, str], list[tuple[Sequence[int], Mapping[str, Chunk | int]]]
        ] = {}
        self.before_home: dict[int, list[Dispatch]] = {}
        self.undecided: dict[tuple[str, str, str], tuple[Scope, Callable[[Value], None]]] = {}
        self.retry_undecided: dict[tuple[str, str, str], Callable[[], None]] = {}
        self.computed: dict[tuple[str, str, str], Value] = {}
        self.joined_values: dict[int, dict[str, Value]] = {}
        self.expr_jobs: dict[int, tuple[str, Any, bool]] = {}
        self.root: Frame | None = None
        self.ended = False
        self.unsaid: Ended | None = None
        self.winding = 0
        self.last_outcome: tuple[Any, ...] | None = None
        self.counts: dict[str, int] = {"done": 0, "failed": 0, "retried": 0}

    def later(self, step: Callable[..., None], *args: Any) -> None:
        """Put a step on the agenda."""
        self.agenda.append((step, args))

    def record(self, record: Record, sync: bool = False) -> None:
        """Journal a record (live only: when replaying it is in the journal already)."""
        if self.live:
            self.effects.append(Append(record, sync))

    def has_opened(self, path: str) -> None:
        """Have what was told of a path folded in, now that there is something."""
        if path in self.strays and path not in self.opened:
            self.opened.append(path)

    def open_timer(self, key: str, due: float, call: Callable[[], None]) -> None:
        """Have `call` made once `due` (seconds since the epoch) has come."""
        heapq.heappush(self.timers, (due, key))
        self.timer_calls[key] = call

    def pop_timer(self) -> str:
        """Take the earliest timer off; gives its key."""
        return heapq.heappop(self.timers)[1]

    def close_timer(self, key: str) -> None:
        """Forget a timer."""
        self.timer_calls.pop(key, None)

    def locate(self, path: str, node: str) -> tuple[Scope, int] | None:
        """The living scope at `path` that has the node, and the node's number."""
        for scope in self.scopes.get(path, ()):
            index = scope.g.ids.get(node)
            if index is not None and scope.alive:
                return scope, index
        return None

    def new_work(self, kind: str, scope: Scope, node: int, **more: Any) -> Dispatch:
        """Register a work; it is built and submitted when the agenda is empty."""
        work = Dispatch(self.next_work, kind, scope, node, **more)
        self.next_work += 1
        self.works[work.id] = work
        self.ready[work.id] = work
        return work

    def move(self, work: Dispatch, home: int | None) -> None:
        """Have a work run in this parked process; `None`: wherever there is room."""
        for at, change in ((work.home, -1), (home, 1)):
            if at is not None and at in self.homes:
                self.homes[at] += change
        work.home = home

    def forget(self, work: int) -> Dispatch | None:
        """Take a work off the books; gives what it was."""
        known = self.works.pop(work, None)
        self.ready.pop(work, None)
        if known is not None:
            self.move(known, None)
        return known


def enclosing(scope: Scope) -> Iterator[Scope]:
    """A scope, and those that it is an arm in, outwards."""
    at: Scope | None = scope
    while at is not None and at.frame is scope.frame:
        yield at
        at = at.up if at.owner[0] in ("arm", "then") else None


def boxed(obj: Any) -> Inline:
    """An object of a column as a value; `MISSING` (no such result) is one of its own."""
    return Inline(data=Inline.encode(MISSING)) if obj is MISSING else Inline(obj=obj)


def gone(value: Value | None) -> bool:
    """Whether a value would have to be made again."""
    return value is None or isinstance(value, Hollow)


def kept(chunk: Chunk | int, keep: bool) -> Chunk | int:
    """A column as it is journaled: without what is not to be kept or cannot outlive the process."""
    if isinstance(chunk, int):
        return chunk
    if isinstance(chunk, Column):
        return chunk if keep else chunk.count
    if not keep:
        return len(chunk)
    return [durable(v) for v in chunk]


def durable(value: Value) -> Any:
    """A value as it is journaled: one of the same kind, or `HOLLOW`."""
    if isinstance(value, Transient | Bound):
        return HOLLOW
    if isinstance(value, Rows) and any(not isinstance(c, Column) for c in value.chunks):
        return Rows([c if isinstance(c, Column) else [durable(v) for v in c] for c in value.chunks])
    if isinstance(value, Pairs):
        return Pairs(durable(value.rows))
    if isinstance(value, Waited):
        return Waited(durable(value.ready), value.pending, value.failed, value.timed_out)
    if isinstance(value, Caught):
        return Caught(durable(value.value))
    if isinstance(value, Part):
        return Part(durable(value.value), value.index, value.count)
    return value


def runs(indices: Sequence[int]) -> Iterator[tuple[int, int, int]]:
    """Runs of consecutive numbers: offset, first number, length."""
    if isinstance(indices, range) and indices.step == 1:
        if len(indices):
            yield 0, indices.start, len(indices)
        return
    at = 0
    while at < len(indices):
        end = at + 1
        while end < len(indices) and indices[end] == indices[end - 1] + 1:
            end += 1
        yield at, indices[at], end - at
        at = end


def cut(chunk: Chunk | int, start: int, count: int) -> Chunk | int:
    """A part of a column."""
    if isinstance(chunk, int):
        return count
    if isinstance(chunk, Column):
        if start == 0 and count == chunk.count:
            return chunk
        return Column(None, count, chunk.load()[start : start + count])
    return chunk[start : start + count]


def shape_of(options: dict[str, Any]) -> Shape:
    """The resources that a call's options ask for."""
    return Shape(
        num_cpus=float(options.get("num_cpus", 1.0)),
        num_gpus=float(options.get("num_gpus", 0.0)),
        memory=int(options.get("memory", 0)),
        resources=tuple(sorted((options.get("resources") or {}).items())),
        accelerator_type=options.get("accelerator_type") or "",
        runtime_env=_text(options.get("runtime_env")),
        scheduling_strategy=_text(options.get("scheduling_strategy")),
        label_selector=tuple(sorted((options.get("label_selector") or {}).items())),
    )


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)
