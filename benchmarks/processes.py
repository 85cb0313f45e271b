"""Rows 10 and 11: the command line, from a cold process to its end."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.measure import Makers, Medians, Row, Side
from benchmarks.throughput import chain_spec

HELLO = """from functions import greet

workflow main(name: str = "world") -> str:
    return greet(name)
"""

FUNCTIONS = """def greet(name: str) -> str:
    return f"hello {name}"


def step(k: int) -> int:
    return k + 1
"""

BARE = """import ray
ray.init({options})
@ray.remote
def greet(name):
    return f"hello {{name}}"
print(ray.get(greet.remote("world")))
"""


def rows(small: int) -> Makers:
    """The rows, a `small`-th of the work."""
    yield (
        10,
        lambda: checked("statements", _statements, [n // small for n in (2_500, 5_000, 10_000)]),
    )
    yield 10, lambda: checked("workflows", _workflows, [n // small for n in (250, 500, 1_000)])
    yield 10, lambda: checked("levels of nesting", _nested, [50, 100, 199])
    yield 10, compiled
    yield 10, short
    yield 11, on_ray
    yield 11, local


def process(*command: str, folder: str, expected: str = "") -> float:
    """Seconds of a process; ends the program when it does not end well."""
    # A Ray of its own: what else runs on this machine is not to be joined.
    env = {**os.environ, "RAY_ADDRESS": "local"}
    start = time.perf_counter()
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
    seconds = time.perf_counter() - start
    if done.returncode or expected not in done.stdout:
        raise SystemExit(f"{' '.join(command)}: {done.stdout}{done.stderr}")
    return seconds


def wfc(*args: str, spec: str, expected: str = "") -> Side:
    """A command on a spec, in a folder of its own each time."""

    def side() -> float:
        with tempfile.TemporaryDirectory(prefix="wfc-bench-") as folder:
            Path(folder, "spec.wf").write_text(spec)
            Path(folder, "functions.py").write_text(FUNCTIONS)
            return process(COMMAND, *args, folder=folder, expected=expected)

    return side


COMMAND = shutil.which("wfc", path=sysconfig.get_path("scripts")) or "wfc"


def python(code: str, expected: str = "") -> Side:
    """A Python program."""

    def side() -> float:
        with tempfile.TemporaryDirectory(prefix="wfc-bench-") as folder:
            return process(sys.executable, "-c", code, folder=folder, expected=expected)

    return side


# ------------------------------------------------------------------ row 10


def checked(what: str, make: Callable[[int], str], sizes: list[int]) -> Row:
    """`wfc check` at three sizes."""
    half, whole = (f"wfc check, {n:,} {what}" for n in sizes[-2:])
    return Row(
        10,
        f"check of a spec of up to {sizes[-1]:,} {what}",
        "s",
        {f"wfc check, {n:,} {what}": wfc("check", "spec.wf", spec=make(n)) for n in sizes},
        target="< 4 s, linear",
        met=lambda medians: medians[whole] < 4 and medians[whole] < 2.5 * medians[half],
        note=lambda medians: f"twice the size, {medians[whole] / medians[half]:.2f} times as long",
        runs=3,
    )


def compiled() -> Row:
    """`wfc compile` of the largest chain, plan and all."""
    sizes = (2_500, 5_000, 10_000)
    return Row(
        10,
        "plan of a spec of up to 10,000 statements",
        "s",
        {
            f"wfc compile, {n:,} statements": wfc(
                "compile", "spec.wf", "--emit", "plan", "-o", "plan.json", spec=_statements(n)
            )
            for n in sizes
        },
        runs=3,
    )


def short() -> Row:
    def met(medians: Medians) -> bool:
        return medians["wfc check"] < 0.4 and medians["wfc --help"] < 0.25

    return Row(
        10,
        "check of a spec of 20 lines",
        "s",
        {
            "python -c pass": python("pass"),
            "wfc --help": wfc("--help", spec=""),
            "wfc check": wfc("check", "spec.wf", spec=_statements(16)),
        },
        target="check < 0.4 s, --help < 0.25 s",
        met=met,
    )


def _statements(n: int) -> str:
    return chain_spec(n)


def _workflows(n: int) -> str:
    parts = ["from functions import step", "", "workflow w0(k: int) -> int:", "    return step(k)"]
    for i in range(1, n):
        name = "main" if i == n - 1 else f"w{i}"
        parts += ["", f"workflow {name}(k: int) -> int:", f"    return w{i - 1}(step(k))"]
    return "\n".join([*parts, ""])


def _nested(n: int) -> str:
    """A call in a call in a call."""
    return (
        "from functions import step\n\nworkflow main(k: int) -> int:\n"
        f"    return {'step(' * n}k{')' * n}\n"
    )


# ------------------------------------------------------------------ row 11


def on_ray() -> Row:
    quiet = BARE.format(options="include_dashboard=False")
    bare, lean, mine = "ray.init() and one task", "the same without dashboard", "wfc run"
    return Row(
        11,
        "smallest run from a cold process, on a Ray of its own",
        "s",
        {
            bare: python(BARE.format(options=""), "hello world"),
            lean: python(quiet, "hello world"),
            mine: wfc("run", "spec.wf", spec=HELLO, expected="hello world"),
        },
        target=f"≤ 1.15× {bare}",
        met=lambda medians: medians[mine] <= 1.15 * medians[bare],
        note=lambda medians: (
            f"{medians[mine] / medians[bare]:.2f}× {bare}, "
            f"{medians[mine] / medians[lean]:.2f}× {lean}"
        ),
    )


def local() -> Row:
    return Row(
        11,
        "smallest run from a cold process, --local",
        "s",
        {"wfc run --local": wfc("run", "spec.wf", "--local", spec=HELLO, expected="hello world")},
        target="< 0.7 s",
        met=lambda medians: medians["wfc run --local"] < 0.7,
    )
