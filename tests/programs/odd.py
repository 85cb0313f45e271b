"""Task functions of the corpus that are out of the ordinary."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple


class Point(NamedTuple):
    x: int
    y: int


@dataclass
class Box:
    """It holds a lock, so it cannot be pickled: it is valid in its own process only."""

    items: list[int] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)


def open_box(*items: int) -> Box:
    return Box(list(items))


def put(box: Box, item: int) -> Box:
    box.items.append(item)
    return box


def put_and_count(box: Box, item: int) -> int:
    box.items.append(item)
    return len(box.items)


def contents(box: Box) -> list[int]:
    return list(box.items)


def counting(n: int) -> Iterator[int]:
    """A generator, which cannot be pickled."""
    return iter(x for x in range(n))


def take(numbers: Iterator[int], n: int) -> list[int]:
    return [next(numbers) for _ in range(n)]


def appended(xs: list[int], x: int) -> list[int]:
    """Changes its argument: no caller may see that, unless the call is inplace."""
    xs.append(x)
    return xs


def point(x: int, y: int) -> Point:
    return Point(x, y)


def record(x: int) -> dict[str, int]:
    return {"x": x, "twice": 2 * x}


def large(kib: int) -> bytes:
    return bytes(range(256)) * 4 * kib


def length(data: bytes) -> int:
    return len(data)


def boom(message: str = "boom") -> int:
    raise RuntimeError(message)


def nothing() -> None:
    return None


def everything(*args: int, **kwargs: int) -> list[int]:
    return [*args, *(kwargs[k] for k in sorted(kwargs))]
