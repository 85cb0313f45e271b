"""Words of Python and of other languages that this one does not have, and what is written instead."""

from __future__ import annotations

import keyword

_CATCH = "`out = catch f(x)`, then `if out.ok:` … `out.error`"

FOREIGN: dict[str, tuple[str, str]] = {
    "def": (
        "functions are not defined here",
        "write a Python function and `from module import name` it; steps are a `workflow name(…):`",
    ),
    "class": ("types are not defined here", "write the class in Python, and `from module import Name` it"),
    "while": ("there is no `while`", "repeat with a workflow that ends in `continuation itself(…)`"),
    "lambda": ("there is no `lambda`", "write the function in Python, and `from module import name` it"),
    "try": ("there is no `try`", f"a failure is caught where it can happen: {_CATCH}"),
    "except": ("there is no `except`", f"a failure is caught where it can happen: {_CATCH}"),
    "raise": ("there is no `raise`", "a workflow fails with `fail(\"message\")`"),
    "yield": ("there is no `yield`", "a workflow has one result: `return [f(x) for x in xs]`"),
    "async": ("there is no `async`", "every call starts as soon as its inputs are there"),
    "await": ("there is no `await`", "a call's name is its result; the first k of many are `wait(k of xs)`"),
    "global": ("there is no `global`", "a constant is written `NAME = …` at the top of the file"),
    "nonlocal": ("there is no `nonlocal`", "pass the value as a parameter"),
    "del": ("there is no `del`", "running calls are stopped with `cancel(pending)`"),
    "assert": ("there is no `assert`", "write `if not …:` and in it `fail(\"message\")`"),
    "break": ("there is no `break`", "choose the elements beforehand: `[f(x) for x in xs if …]`"),
    "continue": ("there is no `continue`", "choose the elements beforehand: `[f(x) for x in xs if …]`"),
}  # fmt: skip
"""Python's statements: what to say, and the hint."""

CONSTANTS = {"true": "True", "false": "False", "null": "None"}
"""Constants of other languages, reserved so that the slip is found at once."""

STATEMENTS: dict[str, tuple[str, str]] = {
    "FOR": ("there is no `for` statement", "fan-out is written `[f(x) for x in xs]`"),
    "WITH": ("there is no `with` statement", "options follow the call: `f(x) with (timeout=5m)`"),
}
"""Words that the language has, but not at the start of a statement: what to say, and the hint."""

SLIPS = {
    "elseif": "elif", "elsif": "elif", "func": "workflow", "function": "workflow", "flow": "workflow",
    "otherwise": "else",
}  # fmt: skip
"""Words meant for another, beyond what the distance between letters tells."""


def foreign_words() -> dict[str, str]:
    """Every word that is reserved although no rule uses it, with the token's type `FOREIGN`."""
    return dict.fromkeys([*keyword.kwlist, *CONSTANTS], "FOREIGN")
