"""Rows 1 to 5: how many tiny tasks a second, in the shapes in which they come.

The floors are written as a good Ray user would write them; they keep nothing. Ours checkpoints every
task with `fsync`.
"""

from __future__ import annotations

import pickle
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.measure import Makers, Row, fresh, rate, times
from benchmarks.ours import ours, ours_of, written


def rows(small: int) -> Makers:
    """The rows, a `small`-th of the work."""
    yield 1, lambda: _fan_out(10_000 // small)
    yield 2, lambda: _chain(1_000 // small)
    yield 3, lambda: _hops(100_000 // small)
    yield 4, lambda: _plain_hops(1_000 // small)
    yield 5, lambda: _drain(1_000 // small)


def _fan_out(n: int) -> Row:
    sides = {
        "plain Ray": rate(n, ray_fan_out(n), n * (n - 1) // 2),
        "wfc": rate(n, ours("fan_out", n=n), n * (n - 1) // 2),
    }
    return Row(1, f"fan-out of {n:,} no-op tasks and a sum", "/s", sides, **times(50, "plain Ray"))


def _chain(n: int) -> Row:
    sides = {
        "plain Ray": rate(n, ray_chain(n), n),
        "wfc": rate(n, ours_of(written(chain_spec(n)), x0=0), n),
    }
    return Row(2, f"chain of {n:,} tasks", "/s", sides, **times(10, "plain Ray"))


def _hops(n: int) -> Row:
    sides = {
        "bare loop into SQLite": rate(n, bare_loop(n), n),
        "wfc": rate(n, ours("hops", k=0, n=n), n),
    }
    target = times(0.2, "bare loop into SQLite")
    return Row(3, f"continuation inplace, {n:,} hops", "/s", sides, **target)


def _plain_hops(n: int) -> Row:
    sides = {
        "plain Ray chain": rate(n, ray_chain(n), n),
        "wfc": rate(n, ours("plain_hops", k=0, n=n), n),
    }
    work = f"continuation with a task each, {n:,} hops"
    return Row(4, work, "/s", sides, **times(5, "plain Ray chain"))


def _drain(n: int) -> Row:
    sides = {
        "ray.wait loop": rate(n, ray_drain(n), n),
        "wfc": rate(n, ours("drain_all", n=n), n),
    }
    return Row(
        5,
        f"wait(1 of …) loop over {n:,} tasks",
        "/s",
        sides,
        target="≥ 1,000 /s",
        met=lambda medians: medians["wfc"] >= 1_000,
        note=lambda medians: f"{medians['wfc'] / medians['ray.wait loop']:.2f}× ray.wait loop",
    )


def chain_spec(n: int) -> str:
    """A workflow of `n` calls, each of the result of the one before."""
    lines = ["from functions import step", "", "workflow main(x0: int) -> int:"]
    lines += [f"    x{i + 1} = step(x{i})" for i in range(n)]
    return "\n".join([*lines, f"    return x{n}", ""])


# ------------------------------------------------------------------ floors


def ray_fan_out(n: int) -> Callable[[], Any]:
    import ray

    @ray.remote
    def nothing(i: int) -> int:
        return i

    return lambda: sum(ray.get([nothing.remote(i) for i in range(n)]))


def ray_chain(n: int) -> Callable[[], Any]:
    import ray

    @ray.remote
    def step(k: int) -> int:
        return k + 1

    def run() -> Any:
        value: Any = 0
        for _ in range(n):
            value = step.remote(value)
        return ray.get(value)

    return run


def ray_drain(n: int) -> Callable[[], Any]:
    import ray

    @ray.remote
    def nothing(i: int) -> int:
        return i

    def run() -> Any:
        left, seen = [nothing.remote(i) for i in range(n)], 0
        while left:
            ready, left = ray.wait(left, num_returns=1)
            seen += len(ready)
        return seen

    return run


def bare_loop(n: int) -> Callable[[], Any]:
    """A loop that pickles each step and inserts it into SQLite, a transaction per thousand."""

    def run() -> Any:
        db = sqlite3.connect(Path(fresh(), "floor.db"))
        db.execute("pragma journal_mode=wal")
        db.execute("pragma synchronous=full")
        db.execute("create table steps (n integer primary key, state blob)")
        k, rows = 0, []
        for i in range(n):
            k += 1
            rows.append((i, pickle.dumps((k, n - i), 5)))
            if len(rows) == 1000:
                db.executemany("insert into steps values (?, ?)", rows)
                db.commit()
                rows = []
        db.executemany("insert into steps values (?, ?)", rows)
        db.commit()
        db.close()
        return k

    return run
