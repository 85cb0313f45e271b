"""Reading results where there is no executor: in the coordinator, at the end, and afterwards."""

from __future__ import annotations

from typing import Any

from wfc.runtime import codec
from wfc.runtime.values import (
    Caught,
    Column,
    Inline,
    Pairs,
    Part,
    Result,
    Rows,
    Stored,
    Value,
    Waited,
    WaitResult,
)
from wfc.runtime.valuestore import ValueStore


def load_value(value: Value, store: ValueStore) -> Any:
    """The object of a value: inline ones are decoded, stored ones read (their seal is checked).

    Raises `CorruptValue`, `StorageError`, and `LookupError` for a value that was not kept.
    """
    if isinstance(value, Inline):
        return value.load()
    if isinstance(value, Stored):
        return codec.decode_buffer(store.get(value.key, value.size, value.seal))
    if isinstance(value, Rows):
        out: list[Any] = []
        for chunk in value.chunks:
            if isinstance(chunk, Column):
                out.extend(chunk.load())
            else:
                out.extend(load_value(v, store) for v in chunk)
        return out
    if isinstance(value, Pairs):
        return dict(load_value(value.rows, store))
    if isinstance(value, Caught):
        return Result(ok=True, value=load_value(value.value, store))
    if isinstance(value, Part):
        return value.of(load_value(value.value, store))
    if isinstance(value, Waited):
        return WaitResult(
            load_value(value.ready, store), value.pending, value.failed, value.timed_out
        )
    raise LookupError("the value was not kept")
