"""Task functions of the corpus that are out of the ordinary."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import wfc


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


# ---- tasks that return graphs of calls


def plus(a: int, b: int = 1) -> int:
    return a + b


def times(a: int, b: int) -> int:
    return a * b


def add_all(xs: list[int]) -> int:
    return sum(xs)


def countdown(n: int, seen: int = 0) -> int:
    """As long a chain as one likes."""
    if n == 0:
        return seen
    return wfc.continuation(wfc.call(countdown, n - 1, seen + 1))


def countdown_inplace(n: int, seen: int = 0) -> int:
    if n == 0:
        return seen
    again = wfc.call(countdown_inplace, n - 1, seen + 1)
    return wfc.continuation(again.options(inplace=True))


def diamond(n: int) -> int:
    left = wfc.call(plus, n)
    right = wfc.call(times, n, b=10)
    return wfc.continuation(wfc.call(times, left, right))


def shared(n: int) -> int:
    """One call that is used twice is made once."""
    once = wfc.call(plus, n)
    return wfc.continuation(wfc.call(plus, once, once))


def spread(n: int) -> list[int]:
    return wfc.continuation([wfc.call(plus, i) for i in range(n)])


def nested(n: int) -> dict[str, object]:
    return wfc.continuation({"a": wfc.call(plus, n), "b": [wfc.call(times, n, n), n], "c": (n,)})


def by_name(n: int) -> int:
    """Calls a task and a workflow of the running spec."""
    return wfc.continuation(wfc.call("twice", wfc.call("add", n, 1)))


def quorum(n: int) -> int:
    """The same however the wait ends."""
    ready, pending = wfc.wait(2, [wfc.call(plus, i) for i in range(n)])
    return wfc.continuation(wfc.call(plus, wfc.call(add_all, ready), wfc.call(add_all, pending)))


def fails_later(n: int) -> int:
    return wfc.continuation(wfc.call(plus, wfc.call(boom, f"later {n}")))


def caught_later(n: int) -> str:
    tried = wfc.call(boom, f"later {n}").options(catch=True)
    return wfc.continuation(wfc.call(describe, tried))


def describe(result: wfc.Result) -> str:
    return f"{result.ok} {result.error.message}" if result.error else f"{result.ok} {result.value}"


def at_home(n: int) -> list[int]:
    """The box cannot leave this process, and need not: what uses it runs here."""
    box = Box([n])
    fuller = wfc.call(put, box, n + 1).options(inplace=True, checkpoint=False)
    return wfc.continuation(wfc.call(contents, fuller).options(inplace=True))


def away_and_home(n: int) -> list[int]:
    """The step in the middle runs elsewhere; the box waits at home for the last one."""
    box = Box([n])
    away = wfc.call(plus, n)
    return wfc.continuation(wfc.call(put_and_list, box, away).options(inplace=True))


def put_and_list(box: Box, item: int) -> list[int]:
    return contents(put(box, item))


def not_at_home(n: int) -> list[int]:
    """The box cannot go where this call would run."""
    return wfc.continuation(wfc.call(contents, Box([n])))


def after_all(n: int) -> int:
    first = wfc.call(plus, n)
    return wfc.continuation(wfc.call(times, n, 2).options(after=[first]))


def gather_rest(late: wfc.Pending[int]) -> int:
    """Gets the running calls, not their results."""
    ready, rest = wfc.wait("all", late)
    return wfc.continuation(wfc.call(plus, wfc.call(add_all, ready), wfc.call(add_all, rest)))


def waits_and_signals(n: int) -> list[object]:
    """Every step that is no call, with all that can be said of it."""
    nap = wfc.sleep(0.01)
    late = wfc.receive("never", timeout=0.02).options(catch=True, after=[nap])
    heard = wfc.receive("go").options(after=nap)
    lost = wfc.wait("all", [wfc.call(boom), wfc.call(plus, n)]).options(catch=True, after=[late])
    split = wfc.wait(1, [wfc.call(plus, n), wfc.call(plus, n)])
    done = wfc.call(add_all, split.ready).options(after=[wfc.cancel(split.pending)], name="done")
    return wfc.continuation([wfc.call(is_ok, late), heard, wfc.call(is_ok, lost), done])


def is_ok(result: wfc.Result) -> bool:
    return result.ok


def numbers(n: int) -> list[int]:
    return list(range(n))


def paired(data: bytes, i: int) -> tuple[bytes, int]:
    return data, i
