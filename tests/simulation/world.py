"""What a simulated run is made of: its plan, its functions, its processes, its values on "disk"."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.oracle.reference import CallRecord, Split
from tests.simulation.executor import Process
from tests.simulation.faults import USUAL
from wfc.plan.model import Plan
from wfc.runtime.codec import Buffer
from wfc.runtime.engine import Engine
from wfc.runtime.executors.pieces import Slicer, rebase
from wfc.runtime.linked import Linked
from wfc.runtime.policy import max_retries
from wfc.runtime.values import ErrorInfo
from wfc.runtime.work import Program, Report, Work
from wfc.runtime.worker.context import WATCH
from wfc.runtime.worker.dynamic import attempt, task_id
from wfc.runtime.worker.registry import Registry
from wfc.runtime.worker.runner import Runner


@dataclass(frozen=True, slots=True)
class Called:
    """A call of a task function that was really made: by which instance, with what."""

    task: str
    call: CallRecord


class WatchedEngine(Engine):
    """The engine, and how its waits were decided."""

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan)
        self.splits: dict[str, Split | None] = {}

    def _decide(self, wait: Any, timed_out: bool) -> None:
        scope, index = wait.scope, wait.node
        open_before = scope.state.get(index) is wait
        super()._decide(wait, timed_out)
        if not open_before or scope.state.get(index) is wait:
            return
        path = f"{scope.path}/{scope.g.nodes[index].node.id}"
        split = scope.state.get(("decided", index)) or wait.split
        if isinstance(split, ErrorInfo) or split is None:
            self.splits[path] = None
            return
        position = {k: i for i, k in enumerate(wait.indices)}
        failed = {k for k, _ in split.failed}
        absent = position.keys() - failed - {*split.ready, *split.rest}
        self.splits[path] = Split(
            tuple(sorted(position[k] for k in split.ready)),
            tuple(sorted(position[k] for k in failed)),
            split.timed_out,
            tuple(sorted(position[k] for k in absent)),
        )


class Values:
    """A value store in memory, which outlives every process."""

    def __init__(self) -> None:
        self.found: dict[str, bytes] = {}

    def put(self, key: str, buffers: Sequence[Buffer]) -> tuple[int, bytes]:
        data = b"".join(bytes(b) for b in buffers)
        self.found[key] = data
        return len(data), hashlib.blake2b(data, digest_size=16).digest()

    def get(self, key: str, size: int, seal: bytes) -> memoryview:
        data = self.found[key]
        assert len(data) == size
        assert hashlib.blake2b(data, digest_size=16).digest() == seal
        return memoryview(data).toreadonly()

    def delete(self, keys: Iterable[str]) -> None:
        for key in keys:
            self.found.pop(key, None)

    def list(self, prefix: str = "") -> Iterator[str]:
        yield from sorted(key for key in self.found if key.startswith(prefix))

    def sweep(self, run_id: str) -> int:
        return 0

    def close(self) -> None:
        pass


class Objects:
    """The executor's own store of large values, which dies with it. Handles are numbers."""

    def __init__(self) -> None:
        self.found: dict[int, Any] = {}
        self.made = 0

    def put_large(self, value: Any) -> int:
        self.made += 1
        self.found[self.made] = value
        return self.made

    def get_large(self, handle: int, size: int) -> Any:
        return self.found[handle]


class FlakyError(Exception):
    """What a task now and then raises that is tried again after it."""


def _retries(task: Any) -> int:
    """How often the task that runs may be tried again after `FlakyError`, its process being lost besides."""
    step = task.at[1] if hasattr(task, "at") else task.step
    options = getattr(getattr(step, "call", step), "options", {})
    listed = options.get("retry_exceptions") or ()
    return max_retries(options) - USUAL.losses if listed is True or "FlakyError" in listed else 0


@dataclass
class World:
    """Everything of a run that is not the coordinator."""

    plan: Plan
    functions: Mapping[str, Callable[..., Any]]
    linked: Linked
    calls: list[Called] = field(default_factory=list)
    values: Values = field(default_factory=Values)
    raises: Callable[[], bool] = field(default=lambda: False)

    def __post_init__(self) -> None:
        self.recorded = {name: self._recorded(fn) for name, fn in self.functions.items()}
        self.program = Program("simulated", b"", b"", "", b"", "digest")

    def _recorded(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(fn)
        def call(*args: Any, **kwargs: Any) -> Any:
            if attempt() <= _retries(WATCH.task) and self.raises():
                raise FlakyError
            self.note(fn, args, kwargs)
            return fn(*args, **kwargs)

        return call

    def note(self, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Take down a call that is made."""
        self.calls.append(Called(task_id(), CallRecord.of(fn, args, kwargs)))

    def engine(self) -> WatchedEngine:
        return WatchedEngine(self.plan)

    def process(self, objects: Objects, inline: int) -> Process:
        """A new process of the executor; larger values than `inline` bytes are not sent inline."""
        runner = Runner(
            self.program,
            objects,
            functions=self.recorded,
            store=self.values,
            capture=False,
            flush=0.0,
            inline=inline,
            worker="simulated",
        )
        runner._registry = Registry(self.linked, lambda: self.recorded)
        return Process(runner)

    @staticmethod
    def interpret(work: Work, offset: int, process: Process) -> Iterator[Report]:
        """Run one element for real, step by step."""
        piece = Slicer(work).cut(offset, offset + 1)
        for reports in process.runner.run([piece]):
            for report in reports:
                yield rebase(report, offset)
