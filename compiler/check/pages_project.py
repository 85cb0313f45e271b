"""What the codes of files, declarations and names mean, each with an example of wrong and right.

Examples of several files have a line `# file: path` before each file but the first. They name the
Python module `etl`, which the tests have.
"""

from __future__ import annotations

from wfc.compiler import codes

PAGES: tuple[tuple[str, str, str, str, str], ...] = (
    (
        codes.UNREADABLE,
        "a file that cannot be read",
        "The spec, or one that it imports, does not exist or cannot be opened. The path of an import is "
        "relative to the file that imports it.",
        """\
import "lib/qualty.wf" as quality

workflow main(x: str) -> str:
    return quality.check(x)
# file: lib/quality.wf
from etl import clean

task check = clean
""",
        """\
import "lib/quality.wf" as quality

workflow main(x: str) -> str:
    return quality.check(x)
# file: lib/quality.wf
from etl import clean

task check = clean
""",
    ),
    (
        codes.IMPORT_OUTSIDE,
        "an import that leaves the project",
        "Imports stay inside the project's root: the nearest folder at or above the entry spec with a "
        "`pyproject.toml`, `.git` or `.wfc`, else the spec's own folder. So a project can be moved and "
        "shipped as a whole.",
        """\
import "../../shared.wf" as shared

workflow main(x: str) -> str:
    return shared.check(x)
""",
        """\
import "shared.wf" as shared

workflow main(x: str) -> str:
    return shared.check(x)
# file: shared.wf
from etl import clean

task check = clean
""",
    ),
    (
        codes.IMPORT_CYCLE,
        "specs that import each other",
        "Imports form no cycle. Move what both specs need to a third one that both import.",
        """\
import "a.wf" as a

workflow main(x: str) -> str:
    return a.one(x)
# file: a.wf
import "b.wf" as b

workflow one(x: str) -> str:
    return b.two(x)
# file: b.wf
import "a.wf" as a

workflow two(x: str) -> str:
    return a.one(x)
""",
        """\
import "a.wf" as a

workflow main(x: str) -> str:
    return a.one(x)
# file: a.wf
import "b.wf" as b

workflow one(x: str) -> str:
    return b.two(x)
# file: b.wf
from etl import clean

workflow two(x: str) -> str:
    return clean(x)
""",
    ),
    (
        codes.DUPLICATE,
        "a name that is declared twice",
        "Imports, tasks, workflows and constants of a file share one space of names, and each name is "
        "declared once.",
        """\
from etl import clean

task clean = etl.size

workflow main(x: str) -> str:
    return clean(x)
""",
        """\
from etl import clean

task measure = etl.size

workflow main(x: str) -> int:
    return measure(clean(x))
""",
    ),
    (
        codes.RESERVED,
        "a declaration with the name of a built-in",
        "`sleep receive cancel fail secret` and the pure functions (`len range min max …`) are part of the "
        "language. A task of the same name could not be told from them.",
        """\
from etl import size as len

workflow main(x: str) -> int:
    return len(x)
""",
        """\
from etl import size as length

workflow main(x: str) -> int:
    return length(x)
""",
    ),
    (
        codes.NO_MODULE,
        "a Python module that is not found",
        "A module is looked for beside the spec, in the project's root, and among what is installed. It is "
        "only read, never imported.",
        """\
from etll import clean

workflow main(x: str) -> str:
    return clean(x)
""",
        """\
from etl import clean

workflow main(x: str) -> str:
    return clean(x)
""",
    ),
    (
        codes.NO_FUNCTION,
        "a name that the Python module does not have",
        "The module was found and read, and nothing at its top level has this name.",
        """\
from etl import claen

workflow main(x: str) -> str:
    return claen(x)
""",
        """\
from etl import clean

workflow main(x: str) -> str:
    return clean(x)
""",
    ),
    (
        codes.PYTHON_SYNTAX,
        "a Python module that is not valid Python",
        "The module beside the spec has a syntax error, so its functions cannot be read.",
        """\
from broken import clean

workflow main(x: str) -> str:
    return clean(x)
""",
        """\
from etl import clean

workflow main(x: str) -> str:
    return clean(x)
""",
    ),
    (
        codes.NO_CALLABLE,
        "an import that is neither a function nor a class",
        "What a spec imports from Python becomes a task or a type. A constant of Python is not known "
        "without running it: write it in the spec, or make it a parameter.",
        """\
from etl import LIMIT, size

workflow main(x: str) -> bool:
    return size(x) < LIMIT
""",
        """\
from etl import size

LIMIT = 10

workflow main(x: str) -> bool:
    return size(x) < LIMIT
""",
    ),
    (
        codes.ASYNC_TASK,
        "an async function as a task",
        "A task is an ordinary function: many of them run side by side already. An `async def` would give "
        "a coroutine instead of a value. Wrap it in a function that runs it.",
        """\
from etl import stream

workflow main(x: str) -> str:
    return stream(x)
""",
        """\
from etl import stream_sync

workflow main(x: str) -> str:
    return stream_sync(x)
""",
    ),
    (
        codes.REMOTE_TASK,
        "a Ray remote function as a task",
        "A function with `@ray.remote` cannot be called directly, and tasks are started by the system. "
        "Take the decorator away, and give its options to a `task … with (…)`.",
        """\
from etl import remote_clean

workflow main(x: str) -> str:
    return remote_clean(x)
""",
        """\
task clean = etl.clean with (num_cpus=2)

workflow main(x: str) -> str:
    return clean(x)
""",
    ),
    (
        codes.TASK_CYCLE,
        "tasks that are made of each other",
        "A task derives from a Python function, or from another task that does in the end.",
        """\
task one = two
task two = one

workflow main(x: str):
    return one(x)
""",
        """\
task one = etl.clean
task two = one with (timeout=5s)

workflow main(x: str):
    return two(x)
""",
    ),
    (
        codes.TASK_TARGET,
        "a task made of something that is none",
        "After the `=` of a task stands a task of this spec (or of one that it imports), or the Python "
        "path of a function: `module.function`.",
        """\
task get = clean with (timeout=5s)

workflow main(x: str):
    return get(x)
""",
        """\
task get = etl.clean with (timeout=5s)

workflow main(x: str):
    return get(x)
""",
    ),
    (
        codes.SIGNATURE,
        "a signature that the Python function does not have",
        "A task may have a signature in the spec, for functions whose own cannot be read (decorated, or "
        "written in C), or that have no types. Where Python's can be read, the two must agree.",
        """\
task get(address: str) -> str = etl.fetch

workflow main(x: str) -> str:
    return get(x)
""",
        """\
task get(url: str) -> str = etl.fetch

workflow main(x: str) -> str:
    return get(x)
""",
    ),
    (
        codes.UNUSED_IMPORT,
        "an import that nothing uses",
        "A warning. A name that begins with `_` is left alone.",
        """\
from etl import clean, size

workflow main(x: str) -> str:
    return clean(x)
""",
        """\
from etl import clean

workflow main(x: str) -> str:
    return clean(x)
""",
    ),
    (
        codes.NOT_CONSTANT,
        "a constant that is none",
        "What stands at the top of a file, and the default of a parameter, is known before anything runs: "
        "literals, other constants, operators and the pure built-ins.",
        """\
from etl import size

LIMIT = size("abc")

workflow main() -> int:
    return LIMIT
""",
        """\
from etl import size

workflow main() -> int:
    limit = size("abc")
    return limit
""",
    ),
    (
        codes.CONSTANT_CYCLE,
        "constants that need each other",
        "The value of a constant cannot depend on itself.",
        """\
A = B + 1
B = A - 1

workflow main() -> int:
    return A
""",
        """\
A = B + 1
B = 2

workflow main() -> int:
    return A
""",
    ),
    (
        codes.CONSTANT_FAILS,
        "a constant whose evaluation fails",
        "Evaluating the expression raises what Python would raise.",
        """\
PARTS = 0
SHARE = 100 / PARTS

workflow main() -> float:
    return SHARE
""",
        """\
PARTS = 4
SHARE = 100 / PARTS

workflow main() -> float:
    return SHARE
""",
    ),
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
