"""The rows with other sizes and shapes, so that nothing is tuned to its own benchmark."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks import functions, recovery, schedule, values
from benchmarks.measure import Makers, Row, fresh, rate, times
from benchmarks.ours import ours

PLAIN = "plain Ray"


def rows(small: int) -> Makers:
    """The rows, a `small`-th of the work."""
    for milliseconds, n in ((1, 2_000), (20, 400)):
        yield 1, lambda ms=milliseconds, n=n: _naps(n // small, ms)
    for size, n in ((10, 5_000), (1_000, 5_000), (60_000, 1_000)):
        yield 1, lambda size=size, n=n: _texts(n // small, size)
    yield 6, lambda: values.arrays(1_000 // small, 100 * 1024)
    yield 1, lambda: _nested(100 // small)
    yield 1, lambda: _diamond(3_000 // small)
    yield 1, lambda: _retried(3_000 // small)
    yield 1, lambda: _regions(30 // small)
    yield 6, lambda: values.arrays(400 // small, 1024 * 1024)
    yield 7, lambda: recovery.resumed([n // small for n in (2_500, 5_000, 10_000)], batch="1")
    for order in ("rising", "falling"):
        yield 8, lambda order=order: _ordered(400 // small, order)


def _against(
    work: str, n: int, floor: Callable[[], Any], mine: Callable[[], Any], result: Any
) -> Row:
    """Ours, which keeps everything, is not to be slower than plain Ray, which keeps nothing."""
    sides = {PLAIN: rate(n, floor, result), "wfc": rate(n, mine, result)}
    return Row(1, work, "/s", sides, **times(1, PLAIN))


def _naps(n: int, milliseconds: int) -> Row:
    seconds = [milliseconds / 1000] * n
    work = f"fan-out of {n:,} tasks of {milliseconds} ms"
    sides = {
        PLAIN: rate(n, schedule.ray_naps(seconds), n),
        "wfc": rate(n, ours("naps", seconds=seconds), n),
    }
    return Row(1, work, "/s", sides, **times(0.95, PLAIN))


def _texts(n: int, size: int) -> Row:
    import ray

    text = ray.remote(functions.text)
    lengths = ray.remote(lambda *results: sum(map(len, results)))

    def floor() -> Any:
        return ray.get(lengths.remote(*[text.remote(size, i) for i in range(n)]))

    mine = ours("texts", n=n, size=size)
    return _against(f"fan-out of {n:,} results of {size:,} bytes", n, floor, mine, n * size)


def _nested(n: int) -> Row:
    """A fan-out inside a fan-out."""
    import ray

    nothing, total = ray.remote(functions.nothing), ray.remote(lambda *results: sum(results))

    def floor() -> Any:
        sums = [total.remote(*[nothing.remote(i) for i in range(n)]) for _ in range(n)]
        return ray.get(total.remote(*sums))

    result = n * (n * (n - 1) // 2)
    work = f"fan-out of {n} in a fan-out of {n}"
    return _against(work, n * n, floor, ours("nested", n=n), result)


def _diamond(n: int) -> Row:
    """Two maps over one map, joined by a fourth."""
    import ray

    nothing, step = ray.remote(functions.nothing), ray.remote(functions.step)
    add, total = ray.remote(functions.add), ray.remote(lambda *results: sum(results))

    def floor() -> Any:
        first = [nothing.remote(i) for i in range(n)]
        pairs = [(step.remote(x), nothing.remote(x)) for x in first]
        return ray.get(total.remote(*[add.remote(b, c) for b, c in pairs]))

    result = n * (n - 1) + n
    work = f"diamond of four maps of {n:,}"
    return _against(work, 4 * n, floor, ours("diamond", n=n), result)


def _retried(n: int) -> Row:
    """Every tenth task fails at first."""
    import ray

    flaky = ray.remote(max_retries=3, retry_exceptions=True)(functions.first_fails)

    def floor() -> Any:
        folder = fresh()
        return sum(ray.get([flaky.remote(i, folder) for i in range(n)]))

    def mine() -> Any:
        return ours("retried", n=n, folder=fresh())()

    work = f"fan-out of {n:,} tasks, every tenth fails once"
    return _against(work, n, floor, mine, n * (n - 1) // 2)


class _Holder(functions.Held):
    """As an actor."""

    def read(self, i: int) -> int:
        return functions.read(self, i)


def _regions(n: int) -> Row:
    """Each holds an object in a process of its own, while a call runs elsewhere."""
    import ray

    nothing, holder = ray.remote(functions.nothing), ray.remote(_Holder)

    def floor() -> Any:
        holders = [holder.remote(i) for i in range(n)]
        return sum(ray.get([h.read.remote(nothing.remote(i)) for i, h in enumerate(holders)]))

    work = f"fan-out of {n} regions, each with a call elsewhere"
    return _against(work, n, floor, ours("regions", n=n), n * (n - 1))


def _ordered(n: int, order: str) -> Row:
    seconds = sorted(schedule.heavy_tailed(n), reverse=order == "falling")
    return schedule.naps(f"heavy-tailed mix, {order}", seconds)
