"""The registry of diagnostic codes, and those of the syntax (WF001 to WF039).

A code never changes its meaning. `wfc explain CODE` shows its page; a test proves that each wrong example
gives its code and that the right one beside it does not.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Code:
    """A kind of finding: what it means, and how it looks wrong and right."""

    code: str
    title: str
    explanation: str
    wrong: str
    right: str


CODES: dict[str, Code] = {}
"""Every registered code, in order of registration."""


def register(code: str, title: str, explanation: str, wrong: str, right: str) -> Code:
    """Add a code; raises `ValueError` when there is one already."""
    if code in CODES:
        raise ValueError(f"{code} is registered already: {CODES[code].title}")
    CODES[code] = made = Code(code, title, explanation, wrong, right)
    return made


def explain(code: str) -> str:
    """The page of a code as text; raises `KeyError` for one that is not registered."""
    found = CODES[code.upper()]

    def indented(text: str) -> str:
        return "\n".join(f"    {line}".rstrip() for line in text.rstrip("\n").split("\n"))

    parts = [f"{found.code}: {found.title}", found.explanation]
    if found.wrong:
        parts += ["Wrong:", indented(found.wrong)]
    if found.right:
        parts += ["Right:", indented(found.right)]
    return "\n\n".join(parts) + "\n"


_RIGHT = "workflow main(x: int):\n    return f(x)\n"

register(
    "WF001", "the file is not plain UTF-8 text",
    "A spec is text in UTF-8. This file has bytes that are not, or control characters such as NUL, which "
    "no editor shows. Save it as UTF-8; inside a text a control character is written as an escape "
    "(`\\x00`).",
    "workflow main(x: int):\n    return f(\"\x01\")\n",
    "workflow main(x: int):\n    return f(\"\\x01\")\n",
)  # fmt: skip
register(
    "WF002", "the file is too large",
    "A spec of more than 2 MiB, or a statement of more than 100,000 words and signs, is refused. Put data "
    "into files that tasks read, or pass it as a parameter; split a generated spec, and `import` its "
    "parts.",
    "", "import \"part1.wf\" as part1\n\nworkflow main():\n    return part1.main()\n",
)  # fmt: skip
register(
    "WF003", "nested too deeply",
    "Brackets and expressions nest at most 200 levels deep, blocks too. A long sum is deep too, "
    "as `a + b + c` is `(a + b) + c`: use `sum([a, b, c])`. Give an inner part a name of its own.",
    "X = " + "(" * 201 + "1" + ")" * 201 + "\n", "X = (1)\n",
)  # fmt: skip
register(
    "WF004", "a tab in the indentation",
    "Blocks are indented with spaces, 4 for each level. A tab looks different in every editor, so a file "
    "that has one cannot be read with certainty.",
    "workflow main(x: int):\n\treturn f(x)\n", _RIGHT,
)  # fmt: skip
register(
    "WF005", "wrong indentation",
    "A block follows a line that ends in `:`, and is indented more than it. All its lines are indented "
    "alike, and a line after it goes back to exactly the indentation of the block that it belongs to.",
    "workflow main(x: int):\n    a = f(x)\n      b = f(a)\n    return b\n",
    "workflow main(x: int):\n    a = f(x)\n    b = f(a)\n    return b\n",
)  # fmt: skip
register(
    "WF006", "a character that is not part of the language",
    "Often it came with copied text: a curly quote, a dash that is not a minus, a space that is not a space.",
    "workflow main(x: int):\n    return f(x, “fast”)\n",
    "workflow main(x: int):\n    return f(x, \"fast\")\n",
)  # fmt: skip
register(
    "WF007", "text that is not closed",
    "Text between single quotes ends on its line. Text of several lines stands between three quotes, on "
    "both sides.",
    "workflow main(x: int):\n    return f(x, \"fast)\n",
    "workflow main(x: int):\n    return f(x, \"fast\")\n",
)  # fmt: skip
register(
    "WF008", "an escape or a prefix that text does not have",
    "The escapes are Python's. One that means nothing is an error, since it is nearly always a path or a "
    "pattern whose backslashes were meant as they are: double them, or write `r\"…\"`. Text has the "
    "prefixes `f` and `r`; there are no bytes.",
    "workflow main(x: int):\n    return f(x, \"C:\\data\")\n",
    "workflow main(x: int):\n    return f(x, r\"C:\\data\")\n",
)  # fmt: skip
register(
    "WF009", "not a number, a duration or a size",
    "Numbers are Python's (`1_000`, `0xff`, `1e-3`). A duration is made of the units ms, s, m, h and d, "
    "the largest first: `250ms`, `1h30m`. A size has KB, MB, GB, TB (powers of 1000) or KiB, MiB, GiB, "
    "TiB (powers of 1024).",
    "workflow main(x: int):\n    return f(x) with (timeout=5min)\n",
    "workflow main(x: int):\n    return f(x) with (timeout=5m)\n",
)  # fmt: skip
register(
    "WF010", "a bracket that is never closed",
    "Everything after an open bracket belongs to it, over the ends of lines, until it is closed.",
    "workflow main(x: int):\n    a = f(x\n    return a\n",
    "workflow main(x: int):\n    a = f(x)\n    return a\n",
)  # fmt: skip
register(
    "WF011", "a closing bracket that closes nothing, or another kind",
    "Brackets close in the reverse order in which they were opened, each with its own kind.",
    "workflow main(x: int):\n    return f([x, 1)\n",
    "workflow main(x: int):\n    return f([x, 1])\n",
)  # fmt: skip
register(
    "WF012", "something else was expected here",
    "The text up to this place is the beginning of something that cannot go on like this. The label says "
    "what could stand here.",
    "workflow main(x: int):\n    a =\n    return a\n",
    "workflow main(x: int):\n    a = f(x)\n    return a\n",
)  # fmt: skip
register(
    "WF013", "a colon is missing",
    "The line before a block ends in `:`, that of a `workflow`, an `if`, `elif`, `else` or a `finally`.",
    "workflow main(x: int)\n    return f(x)\n", _RIGHT,
)  # fmt: skip
register(
    "WF014", "a comma is missing",
    "Arguments, parameters, options and the elements of lists and dicts are separated by commas.",
    "workflow main(x: int):\n    return f(x 1)\n",
    "workflow main(x: int):\n    return f(x, 1)\n",
)  # fmt: skip
register(
    "WF015", "`=` where it binds nothing",
    "`=` binds a name, once, at the start of a statement, or names an argument. To compare, write `==`; "
    "a dict has `:` between key and value.",
    "workflow main(x: int):\n    if x = 1:\n        return 0\n    return f(x)\n",
    "workflow main(x: int):\n    if x == 1:\n        return 0\n    return f(x)\n",
)  # fmt: skip
register(
    "WF016", "a reserved word as a name",
    "Reserved are Python's own keywords, and `catch`, `inplace`, `nocheckpoint` and `continuation`, "
    "which begin an expression or a statement. `wait` cannot be the name of a task or a workflow. Such "
    "words are free after a dot, and as the names of arguments: `f(catch=True)`.",
    "workflow main(from: str):\n    return f(1)\n",
    "workflow main(from_: str):\n    return f(from_)\n",
)  # fmt: skip
register(
    "WF017", "a statement of Python that the language does not have",
    "A workflow says what depends on what; the work itself is Python, in a file of its own. Fan-out is "
    "`[f(x) for x in xs]`, repetition is a `continuation`, a failure is caught with `catch`, and a type "
    "or a function comes from Python with `from module import name`.",
    "workflow main(xs: list[int]):\n    for x in xs:\n        f(x)\n",
    "workflow main(xs: list[int]):\n    return [f(x) for x in xs]\n",
)  # fmt: skip
register(
    "WF018", "an operator or a constant of another language",
    "The operators are Python's: `and`, `or`, `not`, `==`, `!=`; the constants `True`, `False` and "
    "`None`. Names are bound once, so there is no `+=`: bind a new name.",
    "workflow main(x: int):\n    return f(x > 1 && x < 5)\n",
    "workflow main(x: int):\n    return f(x > 1 and x < 5)\n",
)  # fmt: skip
register(
    "WF019", "`else if` instead of `elif`",
    "A further condition of an `if` is written `elif condition:`.",
    "workflow main(x: int):\n    if x > 1:\n        a()\n    else if x > 0:\n        b()\n",
    "workflow main(x: int):\n    if x > 1:\n        a()\n    elif x > 0:\n        b()\n",
)  # fmt: skip
register(
    "WF020", "a `wait` that is not of its form",
    "`wait(how many of which, timeout=…)`: a number, a percentage, `all` or `any`, then `of`, then the "
    "running calls. Its one option is `timeout`.",
    "workflow main(xs: list[int]):\n    r = [f(x) for x in xs]\n    a, b = wait(2, r)\n    return a\n",
    "workflow main(xs: list[int]):\n    r = [f(x) for x in xs]\n    a, b = wait(2 of r)\n    return a\n",
)  # fmt: skip
register(
    "WF021", "a modifier without its call",
    "`catch`, `inplace` and `nocheckpoint` stand before a call or a comprehension, `with (…)` and `after "
    "(…)` behind it, each once. To go on with the result of such a call, put it into parentheses: "
    "`(catch f(x)).ok`. A `wait` has none of them.",
    "workflow main(x: int):\n    return catch f(x).value\n",
    "workflow main(x: int):\n    return (catch f(x)).value\n",
)  # fmt: skip
register(
    "WF022", "options that are not of their form",
    "Options are `name=value` pairs in parentheses, `with (timeout=5m, max_retries=3)`; what a call "
    "waits for are names in parentheses, `after (a, b)`.",
    "workflow main(x: int):\n    return f(x) with timeout=5m\n",
    "workflow main(x: int):\n    return f(x) with (timeout=5m)\n",
)  # fmt: skip
register(
    "WF023", "something that cannot be bound",
    "On the left of `=` stand names, one or several with commas between. Values are never changed: "
    "instead of setting an element or an attribute, make a new value in a task.",
    "workflow main(x: int):\n    a.b = f(x)\n    return x\n",
    "workflow main(x: int):\n    b = f(x)\n    return b\n",
)  # fmt: skip
register(
    "WF024", "an expression that does nothing",
    "Only a call can stand by itself: it runs, and is done before the workflow is. Any other value has "
    "to be bound to a name or returned. A note is written `# …`.",
    "workflow main(x: int):\n    a = f(x)\n    a + 1\n    return a\n",
    "workflow main(x: int):\n    a = f(x)\n    return a + 1\n",
)  # fmt: skip
register(
    "WF025", "a statement outside of a workflow",
    "At the left margin stand declarations alone: imports, tasks, workflows, and constants `NAME = …`. "
    "What is to be done stands in a workflow; a run begins at `main`.",
    "f(1)\n", "workflow main():\n    f(1)\n",
)  # fmt: skip
register(
    "WF026", "a declaration inside a workflow",
    "Imports, tasks and workflows are declared at the top of the file, where every workflow sees them.",
    "workflow main(x: int):\n    from etl import f\n    return f(x)\n",
    "from etl import f\n\nworkflow main(x: int):\n    return f(x)\n",
)  # fmt: skip
register(
    "WF027", "an import that is not of its form",
    "`from module import name, other as alias` takes functions and classes from Python, with the "
    "module's full name; `import \"path.wf\" as name` takes another spec, whose tasks and workflows are "
    "`name.x`.",
    "import etl\n", "from etl import fetch\n",
)  # fmt: skip
register(
    "WF028", "`*` or `**` where it cannot stand",
    "Arguments, parameters and the names of an unpacking are written one by one, so that a check can see "
    "them all. Many values travel as one list.",
    "workflow main(xs: list[int]):\n    return f(*xs)\n",
    "workflow main(xs: list[int]):\n    return f(xs)\n",
)  # fmt: skip
register(
    "WF029", "arguments, parameters or options out of order, or twice",
    "Positional arguments come before named ones, parameters without a default before those that have "
    "one, and no name is given twice.",
    "workflow main(x: int):\n    return f(a=1, x)\n",
    "workflow main(x: int):\n    return f(x, a=1)\n",
)  # fmt: skip
register(
    "WF030", "a field of an f-string that is not of its form",
    "A field is `{expression}`, `{expression!r}` or `{expression:format}`, the format in plain "
    "characters. A brace that is meant as text is doubled. Inside, use the other kind of quotes.",
    "workflow main(x: int):\n    return f(f\"{x} {}\")\n",
    "workflow main(x: int):\n    return f(f\"{x} {{}}\")\n",
)  # fmt: skip
register(
    "WF031", "a word that is not one of the language",
    "A name stands where only a word of the language could, and is a letter or two away from one.",
    "worklow main(x: int):\n    return f(x)\n", _RIGHT,
)  # fmt: skip
register(
    "WF032", "a form of Python's expressions that the language does not have",
    "There are no sets and no generators: a list is `[a, b]`, a fan-out `[f(x) for x in xs]`. What is "
    "called is always a name, not the result of another call.",
    "workflow main(xs: list[int]):\n    return g(f(x) for x in xs)\n",
    "workflow main(xs: list[int]):\n    return g([f(x) for x in xs])\n",
)  # fmt: skip
register(
    "WF033", "a continuation that is not a call",
    "`continuation f(x)` ends the workflow, and its result is that of the call. Nothing is left to be "
    "done with it afterwards, so it has to be one call; a plain value is given with `return`.",
    "workflow main(x: int):\n    continuation f(x) + 1\n",
    "workflow main(x: int):\n    return f(x) + 1\n",
)  # fmt: skip
register(
    "WF034", "`else`, `elif` or `finally` that belongs to nothing",
    "`elif` and `else` follow the block of their `if`, with its indentation. `finally:` follows the body "
    "of its workflow, at the left margin.",
    "workflow main(x: int):\n    else:\n        return f(x)\n",
    "workflow main(x: int):\n    if x > 1:\n        return 1\n    else:\n        return f(x)\n",
)  # fmt: skip
