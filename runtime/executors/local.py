"""A pool of processes on this machine, without Ray: instant start, no network."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from wfc.runtime.executors.messages import Asked, Batch, Died, Finished, Message
from wfc.runtime.executors.prompts import Console, Prompts
from wfc.runtime.executors.wire import Link, pack
from wfc.runtime.executors.zygote import COMMAND, ENVS, EXITED, GROUP
from wfc.runtime.streams import open_streams
from wfc.runtime.values import Value
from wfc.runtime.work import ExecutorLost, Program, Shape

RUNNER = "wfc.runtime.worker.runner:Runner"

_BOOT = (
    "import sys; sys.path[:] = sys.argv[1].split('\\n'); "
    "from wfc.runtime.executors.zygote import main; main(int(sys.argv[2]), sys.argv[3])"
)

PROMPT = object()
"""What the console is registered under in the selector."""


class _Process:
    """A worker as the coordinator sees it; `queue` holds the batches sent to it, the first runs."""

    __slots__ = ("envs", "heard", "homes", "link", "number", "queue", "reason")

    def __init__(self, number: int, link: Link) -> None:
        self.number = number
        self.link = link
        self.queue: deque[int] = deque()
        self.envs: deque[int] = deque(maxlen=ENVS)
        self.homes: set[int] = set()
        self.heard = 0
        self.reason = ""


class LocalTransport:
    """Implements `Transport` with forked processes.

    It starts them at once, before there is a program, so that they get ready while the coordinator
    still compiles. `workers` defaults to the CPUs that this process may use. `runner` is `module:name`
    of what runs batches. `console` is where debuggers of tasks speak; without one, `breakpoint()` does
    nothing.
    """

    overhead = 0.0005
    exclusive = True
    pinned = True

    def __init__(
        self,
        workers: int | None = None,
        *,
        runner: str = RUNNER,
        console: Console | None = None,
    ) -> None:
        self._width = workers or cpus()
        self._program: bytes | None = None
        self._processes: dict[int, _Process] = {}
        self._batches: dict[int, _Process] = {}
        self._count = 0
        self._heard = 0
        self._messages: list[Message] = []
        self._envs: dict[int, bytes] = {}
        self._selector = selectors.DefaultSelector()
        self._prompts = Prompts(console, self._selector, PROMPT)
        self._closed = False
        self._runner = runner
        self._spawn()

    # ------------------------------------------------------------------ Transport

    def load(self, program: Program) -> None:
        """See `Transport`."""
        self._program = pack(("program", program))
        for process in self._processes.values():
            self._post(process, self._program)

    def slots(self, shape: Shape) -> int:
        """Only CPUs count here; a shape that asks for more than there are runs alone."""
        return max(1, int(self._width // max(1.0, shape.num_cpus)))

    def send(self, batch: Batch) -> None:
        """See `Transport`; raises `ExecutorLost` when no process can be started."""
        if batch.home is not None:
            found = [one for one in self._processes.values() if batch.home in one.homes]
            if not found:
                self._messages.append(Died((batch.id,), "its process is gone", (batch.home,)))
                return
            process = found[0]
        else:
            process = self._choose()
        process.queue.append(batch.id)
        self._batches[batch.id] = process
        for work, env in batch.envs.items():
            if work not in process.envs:
                process.envs.append(work)
                self._post(process, self._env(work, env))
        bare = replace(batch, envs={work: {} for work in batch.envs}) if batch.envs else batch
        self._post(process, pack(("batch", bare)))

    def _env(self, work: int, env: dict[str, Value]) -> bytes:
        """The frame of an environment, made once."""
        frame = self._envs.pop(work, None) or pack(("env", (work, env)))
        self._envs[work] = frame
        while len(self._envs) > ENVS:
            del self._envs[next(iter(self._envs))]
        return frame

    def want(self, shape: Shape, count: int) -> None:
        """See `Transport`. A machine does not grow."""

    def recall(self, batch: int) -> None:
        """See `Transport`."""
        process = self._batches.get(batch)
        if process is not None:
            self._post(process, pack(("recall", batch)))

    def kill(self, batch: int, reason: str) -> None:
        """See `Transport`. A batch that waits behind another in its process is recalled instead."""
        process = self._batches.get(batch)
        if process is None:
            return
        if process.queue[0] == batch:
            self._end(process, reason)
        else:
            self.recall(batch)

    def release(self, home: int) -> None:
        """See `Transport`. Without any home its process ends: what it holds must not leak into
        other work."""
        for process in self._processes.values():
            if home in process.homes:
                process.homes.discard(home)
                if process.homes:
                    self._post(process, pack(("release", home)))
                else:
                    self._end(process, "released")
                return

    def poll(self, timeout: float) -> list[Message]:
        """See `Transport`."""
        if self._messages:
            timeout = 0.0
        for key, events in self._selector.select(timeout):
            if key.data is PROMPT:
                self._prompts.heard()
                continue
            process: _Process | None = key.data
            if process is None:
                self._reaped()
            elif process.number in self._processes:
                if events & selectors.EVENT_WRITE and process.link.flush():
                    self._selector.modify(process.link, selectors.EVENT_READ, process)
                if events & selectors.EVENT_READ and self._hear(process):
                    self._selector.unregister(process.link)  # its exit status is to come
        messages, self._messages = self._messages, []
        return messages

    def describe(self) -> dict[str, Any]:
        """See `Transport`."""
        return {"executor": "local", "processes": len(self._processes), "cpus": self._width}

    def close(self) -> None:
        """See `Transport`. Idle processes leave in good order, the others are killed."""
        if self._closed:
            return
        self._closed = True
        for process in list(self._processes.values()):
            if process.queue:
                self._end(process, "closed")
            else:
                self._post(process, pack(("stop", None)))
        with contextlib.suppress(OSError):
            self._control.shutdown(socket.SHUT_WR)
        try:
            self._zygote.wait(3)
        except subprocess.TimeoutExpired:
            self._zygote.kill()
            self._zygote.wait()
        for process in self._processes.values():
            process.link.sock.close()
        self._processes.clear()
        self._selector.close()
        self._control.close()

    # ------------------------------------------------------------------ processes

    def _spawn(self) -> None:
        """A zygote and its first workers."""
        self._spoke = False
        self._exits = bytearray()
        open_streams()
        self._control, theirs = socket.socketpair()
        command = [sys.executable, "-c", _BOOT, "\n".join(sys.path), str(theirs.fileno())]
        with theirs:
            # Until it can ignore what is sent to the whole group, that waits: the mask is inherited.
            before = signal.pthread_sigmask(signal.SIG_BLOCK, GROUP)
            try:
                self._zygote = subprocess.Popen(
                    [*command, self._runner], stdin=subprocess.DEVNULL, pass_fds=(theirs.fileno(),)
                )
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, before)
        self._selector.register(self._control, selectors.EVENT_READ, None)
        for _ in range(self._width):
            self._start()

    def _replace(self) -> None:
        """Another zygote for one that was killed; one that never came to work is not replaced."""
        if not self._spoke:
            status = self._zygote.returncode
            raise ExecutorLost(f"worker processes cannot be started (exit status {status})")
        self._bereaved()
        self._control.close()
        self._spawn()

    def _start(self) -> _Process:
        self._count += 1
        ours, theirs = socket.socketpair()
        with theirs, contextlib.suppress(OSError):  # `_choose` says that they cannot start
            socket.send_fds(self._control, [COMMAND.pack(b"F", self._count)], [theirs.fileno()])
        ours.setblocking(False)
        process = self._processes[self._count] = _Process(self._count, Link(ours))
        self._selector.register(process.link, selectors.EVENT_READ, process)
        if self._program is not None:
            self._post(process, self._program)
        return process

    def _choose(self) -> _Process:
        """The process that is free, or probably will be first."""
        if self._zygote.poll() is not None:
            self._replace()
        able = [one for one in self._processes.values() if not one.homes and not one.reason]
        if len(able) < self._width and all(one.queue for one in able):
            return self._start()
        # Of equally loaded ones, that which spoke last: a silent one may be busy for long.
        return min(able, key=lambda one: (len(one.queue), -one.heard))

    def _end(self, process: _Process, reason: str) -> None:
        if not process.reason:
            process.reason = reason
            with contextlib.suppress(OSError):
                self._control.send(COMMAND.pack(b"K", process.number))

    def _post(self, process: _Process, frame: bytes) -> None:
        process.link.post(frame)
        if not process.link.flush():
            both = selectors.EVENT_READ | selectors.EVENT_WRITE
            self._selector.modify(process.link, both, process)

    def _hear(self, process: _Process) -> bool:
        """Take in what a worker said; whether it is gone."""
        messages, gone = process.link.arrived()
        self._heard += 1
        process.heard = self._heard
        self._spoke = self._spoke or bool(messages)
        for asked in [message for message in messages if isinstance(message, Asked)]:
            messages.remove(asked)
            if asked.text is None:
                self._prompts.over(process.number)
            else:
                self._prompts.ask(process.number, asked.task, asked.text, self._answer(process))
        for message in messages:
            if isinstance(message, Finished):
                self._batches.pop(message.batch, None)
                process.queue.remove(message.batch)
                process.homes.update(message.parked)
        self._messages += messages
        return gone

    def _answer(self, process: _Process) -> Callable[[str | None], None]:
        return lambda line: self._post(process, pack(("typed", line)))

    def _reaped(self) -> None:
        try:
            data = self._control.recv(1 << 16)
        except OSError:
            data = b""
        self._exits += data
        while len(self._exits) >= EXITED.size:
            number, status = EXITED.unpack_from(self._exits)
            del self._exits[: EXITED.size]
            process = self._processes.get(number)
            if process is not None:
                self._gone(process, process.reason or describe_exit(status))
        if not data:
            self._bereaved()

    def _bereaved(self) -> None:
        """The zygote is gone, and its workers with it."""
        if self._selector.get_map().get(self._control):
            self._selector.unregister(self._control)
        for process in list(self._processes.values()):
            self._gone(process, "the local workers' parent process is gone")

    def _gone(self, process: _Process, reason: str) -> None:
        while self._selector.get_map().get(process.link) and not self._hear(process):
            time.sleep(0)  # what it said before it died
            if not select_now(process.link):
                break
        if self._selector.get_map().get(process.link):
            self._selector.unregister(process.link)
        process.link.sock.close()
        del self._processes[process.number]
        self._prompts.over(process.number)
        for batch in process.queue:
            self._batches.pop(batch, None)
        if process.queue or process.homes:
            self._messages.append(Died(tuple(process.queue), reason, tuple(process.homes)))


def select_now(link: Link) -> bool:
    """Whether there is something to read."""
    with selectors.DefaultSelector() as selector:
        selector.register(link, selectors.EVENT_READ)
        return bool(selector.select(0))


def cpus() -> int:
    """The CPUs that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def describe_exit(status: int) -> str:
    """A wait status in words."""
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        return f"its process ended by itself, exit status {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = str(-code)
    hint = " (out of memory?)" if -code == signal.SIGKILL else ""
    return f"its process was killed by {name}{hint}"
