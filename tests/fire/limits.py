"""Functions that go to the limits of what a task can do."""

from __future__ import annotations

import itertools
import math
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any


def big(size: int) -> bytes:
    return bytes(size)


def size_of(data: bytes) -> int:
    return len(data)


def counted(n: int) -> list[int]:
    return list(range(n))


def heavy(n: int) -> list[tuple[bytes, int]]:
    return [(bytes(100_000), i) for i in range(n)]


def lock() -> Any:
    return threading.Lock()


class Stubborn:
    def __reduce__(self) -> Any:
        raise OSError("not today")


def stubborn() -> Any:
    return Stubborn()


def _boom() -> None:
    raise RuntimeError("cannot be read back")


class Trap:
    def __reduce__(self) -> Any:
        return _boom, ()


def trap() -> Any:
    return Trap()


def kind(value: Any) -> str:
    return type(value).__name__


def shout(lines: int) -> int:
    line = "x" * 999
    for _ in range(lines):
        print(line)
    return lines


def shout_past_python(lines: int) -> int:
    for _ in range(lines):
        os.write(1, b"past python\n")
    subprocess.run(["echo", "from a child"], check=True)
    return lines


class Holding(Exception):  # noqa: N818
    def __init__(self, what: str) -> None:
        super().__init__(f"holding {what}")
        self.lock = threading.Lock()


def raise_unpicklable() -> None:
    raise Holding("a lock")


class Mute(Exception):  # noqa: N818
    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


def raise_mute() -> None:
    raise Mute


def raise_long() -> None:
    raise ValueError("é" * 1_000_000)


def length(text: str) -> int:
    return len(text)


def nest(depth: int) -> Any:
    out: list[Any] = []
    for _ in range(depth):
        out = [out]
    return out


def depth_of(value: Any) -> int:
    depth = 0
    while value:
        value, depth = value[0], depth + 1
    return depth


def circle() -> list[Any]:
    out: list[Any] = []
    out.append(out)
    return out


def is_circle(value: Any) -> bool:
    return value[0] is value


def nothing() -> None:
    return None


def is_none(value: Any) -> bool:
    return value is None


def an_exception() -> Exception:
    return ValueError("a value like any other")


def text_of(value: Any) -> str:
    return f"{type(value).__name__}: {value}"


def nan() -> float:
    return math.nan


def is_nan(value: float) -> bool:
    return math.isnan(value)


def numbers() -> Iterator[int]:
    return iter(itertools.islice(itertools.count(), 3))


def generated() -> Iterator[int]:
    yield from range(3)


def total(values: Any) -> int:
    return sum(values)


def forks() -> int:
    pid = os.fork()
    if pid == 0:
        os._exit(7)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def fork_returns(marker: str) -> int:
    """The child returns from the function too."""
    pid = os.fork()
    if pid == 0:
        return 1
    with open(marker, "a") as file:
        file.write(f"{os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])}\n")
    return 2


def fork_raises() -> int:
    pid = os.fork()
    if pid == 0:
        raise RuntimeError("in the child")
    os.waitpid(pid, 0)
    return 3


def pool() -> list[int]:
    with multiprocessing.get_context("fork").Pool(2) as workers:
        return workers.map(abs, [-1, -2])


def starts_threads() -> int:
    heard: list[int] = []
    thread = threading.Thread(target=lambda: heard.append(1))
    thread.start()
    thread.join()
    for daemon in (True, False):
        threading.Thread(target=time.sleep, args=(3600,), daemon=daemon).start()
    return len(heard)


def moves() -> str:
    os.chdir("/")
    return os.getcwd()


def where() -> str:
    return os.getcwd()


def endless_recursion() -> int:
    return endless_recursion()


def leaves(code: int) -> None:
    sys.exit(code)


def dies() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def closes_stdout() -> int:
    sys.stdout.close()
    return 1


def double(i: int) -> int:
    return 2 * i
