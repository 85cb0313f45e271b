"""The one style of a spec file: `wfc fmt`.

The formatter works on the tokens of a file that parses, with the kinds that the parser gave them, and not
on its tree: so parentheses stay where somebody put them, and comments are kept. What it changes: blanks,
line breaks, blank lines, the commas at the end of broken brackets, and the quotes of texts. The result is
read again and compared with the original.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from wfc.dsl import ast
from wfc.dsl.breaking import INDENT, broken_into_lines, comment_text
from wfc.dsl.diagnostics import Diagnostic
from wfc.dsl.parser import Layout, parse_layout
from wfc.dsl.spacing import CLOSE, OPEN
from wfc.dsl.tokens import Comment, Token

_HEADERS = frozenset({"IF", "ELIF", "ELSE", "FINALLY", "WORKFLOW"})


class FormatError(ValueError):
    """The file does not parse; `diagnostics` say why."""

    def __init__(self, diagnostics: list[Diagnostic]) -> None:
        super().__init__(f"{diagnostics[0].span.file}: {diagnostics[0].message}")
        self.diagnostics = diagnostics


def format_source(text: str | bytes, file: str) -> str:
    """The file in the one style; the same text when it is in it already.

    Raises `FormatError` when it does not parse. Its tree, spans aside, is that of the original.
    """
    result, layout = parse_layout(text, file)
    if layout is None or result.module is None:
        raise FormatError(result.diagnostics)
    module, original = result.module, layout.text
    formatted = original
    while layout is not None and module is not None:
        before, formatted = formatted, format_layout(layout)
        if formatted == before:
            return formatted
        # Brackets that were broken stay so, for the comma at their end, and another one may then fit on
        # its line: so the last word is the text that is not changed any more.
        (again, layout) = parse_layout(formatted, file)
        if not same_tree(module, again.module):
            break
    # A defect of the formatter must not cost anybody a line of a spec.
    return original


def same_tree(a: Any, b: Any) -> bool:
    """Whether two trees say the same: spans, and how literals were written, aside.

    A loop: trees may be deeper than Python recurses.
    """
    todo = [(a, b)]
    while todo:
        a, b = todo.pop()
        if type(a) is not type(b):
            return False
        if isinstance(a, ast.Span):
            continue
        if isinstance(a, tuple):
            if len(a) != len(b):
                return False
            todo += zip(a, b, strict=True)
        elif dataclasses.is_dataclass(a):
            literal = isinstance(a, (ast.Constant, ast.FString))
            names = (f.name for f in dataclasses.fields(a) if not (literal and f.name == "text"))
            todo += ((getattr(a, name), getattr(b, name)) for name in names)
        elif a != b:
            return False
    return True


@dataclass
class _Statement:
    """A line to be: its depth, its tokens with the comments between them, and the comment behind."""

    depth: int
    parts: list[Token | Comment]
    trailing: str
    first_line: int
    last_line: int


def format_layout(layout: Layout) -> str:
    """The text of a file's tokens in the one style."""
    out = _Output()
    comments = sorted(layout.comments, key=lambda c: (c.line, c.column))
    columns = [0]
    depth = 0
    for line in layout.lines:
        before = columns[:]
        for token in line.layout:
            if token.type == "_INDENT":
                columns.append(token.end_column - 1)
            else:
                columns.pop()
        levels = max(columns, before, key=len)
        first = line.tokens[0].line if line.tokens else 0
        while comments and (not first or comments[0].line < first):
            # A comment belongs to the innermost block that it is indented as far as.
            comment = comments.pop(0)
            within = sum(column < comment.column for column in levels) - 1
            low, high = sorted((depth, len(columns) - 1))
            out.comment(min(max(within, low), high), comment)
        depth = len(columns) - 1
        if not line.tokens:
            continue
        last = line.tokens[-2]
        inner: list[Comment] = []
        while comments and comments[0].line <= last.end_line:
            inner.append(comments.pop(0))
        trailing = ""
        if inner and (inner[-1].line, inner[-1].column) >= (last.end_line, last.end_column):
            trailing = inner.pop().text
        for statement in _statements(line.tokens[:-1], inner, trailing, depth):
            out.statement(statement)
        depth = out.depth
    return out.text()


def _statements(
    tokens: list[Token], comments: list[Comment], trailing: str, depth: int
) -> list[_Statement]:
    """One statement, or two where a block stands on the line of its header."""
    parts: list[Token | Comment] = sorted([*tokens, *comments], key=lambda x: (x.line, x.column))
    first, last = tokens[0].line, tokens[-1].end_line
    level = 0
    for index, part in enumerate(parts if tokens[0].type in _HEADERS else ()):
        if isinstance(part, Comment):
            continue
        level += (part.type in OPEN) - (part.type in CLOSE)
        if part.type == "COLON" and level == 0 and part is not tokens[-1]:
            return [
                _Statement(depth, parts[: index + 1], "", first, part.line),
                _Statement(depth + 1, parts[index + 1 :], trailing, part.line, last),
            ]
    return [_Statement(depth, parts, trailing, first, last)]


class _Output:
    """Collects lines, and decides where a blank line stands.

    At most one anywhere; always one round a workflow, after the imports and after the file's
    documentation; none after the head of a block, and none before `elif`, `else` and `finally`.
    """

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.depth = 0
        self._last_line = 0
        self._last_kind = ""
        self._after_head = False
        self._held: list[tuple[int, Comment]] = []

    def comment(self, depth: int, comment: Comment) -> None:
        """A comment on a line of its own; held back until it is known what it stands before."""
        self._held.append((depth, comment))

    def statement(self, statement: _Statement) -> None:
        """A statement, after the comments before it."""
        first, last = statement.parts[0], statement.parts[-1]
        assert isinstance(first, Token)
        kind = _kind(first, statement.depth)
        self._flush(kind, statement.first_line)
        lines = broken_into_lines(statement.parts, statement.depth)
        if statement.trailing:
            lines[-1] += "  " + comment_text(statement.trailing)
        self.lines += lines
        self.depth = statement.depth
        self._last_line = statement.last_line
        self._last_kind = kind
        self._after_head = (
            first.type in _HEADERS and isinstance(last, Token) and last.type == "COLON"
        )

    def text(self) -> str:
        """Everything, with one newline at the end."""
        if self._held:
            self._flush("", 0)
        return "\n".join(self.lines) + "\n" if self.lines else ""

    def _flush(self, kind: str, line: int) -> None:
        """Write the comments that were held back, and the blank lines before, between and after them."""
        places = [comment.line for _, comment in self._held]
        # The comments directly above a statement belong to it: a blank line stands before them.
        owned = len(places)
        while owned and [*places, line][owned] - places[owned - 1] == 1:
            owned -= 1
        for index, place in enumerate([*places, line]):
            blank = place - self._last_line > 1
            if index == 0 and self._after_head:
                blank = False
            if kind == "branch" and index == len(places):
                blank = False
            if index == owned and kind and _apart(self._last_kind, kind):
                blank = True
            if blank and self.lines:
                self.lines.append("")
            if index < len(places):
                depth, comment = self._held[index]
                self.lines.append(INDENT * depth + comment_text(comment.text))
                self._last_line = place
        self._held = []


def _kind(first: Token, depth: int) -> str:
    if first.type in ("ELIF", "ELSE", "FINALLY"):
        return "branch"
    if depth:
        return "body"
    if first.type in ("FROM", "IMPORT"):
        return "import"
    if first.type == "WORKFLOW":
        return "workflow"
    return "documentation" if first.type == "STRING" else "declaration"


def _apart(before: str, kind: str) -> bool:
    """Whether a blank line always stands between two statements of these kinds."""
    if not before or kind in ("body", "branch"):
        return False
    if kind == "workflow" or before in ("body", "branch", "workflow", "documentation"):
        return True
    return before != kind
