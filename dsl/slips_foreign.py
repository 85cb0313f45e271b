"""Slips in the text itself, and habits from Python and other languages."""

# ruff: noqa: D103  (the rules are described where they are listed, in `syntax_errors`)

from __future__ import annotations

from itertools import pairwise

from wfc.dsl import bad_text
from wfc.dsl.ast import Span
from wfc.dsl.diagnostics import Diagnostic, Label
from wfc.dsl.trouble import ARITHMETIC, CLOSE, ENDS, OPEN, Trouble, adjacent
from wfc.dsl.words import CONSTANTS, FOREIGN, STATEMENTS

# ---------------------------------------------------------------------------- text and brackets


def wrong_text(t: Trouble) -> Diagnostic | None:
    return t.token.problem


def bracket_left_open(t: Trouble) -> Diagnostic | None:
    """`x = f(a` and a new statement on the next line."""
    if not t.brackets or _is_closed_later(t):
        return None
    opener = t.brackets[-1]
    at = t.tokens.index(opener)
    for before, token in pairwise(t.tokens[at : t.index + 1]):
        if token.line > before.end_line and token.column <= t.first.column:
            break
    else:
        return None
    if token.type in CLOSE | ENDS:
        return None
    t.restart = token
    found = bad_text.never_closed(opener.value, opener.span)
    label = Label(token.span, "a new statement begins here")
    return Diagnostic(found.code, found.message, found.span, found.label, found.hint, (label,))


def _is_closed_later(t: Trouble) -> bool:
    """Whether the innermost bracket that is open at the token is closed somewhere behind it."""
    depth = 1
    for token in t.tokens[t.index :]:
        depth += (token.type in OPEN) - (token.type in CLOSE)
        if depth == 0:
            return True
    return False


def string_prefix(t: Trouble) -> Diagnostic | None:
    before = t.before
    if t.token.type not in ("STRING", "FSTRING") or before is None or before.type != "NAME":
        return None
    if not adjacent(before, t.token):
        return None
    prefix = before.value
    hint = "a text may begin with f (fields) or r (no escapes)"
    if "b" in prefix.lower() and len(prefix) < 3:
        hint = "the language has no bytes: make them in a task"
    return Diagnostic("WF008", f"`{prefix}` is not a prefix of a text", before.span, "", hint)


# ---------------------------------------------------------------------------- other languages


def foreign_word(t: Trouble) -> Diagnostic | None:
    token = t.token
    if token.type == "FOREIGN":
        if token.value in CONSTANTS:
            right = CONSTANTS[token.value]
            return Diagnostic(
                "WF018", f"`{token.value}` is not a word of the language", token.span, "",
                f"did you mean `{right}`?",
            )  # fmt: skip
        if t.before is not None and t.before.type == "DOT":
            return None
        message, hint = FOREIGN[token.value]
        return Diagnostic("WF017", message, token.span, "a word of Python", hint)
    if t.index == 0 and token.type in STATEMENTS:
        message, hint = STATEMENTS[token.type]
        return Diagnostic("WF017", message, token.span, "", hint)
    return None


def foreign_sign(t: Trouble) -> Diagnostic | None:
    token, before, after = t.token, t.before, t.after
    if after is not None and adjacent(token, after):
        if token.value + after.value == ":=":
            return _no_walrus(token.span.to(after.span))
        if token.value + after.value == "=>" and "=" in [x.value for x in t.tokens[: t.index]]:
            span = token.span.to(after.span)
            return Diagnostic(
                "WF018", "`=>` is not an operator", span, "", "at least is written `>=`"
            )
    if before is None:
        return None
    if token.type in ENDS and t.index >= 2 and before.type in ("PLUS", "MINUS"):
        earlier = t.tokens[t.index - 2]
        if earlier.type == before.type and adjacent(earlier, before):
            both, span = before.value * 2, earlier.span.to(before.span)
            return Diagnostic(
                "WF018", f"`{both}` is not an operator", span, "", "bind a new name: `y = x + 1`"
            )
    if not adjacent(before, token):
        return None
    span = before.span.to(token.span)
    both = before.value + token.value
    if token.type == before.type and token.type in ("AMPERSAND", "BAR"):
        word = "and" if token.type == "AMPERSAND" else "or"
        return Diagnostic("WF018", f"`{both}` is not an operator", span, "", f"write `{word}`")
    if token.type == "ASSIGN" and before.type in ARITHMETIC and t.index >= 2:
        name = t.tokens[t.index - 2].value
        return Diagnostic(
            "WF018", f"there is no `{both}`", span, "a name is bound once",
            f"bind a new name: `new = {name} {before.value} …`",
        )  # fmt: skip
    if token.type == "ASSIGN" and before.type == "COLON":
        return _no_walrus(span)
    if both == "<>":
        return Diagnostic("WF018", "`<>` is not an operator", span, "", "not equal is written `!=`")
    if both == "===":
        return Diagnostic("WF018", "`===` is not an operator", span, "", "equal is written `==`")
    return None


def _no_walrus(span: Span) -> Diagnostic:
    return Diagnostic("WF018", "there is no `:=`", span, "", "bind the name in a line of its own")


def else_if(t: Trouble) -> Diagnostic | None:
    if t.token.type == "IF" and t.index == 1 and t.first.type == "ELSE":
        span = t.first.span.to(t.token.span)
        return Diagnostic("WF019", "`else if` is one word here", span, "", "write `elif`")
    return None
