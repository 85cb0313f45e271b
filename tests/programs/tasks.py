"""The task functions of generated programs: deterministic, over ints, strings, lists and dicts."""

from __future__ import annotations


def add(a: int, b: int = 1) -> int:
    return a + b


def mul(a: int, b: int = 2) -> int:
    return a * b % 10007


def neg(a: int) -> int:
    return -a


def clip(a: int, low: int = 0, high: int = 99) -> int:
    return min(max(a, low), high)


def size(s: str) -> int:
    return len(s)


def total(xs: list[int]) -> int:
    return sum(xs)


def merge(*parts: list[int]) -> int:
    return sum(sum(part) for part in parts)


def lookup(d: dict[str, int], key: str) -> int:
    return d[key]


def fail_if(a: int, limit: int = 50) -> int:
    if a > limit:
        raise ValueError(f"{a} is more than {limit}")
    return a


def is_even(a: int) -> bool:
    return a % 2 == 0


def below(a: int, b: int = 10) -> bool:
    return a < b


def text(a: int) -> str:
    return f"<{a}>"


def echo(s: str) -> str:
    return s


def join(xs: list[str], sep: str = "-") -> str:
    return sep.join(xs)


def refuse(s: str, why: str = "no") -> str:
    if len(s) % 3 == 0:
        raise KeyError(why)
    return s


def listing(n: int) -> list[int]:
    return list(range(n % 5))


def pair(a: int, b: int) -> list[int]:
    return [a, b]


def both(a: int, b: int) -> tuple[int, int]:
    return b, a


def flat(xss: list[list[int]]) -> list[int]:
    return [x for xs in xss for x in xs]


def words(xs: list[int]) -> list[str]:
    return [f"w{x}" for x in xs]


class Held:
    """A number that cannot leave its process."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __repr__(self) -> str:
        return f"Held({self.number})"

    def __reduce__(self) -> str:
        raise TypeError(f"{self} cannot leave its process")


def hold(a: int) -> Held:
    return Held(a)


def use(held: Held, b: int) -> int:
    return held.number * b % 101


def keyed(xs: list[int]) -> dict[str, int]:
    return {f"k{i}": x for i, x in enumerate(xs)}
