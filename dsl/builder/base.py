"""What the rules of each part share."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

from wfc.dsl import ast, strings
from wfc.dsl.diagnostics import Diagnostic, Label
from wfc.dsl.tokens import Token

RESERVED_CALLS = ("catch", "inplace", "nocheckpoint", "continuation")
"""Words that begin an expression or a statement, and so are free only after a dot or before a `=`."""

Children: TypeAlias = list[Any]
"""What a rule of the grammar is made of: tokens, and what the rules inside it gave."""

ParseField: TypeAlias = Callable[[Token, int, int], "ast.Expr | None"]
"""Reads an expression inside an f-string's token, between two of its characters."""


@dataclass(frozen=True)
class Options:
    """`with (…)`."""

    items: tuple[ast.Keyword, ...]
    span: ast.Span


@dataclass(frozen=True)
class After:
    """`after (…)`."""

    items: tuple[ast.Expr, ...]
    span: ast.Span


@dataclass(frozen=True)
class Dotted:
    """A name with dots."""

    name: str
    span: ast.Span


@dataclass(frozen=True)
class Block:
    """An indented block."""

    body: tuple[ast.Statement, ...]
    span: ast.Span


class Base:
    """What all rules need: the errors so far, spans, names."""

    def __init__(self, file: str, parse_field: ParseField) -> None:
        self.file = file
        self.diagnostics: list[Diagnostic] = []
        self._parse_field = parse_field
        # Parentheses leave no node; what is built on top of one starts and ends where they do.
        self._parentheses: dict[int, tuple[Any, ast.Span]] = {}

    def report(
        self,
        code: str,
        message: str,
        span: ast.Span,
        label: str = "",
        hint: str = "",
        related: Sequence[Label] = (),
    ) -> None:
        """Add an error."""
        self.diagnostics.append(Diagnostic(code, message, span, label, hint, tuple(related)))

    def _outer(self, node: Any) -> ast.Span:
        """The span of a node with the parentheses round it."""
        if self._parentheses:
            found = self._parentheses.get(id(node))
            if found is not None:
                return found[1]
        return cast(ast.Span, node.span)

    def _join(self, first: Any, last: Any) -> ast.Span:
        return self._outer(first).to(self._outer(last))

    def _binder(self, token: Token, what: str) -> str:
        """The text of a name that is being given to something."""
        if token.value in RESERVED_CALLS or (
            token.value == "wait" and what in ("task", "workflow")
        ):
            self.report(
                "WF016", f"`{token.value}` is a word of the language, and cannot be the name of a {what}",
                token.span, "reserved", f"choose another name, such as `{token.value}_`",
            )  # fmt: skip
        return text_of(token)

    def _unique(self, names: Sequence[tuple[str, ast.Span]], what: str) -> None:
        seen: dict[str, ast.Span] = {}
        for name, span in names:
            if name in seen:
                self.report(
                    "WF029", f"{what} `{name}` is given twice", span, "again here", "",
                    [Label(seen[name], "first here")],
                )  # fmt: skip
            seen.setdefault(name, span)

    def _string(self, token: Token) -> str:
        return strings.decode_token(token, self.diagnostics)


def text_of(token: Token) -> str:
    """A name as Python reads it: two spellings of one letter are one name."""
    value = token.value
    return value if value.isascii() else unicodedata.normalize("NFKC", value)


_DESCRIPTIONS: dict[type, str] = {
    ast.Name: "a name", ast.FString: "text", ast.ListExpr: "a list", ast.TupleExpr: "a tuple",
    ast.DictExpr: "a dict", ast.Unary: "an expression", ast.Binary: "an expression",
    ast.BoolOp: "a condition", ast.Compare: "a comparison", ast.Conditional: "a conditional value",
    ast.Subscript: "an element", ast.Attribute: "an attribute", ast.Call: "a call",
    ast.Comprehension: "a comprehension", ast.Wait: "a `wait`",
}  # fmt: skip


def describe(node: Any) -> str:
    """What kind of expression this is, in words, with its article."""
    if isinstance(node, ast.Constant):
        if isinstance(node.value, str):
            return "text"
        if node.value is None or isinstance(node.value, bool):
            return f"`{node.value}`"
        return {"duration": "a duration", "size": "a size"}.get(node.unit, "a number")
    return _DESCRIPTIONS.get(type(node), "this")
