"""The command line. Everything is imported when a command needs it, so that help is instant."""

from __future__ import annotations

import atexit
import gc
import os
import signal
import sys
from types import FrameType

from wfc.errors import STOPPED

_GARBAGE = (50_000, 20, 50)
"""When the garbage collector looks. Some hundred thousand objects are imported, and none of them is
garbage: at Python's own pace a tenth of the start is spent finding that out."""


def main() -> None:
    """The `wfc` command."""
    gc.set_threshold(*_GARBAGE)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupted)
    from wfc.cli.app import app

    try:
        app(prog_name="wfc")
    except SystemExit as end:
        if isinstance(end.code, int | None):
            _leave(end.code or 0)
        raise


def _leave(code: int) -> None:
    """End the process in good order, but leave its memory to the system: to take every module apart
    takes longer than most commands."""
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _interrupted(number: int, frame: FrameType | None) -> None:
    """Ctrl-C where a command has nothing to stop cleanly: no traceback, wherever it comes."""
    os.write(2, b"interrupted\n")
    os._exit(STOPPED)
