"""The docs are true where that can be checked."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from wfc.dsl.parser import parse
from wfc.dsl.render import render

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks() -> list[tuple[str, str]]:
    """The specs in the docs: blocks without a language that declare a workflow."""
    out = []
    for page in PAGES:
        fences = re.findall(r"^```(\w*)\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)
        for number, (language, text) in enumerate(fences):
            if not language and re.search(r"^workflow \w+\(", text, re.MULTILINE):
                out.append((f"{page.name}#{number}", text))
    return out


@pytest.mark.parametrize(("name", "text"), blocks())
def test_specs_in_the_docs_can_be_read(name: str, text: str) -> None:
    result = parse(text, name)
    assert result.module is not None, render(result.diagnostics, {name: text})


def test_the_readme_shows_the_example_as_it_is() -> None:
    spec = (ROOT / "examples/orders/orders.wf").read_text()
    shown = next(text for name, text in blocks() if name.startswith("README"))
    assert spec.endswith(shown)


def test_tests_that_guarantees_name_exist() -> None:
    text = (ROOT / "docs/guarantees.md").read_text()
    named = re.findall(r"`(tests/[\w/]+\.py)`", text)
    assert named
    for path in named:
        assert (ROOT / path).exists(), path
