"""The run's value store as a worker reaches it: its own way there, or through the run's owner."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

from wfc.runtime.codec import Buffer, buffers_size
from wfc.runtime.seal import Sealer
from wfc.runtime.storage_errors import CorruptValue, StorageError
from wfc.runtime.valuestore import ValueStore, in_objects, open_values
from wfc.runtime.work import Program

CARRIED = 512 * 1024 * 1024
"""The most bytes of a value that the owner stores for a worker that cannot."""
LAGS = 1.0
"""Seconds for what the owner has written to show here: a network file system may take a moment."""
AGAIN = 10.0
"""Seconds after which it is looked again whether the store is there; or ten times what a look took."""


class Courier(Protocol):
    """The executor's way from a worker to the run's owner. Both raise `StorageError`."""

    def keep(self, key: str, buffers: Sequence[Buffer]) -> tuple[int, bytes]:
        """Have the owner store a value, as `ValueStore.put`: it is durable when this returns."""

    def fetch(self, key: str, size: int, seal: bytes) -> memoryview:
        """The bytes of a value as the owner reads them. Their seal is not checked again here."""


class SharedValues:
    """A `ValueStore` that uses the store's place only where this process sees the owner's there.

    The same path may be another folder on another machine, and the same URL another bucket. So the
    owner has put a value there that nobody else has (`Program.proof`), and what this process finds
    under its name is compared. Without that, or where the place refuses, `courier` brings a value to
    the owner and from there: nothing is believed to be stored that the owner could not read.
    """

    def __init__(
        self,
        program: Program,
        courier: Courier,
        *,
        carried: int = CARRIED,
        lags: float = LAGS,
        opened: Callable[[str, bytes], ValueStore] = open_values,
    ) -> None:
        self._place = program.store
        self._key = program.seal_key
        self._proof = program.proof
        self._courier = courier
        self._carried = carried
        self._lags = lags
        self._opened = opened
        self._store: ValueStore | None = None
        self._looked = False
        self._again = 0.0
        self._lock = threading.Lock()

    def put(self, key: str, buffers: Sequence[Buffer]) -> tuple[int, bytes]:
        """See `ValueStore.put`."""
        store = self._proven()
        why = f"{self._place} is not the run's there, but another place of that name, or none"
        if store is not None:
            try:
                kept = store.put(key, buffers)
                # What was mounted there may be gone, and its folder is still one to write into.
                if in_objects(self._place) or self._proves(store):
                    return kept
                self._store, self._again = None, time.monotonic() + AGAIN
            except StorageError as error:
                why = str(error)
        if buffers_size(buffers) > self._carried:
            raise StorageError(
                f"a value of {buffers_size(buffers)} bytes cannot be stored from the machine "
                f"{socket.gethostname()} ({why}), and is too large to be stored by the run's owner in "
                f"its place (at most {self._carried} bytes). Keep values where all machines reach "
                "them, a shared folder or s3://BUCKET/PREFIX: "
                "--store 'sqlite:///journal.db?values=PLACE', or PLACE in WFC_VALUES"
            )
        return self._courier.keep(key, buffers)

    def get(self, key: str, size: int, seal: bytes) -> memoryview:
        """See `ValueStore.get`."""
        store = self._proven()
        trouble: StorageError | None = None
        if store is not None:
            try:
                return store.get(key, size, seal)
            except StorageError as error:
                trouble = error  # it may only not show here yet
        try:
            view = self._courier.fetch(key, size, seal)
        except StorageError as error:
            raise trouble or error from None
        if not Sealer(self._key).fits(view, seal):
            raise CorruptValue(f"value {key} is damaged: its seal does not fit what the owner sent")
        return view

    def delete(self, keys: Iterable[str]) -> None:
        """See `ValueStore.delete`: that is the owner's to do."""
        raise NotImplementedError

    def list(self, prefix: str = "") -> Iterator[str]:
        """See `ValueStore.list`: that is the owner's to do."""
        raise NotImplementedError

    def sweep(self, run_id: str) -> int:
        """See `ValueStore.sweep`: that is the owner's to do."""
        raise NotImplementedError

    def close(self) -> None:
        """See `ValueStore.close`."""
        if self._store is not None:
            self._store.close()

    def _proven(self) -> ValueStore | None:
        """The store at its place, if it is the owner's."""
        with self._lock:
            began = time.monotonic()
            if self._store is None and began >= self._again:
                self._store = self._look(0.0 if self._looked else self._lags)
                self._looked, now = True, time.monotonic()
                self._again = now + max(AGAIN, 10 * (now - began))
            return self._store

    def _look(self, patience: float) -> ValueStore | None:
        until = time.monotonic() + patience
        try:
            store = self._opened(self._place, self._key)
        except StorageError:
            return None
        while not self._proves(store):
            if time.monotonic() >= until:
                store.close()
                return None
            time.sleep(patience / 10)
        return store

    def _proves(self, store: ValueStore) -> bool:
        assert self._proof is not None
        try:
            store.get(*self._proof)
        except StorageError:
            return False
        return True
