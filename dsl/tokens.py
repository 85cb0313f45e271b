"""Text to logical lines of tokens: indentation, brackets that join lines, comments kept aside.

The tokens' patterns come from the grammar file; what is added here is layout, and the words for what is
wrong with the text itself (an unterminated string, a tab, a bracket that is never closed). A problem
becomes a token of type `ERROR` that carries its diagnostic, so that nothing is raised.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from wfc.dsl import bad_text
from wfc.dsl.ast import Span
from wfc.dsl.diagnostics import Diagnostic

MAX_NESTING = 200
"""How deep brackets and expressions may nest."""

MAX_BLOCKS = 200
"""How deep blocks may nest."""

MAX_TOKENS = 100_000
"""How many tokens a statement may have."""

MAX_REREAD = 250_000
"""How many characters of a file are read again after brackets that are never closed."""

_OPENERS = {"LPAR": ")", "LSQB": "]", "LBRACE": "}"}
_CLOSERS = frozenset({"RPAR", "RSQB", "RBRACE"})
_COMMENT = re.compile(r"#[^\n]*")
_NEVER_IN_BRACKETS = re.compile(
    r"(?:(?:workflow|task)[ \t]+\w+[ \t]*[(=]"
    r"|(?:inplace[ \t]+|nocheckpoint[ \t]+)+task[ \t]+\w+"
    r"|from[ \t]+[\w.]+[ \t]+import\b|import[ \t]+['\"]"
    r"|(?:return|continuation|pass|elif)\b(?![ \t]*=)|finally[ \t]*:|else[ \t]*:)"
)


class Token:
    """A terminal of the grammar and where it stands; `start` and `end` are offsets into the text."""

    __slots__ = (
        "column", "end", "end_column", "end_line", "file", "line", "problem", "start", "type", "value"
    )  # fmt: skip

    def __init__(
        self,
        type: str,
        value: str,
        file: str,
        start: int,
        end: int,
        line: int,
        column: int,
        end_line: int,
        end_column: int,
        problem: Diagnostic | None = None,
    ) -> None:
        self.type = type
        self.value = value
        self.file = file
        self.start = start
        self.end = end
        self.line = line
        self.column = column
        self.end_line = end_line
        self.end_column = end_column
        self.problem = problem

    @property
    def span(self) -> Span:
        """Where the token stands."""
        return Span(self.file, self.line, self.column, self.end_line, self.end_column)

    def __repr__(self) -> str:
        return f"{self.type}({self.value!r})"


@dataclass
class Comment:
    """A comment, from its `#` on; `own_line` when nothing but blanks stands before it."""

    text: str
    line: int
    column: int
    own_line: bool


@dataclass
class Line:
    """A logical line: its indentation tokens, then its tokens, `_NEWLINE` last (none at the file's end)."""

    layout: list[Token]
    tokens: list[Token]


@dataclass(frozen=True)
class Lexicon:
    """The grammar's terminals in one pattern; `words` are the keywords, `soft` those that are also names."""

    match: Callable[[str, int, int], re.Match[str] | None]
    words: dict[str, str]
    soft: frozenset[str]


@dataclass
class Tokenizer:
    """Cuts `text[pos:end]` into logical lines. `inside` starts within a bracket (a field of an f-string)."""

    text: str
    file: str
    lexicon: Lexicon
    pos: int = 0
    end: int = -1
    line: int = 1
    line_start: int = 0
    inside: bool = False
    comments: list[Comment] = field(default_factory=list)
    problems: list[Diagnostic] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.end < 0:
            self.end = len(self.text)
        self.indents = [0]
        self.brackets: list[Token] = []
        self.tab_seen = False
        self.reread = 0
        self.finished = False

    # ------------------------------------------------------------------------------------ lines

    def next_line(self) -> Line | None:
        """The next logical line; the last one has no tokens, only the dedents of the file's end."""
        if self.finished:
            return None
        text, end, match = self.text, self.end, self.lexicon.match
        words, file = self.lexicon.words, self.file
        tokens: list[Token] = []
        brackets = self.brackets = []
        while self.pos < end:
            pos = self.pos
            found = match(text, pos, end)
            if found is None:
                tokens.append(self._bad(pos))
                self._limit(tokens)
                continue
            kind = found.lastgroup
            self.pos = stop = found.end()
            if kind == "BLANK":
                if "\n" in found.group():
                    self._count_newlines(pos, stop)
                continue
            if kind == "_NEWLINE":
                newline = self.token(kind, pos, pos + 1)
                self._note_comments(pos, stop)
                self._count_newlines(pos, stop)
                if brackets or self.inside:
                    if brackets and _NEVER_IN_BRACKETS.match(text, self._line_text()):
                        return self._unclosed_line(tokens)
                    continue
                if tokens:
                    tokens.append(newline)
                    return Line(self._layout(tokens[0]), tokens)
                continue
            if kind == "COMMENT":
                self._note_comments(pos, stop)
                continue
            value = found.group()
            line, column = self.line, pos - self.line_start + 1
            if kind == "NAME":
                kind = words.get(value, kind)
            elif kind in ("STRING", "FSTRING") and "\n" in value:
                self._count_newlines(pos, stop)
            token = Token(
                kind or "ERROR", value, file, pos, stop,
                line, column, self.line, stop - self.line_start + 1,
            )  # fmt: skip
            if kind in _OPENERS:
                brackets.append(token)
                if len(brackets) == MAX_NESTING + 1:
                    token.type, token.problem = "ERROR", bad_text.too_deep(token.span, MAX_NESTING)
            elif kind in _CLOSERS:
                self._close(token)
            tokens.append(token)
            if len(tokens) > MAX_TOKENS:
                self._limit(tokens)
        return self._last_line(tokens)

    def _limit(self, tokens: list[Token]) -> None:
        """End the file with an error where the statement at hand has too many tokens."""
        if len(tokens) > MAX_TOKENS:
            last = tokens[-1]
            last.type, last.problem = "ERROR", bad_text.too_long(tokens[0].span, MAX_TOKENS)
            self.pos, self.brackets = self.end, []

    def restart(self, token: Token) -> None:
        """Go on at the physical line on which `token` stands, outside of all brackets."""
        start = token.start - (token.column - 1)
        self.reread += self.pos - start
        self.pos = start
        self.line, self.line_start = token.line, self.pos
        self.brackets = []
        self.finished = False
        self.comments = [c for c in self.comments if c.line < token.line]

    def _last_line(self, tokens: list[Token]) -> Line:
        if tokens:
            if self.brackets:
                innermost = self.brackets[-1]
                problem = bad_text.never_closed(innermost.value, innermost.span)
                tokens.append(self.token("ERROR", self.end, self.end, problem))
            tokens.append(self.token("_NEWLINE", self.end, self.end))
            return Line([] if self.inside else self._layout(tokens[0]), tokens)
        self.finished = True
        dedents = [self.token("_DEDENT", self.end, self.end) for _ in self.indents[1:]]
        self.indents = [0]
        return Line(dedents, [])

    def _unclosed_line(self, tokens: list[Token]) -> Line:
        """A statement begins inside a bracket: the bracket was never closed, and the line ends here."""
        innermost = self.brackets[-1]
        self.brackets = []
        problem = bad_text.never_closed(innermost.value, innermost.span)
        tokens.append(self.token("ERROR", self.pos, self.pos, problem))
        tokens.append(self.token("_NEWLINE", self.pos, self.pos))
        return Line(self._layout(tokens[0]), tokens)

    # ------------------------------------------------------------------------------------ layout

    def _layout(self, first: Token) -> list[Token]:
        """The indents and dedents before the line that `first` begins."""
        blank = self.text[first.start - first.column + 1 : first.start]
        if "\t" in blank and not self.tab_seen:
            self.tab_seen = True
            at = blank.index("\t")
            run = len(blank[at:]) - len(blank[at:].lstrip("\t"))
            self.problems.append(bad_text.tab(
                Span(self.file, first.line, at + 1, first.line, at + 1 + run)
            ))  # fmt: skip
        indent = len(blank.replace("\f", "").expandtabs(8))
        if indent == self.indents[-1]:
            return []
        start = first.start - first.column + 1

        def make(kind: str) -> Token:
            return Token(
                kind, blank, self.file, start, first.start, first.line, 1, first.line, first.column
            )

        if indent > self.indents[-1]:
            self.indents.append(indent)
            token = make("_INDENT")
            if len(self.indents) == MAX_BLOCKS + 2:
                token.type, token.problem = (
                    "ERROR",
                    bad_text.too_deep(first.span, MAX_BLOCKS, "block"),
                )
            return [token]
        layout = []
        was = self.indents[-1]
        while indent < self.indents[-1]:
            self.indents.pop()
            layout.append(make("_DEDENT"))
        if indent != self.indents[-1]:
            levels = [*self.indents, was]
            self.problems.append(bad_text.unindent(layout[0].span, indent, levels))
            # Read it as the block it came from, so that the lines after it are read too.
            layout.pop()
            self.indents.append(indent)
        return layout

    def _close(self, token: Token) -> None:
        if not self.brackets:
            token.type = "ERROR"
            token.problem = bad_text.never_opened(token.value, token.span)
            return
        opener = self.brackets.pop()
        if _OPENERS.get(opener.type, token.value) != token.value:
            token.type = "ERROR"
            token.problem = bad_text.mismatched(opener.value, opener.span, token.value, token.span)
            # If it closes an outer bracket, the inner ones were forgotten.
            closes = [_OPENERS.get(each.type) == token.value for each in self.brackets]
            if any(closes):
                del self.brackets[len(closes) - 1 - closes[::-1].index(True) :]

    # ------------------------------------------------------------------------------------ characters

    def _bad(self, pos: int) -> Token:
        """A token for text that is no terminal of the grammar."""
        line, column = self.line, pos - self.line_start + 1
        length, describe = bad_text.classify(self.text, pos, self.end)
        self.pos = pos + length
        self._count_newlines(pos, self.pos)
        token = self.token("ERROR", pos, self.pos)
        token.line, token.column = line, column
        token.problem = describe(token.span)
        return token

    def token(self, kind: str, start: int, end: int, problem: Diagnostic | None = None) -> Token:
        """A token of `text[start:end]`, which is on the current line."""
        column = start - self.line_start + 1
        return Token(
            kind, self.text[start:end], self.file, start, end,
            self.line, column, self.line, end - self.line_start + 1, problem,
        )  # fmt: skip

    def _line_text(self) -> int:
        """The offset of the first character that is not blank on the line where `pos` stands."""
        at = self.line_start
        while at < self.end and self.text[at] in " \t\f":
            at += 1
        return at

    def _count_newlines(self, start: int, end: int) -> None:
        count = self.text.count("\n", start, end)
        if count:
            self.line += count
            self.line_start = self.text.rindex("\n", start, end) + 1

    def _note_comments(self, start: int, end: int) -> None:
        line, line_start = self.line, self.line_start
        for found in _COMMENT.finditer(self.text, start, end):
            at = found.start()
            count = self.text.count("\n", start, at)
            if count:
                line += count
                line_start = self.text.rindex("\n", start, at) + 1
            start = at
            own = not self.text[line_start:at].strip()
            self.comments.append(Comment(found.group().rstrip(), line, at - line_start + 1, own))
