"""What the codes of calls, options and the flow of a workflow mean (see `pages_project`)."""

from __future__ import annotations

from wfc.compiler import codes


def _main(body: str, head: str = "from etl import clean\n\n", name: str = "main") -> str:
    lines = "".join(f"    {line}\n" if line else "\n" for line in body.split("\n"))
    return f"{head}workflow {name}(text: str):\n{lines}"


PAGES: tuple[tuple[str, str, str, str, str], ...] = (
    (
        codes.UNKNOWN_CALLEE,
        "a call of something that is not known",
        "What is called is a task, a workflow, or a built-in. A Python function has to be imported.",
        _main("return cleen(text)"),
        _main("return clean(text)"),
    ),
    (
        codes.NOT_CALLABLE,
        "a call of a value",
        "Only tasks, workflows, classes and built-ins can be called, by their names.",
        _main("out = clean(text)\nreturn out(text)"),
        _main("out = clean(text)\nreturn clean(out)"),
    ),
    (
        codes.METHOD_CALL,
        "a call of a method",
        "Expressions of a spec are evaluated by the system, and call nothing but the pure built-ins. What "
        "needs a method belongs in a Python function.",
        _main("return text.upper()", head=""),
        _main("return clean(text)"),
    ),
    (
        codes.MISSING_ARGUMENT,
        "a missing argument",
        "Every parameter without a default needs an argument.",
        _main("return join(text)", head="from etl import join\n\n"),
        _main('return join(text, sep=",")', head="from etl import join\n\n"),
    ),
    (
        codes.TOO_MANY_ARGUMENTS,
        "more arguments than parameters",
        "The signature was read from the Python function, or from the declaration in the spec.",
        _main("return clean(text, 1)"),
        _main("return clean(text)"),
    ),
    (
        codes.UNKNOWN_KEYWORD,
        "a named argument that is no parameter",
        "The name before the `=` is that of a parameter.",
        _main('return fetch(text, regoin="eu")', head="from etl import fetch\n\n"),
        _main('return fetch(text, region="eu")', head="from etl import fetch\n\n"),
    ),
    (
        codes.GIVEN_TWICE,
        "an argument that is given twice",
        "A parameter gets one argument: by its position, or by its name.",
        _main("return clean(text, text=text)"),
        _main("return clean(text=text)"),
    ),
    (
        codes.STATEMENT_ONLY,
        "`fail` or `cancel` where a value is needed",
        "`fail(…)` ends the workflow, and `cancel(…)` gives nothing: each is a statement of its own.",
        _main('return clean(fail("no text"))'),
        _main('if text == "":\n    fail("no text")\nreturn clean(text)'),
    ),
    (
        codes.SECRET_PLACE,
        "a secret outside the arguments of a task",
        '`secret("NAME")` is resolved in the process that runs the task, and is never part of a plan, a '
        "journal or a checkpoint. A name that holds it would be stored.",
        _main('token = secret("TOKEN")\nreturn clean(token)'),
        _main('return clean(secret("TOKEN"))', head="from etl import clean\n\n"),
    ),
    (
        codes.CONTINUATION_TARGET,
        "a continuation of something that is no task",
        "`continuation f(x)` ends the workflow with the result of a task or of a workflow.",
        _main("continuation len(text)", head=""),
        _main("return len(text)", head=""),
    ),
    (
        codes.MODIFIER_PLACE,
        "a word that cannot stand there",
        "`catch inplace nocheckpoint with after` belong to calls of tasks and workflows; a fan-out takes "
        "`catch`, `with` and `after`, `receive` takes `catch` and `after`, and `sleep` takes `after`.",
        _main("return inplace len(text)", head=""),
        _main("return inplace clean(text)"),
    ),
    (
        codes.INPLACE_RESOURCES,
        "resources on an `inplace` call",
        "An `inplace` call runs in a process that exists already: what it asks for would be ignored.",
        _main("return inplace clean(text) with (num_cpus=2)"),
        _main("return clean(text) with (num_cpus=2)"),
    ),
    (
        codes.NOCHECKPOINT_RECEIVE,
        "`nocheckpoint` on `receive`",
        "A signal comes once. If it were not recorded, it would be lost with the process.",
        _main('answer = nocheckpoint receive("go")\nreturn answer', head=""),
        _main('answer = receive("go")\nreturn answer', head=""),
    ),
    (
        codes.AFTER_PLAIN,
        "`after` something that does not run",
        "`f(x) after (a)` orders two calls where no data does. What it names is the result of a call.",
        _main("return clean(text) after (text)"),
        _main(
            "told = notify(text)\nreturn clean(text) after (told)",
            "from etl import clean, notify\n\n",
        ),
    ),
    (
        codes.OPTION_UNKNOWN,
        "an option that does not exist",
        "Options have Ray's names where Ray has the option, and Ray's meaning.",
        _main("return clean(text) with (num_cpu=2)"),
        _main("return clean(text) with (num_cpus=2)"),
    ),
    (
        codes.OPTION_PLACE,
        "an option in the wrong place",
        "Resources and retries belong to tasks, `concurrency` to a fan-out. A workflow uses nothing itself.",
        _main("return clean(text) with (concurrency=4)"),
        _main("return [clean(t) for t in [text]] with (concurrency=4)"),
    ),
    (
        codes.OPTION_TYPE,
        "an option of the wrong type",
        "The label under the value says what is expected.",
        _main('return clean(text) with (timeout="5m")'),
        _main("return clean(text) with (timeout=5m)"),
    ),
    (
        codes.OPTION_CONSTANT,
        "an option that is not known at compile time",
        "Options are part of the plan: literals, constants of the spec, and expressions of those.",
        "from etl import clean\n\nworkflow main(text: str, n: int):\n"
        "    return clean(text) with (num_cpus=n)\n",
        "from etl import clean\n\nN = 2\n\nworkflow main(text: str):\n"
        "    return clean(text) with (num_cpus=N)\n",
    ),
    (
        codes.RETRIES,
        "`max_retries` that may not do what was meant",
        "A warning. As in Ray, `max_retries` covers lost workers. A task that raises is tried again only "
        "with `retry_exceptions=True`, or when the exception is one of a list.",
        _main("return clean(text) with (max_retries=5)"),
        _main("return clean(text) with (max_retries=5, retry_exceptions=[ConnectionError])"),
    ),
    (
        codes.EXCEPTION,
        "`retry_exceptions` with something that is no exception",
        "It takes classes of exceptions: Python's own by their names, others imported.",
        _main("return clean(text) with (max_retries=5, retry_exceptions=[ConectionError])"),
        _main("return clean(text) with (max_retries=5, retry_exceptions=[ConnectionError])"),
    ),
    (
        codes.DEAD_CODE,
        "what can never be reached",
        "A warning. `return`, `continuation` and `fail` end the workflow.",
        _main("return clean(text)\nnotify(text)", "from etl import clean, notify\n\n"),
        _main("notify(text)\nreturn clean(text)", "from etl import clean, notify\n\n"),
    ),
    (
        codes.MISSING_RETURN,
        "a way through a workflow that returns nothing",
        "A workflow that declares the type of its result gives one on every path, or fails.",
        "from etl import clean\n\nworkflow main(text: str, deep: bool) -> str:\n"
        "    if deep:\n        return clean(text)\n",
        "from etl import clean\n\nworkflow main(text: str, deep: bool) -> str:\n"
        "    if deep:\n        return clean(text)\n    return text\n",
    ),
    (
        codes.ENDLESS,
        "a recursion without an end",
        "Every path through the workflow comes back to it. A recursion ends under some condition.",
        "workflow main(n: int) -> int:\n    continuation main(n - 1)\n",
        "workflow main(n: int) -> int:\n    if n == 0:\n        return n\n    continuation main(n - 1)\n",
    ),
    (
        codes.EXIT_IN_FINALLY,
        "a `return` in `finally`",
        "When `finally` runs, the workflow has its result already, or its failure.",
        _main("return clean(text)") + "finally:\n    return text\n",
        _main("return clean(text)", "from etl import clean, notify\n\n")
        + "finally:\n    notify(text)\n",
    ),
    (
        codes.TOO_DEEP,
        "a chain that is too long",
        "More than 100 constants, tasks or imports need each other, one after the other, or a workflow is "
        "nested beyond what can be checked. Name an intermediate result, or write a list.",
        "",
        "",
    ),
    (
        codes.NO_EFFECT,
        "a statement that does nothing",
        "A statement by itself is a call of a task or of a workflow. What a built-in gives is lost.",
        _main("len(text)\nreturn clean(text)"),
        _main("size = len(text)\nreturn [size, clean(text)]"),
    ),
)
