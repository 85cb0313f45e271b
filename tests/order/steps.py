"""Tasks over sets, one of which ends the coordinator."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path


def names() -> set[str]:
    return {f"n{i}" for i in range(8)} | {"n10", "n11"}


def groups() -> frozenset[frozenset[str]]:
    return frozenset(frozenset((n, n * 2)) for n in names())


def up(n: object, folder: str) -> object:
    at = Path(folder)
    log = at / "log"
    with log.open("a") as file:
        file.write(f"{n}\n")
    limit, pid = at / "kill", at / "pid"
    if limit.exists() and len(log.read_text().splitlines()) >= int(limit.read_text() or 0):
        # Of several that get here at once, and of those that outlive the process, one ends it.
        with contextlib.suppress(FileNotFoundError):
            limit.rename(at / f"kill-{os.getpid()}")
            os.kill(int(pid.read_text()), signal.SIGKILL)
    return sorted(n) if isinstance(n, frozenset) else str(n).upper()


def pairs(given: list) -> int:
    return sum(b != (sorted(a) if isinstance(a, frozenset) else str(a).upper()) for a, b in given)
