"""Each code's page: the wrong example gives the code, the right one is clean."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import wfc.compiler.check
from tests.compiler.check.support import findings
from wfc.compiler import codes
from wfc.compiler.explained import PAGES
from wfc.dsl.codes import CODES

OWN = {name: value for name, value in vars(codes).items() if name.isupper()}
WITH_EXAMPLE = [page for page in PAGES if page[3]]


def test_every_code_has_a_page() -> None:
    missing = {n for n, c in OWN.items() if c not in {p[0] for p in PAGES}}
    assert missing == set()
    assert {p[0] for p in PAGES} - {p[0] for p in WITH_EXAMPLE} == {
        codes.TOO_DEEP,
        codes.NOT_STATIC,
    }
    assert len(set(OWN.values())) == len(OWN)
    assert {p[0] for p in PAGES} <= CODES.keys()


def test_every_code_is_used() -> None:
    folder = Path(wfc.compiler.check.__file__).parent.parent
    text = "".join(
        p.read_text()
        for p in folder.rglob("*.py")
        if p.name != "codes.py" and "pages_" not in p.name
    )
    assert [n for n in OWN if not re.search(rf"codes\.{n}\b", text)] == []


@pytest.mark.parametrize("page", WITH_EXAMPLE, ids=[p[0] for p in WITH_EXAMPLE])
def test_wrong_and_right(page: tuple[str, str, str, str, str]) -> None:
    code, _, _, wrong, right = page
    assert [d.code for d in findings(wrong)] == [code]
    assert findings(right) == []
