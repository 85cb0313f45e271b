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
        codes.NOT_STATIC,
        "not a static workflow",
        "A Ray DAG is made before anything runs: `wfc compile --emit ray` and `wfc.to_ray_dag` take a "
        "workflow in which constants and given parameters alone decide what there is to run. A branch on "
        "what a task gives, a fan-out over it, `catch`, `wait`, `sleep`, `receive`, `cancel`, `fail`, "
        "`finally` and `inplace` are decided at run time: `[f(x) for x in range(3)]` can be in a graph, and "
        "`[f(x) for x in files(day)]` cannot. For `--emit ray` parameters are not known either.",
        "",
        "",
    ),
)
