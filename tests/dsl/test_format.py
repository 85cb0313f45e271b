"""The formatter: goldens, and the properties that hold for every file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wfc.dsl import ast
from wfc.dsl.breaking import LINE_LENGTH
from wfc.dsl.format import FormatError, format_layout, format_source, same_tree
from wfc.dsl.parser import parse, parse_layout
from wfc.dsl.unparse import unparse, unparse_expression

from . import golden, trees
from .snippets import SNIPPETS


def formatted(source: str) -> str:
    """The formatter's output, checked: it parses to the same tree, and is not changed again."""
    result, layout = parse_layout(source, "x.wf")
    assert layout is not None, result.diagnostics
    # The output of one pass, as `format_source` would hide a defect behind the original.
    once = parse_layout(format_layout(layout), "x.wf")[0].module
    assert same_tree(result.module, once)
    text = format_source(source, "x.wf")
    again, layout_again = parse_layout(text, "x.wf")
    assert layout_again is not None, (text, again.diagnostics)
    assert same_tree(result.module, again.module), text
    assert format_layout(layout_again) == text
    comments = [c.text.lstrip("# ") for c in layout.comments]
    assert sorted(comments) == sorted(c.text.lstrip("# ") for c in layout_again.comments)
    return text


@dataclass
class Tree:
    """A tree that shows itself as text, so that a failure can be read."""

    node: ast.Module

    def __repr__(self) -> str:
        return unparse(self.node)


@pytest.mark.parametrize("path", golden.tests("format"), ids=lambda path: path.stem)
def test_golden(path: Path) -> None:
    golden.check(path, formatted)


@pytest.mark.parametrize("source", SNIPPETS)
def test_snippets(source: str) -> None:
    formatted(source)


@given(trees.modules.map(Tree))
@settings(max_examples=60)
def test_every_tree_survives(tree: Tree) -> None:
    module = tree.node
    text = unparse(module)
    result = parse(text, "x")
    assert result.module is not None, (text, result.diagnostics)
    assert same_tree(result.module, module), text
    formatted(text)


@given(trees.expressions)
@settings(max_examples=200)
def test_every_expression_survives(node: ast.Expr) -> None:
    text = f"X = {unparse_expression(node)}\n"
    module = parse(text, "x").module
    assert module is not None, text
    declaration = module.declarations[0]
    assert isinstance(declaration, ast.ConstantDecl)
    assert same_tree(declaration.value, node), text


@given(st.data())
@settings(max_examples=80)
def test_comments_and_blanks_survive_anywhere(data: st.DataObject) -> None:
    """Comments behind any line and between any two, blanks where they mean nothing."""
    lines = data.draw(st.sampled_from(SNIPPETS)).split("\n")
    out = []
    for number, line in enumerate(lines):
        inside = sum(map(line.count, "([{")) - sum(map(line.count, ")]}"))
        extra = data.draw(
            st.sampled_from(["", "", "  # c", "   ", "\n", "\n\n\n", "\n    # own", "\n# own"])
        )
        if '"""' in line or "'''" in line or line.endswith("\\") or inside:
            extra = ""
        out.append(line + (extra.replace("c", f"c{number}")))
    formatted("\n".join(out) + "\n")


@given(st.data())
@settings(max_examples=100)
def test_a_comment_in_any_bracket_survives(data: st.DataObject) -> None:
    tokens = ["x", "=", "f", "(", "a", ",", "[", "b", "for", "b", "in", "(", "c", "+", "d", ")", "]",
              ",", "k", "=", "{", "1", ":", "e", ",", "}", ",", ")", "[", "1", ":", "]"]  # fmt: skip
    text = "X = f(a)\nworkflow main():\n    "
    depth = 0
    for number, token in enumerate(tokens):
        text += token + " "
        depth += (token in "([{") - (token in ")]}")
        if depth and data.draw(st.integers(0, 5)) == 0:
            text += data.draw(
                st.sampled_from(["\n", "# c{}\n", "\n # o{}\n", "#a{}\n#b{}\n"])
            ).replace("{}", str(number))
    formatted(text + "\n")


def test_lines_are_short_where_they_can_be() -> None:
    text = (
        "workflow main():\n    x = f("
        + ", ".join(f"argument_{i}=g(value_{i})" for i in range(30))
        + ")\n"
    )
    assert max(map(len, formatted(text).split("\n"))) <= LINE_LENGTH


def test_errors_are_given_back() -> None:
    with pytest.raises(FormatError) as caught:
        format_source("workflow main(:\n", "x.wf")
    assert caught.value.diagnostics[0].span.line == 1


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment", "   \n", "\ufeffX = 1\r\n"])
def test_small_files(text: str) -> None:
    out = format_source(text, "x.wf")
    assert out == format_source(out, "x.wf")
    assert out == "" or (out.endswith("\n") and not out.startswith("\n"))
