"""Getting ready what a run runs on, while the rest is still being read.

Imports next to nothing, so that worker processes (or Ray) can start before all else.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from wfc.runtime.executors.messages import Transport
    from wfc.runtime.work import Executor, Program

POLL = 0.05
LEND = 1.0
"""Seconds for which a task lends what it holds, before it looks again whether it need not any more."""

CONNECT = 10.0
"""Seconds that a Ray cluster has to take a connection."""


class Launcher(Protocol):
    """Something that gets an executor ready, perhaps before it is known what to execute."""

    def __call__(self, program: Program, stop: threading.Event) -> Executor:
        """The executor, which closes what the launcher has started.

        Raises `ExecutorLost` when it could not be started, and `Stopped` when `stop` is set before it
        is ready.
        """

    def wait(self, ended: threading.Event, timeout: float | None = None) -> bool:
        """Whether the run has ended, after at most `timeout` seconds."""

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
            from wfc.runtime.work import ExecutorLost

            kind = type(self._error).__name__
            raise ExecutorLost(
                f"what the run is to run on cannot be started: {kind}: {self._error}"
            ) from self._error
        assert self._made is not None
        with self._lock:
            self._used = True
        from wfc.runtime.executors.pool import Pool

        return Pool(self._made, program)

    def wait(self, ended: threading.Event, timeout: float | None = None) -> bool:
        """See `Launcher`. In a task it lends what the task holds, so that the run has room: with a
        task on each CPU that waits for a run of its own, none would get any further."""
        until = None if timeout is None else time.monotonic() + timeout
        if threading.current_thread() is threading.main_thread():
            while not self._ready.wait(POLL) and not ended.is_set():
                if until is not None and time.monotonic() >= until:
                    return False
            lend: Callable[[float], None] | None = getattr(self._made, "lend", None)
            while lend is not None and not ended.wait(POLL):
                left = LEND if until is None else min(LEND, until - time.monotonic())
                if left <= 0:
                    return False
                lend(left)
        return ended.wait(None if until is None else max(0.0, until - time.monotonic()))

    def close(self) -> None:
        """See `Launcher`. Waits for what is there already, not for what is still being started."""
        self._over.set()
        if self._ready.is_set():
            self._thread.join()


def launcher(*, local: bool = False, address: str | None = None) -> Launcher:
    """Processes of this machine, or Ray. They start now, in the background.

    Raises `ConnectionError` at once when nobody answers at the address of a Ray cluster, or when this
    process is connected to another one.
    """
    if local:
        from wfc.runtime.executors.local import LocalTransport
        from wfc.watching import Terminal

        return TransportLauncher(lambda: LocalTransport(console=Terminal()))
    _probe(address or os.environ.get("RAY_ADDRESS") or "")
    from wfc.runtime.executors.ray import prepare

    prepare(address)
    return TransportLauncher(lambda: _on_ray(address))


def _probe(address: str) -> None:
    """Ray itself would try for ever where nobody answers."""
    host, _, port = address.rpartition(":")
    if host and port.isdigit() and "/" not in host:
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT).close()
        except OSError as error:
            raise ConnectionError(f"no Ray answers at {address}: {error}") from None


def _on_ray(address: str | None) -> Transport:
    from wfc.runtime.executors.ray import RayTransport

    return RayTransport(address)
