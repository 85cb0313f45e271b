"""A frame of the interpreter, and the job (a work in this process) that frames belong to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from wfc.runtime.linked import DYNAMIC, LinkedGraph
from wfc.runtime.steps import CallStep, MapStep
from wfc.runtime.uses import names_used
from wfc.runtime.values import MISSING, Bound, Rows, Stored, Transient, Value
from wfc.runtime.work import Work
from wfc.runtime.worker.cells import (
    IMMUTABLE,
    Cell,
    Cells,
    Source,
    ValueGone,
    given,
    own_copy,
)
from wfc.runtime.worker.registry import Registry
from wfc.runtime.worker.secrets import secret

DEEP = 8
"""What was checkpointed inside frames that are nested deeper is not reported once they are done."""


class CallLike:
    """What a call is made with, where there is no step of the plan for it."""

    __slots__ = ("catch", "checkpoint", "id", "inplace", "kind", "options", "where")

    def __init__(
        self, where: Any, options: dict[str, Any], inplace: bool, checkpoint: bool
    ) -> None:
        self.kind = "resume"
        self.id = ""
        self.where = where
        self.options = options
        self.inplace = inplace
        self.checkpoint = checkpoint
        self.catch = False


class ResumeStep:
    """The call of a task that a frame has hopped to: `function(*args, **kwargs)`."""

    __slots__ = ("args", "call", "function", "id", "kind", "kwargs", "target")

    def __init__(
        self,
        call: CallLike,
        target: str,
        function: Any,
        args: Sequence[Any],
        kwargs: dict[str, Any],
    ) -> None:
        self.kind = "resume"
        self.call = call
        self.target = target
        self.id = target.split(":")[1] if target.startswith("$fn:") else target
        self.function = function
        self.args = args
        self.kwargs = kwargs


class Frame:
    """A graph being run: an element, a workflow's frame, a task that continues as a graph.

    `step` is the call in `parent` whose value it makes. `stack` holds where to go on after a branch:
    `(steps, position, branch, arm)`. `facts` are the cells of its calls by node id, `unsent` those
    not yet reported, `closed` the same of frames inside that are done. `state` says what the newest
    hop was: a workflow (its name), or a task or graph with all that is needed to make a `HopState`.
    `frozen` are the parameters of the hop as cells, made before somebody could change the objects.
    """

    __slots__ = (
        "catches",
        "checkpoint",
        "closed",
        "depth",
        "env",
        "facts",
        "frozen",
        "hop",
        "hopped",
        "mute",
        "parent",
        "pos",
        "src",
        "stack",
        "state",
        "step",
        "steps",
        "unsent",
    )

    def __init__(
        self,
        steps: Sequence[Any],
        env: dict[str, Any],
        parent: Frame | None = None,
        step: Any = None,
        checkpoint: bool = True,
    ) -> None:
        self.steps = steps
        self.pos = 0
        self.env = env
        self.parent = parent
        self.step = step
        self.checkpoint = checkpoint
        self.depth: int = 0 if parent is None else parent.depth + 1
        self.stack: list[tuple[Sequence[Any], int, Any, int]] = []
        self.src: dict[str, Source] = {}
        self.facts: dict[str, Cell] = {}
        self.unsent: dict[str, Cell] = {}
        self.closed: list[tuple[str, Cell]] = []
        self.hop = 0
        self.hopped = False
        self.mute: bool = parent is not None and parent.mute
        self.catches = 0
        self.state: Any = None
        self.frozen: dict[str, Value] | None = None

    def path(self) -> str:
        """Relative to the work, without hops."""
        parts: list[str] = []
        frame = self
        while frame.parent is not None:
            parts.append(frame.step.id)
            frame = frame.parent
        return "/".join(reversed(parts))

    def join(self, node: str) -> str:
        """The relative path of a node of this frame."""
        path = self.path()
        return f"{path}/{node}" if path and node else path or node

    def hops(self) -> str:
        """As `path`, with the hops of the frames inside the work's own."""
        parts: list[str] = []
        frame = self
        while frame.parent is not None:
            name = frame.step.id
            parts.append(f"{name}~{frame.hop}" if frame.hop else name)
            frame = frame.parent
        return "/".join(reversed(parts))


def own_argument(frame: Frame, name: str | None, part: Any) -> Any:
    """An argument of a plain call: a copy of its own. `name` is what it is the value of, if it is
    nothing more."""
    if name is not None:
        value = frame.env.get(name, MISSING)
        if type(value) in IMMUTABLE:
            return value
        source = frame.src.get(name)
        if source is not None and not isinstance(source.value, Bound):
            return given(source.fresh())
    return own_copy(given(part(frame.env)))


def task_arguments(frame: Frame, step: CallStep) -> tuple[Sequence[Any], dict[str, Any]]:
    """The arguments of a task call: the very objects if it is inplace, copies otherwise."""
    if step.inplace:
        very, more = step.arguments(frame.env)
        if more or not IMMUTABLE.issuperset(map(type, very)):
            return [given(a) for a in very], {key: given(a) for key, a in more.items()}
        return very, more
    args = [own_argument(frame, name, part) for name, part in step.parts]
    if not step.named:
        return args, {}
    return args, {key: own_argument(frame, name, part) for key, name, part in step.named}


def attempt_of(failures: dict[str, int] | None, task: str) -> int:
    """Which attempt of a task it is, from 1; `failures` as in `Work`."""
    return 1 + failures.get(task, 0) + failures.get("", 0) if failures else 1


class Job:
    """A work, made ready to be run in this process."""

    def __init__(self, work: Work, cells: Cells, registry: Registry) -> None:
        self.work = work
        self.cells = cells
        self.registry = registry
        self.graph = self._graph(work)
        self.map: MapStep | None = self.graph.map_step() if work.map is not None else None
        self.steps: Sequence[Any] = self.graph.steps
        if work.nodes is not None:
            self.steps = [self._find(node) for node in work.nodes]
        self.whole = work.nodes is None and work.map is None
        self.parked = work.park or work.home is not None
        self.home = work.home if work.home is not None else work.id
        self.exported = self._exported()
        self.env: dict[str, Any] = {"$secret": secret}
        self.src: dict[str, Source] = {}
        self.items: list[Cell] = cells.items(work.items) if work.items is not None else [None]
        self.count = len(work.indices)
        calls = [step for step in self.steps if isinstance(step, CallStep)]
        self.durable = work.checkpoint and (not calls or any(call.checkpoint for call in calls))

    def _graph(self, work: Work) -> LinkedGraph:
        if work.graph == DYNAMIC or work.graph.startswith(DYNAMIC + "/"):
            assert work.dynamic is not None, "a dynamic work comes with its graph"
            return self.registry.take(work.dynamic, self.cells.load).find(work.graph)
        return self.registry.linked.graph(work.graph)

    def _find(self, node: str) -> Any:
        """A node of a unit: of the graph itself, or of an arm of a branch in it."""
        if node in self.graph.index:
            return self.graph.step(node)
        raise LookupError(f"no node {node!r} in {self.graph.address}")

    def _exported(self) -> frozenset[str]:
        """The names whose values somebody outside of the work needs, kept or not."""
        if self.map is not None:
            return frozenset(o.column for o in self.map.outputs if o.column is not None)
        if self.whole:
            return frozenset()
        inside = {step.index for step in self.steps}
        wanted: set[str] = set()
        for step in self.graph.steps:
            if step.index not in inside:
                wanted.update(step.needs)
        wanted.update(self.graph.gives)
        covered = any(u.kind == "region" and set(u.positions) <= inside for u in self.graph.units)
        if (self.graph.regions and not covered) or len(self.steps) == 1:
            wanted.update(step.id for step in self.steps)
        return frozenset(wanted)

    # ------------------------------------------------------------------ environment

    def open(self) -> None:
        """Objects for what expressions use; what only plain calls take as it is stays a
        source. Raises `ValueGone`, `StorageError`, or what unpickling raises."""
        used = _in_expressions(self)
        table = self.cells.homes.get(self.work.home, {}) if self.work.home is not None else {}
        for name, value in self.work.env.items():
            very = table.get(f"{self.work.path}/{name}", MISSING)
            source = Source(value, self.cells.load)
            if very is not MISSING:
                source._very = very
                if isinstance(value, Bound):
                    self.env[name] = very
                    continue
            if isinstance(value, Bound):
                self.env[name] = source.very()
                continue
            if used is None or name in used:
                self.env[name] = source.very()
            self.src[name] = source

    def lost(self) -> tuple[str, ...]:
        """The names of the environment whose values are gone."""
        names = []
        for name, value in self.work.env.items():
            try:
                self.cells.load(value)
            except ValueGone:
                names.append(name)
        return tuple(names) or ("items",)

    # ------------------------------------------------------------------ paths

    def path(self, offset: int, origin: str | None = None) -> str:
        """The id of the scope of an element (or of the frame), without the frame's own hops."""
        work = self.work
        if work.map is not None:
            return f"{work.path}/{origin or work.map}[{work.indices[offset]}]"
        if origin is not None and work.element is not None:
            return f"{work.element[0]}/{origin}[{work.element[1]}]"
        return work.path.removesuffix(f"~{work.hop}") if work.hop else work.path


def _in_expressions(job: Job) -> set[str] | None:
    """The names that the job needs as objects at once: all but those that are arguments of plain
    task calls and nothing else. `None`: all (none are large)."""
    if not any(_is_large(value) for value in job.work.env.values()):
        return None
    used: set[str] = set()
    for step in job.steps:
        if isinstance(step, CallStep) and step.callee == "task" and not step.inplace:
            for part in (*step.node.args, *step.node.kwargs.values()):
                if part[0] != "name":
                    used.update(name for name, _ in names_used(part))
        else:
            used.update(step.needs)
    for output in job.map.node.outputs if job.map is not None else ():
        for part in (output.value, output.key, output.when):
            if part is not None:
                used.update(name for name, _ in names_used(part))
    return used


def _is_large(value: Any) -> bool:
    return isinstance(value, Stored | Transient) or (
        isinstance(value, Rows)
        and any(
            isinstance(chunk, list) and any(_is_large(v) for v in chunk) for chunk in value.chunks
        )
    )
