"""A run in this process: its thread, its executor, and how it ends."""

from __future__ import annotations

import atexit
import os
import sys
import threading
import weakref
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from wfc.errors import STOPPED, RunCancelled, RunFailed, RunInterrupted
from wfc.launching import Launcher, Stopped
from wfc.runtime.coordinator import Coordinator, Observer, Outcome
from wfc.runtime.store import Store
from wfc.runtime.values import ErrorInfo
from wfc.runtime.work import Program


class Active:
    """A run that this process owns, in a thread of its own.

    The store is closed when the run has ended. At the end of the process a run that is still going
    on is interrupted, so that it can be resumed at once, and the process' exit code tells that.
    """

    def __init__(
        self,
        store: Store,
        run_id: str,
        launch: Launcher,
        program: Program,
        observer: Observer | None = None,
        at_end: Callable[[], None] | None = None,
    ) -> None:
        self.run_id = run_id
        self.stop = threading.Event()
        self.ended = threading.Event()
        self._store = store
        self._launch = launch
        self._at_end = at_end
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._waiting: list[Callable[[], None]] = []
        self._outcome: Outcome | None = None
        self._error: BaseException | None = None
        self._coordinator = Coordinator(
            store, run_id, lambda: launch(program, self.stop), observer=observer, stop=self.stop
        )
        # The lease is taken here: whoever asks for a run that is owned is told at once.
        self._lease = store.journal.acquire(run_id)
        self._thread = threading.Thread(target=self._run, name=f"wfc-run-{run_id}", daemon=True)
        _active.add(self)
        # What is registered last comes first: before Ray, imported meanwhile, shuts itself down.
        atexit.unregister(_interrupt_all)
        atexit.register(_interrupt_all)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._outcome = self._coordinator.run(self._lease)
        except Stopped:
            self._error = RunInterrupted(self.run_id)
        except Exception as error:
            self._error = error
        except BaseException as error:
            # Such as `SystemExit`, which Ray raises where it ends: it is the end of this thread, and
            # must not become that of the one that asks for the result.
            self._error = RunInterrupted(self.run_id, f"{type(error).__name__}: {error}")
            self._error.__cause__ = error
        finally:
            if self._at_end is not None:
                self._at_end()
            self._launch.close()
            self._store.close()
            if self.interrupted and not self.stop.is_set():
                _unheard[self.run_id] = getattr(self._error, "reason", "") or str(self._error)
            with self._lock:
                self.ended.set()
                waiting, self._waiting = self._waiting, []
            for call in waiting:
                call()

    def when_ended(self, call: Callable[[], None]) -> None:
        """Have something called at the end, from another thread; at once when it has ended."""
        with self._lock:
            if not self.ended.is_set():
                self._waiting.append(call)
                return
        call()

    def wait(self, timeout: float | None = None) -> bool:
        """Whether it has ended, after at most `timeout` seconds."""
        return self._launch.wait(self.ended, timeout)

    def join(self, timeout: float | None = None) -> Outcome:
        """How it ended. Raises `TimeoutError`, and whatever stopped the coordinator."""
        if not self.wait(timeout):
            raise TimeoutError(f"run {self.run_id} has not ended after {timeout} s")
        self.heard()
        if self._error is not None:
            raise self._error
        assert self._outcome is not None
        return self._outcome

    def interrupt(self) -> None:
        """Leave the run as it stands, to be resumed; waits until that is done."""
        self.stop.set()
        self._thread.join()

    def heard(self) -> None:
        """Somebody has learnt how it stands: if it was interrupted, it is for them to act on it."""
        if self.ended.is_set():
            _unheard.pop(self.run_id, None)

    @property
    def interrupted(self) -> bool:
        """Whether this process has left it without an end."""
        return self._outcome is None or self._outcome.status == "interrupted"

    @property
    def here(self) -> bool:
        """Whether its thread is one of this process, and not of one that this was forked from."""
        return self._pid == os.getpid()


_active: weakref.WeakSet[Active] = weakref.WeakSet()
_unheard: dict[str, str] = {}
"""Of runs that something interrupted, and that nobody has asked for since: what that was."""


def _interrupt_all() -> None:
    """At the end of the process. It has not ended well when that interrupts a run, or when one was
    interrupted and nobody knows: that is said, and its exit code is not 0."""
    every = list(_active)
    going_on = [run for run in every if not run.stop.is_set() and not run.ended.is_set()]
    for run in every:
        run.stop.set()
    for run in every:
        run.interrupt()
    for run in going_on:
        if run.interrupted:
            _unheard[run.run_id] = "its process has ended"
    for name, why in _unheard.items():
        with suppress(OSError, ValueError):  # nobody listens
            os.write(
                2,
                f"run {name} was interrupted: {why}; wfc.resume({name!r}) goes on with it\n".encode(),
            )
    raised = getattr(sys, "last_value", None) is not None  # then the exit code is 1 already
    if _unheard and not raised:
        setattr(sys, "_wfc_exit_code", _ExitCode(STOPPED))  # noqa: B010 - it has no such attribute
    _unheard.clear()


class _ExitCode:
    """Ends the process with an exit code, when the interpreter takes the last of its modules apart, which
    is `sys`: after all that anybody does at the end. An exit code cannot be changed otherwise by then."""

    def __init__(self, code: int) -> None:
        self._end = partial(os._exit, code)

    def __del__(self) -> None:
        self._end()


def _after_fork() -> None:
    """In the child: the runs are the parent's."""
    _active.clear()
    _unheard.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def result_of(
    run_id: str, status: str, value: Any = None, error: ErrorInfo | None = None, reason: str = ""
) -> Any:
    """The value of a run that ended so; raises what stands for any other end."""
    if status == "succeeded":
        return value
    if status == "failed":
        raise RunFailed(run_id, error or ErrorInfo("unknown", reason))
    if status == "cancelled":
        raise RunCancelled(run_id, reason or (error.message if error else ""))
    raise RunInterrupted(run_id)
