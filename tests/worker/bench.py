"""Speeds of the interpreter alone; not a test: `python -m tests.worker.bench`."""

from __future__ import annotations

import time
from typing import Any

from tests.worker.harness import runner, work
from tests.worker.plans import arm, branch, call, cont, lit, map_, name, plan, ret, sub, workflow
from wfc.runtime.values import Column, Rows
from wfc.runtime.work import Work
from wfc.runtime.worker import dynamic


def nothing(x: Any) -> Any:
    return x


def pair(x: Any) -> Any:
    return [x, x]


def count(n: int) -> Any:
    return dynamic.continuation(dynamic.call("count", n - 1)) if n else "end"


def timed(label: str, size: int, made: Any, works: list[Work]) -> None:
    start = time.perf_counter()
    flushes = sum(1 for _ in made.run(works))
    seconds = time.perf_counter() - start
    print(f"{label:40} {size / seconds:12,.0f} /s  ({flushes} flushes)")


def main() -> None:
    exp = workflow(
        "exp",
        ["k", "n"],
        [
            branch(
                "if",
                [arm(["cmp", ["=="], [name("n"), lit(0)]], [ret(name("k"))])],
                then=[
                    cont(
                        "exp",
                        [["bin", "+", lit(2), name("k")], ["bin", "-", name("n"), lit(1)]],
                        inplace=True,
                    )
                ],
            )
        ],
        carried="inplace",
    )
    deep = workflow(
        "deep",
        ["n"],
        [
            branch(
                "if",
                [arm(["cmp", ["=="], [name("n"), lit(0)]], [ret(lit(0))])],
                then=[
                    sub("deep", "deep", [["bin", "-", name("n"), lit(1)]]),
                    ret(["bin", "+", name("deep"), lit(1)]),
                ],
            ),
        ],
    )

    def over(id: str, nodes: list[Any], out: str) -> Any:
        return map_(id, ["x"], name("xs"), nodes, [(id, name(out))])

    first = call("f", "nothing", [name("x")])
    fan = workflow(
        "main",
        ["xs"],
        [
            over("out", [first], "f"),
            over("pairs", [call("f", "pair", [name("x")])], "f"),
            over("sums", [call("f", "nothing", [["bin", "+", name("x"), lit(1)]])], "f"),
            over("two", [first, call("g", "nothing", [name("f")])], "g"),
        ],
    )
    functions = {"nothing": nothing, "pair": pair, "count": count}
    made = runner(plan(exp, deep, fan, tasks=dict.fromkeys(functions)), functions)
    n = 200_000
    timed("continuation inplace, hops", n, made, [work("exp", {"k": 1, "n": n})])
    for name_ in ("out", "pairs", "sums", "two"):
        rows = Rows([Column(None, n, list(range(n)))])
        one = Work(9, f"main/{name_}", "main", map=name_, items=rows, indices=range(n))
        timed(f"fan-out {name_}, elements", n, made, [one])
    timed("plain recursion, calls", 10_000, made, [work("deep", {"n": 10_000})])
    self_ = workflow("w", ["n"], [call("count", "count", [name("n")]), ret(name("count"))])
    made = runner(plan(self_, tasks=dict.fromkeys(functions)), functions)
    timed("a task that continues itself, hops", n, made, [work("w", {"n": n}, nodes=["count"])])


if __name__ == "__main__":
    main()
