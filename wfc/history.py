"""What a run's journal tells of its tasks."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from wfc.plan.model import BranchNode, CallNode, MapNode, Plan
from wfc.runtime.coordinator import RECORDS
from wfc.runtime.engine import records
from wfc.runtime.progress import Moment
from wfc.runtime.store import Store
from wfc.runtime.values import MISSING, Column, ErrorInfo, Inline, Result, Stored, Value

State = Literal["running", "done", "failed", "retrying", "caught"]


@dataclass(frozen=True, slots=True)
class TaskInfo:
    """One task of a run. `caught`: it failed, and a `catch` made a value of that.

    `started` in seconds since the epoch (0: not known); `seconds` is how long it ran, or its share of
    the batch that it ran in. `size` is that of its result in bytes, as it is stored, or its share of
    what is stored with it (`None`: it is not kept).
    """

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
        self._known = _fold(found, _Names(plan))
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


class _Names:
    """What ids of the plan stand for: `fans` are fan-outs, `others` are no calls of anything."""

    def __init__(self, plan: Plan) -> None:
        self.fans: set[str] = set()
        self._origins: dict[str, dict[str, str | None]] = {}
        self._catches: dict[str, set[bool]] = {}
        calls: set[str] = set()
        others: set[str] = set()
        todo = [w.body for w in plan.workflows.values()]
        todo += [w.finally_ for w in plan.workflows.values() if w.finally_ is not None]
        while todo:
            for node in todo.pop().nodes:
                (calls if node.kind in ("call", "continuation") else others).add(node.id)
                if isinstance(node, CallNode):
                    self._catches.setdefault(node.id, set()).add(node.catch)
                if isinstance(node, MapNode):
                    self.fans.add(node.id)
                    todo.append(node.body)
                    self._moved(node)
                elif isinstance(node, BranchNode):
                    todo += [arm.body for arm in node.arms]
                    todo += [graph for graph in (node.orelse, node.then) if graph is not None]
        self._others = others - calls

    def _moved(self, fan: MapNode) -> None:
        """Calls that a pass has moved into a fan-out keep the ids that they had before."""
        for node in fan.body.nodes:
            if isinstance(node, CallNode) and node.origin:
                known = self._origins.setdefault(fan.id, {})
                if known.setdefault(node.id, node.origin) != node.origin:
                    known[node.id] = None  # fan-outs of two workflows: not to be told apart here

    def instance(self, path: str, node: str, index: int, step: str) -> str:
        """The id of the task at `step` of an instance of a node."""
        if node and index >= 0:
            path = f"{path}/{node}[{index}]"
        if path.endswith("]"):
            path = self._before(path, step)
        return f"{path}/{step}" if step else path

    def _before(self, path: str, step: str) -> str:
        """The path of an element, as it is for a call that was moved into its fan-out."""
        element, _, index = path.rpartition("[")
        for fan, origins in self._origins.items():
            if element.endswith(f"/{fan}"):
                for call, origin in origins.items():
                    if origin and (step == call or step.startswith(f"{call}/")):
                        return f"{element.removesuffix(fan)}{origin}[{index}"
        return path

    def caught(self, task: str) -> bool:
        """Whether a failure of a task is a `catch`'s: every call of that name stands under one."""
        name = _INDEX.sub("", task.rpartition("/")[2])
        return self._catches.get(name) == {True}

    def is_call(self, path: str) -> bool:
        """Whether a relative path may be that of a call: ids have slashes of their own."""
        while path not in self._others:
            _, sign, path = path.partition("/")
            if not sign:
                return True
        return False


def _fold(found: Iterable[records.Record], names: _Names) -> dict[str, _Task]:
    out: dict[str, _Task] = {}
    for record in found:
        if isinstance(record, records.Completed):
            _completed(record, out, names)
        elif isinstance(record, records.Advanced):
            id = names.instance(record.path, record.node, record.index, record.step)
            size = _size(record.value)
            _done(out, TaskInfo(id, "done", started=record.at, size=size), record.value)
        elif isinstance(record, records.Attempted):
            _attempted(record, out, names)
    return out


def read(store: Store, run_id: str) -> Iterator[records.Record]:
    """The records of a run, unpacked."""
    for row in store.journal.read(run_id):
        yield RECORDS.unpack(row.data)


def with_running(known: dict[str, TaskInfo], moment: Moment, now: float) -> dict[str, TaskInfo]:
    """The tasks, with those that ran at a moment, and so have gone on until `now`."""
    out = dict(known)
    for id, seconds in moment.running:
        before = known.get(id)
        if before is not None and before.state == "done":
            continue  # it has ended since
        attempts = 1 + (before.attempts if before is not None else 0)
        began = moment.at - seconds
        out[id] = TaskInfo(id, "running", attempts, began, now - began, kept=False)
    return out


def _completed(record: records.Completed, out: dict[str, _Task], names: _Names) -> None:
    count = len(record.indices)
    unit = _unit(record, names)
    calls = sum(not name.startswith("=") and names.is_call(name) for name in record.columns)
    seconds = record.seconds / max(1, count * calls)
    for name, chunk in record.columns.items():
        if name.startswith("=") or (isinstance(chunk, int) and not names.is_call(name)):
            continue  # an output, or an expression or branch that its work has passed
        share = len(chunk.data) // max(1, count) if isinstance(chunk, Column) else 0
        for offset, (index, value) in enumerate(zip(record.indices, _values(chunk), strict=False)):
            if value is None:
                continue  # that element did not call it
            node = "" if unit else record.node
            kept = value is not _UNKEPT
            info = TaskInfo(
                names.instance(record.path, node, index, name),
                "done",
                started=record.started + offset * seconds * calls if record.started else 0.0,
                seconds=seconds,
                worker=record.worker,
                kept=kept,
                size=_size(value, share) if kept else None,
            )
            _done(out, info, value if kept else MISSING)


def _unit(record: records.Completed, names: _Names) -> bool:
    """Whether it is of a unit's calls (or one call), not of elements of a fan-out. A fan-out without
    a name of its own has that of the call in it."""
    alone = len(record.indices) == 1 and record.indices[0] == 0
    return alone and record.node in record.columns and record.node not in names.fans


_UNKEPT: Any = object()
"""Stands for the value of a task of which only is known that it ran."""


def _values(chunk: Any) -> Iterator[Any]:
    """The values of a column: `None` where an element did not make the call."""
    if isinstance(chunk, int):
        yield from [_UNKEPT] * chunk
    elif isinstance(chunk, Column):
        yield from (None if item is MISSING else Inline(obj=item) for item in chunk.load())
    else:
        yield from (None if _absent(value) else value for value in chunk)


def _absent(value: Value) -> bool:
    return isinstance(value, Inline) and value.mentions(b"MISSING") and value.load() is MISSING


def _caught(value: Any) -> ErrorInfo | None:
    """The failure that a `catch` made a value of."""
    found = value.peek(b"Result") if isinstance(value, Inline) else None
    return found.error if type(found) is Result and not found.ok else None


def _size(value: Value, share: int = 0) -> int | None:
    """Bytes of a value as it is stored; `share` is that of one of several in one place."""
    if isinstance(value, Stored):
        return value.size
    return share or (len(value.data) if isinstance(value, Inline) else None)


def _done(out: dict[str, _Task], info: TaskInfo, value: Any) -> None:
    before = out.get(info.id)
    if before is not None and before.info.state in ("retrying", "failed"):
        info = replace(info, attempts=before.info.attempts + 1)
    error = _caught(value)
    if error is not None:
        info = replace(
            info, state="caught", error=error, attempts=max(info.attempts, error.attempts)
        )
    out[info.id] = _Task(info, value)


def _attempted(record: records.Attempted, out: dict[str, _Task], names: _Names) -> None:
    error = record.error
    id = error.task or names.instance(record.path, record.node, record.index, record.step)
    before = out.get(id)
    attempts = 1 + (before.info.attempts if before is not None else 0)
    state: State = "caught" if names.caught(id) else "failed"
    if record.retry_at is not None:
        state = "retrying"
    out[id] = _Task(TaskInfo(id, state, attempts, record.at, error=error))


_INDEX = re.compile(r"\[\d+\]")
_HOP = re.compile(r"~\d+")


def without_indices(task: str) -> str:
    """What the elements of a fan-out and the hops of a recursion have in common: `main/xs[*]/f`."""
    return _HOP.sub("~*", _INDEX.sub("[*]", task))
