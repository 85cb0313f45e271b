"""What a run's journal tells of its tasks."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from wfc.plan.model import BranchNode, MapNode, Plan
from wfc.runtime.coordinator import RECORDS
from wfc.runtime.engine import records
from wfc.runtime.progress import Moment
from wfc.runtime.store import Store
from wfc.runtime.values import MISSING, Column, ErrorInfo, Inline, Stored, Value

State = Literal["running", "done", "failed", "retrying"]


@dataclass(frozen=True, slots=True)
class TaskInfo:
    """One task of a run. `started` in seconds since the epoch (0: not known); `seconds` is how long
    it ran, or its share of the batch that it ran in. `size` is that of its result in bytes, as it is
    stored, or its share of what is stored with it (`None`: it is not kept)."""

    id: str
    state: State
    attempts: int = 1
    started: float = 0.0
    seconds: float = 0.0
    worker: str = ""
    error: ErrorInfo | None = None
    kept: bool = True
    size: int | None = None


@dataclass(slots=True)
class _Task:
    info: TaskInfo
    value: Any = field(default=MISSING, repr=False)


class History:
    """What the records of a run tell: `tasks` are those that have run, by id, in the order in which
    they were first heard of."""

    def __init__(self, plan: Plan, found: Iterable[records.Record]) -> None:
        self._known = _fold(found, _fans(plan))
        self.tasks = {id: task.info for id, task in self._known.items()}

    def value(self, task: str) -> Value:
        """The result of a task; raises `LookupError` when there is none (yet), or it was not kept."""
        known = self._known.get(task)
        if known is None:
            raise LookupError(f"no task {task} has run yet")
        if known.value is MISSING:
            raise LookupError(f"task {task} has no result: it {known.info.state}")
        value: Value = known.value
        return value


def _fans(plan: Plan) -> set[str]:
    """The ids of all fan-outs."""
    found: set[str] = set()
    todo = [w.body for w in plan.workflows.values()]
    todo += [w.finally_ for w in plan.workflows.values() if w.finally_ is not None]
    while todo:
        for node in todo.pop().nodes:
            if isinstance(node, MapNode):
                found.add(node.id)
                todo.append(node.body)
            elif isinstance(node, BranchNode):
                todo += [arm.body for arm in node.arms]
                todo += [graph for graph in (node.orelse, node.then) if graph is not None]
    return found


def _fold(found: Iterable[records.Record], fans: Container[str]) -> dict[str, _Task]:
    out: dict[str, _Task] = {}
    for record in found:
        if isinstance(record, records.Completed):
            _completed(record, out, fans)
        elif isinstance(record, records.Advanced):
            id = _join(_instance(record.path, record.node, record.index), record.step)
            size = _size(record.value)
            _done(out, TaskInfo(id, "done", started=record.at, size=size), record.value)
        elif isinstance(record, records.Attempted):
            _attempted(record, out)
    return out


def read(store: Store, run_id: str) -> Iterator[records.Record]:
    """The records of a run, unpacked."""
    for row in store.journal.read(run_id):
        yield RECORDS.unpack(row.data)


def with_running(known: dict[str, TaskInfo], moment: Moment) -> dict[str, TaskInfo]:
    """The tasks, with those that run at this moment."""
    out = dict(known)
    for id, seconds in moment.running:
        before = known.get(id)
        if before is not None and before.state == "done":
            continue  # it has ended since
        attempts = 1 + (before.attempts if before is not None else 0)
        out[id] = TaskInfo(id, "running", attempts, moment.at - seconds, seconds, kept=False)
    return out


def _instance(path: str, node: str, index: int) -> str:
    return f"{path}/{node}[{index}]" if node and index >= 0 else path


def _join(path: str, step: str) -> str:
    return f"{path}/{step}" if step else path


def _completed(record: records.Completed, out: dict[str, _Task], fans: Container[str]) -> None:
    count = len(record.indices)
    unit = _unit(record, fans)
    calls = sum(not name.startswith("=") for name in record.columns)
    seconds = record.seconds / max(1, count * calls)
    for name, chunk in record.columns.items():
        if name.startswith("="):
            continue
        values = _values(chunk)
        share = len(chunk.data) // max(1, count) if isinstance(chunk, Column) else 0
        for offset, index in enumerate(record.indices):
            value = values[offset] if values is not None else None
            if value is not None and _absent(value):
                continue  # that element did not call it
            path = record.path if unit else _instance(record.path, record.node, index)
            info = TaskInfo(
                _join(path, name),
                "done",
                started=record.started + offset * seconds * calls if record.started else 0.0,
                seconds=seconds,
                worker=record.worker,
                kept=values is not None,
                size=None if value is None else _size(value, share),
            )
            _done(out, info, MISSING if value is None else value)


def _unit(record: records.Completed, fans: Container[str]) -> bool:
    """Whether it is of a unit's calls (or one call), not of elements of a fan-out. A fan-out without
    a name of its own has that of the call in it."""
    alone = len(record.indices) == 1 and record.indices[0] == 0
    return alone and record.node in record.columns and record.node not in fans


def _absent(value: Value) -> bool:
    return isinstance(value, Inline) and b"MISSING" in value.data and value.load() is MISSING


def _values(chunk: Any) -> list[Value] | None:
    if isinstance(chunk, int):
        return None
    if isinstance(chunk, Column):
        return [Inline(obj=item) for item in chunk.load()]
    return list(chunk)


def _size(value: Value, share: int = 0) -> int | None:
    """Bytes of a value as it is stored; `share` is that of one of several in one place."""
    if isinstance(value, Stored):
        return value.size
    return share or (len(value.data) if isinstance(value, Inline) else None)


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
