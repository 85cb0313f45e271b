"""`run` and `crash_everywhere`, and what a run under test tells afterwards."""

from __future__ import annotations

import operator
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias

from wfc import api, history
from wfc import params as parameters
from wfc.byvalue import by_value
from wfc.plan.model import Plan
from wfc.running import result_of
from wfc.runtime.coordinator import RECORDS, without_failure
from wfc.runtime.engine import Ended
from wfc.runtime.linked import Linked
from wfc.runtime.reading import load_value
from wfc.runtime.values import ErrorInfo
from wfc.specs import classes_of
from wfc.testing.lives import Life, Script, Signal, World
from wfc.testing.stubs import Call, Stubs, checked, loaded

if TYPE_CHECKING:
    from wfc.history import TaskInfo

Source: TypeAlias = "Plan | api.Spec | str | os.PathLike[str]"
YEAR = 366 * 86400.0


class Ran:
    """How a run under test ended, and what it did.

    `status` is `succeeded`, `failed` or `cancelled`; `error` tells why it failed. `calls` are the
    calls of tasks that were made, in order, those of lost attempts too. `seconds` is how long it
    took on the virtual clock, `checkpoints` how many records its journal has: the places where it
    can crash.
    """

    def __init__(self, world: World, ended: Ended) -> None:
        self._world = world
        self._ended = ended
        self.status: str = ended.status
        self.error: ErrorInfo | None = ended.error
        self.calls: list[Call] = world.calls
        self.seconds: float = world.elapsed()
        self.checkpoints: int = len(world.journal)

    def __repr__(self) -> str:
        why = f": {self.error.type}: {self.error.message}" if self.error else ""
        return f"<{self.status} after {self.seconds:g} s, {len(self.calls)} calls{why}>"

    def result(self) -> Any:
        """The result; raises `wfc.RunFailed`, `wfc.RunCancelled`."""
        value = None
        if self._ended.value is not None:
            value = load_value(self._ended.value, self._world.values)
        return result_of("test", self.status, value, self.error)

    def called(self, task: str) -> list[Call]:
        """The calls of a task, by its name in the spec. Raises `LookupError` for no such task."""
        known = self._world.linked.plan.tasks
        if task not in known:
            raise LookupError(f"the spec has no task {task!r}; it has {', '.join(known)}")
        return [call for call in self.calls if call.task == task]

    def tasks(self) -> list[TaskInfo]:
        """The tasks as the journal tells of them, as `wfc.Run.tasks` has them."""
        return list(self._history().tasks.values())

    def output(self, id: str) -> Any:
        """The checkpointed result of one task, by its id; raises `LookupError` when there is none."""
        return load_value(self._history().value(id), self._world.values)

    def _history(self) -> history.History:
        return history.History(self._world.linked.plan, self._world.records())

    def resume(self, *, stubs: Stubs | None = None, signals: Sequence[Signal] = ()) -> Ran:
        """Go on with a run that failed or was cancelled, as `wfc resume` does; with other stubs where
        something was mended. What is done is not done again. `calls` of what comes back are the new
        ones alone."""
        world = self._world
        kept = without_failure(list(enumerate(world.records())))
        again = World(
            world.linked,
            world.functions if stubs is None else _functions(world.linked.plan, stubs),
            [RECORDS.pack(record) for _, record in kept],
            world.values,
            world.now,
        )
        return Ran(again, Life(again, Script(signals, limit=YEAR)).run({}))


def run(
    source: Source,
    /,
    params: Mapping[str, Any] | None = None,
    *,
    stubs: Stubs | None = None,
    signals: Sequence[Signal] = (),
    cancel_at: float | None = None,
    crash_after: int | None = None,
    crash_before: int | None = None,
    down: float = 0.0,
    limit: float = YEAR,
) -> Ran:
    """Run a workflow in this process, in virtual time, and tell how it went.

    `source` is what `wfc.run` takes, `params` are the workflow's parameters. `stubs` has functions
    to call in the place of tasks, by the tasks' names in the spec (a `unittest.mock.Mock` will do);
    what they stand for is not imported. A task takes no virtual time unless its stub says `takes`.
    `signals` are sent to the run; `cancel_at` cancels it, after so many virtual seconds.

    With `crash_after=n` the coordinator and all workers die as soon as checkpoint `n` (from 1) is
    written, with `crash_before=n` just before it is: what led to it was done, and is lost. The run
    is then resumed, `down` virtual seconds later.

    Raises `SpecError`, `ParameterError`, `FunctionsError`; `LookupError` for a stub of no task;
    `Stuck` for a run that waits for what never comes, or goes on for more than `limit` virtual
    seconds; `ValueError` when there are fewer checkpoints than `n`. A run that fails raises nothing:
    `Ran.result` does, and `Ran.error` tells why.
    """
    script = Script(signals, cancel_at, _place(crash_after), _place(crash_before), down, limit)
    return _Prepared(source, params, stubs or {}).run(stubs or {}, script)


class _Prepared:
    """All that several runs of one workflow have in common."""

    def __init__(self, source: Source, params: Mapping[str, Any] | None, stubs: Stubs) -> None:
        plan = api.plan_of(source)
        self._linked = Linked(plan)
        self._real = loaded(plan, checked(plan, stubs))
        entry = plan.workflows[plan.entry]
        self._params = parameters.validate(entry.params, by_value(params or {}), classes_of(plan))

    def run(self, stubs: Stubs, script: Script) -> Ran:
        world = World(self._linked, {**self._real, **stubs})
        ended = Life(world, script).run(self._params)
        wanted = max(script.crash_after, script.crash_before)
        if wanted > len(world.journal):
            raise ValueError(f"no crash at checkpoint {wanted}: there are {len(world.journal)}")
        return Ran(world, ended)


def _functions(plan: Plan, stubs: Stubs) -> dict[str, Callable[..., Any]]:
    return {**loaded(plan, checked(plan, stubs)), **stubs}


def _place(number: int | None) -> int:
    if number is not None and number < 1:
        raise ValueError("checkpoints are counted from 1")
    return number or 0


def crash_everywhere(
    source: Source,
    /,
    params: Mapping[str, Any] | None = None,
    *,
    stubs: Stubs | Callable[[], Stubs] | None = None,
    signals: Sequence[Signal] = (),
    cancel_at: float | None = None,
    down: float = 0.0,
    limit: float = YEAR,
    same: Callable[[Any, Any], bool] = operator.eq,
) -> list[Ran]:
    """Run a workflow undisturbed, and then once for every crash that there can be: before and after
    each checkpoint. Gives all runs, the undisturbed one first.

    The arguments are those of `run`. Stubs that keep a count of their own have to be made anew for
    each run: `stubs` may be a function that makes them (the same ones each time). `same` compares
    two results. Raises `AssertionError` where a run ends in another way than the first one, or does
    again what was checkpointed; it says which `crash_after` or `crash_before` shows it.
    """
    made = stubs() if callable(stubs) else stubs or {}
    prepared = _Prepared(source, params, made)
    plain = Script(signals, cancel_at, down=down, limit=limit)
    runs = [prepared.run(made, plain)]
    for number in range(1, runs[0].checkpoints + 1):
        for script in (replace(plain, crash_before=number), replace(plain, crash_after=number)):
            try:
                ran = prepared.run(stubs() if callable(stubs) else made, script)
                _compare(runs[0], ran, same)
            except AssertionError as error:
                place = "crash_before" if script.crash_before else "crash_after"
                raise AssertionError(f"with {place}={number}: {error}") from error
            runs.append(ran)
    return runs


def _compare(first: Ran, ran: Ran, same: Callable[[Any, Any], bool]) -> None:
    """Raise `AssertionError` unless both ended alike."""
    assert ran.status == first.status, f"{ran!r} in place of {first!r}"
    if first.status == "succeeded":
        wanted, got = first.result(), ran.result()
        assert same(wanted, got), f"the result is {got!r} in place of {wanted!r}"
    elif first.error is not None and ran.error is not None:
        wanted, got = (replace(e, traceback="", attempts=1) for e in (first.error, ran.error))
        assert wanted == got, f"{got} in place of {wanted}"
