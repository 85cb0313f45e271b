"""What is wrong with text that is no token: the words, apart from the scanning."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

from wfc.dsl.ast import Span
from wfc.dsl.diagnostics import Diagnostic, Label

_CLOSING = {"(": ")", "[": "]", "{": "}"}
_NUMBER = re.compile(r"\.?[0-9](?:[\w.]|(?<=[eE])[-+])*")
_LOOKALIKES = {
    "“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "‘": "'", "’": "'", "‚": "'",
    "（": "(", "）": ")", "［": "[", "］": "]", "｛": "{", "｝": "}", "，": ",", "：": ":",
    "；": ";", "＝": "=", "−": "-", "–": "-", "—": "-", "×": "*", "÷": "/",
    "≠": "!=", "≤": "<=", "≥": ">=", "→": "->", "…": "...", "＃": "#",
}  # fmt: skip
_SIGNS = {
    "!": ("`!` is not an operator", "write `not x`; not equal is `!=`"),
    "?": ("`?` is not an operator", "a condition is written `a if test else b`"),
    "$": ("`$` is not part of the language", "a name is written bare; text with values is f\"{name}\""),
    ";": ("`;` is not part of the language", "one statement on each line"),
    "`": ("a backtick is not a quote", "text is written \"…\" or '…'"),
    "\\": ("a `\\` that does not end its line", "only the very last character of a line may be `\\`"),
}  # fmt: skip
_UNITS = {
    "sec": "s", "secs": "s", "second": "s", "seconds": "s", "min": "m", "mins": "m", "minute": "m",
    "minutes": "m", "hr": "h", "hrs": "h", "hour": "h", "hours": "h", "day": "d", "days": "d",
    "msec": "ms", "millis": "ms", "kb": "KB", "mb": "MB", "gb": "GB", "tb": "TB", "kib": "KiB",
    "mib": "MiB", "gib": "GiB", "tib": "TiB", "k": "KB", "g": "GB",
}  # fmt: skip


def tab(span: Span) -> Diagnostic:
    """A tab in the indentation."""
    return Diagnostic(
        "WF004", "a tab in the indentation", span, "a tab",
        "indent with 4 spaces for each level; most editors can convert a whole file",
    )  # fmt: skip


def unindent(span: Span, indent: int, levels: list[int]) -> Diagnostic:
    """A line that goes back to a level at which no block began."""
    known = ", ".join(str(level) for level in dict.fromkeys(levels))
    return Diagnostic(
        "WF005", "this line goes back to an indentation at which nothing began", span,
        f"{indent} spaces",
        f"line it up with one of the blocks that are open here: {known} spaces",
    )  # fmt: skip


def too_deep(span: Span, limit: int, what: str = "expression") -> Diagnostic:
    """Something nested beyond the limit."""
    hint = (
        "move the inner blocks to a workflow of their own"
        if what == "block"
        else "give a part of it a name of its own, or use a list and `sum`"
    )
    return Diagnostic(
        "WF003", f"this {what} is nested too deeply", span, f"more than {limit} levels", hint
    )


def too_long(span: Span, limit: int) -> Diagnostic:
    """A statement of too many tokens."""
    return Diagnostic(
        "WF002",
        "this statement is too long",
        span,
        f"more than {limit:,} words and signs",
        "put data into a file that a task reads, or pass it as a parameter",
    )


def never_closed(opener: str, span: Span) -> Diagnostic:
    """A bracket without its partner."""
    return Diagnostic(
        "WF010", f"`{opener}` is never closed", span, "opened here",
        f"add the `{_CLOSING.get(opener, ')')}` that closes it",
    )  # fmt: skip


def never_opened(closer: str, span: Span) -> Diagnostic:
    """A closing bracket too many."""
    return Diagnostic(
        "WF011", f"`{closer}` closes nothing", span, "no bracket is open here",
        "remove it, or add the bracket that it should close",
    )  # fmt: skip


def mismatched(opener: str, opened: Span, closer: str, span: Span) -> Diagnostic:
    """A bracket closed by one of another kind."""
    wanted = _CLOSING.get(opener, ")")
    return Diagnostic(
        "WF011", f"`{closer}` does not close `{opener}`", span, f"expected `{wanted}`",
        f"close `{opener}` with `{wanted}` first", (Label(opened, "opened here"),),
    )  # fmt: skip


def classify(text: str, pos: int, end: int) -> tuple[int, Callable[[Span], Diagnostic]]:
    """How many characters at `pos` are wrong, and the diagnostic for them."""
    char = text[pos]
    if char in "\"'":
        return _open_string(text, pos, end)
    number = _NUMBER.match(text, pos, end)
    if number:
        written = number.group().rstrip(".") or number.group()
        message, hint = explain_number(written)
        return len(written), lambda span: Diagnostic("WF009", message, span, "", hint)
    if char == "!" and text.startswith("!=", pos):
        return 2, lambda span: Diagnostic("WF006", "unexpected `!=`", span)
    if char in _SIGNS:
        message, hint = _SIGNS[char]
        return 1, lambda span: Diagnostic("WF006", message, span, "", hint)
    if char in _LOOKALIKES:
        plain = _LOOKALIKES[char]
        return 1, lambda span: Diagnostic(
            "WF006", f"`{char}` is not a sign of the language", span,
            unicodedata.name(char, "").lower(), f"did you mean `{plain}`?",
        )  # fmt: skip
    name = unicodedata.name(char, f"U+{ord(char):04X}").lower()
    shown = f"`{char}`" if char.isprintable() and not char.isspace() else f"U+{ord(char):04X}"
    hint = (
        "use a plain space" if char.isspace() or unicodedata.category(char) in ("Cf", "Zs") else ""
    )
    return 1, lambda span: Diagnostic("WF006", f"unexpected character {shown}", span, name, hint)


def _open_string(text: str, pos: int, end: int) -> tuple[int, Callable[[Span], Diagnostic]]:
    quote = text[pos]
    long = text.startswith(quote * 3, pos)
    if long:
        quote *= 3
        return end - pos, lambda span: Diagnostic(
            "WF007", "this text is never closed", Span(
                span.file, span.line, span.column, span.line, span.column + 3
            ), "opened here", f"add the {quote} that ends it",
        )  # fmt: skip
    stop = text.find("\n", pos, end)
    stop = end if stop < 0 else stop
    length = len(text[pos:stop].rstrip())
    return length, lambda span: Diagnostic(
        "WF007", "this text is not closed on its line", span, f"expected a closing {quote}",
        f"add {quote} at its end; text of several lines is written {quote * 3}…{quote * 3}",
    )  # fmt: skip


def unit_of(word: str) -> str | None:
    """The unit of a duration or a size that a word means, as the language writes it."""
    lower = word.lower()
    if lower in ("ms", "s", "m", "h", "d"):
        return lower
    return _UNITS.get(lower) or _UNITS.get(lower.rstrip("s"))


def explain_number(written: str) -> tuple[str, str]:
    """A message and a hint for something that begins as a number does and is none."""
    shown = written if len(written) <= 40 else written[:40] + "…"
    message = f"`{shown}` is not a number, a duration or a size"
    hint = "durations: 250ms 30s 5m 1h30m 4d; sizes: 64KiB 4GiB 10MB"
    if re.fullmatch(r"0[0-9_]+", written):
        return message, f"a number does not begin with 0: write `{written.lstrip('0_') or '0'}`"
    if re.fullmatch(r"[0-9.]+[jJ]", written):
        return f"`{shown}` is a complex number, which the language does not have", ""
    if re.fullmatch(r"[0-9][0-9_]*", written):
        return message, "an underscore stands between two digits, one at a time: 1_000"
    unit = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)([A-Za-z]+)", written)
    if unit:
        known = unit_of(unit[2])
        if known is not None and known != unit[2]:
            return message, f"did you mean `{unit[1]}{known}`?"
        if unit[2][0].isalpha() and unit[2].lower() not in _UNITS and len(unit[2]) > 2:
            return message, f"{hint}; a name does not begin with a digit"
    return message, hint
