"""A run in this process: its thread, its executor, and how it ends."""

from __future__ import annotations

import atexit
import threading
import weakref
from collections.abc import Callable
from typing import Any

from wfc.errors import RunCancelled, RunFailed, RunInterrupted
from wfc.launching import Launcher, Stopped
from wfc.runtime.coordinator import Coordinator, Observer, Outcome
from wfc.runtime.store import Store
from wfc.runtime.values import ErrorInfo
from wfc.runtime.work import Program


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
        at_end: Callable[[], None] | None = None,
    ) -> None:
        self.run_id = run_id
        self.stop = threading.Event()
        self.ended = threading.Event()
        self._store = store
        self._launch = launch
        self._at_end = at_end
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
            if self._at_end is not None:
                self._at_end()
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
