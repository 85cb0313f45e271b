"""String literals: escapes, and the fields of f-strings."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Callable
from functools import lru_cache
from typing import Literal, cast

from wfc.dsl import ast
from wfc.dsl.diagnostics import MAX_ERRORS, Diagnostic
from wfc.dsl.tokens import Token

MAX_FIELDS = 1000
"""How many fields a text may have."""

Found = list[Diagnostic]
"""Where what is wrong is added: no more of it than a file's errors are, however many there are."""

_NAMED = re.compile(r"\\N\{[^{}\\]*\}")
"""A name ends at a backslash at the latest: looking for its end from each of many would be quadratic."""

_ESCAPE = re.compile(
    r"\\(?:\n|[\\'\"abfnrtv]|[0-7]{1,3}|x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|N\{[^{}\\]*\}|[\s\S])"
)
_WORD = re.compile(r"\w*")
_SIMPLE = {
    "\n": "", "\\": "\\", "'": "'", '"': '"', "a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r",
    "t": "\t", "v": "\v",
}  # fmt: skip
_CONVERSIONS = ("r", "s", "a")


def split_token(value: str) -> tuple[str, str, int]:
    """The prefix (lower case) and the quote of a string's token, and where its body starts."""
    at = len(value) - len(value.lstrip("rRfF"))
    quote = value[at : at + 3] if value[at : at + 3] in ('"""', "'''") else value[at]
    return value[:at].lower(), quote, at + len(quote)


@lru_cache(maxsize=4)
def _newlines(text: str) -> list[int]:
    return [found.start() for found in re.finditer("\n", text)]


def span_within(token: Token, start: int, end: int) -> ast.Span:
    """The span of `token.value[start:end]` in the file."""

    def place(at: int) -> tuple[int, int]:
        if token.line == token.end_line:
            return token.line, token.column + at
        newlines = _newlines(token.value)
        before = bisect_left(newlines, at)
        if before:
            return token.line + before, at - newlines[before - 1]
        return token.line, token.column + at

    return ast.Span(token.file, *place(start), *place(end))


def decode_token(token: Token, found: Found) -> str:
    """The value of a plain string's token."""
    prefix, quote, start = split_token(token.value)
    end = len(token.value) - len(quote)
    if "r" in prefix:
        return token.value[start:end]
    return _decode(token, start, end, found)


def _decode(token: Token, start: int, end: int, found: Found) -> str:
    body = token.value[start:end]
    if "\\" not in body:
        return body

    def replaced(written: re.Match[str]) -> str:
        escape = written.group()[1:]
        simple = _SIMPLE.get(escape)
        if simple is not None:
            return simple
        at = start + written.start()
        try:
            if escape[0] in "01234567":
                return chr(int(escape, 8))
            if escape[0] in "xuU" and len(escape) > 1:
                char = chr(int(escape[1:], 16))
                if not "\ud800" <= char <= "\udfff":
                    return char
            elif escape[0] == "N" and len(escape) > 1:
                return unicodedata.lookup(escape[2:-1])
        except (ValueError, KeyError, OverflowError):
            pass
        if len(found) < MAX_ERRORS:
            found.append(Diagnostic(
                "WF008", f"`\\{escape}` is not an escape that means something",
                span_within(token, at, at + len(written.group())), "",
                r'a backslash itself is written `\\`; r"…" has no escapes at all',
            ))  # fmt: skip
        return written.group()

    return _ESCAPE.sub(replaced, body)


def parts_of(
    token: Token,
    found: Found,
    parse_field: Callable[[Token, int, int], ast.Expr | None],
) -> list[str | ast.FormatField]:
    """The literal texts and the fields of a string's token, in order."""
    if token.type == "STRING":
        return [decode_token(token, found)]
    value = token.value
    prefix, quote, start = split_token(value)
    end = len(value) - len(quote)
    raw = "r" in prefix
    parts: list[str | ast.FormatField] = []
    at = text_from = start
    fields = 0

    def flush(to: int) -> None:
        if to > text_from:
            text = value[text_from:to] if raw else _decode(token, text_from, to, found)
            parts.append(text)

    while at < end and len(found) < MAX_ERRORS:
        char = value[at]
        if char == "\\" and not raw:
            named = _NAMED.match(value, at, end)
            at = named.end() if named is not None else at + 2
        elif char not in "{}":
            at += 1
        elif value.startswith(char * 2, at):
            flush(at + 1)
            at += 2
            text_from = at
        elif char == "}":
            found.append(Diagnostic(
                "WF030", "a single `}` in an f-string", span_within(token, at, at + 1), "",
                "a brace that is meant as text is doubled: `}}`",
            ))  # fmt: skip
            at += 1
        else:
            flush(at)
            fields += 1
            if fields > MAX_FIELDS:
                found.append(
                    Diagnostic("WF002", f"more than {MAX_FIELDS} fields in one text", token.span)
                )
                return parts
            field, at = _field(token, at, end, found, parse_field)
            text_from = at
            if field is not None:
                parts.append(field)
    flush(end)
    return parts


def _field(
    token: Token,
    at: int,
    end: int,
    found: Found,
    parse_field: Callable[[Token, int, int], ast.Expr | None],
) -> tuple[ast.FormatField | None, int]:
    """Read `{expr!r:spec}` at `at`; the field, and the index behind it."""
    value = token.value

    def wrong(message: str, start: int, stop: int, hint: str = "") -> None:
        found.append(Diagnostic("WF030", message, span_within(token, start, stop), "", hint))

    start = at + 1
    stop = _end_of_expression(value, start, end)
    conversion = ""
    spec = ""
    close = stop
    if close < end and value[close] == "!":
        word = _WORD.match(value, close + 1, end)
        conversion = word.group() if word else ""
        if conversion not in _CONVERSIONS:
            wrong(f"`!{conversion}` is not a conversion", close, close + 1 + len(conversion),
                  "`!r`, `!s` and `!a` are")  # fmt: skip
            conversion = ""
            close += 1 + len(word.group() if word else "")
        else:
            close += 2
    if close < end and value[close] == ":":
        finish = close + 1
        while finish < end and value[finish] not in "{}":
            finish += 1
        spec = value[close + 1 : finish]
        close = finish
        if close < end and value[close] == "{":
            wrong("a format that is computed is not supported", close, close + 1,
                  "write the width and the precision as numbers")  # fmt: skip
            depth = 0
            while close < end:
                depth += {"{": 1, "}": -1}.get(value[close], 0)
                if depth < 0:
                    break
                close += 1
    if close >= end or value[close] != "}":
        hint = "add the `}`; a brace that is meant as text is doubled: `{{`"
        wrong("a field of this f-string is never closed", at, min(stop, end), hint)
        return None, end
    if not value[start:stop].strip():
        wrong("a field of this f-string is empty", at, close + 1,
              "write an expression into it; braces that are meant as text are doubled: `{{}}`")  # fmt: skip
        return None, close + 1
    text = value[start:stop].rstrip()
    if text.endswith("=") and text[-2:-1] not in ("=", "!", "<", ">"):
        wrong("`=` after a field's expression is not supported", start + len(text) - 1,
              start + len(text), f"write `{text[:-1].strip()}={{{text[:-1].strip()}!r}}`")  # fmt: skip
        return None, close + 1
    expr = parse_field(token, start, stop)
    if expr is None:
        return None, close + 1
    span = span_within(token, at, close + 1)
    kind = cast(Literal["", "r", "s", "a"], conversion)
    return ast.FormatField(expr, kind, spec, span), close + 1


def _end_of_expression(value: str, at: int, end: int) -> int:
    """Where the expression of a field ends: at its `!`, `:` or `}`, or at the end of the string."""
    depth = 0
    while at < end:
        char = value[at]
        if char in "\"'":
            quote = char * 3 if value.startswith(char * 3, at) else char
            found = value.find(quote, at + len(quote), end)
            at = end if found < 0 else found + len(quote)
            continue
        if char in "([{":
            depth += 1
        elif char in ")]}":
            if depth == 0:
                return at
            depth -= 1
        elif depth == 0 and (char == ":" or (char == "!" and not value.startswith("!=", at))):
            return at
        at += 1
    return end
