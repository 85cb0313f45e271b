"""Objects to bytes and back, and the seal that tells whether bytes are what was written.

Two forms. *Inline*: two bytes (`w`, format version, or `r` if there are references to objects of Ray
in it) and one pickle; it travels with messages and stands in the journal. *Buffers*: a header, an
index, one pickle and its out-of-band buffers (pickle protocol 5), each at a multiple of 64 bytes;
large arrays are written from where they are and read back as read-only views of the file.

What is alive only in a Ray cluster is found here, where everything that is stored or sent is pickled
(see `wfc.runtime.references`): no pickle holds a reference to an object, or an actor's handle.

Neither form is safe to decode from an untrusted place: the seal is checked first, always, by
whoever reads the bytes from storage (`wfc.runtime.valuestore`, `wfc.runtime.journal`).
"""

from __future__ import annotations

import io
import pickle
import struct
import sys
from collections.abc import Sequence
from typing import Any, TypeAlias

import cloudpickle  # type: ignore[import-untyped]

from wfc.runtime.references import (
    Alive,
    alive,
    fetch,
    is_of_ray,
    is_reference,
    keeps_references,
    refer,
)
from wfc.runtime.storage_errors import CorruptValue
from wfc.runtime.values import REFERRING, Inline, Stored

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


class HoldsReference(Exception):  # noqa: N818 - what is the case
    """An object that was to hold no reference to an object of Ray does hold one."""


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]
    """Pickles what can be stored or sent; see `encode`."""

    def __init__(self, file: Any, references: bool, **options: Any) -> None:
        super().__init__(file, PROTOCOL, **options)
        self._references = references
        self.met = False

    def reducer_override(self, obj: Any) -> Any:
        """Called for all that is not of a plain built-in type."""
        if is_of_ray(obj):
            if is_reference(obj):
                if not self._references:
                    raise HoldsReference
                self.met = True
                return refer, (fetch(obj),)
            what = _alive(obj)
            if what is not None:
                raise Alive(obj, what)
        elif type(obj) is Stored and obj.handle is not None:
            return Stored, (obj.key, obj.size, obj.seal, obj.type)  # the handle is alive, no more
        return super().reducer_override(obj)


class _Looker(cloudpickle.Pickler):  # type: ignore[misc]
    """Looks whether there is a reference in an object, and keeps nothing."""

    def __init__(self) -> None:
        super().__init__(self, PROTOCOL, buffer_callback=lambda _: None)

    def write(self, data: Buffer) -> int:
        """As a file."""
        return len(data)

    def reducer_override(self, obj: Any) -> Any:
        """Called for all that is not of a plain built-in type."""
        if is_reference(obj):
            raise HoldsReference
        return super().reducer_override(obj)


def _alive(obj: Any) -> str | None:
    """What something is that lives only in a cluster, a data set with references to its blocks too."""
    what = alive(obj)
    if what is None and keeps_references(obj):
        try:
            _Looker().dump(obj)
        except HoldsReference:
            return (
                f"an object of type {type(obj).__name__}, which holds references to other objects,"
            )
        except Exception:  # it cannot be pickled at all: whoever goes on pickling is told
            return None
    return what


class _Rebuilder(cloudpickle.Pickler):  # type: ignore[misc]
    """Pickles for this process alone: what lives in a cluster goes past it, as it is. Of references
    the objects that they stand for are pickled, if they are to be `fetched`."""

    def __init__(self, file: Any, fetched: bool, **options: Any) -> None:
        super().__init__(file, PROTOCOL, **options)
        self._fetched = fetched
        self.met = False
        self.past: list[Any] = []

    def persistent_id(self, obj: Any) -> int | None:
        """Called for all that there is."""
        if is_reference(obj):
            self.met = True
            if self._fetched:
                return None
        elif not is_of_ray(obj) or _alive(obj) is None:
            return None
        self.past.append(obj)
        return len(self.past) - 1

    def reducer_override(self, obj: Any) -> Any:
        """Called for all that is not of a plain built-in type."""
        if is_reference(obj):
            return _same, (fetch(obj),)
        return super().reducer_override(obj)


class _Regainer(pickle.Unpickler):
    """Unpickles what a `_Rebuilder` has pickled."""

    def __init__(self, file: Any, past: list[Any], **options: Any) -> None:
        super().__init__(file, **options)
        self._past = past

    def persistent_load(self, pid: int) -> Any:
        """As it is."""
        return self._past[pid]


def _same(obj: Any) -> Any:
    return obj


def rebuilt(obj: Any, *, fetched: bool) -> Any:
    """A copy for this process: with the objects in place of the references to them, if they are to be
    `fetched` (and the very object, where there is no reference in it). What else lives in a cluster
    is the same in the copy. Raises what pickling raises, and `Unfetched`."""
    file = io.BytesIO()
    buffers: list[pickle.PickleBuffer] = []
    rebuilder = _Rebuilder(file, fetched, buffer_callback=buffers.append if fetched else None)
    rebuilder.dump(obj)
    if fetched and not rebuilder.met:
        return obj
    file.seek(0)
    return _Regainer(file, rebuilder.past, buffers=buffers).load()


def alive_in(obj: Any) -> list[Any]:
    """What is in an object that lives only in a Ray cluster. Raises what pickling raises."""
    rebuilder = _Rebuilder(io.BytesIO(), False, buffer_callback=lambda _: None)
    rebuilder.dump(obj)
    return rebuilder.past


def settled(obj: Any) -> Any:
    """The object, or if there are references to objects of Ray in it, one with these in their place.
    Raises `Unfetched` when one cannot be had, and `Alive` for what lives only in a cluster."""
    if type(obj) in _SCALARS or "ray" not in sys.modules:
        return obj
    try:
        encode(obj, references=False)
    except HoldsReference:
        return settled(rebuilt(obj, fetched=True))  # what is alive in it is found then
    except Alive:
        raise
    except Exception:  # who encodes it is told
        return obj
    return obj


def encode(obj: Any, *, references: bool = True) -> bytes:
    """The inline form. Raises what pickling raises (`TypeError`, `PicklingError`, …; `Alive` for what
    lives only in a Ray cluster).

    A reference to an object of Ray is encoded as that object, however long it takes to be there, and
    is a reference to it again for the task that is given it; raises `Unfetched`. Without `references`
    it is an error: `HoldsReference`.
    """
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
        pickler = _Pickler(file, references)
        pickler.dump(obj)
        if pickler.met:
            return REFERRING + file.getvalue()[2:]
    return file.getvalue()


def decode(data: Buffer) -> Any:
    """The object of an inline form. Raises `CorruptValue` for another format or version."""
    view = memoryview(data)
    if view[:2] not in (_INLINE, REFERRING):
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


def encode_buffers(obj: Any, *, references: bool = True) -> list[Buffer]:
    """The form with buffers: what to write, in order. The buffers are views of `obj`: it must not
    change until they are written. Of `references`, and what is raised: see `encode`."""
    file = _Pieces()
    taken: list[pickle.PickleBuffer] = []
    _Pickler(file, references, buffer_callback=taken.append).dump(obj)
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
