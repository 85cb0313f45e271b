"""The process that the local workers are forked from, and what a worker does.

It imports what workers need once, stays single-threaded, forks on demand, and reaps: so a worker
starts in milliseconds, and is killed through its parent, which knows whether the pid is still its.
When the coordinator goes, in whatever way, everything here goes with it.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import gc
import importlib
import os
import select
import signal
import socket
import struct
import sys
import threading
import time
import traceback
from queue import SimpleQueue
from types import FrameType
from typing import Any, TypeAlias

from wfc.runtime.executors.harness import Broken, Harness
from wfc.runtime.executors.messages import Asked, Batch
from wfc.runtime.executors.wire import Link
from wfc.runtime.references import for_tasks
from wfc.runtime.streams import open_streams

COMMAND = struct.Struct("<cI")
"""`F` (fork, with the worker's socket) or `K` (kill), and the worker's number."""

EXITED = struct.Struct("<Ii")
"""A worker's number and its wait status."""

Inbox: TypeAlias = "SimpleQueue[Batch | int | None]"
"""Batches to run, homes to release, and `None` to leave."""

GROUP = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Signals that a terminal or a service manager sends to a whole group of processes."""

ENVS = 8
"""How many large environments a worker keeps: the last that came, as the coordinator knows."""

_ECHO = 0.5
"""Seconds between two looks at what a task prints that runs for long."""

_PARTING = 0.5
_PR_SET_PDEATHSIG = 1

_defaults: dict[signal.Signals, Any] = {}
"""What this process did at signals of the group before it ignored them: its workers do that again."""


def main(control_fd: int, factory: str) -> None:
    """Serve the coordinator's commands until it is gone. `factory` is `module:name` of the runner."""
    open_streams()
    os.dup2(2, 1)  # what goes past Python (a child of a task prints): stdout is for the result
    module, _, name = factory.partition(":")
    make = getattr(importlib.import_module(module), name)
    control = socket.socket(fileno=control_fd)
    wake, waker = socket.socketpair()
    wake.setblocking(False)
    waker.setblocking(False)
    for number in GROUP:  # what the whole group gets is for the coordinator to obey
        _defaults[number] = signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, GROUP)
    signal.signal(signal.SIGCHLD, _nothing)
    signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)
    children: dict[int, int] = {}
    gc.collect()
    gc.freeze()
    while True:
        ready, _, _ = select.select([control, wake], [], [])
        if wake in ready:
            wake.recv(4096)
            _reap(children, control)
        if control in ready:
            try:
                data, fds, _, _ = socket.recv_fds(control, COMMAND.size, 1)
            except ConnectionResetError:  # it went without reading all that it was told
                break
            if len(data) < COMMAND.size:
                break
            command, number = COMMAND.unpack(data)
            if command == b"K":
                _kill(number, children)
            elif (pid := _fork(make, fds[0], (control, wake, waker))) is not None:
                children[pid] = number
    until = time.monotonic() + _PARTING
    while children and time.monotonic() < until:
        _reap(children, None)
        time.sleep(0.005)
    for pid in children:
        _end(pid)


def _nothing(signum: int, frame: FrameType | None) -> None:
    pass


def _reap(children: dict[int, int], control: socket.socket | None) -> None:
    for pid in list(children):
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            number = children.pop(pid)
            _end(pid)  # what it started itself
            if control is not None:
                # Nobody listens any more: the end of `control` is read next, and ends all this.
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    control.sendall(EXITED.pack(number, status))


def _kill(number: int, children: dict[int, int]) -> None:
    for pid, other in children.items():
        if other == number:
            _end(pid)


def _end(pid: int) -> None:
    for kill in (os.killpg, os.kill):
        try:
            kill(pid, signal.SIGKILL)
            return
        except OSError:
            continue


def _fork(make: Any, fd: int, shared: tuple[socket.socket, ...]) -> int | None:
    parent = os.getpid()
    pid = os.fork()
    if pid:
        os.close(fd)
        with contextlib.suppress(OSError):
            os.setpgid(pid, pid)  # here too: a kill may come before the child has done it
        return pid
    code = 70
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for number, handler in _defaults.items():
            signal.signal(number, handler)
        for sock in shared:
            sock.close()
        os.setpgid(0, 0)  # a Ctrl-C is for the coordinator
        _die_with(parent)
        code = work(Link(socket.socket(fileno=fd)), make)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _die_with(parent: int) -> None:
    """Where the system can do it: killed when the zygote is."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(0)


def work(link: Link, make: Any) -> int:
    """What a worker does: the program first, then batch after batch."""
    inbox: Inbox = SimpleQueue()
    try:
        kind, program = link.receive()
    except EOFError:
        return 0  # the coordinator is gone
    if kind != "program":
        return 0  # there was nothing to do
    try:
        for_tasks()
        harness = Harness(make(program))
    except Exception as error:  # the user's modules may fail to load: that is their calls' failure
        harness = Harness(Broken(error))
    say = threading.Lock()
    typed: SimpleQueue[str | None] = SimpleQueue()
    threading.Thread(target=_listen, args=(link, inbox, typed, harness, say), daemon=True).start()
    if not os.environ.get("PYTHONBREAKPOINT"):
        sys.breakpointhook = _debugging(link, typed, say)
    threading.Thread(target=_echo, args=(link, harness, say), daemon=True).start()
    while (task := inbox.get()) is not None:
        if isinstance(task, int):
            harness.release(task)
            continue
        for message in harness.run(task):
            with say:
                link.send(message)
    atexit._run_exitfuncs()
    return 0


def _debugging(link: Link, typed: SimpleQueue[str | None], say: threading.Lock) -> Any:
    """What `breakpoint()` does here."""

    def ask(task: str, text: str | None) -> str | None:
        with say:
            link.send(Asked(task, text))
        return typed.get() if text is not None else None

    def stop(*args: Any, **kwargs: Any) -> None:
        from wfc.runtime.worker.debugger import debug  # it takes a while to import

        debug(sys._getframe(1), ask)

    return stop


def _echo(link: Link, harness: Harness, say: threading.Lock) -> None:
    """Tells what a task prints that runs for long, and what is finished behind it."""
    while True:
        time.sleep(_ECHO)
        with say:  # what the task prints last comes after it
            for told in (harness.echo(), harness.finished()):
                try:
                    if told is not None:
                        link.send(told)
                except OSError:
                    return  # the coordinator is gone: `_listen` sees to it


def _listen(
    link: Link, inbox: Inbox, typed: SimpleQueue[str | None], harness: Harness, say: threading.Lock
) -> None:
    envs: dict[int, Any] = {}
    try:
        while True:
            kind, content = link.receive()
            if kind == "env":
                envs[content[0]] = content[1]
                if len(envs) > ENVS:
                    del envs[next(iter(envs))]
            elif kind == "batch":
                content.envs = {work: envs[work] for work in content.envs}
                content.fill()
                inbox.put(content)
            elif kind == "typed":
                typed.put(content)
            elif kind != "recall":
                inbox.put(content)
            elif answer := harness.recall(content):
                with say:
                    link.send(answer)
    except (EOFError, OSError):
        os.killpg(0, signal.SIGKILL)  # the coordinator is gone
