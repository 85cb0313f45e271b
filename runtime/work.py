"""What the engine asks of an executor, and what an executor reports: the narrow seam between them.

The unit is a *work*: a graph of the plan (or the nodes of one unit of it), an environment, and for
a fan-out a slice of its elements. A work is split, batched and retried by the executor as it sees
fit; the engine addresses elements by their offset in `Work.indices`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias

from wfc.runtime.values import Chunk, ErrorInfo, Raised, Rows, Value


@dataclass(frozen=True, slots=True)
class Shape:
    """What a batch claims of the cluster while it runs, under Ray's names; hashable."""

    num_cpus: float = 1.0
    num_gpus: float = 0.0
    memory: int = 0
    resources: tuple[tuple[str, float], ...] = ()
    accelerator_type: str = ""
    runtime_env: str = ""
    scheduling_strategy: str = ""
    label_selector: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Program:
    """What every worker of a run needs once.

    `plan` is the plan's JSON. `functions` is what `wfc.runtime.functions.bundle` made. `store` and
    `seal_key` open the value store from a worker; `digest` names the whole. Where workers may be on
    other machines, `proof` is the key, size and seal of a value that only the owner's store has.
    """

    run_id: str
    plan: bytes
    functions: bytes
    store: str
    seal_key: bytes
    digest: str
    proof: tuple[str, int, bytes] | None = None


@dataclass(frozen=True, slots=True)
class Dynamic:
    """A graph that a task returned: plan nodes as JSON, their constants, and the functions it names.

    `graph` is the JSON of a `wfc.plan.model.Graph` whose tail returns the result. `env` are the
    constants that its expressions refer to; a `Bound` value means that the graph can only run in the
    process that made it. `functions` maps call targets (`$fn:<name>:<digest>`) to encoded callables.
    """

    graph: bytes
    env: dict[str, Value]
    functions: dict[str, Value]
    digest: str


@dataclass(frozen=True, slots=True)
class HopState:
    """Where a frame that hopped stands: its `hop`-th continuation calls `target` with `args`. `where`
    is that continuation's place in the spec, told by the engine of the hops that it makes itself."""

    hop: int
    target: str
    callee: Literal["task", "workflow"]
    args: dict[str, Value]
    where: tuple[Any, ...] = ()


@dataclass(slots=True)
class Work:
    """Something to run.

    `graph` is the address of a graph of the plan: `main`, `main/tables` (the body of that map),
    `main/if:0` (an arm), `main/if:then`, `main/if:else`, `main:finally`; or `$dyn` for `dynamic`.
    `nodes` are those of a unit (in order), or `None` for the whole graph. `path` is the scope's path;
    for a unit of an element, `element` says of which fan-out: the path round it, and the index.
    `env` gives every free name. For a slice of a fan-out, `map` is the node's id, `items` its
    elements and `indices` their indices in it; otherwise `indices` is `(0,)` and `items` is `None`.
    `known` maps an offset to what is already checkpointed inside that element, by relative path
    (`"get"`, `"sub/x"`; `"~"` and `"sub~"` hold a `HopState`). `hop` counts the frame's hops so far.
    `home` is the process that this must run in (the id of the work that parked there); `park` asks
    the worker to keep the process and its values after the work is done, until `release`.
    `limit` is how many elements may run at once. `failures` maps offsets to how often tasks have failed
    there, by their ids (under an empty one: which it was is not known).
    `checkpoint` false covers every step inside (a `nocheckpoint` workflow).
    `nodes` may also name a single `expr` node: its value is wanted, and its inputs are large; with
    `explode` that value is a list, which comes back as `Rows`, an element each.
    A step that raises is reported as `Failed` at once when `wfc.runtime.policy` still allows another
    attempt; otherwise it raises inside the work, where a `catch` may take it.
    """

    id: int
    graph: str
    path: str
    nodes: tuple[str, ...] | None = None
    element: tuple[str, int] | None = None
    env: dict[str, Value] = field(default_factory=dict)
    map: str | None = None
    items: Rows | None = None
    indices: Sequence[int] = (0,)
    known: dict[int, dict[str, Value | HopState | Raised]] = field(default_factory=dict)
    hop: int = 0
    shape: Shape = field(default_factory=Shape)
    home: int | None = None
    park: bool = False
    limit: int | None = None
    timeout: float | None = None
    failures: dict[int, dict[str, int]] = field(default_factory=dict)
    checkpoint: bool = True
    priority: int = 0
    explode: bool = False
    dynamic: Dynamic | None = None


# --------------------------------------------------------------------------- reports


@dataclass(frozen=True, slots=True)
class Meta:
    """How it went: wall-clock start (seconds since the epoch), seconds it ran, and where."""

    started: float = 0.0
    seconds: float = 0.0
    worker: str = ""


@dataclass(frozen=True, slots=True)
class Done:
    """`count` elements from offset `start` are complete.

    `columns` hold, by relative path, the results of the calls inside (`MISSING` in a column where an
    element did not run that call), and under `"=name"` each output of a fan-out that is not simply
    one of those columns (`MISSING` where it is left out). For a whole frame `"="` is its result. For
    a unit, the calls' results by node id.
    """

    work: int
    start: int
    count: int
    columns: dict[str, Chunk]
    meta: Meta = field(default_factory=Meta)


@dataclass(frozen=True, slots=True)
class Partial:
    """A result inside an element (or frame) that is not complete yet: a checkpoint, unless `kept` is
    false. One that is not to be kept is told where somebody else goes on with the element."""

    work: int
    offset: int
    node: str
    value: Value
    kept: bool = True
    meta: Meta = field(default_factory=Meta)


@dataclass(frozen=True, slots=True)
class Hop:
    """The frame at relative path `frame` (`""`: the work's own) has hopped; what was checkpointed
    inside its earlier hops is superseded. Only the newest of each flush is reported. `kept` as in
    `Partial`."""

    work: int
    offset: int
    frame: str
    state: HopState
    kept: bool = True


@dataclass(frozen=True, slots=True)
class Failed:
    """A step raised: `node` is its relative path, the steps before it are reported already.

    `options` are those of the call that failed (its retry policy may stand deep inside a carried
    workflow, where the engine does not look).
    """

    work: int
    offset: int
    node: str
    error: ErrorInfo
    meta: Meta = field(default_factory=Meta)
    options: dict[str, Any] = field(default_factory=dict)


def home_number(work: Work, offset: int) -> int:
    """The number of the process that an element of a work parks. Each of a slice may be in another
    one; that of a work which is no slice has the number of the work itself."""
    return work.id if work.map is None else (work.id << 32) + work.indices[offset] + 1


@dataclass(frozen=True, slots=True)
class Became:
    """The task at relative path `node` returned a graph that a worker cannot run by itself.

    `home` tells that the process is kept as the home of the graph's frame, and under which number (the
    one that it has, where the work runs in a parked process);
    a graph that can run nowhere else has `Bound` constants. `path` is the path of the graph's frame,
    and `hop` that of the frame in whose place it stands, whose result is caught `catches` times.
    `checkpoint` tells whether its calls are to be checkpointed. It is not `kept` when a frame around it
    has hopped, and that is not checkpointed.
    """

    work: int
    offset: int
    node: str
    dynamic: Dynamic
    home: int | None
    path: str
    hop: int = 0
    catches: int = 0
    checkpoint: bool = True
    kept: bool = True


@dataclass(frozen=True, slots=True)
class Lost:
    """This one element's process died (or was stopped for its timeout) while it ran; it alone is
    charged. `reason` is for people."""

    work: int
    offset: int
    kind: Literal["died", "timeout"]
    reason: str
    node: str = ""


@dataclass(frozen=True, slots=True)
class HomeLost:
    """The parked process `home` is gone, and with it every `Bound` value of it."""

    home: int
    reason: str


@dataclass(frozen=True, slots=True)
class ValueLost:
    """A `Transient` value that a work needs is gone: `names` of its environment (or `"items"`)."""

    work: int
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Log:
    """What an attempt of a task printed. `task` is its id."""

    work: int
    offset: int
    node: str
    text: str
    task: str = ""
    attempt: int = 1


Report: TypeAlias = Done | Partial | Hop | Failed | Became | Lost | HomeLost | ValueLost | Log


class ExecutorLost(Exception):  # noqa: N818 - it says what is the case
    """What a run runs on is gone, or cannot be started. The run is left to be resumed."""


class Executor(Protocol):
    """Where work runs. Called from one thread; reports of one element come in order."""

    def submit(self, work: Work) -> None:
        """Queue a work; returns at once."""

    def cancel(self, work: int, offsets: Sequence[int] | None = None) -> None:
        """Stop these elements (all when `None`), running ones included: no report of them follows
        the next `poll`. Innocent neighbours in the same batch go on or start again, uncharged."""

    def release(self, home: int) -> None:
        """Let a parked process go."""

    def poll(self, timeout: float) -> list[Report]:
        """Reports that came in; waits up to `timeout` seconds for the first. Raises `ExecutorLost`."""

    def running(self) -> dict[str, Any]:
        """What is going on, for the live view: slots, queued and running elements."""

    def close(self) -> None:
        """Stop everything that this executor started. Idempotent."""
