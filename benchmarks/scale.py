"""Rows 9 and 12: many tasks at once, and what the coordinator keeps of them, in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from benchmarks.measure import Makers, Row
from benchmarks.ours import FOLDER

GIB = 2**30


def rows(small: int) -> Makers:
    """The rows, a `small`-th of the work."""
    yield 9, lambda: million(1_000_000 // small)
    yield 12, lambda: memory(100_000 // small)
    yield 3, lambda: constant(1_000_000 // small)


def child(workflow: str, n: int) -> dict[str, Any]:
    """What a run takes in a process of its own, on the Ray of this one."""
    import ray

    address = ray.get_runtime_context().gcs_address
    command = [sys.executable, "-m", "benchmarks.child", address, workflow, str(n)]
    done = subprocess.run(command, cwd=FOLDER.parent, stdout=subprocess.PIPE, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def million(n: int) -> Row:
    seen: dict[str, Any] = {}

    def seconds() -> float:
        seen.update(child("count", n))
        if seen["result"] != n:
            raise SystemExit(f"{n:,} tasks gave {seen['result']!r}")
        return float(seen["seconds"])

    return Row(
        9,
        f"fan-out of {n:,} no-op tasks",
        "",
        {"seconds": seconds, "coordinator's peak, GiB": lambda: seen["peak"] / GIB},
        target="≤ 60 s, coordinator < 1 GiB",
        met=lambda medians: medians["seconds"] <= 60 and medians["coordinator's peak, GiB"] < 1,
        note=lambda medians: f"{n / medians['seconds']:,.0f} /s",
        runs=3,
        warm=False,
    )


def memory(n: int) -> Row:
    def each() -> float:
        found = child("fan_out", n)
        return float(found["grown"]) / n

    return Row(
        12,
        f"memory of the coordinator per task, {n:,} tasks",
        "B",
        {"wfc": each},
        target="≤ 1.5 KB",
        met=lambda medians: medians["wfc"] <= 1_500,
        runs=3,
        warm=False,
    )


def constant(n: int) -> Row:
    """More hops take no more memory, neither in the coordinator nor where they run."""
    few, many = n // 100, n
    seen: dict[int, dict[str, Any]] = {}

    def coordinator(hops: int) -> Callable[[], float]:
        def side() -> float:
            seen[hops] = child("hops_peak", hops)
            return float(seen[hops]["peak"]) / 2**20

        return side

    def worker(hops: int) -> Callable[[], float]:
        return lambda: float(seen[hops]["result"]) / 2**20

    sides = {}
    for hops in (few, many):
        sides[f"coordinator, {hops:,} hops"] = coordinator(hops)
        sides[f"worker, {hops:,} hops"] = worker(hops)
    return Row(
        3,
        f"peak memory of continuation inplace, {few:,} and {many:,} hops",
        "MiB",
        sides,
        target="constant (within 10 %)",
        met=lambda medians: all(
            medians[f"{where}, {many:,} hops"] <= 1.1 * medians[f"{where}, {few:,} hops"]
            for where in ("coordinator", "worker")
        ),
        runs=1,
        warm=False,
    )
