"""Who owns a run, and whether that process still lives."""

from __future__ import annotations

import os
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Owner:
    """A process. `host` is for people; `machine` tells which table of processes `pid` is of, and
    `started` tells this process from a later one of the same number."""

    host: str
    machine: str
    pid: int
    started: str

    @classmethod
    def current(cls) -> Owner:
        """This process."""
        pid = os.getpid()
        return cls(socket.gethostname(), _machine(), pid, process_start(pid) or "")

    def is_dead(self) -> bool:
        """Whether the process is surely gone: false when it runs, or is of another machine."""
        if self.machine != _machine():
            return False
        started = process_start(self.pid)
        return started is None or bool(started and self.started and started != self.started)

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"


def process_start(pid: int) -> str | None:
    """When a process started, in whatever unit the system gives; `None` when there is no such
    process (one that has ended and was not yet waited for counts as gone), `""` when it may not be
    known."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="latin-1")
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        if not Path("/proc/self/stat").exists():
            return _process_start_by_ps(pid)
        return "" if _exists(pid) else None  # `/proc` may hide other people's processes
    fields = stat[stat.rindex(")") + 2 :].split()
    return None if fields[0] in "ZX" else fields[19]


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _process_start_by_ps(pid: int) -> str | None:
    """The same where there is no `/proc`."""
    asked = ["ps", "-o", "stat=,lstart=", "-p", str(pid)]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    state, _, started = done.stdout.strip().partition(" ")
    return None if not state or state.startswith("Z") else started.strip()


def _machine() -> str:
    """A name for the table of processes: of this boot of this host, and of this container."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot}:{os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return socket.gethostname()
