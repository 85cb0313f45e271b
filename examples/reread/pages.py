"""The tasks of `reread.wf`."""

from __future__ import annotations

from collections import Counter
from pathlib import Path


def read_page(page: str) -> str:
    """Read a file. How often is noted beside it, so that you see when this ran."""
    with open(f"{page}.reads", "a") as reads:
        reads.write("read\n")
    return Path(page).read_text()


def count_words(text: str) -> dict[str, int]:
    if not text.strip():
        raise ValueError("the page is empty")
    return dict(Counter(text.lower().split()).most_common(3))


def publish(words: dict[str, int], shelf: str) -> str:
    file = Path(shelf) / "words.txt"
    file.write_text("".join(f"{count} {word}\n" for word, count in words.items()))
    return str(file)
