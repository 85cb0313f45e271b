"""Specs with the errors that they have in them: `x = 1  ### "message"`.

Chunks are split by `---`. A message that is missing fails, and one that is not expected too.
"""

from __future__ import annotations

import re
from collections import Counter

import pytest

from tests.compiler.check.support import CASES, findings

_MESSAGE = re.compile(r'"((?:[^"\\]|\\.)*)"')


def _chunks() -> list[tuple[str, str]]:
    found = []
    for path in sorted(CASES.glob("*.wf.txt")):
        for number, chunk in enumerate(re.split(r"^---\n", path.read_text(), flags=re.MULTILINE)):
            found.append((f"{path.name.partition('.')[0]}-{number}", chunk))
    return found


def _expected(chunk: str) -> Counter[tuple[str, int, str]]:
    """File, line and text of each message that the chunk says it gives."""
    expected: Counter[tuple[str, int, str]] = Counter()
    file, number = "main.wf", 0
    for line in chunk.split("\n"):
        if line.startswith("# file: "):
            file, number = line.removeprefix("# file: "), 0
            continue
        number += 1
        _, mark, messages = line.partition("  ### ")
        for text in _MESSAGE.findall(messages) if mark else ():
            expected[file, number, re.sub(r"\\(.)", r"\1", text)] += 1
    return expected


@pytest.mark.parametrize(("name", "chunk"), _chunks(), ids=[n for n, _ in _chunks()])
def test_chunk(name: str, chunk: str) -> None:
    found = Counter((d.span.file, d.span.line, d.message) for d in findings(chunk))
    expected = _expected(chunk)
    assert sorted((expected - found).elements()) == [], "expected, and not found"
    assert sorted((found - expected).elements()) == [], "found, and not expected"
