"""Declarations, statements and constructs that are out of place or not of their form."""

# ruff: noqa: D103  (the rules are described where they are listed, in `syntax_errors`)

from __future__ import annotations

from wfc.dsl.diagnostics import Diagnostic
from wfc.dsl.trouble import ENDS, LITERALS, VALUE_END, Trouble
from wfc.dsl.words import SLIPS

# ---------------------------------------------------------------------------- places


def misplaced_declaration(t: Trouble) -> Diagnostic | None:
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


def misplaced_statement(t: Trouble) -> Diagnostic | None:
    """A call, a `return`, an unpacking outside of a workflow."""
    if not t.top:
        return None
    if t.index == 0 and t.token.type in (
        "RETURN", "CONTINUATION", "IF", "PASS", "CATCH", "WAIT", "LSQB", "LPAR", "LBRACE", *LITERALS
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


def lonely_branch(t: Trouble) -> Diagnostic | None:
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


def imports(t: Trouble) -> Diagnostic | None:
    token, before, first = t.token, t.before, t.first
    if first.type == "IMPORT":
        if t.index == 1 and token.type == "NAME":
            return Diagnostic(
                "WF027", "a Python module is not imported as a whole", token.span,
                "expected a path in quotes",
                f"`from {token.value} import name` for Python, `import \"path.wf\" as name` for another spec",
            )  # fmt: skip
        if t.index == 2 and token.type in ENDS:
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


def declarations(t: Trouble) -> Diagnostic | None:
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


def wait_form(t: Trouble) -> Diagnostic | None:
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


def options_form(t: Trouble) -> Diagnostic | None:
    token, before = t.token, t.before
    if before is None:
        return None
    if before.type in ("WITH", "AFTER") and token.type != "LPAR":
        what = "options stand" if before.type == "WITH" else "what comes first stands"
        example = "with (timeout=5m)" if before.type == "WITH" else "after (a, b)"
        where = t.gap if token.type in ENDS else token.span
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


def modifier_place(t: Trouble) -> Diagnostic | None:
    token, before = t.token, t.before
    word = token.value
    if token.type == "WITH" or (word == "after" and t.after is not None and t.after.type == "LPAR"):
        imports = t.first.type in ("FROM", "IMPORT")
        if before is not None and before.type in VALUE_END and not imports:
            return Diagnostic(
                "WF021", f"`{word}` belongs to a call or a comprehension", token.span,
                "what stands before it is neither",
                "it comes directly after the call: `f(x) with (…) after (a)`",
            )  # fmt: skip
        return None
    if before is None:
        return None
    if word in _MODIFIERS and before.type in VALUE_END - {"NAME"} and not t.brackets:
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


def stars(t: Trouble) -> Diagnostic | None:
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


def equals(t: Trouble) -> Diagnostic | None:
    token, before = t.token, t.before
    if token.type != "ASSIGN" or before is None:
        return None
    if t.brackets:
        opener = t.opener
        call = opener is not None and opener.type in ("NAME", "RPAR", "RSQB", "WITH", "WAIT")
        if call and t.brackets[-1].type == "LPAR" and before.type in VALUE_END:
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


def annotation(t: Trouble) -> Diagnostic | None:
    after = t.after
    if t.token.type == "COLON" and t.index == 1 and t.first.type == "NAME" and after is not None:
        if after.type == "_NEWLINE" or t.first.value in SLIPS:
            return None
        return Diagnostic(
            "WF012", "a name has no type of its own", t.token.span, "expected `=`",
            "its type is that of its value; only parameters are annotated",
        )  # fmt: skip
    return None


def displays(t: Trouble) -> Diagnostic | None:
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
        and t.before is not None and t.before.type in VALUE_END
    ):  # fmt: skip
        return Diagnostic("WF032", "a fan-out stands in square brackets", token.span, "",
                          "write `[f(x) for x in xs]`")  # fmt: skip
    return None
