"""Why a token does not fit: the tokens around it, turned into one diagnostic that teaches.

`RULES` is tried in order, the special before the general; each rule looks at one kind of slip. The last
resort says what the grammar would have accepted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from wfc.dsl.diagnostics import Diagnostic
from wfc.dsl.slips_foreign import (
    bracket_left_open,
    else_if,
    foreign_sign,
    foreign_word,
    string_prefix,
    wrong_text,
)
from wfc.dsl.slips_forms import (
    annotation,
    declarations,
    displays,
    equals,
    imports,
    lonely_branch,
    misplaced_declaration,
    misplaced_statement,
    modifier_place,
    options_form,
    stars,
    wait_form,
)
from wfc.dsl.slips_gaps import (
    missing_colon,
    missing_comma,
    missing_value,
    misspelt,
    reserved_name,
    two_values,
)
from wfc.dsl.trouble import ENDS, OPEN, OPERATORS, VALUE_START, Trouble


def explain(trouble: Trouble) -> Diagnostic:
    """The diagnostic for a token that does not fit."""
    for rule in RULES:
        found = rule(trouble)
        if found is not None:
            return found
    return _expected(trouble)


# ---------------------------------------------------------------------------- the last resort

_GROUPS = {
    "NAME": "a name", "INT": "a number", "STRING": "text", "_NEWLINE": "the end of the line",
    "_INDENT": "an indented block", "_DEDENT": "the end of the block", "$END": "the end of the file",
}  # fmt: skip
_SKIP = frozenset({"FLOAT", "DURATION", "SIZE", "FSTRING", "WAIT"})
_POSTFIX = frozenset({"DOT", "LSQB", "LPAR", "WITH", "AFTER"})


def expected_words(accepts: set[str], spellings: Mapping[str, str]) -> list[str]:
    """What could come next, in words, the likeliest first."""
    left = set(accepts) - _SKIP
    words: list[str] = []
    if {"NAME", "INT", "LPAR"} <= left:
        words.append("a value")
        left -= VALUE_START | OPEN | {"PLUS", "MINUS", "TILDE"}
    if {"PLUS", "STAR"} <= left:
        left -= OPERATORS | _POSTFIX | {"NOT"}
        later = ["an operator"]
    else:
        later = []
    for kind in ("NAME", "COMMA", "COLON", "ASSIGN", "RPAR", "RSQB", "RBRACE", "ARROW"):
        if kind in left:
            left.discard(kind)
            words.append(_GROUPS.get(kind) or f"`{spellings.get(kind, kind)}`")
    ends = [kind for kind in ("_NEWLINE", "$END", "_INDENT", "_DEDENT") if kind in left]
    left.difference_update(ends)
    for kind in sorted(left):
        words.append(_GROUPS.get(kind) or f"`{spellings.get(kind, kind)}`")
    return words + later + [_GROUPS[kind] for kind in ends]


def _expected(t: Trouble) -> Diagnostic:
    words = expected_words(t.accepts, t.spellings)
    if len(words) > 5:
        words = words[:5]
    label = ""
    if words:
        listed = words[0] if len(words) == 1 else ", ".join(words[:-1]) + " or " + words[-1]
        label = f"expected {listed}"
    token = t.token
    if token.type in ENDS:
        what = "the line ends too early" if token.type == "_NEWLINE" else "this ends too early"
        return Diagnostic("WF012", what, t.gap, label)
    shown = token.value if len(token.value) <= 40 else token.value[:40] + "…"
    return Diagnostic("WF012", f"unexpected `{shown}`".replace("\n", "⏎"), token.span, label)


RULES: tuple[Callable[[Trouble], Diagnostic | None], ...] = (
    wrong_text,  # what the tokenizer found: an open string, a stray sign, a tab
    bracket_left_open,  # `x = f(a`, then a new statement
    string_prefix,  # `b"…"`
    foreign_word,  # `for` and `while` statements, `lambda`, `true`
    foreign_sign,  # `&&`, `+=`, `:=`
    else_if,  # `else if`
    misplaced_declaration,  # an import or a task inside a workflow
    lonely_branch,  # `else` without `if`
    imports,  # `import etl`, `from .x import y`
    declarations,  # `task f():`, `workflow main:`
    stars,  # `f(*xs)`
    wait_form,  # `wait(2, xs)`
    options_form,  # `f(x) with timeout=5m`
    misspelt,  # `worklow main():`
    misplaced_statement,  # a call at the left margin
    modifier_place,  # `f(x) catch`
    equals,  # `if a = b:`
    annotation,  # `x: int = 3`
    displays,  # `{a, b}`, `f(x for x in xs)`
    reserved_name,  # `from = 3`
    missing_colon,  # `if a` at the end of a line
    missing_comma,  # `f(a b)`
    two_values,  # `x = a b`
    missing_value,  # `x =`
)
"""The special before the general: text and brackets, then whole words and signs, then forms, then gaps."""
