"""The owner's side of values that a worker cannot store or read by itself."""

from __future__ import annotations

import contextlib
import logging
import pickle
import secrets
import sys
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

from wfc.runtime.storage_errors import CorruptValue, StorageError
from wfc.runtime.valuestore import ValueStore, new_key, open_values
from wfc.runtime.work import ExecutorLost, Program

logger = logging.getLogger("wfc")

PATIENCE = 10.0
PACE = 10_000_000
"""Seconds that any object is waited for, and bytes that should come in each further one. When its owner is
killed in the moment in which it is asked for, Ray may not notice, and wait for ever; so the checkpoint is
read, or the object made again."""

_AT_ONCE = 4
_HELD = 32
"""Values that stay in Ray's object store for a while: what one worker asks for, others may too."""
_LAGS = 1.0
"""Seconds for what a worker has written to show here."""


@dataclass(frozen=True, slots=True)
class Errand:
    """What a worker asks of the owner, by way of the hub: to store a value whose bytes are at the
    reference `part`, or (without one) to read it."""

    ticket: int
    key: str
    size: int
    seal: bytes = b""
    part: Any = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of an errand: the size and seal of what is stored now, the reference of what was
    read, or why there is neither."""

    size: int = 0
    seal: bytes = b""
    part: Any = None
    trouble: str = ""
    corrupt: bool = False


class Relay:
    """Runs errands in threads of its own. Ray's object store only carries: a value is in the owner's
    store before the worker is told so. Ray is called inside of `connection` alone, which raises
    `ExecutorLost` once it has ended.

    Raises `StorageError` when the owner itself cannot write to the store.
    """

    def __init__(
        self,
        program: Program,
        connection: AbstractContextManager[None],
        opened: Callable[[str, bytes], ValueStore] = open_values,
    ) -> None:
        self._connection = connection
        self._values = opened(program.store, program.seal_key)
        # Of this attempt alone: a store that was copied, with an earlier one's, is another store.
        self.key = new_key(program.run_id)
        size, seal = self._values.put(self.key, [secrets.token_bytes()])
        self.program = replace(program, proof=(self.key, size, seal))
        self._turns = threading.BoundedSemaphore(_AT_ONCE)
        self._closed = False
        self._held: dict[str, Any] = {}

    def take(self, errand: Errand, hub: Any) -> None:
        """Run an errand, and tell the hub what came of it."""
        args = errand, hub
        threading.Thread(target=self._connected, args=args, name="wfc-relay", daemon=True).start()

    def close(self, *, gone: bool) -> None:
        """Begin nothing more, wait for what runs (unless Ray is `gone`), and take away the proof."""
        self._closed = True
        for _ in range(0 if gone else _AT_ONCE):
            self._turns.acquire()
        self._held.clear()
        with contextlib.suppress(StorageError):  # it goes with the run
            self._values.delete([self.key])
        self._values.close()

    def _connected(self, errand: Errand, hub: Any) -> None:
        with contextlib.suppress(ExecutorLost), self._connection:  # the run has ended, or soon will
            self._run(errand, hub)

    def _run(self, errand: Errand, hub: Any) -> None:
        try:
            with self._turns:
                if self._closed:
                    return
                answer = self._fetch(errand) if errand.part is None else self._keep(errand)
        except StorageError as error:
            answer = Answer(trouble=str(error), corrupt=isinstance(error, CorruptValue))
        except Exception as error:  # of Ray: the worker may be gone
            answer = Answer(trouble=f"value {errand.key} did not come through: {error}")
        try:
            hub.answer.remote(errand.ticket, answer)
        except Exception as error:
            logger.debug("the hub takes no answer: %s", error)

    def _keep(self, errand: Errand) -> Answer:
        timeout = PATIENCE + errand.size / PACE
        parts = sys.modules["ray"].get(errand.part, timeout=timeout)
        size, seal = self._values.put(errand.key, [memoryview(part) for part in parts])
        return Answer(size, seal)

    def _fetch(self, errand: Errand) -> Answer:
        reference = self._held.pop(errand.key, None)
        if reference is None:
            view = self._read(errand)
            reference = sys.modules["ray"].put([pickle.PickleBuffer(view)])
        self._held[errand.key] = reference
        for key in list(self._held)[:-_HELD]:
            self._held.pop(key, None)
        return Answer(part=reference)

    def _read(self, errand: Errand) -> memoryview:
        until = time.monotonic() + _LAGS
        while True:
            try:
                return self._values.get(errand.key, errand.size, errand.seal)
            except CorruptValue:
                if time.monotonic() >= until:
                    raise
                time.sleep(_LAGS / 10)
