"""What the codes of types and of waiting mean (see `pages_project`)."""

from __future__ import annotations

from wfc.compiler import codes


def _ask(body: str, returns: str = "", names: str = "ask") -> str:
    lines = "".join(f"    {line}\n" if line else "\n" for line in body.split("\n"))
    arrow = f" -> {returns}" if returns else ""
    return f"from etl import {names}\n\nworkflow main(vendors: list[str]){arrow}:\n{lines}"


_QUOTES = "quotes = [ask(v) for v in vendors]\n"

PAGES: tuple[tuple[str, str, str, str, str], ...] = (
    (
        codes.ARGUMENT_TYPE,
        "an argument of the wrong type",
        "Types are read from the annotations of Python and of the spec. What has no annotation accepts "
        "everything.",
        _ask("return [ask(vendors)]"),
        _ask("return [ask(v) for v in vendors]"),
    ),
    (
        codes.RETURN_TYPE,
        "a result of the wrong type",
        "What is returned fits the type that the workflow declares.",
        _ask("return [ask(v) for v in vendors]", "float"),
        _ask("return [ask(v) for v in vendors]", "list[float]"),
    ),
    (
        codes.DEFAULT_TYPE,
        "a default that does not fit its parameter",
        "The default of a parameter is a value of its type.",
        'workflow main(limit: int = "10") -> int:\n    return limit\n',
        "workflow main(limit: int = 10) -> int:\n    return limit\n",
    ),
    (
        codes.UNKNOWN_ATTRIBUTE,
        "an attribute that the class does not have",
        "The fields of dataclasses, named tuples, typed dicts and pydantic models are read from their "
        "source; a class with parts that cannot be read accepts any name.",
        "from etl import Order\n\nworkflow main(order: Order) -> float:\n    return order.totl\n",
        "from etl import Order\n\nworkflow main(order: Order) -> float:\n    return order.total\n",
    ),
    (
        codes.NOT_ITERABLE,
        "a loop over something that is no list",
        "A `for` goes over a list, a tuple, a dict, a text, or what is pending.",
        "from etl import ask\n\nworkflow main(n: int):\n    return [ask(str(i)) for i in n]\n",
        "from etl import ask\n\nworkflow main(n: int):\n    return [ask(str(i)) for i in range(n)]\n",
    ),
    (
        codes.OPERAND_TYPE,
        "an operator that does not fit its operands",
        "As in Python, numbers and texts are not mixed.",
        'workflow main(n: int) -> str:\n    return "part " + n\n',
        'workflow main(n: int) -> str:\n    return f"part {n}"\n',
    ),
    (
        codes.PENDING_VALUE,
        "something that still runs, used as a value",
        "The remainder of a `wait` is a set of running calls. A task that it is passed to gets the list of "
        "their results; it can be iterated over, waited on again, returned, or cancelled.",
        _ask(_QUOTES + "early, late = wait(2 of quotes)\nreturn early + late"),
        _ask(_QUOTES + "early, late = wait(2 of quotes)\nreturn early + [q for q in late]"),
    ),
    (
        codes.RESULT_VALUE,
        "a `Result` used as a plain value",
        "`catch f(x)` gives a Result with `.ok`, `.value` and `.error`; `w = wait(…)` gives a record with "
        "`.ready`, `.pending`, `.failed` and `.timed_out`.",
        _ask('out = catch ask("a")\nif out:\n    return 1\nreturn 2'),
        _ask('out = catch ask("a")\nif out.ok:\n    return 1\nreturn 2'),
    ),
    (
        codes.RESULT_SIDE,
        "the side of a `Result` that is empty",
        "A warning. Where `r.ok` is true `r.error` is `None`, and where it is false `r.value` is: the branch "
        "that this stands in has settled which.",
        _ask('out = catch ask("a")\nif out.ok:\n    return 1\nreturn out.value'),
        _ask('out = catch ask("a")\nif out.ok:\n    return out.value\nreturn 2'),
    ),
    (
        codes.UNHASHABLE,
        "a key that cannot be one",
        "The keys of a dict are texts, numbers, or tuples of those.",
        _ask("return {vendors: ask(v) for v in vendors}"),
        _ask("return {v: ask(v) for v in vendors}"),
    ),
    (
        codes.NOT_INDEXABLE,
        "an index that does not fit",
        "Lists, tuples and texts are indexed by whole numbers, dicts by their keys.",
        _ask('return ask(vendors["first"])'),
        _ask("return ask(vendors[0])"),
    ),
    (
        codes.DUNDER,
        "an attribute that a spec cannot reach",
        "Names that begin with `_` are the inside of Python's objects.",
        _ask("return ask(vendors.__class__)"),
        _ask("return ask(vendors[0])"),
    ),
    (
        codes.UNPACK,
        "values and names that do not match",
        "`a, b = call(…)` takes exactly two values.",
        "from etl import pair\n\nworkflow main(x: str):\n    a, b, c = pair(x)\n    return [a, b, c]\n",
        "from etl import pair\n\nworkflow main(x: str):\n    a, b = pair(x)\n    return [a, b]\n",
    ),
    (
        codes.UNKNOWN_TYPE,
        "a type that is not known",
        "A type is one of Python's own (`int str list dict …`), `pending[T]`, `Result[T]`, or a class that "
        "is imported.",
        "workflow main(order: Ordr) -> float:\n    return order.total\n",
        "from etl import Order\n\nworkflow main(order: Order) -> float:\n    return order.total\n",
    ),
    (
        codes.TYPE_ARGUMENTS,
        "a type with the wrong number of arguments",
        "`list[T]`, `dict[K, V]`, `tuple[A, B]`; plain classes such as `int` take none.",
        "workflow main(xs: list[int, str]) -> int:\n    return len(xs)\n",
        "workflow main(xs: list[int | str]) -> int:\n    return len(xs)\n",
    ),
    (
        codes.UNTYPED,
        "a missing type, under `--strict`",
        "Without an annotation anything is accepted. `--strict` asks for one at every parameter and result "
        "of workflows, and of the tasks that are used.",
        "# strict\nworkflow main(xs) -> int:\n    return len(xs)\n",
        "# strict\nworkflow main(xs: list[int]) -> int:\n    return len(xs)\n",
    ),
    (
        codes.WAIT_PLAIN,
        "a `wait` over values",
        "`wait` is for what runs: a fan-out, a list of calls, or the remainder of another wait. A value is "
        "there already.",
        _ask("early, late = wait(2 of vendors)\ncancel(late)\nreturn early"),
        _ask(_QUOTES + "early, late = wait(2 of quotes)\ncancel(late)\nreturn early"),
    ),
    (
        codes.WAIT_TOO_MANY,
        "a `wait` for more than there are",
        "The number to wait for can never be reached, so the wait would fail at once.",
        _ask('a, b = wait(3 of [ask("x"), ask("y")])\ncancel(b)\nreturn a'),
        _ask('a, b = wait(1 of [ask("x"), ask("y")])\ncancel(b)\nreturn a'),
    ),
    (
        codes.WAIT_PERCENT,
        "a percentage that is none",
        "A percentage is above 0 and not above 100; it is rounded up to whole calls.",
        _ask(_QUOTES + "a, b = wait(120% of quotes)\ncancel(b)\nreturn a"),
        _ask(_QUOTES + "a, b = wait(80% of quotes)\ncancel(b)\nreturn a"),
    ),
    (
        codes.WAIT_QUORUM,
        "a number of calls that is no whole number",
        "`wait(q of xs)`: q is a whole number, `all`, `any`, or a percentage such as `80%`.",
        _ask(_QUOTES + "a, b = wait(0.8 of quotes)\ncancel(b)\nreturn a"),
        _ask(_QUOTES + "a, b = wait(80% of quotes)\ncancel(b)\nreturn a"),
    ),
    (
        codes.PENDING_DROPPED,
        "running calls that nothing looks after",
        "A warning. The remainder of a wait is cancelled when the workflow ends. Wait on it again, pass it "
        "on, `cancel` it, or name it `_` to say that this is meant.",
        _ask(_QUOTES + "early, late = wait(2 of quotes)\nreturn early"),
        _ask(_QUOTES + "early, late = wait(2 of quotes)\ncancel(late)\nreturn early"),
    ),
    (
        codes.CANCEL_PLAIN,
        "`cancel` of a value",
        "What is cancelled still runs: the remainder of a wait, a fan-out, or a call that has a name.",
        _ask(_QUOTES + "early, late = wait(2 of quotes)\ncancel(early)\nreturn [q for q in late]"),
        _ask(_QUOTES + "early, late = wait(2 of quotes)\ncancel(late)\nreturn early"),
    ),
    (
        codes.HANDLE_PLAIN,
        "a value where running calls are wanted",
        "A parameter of type `pending[T]` (in Python: `Pending[T]`) takes the handles of running calls.",
        _ask("return first_of(vendors)", names="first_of"),
        _ask("return first_of([ask(v) for v in vendors])", names="ask, first_of"),
    ),
    (
        codes.WAIT_TARGETS,
        "a `wait` unpacked into other than two names",
        "`ready, pending = wait(…)`; with one name, `w.ready`, `w.pending`, `w.failed`, `w.timed_out`.",
        _ask(_QUOTES + "a, b, c = wait(2 of quotes)\nreturn [a, b, c]"),
        _ask(_QUOTES + "w = wait(2 of quotes)\ncancel(w.pending)\nreturn [w.ready, w.failed]"),
    ),
    (
        codes.DURATION,
        "a time that is no duration",
        "Durations are written `250ms 30s 5m 1h30m 4d`, or are numbers of seconds.",
        _ask('sleep("5m")\nreturn [ask(v) for v in vendors]'),
        _ask("sleep(5m)\nreturn [ask(v) for v in vendors]"),
    ),
    (
        codes.SIGNAL_NAME,
        "a name that no signal can have",
        "A signal is sent by `wfc send RUN NAME` and `run.send(name)`, which take names of 1 to 128 letters, "
        "digits, dots, underscores and hyphens: with another one a `receive` would wait for ever.",
        _ask('go = receive("approval by the boss")\nreturn [ask(v) for v in vendors] after (go)'),
        _ask('go = receive("approval.boss")\nreturn [ask(v) for v in vendors] after (go)'),
    ),
)
