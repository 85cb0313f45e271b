"""Objects to bytes and back, and the seal that tells whether bytes are what was written.

Two forms. *Inline*: two bytes (`w`, format version) and one pickle; it travels with messages and
stands in the journal. *Buffers*: a header, an index, one pickle and its out-of-band buffers (pickle
protocol 5), each at a multiple of 64 bytes; large arrays are written from where they are and read
back as read-only views of the file.

Neither form is safe to decode from an untrusted place: the seal is checked first, always, by
whoever reads the bytes from storage (`wfc.runtime.valuestore`, `wfc.runtime.journal`).
"""

from __future__ import annotations

import io
import pickle
import struct
from collections.abc import Sequence
from typing import Any, TypeAlias

import cloudpickle  # type: ignore[import-untyped]

from wfc.runtime.storage_errors import CorruptValue
from wfc.runtime.values import Inline

Buffer: TypeAlias = "bytes | bytearray | memoryview"
"""One-dimensional and contiguous: what can be written as it is."""

PROTOCOL = 5
_INLINE = b"w1"
_SCALARS = frozenset({int, float, str, bytes, bool, type(None)})


class _NotPlainError(Exception):
    """Met an object that is not of a plain built-in type."""


class _PlainPickler(pickle.Pickler):
    """Pickles plain built-in types alone: for all others `reducer_override` is asked."""

    def reducer_override(self, obj: Any) -> Any:
        raise _NotPlainError


def encode(obj: Any) -> bytes:
    """The inline form. Raises what pickling raises (`TypeError`, `PicklingError`, …)."""
    if type(obj) in _SCALARS:
        return _INLINE + pickle.dumps(obj, PROTOCOL)
    file = io.BytesIO()
    file.write(_INLINE)
    try:
        _PlainPickler(file, PROTOCOL).dump(obj)
    except _NotPlainError:
        # What lives beside a spec, or in `__main__`, has to go by value: cloudpickle knows how.
        file = io.BytesIO()
        file.write(_INLINE)
        cloudpickle.Pickler(file, PROTOCOL).dump(obj)
    return file.getvalue()


def decode(data: Buffer) -> Any:
    """The object of an inline form. Raises `CorruptValue` for another format or version."""
    view = memoryview(data)
    if view[:2] != _INLINE:
        raise CorruptValue(f"not an encoded value of a known format: {bytes(view[:8])!r}")
    return pickle.loads(view[2:])


Inline.encode = staticmethod(encode)
Inline.decode = staticmethod(decode)


# -------------------------------------------------------------------------------- with buffers

_MAGIC = b"wfcbuf\x00\x01"
_HEADER = struct.Struct("<8sQQ")  # magic and version, how many buffers, bytes of the pickle
_ENTRY = struct.Struct("<QQ")  # offset and length of one buffer
_ALIGN = 64


class _Pieces:
    """A file to pickle into that keeps what it is given: large bytes objects are not copied."""

    def __init__(self) -> None:
        self.pieces: list[Buffer] = []
        self.size = 0

    def write(self, data: Buffer) -> int:
        self.pieces.append(data)
        self.size += len(data)
        return len(data)


def encode_buffers(obj: Any) -> list[Buffer]:
    """The form with buffers: what to write, in order. The buffers are views of `obj`: it must not
    change until they are written. Raises what pickling raises."""
    file = _Pieces()
    taken: list[pickle.PickleBuffer] = []
    cloudpickle.Pickler(file, PROTOCOL, buffer_callback=taken.append).dump(obj)
    raws = [buffer.raw() for buffer in taken]
    header = bytearray(_HEADER.pack(_MAGIC, len(raws), file.size))
    end = len(header) + _ENTRY.size * len(raws) + file.size
    tail: list[Buffer] = []
    for raw in raws:
        padding = -end % _ALIGN
        if padding:
            tail.append(bytes(padding))
        header += _ENTRY.pack(end + padding, raw.nbytes)
        if raw.nbytes:
            tail.append(raw)
        end += padding + raw.nbytes
    return [bytes(header), *file.pieces, *tail]


def decode_buffer(data: Buffer) -> Any:
    """The object of a form with buffers, whose arrays are views of `data` (read-only if it is).

    Raises `CorruptValue` when the bytes are not of this format.
    """
    view = memoryview(data)
    if len(view) < _HEADER.size or view[: len(_MAGIC)] != _MAGIC:
        raise CorruptValue(f"not an encoded value of a known format: {bytes(view[:8])!r}")
    _, count, size = _HEADER.unpack_from(view)
    start = _HEADER.size + _ENTRY.size * count
    if start + size > len(view):
        raise CorruptValue("an encoded value is shorter than its header says")
    buffers = []
    for index in range(count):
        offset, length = _ENTRY.unpack_from(view, _HEADER.size + _ENTRY.size * index)
        if offset + length > len(view):
            raise CorruptValue(f"buffer {index} of an encoded value reaches past its end")
        buffers.append(view[offset : offset + length])
    return pickle.loads(view[start : start + size], buffers=buffers)


def buffers_size(buffers: Sequence[Buffer]) -> int:
    """Bytes in all."""
    return sum(map(len, buffers))
