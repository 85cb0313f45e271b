"""The command line. Everything is imported when a command needs it, so that help is instant."""

from __future__ import annotations

import atexit
import gc
import io
import os
import signal
import sys
from contextlib import suppress
from types import FrameType

from wfc.errors import STOPPED, STORAGE
from wfc.runtime.streams import open_streams

_GARBAGE = (50_000, 20, 50)
"""When the garbage collector looks. Some hundred thousand objects are imported, and none of them is
garbage: at Python's own pace a tenth of the start is spent finding that out."""


def main() -> None:
    """The `wfc` command."""
    open_streams()
    if isinstance(sys.stdout, io.TextIOWrapper):  # what a terminal cannot show is no reason to fail
        sys.stdout.reconfigure(errors="backslashreplace")
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
    except OSError:
        why = _unwritten(b"\n")
        if not why:
            raise
        _leave(STORAGE, why)


def _leave(code: int, why: str = "") -> None:
    """End the process in good order, but leave its memory to the system: to take every module apart
    takes longer than most commands. `why` tells what went wrong with the output."""
    atexit._run_exitfuncs()
    if why := why or _unwritten():
        code = STORAGE
        _write_error(f"error: cannot write to the standard output: {why}\n")
    with suppress(OSError):
        sys.stderr.flush()
    os._exit(code)


def _unwritten(more: bytes = b"") -> str:
    """Why what was printed (or `more`) cannot be written: the disk is full, say. Empty when it can be,
    and when nobody wants to read it any more."""
    try:
        sys.stdout.flush()
        if more:
            os.write(1, more)
    except BrokenPipeError:
        return ""
    except OSError as error:
        return error.strerror or str(error)
    return ""


def _write_error(text: str) -> None:
    """To stderr, past Python's buffers."""
    with suppress(OSError):
        os.write(2, text.encode())


def _interrupted(number: int, frame: FrameType | None) -> None:
    """Ctrl-C where a command has nothing to stop cleanly: no traceback, wherever it comes."""
    _write_error("interrupted\n")
    os._exit(STOPPED)
