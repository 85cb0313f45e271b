"""The grammar file by itself: one LALR(1) grammar with no conflicts, in Lark's strictest mode."""

from __future__ import annotations

import re
from functools import lru_cache

import lark
import pytest
from lark.indenter import PythonIndenter

from wfc.dsl.builder import Builder
from wfc.dsl.parser import grammar_text, parse

from .snippets import SNIPPETS


@lru_cache
def strict(lexer: str) -> lark.Lark:
    """The grammar as Lark builds it with `strict=True` (which needs interegular)."""
    return lark.Lark(
        grammar_text(), parser="lalr", lexer=lexer, strict=True, start=["module", "field"],
        maybe_placeholders=False, postlex=PythonIndenter(),
    )  # fmt: skip


@pytest.mark.parametrize("lexer", ["contextual", "basic"])
def test_no_conflict_and_no_collision(lexer: str) -> None:
    """No shift/reduce, no reduce/reduce, and no text that two terminals of one rank would take."""
    strict(lexer)


@pytest.mark.parametrize("source", [s for s in SNIPPETS if "task(task" not in s])
def test_lark_alone_reads_the_language(source: str) -> None:
    """The grammar says it all: Lark's own contextual lexer and indenter read the same files."""
    # One difference is known: there, words like `task` are no names at the start of a statement.
    strict("contextual").parse(re.sub(r"^  \"", '    "', source, flags=re.M) + "\n", start="module")


def test_every_rule_has_its_method() -> None:
    rules = {
        (rule.alias or rule.origin.name)
        for rule in strict("contextual").rules
        if not rule.origin.name.startswith("_")
        and not (rule.options.expand1 and not rule.alias and len(rule.expansion) == 1)
    }
    methods = {name for name in dir(Builder) if not name.startswith("_")} - {"report"}
    assert rules == methods


def test_words_are_names_where_they_are_free() -> None:
    for word in ("task", "workflow", "of", "after", "wait", "all", "any"):
        source = f"""workflow main({word}: int):
    {word} = f({word}, {word}={word}).{word}
    if {word}:
        pass
    {word} = [{word} for {word} in {word}]
    x, {word} = wait({word} of {word}, timeout={word})
    {word}
"""
        assert [d.code for d in parse(source, "x").diagnostics] == ["WF024"], word
