"""Every node's span is the text that it was made of."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import pytest

from wfc.dsl import ast
from wfc.dsl.format import same_tree
from wfc.dsl.parser import parse
from wfc.dsl.source import Source

from .snippets import SNIPPETS


def nodes(node: Any) -> Iterator[Any]:
    """All nodes under one, itself first."""
    if isinstance(node, tuple):
        for item in node:
            yield from nodes(item)
    elif dataclasses.is_dataclass(node) and not isinstance(node, ast.Span):
        yield node
        for each in dataclasses.fields(node):
            yield from nodes(getattr(node, each.name))


def spans(node: Any) -> Iterator[ast.Span]:
    """The spans of a node itself."""
    for each in dataclasses.fields(node):
        value = getattr(node, each.name)
        if isinstance(value, ast.Span):
            yield value


def key(span: ast.Span) -> tuple[tuple[int, int], tuple[int, int]]:
    return (span.line, span.column), (span.end_line, span.end_column)


@pytest.mark.parametrize("source", SNIPPETS)
def test_spans(source: str) -> None:
    text = Source.of(source, "x")
    module = parse(source, "x").module
    assert module is not None
    for node in nodes(module):
        for span in spans(node):
            start, end = key(span)
            assert start <= end
            assert span.file == "x"
        written = text.slice(node.span) if hasattr(node, "span") else ""
        match node:
            case ast.Name(id=name):
                assert written == name
            case ast.Attribute(name=name) | ast.Keyword(name=name) | ast.TaskDecl(name=name):
                assert text.slice(node.name_span) == name
            case ast.WorkflowDecl(name=name):
                assert text.slice(node.name_span) == name
                assert written.startswith("workflow ")
            case ast.Constant(text=shown) if " " not in shown and "\n" not in shown:
                assert written == shown
            case ast.Modifiers():
                for word in ("catch", "inplace", "nocheckpoint"):
                    where = getattr(node, word)
                    assert where is None or text.slice(where) == word
            case ast.FormatField():
                assert written[0] + written[-1] == "{}"
            case ast.FromImport(module=name):
                assert text.slice(node.module_span) == name
            case ast.TaskDecl(target=name):
                assert text.slice(node.target_span) == name
            case _:
                pass


@pytest.mark.parametrize("source", SNIPPETS)
def test_children_lie_within(source: str) -> None:
    module = parse(source, "x").module
    assert module is not None
    for node in nodes(module):
        if not hasattr(node, "span"):
            continue
        start, end = key(node.span)
        for inner in nodes(node):
            for span in spans(inner):
                a, b = key(span)
                assert start <= a
                assert b <= end


@pytest.mark.parametrize("source", SNIPPETS)
def test_an_expression_is_its_text(source: str) -> None:
    """The text under an expression's span, by itself, is that expression again."""
    text = Source.of(source, "x")
    module = parse(source, "x").module
    assert module is not None
    kinds = (
        ast.Binary, ast.BoolOp, ast.Compare, ast.Call, ast.Comprehension, ast.Subscript, ast.Unary,
        ast.Attribute, ast.Conditional, ast.DictExpr, ast.ListExpr, ast.Wait,
    )  # fmt: skip
    for node in nodes(module):
        if isinstance(node, kinds):
            again = parse(f"X = ({text.slice(node.span)}\n)\n", "y").module
            assert again is not None, text.slice(node.span)
            declaration = again.declarations[0]
            assert isinstance(declaration, ast.ConstantDecl)
            assert same_tree(declaration.value, node)


def test_parentheses_belong_to_what_is_built_on_them() -> None:
    source = "X = (a + b) * (c)\nY = (f(x)).y\nZ = (catch f(x)).ok\n"
    module = parse(source, "x").module
    assert module is not None
    text = Source.of(source, "x")
    shown = [
        text.slice(d.value.span) for d in module.declarations if isinstance(d, ast.ConstantDecl)
    ]
    assert shown == ["(a + b) * (c)", "(f(x)).y", "(catch f(x)).ok"]


def test_line_ends_and_a_mark_at_the_start_do_not_move_spans() -> None:
    plain = parse("A = 1\nB = f(2)\n", "x").module
    for text in ("A = 1\r\nB = f(2)\r\n", "\ufeffA = 1\nB = f(2)\n", "A = 1\rB = f(2)"):
        assert parse(text, "x").module == plain
        assert parse(text.encode(), "x").module == plain
