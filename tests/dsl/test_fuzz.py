"""Whatever the file, `parse` returns: random bytes, and sources with pieces cut, doubled or swapped."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wfc.dsl.codes import CODES
from wfc.dsl.format import format_source
from wfc.dsl.parser import ParseResult, parse
from wfc.dsl.render import render, to_json

from .snippets import SNIPPETS

PIECES = [re.findall(r"\w+|[^\w\s]|\s+", source) for source in SNIPPETS]
WORDS = sorted({piece for pieces in PIECES for piece in pieces})


def checked(text: str | bytes) -> ParseResult:
    """What `parse` gives, checked for what always holds."""
    result = parse(text, "x.wf")
    assert (result.module is None) == bool(result.diagnostics)
    places = [(d.span.line, d.span.column) for d in result.diagnostics]
    assert places == sorted(places)
    assert all(d.code in CODES and d.message for d in result.diagnostics)
    shown = text if isinstance(text, str) else text.decode("utf-8", "replace")
    assert bool(render(result.diagnostics, {"x.wf": shown})) == bool(result.diagnostics)
    to_json(result.diagnostics)
    if result.module is not None:
        once = format_source(text, "x.wf")
        assert format_source(once, "x.wf") == once
    return result


@given(st.binary(max_size=200))
def test_bytes(data: bytes) -> None:
    checked(data)


@given(st.text(max_size=200))
def test_text(data: str) -> None:
    checked(data)


@given(st.lists(st.sampled_from(WORDS), max_size=40).map("".join))
@settings(max_examples=150)
def test_words_of_the_language(data: str) -> None:
    checked(data)


@given(st.sampled_from(PIECES), st.data())
@settings(max_examples=200)
def test_mutations(pieces: list[str], data: st.DataObject) -> None:
    pieces = list(pieces)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(pieces) - 1))
        match data.draw(st.sampled_from(["delete", "double", "swap", "replace"])):
            case "delete" if len(pieces) > 1:
                del pieces[at]
            case "double":
                pieces.insert(at, pieces[at])
            case "swap":
                other = data.draw(st.integers(0, len(pieces) - 1))
                pieces[at], pieces[other] = pieces[other], pieces[at]
            case _:
                pieces[at] = data.draw(st.sampled_from(WORDS))
    checked("".join(pieces))


@pytest.mark.parametrize("source", SNIPPETS)
def test_truncation_at_every_piece(source: str) -> None:
    for found in re.finditer(r"\w+|[^\w\s]|\s+", source):
        result = parse(source[: found.start()], "x.wf")
        # A file that breaks off is wrong in one place, perhaps two, and not in a dozen.
        assert len(result.diagnostics) <= 3, source[: found.start()]
