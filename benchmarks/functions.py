"""The task functions of the benchmarks: as little as possible."""

from __future__ import annotations

import os
import resource
import sys
import threading
import time
from typing import Any


def nothing(i: int) -> int:
    return i


def step(k: int) -> int:
    return k + 1


def total(results: list[int]) -> int:
    return sum(results)


def add(a: int, b: int) -> int:
    return a + b


class Held:
    """A number that cannot leave its process."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.lock = threading.Lock()


def hold(i: int) -> Held:
    return Held(i)


def read(held: Held, i: int) -> int:
    return held.number + i


def nap(seconds: float) -> int:
    """Holds its slot without using a processor."""
    time.sleep(seconds)
    return 1


def text(size: int, i: int) -> bytes:
    """`size` bytes that do not compress."""
    return os.urandom(8) * (size // 8) + bytes([i % 256]) * (size % 8)


def lengths(results: list[bytes]) -> int:
    return sum(map(len, results))


def array(size: int, i: int) -> Any:
    """`size` bytes of floats, all of them `i`."""
    import numpy

    return numpy.full(size // 8, float(i))


def reduce(arrays: list[Any]) -> float:
    """The sum of all that is in the arrays."""
    return float(sum(one.sum() for one in arrays))


def first_fails(i: int, folder: str) -> int:
    """Every tenth fails the first time that it is tried, wherever that is."""
    if i % 10 == 0:
        try:
            os.close(os.open(f"{folder}/{i}", os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return i
        raise ConnectionError(f"the first try of {i}")
    return i


def gate(value: int, path: str) -> int:
    """Fails until the file is there."""
    if not os.path.exists(path):
        raise FileNotFoundError(path)
    return value


def peak(k: int) -> int:
    """The most memory, in bytes, that this process has had."""
    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return size if sys.platform == "darwin" else size * 1024


def stamp(i: int) -> float:
    """When this task was complete."""
    return time.time()


def late_stamp(i: int) -> float:
    """As `stamp`, after 20 ms."""
    time.sleep(0.02)
    return time.time()
