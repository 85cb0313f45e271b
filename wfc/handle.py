"""The handle of a run, whichever process works on it."""

from __future__ import annotations

import secrets
import time
from collections.abc import Generator, Iterator
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any

from wfc import history
from wfc.byvalue import by_value
from wfc.errors import RunInterrupted
from wfc.history import History
from wfc.plan.model import Plan
from wfc.running import Active, result_of
from wfc.runtime import codec, coordinator
from wfc.runtime.coordinator import Outcome
from wfc.runtime.journal import Printed
from wfc.runtime.progress import Moment
from wfc.runtime.reading import load_value
from wfc.runtime.store import Store
from wfc.runtime.values import Value
from wfc.stored import plan_in, state_of, with_code

if TYPE_CHECKING:
    from wfc.history import TaskInfo

POLL = 0.1

STALE = 30.0
"""Seconds after which what a run's owner said of it counts for nothing any more."""


class Run:
    """A run, whichever process works on it: `id` is its name, `store` the URL of where it is kept.

    `start`, `resume` and `get` give one.
    """

    def __init__(self, run_id: str, store: str, active: Active | None = None) -> None:
        self.id = run_id
        self.store = store
        self._active = active
        self._known: tuple[tuple[int, int], History] | None = None

    def __repr__(self) -> str:
        return f"<wfc run {self.id} in {self.store}>"

    def _repr_html_(self) -> str:
        """How the run stands, for notebooks."""
        from wfc.notebook import run_html

        return run_html(self.id, self.store, self.status, self.tasks())

    def __await__(self) -> Generator[Any, None, Any]:
        """The result, as `result` gives it, while the event loop goes on."""
        import asyncio

        if self._here is None:
            return asyncio.to_thread(self.result).__await__()
        return self._result(self._here).__await__()

    async def _result(self, active: Active) -> Any:
        """Without a thread for each: there are few that wait for something, and a run may need what a
        coroutine does that comes after it."""
        import asyncio

        loop, ended = asyncio.get_running_loop(), asyncio.Event()

        def tell() -> None:
            with suppress(RuntimeError):  # the loop has ended meanwhile: nobody waits
                loop.call_soon_threadsafe(ended.set)

        active.when_ended(tell)
        await ended.wait()
        return self.result()

    @property
    def _here(self) -> Active | None:
        """The run's thread, where that is one of this process: of no one that it was forked from."""
        return self._active if self._active is not None and self._active.here else None

    def _open(self) -> closing[Store]:
        return closing(Store.open(self.store, create=False))

    @property
    def status(self) -> str:
        """`running`, `interrupted`, `succeeded`, `failed` or `cancelled`."""
        if self._here is not None:
            self._here.heard()
        with self._open() as store:
            return state_of(store.journal.run(self.id))

    def result(self, timeout: float | None = None) -> Any:
        """Wait for the end, and return the result.

        Raises `RunFailed`, `RunCancelled`, `RunInterrupted` (nobody works on the run), `TimeoutError`
        after `timeout` seconds, `StorageError`.
        """
        if self._here is not None:
            done = self._here.join(timeout)
            return result_of(self.id, done.status, done.value, done.error)
        until = None if timeout is None else time.monotonic() + timeout
        with self._open() as store:
            while (state := state_of(store.journal.run(self.id))) == "running":
                if until is not None and time.monotonic() >= until:
                    raise TimeoutError(f"run {self.id} has not ended after {timeout} s")
                time.sleep(POLL)
            return self._ended(store, state)

    def _ended(self, store: Store, state: str) -> Any:
        ended = coordinator.outcome_of(store, self.id)
        if ended is None or state == "interrupted":
            return result_of(self.id, state)
        value = None
        if ended.value is not None:
            value = with_code(store, self.id, lambda: load_value(ended.value, store.values))
        return result_of(self.id, ended.status, value, ended.error)

    @property
    def active(self) -> bool:
        """Whether this process works, or worked, on the run."""
        return self._here is not None

    def outcome(self) -> Outcome:
        """How the run ended in this process; waits for it. Raises `RunInterrupted` elsewhere."""
        if self._here is None:
            raise RunInterrupted(self.id)
        return self._here.join()

    def wait(self, timeout: float | None = None) -> bool:
        """Whether this process's part of the run has ended, after at most `timeout` seconds."""
        return self._here is None or self._here.wait(timeout)

    def interrupt(self) -> None:
        """Leave a run of this process as it stands; it can be resumed."""
        if self._here is not None:
            self._here.interrupt()

    def ask_to_stop(self) -> None:
        """As `interrupt`, without waiting for it."""
        if self._here is not None:
            self._here.stop.set()

    def cancel(self) -> bool:
        """Ask for the run to be cancelled, whoever works on it; false when it has ended."""
        with self._open() as store:
            return store.journal.request_cancel(self.id)

    def send(self, name: str, value: Any = None, *, id: str | None = None) -> bool:
        """Send a signal, for the run's `receive(name)`. Durable when this returns: a reference to an
        object of Ray in it is sent as the object.

        Sent twice with one `id`, it counts once; false tells that it was there. Raises `ParameterError`
        for what lives only in a Ray cluster.
        """
        stored = by_value({"value": value})["value"]
        with self._open() as store:
            return store.journal.send_signal(
                self.id, name, id or secrets.token_hex(8), codec.encode(stored)
            )

    def tasks(self) -> list[TaskInfo]:
        """The tasks that have run so far, in the order in which they were first heard of, and those
        that run now, as far as is known (the run's owner says so once a second)."""
        with self._open() as store:
            known = self._history(store).tasks
            now = self._moment(store)
            if now is not None:
                known = history.with_running(known, now, time.time())
            return list(known.values())

    def _history(self, store: Store) -> History:
        """What the journal tells; read again only if there is something new."""
        info = store.journal.run(self.id)
        state = info.epoch, info.next_seq
        if self._known is None or self._known[0] != state:
            found = list(history.read(store, self.id))
            plan = plan_in(store.journal.definition(self.id))
            known: History = with_code(store, self.id, lambda: History(plan, found))
            self._known = state, known
        return self._known[1]

    def moment(self) -> Moment | None:
        """How the run stands right now, as its owner said last; `None` when nobody works on it, or
        has not for long enough to say so."""
        with self._open() as store:
            return self._moment(store)

    def _moment(self, store: Store) -> Moment | None:
        if state_of(store.journal.run(self.id)) != "running":
            return None
        said = store.journal.moment(self.id)
        if said is None or said[0] < time.time() - STALE:
            return None
        return Moment.from_json(said[1])

    def logs(self, task: str | None = None, *, after: int = 0) -> Iterator[Printed]:
        """What tasks (or the one named) printed so far, in the order in which it was heard; `after`
        is the `pos` of the last that is known already."""
        with self._open() as store:
            store.journal.run(self.id)
            while found := store.journal.printed(self.id, after, task=task):
                yield from found
                after = found[-1].pos

    def inputs(self, task: str) -> dict[str, str]:
        """The arguments of one task by name, each as text that is cut; what is not known any more is
        shown as it stands in the spec."""
        from wfc.inputs import inputs

        with self._open() as store:
            results = self._history(store).value
            definition = store.journal.definition(self.id)

            def load(value: Value) -> Any:
                return with_code(store, self.id, lambda: load_value(value, store.values))

            given = with_code(store, self.id, lambda: codec.decode(definition.params))
            return inputs(plan_in(definition), given, results, load, task)

    def output(self, task: str) -> Any:
        """The result of one task; raises `LookupError` when there is none."""
        with self._open() as store:
            value = self._history(store).value(task)
            return with_code(store, self.id, lambda: load_value(value, store.values))


def plan_of_run(run: Run) -> Plan:
    """The plan that a run was started with."""
    with Store.open(run.store, create=False) as store:
        return plan_in(store.journal.definition(run.id))
