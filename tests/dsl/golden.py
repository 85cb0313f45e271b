"""Chunk files: sources and what is expected of them side by side, rewritten by one switch.

A file holds chunks, separated by lines of `---`. A chunk is a source, a line of `>>>`, and the expected
text. `WFC_UPDATE_GOLDEN=1 pytest tests/dsl` writes what comes out now; a change is then read as a diff.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).parent
UPDATE = os.environ.get("WFC_UPDATE_GOLDEN") == "1"


def chunks(path: Path) -> list[tuple[str, str]]:
    """Each chunk's source and expected text."""
    found = []
    for chunk in path.read_text(encoding="utf-8").split("\n---\n"):
        source, _, expected = chunk.partition(">>>\n")
        found.append((source, expected.rstrip("\n") + "\n"))
    return found


def check(path: Path, produce: Callable[[str], str]) -> None:
    """Compare what `produce` makes of every source with the file, or rewrite the file."""
    read = chunks(path)
    made = [(source, produce(source).rstrip("\n") + "\n") for source, _ in read]
    if UPDATE:
        text = "\n---\n".join(f"{source}>>>\n{result}" for source, result in made)
        path.write_text(text, encoding="utf-8")
        return
    for (source, expected), (_, result) in zip(read, made, strict=True):
        assert result == expected, f"{path.name}, the chunk\n{source}"


def tests(folder: str) -> list[Path]:
    """The chunk files of a folder."""
    return sorted((HERE / folder).glob("*.txt"))
