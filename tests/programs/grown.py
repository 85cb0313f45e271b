"""Task functions of generated programs that return graphs of calls, and those that the graphs call.

A run knows the former from its plan and counts their calls; the latter tell of themselves.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import wfc

Note = Callable[[Callable[..., Any], tuple[Any, ...], dict[str, Any]], None]

_notes: list[Note] = []
GRAPHED: set[str] = set()
"""The names of the functions that are called by graphs only."""


@contextmanager
def noting(note: Note) -> Iterator[None]:
    """Have every call by a graph told."""
    _notes.append(note)
    try:
        yield
    finally:
        _notes.remove(note)


def _graphed(fn: Callable[..., Any]) -> Callable[..., Any]:
    GRAPHED.add(fn.__name__)

    @functools.wraps(fn)
    def call(*args: Any, **kwargs: Any) -> Any:
        for note in _notes:
            note(fn, args, kwargs)
        return fn(*args, **kwargs)

    return call


class Kept:
    """A number that cannot leave its process."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __repr__(self) -> str:
        return f"Kept({self.number})"

    def __reduce__(self) -> str:
        raise TypeError(f"{self} cannot leave its process")


@_graphed
def sum_of(a: int, b: int = 1) -> int:
    return a + b


@_graphed
def product_of(a: int, b: int) -> int:
    return a * b % 101


@_graphed
def minus(a: int) -> int:
    return -a


@_graphed
def up_to(a: int, limit: int) -> int:
    if a > limit:
        raise ValueError(f"{a} is beyond {limit}")
    return a


@_graphed
def read(kept: Kept, b: int) -> int:
    return kept.number * b % 101


@_graphed
def stair(n: int, seen: int) -> int:
    if n <= 0:
        return seen
    return wfc.continuation(wfc.call(stair, n - 1, wfc.call(sum_of, seen, n)))


def later(a: int, b: int = 1) -> int:
    """One call that is used twice, by two that run beside each other."""
    once = wfc.call(sum_of, a, b)
    return wfc.continuation(wfc.call(sum_of, wfc.call(minus, once), wfc.call(product_of, once, 3)))


def stairs(n: int) -> int:
    """A loop: each step returns the call of the next."""
    return wfc.continuation(wfc.call(stair, n % 4, 0))


def fetched(a: int) -> int:
    """What it holds stays in its process, and waits there for a call that runs elsewhere."""
    away = wfc.call(sum_of, a, 1)
    return wfc.continuation(wfc.call(read, Kept(a), away).options(inplace=True))


def each(xs: list[int]) -> list[int]:
    """As many calls as it is given numbers, and no call that gathers them."""
    return wfc.continuation([wfc.call(sum_of, x) for x in xs])


def try_later(a: int, limit: int = 50) -> int:
    return wfc.continuation(wfc.call(sum_of, wfc.call(up_to, a, limit), 2))


def back(n: int, got: list[int]) -> list[int]:
    """Go on with the entry of the run."""
    return wfc.continuation(wfc.call("main", n - 1, got))  # type: ignore[no-any-return]
