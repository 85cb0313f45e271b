"""The records of a run: the only thing that its state is made of.

A record says what happened, addressed by stable path and node id, never by anything that a process
made up. The engine's state is the fold of these; live, each one is applied by the same code that
applies it when a run is recovered.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from wfc.runtime.values import Chunk, ErrorInfo, Value
from wfc.runtime.work import Dynamic, HopState

Kept: TypeAlias = "Chunk | int"
"""A column as it is journaled: its values, or how many there were when they are not kept."""

DECIDED = "decided"
"""The key of what a wait or a timer has come to. No expression has it."""

DUE = "due"
"""The key of when a timer is due: it does not begin anew in each life."""


@dataclass(frozen=True, slots=True)
class Began:
    """The run started, with these parameters."""

    params: dict[str, Value]
    at: float


@dataclass(frozen=True, slots=True)
class Completed:
    """Instances of a node are done: a slice of a fan-out, a unit's calls, or a whole frame.

    `indices` are those of a fan-out's elements; `columns` as in `wfc.runtime.work.Done`, with a
    number in place of values that are not kept. `started`, `seconds` and `worker` are for people.
    """

    path: str
    node: str
    indices: Sequence[int]
    columns: dict[str, Kept]
    at: float
    started: float = 0.0
    seconds: float = 0.0
    worker: str = ""


@dataclass(frozen=True, slots=True)
class Advanced:
    """A checkpoint inside an instance that is not complete: the call at relative path `step`.

    `held`: nothing goes on with it before the instance is complete (its process is to be kept).
    """

    path: str
    node: str
    index: int
    step: str
    value: Value
    at: float
    held: bool = False


@dataclass(frozen=True, slots=True)
class Hopped:
    """A frame went on by `continuation`: all that was recorded inside its earlier hops is obsolete.

    With an empty `node` it is the frame at `path` itself; otherwise a frame inside an instance that
    a worker runs, at relative path `frame`.
    """

    path: str
    node: str
    index: int
    frame: str
    state: HopState
    at: float


@dataclass(frozen=True, slots=True)
class Attempted:
    """An attempt failed. `retry_at` is when the next one may start; `None`: there is none."""

    path: str
    node: str
    index: int
    step: str
    error: ErrorInfo
    at: float
    retry_at: float | None = None


@dataclass(frozen=True, slots=True)
class Grew:
    """The task at `step` of an instance returned a graph, which now stands in its place: as the hop
    after `hop` of the frame at the path `frame`, whose result is caught `catches` times. One without
    data has to be returned again, for it lives in a process."""

    path: str
    node: str
    index: int
    step: str
    dynamic: Dynamic
    at: float
    frame: str = ""
    hop: int = 0
    catches: int = 0
    checkpoint: bool = True


@dataclass(frozen=True, slots=True)
class Computed:
    """What an expression came to that cannot be computed again from the journal alone: `key` tells
    which one of the node's. For the items of a fan-out the value is only how many there are."""

    path: str
    node: str
    key: str
    value: Value
    at: float


@dataclass(frozen=True, slots=True)
class Fired:
    """A timer was due."""

    timer: str
    at: float


@dataclass(frozen=True, slots=True)
class Signalled:
    """A signal came in. `claims`: who takes it is told by `Claimed`; what earlier versions of the
    program wrote leaves that to the order of the records."""

    name: str
    id: str
    payload: Value
    at: float
    claims: bool = False


@dataclass(frozen=True, slots=True)
class Claimed:
    """The receive `node` of the scope at `path` has taken the signal `id`. It belongs to the signal:
    no hop makes it obsolete. Without a `node` nobody had taken it by then."""

    id: str
    path: str
    node: str
    at: float


@dataclass(frozen=True, slots=True)
class Cancelled:
    """Somebody asked for the run to be cancelled."""

    reason: str
    at: float


@dataclass(frozen=True, slots=True)
class Ended:
    """The run's outcome. Nothing follows it."""

    status: Literal["succeeded", "failed", "cancelled"]
    at: float
    value: Value | None = None
    error: ErrorInfo | None = None


Record: TypeAlias = (
    Began
    | Completed
    | Advanced
    | Hopped
    | Attempted
    | Grew
    | Computed
    | Fired
    | Signalled
    | Claimed
    | Cancelled
    | Ended
)


# ------------------------------------------------------------------------------- events, effects


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed."""


@dataclass(frozen=True, slots=True)
class SignalEvent:
    """A signal for the run: `id` tells repetitions of the same one apart from new ones."""

    name: str
    id: str
    payload: Value


@dataclass(frozen=True, slots=True)
class CancelEvent:
    """A request to cancel the run."""

    reason: str = "cancelled"


@dataclass(frozen=True, slots=True)
class Append:
    """Journal this record. With `sync`, nothing after it may happen before it is durable."""

    record: Record
    sync: bool = False


@dataclass(frozen=True, slots=True)
class Submit:
    """Hand this work to the executor."""

    work: object = field(compare=False)


@dataclass(frozen=True, slots=True)
class CancelWork:
    """Stop these offsets of a work, or all of it."""

    work: int
    offsets: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Release:
    """Let a parked process go."""

    home: int


@dataclass(frozen=True, slots=True)
class Finish:
    """The run is over; its `Ended` record comes just before."""

    outcome: Ended


Effect: TypeAlias = Append | Submit | CancelWork | Release | Finish
