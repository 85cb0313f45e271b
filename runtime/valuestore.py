"""Large values, each under a key of its own, sealed: in a local folder, or in an object store by URL.

A value is durable when `put` returns: only then may a record name it, with its size and seal. Keys
are made with `new_key` and never used twice, so that a process that comes back late cannot change
what is recorded.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from wfc.runtime.codec import Buffer
from wfc.runtime.foldervalues import FolderValues
from wfc.runtime.names import check_name
from wfc.runtime.seal import Sealer
from wfc.runtime.storage_errors import StorageError

_OBJECTS = re.compile(
    r"(?:s3|gs|az)://[A-Za-z0-9][\w.-]*(?:/(?!\.\.?(?:/|$))[\w.=-]+)*/?", re.ASCII
)


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


def in_objects(place: str) -> bool:
    """Whether a place of values is the URL of an object store, rather than a folder."""
    return "://" in place


def checked_place(named: str) -> str:
    """The absolute path of a folder, or the URL of an object store without a slash at its end.

    Raises `StorageError` for any other URL. The message does not repeat it: there may be a password
    in it.
    """
    if not in_objects(named):
        return os.path.abspath(named)
    if not _OBJECTS.fullmatch(named):
        raise StorageError(
            "values are kept in a folder, or at s3://BUCKET/PREFIX, gs://BUCKET/PREFIX or "
            "az://CONTAINER/PREFIX: plain names, and no more; credentials and options come from "
            "the environment"
        )
    return named.rstrip("/")


def open_values(place: str, key: bytes) -> ValueStore:
    """The value store alone, as a worker opens it: without the journal, which takes a database's
    library. `place` is the URL of an object store, or a folder, which is not made: where there is
    none, it would not be the store. Raises `StorageError`."""
    if not in_objects(place):
        return FolderValues(place, Sealer(key), create=False)
    try:
        from wfc.runtime.objectvalues import ObjectValues
    except ModuleNotFoundError as error:
        raise StorageError(
            f"cannot use {place}: the package {error.name} is missing; "
            "install it with: pip install 'wfc-ray[objects]'"
        ) from error
    return ObjectValues(place, Sealer(key))
