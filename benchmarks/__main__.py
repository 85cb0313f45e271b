"""`python -m benchmarks`: each row beside its floor, alternating, in one Ray session.

The floors are written as a good Ray user would write them; they keep nothing. Ours checkpoint every
task into a fresh store with `fsync`. Figures are work per second; the spread is the slowest and the
fastest of the runs.
"""

from __future__ import annotations

import argparse
import json
import pickle
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

SPEC = str(Path(__file__).with_name("work.wf"))


def _ours(workflow: str, **params: Any) -> Callable[[], Any]:
    import wfc

    plan = wfc.compile(wfc.load(SPEC), workflow)

    def run() -> Any:
        with tempfile.TemporaryDirectory() as store:
            return wfc.run(plan, params=params, store=store)

    return run


def _ray_fan_out(n: int) -> Callable[[], Any]:
    import ray

    @ray.remote
    def nothing(i: int) -> int:
        return i

    return lambda: sum(ray.get([nothing.remote(i) for i in range(n)]))


def _ray_chain(n: int) -> Callable[[], Any]:
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


def _ray_drain(n: int) -> Callable[[], Any]:
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


def _bare_loop(n: int) -> Callable[[], Any]:
    """A loop that pickles each step and inserts it into SQLite, a transaction per thousand."""

    def run() -> Any:
        with tempfile.TemporaryDirectory() as folder:
            db = sqlite3.connect(Path(folder, "floor.db"))
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


Row = tuple[int, str, str, int, Callable[[], Any], Callable[[], Any], Any]


def _rows(quick: bool) -> list[Callable[[], Row]]:
    small = 10 if quick else 1

    def row_1() -> Row:
        n = 10_000 // small
        floor, ours = _ray_fan_out(n), _ours("fan_out", n=n)
        return (
            1,
            "fan-out of no-op tasks and a sum",
            "plain Ray tasks",
            n,
            floor,
            ours,
            n * (n - 1) // 2,
        )

    def row_3() -> Row:
        n = 100_000 // small
        floor, ours = _bare_loop(n), _ours("hops", k=0, n=n)
        return 3, "continuation inplace", "bare loop into SQLite", n, floor, ours, n

    def row_4() -> Row:
        n = 1_000 // small
        floor, ours = _ray_chain(n), _ours("plain_hops", k=0, n=n)
        return 4, "continuation with a task each", "chain of plain Ray tasks", n, floor, ours, n

    def row_5() -> Row:
        n = 1_000 // small
        floor, ours = _ray_drain(n), _ours("drain_all", n=n)
        return 5, "wait(1 of …) loop", "ray.wait loop", n, floor, ours, n

    return [row_1, row_3, row_4, row_5]


def _measure(row: Row, runs: int) -> dict[str, Any]:
    number, name, floor_name, n, floor, ours, expected = row
    speeds: dict[str, list[float]] = {"floor": [], "ours": []}
    for attempt in range(runs + 1):
        for kind, run in (("floor", floor), ("ours", ours)):
            start = time.perf_counter()
            result = run()
            seconds = time.perf_counter() - start
            if result != expected:
                raise SystemExit(f"row {number}: {kind} gave {result!r}, not {expected!r}")
            if attempt:  # the first of each only warms up
                speeds[kind].append(n / seconds)
    ours_median = statistics.median(speeds["ours"])
    floor_median = statistics.median(speeds["floor"])
    return {
        "row": number,
        "work": name,
        "n": n,
        "floor": floor_name,
        "floor_per_second": round(floor_median),
        "floor_spread": [round(min(speeds["floor"])), round(max(speeds["floor"]))],
        "ours_per_second": round(ours_median),
        "ours_spread": [round(min(speeds["ours"])), round(max(speeds["ours"]))],
        "ratio": round(ours_median / floor_median, 2),
        "runs": runs,
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--only", default="", help="rows, as 1,3")
    parser.add_argument("--quick", action="store_true", help="a tenth of the work")
    parser.add_argument("--runs", type=int, default=5, help="counted runs of each")
    args = parser.parse_args()
    wanted = {int(part) for part in args.only.split(",") if part}

    import ray

    ray.init(address="local", num_cpus=2, include_dashboard=False, logging_level="ERROR")
    found = []
    try:
        for make in _rows(args.quick):
            row = make()
            if wanted and row[0] not in wanted:
                continue
            result = _measure(row, args.runs)
            found.append(result)
            if not args.json:
                low, high = result["ours_spread"]
                floor_low, floor_high = result["floor_spread"]
                print(
                    f"{result['row']:>2}  {result['work']} ({result['n']:,})\n"
                    f"    {result['floor']}: {result['floor_per_second']:,}/s"
                    f" ({floor_low:,}-{floor_high:,})\n"
                    f"    wfc: {result['ours_per_second']:,}/s ({low:,}-{high:,})"
                    f"   ratio {result['ratio']}",
                    flush=True,
                )
    finally:
        ray.shutdown()
    if args.json:
        print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
