"""`breakpoint()` in a task that runs in a worker of this machine: the debugger speaks with whoever
started the run, through the coordinator, since a worker has no terminal."""

from __future__ import annotations

import io
import pdb
import sys
from collections.abc import Callable
from types import FrameType
from typing import IO, TypeAlias, cast

from wfc.runtime.worker.context import WATCH

Ask: TypeAlias = Callable[[str, "str | None"], "str | None"]
"""Given a task's id, shows a text and gives the line that is typed then, `None` when nobody is there to
type one. Without a text: the debugger is done with the task."""


class Line(io.TextIOBase):
    """The debugger's line to whoever started the run, as a text file."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._shown = ""

    def write(self, text: str) -> int:
        """Shown with the next question."""
        self._shown += text
        return len(text)

    def readline(self, size: int | None = -1, /) -> str:  # type: ignore[override]
        """What is typed; empty when nobody is there."""
        text, self._shown = self._shown, ""
        return self._ask(_task(), text) or ""

    def leave(self) -> None:
        """Somebody else may have it."""
        self._ask(_task(), None)


def _task() -> str:
    return WATCH.task.task_id() if WATCH.task is not None else ""


class Debugger(pdb.Pdb):
    """Python's own, which steps over the frames between tasks."""

    def __init__(self, line: Line) -> None:
        both = cast(IO[str], line)
        super().__init__(stdin=both, stdout=both, skip=["wfc.*"], nosigint=True)
        self.use_rawinput = False
        self._line = line

    def do_EOF(self, arg: str) -> bool | None:  # noqa: N802
        """Nobody is there: the task goes on."""
        return self.do_continue(arg)

    def set_continue(self) -> None:
        """The task goes on."""
        super().set_continue()
        self._line.leave()

    def set_quit(self) -> None:
        """The task fails, with `bdb.BdbQuit`."""
        super().set_quit()
        self._line.leave()

    def stop(self, frame: FrameType) -> None:
        """Begin at this frame, for as long as its task runs."""
        WATCH.touched = True
        WATCH.after = self._part
        self.set_trace(frame)

    def _part(self) -> None:
        """Its task is over: do not step into what comes next."""
        sys.settrace(None)
        self.set_continue()
        if self.breaks:
            sys.settrace(self.trace_dispatch)


def debug(frame: FrameType, ask: Ask) -> None:
    """Stop at this frame of a task. Breakpoints that are set stay for later tasks of the process."""
    global _debugger
    if _debugger is None:
        _debugger = Debugger(Line(ask))
    _debugger.stop(frame)


_debugger: Debugger | None = None
