"""A run in this process: its thread, its executor, and how it ends."""

from __future__ import annotations

import atexit
import os
import socket
import threading
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from wfc.errors import RunCancelled, RunFailed, RunInterrupted
from wfc.runtime.coordinator import Coordinator, Observer, Outcome
from wfc.runtime.executors.pool import Pool
from wfc.runtime.store import Store
from wfc.runtime.values import ErrorInfo
from wfc.runtime.work import Executor, Program

if TYPE_CHECKING:
    from wfc.runtime.executors.messages import Transport


POLL = 0.05
CONNECT = 10.0
"""Seconds that a Ray cluster has to take a connection."""


class Launcher(Protocol):
    """Something that gets an executor ready, perhaps before it is known what to execute."""

    def __call__(self, program: Program, stop: threading.Event) -> Executor:
        """The executor, which closes what the launcher has started.

        Raises what starting it raised, and `Stopped` when `stop` is set before it is ready.
        """

    def close(self) -> None:
        """End what was started if it was never asked for. Idempotent."""


class Stopped(Exception):  # noqa: N818
    """The run was to be interrupted before there was anything to run it."""


class TransportLauncher:
    """A launcher over a transport, which is made in another thread from now on.

    That thread stays until the launcher is closed: on Linux, processes that are to die with their
    parent (a private Ray's) die with the *thread* that started them.
    """

    def __init__(self, make: Callable[[], Transport]) -> None:
        self._make = make
        self._made: Transport | None = None
        self._error: BaseException | None = None
        self._used = False
        self._lock = threading.Lock()
        self._ready = threading.Event()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work, name="wfc-start", daemon=True)
        self._thread.start()

    def _work(self) -> None:
        try:
            self._made = self._make()
        except BaseException as error:
            self._error = error
        finally:
            self._ready.set()
        self._over.wait()
        with self._lock:
            if self._made is not None and not self._used:
                self._made.close()

    def __call__(self, program: Program, stop: threading.Event) -> Executor:
        """See `Launcher`."""
        while not self._ready.wait(POLL):
            if stop.is_set():
                raise Stopped
        if self._error is not None:
            raise self._error
        assert self._made is not None
        with self._lock:
            self._used = True
        return Pool(self._made, program)

    def close(self) -> None:
        """See `Launcher`. Waits for what is there already, not for what is still being started."""
        self._over.set()
        if self._ready.is_set():
            self._thread.join()


def launcher(*, local: bool = False, address: str | None = None) -> Launcher:
    """Processes of this machine, or Ray. They start now, in the background."""
    if local:
        from wfc.runtime.executors.local import LocalTransport

        return TransportLauncher(LocalTransport)
    return TransportLauncher(lambda: _on_ray(address or os.environ.get("RAY_ADDRESS")))


def _on_ray(address: str | None) -> Transport:
    """Ray itself would try for ever where nobody answers. Raises `ConnectionError`."""
    from wfc.runtime.executors.ray import RayTransport

    host, _, port = (address or "").rpartition(":")
    if host and port.isdigit() and "/" not in host:
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT).close()
        except OSError as error:
            raise ConnectionError(f"no Ray answers at {address}: {error}") from None
    return RayTransport(address)


class Active:
    """A run that this process owns, in a thread of its own.

    The store is closed when the run has ended. At the end of the process a run that is still going
    on is interrupted, so that it can be resumed at once.
    """

    def __init__(
        self,
        store: Store,
        run_id: str,
        launch: Launcher,
        program: Program,
        observer: Observer | None = None,
    ) -> None:
        self.run_id = run_id
        self.stop = threading.Event()
        self.ended = threading.Event()
        self._store = store
        self._launch = launch
        self._outcome: Outcome | None = None
        self._error: BaseException | None = None
        self._coordinator = Coordinator(
            store, run_id, lambda: launch(program, self.stop), observer=observer, stop=self.stop
        )
        # The lease is taken here: whoever asks for a run that is owned is told at once.
        self._lease = store.journal.acquire(run_id)
        self._thread = threading.Thread(target=self._run, name=f"wfc-run-{run_id}", daemon=True)
        self._thread.start()
        _active.add(self)

    def _run(self) -> None:
        try:
            self._outcome = self._coordinator.run(self._lease)
        except Stopped:
            self._error = RunInterrupted(self.run_id)
        except BaseException as error:
            self._error = error
        finally:
            self._launch.close()
            self._store.close()
            self.ended.set()

    def join(self, timeout: float | None = None) -> Outcome:
        """How it ended. Raises `TimeoutError`, and whatever stopped the coordinator."""
        if not self.ended.wait(timeout):
            raise TimeoutError(f"run {self.run_id} has not ended after {timeout} s")
        if self._error is not None:
            raise self._error
        assert self._outcome is not None
        return self._outcome

    def interrupt(self) -> None:
        """Leave the run as it stands, to be resumed; waits until that is done."""
        self.stop.set()
        self._thread.join()


_active: weakref.WeakSet[Active] = weakref.WeakSet()


@atexit.register
def _interrupt_all() -> None:
    for run in list(_active):
        run.interrupt()


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
