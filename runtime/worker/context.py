"""What a running task can ask about itself, and what is watched while it runs.

One process runs one task at a time, in its main thread; threads that a task starts see the same
context, which is why these are plain module variables.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

ECHO = 1.0
"""Seconds after which what a task printed is told even if the task goes on."""

HEAD = TAIL = 1 << 16
"""Characters that are kept of what one task prints: of its beginning, and of its end."""


class Task(Protocol):
    """The task that runs now."""

    def task_id(self) -> str:
        """The stable id of this instance."""

    def attempt(self) -> int:
        """Which attempt this is, from 1."""

    def check(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Raises unless the running spec has something of this name that can be called so."""


class Tail:
    """The last characters of a text of any length."""

    def __init__(self) -> None:
        self._parts: deque[str] = deque()
        self._kept = self._cut = 0

    def write(self, text: str) -> None:
        """More of it."""
        self._parts.append(text)
        self._kept += len(text)
        while self._kept - len(self._parts[0]) >= TAIL:
            gone = len(self._parts.popleft())
            self._kept -= gone
            self._cut += gone

    def take(self) -> str:
        """The end of it, with how much is missing before it."""
        text = "".join(self._parts)
        cut = self._cut + max(0, len(text) - TAIL)
        self._parts.clear()
        self._kept = self._cut = 0
        return text if not cut else f"\n[… {cut:,} characters left out …]\n{text[-TAIL:]}"


class _Watch:
    """Flags that are cheap to look at after each task."""

    __slots__ = (
        "active",
        "after",
        "forked",
        "head",
        "lock",
        "parts",
        "since",
        "tail",
        "task",
        "touched",
    )

    def __init__(self) -> None:
        self.touched = False
        self.forked = False
        self.active = False
        self.after: Callable[[], None] | None = None
        self.parts: list[str] = []
        self.head = 0
        self.since = 0.0
        self.tail = Tail()
        self.task: Task | None = None
        self.lock = threading.Lock()

    def write(self, text: str) -> None:
        """A task prints."""
        with self.lock:
            self.touched = True
            left = HEAD - self.head
            if left > 0:
                begin = text[:left]
                if not self.parts:
                    self.since = time.monotonic()
                self.parts.append(begin)
                self.head += len(begin)
                text = text[left:]
            if text:
                self.tail.write(text)

    def take(self) -> str:
        """What the task has printed, but for what `early` gave."""
        with self.lock:
            text = "".join(self.parts) + self.tail.take()
            self.parts.clear()
            self.head = 0
            return text

    def early(self) -> str:
        """What a task that still runs has printed a while ago; call it under the lock, under which
        the task stays the one that runs."""
        if not self.parts or time.monotonic() - self.since < ECHO:
            return ""
        text = "".join(self.parts)
        self.parts.clear()
        return text

    def renew(self) -> None:
        """In a process that a task forked: nobody else holds the lock here."""
        self.lock = threading.Lock()


WATCH = _Watch()
os.register_at_fork(after_in_child=WATCH.renew)


class Printed:
    """Stands for `sys.stdout` or `sys.stderr`: keeps what tasks print, passes on everything else."""

    def __init__(self, under: Any) -> None:
        self._under = under

    def write(self, text: str) -> int:
        """As a text file."""
        if not WATCH.active:
            return int(self._under.write(text) or 0)
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        if text:
            WATCH.write(text)
        return len(text)

    def writelines(self, lines: Any) -> None:
        """As a text file."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """As a text file."""
        if not WATCH.active:
            self._under.flush()

    def close(self) -> None:
        """The stream is the worker's: it stays open."""

    def isatty(self) -> bool:
        """What a task prints goes to no terminal."""
        return False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._under, name)


def _audit(event: str, args: Any) -> None:
    if event == "os.chdir":
        WATCH.touched = True


_handler: Any = None
"""What a worker does at SIGTERM: that is Ray's, and no use to a process that a task forks."""

_masks = threading.local()


def _before_fork() -> None:
    _masks.before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])


def _in_parent() -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, _masks.before)


def _in_child() -> None:
    """A handler in Python that raises, in a child which has not begun yet, loses the signal: then a
    `multiprocessing` pool, which ends its processes so, waits for ever."""
    WATCH.touched = WATCH.forked = True
    if callable(_handler) and signal.getsignal(signal.SIGTERM) is _handler:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, _masks.before)


_installed = False


def watch_process() -> None:
    """Have `WATCH.touched` set when somebody changes the working directory or forks. Once per
    process: an audit hook sees all ways to do it, and costs nothing while nobody does."""
    global _installed, _handler
    if not _installed:
        _installed = True
        _handler = signal.getsignal(signal.SIGTERM)
        sys.addaudithook(_audit)
        os.register_at_fork(
            before=_before_fork, after_in_parent=_in_parent, after_in_child=_in_child
        )


class Stage:
    """What is put in place while tasks run, and taken away between: streams, context, folder."""

    __slots__ = ("_capture", "_streams", "folder")

    def __init__(self, capture: bool) -> None:
        self._capture = capture
        self._streams: tuple[Any, Any] | None = None
        self.folder = _folder()
        watch_process()

    def enter(self) -> None:
        """Tasks run from here on."""
        if self._capture:
            self._streams = sys.stdout, sys.stderr
            sys.stdout, sys.stderr = _printed(sys.stdout), _printed(sys.stderr)
            WATCH.active = True

    def leave(self) -> None:
        """No tasks run from here on."""
        WATCH.task = None
        WATCH.active = False
        if self._streams is not None:
            sys.stdout, sys.stderr = self._streams
            self._streams = None

    def tidy(self) -> str:
        """After a task that touched something: the folder is as before; gives what it printed.

        A child that a task forked ends here: two processes must not report for one worker.
        """
        if WATCH.forked:
            os._exit(1)
        WATCH.touched = False
        if WATCH.after is not None:  # a debugger does not go on into the next task
            WATCH.after()
            WATCH.after = None
        if _folder() != self.folder and self.folder is not None:
            os.chdir(self.folder)
            WATCH.touched = False
        return WATCH.take() if WATCH.head else ""


_wrapped: dict[int, Printed] = {}


def _printed(stream: Any) -> Any:
    """The same object each time: logging handlers keep the stream that they saw first."""
    if isinstance(stream, Printed):
        return stream
    found = _wrapped.get(id(stream))
    if found is None or found._under is not stream:
        found = _wrapped[id(stream)] = Printed(stream)
    return found


def awaited(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """What a coroutine comes to. Raises what it raises."""
    import asyncio  # few tasks need it, and every worker would wait for it

    return asyncio.run(coroutine)


def _folder() -> str | None:
    try:
        return os.getcwd()
    except OSError:
        return None
