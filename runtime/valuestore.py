"""Large values, each under a key of its own, sealed.

A value is durable when `put` returns: only then may a record name it, with its size and seal. Keys
are made with `new_key` and never used twice, so that a process that comes back late cannot change
what is recorded.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from wfc.runtime.codec import Buffer
from wfc.runtime.foldervalues import FolderValues
from wfc.runtime.names import check_name
from wfc.runtime.seal import Sealer


class ValueStore(Protocol):
    """Where large values are kept. All methods raise `StorageError`, and may be called by several
    threads and processes at once."""

    def put(self, key: str, buffers: Sequence[Buffer]) -> tuple[int, bytes]:
        """Store the buffers, one after the other, durably; gives the size in bytes and the seal."""

    def get(self, key: str, size: int, seal: bytes) -> memoryview:
        """The bytes of a value, read-only; raises `CorruptValue` unless size and seal are right."""

    def delete(self, keys: Iterable[str]) -> None:
        """Delete values; those that are not there are no error."""

    def list(self, prefix: str = "") -> Iterator[str]:
        """The keys under a prefix of whole names (`""`: all), in order."""

    def sweep(self, run_id: str) -> int:
        """Delete what writers of a run left half-written that died of it; gives how many. For the
        run's owner while no writer of its own is alive: what a stale one still writes is lost."""

    def close(self) -> None:
        """Let go of what is open. Idempotent."""


def new_key(run_id: str) -> str:
    """A key for a value of a run that nobody else has."""
    return f"{check_name(run_id, 'run')}/{secrets.token_hex(16)}"


def open_values(url: str, key: bytes) -> ValueStore:
    """The value store alone, as a worker opens it: without the journal, which takes a database's
    library."""
    return FolderValues(url, Sealer(key))
