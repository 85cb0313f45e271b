"""What the codes of names, and of the entry of a spec, mean (see `pages_project`)."""

from __future__ import annotations

from wfc.compiler import codes

PAGES: tuple[tuple[str, str, str, str, str], ...] = (
    (
        codes.UNKNOWN_NAME,
        "a name that nothing binds",
        "A name is a parameter, a name that was bound above, or a constant of the file.",
        """\
from etl import clean

workflow main(text: str) -> str:
    return clean(txt)
""",
        """\
from etl import clean

workflow main(text: str) -> str:
    return clean(text)
""",
    ),
    (
        codes.USED_BEFORE,
        "a name that is used before it is bound",
        "Statements may run in parallel, but they are read from top to bottom: what is used on a line is "
        "bound above it.",
        """\
from etl import clean

workflow main(text: str) -> str:
    out = clean(first)
    first = clean(text)
    return out
""",
        """\
from etl import clean

workflow main(text: str) -> str:
    first = clean(text)
    out = clean(first)
    return out
""",
    ),
    (
        codes.BOUND_TWICE,
        "a name that is bound twice",
        "A name is a node of the graph, and is bound once on any path. In different branches of one `if` "
        "the same name may be bound.",
        """\
from etl import clean

workflow main(text: str) -> str:
    out = clean(text)
    out = clean(out)
    return out
""",
        """\
from etl import clean

workflow main(text: str) -> str:
    once = clean(text)
    twice = clean(once)
    return twice
""",
    ),
    (
        codes.MAYBE_UNBOUND,
        "a name that only some branches bind",
        "After an `if` a name may be used only if every branch that goes on binds it.",
        """\
from etl import clean

workflow main(text: str, deep: bool) -> str:
    if deep:
        out = clean(text)
    return out
""",
        """\
from etl import clean

workflow main(text: str, deep: bool) -> str:
    if deep:
        out = clean(text)
    else:
        out = text
    return out
""",
    ),
    (
        codes.LOOP_SHADOWS,
        "a loop's name that is bound already",
        "The name of a loop is one more name of the workflow while the loop's body is looked at, so it "
        "cannot be one that is bound outside.",
        """\
from etl import clean

workflow main(text: str, texts: list[str]) -> list[str]:
    first = clean(text)
    return [clean(text) for text in [first] + texts]
""",
        """\
from etl import clean

workflow main(text: str, texts: list[str]) -> list[str]:
    first = clean(text)
    return [clean(t) for t in [first] + texts]
""",
    ),
    (
        codes.NOT_IN_SPEC,
        "a name that an imported spec does not have",
        '`import "x.wf" as x` makes the tasks, workflows and constants of that file known as `x.name`.',
        """\
import "lib.wf" as lib

workflow main(x: str) -> str:
    return lib.chek(x)
# file: lib.wf
task check = etl.clean
""",
        """\
import "lib.wf" as lib

workflow main(x: str) -> str:
    return lib.check(x)
# file: lib.wf
task check = etl.clean
""",
    ),
    (
        codes.NO_VALUE,
        "a task, a workflow or a class where a value is needed",
        "Functions are not values in a spec: they are called. To apply one to a list, write a fan-out.",
        """\
from etl import clean, size

workflow main(text: str) -> int:
    return size(clean)
""",
        """\
from etl import clean, size

workflow main(text: str) -> int:
    return size(clean(text))
""",
    ),
    (
        codes.UNUSED_VALUE,
        "a value that is never used",
        "A warning. A call that is wanted for its effect alone is written bare, without a name: it must be "
        "done before the workflow is.",
        """\
from etl import notify, clean

workflow main(text: str) -> str:
    told = notify(text)
    return clean(text)
""",
        """\
from etl import notify, clean

workflow main(text: str) -> str:
    notify(text)
    return clean(text)
""",
    ),
    (
        codes.FINALLY_NAME,
        "a name of the body in `finally`",
        "`finally` runs whatever happens, also when the body ended before it bound the name. It can use "
        "the parameters, constants, and what it binds itself.",
        """\
from etl import clean, notify

workflow main(text: str) -> str:
    out = clean(text)
    return out
finally:
    notify(out)
""",
        """\
from etl import clean, notify

workflow main(text: str) -> str:
    out = clean(text)
    return out
finally:
    notify(text)
""",
    ),
    (
        codes.NO_ENTRY,
        "nothing to run",
        "A run starts with the workflow `main`, or the only one, or the one that is named.",
        "task clean = etl.clean\n",
        "task clean = etl.clean\n\nworkflow main(x: str) -> str:\n    return clean(x)\n",
    ),
    (
        codes.AMBIGUOUS_ENTRY,
        "several workflows and none named `main`",
        "Name the one to run after the file: `orders.wf:nightly`.",
        """\
workflow nightly(x: int) -> int:
    return x

workflow weekly(x: int) -> int:
    return 7 * x
""",
        """\
workflow main(x: int) -> int:
    return x

workflow weekly(x: int) -> int:
    return 7 * x
""",
    ),
    (
        codes.UNKNOWN_ENTRY,
        "a workflow that the spec does not have",
        "The name after the colon of `orders.wf:nightly` is that of one of its workflows.",
        "workflow nightly(x: int) -> int:\n    return x\n# run: nigtly\n",
        "workflow nightly(x: int) -> int:\n    return x\n# run: nightly\n",
    ),
)
