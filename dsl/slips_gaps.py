"""Words misspelt or reserved, and what is missing between two tokens."""

# ruff: noqa: D103  (the rules are described where they are listed, in `syntax_errors`)

from __future__ import annotations

from wfc.dsl import bad_text
from wfc.dsl.diagnostics import Diagnostic
from wfc.dsl.suggest import nearest
from wfc.dsl.tokens import Token
from wfc.dsl.trouble import (
    CLOSE,
    ENDS,
    HEADERS,
    LITERALS,
    OPEN,
    OPERATORS,
    STATEMENT_WORDS,
    VALUE_END,
    VALUE_START,
    Trouble,
)
from wfc.dsl.words import SLIPS

# ---------------------------------------------------------------------------- slips


_AFTER_WORD = VALUE_START | OPEN | {"COLON", "CONTINUATION", "TASK", "WORKFLOW"}
_TOP_WORDS = ("workflow", "task", "from", "import", "inplace", "nocheckpoint")
_BODY_WORDS = (
    "return", "continuation", "if", "elif", "pass", "catch", "inplace", "nocheckpoint",
)  # fmt: skip


def misspelt(t: Trouble) -> Diagnostic | None:
    """A word near one that fits; or the word before, where a name makes no sense."""
    token, before = t.token, t.before
    if t.index == 1 and t.first.type == "NAME" and token.type in _AFTER_WORD:
        words: tuple[str, ...] = _TOP_WORDS if t.top else _BODY_WORDS
        if token.type == "COLON":
            words = ("else", "finally")
        elif token.type in OPEN:
            words = ()
        found = SLIPS.get(t.first.value) or nearest(t.first.value, words)
        if found:
            return _did_you_mean(t.first, found)
    if token.type == "NAME" and before is not None:
        known = [t.spellings[x] for x in sorted(t.accepts) if t.spellings.get(x, "").isidentifier()]
        if before.type == "NAME" and (
            found := nearest(before.value, ("catch", "inplace", "nocheckpoint", "not"))
        ):
            return _did_you_mean(before, found)
        if token.value in t.spellings.values():
            return None
        if before.type in VALUE_END and (found := nearest(token.value, known)):
            return _did_you_mean(token, found)
    return None


def _did_you_mean(token: Token, word: str) -> Diagnostic:
    return Diagnostic(
        "WF031", f"`{token.value}` is not a word of the language", token.span, "",
        f"did you mean `{word}`?",
    )  # fmt: skip


def reserved_name(t: Trouble) -> Diagnostic | None:
    token = t.token
    if "NAME" not in t.accepts or not token.value.isidentifier() or token.type == "NAME":
        return None
    behind = t.after.type if t.after is not None else "_NEWLINE"
    named = t.before is not None and t.before.type in ("DOT", "AS", "WORKFLOW", "TASK")
    if t.before is not None and t.before.type == "FOR" and token.type != "IN":
        named = True
    followed = ("ASSIGN", "COMMA", "RPAR", "COLON") if t.brackets else ("ASSIGN", "COMMA")
    if not named and (behind not in followed or token.type in LITERALS):
        return None
    return Diagnostic(
        "WF016", f"`{token.value}` is a reserved word, and cannot be a name", token.span, "reserved",
        f"choose another name, such as `{token.value}_`",
    )  # fmt: skip


def missing_colon(t: Trouble) -> Diagnostic | None:
    if t.first.type not in HEADERS or "COLON" not in t.accepts or t.brackets:
        return None
    if t.token.type not in ENDS | STATEMENT_WORDS | {"NAME"}:
        return None
    return Diagnostic(
        "WF013", f"a `:` is missing after this `{t.first.value}`", t.gap, "expected `:`",
        "a block begins with `:` at the end of the line",
    )  # fmt: skip


def missing_comma(t: Trouble) -> Diagnostic | None:
    before = t.before
    if not t.brackets or before is None or "COMMA" not in t.accepts:
        return None
    if before.type not in VALUE_END or t.token.type not in VALUE_START | {"LBRACE"}:
        return None
    if "IN" in t.accepts and "PLUS" not in t.accepts:
        return None
    if t.token.type == "NAME" and t.token.value in t.spellings.values():
        return None
    left, right = (x.value if len(x.value) < 30 else "…" for x in (before, t.token))
    return Diagnostic(
        "WF014", "a comma is missing", t.gap, "expected `,`", f"write `{left}, {right}`"
    )


def two_values(t: Trouble) -> Diagnostic | None:
    token, before = t.token, t.before
    if before is None or before.type not in VALUE_END or token.type not in VALUE_START:
        return None
    if "PLUS" not in t.accepts:
        return None
    hint = "write one statement on each line"
    if before.type == "INT" and (unit := bad_text.unit_of(token.value)):
        hint = f"a unit follows its number directly: `{before.value}{unit}`"
    elif t.tokens[-1].type == "$END":
        hint = ""
    elif t.index == 1 and before.type == "NAME":
        hint = f"to call it, write `{before.value}(…)`"
    return Diagnostic(
        "WF012", "two values, and nothing that joins them", token.span,
        "expected an operator or the end of the line", hint,
    )  # fmt: skip


def missing_value(t: Trouble) -> Diagnostic | None:
    before = t.before
    if before is None or not t.wants_value():
        return None
    where = t.gap if t.token.type in ENDS else t.token.span
    if t.token.type not in ENDS | CLOSE | OPERATORS | {
        "COMMA",
        "COLON",
        "FOR",
        "ASSIGN",
        "ELSE",
    }:
        return None
    return Diagnostic(
        "WF012", f"a value is missing after `{before.value}`", where, "expected a value"
    )
