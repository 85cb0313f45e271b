"""Steps that leave a line each time they run, so that running twice shows."""

from __future__ import annotations

import os
import time
from pathlib import Path


def step(i: int, size: int, log: str, pause: float) -> bytes:
    with open(log, "a") as file:
        file.write(f"{i} {os.getpid()}\n")
    time.sleep(pause)
    return bytes([i % 256]) * size


def total(parts: list[bytes]) -> int:
    return sum(sum(part) for part in parts)


def note(text: str, log: str) -> str:
    with open(log, "a") as file:
        file.write(f"{text} {os.getpid()}\n")
    return text


def until_there(path: str, log: str) -> int:
    note("waits", log)
    while not Path(path).exists():
        time.sleep(0.005)
    return os.getpid()
