"""`docs/language.md`: every spec in it is clean, and gives what it says; errors look as they are shown."""

from __future__ import annotations

import ast
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.snippets import ROOT, Block, blocks
from wfc import testing
from wfc.compiler import compile_spec
from wfc.compiler.options import OPTIONS
from wfc.dsl.render import render
from wfc.plan.expr import BUILTINS

PAGE = (ROOT / "docs/language.md").read_text()
BLOCKS = blocks(PAGE)
STEPS = next(block.text for block in BLOCKS if block.file == "steps.py")
SPECS = [block.text for block in BLOCKS if block.language == "wf"]
CLAIM = re.compile(r"^# ((?:\w+|with .*|signal .*); )?(gives|fails) (.+)$", re.MULTILINE)
CLAIMS = [(text, *claim.groups()) for text in SPECS for claim in CLAIM.finditer(text)]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "steps.py").write_text(STEPS)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("text", SPECS, ids=range(len(SPECS)))
def test_specs_are_clean(folder: Path, text: str) -> None:
    (folder / "main.wf").write_text(text)
    for workflow in re.findall(r"^workflow (\w+)", text, re.MULTILINE):
        done = compile_spec(folder / "main.wf", workflow)
        assert not done.diagnostics, render(done.diagnostics, done.sources)


def given(text: str) -> dict[str, Any]:
    call = ast.parse(f"f({text})", mode="eval").body
    assert isinstance(call, ast.Call)
    return {str(k.arg): ast.literal_eval(k.value) for k in call.keywords}


@pytest.mark.parametrize(("text", "how", "what", "value"), CLAIMS, ids=range(len(CLAIMS)))
def test_specs_give_what_they_say(
    folder: Path, text: str, how: str | None, what: str, value: str
) -> None:
    (folder / "main.wf").write_text(text)
    word, _, rest = (how or "").removesuffix("; ").partition(" ")
    params = given(rest) if word == "with" else {}
    signals = [testing.Signal(*one) for one in given(rest).items()] if word == "signal" else []
    target = "main.wf" if word in ("", "with", "signal") else f"main.wf:{word}"
    ran = testing.run(target, params, signals=signals)
    if what == "gives":
        assert ran.result() == ast.literal_eval(value)
    else:
        assert ran.error is not None
        assert f"{ran.error.type}: {ran.error.message}" == value


def test_errors_look_as_they_are_shown(folder: Path) -> None:
    pairs = [
        (block.text, after.text) for block, after in pairwise(BLOCKS) if block.language == "wrong"
    ]
    assert pairs
    for text, shown in pairs:
        (folder / "main.wf").write_text(text)
        done = compile_spec(folder / "main.wf")
        assert render(done.diagnostics, done.sources).strip() == shown.strip()


def test_every_option_and_built_in_has_its_place() -> None:
    table = {
        name
        for row in re.findall(r"^\| (`.+?) \|", PAGE, re.MULTILINE)
        for name in re.findall(r"`(\w+)`", row)
    }
    assert OPTIONS.keys() <= table
    listed = re.search(r"The built-ins are `([\w\s]+)`", PAGE)
    assert listed is not None
    assert set(listed[1].split()) == set(BUILTINS)


def test_claims_were_found() -> None:
    assert len(CLAIMS) >= 15
    assert all(isinstance(block, Block) for block in BLOCKS)
