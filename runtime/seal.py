"""Seals: keyed BLAKE2b, which tells damage and tampering alike from what was written.

A value is sealed as a tree: each chunk of a MiB has a hash, and the seal is the hash of these and
of the size. So chunks can be hashed by several threads (hashlib lets go of the interpreter lock),
and while the same bytes are being written.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import struct
import threading
from collections.abc import Callable, Sequence
from typing import Any

from wfc.runtime.codec import Buffer

KEY_BYTES = 32
SEAL_BYTES = 32
CHUNK = 1 << 20

_PARALLEL = 2 * CHUNK  # below this a thread costs more than it saves
_THREADS = min(4, os.cpu_count() or 1)


class Sealer:
    """Seals with one key of 32 bytes."""

    __slots__ = ("_chunk", "_key", "_record", "_value")

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise ValueError(f"a seal key has {KEY_BYTES} bytes, not {len(key)}")
        self._key = key
        # Keyed once and copied: the key costs a block of hashing each time.
        self._record = self._keyed(b"wfc-record")
        self._chunk = self._keyed(b"wfc-chunk")
        self._value = self._keyed(b"wfc-value")

    def _keyed(self, person: bytes) -> Any:
        return hashlib.blake2b(key=self._key, digest_size=SEAL_BYTES, person=person)

    @property
    def key(self) -> bytes:
        """The key itself: workers need it."""
        return self._key

    @property
    def key_id(self) -> str:
        """A name for the key that does not give it away."""
        return hashlib.blake2b(key=self._key, digest_size=8, person=b"wfc-key-id").hexdigest()

    def record(self, *parts: Buffer | str | int) -> bytes:
        """The seal over these parts, each with its length and type, so that none can move."""
        hashed = self._record.copy()
        for part in parts:
            if isinstance(part, int):
                hashed.update(b"i" + struct.pack("<q", part))
                continue
            kind, data = (b"s", part.encode()) if isinstance(part, str) else (b"b", part)
            hashed.update(kind + struct.pack("<Q", len(data)))
            hashed.update(data)
        return bytes(hashed.digest())

    def value(self, buffers: Sequence[Buffer]) -> bytes:
        """The seal over buffers as if they were one; large ones are hashed by several threads."""
        return self.begin(buffers, min(_THREADS, 2) - 1)()

    def begin(self, buffers: Sequence[Buffer], helpers: int = 1) -> Callable[[], bytes]:
        """Start to seal in `helpers` threads; the function given back helps, and ends it."""
        chunks = list(_chunks(buffers))
        size = sum(map(len, buffers))
        digests = [b""] * len(chunks)
        todo = iter(range(len(chunks)))  # `next` of it is atomic

        def work() -> None:
            for index in todo:
                hashed = self._chunk.copy()
                for part in chunks[index]:
                    hashed.update(part)
                digests[index] = hashed.digest()

        threads: list[threading.Thread] = []
        if size >= _PARALLEL:
            threads = [threading.Thread(target=work, daemon=True) for _ in range(helpers)]
        for thread in threads:
            thread.start()

        def end() -> bytes:
            work()
            for thread in threads:
                thread.join()
            if not all(digests):
                raise RuntimeError("a thread failed to seal its part")
            root = self._value.copy()
            root.update(struct.pack("<Q", size))
            root.update(b"".join(digests))
            return bytes(root.digest())

        return end


def same(one: bytes, other: bytes) -> bool:
    """Whether two seals are equal, in a time that tells nothing of where they differ."""
    return hmac.compare_digest(one, other)


def _chunks(buffers: Sequence[Buffer]) -> list[list[memoryview]]:
    """The buffers cut where every MiB of the whole ends: where one buffer ends does not show."""
    chunks: list[list[memoryview]] = []
    room = 0
    for buffer in buffers:
        view = memoryview(buffer)
        while len(view):
            if room == 0:
                chunks.append([])
                room = CHUNK
            part = view[:room]
            chunks[-1].append(part)
            room -= len(part)
            view = view[len(part) :]
    return chunks
