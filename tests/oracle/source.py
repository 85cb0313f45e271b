"""Where a generator's choices come from: hypothesis, a seed, or a recorded list that is shrunk.

Every choice is a number below a bound, and 0 is the simplest: so one generator serves property
tests (hypothesis shrinks), seeded simulation (fast), and the shrinker here (no hypothesis needed).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

from hypothesis import strategies as st

T = TypeVar("T")


class Source(Protocol):
    """Makes choices."""

    def below(self, bound: int) -> int:
        """A number from 0 to `bound - 1`."""


class Seeded:
    """Choices from a seed; they are kept, so that they can be played again."""

    def __init__(self, seed: int | str) -> None:
        self.random = random.Random(seed)
        self.made: list[int] = []

    def below(self, bound: int) -> int:
        number = int(self.random.random() * bound)
        self.made.append(number)
        return number


class Recorded:
    """Recorded choices; when they run out, always the simplest."""

    def __init__(self, choices: Sequence[int]) -> None:
        self.choices = list(choices)
        self.at = 0

    def below(self, bound: int) -> int:
        number = self.choices[self.at] if self.at < len(self.choices) else 0
        self.at += 1
        return min(number, bound - 1)


class Drawn:
    """Choices drawn from hypothesis."""

    def __init__(self, draw: Callable[..., Any]) -> None:
        self.draw = draw

    def below(self, bound: int) -> int:
        return int(self.draw(st.integers(0, bound - 1))) if bound > 1 else 0


def choice(source: Source, options: Sequence[T]) -> T:
    """One of the options; the first is the simplest."""
    return options[source.below(len(options))]


def between(source: Source, low: int, high: int) -> int:
    """A number from `low` to `high`, both included."""
    return low + source.below(high - low + 1)


def chance(source: Source, percent: int) -> bool:
    """True in so many of a hundred cases; false is simpler."""
    return source.below(100) >= 100 - percent


def shrink(
    choices: Sequence[int], fails: Callable[[list[int]], bool], budget: int = 2000
) -> list[int]:
    """A shorter and smaller list of choices for which `fails` still holds."""
    best = list(choices)
    left = budget

    def better(candidate: list[int]) -> bool:
        nonlocal best, left
        if left <= 0 or candidate == best:
            return False
        left -= 1
        if not fails(candidate):
            return False
        best = candidate
        return True

    improved = True
    while improved and left > 0:
        improved = False
        length = max(1, len(best) // 2)
        while length and left > 0:
            at = 0
            while at < len(best):
                if better(best[:at] + best[at + length :]):
                    improved = True
                elif any(best[at : at + length]) and better(
                    best[:at] + [0] * len(best[at : at + length]) + best[at + length :]
                ):
                    improved = True
                    at += length
                else:
                    at += length
            length //= 2
        for at in range(len(best)):
            while (
                at < len(best)
                and best[at] > 1
                and better([*best[:at], best[at] // 2, *best[at + 1 :]])
            ):
                improved = True
    return best
