"""Blanks between the tokens of a line, and how each token is written in the one style."""

from __future__ import annotations

import re
from dataclasses import dataclass

from wfc.dsl.strings import split_token
from wfc.dsl.tokens import Token

OPEN = frozenset({"LPAR", "LSQB", "LBRACE"})
CLOSE = frozenset({"RPAR", "RSQB", "RBRACE"})
VALUE_END = CLOSE | {
    "NAME", "INT", "FLOAT", "DURATION", "SIZE", "STRING", "FSTRING", "TRUE", "FALSE", "NONE",
}  # fmt: skip
"""The last tokens of a value: a bracket directly behind is a call or a subscript, a sign an operator."""

_SIGNED = frozenset({"PLUS", "MINUS", "TILDE"})


@dataclass
class Leaf:
    """A token as it will be written, with the blank before it (unless it begins a line)."""

    type: str
    text: str
    gap: str


@dataclass
class _Inside:
    """The brackets round a token: whether `:` cuts slices there, and whether one has been seen."""

    slices: bool
    annotated: bool = False


def spaced(tokens: list[Token]) -> list[Leaf]:
    """The tokens of a line with the blanks between them."""
    leaves: list[Leaf] = []
    stack: list[_Inside] = []
    sign = False
    before: Token | None = None
    for index, token in enumerate(tokens):
        inside = stack[-1] if stack else None
        gap = ""
        if before is not None and not sign:
            following = tokens[index + 1].type if index + 1 < len(tokens) else ""
            gap = _gap(before.type, token.type, following, inside)
        leaves.append(Leaf(token.type, normal_text(token), gap))
        sign = token.type in _SIGNED and (before is None or before.type not in VALUE_END)
        if token.type in OPEN:
            value = before is not None and before.type in VALUE_END
            stack.append(_Inside(token.type == "LSQB" and value))
        elif token.type in CLOSE and stack:
            stack.pop()
        elif inside is not None and token.type in ("COLON", "COMMA"):
            inside.annotated = token.type == "COLON"
        before = token
    return leaves


def _gap(before: str, token: str, following: str, inside: _Inside | None) -> str:
    if before in OPEN or token in CLOSE or token in ("COMMA", "COLON"):
        return ""
    if before == "COLON":
        return "" if inside is not None and inside.slices else " "
    if token == "DOT":
        # `1.x` would read the dot into the number.
        return " " if before in ("INT", "FLOAT") else ""
    if before == "DOT":
        return ""
    if "ASSIGN" in (token, before) and inside is not None and not inside.annotated:
        return ""
    if token == "PERCENT" and following == "OF":
        return ""
    if token in ("LPAR", "LSQB") and (before in VALUE_END or before == "WAIT"):
        return ""
    return " "


def normal_text(token: Token) -> str:
    """A token as it is written: texts in double quotes where that changes nothing else."""
    if token.type not in ("STRING", "FSTRING"):
        return token.value
    prefix, quote, start = split_token(token.value)
    body = token.value[start : len(token.value) - len(quote)]
    if quote[0] == "'" and '"' not in body:
        quote = '"' * len(quote)
        if "r" not in prefix:
            body = re.sub(r"\\([\s\S])", lambda m: "'" if m[1] == "'" else m[0], body)
        elif "\\'" in body:
            return prefix + token.value[len(prefix) :]
    return prefix + quote + body + quote
