"""Seals: keyed BLAKE2b, which tells damage and tampering alike from what was written.

A record is sealed as it is. A value is sealed as a tree: each chunk of a MiB has a digest, and the
seal is the keyed hash of these and of the size. So chunks can be digested by several threads
(hashlib lets go of the interpreter lock), and while the same bytes are being written. A chunk's
digest only has to be free of collisions: it is SHA-256 where the processor does that itself, twice
as fast as BLAKE2b, and BLAKE2b elsewhere. The seal's first byte says which.
"""

from __future__ import annotations

import functools
import hashlib
import hmac
import os
import struct
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from wfc.runtime.codec import Buffer

KEY_BYTES = 32
SEAL_BYTES = 32
CHUNK = 1 << 20

_PARALLEL = 2 * CHUNK  # below this a thread costs more than it saves
_HELPERS = min(4, os.cpu_count() or 1) - 1

_BLAKE2B, _SHA256 = b"\x01", b"\x02"
_DIGESTS: dict[bytes, Callable[[], Any]] = {
    _BLAKE2B: functools.partial(hashlib.blake2b, digest_size=32, person=b"wfc-chunk"),
    _SHA256: functools.partial(hashlib.sha256, usedforsecurity=True),
}


class Sealer:
    """Seals with one key of 32 bytes. `digest` (1: BLAKE2b, 2: SHA-256) is that of a value's
    chunks; without it, it is the one that is faster here."""

    __slots__ = ("_digest", "_key", "_record", "_value")

    def __init__(self, key: bytes, *, digest: int | None = None) -> None:
        if len(key) != KEY_BYTES:
            raise ValueError(f"a seal key has {KEY_BYTES} bytes, not {len(key)}")
        self._key = key
        self._digest = None if digest is None else bytes((digest,))
        # Keyed once and copied: the key costs a block of hashing each time.
        self._record = self._keyed(b"wfc-record")
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
        """The seal over these parts, each with its type and length, so that none can move."""
        hashed = self._record.copy()
        for part in parts:
            if isinstance(part, int):
                hashed.update(b"i" + struct.pack("<q", part))
                continue
            kind, data = (b"s", part.encode()) if isinstance(part, str) else (b"b", part)
            hashed.update(kind + struct.pack("<Q", len(data)))
            hashed.update(data)
        return bytes(hashed.digest())

    def begin(self, buffers: Sequence[Buffer], *, helpers: int = 1) -> Callable[[], bytes]:
        """Start to seal buffers, as if they were one, in `helpers` threads when they are large; the
        function given back helps, and gives the seal."""
        return self._begin(buffers, self._digest or _faster_digest(), helpers)

    def fits(self, data: Buffer, seal: bytes) -> bool:
        """Whether a seal is that of these bytes."""
        if seal[:1] not in _DIGESTS:
            return False
        return same(self._begin([data], seal[:1], _HELPERS)(), seal)

    def _begin(self, buffers: Sequence[Buffer], digest: bytes, helpers: int) -> Callable[[], bytes]:
        chunks = _chunks(buffers)
        size = sum(map(len, buffers))
        digests = [b""] * len(chunks)
        todo = iter(range(len(chunks)))  # `next` of it is atomic
        start = _DIGESTS[digest]

        def work() -> None:
            for index in todo:
                hashed = start()
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
                raise RuntimeError("a thread failed to digest its chunk")
            root = self._value.copy()
            root.update(digest + struct.pack("<Q", size))
            root.update(b"".join(digests))
            return digest + bytes(root.digest())

        return end


def same(one: bytes, other: bytes) -> bool:
    """Whether two seals are equal, in a time that tells nothing of where they differ."""
    return hmac.compare_digest(one, other)


@functools.cache
def _faster_digest() -> bytes:
    """The digest that takes less time here for half a MiB (the best of three tries each)."""
    sample = bytes(CHUNK // 2)

    def seconds(digest: bytes) -> float:
        taken = []
        for _ in range(3):
            hashed = _DIGESTS[digest]()
            began = time.perf_counter()
            hashed.update(sample)
            taken.append(time.perf_counter() - began)
        return min(taken)

    return min(_DIGESTS, key=seconds)


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
