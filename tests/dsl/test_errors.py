"""What the diagnostics say, to the letter: `errors/*.txt` (see `golden`)."""

from __future__ import annotations

from pathlib import Path

import pytest

from wfc.dsl.codes import CODES
from wfc.dsl.parser import parse
from wfc.dsl.render import render

from . import golden


def shown(source: str) -> str:
    """All diagnostics of a source as text; `no errors` when there are none."""
    result = parse(source, "main.wf")
    assert (result.module is None) == bool(result.diagnostics)
    assert all(each.code in CODES for each in result.diagnostics)
    return render(result.diagnostics, {"main.wf": source}) or "no errors\n"


@pytest.mark.parametrize("path", golden.tests("errors"), ids=lambda path: path.stem)
def test_diagnostics(path: Path) -> None:
    golden.check(path, shown)


def test_every_syntax_code_is_shown_somewhere() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in golden.tests("errors"))
    # What needs an unusual file (bytes, size, depth) is in test_limits.
    missing = [
        code for code in CODES if code < "WF040" and code > "WF003" and f"[{code}]" not in text
    ]
    assert not missing
