"""Steps that leave a line each time they run, so that running twice shows."""

from __future__ import annotations

import os
import re
import signal
import threading
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


class Connection:
    """Valid in its own process only."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.pid = os.getpid()


def connect(log: str) -> Connection:
    note("connect", log)
    return Connection()


def use(held: Connection, i: int, log: str) -> int:
    assert held.pid == os.getpid()
    note(f"use{i}", log)
    return i


def use_when(held: Connection, i: int, gate: str, log: str) -> int:
    assert held.pid == os.getpid()
    note("waits", log)
    while not Path(gate).exists():
        time.sleep(0.005)
    return i


def poison(i: int, bad: int) -> int:
    if i == bad:
        os.kill(os.getpid(), signal.SIGKILL)
    return i


def hang_now_and_then(i: int) -> int:
    while i == 300:
        time.sleep(3600)
    return i


def hang(how: str) -> None:
    if how == "interpreter":  # nothing else of this process gets to run Python code
        re.match(r"(a+)+$", "a" * 64 + "b")
    while True:
        time.sleep(3600)


def large(log: str) -> bytes:
    note("large", log)
    return b"x" * 1_000_000


def size_when(data: bytes, gate: str, log: str) -> int:
    note("waits", log)
    while not Path(gate).exists():
        time.sleep(0.005)
    return len(data)


def size(data: bytes) -> int:
    return len(data)


def bytes_of(count: int) -> bytes:
    return bytes(count)


def hang_noted(log: str) -> None:
    note("hangs", log)
    while True:
        time.sleep(3600)


def eat() -> None:
    held = []
    for _ in range(64):
        held.append(b"\1" * (64 << 20))
        time.sleep(0.05)
    time.sleep(3600)
