"""The command line. Everything is imported when a command needs it, so that help is instant."""

from __future__ import annotations

import atexit
import gc
import os
import sys

_GARBAGE = (50_000, 20, 50)
"""When the garbage collector looks. Some hundred thousand objects are imported, and none of them is
garbage: at Python's own pace a tenth of the start is spent finding that out."""


def main() -> None:
    """The `wfc` command."""
    gc.set_threshold(*_GARBAGE)
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
