"""The Ray tasks under way, as the coordinator sees them. Imports no ray."""

from __future__ import annotations

import contextlib
import time
from collections import deque
from typing import Any

from wfc.runtime.executors.messages import Batch
from wfc.runtime.work import Shape


class Stream:
    """A Ray task under way: its generator, the batches that were sent to its process, and the hub that
    it was told of."""

    __slots__ = (
        "batches", "began", "generator", "homes", "hub", "killed", "reason", "remote", "shape",
        "token", "withdrawn",
    )  # fmt: skip

    def __init__(
        self, token: int, shape: Shape, remote: int, hub: str, generator: Any, *, batch: bool
    ) -> None:
        self.token = token
        self.shape = shape
        self.remote = remote
        self.hub = hub
        self.generator = generator
        self.batches: deque[int] = deque([token] if batch else ())
        self.homes: set[int] = set()
        self.began = time.monotonic()
        self.killed = 0.0
        self.withdrawn = False
        self.reason = ""


class StandIns:
    """Those of a shape: the `streams` that have no batch yet, the `offers` among them that have begun,
    the batches that are `held` until one begins, and how many are `wanted`."""

    def __init__(self) -> None:
        self.streams: dict[int, Stream] = {}
        self.offers: deque[Stream] = deque()
        self.held: deque[Batch] = deque()
        self.wanted = 0

    def surplus(self) -> list[tuple[Stream, bool]]:
        """Take out those beyond what is wanted, the last ones first, and those that have begun last;
        with each, whether it has."""
        most = max(self.wanted, len(self.held))
        order = [(stream, stream in self.offers) for stream in reversed(self.streams.values())]
        order.sort(key=lambda each: each[1])
        gone = order[: max(0, len(order) - most)]
        for stream, _ in gone:
            self.ended(stream)
        return gone

    def ended(self, stream: Stream) -> None:
        """It is there no more."""
        self.streams.pop(stream.token, None)
        with contextlib.suppress(ValueError):  # it had not begun
            self.offers.remove(stream)

    def take(self, batch: int) -> bool:
        """Whether this batch was held; now it is not."""
        kept = deque(other for other in self.held if other.id != batch)
        found = len(kept) < len(self.held)
        self.held = kept
        return found
