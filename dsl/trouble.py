"""A token that does not fit and all that is known around it; and the kinds of tokens, by what they do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from wfc.dsl.ast import Span
from wfc.dsl.tokens import Token

OPEN = frozenset({"LPAR", "LSQB", "LBRACE"})
CLOSE = frozenset({"RPAR", "RSQB", "RBRACE"})
LITERALS = frozenset(
    {"INT", "FLOAT", "DURATION", "SIZE", "STRING", "FSTRING", "TRUE", "FALSE", "NONE"}
)
VALUE_END = LITERALS | CLOSE | {"NAME"}
VALUE_START = LITERALS | {"NAME", "CATCH", "INPLACE", "NOCHECKPOINT", "WAIT", "NOT"}
HEADERS = frozenset({"IF", "ELIF", "ELSE", "FINALLY", "WORKFLOW"})
ARITHMETIC = frozenset({
    "PLUS", "MINUS", "STAR", "SLASH", "DSLASH", "PERCENT", "AT", "DSTAR", "BAR", "CARET", "AMPERSAND",
    "LSHIFT", "RSHIFT",
})  # fmt: skip
OPERATORS = ARITHMETIC | {"EQ", "NE", "LT", "LE", "GT", "GE", "IN", "IS", "AND", "OR", "IF"}
STATEMENT_WORDS = frozenset({"RETURN", "CONTINUATION", "PASS", "IF", "ELIF", "ELSE", "FINALLY"})
ENDS = frozenset({"_NEWLINE", "$END"})


@dataclass
class Trouble:
    """A line, the token in it that does not fit, and what the parser knew when it came."""

    tokens: list[Token]
    index: int
    top: bool
    """Whether the line stands outside of every workflow."""
    accepts: set[str]
    spellings: Mapping[str, str]
    """How the terminals that are fixed words and signs are written."""
    restart: Token | None = None
    """Set by a rule: where a new line begins, although a bracket is open."""
    brackets: list[Token] = field(default_factory=list)
    openers: list[Token | None] = field(default_factory=list)
    """The brackets open before the token, and the token before each of them."""

    def __post_init__(self) -> None:
        for at, token in enumerate(self.tokens[: self.index]):
            if token.type in OPEN:
                self.brackets.append(token)
                self.openers.append(self.tokens[at - 1] if at else None)
            elif token.type in CLOSE and self.brackets:
                self.brackets.pop()
                self.openers.pop()

    @property
    def token(self) -> Token:
        """The token that does not fit."""
        return self.tokens[self.index]

    @property
    def first(self) -> Token:
        """The first token of the line."""
        return self.tokens[0]

    @property
    def before(self) -> Token | None:
        """The token before it."""
        return self.tokens[self.index - 1] if self.index else None

    @property
    def after(self) -> Token | None:
        """The token after it."""
        return self.tokens[self.index + 1] if self.index + 1 < len(self.tokens) else None

    @property
    def opener(self) -> Token | None:
        """What stands before the innermost open bracket (`wait`, `with`, a function's name)."""
        return self.openers[-1] if self.openers else None

    @property
    def gap(self) -> Span:
        """The place just behind the token before, where something is missing."""
        before = self.before
        if before is None:
            return self.token.span
        return Span(
            before.file, before.end_line, before.end_column, before.end_line, before.end_column + 1
        )

    def wants_value(self) -> bool:
        """Whether an expression could begin here."""
        return {"NAME", "INT", "LPAR"} <= self.accepts


def adjacent(a: Token | None, b: Token | None) -> bool:
    """Whether nothing stands between two tokens."""
    return a is not None and b is not None and a.end == b.start
