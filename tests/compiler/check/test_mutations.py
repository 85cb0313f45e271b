"""Broken specs of every kind: never an exception, always quick."""

from __future__ import annotations

import random
import re
import time

import pytest

from tests.compiler.check.support import CASES, findings, project
from tests.compiler.check.test_mistakes import MISTAKES
from wfc.compiler.check import analyze
from wfc.compiler.explained import PAGES

_TOKEN = re.compile(r"[A-Za-z_]\w*|\d+\w*|\"[^\"\n]*\"|\s+|.", re.DOTALL)

SPECS = [
    *(p for page in PAGES for p in page[3:5]),
    *MISTAKES.values(),
    *(
        chunk
        for path in sorted(CASES.glob("*.wf.txt"))
        for chunk in re.split(r"^---\n", path.read_text(), flags=re.MULTILINE)
    ),
]


def _mutated(text: str, chance: random.Random) -> str:
    """The text with one to three tokens dropped, doubled, swapped, or replaced by others."""
    tokens = _TOKEN.findall(text)
    for _ in range(chance.randint(1, 3)):
        if not tokens:
            break
        at = chance.randrange(len(tokens))
        other = chance.choice(tokens)
        match chance.randrange(5):
            case 0:
                tokens[at] = ""
            case 1:
                tokens[at] *= 2
            case 2:
                to = chance.randrange(len(tokens))
                tokens[at], tokens[to] = tokens[to], tokens[at]
            case 3:
                tokens[at] = other
            case _:
                tokens[at] = chance.choice(
                    ["(", "]", "wait", "main", "x", "None", "1", "=", "inplace"]
                )
    return "".join(tokens)


@pytest.mark.parametrize("seed", range(4))
def test_mutations(seed: int) -> None:
    chance = random.Random(seed)
    for spec in SPECS:
        for _ in range(2):
            text = _mutated(spec, chance)
            began = time.perf_counter()
            try:
                findings(text)
            except Exception as error:
                raise AssertionError(f"{error!r} for\n{text}") from error
            assert time.perf_counter() - began < 2, text


def test_a_clean_spec_that_is_analyzed_twice_says_the_same() -> None:
    for spec in SPECS:
        made = project(spec)
        assert analyze(made).diagnostics == analyze(made).diagnostics


def test_findings_are_sorted_and_have_places() -> None:
    for spec in SPECS:
        found = findings(spec)
        own = [d for d in found if d.span.file == "main.wf" and d.code < "WF130"]
        places = [(d.span.line, d.span.column) for d in own]
        assert places == sorted(places)
        assert all(d.span.line >= 1 and d.span.column >= 1 for d in found)
