"""What the journal tells of a run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from wfc.runtime.journal.owner import Owner

Status = Literal["running", "succeeded", "failed", "cancelled"]

RUNNING: Status = "running"
ENDED: tuple[Status, ...] = ("succeeded", "failed", "cancelled")


@dataclass(frozen=True, slots=True)
class Definition:
    """What a run was made from: all that a resume needs beside its records.

    `plan` and `params` are encoded by the caller; `specs` maps the paths of the spec's files to
    their text, `fingerprints` each task to the hash of its code; `options` are the caller's own.
    """

    entry: str
    plan: bytes
    params: bytes
    specs: Mapping[str, str] = field(default_factory=dict)
    fingerprints: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)

    def to_bytes(self) -> bytes:
        """One line of JSON, the plan, and the parameters."""
        head = {
            "entry": self.entry,
            "fingerprints": dict(self.fingerprints),
            "options": dict(self.options),
            "plan": len(self.plan),
            "specs": dict(self.specs),
        }
        text = json.dumps(head, separators=(",", ":"), sort_keys=True)
        return b"".join((text.encode(), b"\n", self.plan, self.params))

    @classmethod
    def from_bytes(cls, data: bytes) -> Definition:
        """The definition of these (sealed) bytes."""
        end = data.index(b"\n") + 1
        head = json.loads(data[:end])
        middle = end + int(head["plan"])
        return cls(
            entry=head["entry"],
            plan=data[end:middle],
            params=data[middle:],
            specs=head["specs"],
            fingerprints=head["fingerprints"],
            options=head["options"],
        )


@dataclass(frozen=True, slots=True)
class RunInfo:
    """A run as lists show it. Times are seconds since the epoch.

    `status` stays "running" until the run has ended, whether or not anybody works on it: `owner` is
    who did last, until `lease_expires`. `damage` says what is wrong with the row, if anything is.
    """

    run_id: str
    entry: str = ""
    status: Status = RUNNING
    created: float = 0.0
    updated: float = 0.0
    finished: float | None = None
    error: str = ""
    owner: Owner | None = None
    since: float | None = None
    lease_expires: float = 0.0
    epoch: int = 0
    next_seq: int = 1
    signals: int = 0
    cancel_requested: float | None = None
    damage: str = ""

    def is_owned(self, now: float) -> bool:
        """Whether somebody works on it, as far as can be known."""
        return self.owner is not None and now < self.lease_expires and not self.owner.is_dead()


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to write to a run, until somebody else takes it: then `epoch` is over.

    `ttl` in seconds: so long after the last commit or renewal others may take it. `next_seq` is the
    number of the first record that will be appended under it.
    """

    run_id: str
    epoch: int
    owner: Owner
    ttl: float
    next_seq: int


@dataclass(frozen=True, slots=True)
class Tick:
    """What a commit, a renewal or a look tells the owner: the number of the next record, whether
    somebody asked for the run to be cancelled, and how many signals were sent to it in all."""

    next_seq: int
    cancel_requested: bool
    signals: int


@dataclass(frozen=True, slots=True)
class Signal:
    """A signal: the `pos`-th (from 1) that was sent to the run. `delivered` is the number of the
    record that took it up."""

    pos: int
    id: str
    name: str
    payload: bytes
    created: float
    delivered: int | None = None
