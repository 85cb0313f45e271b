"""Records of the engine to bytes and back, without ever running anything that stands in them.

A record is a dataclass of plain data and of the classes in `wfc.runtime.values` and
`wfc.runtime.work`. It is pickled as its class and its fields, and read by an unpickler that knows
these classes and nothing else: what users made stays encoded bytes inside `Inline` and `Column`, so
that a journal can be read without their code.

A class may get new fields, at its end and with defaults: records from before still read. It may be
moved, not renamed.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable, Iterable
from dataclasses import MISSING as NO_DEFAULT
from dataclasses import Field, fields, is_dataclass
from typing import Any

from wfc.runtime import values, work
from wfc.runtime.codec import PROTOCOL, Buffer
from wfc.runtime.storage_errors import CorruptRecord

_HEAD = b"r1"
# Read back as the one object that there is of them.
_SINGLETONS: dict[str, Any] = {"MISSING": values.MISSING, "Hollow": lambda: values.HOLLOW}
# What is only in some process's memory: nothing could be made of it after a restart.
_FLEETING = (values.Transient,)
_CLASSES: tuple[type, ...] = (
    *(
        found
        for found in vars(values).values()
        if isinstance(found, type)
        and found.__module__ == values.__name__
        and found not in (*_FLEETING, values.Hollow, type(values.MISSING))
    ),
    work.Dynamic,
    work.HopState,
    work.Meta,
    range,
)


class RecordCodec:
    """Packs and unpacks records of the given dataclasses."""

    def __init__(self, records: Iterable[type]) -> None:
        known = (*_CLASSES, *records)
        self._by_name: dict[str, Any] = {cls.__name__: cls for cls in known} | _SINGLETONS
        if len(self._by_name) != len(known) + len(_SINGLETONS):
            raise ValueError("two classes of records have the same name")
        self._reducers: dict[type, Callable[[Any], Any]] = {
            cls: _dataclass_reducer(cls) for cls in known if is_dataclass(cls)
        }
        # What an executor keeps for itself is not for the journal.
        self._reducers[values.Stored] = lambda v: (
            values.Stored,
            (v.key, v.size, v.seal, v.type) if v.type else (v.key, v.size, v.seal),
        )
        self._reducers[values.Hollow] = lambda _: (values.Hollow, ())
        self._allowed = frozenset((*known, values.Hollow, type(values.MISSING)))

    def pack(self, record: Any) -> bytes:
        """The bytes of a record; raises `TypeError` for one that holds anything else."""
        file = io.BytesIO()
        file.write(_HEAD)
        _Packer(file, self._reducers, self._allowed).dump(record)
        return file.getvalue()

    def unpack(self, data: Buffer) -> Any:
        """The record of (sealed) bytes; raises `CorruptRecord` when they hold anything else."""
        view = memoryview(data)
        if view[:2] != _HEAD:
            raise CorruptRecord(f"not a record of a known format: {bytes(view[:8])!r}")
        try:
            return _Unpacker(io.BytesIO(view[2:]), self._by_name).load()
        except CorruptRecord:
            raise
        except Exception as error:
            raise CorruptRecord(f"a record cannot be read: {error!r}") from error


class _Packer(pickle.Pickler):
    def __init__(
        self, file: io.BytesIO, reducers: dict[type, Callable[[Any], Any]], allowed: frozenset[type]
    ) -> None:
        super().__init__(file, PROTOCOL)
        self._reducers = reducers
        self._allowed = allowed

    def reducer_override(self, obj: Any) -> Any:
        """Called for all that is not of a plain built-in type."""
        cls = type(obj)
        reducer = self._reducers.get(cls)
        if reducer is not None:
            return reducer(obj)
        if cls in self._allowed or (cls is type and obj in self._allowed):
            return NotImplemented  # as it reduces itself
        raise TypeError(f"{obj!r} cannot stand in a record")


class _Unpacker(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, known: dict[str, Any]) -> None:
        super().__init__(file)
        self._known = known

    def find_class(self, module: str, name: str) -> Any:
        """Only what was registered: modules do not count, so that classes can be moved."""
        found = self._known.get(name)
        if found is None:
            raise CorruptRecord(f"a record names {module}.{name}, which is no part of records")
        return found


def _dataclass_reducer(cls: type) -> Callable[[Any], Any]:
    """Class and fields, without those at the end that have their default."""
    all_fields: list[Field[Any]] = [f for f in fields(cls) if f.init]
    names = [f.name for f in all_fields]
    defaults = [_default(f) for f in all_fields]

    def reduce(obj: Any) -> Any:
        state = [getattr(obj, name) for name in names]
        while state and _is_default(state[-1], defaults[len(state) - 1]):
            state.pop()
        return cls, tuple(state)

    return reduce


def _default(f: Field[Any]) -> Any:
    if f.default_factory is not NO_DEFAULT:
        return f.default_factory()
    return f.default


def _is_default(value: Any, default: Any) -> bool:
    return value is default or (type(value) is type(default) and bool(value == default))
