"""What a pool and its processes say to each other, and the seam between a pool and its transport."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from wfc.runtime.values import Value
from wfc.runtime.work import Log, Program, Report, Shape, Work


@dataclass(slots=True)
class Batch:
    """Pieces of works that one process runs in order.

    `works` are slices (see `pieces.cut`), at most one of each work, so a report's work id tells the
    piece. `announce` asks for `Started`. After `cap` seconds the worker gives back what it has not
    begun. `home` is the parked process that it must run in.
    `envs` holds, by work, the large environments, which the pieces leave out (and `fill` puts back):
    a transport sends them to a process once.
    """

    id: int
    works: list[Work]
    shape: Shape = field(default_factory=Shape)
    home: int | None = None
    announce: bool = False
    cap: float = 1.0
    envs: dict[int, dict[str, Value]] = field(default_factory=dict)

    def fill(self) -> None:
        """Put the environments where they belong."""
        for work in self.works:
            work.env = self.envs.get(work.id, work.env)
        self.envs = {}


@dataclass(frozen=True, slots=True)
class Started:
    """The first element of the batch begins now."""

    batch: int


@dataclass(frozen=True, slots=True)
class Progress:
    """Reports of a batch, with offsets of its pieces. `seconds` passed in the worker since the last
    such message. `cold` tells that the process met a kind of work for the first time."""

    batch: int
    reports: list[Report]
    seconds: float
    cold: bool = False


@dataclass(frozen=True, slots=True)
class Echo:
    """What a task of a batch that still runs has printed so far."""

    batch: int
    log: Log


@dataclass(frozen=True, slots=True)
class Asked:
    """The debugger of a task shows this and waits for a line; without a text it lets the task go on.
    Between a worker of this machine and its transport alone."""

    task: str
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Finished:
    """The batch has ended in good order; what it did not report was not begun.

    `parked` are the works whose home its process has become.
    """

    batch: int
    parked: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Died:
    """The process of these batches is gone: the first was running, the others had not begun.

    `homes` are those that were parked there.
    """

    batches: tuple[int, ...]
    reason: str
    homes: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class GivenBack:
    """Of the batch, in its order, only the first `kept` elements have begun; the others never will.

    Whether one that has begun is complete is told by `Progress`, and `Finished` comes in any case.
    A process begins its batches in the order of their ids.
    """

    batch: int
    kept: int


Message: TypeAlias = Started | Progress | Echo | Finished | GivenBack | Died


class Transport(Protocol):
    """Processes that run batches: the part that differs between a process pool and a cluster.

    Called from one thread. `overhead` is what a batch costs in seconds besides its work. `exclusive`
    tells that all shapes share the same slots (else the cluster arbitrates), `pinned` that a batch
    sent ahead waits for one process (else it goes to the first that is free).
    """

    overhead: float
    exclusive: bool
    pinned: bool

    def load(self, program: Program) -> None:
        """The program that every process needs; called once, before the first `send`."""

    def slots(self, shape: Shape) -> int:
        """How many batches of this shape can run at the same time now; 0 when none ever can."""

    def send(self, batch: Batch) -> None:
        """Start a batch, or queue it behind the one that runs where it will run."""

    def want(self, shape: Shape, count: int) -> None:
        """So many more slots of this shape would get something to do: for a cluster that can grow. It
        holds until the next call; told again now and then while it is not 0."""

    def recall(self, batch: int) -> None:
        """Ask that a batch begins nothing more: a hint, which `GivenBack` or `Finished` answer."""

    def kill(self, batch: int, reason: str) -> None:
        """End the process that runs the batch; `Died` with this reason tells that it is gone."""

    def release(self, home: int) -> None:
        """Let a parked process go."""

    def poll(self, timeout: float) -> Sequence[Message]:
        """Messages that came in; waits up to `timeout` seconds for the first."""

    def describe(self) -> dict[str, Any]:
        """Facts for the live view."""

    def close(self) -> None:
        """End every process that this transport started. Idempotent."""
