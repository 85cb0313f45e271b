"""Every code's page is true: its wrong example gives it, its right one nothing."""

from __future__ import annotations

import pytest

from wfc.dsl import codes
from wfc.dsl.codes import CODES, Code
from wfc.dsl.parser import parse

SYNTAX = [code for code in list(CODES.values()) if code.code < "WF040"]


@pytest.mark.parametrize("code", SYNTAX, ids=lambda code: code.code)
def test_examples(code: Code) -> None:
    if code.wrong:
        assert [each.code for each in parse(code.wrong, "x.wf").diagnostics] == [code.code]
    assert parse(code.right, "x.wf").diagnostics == []


def test_pages() -> None:
    assert "nested too deeply" in codes.explain("wf003")
    for code in SYNTAX:
        assert code.title[0].islower() or code.title[0] in "`="
        assert code.explanation.endswith((".", "`."))
        assert code.code in codes.explain(code.code)


def test_a_code_is_registered_once() -> None:
    with pytest.raises(ValueError, match="WF012"):
        codes.register("WF012", "", "", "", "")


def test_unknown_code() -> None:
    with pytest.raises(KeyError):
        codes.explain("WF999")
