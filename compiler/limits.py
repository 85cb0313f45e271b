"""Room for the work of a compiler: deep recursion, and no garbage collection meanwhile."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

ROOM = 3_000
"""Expressions nest at most 200 deep (the parser sees to it), at up to ten calls each, and blocks 50."""

MAX_CHAIN = 100
"""How many constants, tasks or imports may need each other, one after the other."""


@contextmanager
def deep() -> Iterator[None]:
    """Room for the recursion over the deepest tree that the parser lets through.

    The limit is given back afterwards: it is the program's that uses this one, not ours.
    """
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(limit + ROOM)
    try:
        yield
    finally:
        with suppress(RecursionError):  # a caller that is too deep already needs it as it is
            sys.setrecursionlimit(limit)


@contextmanager
def no_collector() -> Iterator[None]:
    """What a check makes stays until it is done: to look for cycles in it meanwhile is wasted time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
