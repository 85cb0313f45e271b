"""A graph of calls computed on the spot, in plain Python: what `continuation` does outside a run."""

from __future__ import annotations

import math
from typing import Any

from wfc.runtime.values import MISSING, Result, WaitResult
from wfc.runtime.worker.dynamic import (
    CallHandle,
    Handle,
    ReceiveHandle,
    SleepHandle,
    WaitHandle,
    WaitPart,
    pause,
    target_name,
)
from wfc.runtime.worker.errors import error_info
from wfc.runtime.worker.graphs import in_order, replace_handles


def compute(graph: Any) -> Any:
    """The value of a graph of calls, each made once, in the order that it asks for."""
    made: dict[int, Any] = {}
    for handle in in_order(graph, lazy_waits=True):
        made[id(handle)] = _value(handle, made)
    return replace_handles(graph, lambda h: _value_of(h, made))


def _value_of(handle: Handle, made: dict[int, Any]) -> Any:
    if isinstance(handle, WaitPart):
        ready, pending, failed = _split(handle.wait, made)
        if handle.part == "pending":
            return [_member(m, made) for m in pending]
        return {"ready": ready, "failed": failed, "timed_out": False}[handle.part]
    return made[id(handle)]


def _value(handle: Handle, made: dict[int, Any]) -> Any:
    if isinstance(handle, CallHandle):
        args = [replace_handles(a, lambda h: _value_of(h, made)) for a in handle.args]
        kwargs = {
            k: replace_handles(a, lambda h: _value_of(h, made)) for k, a in handle.kwargs.items()
        }
        if not handle.catch:
            return handle.target(*args, **kwargs)
        try:
            return Result(True, handle.target(*args, **kwargs))
        except Exception as error:
            return Result(False, error=error_info(error, target_name(handle.target)))
    if isinstance(handle, SleepHandle):
        pause(handle.seconds)
        return None
    if isinstance(handle, WaitHandle) and handle.catch:
        return _caught_wait(handle, made)
    if isinstance(handle, ReceiveHandle):
        raise RuntimeError(f"receive({handle.signal!r}) needs a run: nobody can send a signal here")
    return None


def _caught_wait(wait: WaitHandle, made: dict[int, Any]) -> Result:
    try:
        ready, pending, failed = _split(wait, made)
    except Exception as error:
        return Result(False, error=error_info(error, repr(wait)))
    rest = [_member(m, made) for m in pending]
    return Result(True, WaitResult(ready, rest, failed, False))  # type: ignore[arg-type]


def _members(wait: WaitHandle, made: dict[int, Any]) -> list[Any]:
    if isinstance(wait.members, WaitPart):
        return list(_split(wait.members.wait, made)[1])
    if isinstance(wait.members, list):
        return wait.members
    raise RuntimeError("a pending value of a run cannot be waited for without one")


def _member(handle: Handle, made: dict[int, Any]) -> Any:
    if id(handle) not in made:
        for inner in in_order(handle, lazy_waits=True):
            if id(inner) not in made:
                made[id(inner)] = _value(inner, made)
    return made[id(handle)]


def _split(wait: WaitHandle, made: dict[int, Any]) -> tuple[list[Any], list[Any], list[Any]]:
    """Ready results, pending members, failures: members are computed in order until enough are."""
    found = made.get(id(wait), MISSING)
    if isinstance(found, tuple):
        return found
    members = _members(wait, made)
    count = {
        "all": len(members),
        "any": 1,
        "count": wait.quorum,
        "percent": math.ceil(len(members) * (wait.quorum or 0) / 100),
    }[wait.form]
    ready: list[Any] = []
    failed: list[Any] = []
    pending: list[Any] = []
    for member in members:
        if len(ready) >= count:
            pending.append(member)
            continue
        try:
            ready.append(_member(member, made))
        except Exception as error:
            failed.append(error_info(error, repr(member)))
    if len(ready) < count:
        why = "; ".join(f"{e.type}: {e.message}" for e in failed)
        raise RuntimeError(f"only {len(ready)} of {count} calls can be had: {why}")
    made[id(wait)] = (ready, pending, failed)
    return ready, pending, failed
