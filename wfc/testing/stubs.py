"""What a run under test calls: the functions of its plan, some of them replaced, all calls noted."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from wfc import stored
from wfc.dsl.suggest import nearest
from wfc.plan.model import Plan
from wfc.runtime import functions
from wfc.runtime.codec import Buffer
from wfc.runtime.linked import Linked
from wfc.runtime.worker.dynamic import attempt, task_id
from wfc.runtime.worker.registry import Declared, Registry

Stubs: TypeAlias = "Mapping[str, Callable[..., Any]]"
"""Functions to call in the place of tasks, by the tasks' names in the spec."""


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a task that was made: `task` is its name in the spec, `id` its instance
    (`main/orders[2]/read`), `attempt` counts from 1, `at` is in virtual seconds since the start."""

    task: str
    id: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    attempt: int
    at: float


def checked(plan: Plan, stubs: Stubs) -> Stubs:
    """The stubs, of which each has its task. Raises `LookupError` for one of no task, `TypeError` for
    one that cannot be called."""
    for name, stub in stubs.items():
        if name not in plan.tasks:
            near = nearest(name, list(plan.tasks))
            hint = f": did you mean {near!r}?" if near else f"; it has {', '.join(plan.tasks)}"
            raise LookupError(f"the spec has no task {name!r} to replace{hint}")
        if not callable(stub):
            raise TypeError(f"the stub of {name!r} cannot be called: make it lambda *_: {stub!r}")
    return stubs


def loaded(plan: Plan, stubs: Iterable[str]) -> dict[str, Callable[..., Any]]:
    """The functions of a plan by task, but for those that stubs stand for: these are not imported.

    Raises `FunctionsError` for a function that is not to be had.
    """
    real = {name: task for name, task in plan.tasks.items() if name not in set(stubs)}
    wanted = {task.module for task in real.values()}
    others = {task.module for task in plan.tasks.values()} - wanted
    imports = [found for found in plan.imports if found.module not in others]
    return functions.load(
        stored.bundle(plan.model_copy(update={"tasks": real, "imports": imports}))
    )


class Noted(Registry):
    """A registry that notes each call of the spec's tasks in `calls`.

    A function that tasks call by itself (`wfc.call(f)`) is looked up by its name: so a stub stands
    for it there too. `now` gives the virtual seconds since the run's start.
    """

    def __init__(
        self,
        linked: Linked,
        found: Mapping[str, Callable[..., Any]],
        calls: list[Call],
        now: Callable[[], float],
    ) -> None:
        self._calls = calls
        self._now = now
        noted = {name: self._noted(name, function) for name, function in found.items()}
        self._named = {
            (task.module, task.qualname): name
            for name, task in linked.plan.tasks.items()
            if not task.options and not task.inplace and task.checkpoint is True
        }
        super().__init__(linked, lambda: noted)

    def _noted(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            self._calls.append(Call(name, task_id(), args, kwargs, attempt(), self._now()))
            return function(*args, **kwargs)

        return call

    def resolve(self, target: Any) -> tuple[str, Literal["task", "workflow"], Declared]:
        """See `Registry`."""
        name = None if isinstance(target, str) else self._named.get(functions.real_name(target))
        return super().resolve(target if name is None else name)


@dataclass(slots=True)
class MemoryValues:
    """A `ValueStore` in memory, which outlives the processes that are made to crash."""

    found: dict[str, bytes] = field(default_factory=dict)

    def put(self, key: str, buffers: Sequence[Buffer]) -> tuple[int, bytes]:
        """See `ValueStore`."""
        data = self.found[key] = b"".join(bytes(buffer) for buffer in buffers)
        return len(data), b""

    def get(self, key: str, size: int, seal: bytes) -> memoryview:
        """See `ValueStore`."""
        return memoryview(self.found[key])

    def delete(self, keys: Iterable[str]) -> None:
        """See `ValueStore`."""
        for key in list(keys):
            self.found.pop(key, None)

    def list(self, prefix: str = "") -> Iterator[str]:
        """See `ValueStore`."""
        inside = f"{prefix}/" if prefix else ""
        yield from sorted(key for key in self.found if key == prefix or key.startswith(inside))

    def sweep(self, run_id: str) -> int:
        """See `ValueStore`: nothing is ever half-written."""
        return 0

    def close(self) -> None:
        """See `ValueStore`."""
