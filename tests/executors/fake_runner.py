"""A runner with the shape of the real one, for works whose graph names what each element does."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from typing import Any

import wfc.runtime.codec  # noqa: F401 - sets how values are encoded
from wfc.runtime.values import Column, Inline, load_inline
from wfc.runtime.work import Done, Program, Report, Work

FLUSH = 0.01


class FakeRunner:
    """`graph` is the name of a function below, called with the element."""

    def __init__(self, program: Program, large: Any = None) -> None:
        if program.functions == b"broken":
            raise ImportError("No module named 'nothing'")
        self.between = True
        self.large = large
        self.kept: dict[int, Any] = {}

    def release(self, home: int) -> None:
        self.kept.pop(home, None)

    def run(self, batch: Iterable[Work]) -> Iterator[list[Report]]:
        out: list[Report] = []
        mark = time.perf_counter()
        for work in batch:
            function = FUNCTIONS[work.graph]
            if work.home is not None:
                items: list[Any] = [self.kept[work.home]]
            else:
                items = (
                    load_inline(work.items)
                    if work.items
                    else [work.env.get("x", Inline(obj=0)).load()]
                )
            first, results = 0, []
            for offset, item in enumerate(items):
                results.append(function(item))
                if work.park:
                    self.kept[work.id] = os.getpid()
                now = time.perf_counter()
                if now - mark > FLUSH:
                    out.append(_done(work, first, results))
                    yield out
                    out, mark, first, results = [], now, offset + 1, []
            if results:
                out.append(_done(work, first, results))
        if out:
            yield out


def _done(work: Work, start: int, results: list[Any]) -> Done:
    return Done(work.id, start, len(results), {"f": Column(None, len(results), results)})


def noop(x: Any) -> Any:
    return x


def pid(x: Any) -> int:
    return os.getpid()


def nap(x: float) -> float:
    time.sleep(x)
    return x


def mostly_short(x: int) -> int:
    time.sleep(0.5 if x % 100 == 50 else 0.0002)
    return x


def suicide(x: Any) -> Any:
    if x == 77:
        os.kill(os.getpid(), 9)
    return x


def same(x: Any) -> Any:
    return (x, os.getpid())


FUNCTIONS = {f.__name__: f for f in (noop, pid, nap, mostly_short, suicide, same)}
