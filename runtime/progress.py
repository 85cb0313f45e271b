"""How a run stands right now: for the live view, and for others to read while the run goes on.

Read from the engine and the executor, never kept by them: nothing here costs anything per task.
"""

from __future__ import annotations

import heapq
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from wfc.runtime.engine.state import DONE, DROPPED, FAILED, Scope

if TYPE_CHECKING:
    from wfc.runtime.engine import Engine
    from wfc.runtime.work import Executor, Work

TASKS, GROUPS, WAITS = 100, 200, 50
"""How many running tasks, groups and waits a moment tells of, at most."""


@dataclass(frozen=True, slots=True)
class Group:
    """The calls of a workflow, or the elements of a fan-out: how many there are in which state.

    Groups whose paths differ in indices and hops alone are told as one, with `*` in their place.
    `cached` were done before this attempt at the run.
    """

    path: str
    kind: str
    total: int = 0
    done: int = 0
    running: int = 0
    failed: int = 0
    cached: int = 0


@dataclass(frozen=True, slots=True)
class Waiting:
    """Something that the run waits for besides tasks: a `signal` by name, or a timer.

    `kind` of a timer is `sleep`, `retry` or `wait` (a wait's timeout). `due`, in seconds since the
    epoch, is when a timer goes off, or a signal's timeout if it has one.
    """

    kind: str
    name: str
    due: float | None = None


@dataclass(frozen=True, slots=True)
class Moment:
    """A run at a time (`at`, seconds since the epoch). `running` are ids of tasks, with how many
    seconds each has run, the longest first; `queued` are those that wait for a place."""

    at: float
    counts: dict[str, int] = field(default_factory=dict)
    groups: list[Group] = field(default_factory=list)
    waits: list[Waiting] = field(default_factory=list)
    running: list[tuple[str, float]] = field(default_factory=list)
    queued: int = 0

    @property
    def news(self) -> object:
        """What is new in a moment when this differs from that of the one before."""
        running = sorted(id for id, _ in self.running)
        return self.counts, self.groups, self.waits, running, self.queued

    def to_json(self) -> str:
        """As text that `from_json` reads."""
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Moment:
        """A moment as it was written; raises `ValueError` for anything else."""
        found = json.loads(text)
        try:
            found["groups"] = [Group(**group) for group in found["groups"]]
            found["waits"] = [Waiting(**wait) for wait in found["waits"]]
            found["running"] = [(str(id), float(s)) for id, s in found["running"]]
            return cls(**found)
        except (TypeError, KeyError) as error:
            raise ValueError(f"no moment of a run: {error}") from None


def moment(
    engine: Engine, executor: Executor, now: float, cached: Mapping[str, int] | None = None
) -> Moment:
    """How the run stands. `cached` are the groups' counts of what was done before this attempt."""
    state = executor.running()
    tasks: list[tuple[Work, int, float]] = state.get("tasks", [])
    return Moment(
        now,
        dict(engine.counts),
        groups(engine, cached or {}, tasks)[:GROUPS],
        waits(engine),
        [(_task(engine, work, at), seconds) for work, at, seconds in tasks[:TASKS]],
        int(state.get("queued", 0)),
    )


# ---------------------------------------------------------------------------------------- groups


def groups(
    engine: Engine, cached: Mapping[str, int], tasks: Sequence[tuple[Work, int, float]] = ()
) -> list[Group]:
    """The workflows that are under way, and all fan-outs. `tasks` are those that run (work, offset,
    seconds): what the engine has handed out may wait for a place."""
    many = len(engine.fans) + len(engine.frames) > GROUPS
    running = Counter(w.path if w.map is None else f"{w.path}/{w.map}" for w, _, _ in tasks)
    sums: dict[tuple[str, str], list[int]] = {}
    for path, frame in engine.frames.items():
        if frame.scope is not None and frame.dynamic is None:
            total, done, failed = _calls(frame.scope)
            now = running[frame.hopped_path]
            _add(sums, _pattern(path) if many else path, "workflow", total, done, now, failed)
    for (path, name), fan in engine.fans.items():
        kind = "fan-out" if fan.members is None else "group"
        where = f"{path}/{name}"
        done, failed = fan.status.count(DONE), fan.status.count(FAILED)
        key = _pattern(where) if many else where
        _add(sums, key, kind, fan.count, done, running[where], failed)
    return [
        Group(
            path, kind, found[0], found[1], found[2], found[3], min(found[1], cached.get(path, 0))
        )
        for (path, kind), found in sums.items()
    ]


def _add(sums: dict[tuple[str, str], list[int]], path: str, kind: str, *found: int) -> None:
    if found[0]:
        before = sums.get((path, kind), (0, 0, 0, 0))
        sums[path, kind] = [a + b for a, b in zip(before, found, strict=True)]


def _calls(scope: Scope) -> list[int]:
    """How many calls there are in a frame's graphs (those of arms that are open too): in all, done,
    failed."""
    out = [0, 0, 0]
    todo = [scope]
    while todo:
        scope = todo.pop()
        for info in scope.g.nodes:
            if info.node.kind == "call":
                state = scope.status[info.index]
                out[0] += state != DROPPED
                out[1] += state == DONE
                out[2] += state == FAILED
        arms = ("arm", "then")
        todo += (c for c in scope.children if isinstance(c, Scope) and c.owner[0] in arms)
    return out


_INDEX = re.compile(r"\[\d+\]|~\d+")


def _pattern(path: str) -> str:
    """A path with a star in place of each index and each number of a hop."""
    return _INDEX.sub(lambda found: "[*]" if found[0][0] == "[" else "~*", path)


# ----------------------------------------------------------------------------------------- waits


def waits(engine: Engine) -> list[Waiting]:
    """What it waits for, signals first, then the timers that are due soonest."""
    timers = [one for one in engine.timers if one[1] in engine.timer_calls]
    due = {key: at for at, key in heapq.nsmallest(2 * WAITS, timers)}
    out = []
    for name, queue in engine.receivers.items():
        for scope, index in queue:
            if scope.alive and scope.state.get(("signal", index)) == name:
                key = f"{scope.path}/{scope.g.nodes[index].node.id}"
                out.append(Waiting("signal", name, due.pop(key, None)))
                break
    for key, at in due.items():
        path, _, what = key.partition("!")
        kind = what or _node_kind(engine, path)
        if kind in ("sleep", "retry", "wait"):
            out.append(Waiting(kind, path, at))
    return out[:WAITS]


def _node_kind(engine: Engine, path: str) -> str:
    """The kind of the node at a path: ids of nodes may have slashes of their own."""
    at = path.rfind("/")
    while at > 0:
        found = engine.locate(path[:at], path[at + 1 :])
        if found is not None:
            scope, index = found
            return scope.g.nodes[index].node.kind
        at = path.rfind("/", 0, at)
    return ""


# ------------------------------------------------------------------------------------- the tasks


def _task(engine: Engine, work: Work, at: int) -> str:
    """The id of a task that runs: of the element, where it is not known which of several it is."""
    path, nodes = work.path, work.nodes or ()
    if work.map is not None:
        path = f"{path}/{work.map}[{work.indices[at]}]"
        dispatch = engine.works.get(work.id)
        if dispatch is not None:
            body = dispatch.scope.g.inner.get(work.map)
            nodes = tuple(n.node.id for n in body.nodes if n.node.kind == "call") if body else ()
    return f"{path}/{nodes[0]}" if len(nodes) == 1 else path
