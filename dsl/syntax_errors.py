"""Why a token does not fit: the tokens around it, turned into one diagnostic that teaches.

`RULES` is tried in order, the special before the general; each rule looks at one kind of slip. The last
resort says what the grammar would have accepted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from wfc.dsl import bad_text
from wfc.dsl.ast import Span
from wfc.dsl.diagnostics import Diagnostic, Label
from wfc.dsl.suggest import nearest
from wfc.dsl.tokens import Token
from wfc.dsl.words import CONSTANTS, FOREIGN, SLIPS, STATEMENTS

_OPEN = frozenset({"LPAR", "LSQB", "LBRACE"})
_CLOSE = frozenset({"RPAR", "RSQB", "RBRACE"})
_LITERALS = frozenset(
    {"INT", "FLOAT", "DURATION", "SIZE", "STRING", "FSTRING", "TRUE", "FALSE", "NONE"}
)
_VALUE_END = _LITERALS | _CLOSE | {"NAME"}
_VALUE_START = _LITERALS | {"NAME", "CATCH", "INPLACE", "NOCHECKPOINT", "WAIT", "NOT"}
_HEADERS = frozenset({"IF", "ELIF", "ELSE", "FINALLY", "WORKFLOW"})
_ARITHMETIC = frozenset({
    "PLUS", "MINUS", "STAR", "SLASH", "DSLASH", "PERCENT", "AT", "DSTAR", "BAR", "CARET", "AMPERSAND",
    "LSHIFT", "RSHIFT",
})  # fmt: skip
_OPERATORS = _ARITHMETIC | {"EQ", "NE", "LT", "LE", "GT", "GE", "IN", "IS", "AND", "OR", "IF"}
_STATEMENT_WORDS = frozenset({"RETURN", "CONTINUATION", "PASS", "IF", "ELIF", "ELSE", "FINALLY"})
_ENDS = frozenset({"_NEWLINE", "$END"})


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
            if token.type in _OPEN:
                self.brackets.append(token)
                self.openers.append(self.tokens[at - 1] if at else None)
            elif token.type in _CLOSE and self.brackets:
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


def explain(trouble: Trouble) -> Diagnostic:
    """The diagnostic for a token that does not fit."""
    for rule in RULES:
        found = rule(trouble)
        if found is not None:
            return found
    return _expected(trouble)


def _adjacent(a: Token | None, b: Token | None) -> bool:
    return a is not None and b is not None and a.end == b.start


# ---------------------------------------------------------------------------- text and brackets


def _wrong_text(t: Trouble) -> Diagnostic | None:
    return t.token.problem


def _bracket_left_open(t: Trouble) -> Diagnostic | None:
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
    if token.type in _CLOSE | _ENDS:
        return None
    t.restart = token
    found = bad_text.never_closed(opener.value, opener.span)
    label = Label(token.span, "a new statement begins here")
    return Diagnostic(found.code, found.message, found.span, found.label, found.hint, (label,))


def _is_closed_later(t: Trouble) -> bool:
    """Whether the innermost bracket that is open at the token is closed somewhere behind it."""
    depth = 1
    for token in t.tokens[t.index :]:
        depth += (token.type in _OPEN) - (token.type in _CLOSE)
        if depth == 0:
            return True
    return False


def _string_prefix(t: Trouble) -> Diagnostic | None:
    before = t.before
    if t.token.type not in ("STRING", "FSTRING") or before is None or before.type != "NAME":
        return None
    if not _adjacent(before, t.token):
        return None
    prefix = before.value
    hint = "a text may begin with f (fields) or r (no escapes)"
    if "b" in prefix.lower() and len(prefix) < 3:
        hint = "the language has no bytes: make them in a task"
    return Diagnostic("WF008", f"`{prefix}` is not a prefix of a text", before.span, "", hint)


# ---------------------------------------------------------------------------- other languages


def _foreign_word(t: Trouble) -> Diagnostic | None:
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


def _foreign_sign(t: Trouble) -> Diagnostic | None:
    token, before, after = t.token, t.before, t.after
    if after is not None and _adjacent(token, after):
        if token.value + after.value == ":=":
            return _no_walrus(token.span.to(after.span))
        if token.value + after.value == "=>" and "=" in [x.value for x in t.tokens[: t.index]]:
            span = token.span.to(after.span)
            return Diagnostic(
                "WF018", "`=>` is not an operator", span, "", "at least is written `>=`"
            )
    if before is None:
        return None
    if token.type in _ENDS and t.index >= 2 and before.type in ("PLUS", "MINUS"):
        earlier = t.tokens[t.index - 2]
        if earlier.type == before.type and _adjacent(earlier, before):
            both, span = before.value * 2, earlier.span.to(before.span)
            return Diagnostic(
                "WF018", f"`{both}` is not an operator", span, "", "bind a new name: `y = x + 1`"
            )
    if not _adjacent(before, token):
        return None
    span = before.span.to(token.span)
    both = before.value + token.value
    if token.type == before.type and token.type in ("AMPERSAND", "BAR"):
        word = "and" if token.type == "AMPERSAND" else "or"
        return Diagnostic("WF018", f"`{both}` is not an operator", span, "", f"write `{word}`")
    if token.type == "ASSIGN" and before.type in _ARITHMETIC and t.index >= 2:
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


def _else_if(t: Trouble) -> Diagnostic | None:
    if t.token.type == "IF" and t.index == 1 and t.first.type == "ELSE":
        span = t.first.span.to(t.token.span)
        return Diagnostic("WF019", "`else if` is one word here", span, "", "write `elif`")
    return None


# ---------------------------------------------------------------------------- places


def _misplaced_declaration(t: Trouble) -> Diagnostic | None:
    if t.top:
        return None
    first = t.first
    word = first.value
    if t.index == 0 and first.type in ("FROM", "IMPORT"):
        if t.after is not None and t.after.type == "ASSIGN":
            return None
        what = "an import"
    elif (
        t.index >= 1
        and word in ("task", "workflow", "inplace", "nocheckpoint")
        and any(x.value in ("task", "workflow") for x in t.tokens[: t.index])
        and t.token.type == "NAME"
    ):
        what = f"a {'workflow' if word == 'workflow' else 'task'}"
    else:
        return None
    return Diagnostic(
        "WF026", f"{what} cannot be declared inside a workflow", first.span,
        "belongs to the top of the file", "move it out of the workflow, to the left margin",
    )  # fmt: skip


def _misplaced_statement(t: Trouble) -> Diagnostic | None:
    """A call, a `return`, an unpacking outside of a workflow."""
    if not t.top:
        return None
    if t.index == 0 and t.token.type in (
        "RETURN", "CONTINUATION", "IF", "PASS", "CATCH", "WAIT", "LSQB", "LPAR", "LBRACE", *_LITERALS
    ):  # fmt: skip
        what = f"`{t.token.value}`" if t.token.value.isidentifier() else "an expression"
        if t.token.type in ("STRING", "FSTRING"):
            return Diagnostic(
                "WF025", "text outside of a workflow", t.token.span, "does nothing here",
                "the documentation of a file is its very first text; a note is written `# …`",
            )  # fmt: skip
    elif (
        t.index == 1 and t.first.type == "NAME" and t.token.type in ("LPAR", "DOT", "LSQB", "COMMA")
    ):
        what = "several names" if t.token.type == "COMMA" else "an expression"
        if t.token.type == "LPAR":
            what = "a call"
    elif (
        t.index == 1 and t.token.type == "NAME" and t.after is not None and t.after.type == "LPAR"
        and t.first.value in (*_MODIFIERS, "continuation")
    ):  # fmt: skip
        what = "a call"
    else:
        return None
    return Diagnostic(
        "WF025", f"{what} outside of a workflow", t.first.span, "only declarations can stand here",
        "put it into a `workflow name(…):`, indented; a constant is written `NAME = …`",
    )  # fmt: skip


def _lonely_branch(t: Trouble) -> Diagnostic | None:
    if t.index or t.token.type not in ("ELSE", "ELIF", "FINALLY"):
        return None
    word = t.token.value
    if word == "finally":
        hint = "`finally:` lines up with its `workflow`, once, after the body"
        partner = "workflow"
    else:
        hint = f"`{word}` lines up with its `if`, and nothing stands between"
        partner = "if"
    return Diagnostic(
        "WF034", f"`{word}` without `{partner}`", t.token.span, f"no `{partner}` ends here", hint
    )


# ---------------------------------------------------------------------------- declarations


def _imports(t: Trouble) -> Diagnostic | None:
    token, before, first = t.token, t.before, t.first
    if first.type == "IMPORT":
        if t.index == 1 and token.type == "NAME":
            return Diagnostic(
                "WF027", "a Python module is not imported as a whole", token.span,
                "expected a path in quotes",
                f"`from {token.value} import name` for Python, `import \"path.wf\" as name` for another spec",
            )  # fmt: skip
        if t.index == 2 and token.type in _ENDS:
            return Diagnostic(
                "WF027", "an imported spec needs a name", t.gap, "expected `as name`",
                f"write `{first.value} {t.tokens[1].value} as name`",
            )  # fmt: skip
        return None
    if first.type != "FROM":
        return None
    if t.index == 1 and token.type in ("DOT", "ELLIPSIS"):
        return Diagnostic(
            "WF027", "there are no relative imports", token.span, "",
            "a module beside this file is imported by its plain name: `from helpers import f`",
        )  # fmt: skip
    if t.index == 1 and token.type in ("STRING", "FSTRING"):
        return Diagnostic(
            "WF027", "names are not imported out of a spec", token.span, "a path",
            f"`import {token.value} as name`, then `name.x`",
        )  # fmt: skip
    if token.type == "STAR" and before is not None and before.type in ("IMPORT", "LPAR"):
        return Diagnostic(
            "WF027", "everything cannot be imported at once", token.span, "", "name what you use"
        )
    return None


def _declarations(t: Trouble) -> Diagnostic | None:
    token, first = t.token, t.first
    words = [x.type for x in t.tokens[: t.index]]
    if words and words[-1] in ("INPLACE", "NOCHECKPOINT") and token.value == "workflow" and t.top:
        word = t.tokens[t.index - 1]
        return Diagnostic(
            "WF021", f"`{word.value}` does not belong to a workflow", word.span, "",
            f"say it where the workflow is called: `{word.value} name(…)`",
        )  # fmt: skip
    if "TASK" in words and first.type in ("TASK", "INPLACE", "NOCHECKPOINT") and t.top:
        if token.type == "COLON" and not t.brackets:
            return Diagnostic(
                "WF012", "a task has no body", token.span, "expected `= module.function`",
                "its work is a Python function: `task name = module.function with (…)`",
            )  # fmt: skip
        if words[-1] == "ASSIGN" and token.type in ("STRING", "FSTRING"):
            return Diagnostic(
                "WF012", "a task is a function's name, not text", token.span, "",
                "write it without quotes: `task name = module.function`",
            )  # fmt: skip
        if token.type == "LPAR" and "ASSIGN" in words:
            return Diagnostic(
                "WF012", "a task is a function, not a call", token.span, "expected the end of the line",
                "options are given as `with (…)`, arguments where the task is called",
            )  # fmt: skip
    if first.type == "WORKFLOW" and t.index == 2 and token.type in ("COLON", "ARROW", "_NEWLINE"):
        return Diagnostic(
            "WF012", "a workflow needs its parameters, even if there are none", t.gap,
            "expected `(`", f"write `workflow {t.tokens[1].value}():`",
        )  # fmt: skip
    return None


# ---------------------------------------------------------------------------- constructs


def _wait_form(t: Trouble) -> Diagnostic | None:
    opener = t.opener
    if opener is None or opener.type != "WAIT":
        return None
    of_seen = any(x.type == "OF" for x in t.tokens[t.tokens.index(t.brackets[-1]) : t.index])
    if of_seen and t.before is not None and t.before.type == "COMMA":
        return Diagnostic(
            "WF020", "`wait` takes nothing more than a `timeout`", t.token.span, "",
            "write `wait(2 of xs, timeout=30s)`",
        )  # fmt: skip
    if t.token.type == "RPAR" and t.wants_value():
        return Diagnostic(
            "WF020", "`wait` needs a number and the calls to wait for", t.token.span, "",
            "write `wait(2 of xs, timeout=30s)`, `wait(80% of xs)`, `wait(all of xs)`",
        )  # fmt: skip
    if "OF" not in t.accepts:
        return None
    assert t.before is not None
    written = t.before.value
    hint = f"how many come before `of`: `wait({written} of xs)`"
    if t.token.type == "COMMA" and t.after is not None and t.after.type == "NAME":
        hint = f"write `wait({written} of {t.after.value})`"
    elif t.token.type == "RPAR" and t.before is not None and t.before.type == "NAME":
        hint = f"how many of them? `wait(all of {written})`, `wait(any of {written})`, `wait(2 of {written})`"
    return Diagnostic("WF020", "`wait` needs `of`", t.token.span, "expected `of`", hint)


def _options_form(t: Trouble) -> Diagnostic | None:
    token, before = t.token, t.before
    if before is None:
        return None
    if before.type in ("WITH", "AFTER") and token.type != "LPAR":
        what = "options stand" if before.type == "WITH" else "what comes first stands"
        example = "with (timeout=5m)" if before.type == "WITH" else "after (a, b)"
        where = t.gap if token.type in _ENDS else token.span
        return Diagnostic(
            "WF022", f"{what} in parentheses after `{before.value}`", where, "expected `(`",
            f"write `{example}`",
        )  # fmt: skip
    opener = t.opener
    if opener is not None and opener.type == "WITH" and t.brackets[-1].type == "LPAR":
        if token.type == "RPAR" and before.type == "LPAR":
            return Diagnostic("WF022", "no options between the parentheses", token.span,
                              "expected an option", "write `with (timeout=5m)`, or leave it out")  # fmt: skip
        if "ASSIGN" in t.accepts and token.type != "ASSIGN":
            return Diagnostic("WF022", "an option is a name and its value", token.span,
                              "expected `=`", f"write `{before.value}=…`")  # fmt: skip
        if before.type in ("LPAR", "COMMA") and "NAME" in t.accepts:
            return Diagnostic("WF022", "an option is a name and its value", token.span,
                              "expected a name", "write `with (timeout=5m)`")  # fmt: skip
    if (
        opener is not None
        and opener.type == "AFTER"
        and token.type == "RPAR"
        and before.type == "LPAR"
    ):
        return Diagnostic("WF022", "nothing between the parentheses", token.span,
                          "expected a name", "write `after (a, b)`, or leave it out")  # fmt: skip
    return None


_MODIFIERS = ("catch", "inplace", "nocheckpoint")


def _modifier_place(t: Trouble) -> Diagnostic | None:
    token, before = t.token, t.before
    word = token.value
    if token.type == "WITH" or (word == "after" and t.after is not None and t.after.type == "LPAR"):
        imports = t.first.type in ("FROM", "IMPORT")
        if before is not None and before.type in _VALUE_END and not imports:
            return Diagnostic(
                "WF021", f"`{word}` belongs to a call or a comprehension", token.span,
                "what stands before it is neither",
                "it comes directly after the call: `f(x) with (…) after (a)`",
            )  # fmt: skip
        return None
    if before is None:
        return None
    if word in _MODIFIERS and before.type in _VALUE_END - {"NAME"} and not t.brackets:
        return Diagnostic(
            "WF021", f"`{word}` comes before the call", token.span, "", f"write `{word} f(x)`"
        )
    if (
        before.value == "continuation"
        and t.index >= 2
        and t.tokens[t.index - 2].value in _MODIFIERS
    ):
        word = t.tokens[t.index - 2].value
        return Diagnostic(
            "WF021", f"`{word}` comes after `continuation`", t.tokens[t.index - 2].span, "",
            f"write `continuation {word} f(x)`",
        )  # fmt: skip
    if before.type not in ("CATCH", "INPLACE", "NOCHECKPOINT"):
        return None
    if token.type == "ASSIGN":
        return Diagnostic(
            "WF016", f"`{before.value}` is a word of the language, and cannot be a name", before.span,
            "reserved", f"choose another name, such as `{before.value}_`",
        )  # fmt: skip
    return Diagnostic(
        "WF021", f"`{before.value}` needs a call after it", before.span, "a word of the language",
        f"write `{before.value} f(x)`",
    )  # fmt: skip


def _stars(t: Trouble) -> Diagnostic | None:
    token, before = t.token, t.before
    if token.type not in ("STAR", "DSTAR"):
        return None
    if before is not None and before.type not in ("LPAR", "COMMA", "LSQB", "LBRACE"):
        return None
    hint = "name each argument; many values travel as one list"
    if t.first.type in ("WORKFLOW", "TASK"):
        hint = "name each parameter; many values travel as one list"
    elif not t.brackets:
        hint = "unpack into exactly as many names as there are values"
    elif t.brackets[-1].type != "LPAR":
        hint = "join lists with `+`"
    return Diagnostic("WF028", f"`{token.value}` cannot spread a value here", token.span, "", hint)


def _equals(t: Trouble) -> Diagnostic | None:
    token, before = t.token, t.before
    if token.type != "ASSIGN" or before is None:
        return None
    if t.brackets:
        opener = t.opener
        call = opener is not None and opener.type in ("NAME", "RPAR", "RSQB", "WITH", "WAIT")
        if call and t.brackets[-1].type == "LPAR" and before.type in _VALUE_END:
            return Diagnostic(
                "WF015", "the name of an argument is a plain name", before.span, "",
                "an argument is written `name=value`; to compare, write `==`",
            )  # fmt: skip
        if t.brackets[-1].type == "LBRACE":
            return Diagnostic("WF015", "`=` inside a dict", token.span, "expected `:`",
                              "write `{key: value}`, with text keys in quotes")  # fmt: skip
        return Diagnostic(
            "WF015", "`=` inside an expression", token.span, "", "to compare, write `==`"
        )
    if t.first.type in ("IF", "ELIF", "RETURN"):
        return Diagnostic(
            "WF015", "`=` binds a name, and this is an expression", token.span, "expected `==`",
            "to compare, write `==`",
        )  # fmt: skip
    if any(x.type == "ASSIGN" for x in t.tokens[: t.index]):
        return Diagnostic(
            "WF015", "two `=` in one statement", token.span, "the second one",
            "one name, one value; to compare, write `==`",
        )  # fmt: skip
    return None


def _annotation(t: Trouble) -> Diagnostic | None:
    after = t.after
    if t.token.type == "COLON" and t.index == 1 and t.first.type == "NAME" and after is not None:
        if after.type == "_NEWLINE" or t.first.value in SLIPS:
            return None
        return Diagnostic(
            "WF012", "a name has no type of its own", t.token.span, "expected `=`",
            "its type is that of its value; only parameters are annotated",
        )  # fmt: skip
    return None


def _displays(t: Trouble) -> Diagnostic | None:
    """Sets, generators, and other forms of Python between brackets."""
    if not t.brackets:
        return None
    opener, token = t.brackets[-1], t.token
    inside = [x.type for x in t.tokens[t.tokens.index(opener) : t.index]]
    no_value = token.type in ("COMMA", "RBRACE", "FOR") and "COLON" in t.accepts
    if opener.type == "LBRACE" and no_value and "COLON" not in inside:
        return Diagnostic("WF032", "there are no sets", opener.span, "",
                          "a list is written `[a, b]`, a dict `{key: value}`")  # fmt: skip
    if (
        opener.type == "LPAR" and token.type == "FOR"
        and t.before is not None and t.before.type in _VALUE_END
    ):  # fmt: skip
        return Diagnostic("WF032", "a fan-out stands in square brackets", token.span, "",
                          "write `[f(x) for x in xs]`")  # fmt: skip
    return None


# ---------------------------------------------------------------------------- slips


_AFTER_WORD = _VALUE_START | _OPEN | {"COLON", "CONTINUATION", "TASK", "WORKFLOW"}
_TOP_WORDS = ("workflow", "task", "from", "import", "inplace", "nocheckpoint")
_BODY_WORDS = (
    "return", "continuation", "if", "elif", "pass", "catch", "inplace", "nocheckpoint",
)  # fmt: skip


def _misspelt(t: Trouble) -> Diagnostic | None:
    """A word near one that fits; or the word before, where a name makes no sense."""
    token, before = t.token, t.before
    if t.index == 1 and t.first.type == "NAME" and token.type in _AFTER_WORD:
        words: tuple[str, ...] = _TOP_WORDS if t.top else _BODY_WORDS
        if token.type == "COLON":
            words = ("else", "finally")
        elif token.type in _OPEN:
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
        if before.type in _VALUE_END and (found := nearest(token.value, known)):
            return _did_you_mean(token, found)
    return None


def _did_you_mean(token: Token, word: str) -> Diagnostic:
    return Diagnostic(
        "WF031", f"`{token.value}` is not a word of the language", token.span, "",
        f"did you mean `{word}`?",
    )  # fmt: skip


def _reserved_name(t: Trouble) -> Diagnostic | None:
    token = t.token
    if "NAME" not in t.accepts or not token.value.isidentifier() or token.type == "NAME":
        return None
    behind = t.after.type if t.after is not None else "_NEWLINE"
    named = t.before is not None and t.before.type in ("DOT", "AS", "WORKFLOW", "TASK")
    if t.before is not None and t.before.type == "FOR" and token.type != "IN":
        named = True
    followed = ("ASSIGN", "COMMA", "RPAR", "COLON") if t.brackets else ("ASSIGN", "COMMA")
    if not named and (behind not in followed or token.type in _LITERALS):
        return None
    return Diagnostic(
        "WF016", f"`{token.value}` is a reserved word, and cannot be a name", token.span, "reserved",
        f"choose another name, such as `{token.value}_`",
    )  # fmt: skip


def _missing_colon(t: Trouble) -> Diagnostic | None:
    if t.first.type not in _HEADERS or "COLON" not in t.accepts or t.brackets:
        return None
    if t.token.type not in _ENDS | _STATEMENT_WORDS | {"NAME"}:
        return None
    return Diagnostic(
        "WF013", f"a `:` is missing after this `{t.first.value}`", t.gap, "expected `:`",
        "a block begins with `:` at the end of the line",
    )  # fmt: skip


def _missing_comma(t: Trouble) -> Diagnostic | None:
    before = t.before
    if not t.brackets or before is None or "COMMA" not in t.accepts:
        return None
    if before.type not in _VALUE_END or t.token.type not in _VALUE_START | {"LBRACE"}:
        return None
    if "IN" in t.accepts and "PLUS" not in t.accepts:
        return None
    if t.token.type == "NAME" and t.token.value in t.spellings.values():
        return None
    left, right = (x.value if len(x.value) < 30 else "…" for x in (before, t.token))
    return Diagnostic(
        "WF014", "a comma is missing", t.gap, "expected `,`", f"write `{left}, {right}`"
    )


def _two_values(t: Trouble) -> Diagnostic | None:
    token, before = t.token, t.before
    if before is None or before.type not in _VALUE_END or token.type not in _VALUE_START:
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


def _missing_value(t: Trouble) -> Diagnostic | None:
    before = t.before
    if before is None or not t.wants_value():
        return None
    where = t.gap if t.token.type in _ENDS else t.token.span
    if t.token.type not in _ENDS | _CLOSE | _OPERATORS | {
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
        left -= _VALUE_START | _OPEN | {"PLUS", "MINUS", "TILDE"}
    if {"PLUS", "STAR"} <= left:
        left -= _OPERATORS | _POSTFIX | {"NOT"}
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
    if token.type in _ENDS:
        what = "the line ends too early" if token.type == "_NEWLINE" else "this ends too early"
        return Diagnostic("WF012", what, t.gap, label)
    shown = token.value if len(token.value) <= 40 else token.value[:40] + "…"
    return Diagnostic("WF012", f"unexpected `{shown}`".replace("\n", "⏎"), token.span, label)


RULES: tuple[Callable[[Trouble], Diagnostic | None], ...] = (
    _wrong_text,
    _bracket_left_open,
    _string_prefix,
    _foreign_word,
    _foreign_sign,
    _else_if,
    _misplaced_declaration,
    _lonely_branch,
    _imports,
    _declarations,
    _stars,
    _wait_form,
    _options_form,
    _misspelt,
    _misplaced_statement,
    _modifier_place,
    _equals,
    _annotation,
    _displays,
    _reserved_name,
    _missing_colon,
    _missing_comma,
    _two_values,
    _missing_value,
)
"""The special before the general: text and brackets, then whole words and signs, then forms, then gaps."""
