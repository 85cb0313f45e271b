"""What a run's journal tells of its tasks."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from wfc.runtime.coordinator import RECORDS
from wfc.runtime.engine import records
from wfc.runtime.store import Store
from wfc.runtime.values import MISSING, Column, ErrorInfo, Inline, Value

State = Literal["done", "failed", "retrying"]


@dataclass(frozen=True, slots=True)
class TaskInfo:
    """One task of a run. `started` in seconds since the epoch (0: not known); `seconds` is how long
    it ran, or its share of the batch that it ran in."""

    id: str
    state: State
    attempts: int = 1
    started: float = 0.0
    seconds: float = 0.0
    worker: str = ""
    error: ErrorInfo | None = None
    kept: bool = True


@dataclass(slots=True)
class _Task:
    info: TaskInfo
    value: Any = field(default=MISSING, repr=False)


def read(store: Store, run_id: str) -> Iterator[records.Record]:
    """The records of a run, unpacked."""
    for row in store.journal.read(run_id):
        yield RECORDS.unpack(row.data)


def tasks(found: Iterable[records.Record]) -> dict[str, TaskInfo]:
    """The tasks that have run, by id, in the order in which they were first heard of."""
    return {id: task.info for id, task in _fold(found).items()}


def value_of(found: Iterable[records.Record], task: str) -> Value:
    """The result of a task; raises `LookupError` when there is none (yet), or it was not kept."""
    known = _fold(found).get(task)
    if known is None:
        raise LookupError(f"no task {task} has run yet")
    if known.value is MISSING:
        raise LookupError(f"task {task} has no result: it {known.info.state}")
    value: Value = known.value
    return value


def _fold(found: Iterable[records.Record]) -> dict[str, _Task]:
    out: dict[str, _Task] = {}
    for record in found:
        if isinstance(record, records.Completed):
            _completed(record, out)
        elif isinstance(record, records.Advanced):
            id = _join(_instance(record.path, record.node, record.index), record.step)
            _done(out, TaskInfo(id, "done", started=record.at), record.value)
        elif isinstance(record, records.Attempted):
            _attempted(record, out)
    return out


def _instance(path: str, node: str, index: int) -> str:
    return f"{path}/{node}[{index}]" if node and index >= 0 else path


def _join(path: str, step: str) -> str:
    return f"{path}/{step}" if step else path


def _completed(record: records.Completed, out: dict[str, _Task]) -> None:
    count = len(record.indices)
    seconds = record.seconds / max(1, count)
    for name, chunk in record.columns.items():
        if name.startswith("="):
            continue
        values = _values(chunk)
        for offset, index in enumerate(record.indices):
            value = values[offset] if values is not None else None
            if value is not None and _absent(value):
                continue  # that element did not call it
            path = record.path if _unit(record) else _instance(record.path, record.node, index)
            info = TaskInfo(
                _join(path, name),
                "done",
                started=record.started,
                seconds=seconds,
                worker=record.worker,
                kept=values is not None,
            )
            _done(out, info, MISSING if value is None else value)


def _unit(record: records.Completed) -> bool:
    """Whether it is of a unit's calls (or one call), not of elements of a fan-out."""
    return record.node in record.columns


def _absent(value: Value) -> bool:
    return isinstance(value, Inline) and b"MISSING" in value.data and value.load() is MISSING


def _values(chunk: Any) -> list[Value] | None:
    if isinstance(chunk, int):
        return None
    if isinstance(chunk, Column):
        return [Inline(obj=item) for item in chunk.load()]
    return list(chunk)


def _done(out: dict[str, _Task], info: TaskInfo, value: Any) -> None:
    before = out.get(info.id)
    if before is not None and before.info.state != "done":
        info = replace(info, attempts=before.info.attempts + 1)
    out[info.id] = _Task(info, value)


def _attempted(record: records.Attempted, out: dict[str, _Task]) -> None:
    error = record.error
    id = error.task or _join(_instance(record.path, record.node, record.index), record.step)
    before = out.get(id)
    attempts = 1 + (before.info.attempts if before is not None else 0)
    state: State = "retrying" if record.retry_at is not None else "failed"
    out[id] = _Task(TaskInfo(id, state, attempts, record.at, error=error))


_INDEX = re.compile(r"\[\d+\]")
_HOP = re.compile(r"~\d+")


def without_indices(task: str) -> str:
    """What the elements of a fan-out and the hops of a recursion have in common: `main/xs[*]/f`."""
    return _HOP.sub("~*", _INDEX.sub("[*]", task))
