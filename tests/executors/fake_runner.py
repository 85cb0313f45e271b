"""A runner with the shape of the real one: a work's graph names what is done with each element."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Generator, Iterable
from typing import Any

import wfc.runtime.codec
from wfc.runtime.values import Column, Inline, Rows, Stored, load_inline
from wfc.runtime.work import Done, Failed, Program, Report, Work

FLUSH = 0.01


class FakeRunner:
    def __init__(self, program: Program, large: Any = None) -> None:
        assert wfc.runtime.codec.encode  # it sets how values are encoded
        if program.functions == b"broken":
            raise ImportError("No module named 'nothing'")
        self.between = True
        self.large = large
        self.kept: dict[int, Any] = {}
        self.at = self.end = 0

    def cut(self) -> int:
        before = self.end
        while True:
            at = self.at
            self.end = min(before, at + 1)
            if self.at == at:
                return before - self.end

    def release(self, home: int) -> None:
        self.kept.pop(home, None)

    def echo(self) -> None:
        return None

    def finished(self) -> list[Report]:
        return []

    def run(self, batch: Iterable[Work]) -> Generator[list[Report], None, None]:
        out: list[Report] = []
        mark = time.perf_counter()
        for work in batch:
            first, results = 0, []
            items = self.items(work)
            self.at, self.end = 0, len(items)
            for offset, item in enumerate(items):
                self.at = offset
                if offset >= self.end:
                    break
                results.append(self.call(work, item))
                now = time.perf_counter()
                if now - mark > FLUSH:
                    out.append(done(work, first, results))
                    yield out
                    out, mark, first, results = [], now, offset + 1, []
            if results:
                out.append(done(work, first, results))
        if out:
            yield out

    def items(self, work: Work) -> list[Any]:
        if work.items is not None:
            found: list[Any] = load_inline(work.items)
            return found
        value = work.env.get("x", Inline(obj=0))
        if isinstance(value, Stored):
            return [self.large.get_large(value.handle, value.size)]
        return [load_inline(value)]

    def call(self, work: Work, item: Any) -> Any:
        if work.park:
            self.kept[work.id] = item
            FUNCTIONS[work.graph](item)
            return os.getpid()
        if work.home is not None:
            item = self.kept[work.home]
        if work.graph == "weigh":
            return len(load_inline(work.env["big"]))
        if work.graph == "store":
            return Stored("k", 1, b"", handle=self.large.put_large(item))
        return FUNCTIONS[work.graph](item)


def done(work: Work, start: int, results: list[Any]) -> Report:
    if isinstance(results[0], Stored):
        return Done(work.id, start, len(results), {"f": results})
    return Done(work.id, start, len(results), {"f": Column(None, len(results), results)})


def claimed(x: Any) -> dict[str, float]:
    """What this process's task has of the cluster."""
    import ray

    found: dict[str, float] = ray.get_runtime_context().get_assigned_resources()
    return found


def noop(x: Any) -> Any:
    return x


def pid(x: Any) -> int:
    return os.getpid()


def home(x: Any) -> Any:
    return (os.getpid(), x)


def nap(x: float) -> float:
    time.sleep(x)
    return x


def long_now_and_then(x: int) -> int:
    time.sleep(0.4 if x % 100 == 50 else 0.0002)
    return x


def suicide(x: int) -> int:
    if x == 77:
        os.kill(os.getpid(), signal.SIGKILL)
    return x


def mark(path: str) -> str:
    """Leaves its pid in a file, and stays."""
    with open(path, "a") as file:
        file.write(f"{os.getpid()}\n")
    time.sleep(60)
    return path


def child(path: str) -> str:
    """As `mark`, in a process of its own."""
    import subprocess

    code = "import os, sys, time; print(os.getpid(), file=open(sys.argv[1], 'w')); time.sleep(60)"
    subprocess.run([sys.executable, "-c", code, path])
    return path


def nested(x: int) -> int:
    """Uses Ray itself, with as many tasks as there are CPUs and more."""
    import ray

    @ray.remote
    def double(n: int) -> int:
        return 2 * n

    return sum(ray.get([double.remote(x) for _ in range(3)]))


def total(x: Any) -> float:
    return float(x.sum())


def leave(x: Any) -> Any:
    sys.exit(3)


def oops(x: Any) -> Any:
    raise ValueError(f"a mistake of the runner at {x}")


FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    f.__name__: f
    for f in (
        claimed,
        noop,
        pid,
        home,
        nap,
        long_now_and_then,
        suicide,
        mark,
        child,
        nested,
        total,
        oops,
    )
}


def rows(items: list[Any]) -> Rows:
    return Rows([Column(None, len(items), items)])


__all__ = ["FUNCTIONS", "Failed", "FakeRunner", "rows"]
