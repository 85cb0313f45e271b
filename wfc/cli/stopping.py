"""Ctrl-C, SIGTERM and a closed terminal, while a run is watched."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from types import FrameType
from typing import TYPE_CHECKING

from wfc.cli.out import say
from wfc.errors import STOPPED

if TYPE_CHECKING:
    from wfc.api import Run

_HANGUP: signal.Signals | None = getattr(signal, "SIGHUP", None)

_CURSOR = "\x1b[?25h"
"""Shows the cursor, which the live view has hidden."""


class Stopping:
    """While it is entered: Ctrl-C or SIGTERM once, and the run stops cleanly; twice: at once. A
    terminal that is closed stops it cleanly, too (but under `nohup`).

    Before a run begins the command ends at once: nothing is stored by then. The handler raises
    nothing: an exception in the middle of an import can leave Python's import lock taken.
    """

    def __init__(self) -> None:
        self._run: Run | None = None
        self._name = self._again = ""
        self._asked = self._told = False

    def begins(self, run_id: str, again: str) -> None:
        """From now on there is something to stop cleanly; `again` is what to type to go on."""
        self._run, self._name, self._again = None, run_id, again

    def of(self, run: Run) -> None:
        """The run to stop: at once, if that was asked for while it was being started."""
        self._run = run
        if self._asked:
            run.ask_to_stop()

    def listen(self) -> None:
        """Tell what was heard, and put the handlers back: Ray puts its own over them when it starts,
        which print where in its C++ code the signal came."""
        if self._asked and not self._told:
            self._told = True
            say("\nstopping; once more to stop at once")
        self._handle()

    def _heard(self, number: int, frame: FrameType | None) -> None:
        if not self._name:
            with suppress(OSError):
                os.write(2, b"interrupted\n")
            os._exit(STOPPED)
        if self._asked:
            if number == _HANGUP:  # whoever closes a terminal may have stopped it before
                return
            said = f"run {self._name} was interrupted. To go on:\n  {self._again}\n"
            with suppress(OSError):
                os.write(2, ((_CURSOR if os.isatty(2) else "") + said).encode())
            os._exit(STOPPED)
        self._asked = True
        if self._run is not None:
            self._run.ask_to_stop()

    def _handle(self) -> None:
        for number in self._before:
            signal.signal(number, self._heard)

    def __enter__(self) -> Stopping:
        numbers = [signal.SIGINT, signal.SIGTERM]
        if _HANGUP is not None and signal.getsignal(_HANGUP) is not signal.SIG_IGN:
            numbers.append(_HANGUP)
        self._before = {number: signal.getsignal(number) for number in numbers}
        self._handle()
        return self

    def __exit__(self, *exc: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
