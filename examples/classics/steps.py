"""What the classics are made of."""

import random
import time
from collections import Counter
from pathlib import Path

import wfc


def flip(seed: int, turn: int) -> str:
    return "heads" if random.Random(f"{seed}/{turn}").random() < 0.5 else "tails"


def note(folder: str, text: str) -> None:
    with open(Path(folder) / "notes.txt", "a", encoding="utf-8") as file:
        file.write(text + "\n")


def work(folder: str, well: bool) -> str:
    note(folder, "worked")
    if not well:
        raise RuntimeError("it did not go well")
    return "done"


def double(n: int) -> int:
    return 2 * n


def square(n: int) -> int:
    return n * n


def subtract(a: int, b: int) -> int:
    return a - b


def greet(word: str, name: str) -> str:
    return f"{word} {name}"


def unsteady(folder: str, good: int) -> int:
    """Fails until the attempt of this number."""
    note(folder, f"{time.monotonic()}")
    if wfc.attempt() < good:
        raise ConnectionResetError("the line broke")
    return wfc.attempt()


def wrong(folder: str) -> None:
    raise ValueError("no line would help")


def book(folder: str, what: str) -> None:
    if what == "moon":
        raise LookupError("sold out")
    note(folder, f"booked {what}")


def release(folder: str, what: str) -> None:
    note(folder, f"released {what}")


def files(folder: str) -> list[str]:
    return sorted(map(str, Path(folder).glob("*.txt")))


def count_words(path: str) -> dict[str, int]:
    return dict(Counter(Path(path).read_text(encoding="utf-8").split()))


def merge(counts: list[dict[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for count in counts:
        total.update(count)
    return dict(sorted(total.items()))
