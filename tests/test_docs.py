"""The docs are true where that can be checked: what they show is run, and prints what they say."""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.main

import wfc
import wfc.testing
from tests.snippets import PAGES, ROOT, Session, blocks, copied, play, sessions
from tests.storage.postgres import Server, find_binaries
from tests.storage.s3 import S3
from wfc.cli.app import app
from wfc.dsl.parser import parse
from wfc.dsl.render import render

EVERY = [session for page in PAGES for session in sessions(page)]


def _marked(session: Session) -> object:
    marks = [pytest.mark.ray] if session.needs == "ray" else [pytest.mark.slow]
    return pytest.param(session, marks=marks)


@pytest.fixture(scope="module")
def postgres() -> Iterator[Server]:
    binaries = find_binaries()
    if binaries is None:
        pytest.skip("there is no PostgreSQL server on this machine")
    server = Server(binaries)
    yield server
    server.close()


@pytest.fixture
def objects() -> Iterator[dict[str, str]]:
    server = S3()
    yield server.environ()
    server.stop()


@pytest.mark.parametrize("session", [_marked(s) for s in EVERY if s.runs], ids=str)
def test_what_the_docs_show_happens(
    session: Session, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    environment = {}
    if session.needs == "ray":
        environment["RAY_ADDRESS"] = request.getfixturevalue("ray_session")
    if session.needs == "postgres":
        environment["DATABASE"] = request.getfixturevalue("postgres").url("docs")
    if session.needs == "objects":
        environment["DATABASE"] = request.getfixturevalue("postgres").url("objects")
        environment.update(request.getfixturevalue("objects"))
    copied(session, tmp_path)
    play(session, tmp_path, environment)


def specs() -> list[tuple[str, str]]:
    """The specs in the docs: blocks that declare a workflow."""
    return [
        (f"{session.name} #{number}", block.text)
        for session in EVERY
        for number, block in enumerate(session.blocks)
        if block.language in ("", "wf") and re.search(r"^workflow \w+\(", block.text, re.MULTILINE)
    ]


@pytest.mark.parametrize(("name", "text"), specs(), ids=[name for name, _ in specs()])
def test_specs_in_the_docs_can_be_read(name: str, text: str) -> None:
    result = parse(text, name)
    assert result.module is not None, render(result.diagnostics, {name: text})


def test_the_readme_shows_the_example_as_it_is() -> None:
    spec = (ROOT / "examples/orders/orders.wf").read_text()
    shown = next(text for name, text in specs() if name.startswith("README"))
    assert spec.endswith(shown)


def mentioned() -> list[tuple[str, str]]:
    """The commands of ours that are named anywhere in the docs, with their page."""
    out = []
    for page in [*PAGES, *sorted(ROOT.glob("examples/*/README.md"))]:
        text = page.read_text()
        shown = [line for b in blocks(text) if b.language in ("sh", "console")
                 for line in b.text.splitlines()]  # fmt: skip
        found = re.findall(r"`(wfc [^`]+)`", text) + re.findall(
            r"(?:^|; |\$ )(wfc [^;#\n]+)", "\n".join(shown), re.M
        )
        out += [(page.name, command.strip()) for command in found]
    return out


def test_commands_and_options_that_the_docs_name_exist() -> None:
    known = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    named = mentioned()
    assert len(named) > 30
    for page, command in named:
        _, name, *words = command.split()
        if name.startswith("-"):
            continue
        assert name in known, f"{page}: {command}"
        options = {option for param in known[name].params for option in param.opts} | {"--help"}
        for word in words:
            option = word.partition("=")[0].rstrip(",.")
            if re.fullmatch(r"--?[a-z][a-z-]*", option):
                assert option in options, f"{page}: {command}"


def test_tests_that_guarantees_name_exist() -> None:
    text = (ROOT / "docs/guarantees.md").read_text()
    named = re.findall(r"`(tests/[\w/]+\.py)`", text)
    assert named
    for path in named:
        assert (ROOT / path).exists(), path


# ------------------------------------------------------------------------------ the Python API


@pytest.mark.parametrize("module", [wfc, wfc.testing], ids=["wfc", "wfc.testing"])
def test_all_that_is_public_is_documented(module: object) -> None:
    page = (ROOT / "docs/python.md").read_text()
    for name in module.__all__:  # type: ignore[attr-defined]
        thing = getattr(module, name)
        assert inspect.getdoc(thing), f"{name} has no docstring"
        assert re.search(rf"\b{name}\b", page), f"{name} is not in docs/python.md"
        if inspect.isclass(thing):
            for member, value in vars(thing).items():
                if not member.startswith("_") and (callable(value) or isinstance(value, property)):
                    assert inspect.getdoc(value), f"{name}.{member} has no docstring"
        if inspect.isfunction(thing):
            hints = inspect.get_annotations(thing)
            assert set(hints) >= {*inspect.signature(thing).parameters, "return"}, name


def test_no_page_names_this_machine() -> None:
    for page in PAGES:
        assert os.path.expanduser("~") not in page.read_text(), page.name
