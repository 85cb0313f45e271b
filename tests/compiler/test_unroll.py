"""Static workflows as lists of steps; the first construct that is not static is named, with its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.compiler.fixtures import HEAD, compiled
from wfc.compiler.emit.ray import refusal
from wfc.plan.unroll import Known, Many, NotStatic, Ref, Step, Unrolled, unroll

DYNAMIC = {
    "branch": (
        "    a = f(n)\n    if a > 1:\n        return 1\n    return 2",
        6,
        "which way this goes",
    ),
    "fan-out": ("    return [f(x) for x in many(n)]", 5, "how many elements this fan-out has"),
    "filter": (
        "    xs = [f(x) for x in [1, 2]]\n    return [g(x) for x in xs if x > 1]",
        6,
        "which way this goes",
    ),
    "catch": ("    r = catch f(n)\n    return r.ok", 5, "`catch` is a decision"),
    "caught fan-out": ("    r = catch [f(x) for x in [1]]\n    return r.ok", 5, "`catch` is a dec"),
    "inplace": ("    return inplace f(n)", 5, "`inplace` runs in the process"),
    "wait": (
        "    a, b = wait(1 of [f(1), f(2)])\n    cancel(b)\n    return a",
        5,
        "`wait` goes on",
    ),
    "sleep": ("    sleep(3s)\n    return f(n)", 5, "`sleep` is a durable timer"),
    "receive": ('    return receive("go")', 5, "`receive` waits"),
    "fail": ('    fail("no")', 5, "`fail` ends"),
    "finally": ("    return f(n)\nfinally:\n    g(n)", 4, "`main` has a `finally`"),
    "parameter": ("    if n > 1:\n        return 1\n    return 2", 5, "which way this goes"),
    "endless": ("    if n < 0:\n        return n\n    return f(main(n))", 7, "`main` calls itself"),
}


def unrolled(folder: Path, text: str, **params: Any) -> Unrolled:
    plan = compiled(folder, HEAD + "\n\n" + text, optimize=False).plan
    assert plan is not None
    return unroll(plan, params)


@pytest.mark.parametrize("name", DYNAMIC)
def test_what_is_not_static(name: str, tmp_path: Path) -> None:
    body, line, why = DYNAMIC[name]
    text = "from tasks import f, g, many\n\n\nworkflow main(n: int):\n" + body + "\n"
    plan = compiled(tmp_path, text, optimize=False).plan
    assert plan is not None
    params = None if name == "parameter" else {"n": 1}
    with pytest.raises(NotStatic) as found:
        unroll(plan, params)
    shown = refusal(plan, found.value)
    assert shown.message.startswith(f"not a static workflow: {why}")
    assert (shown.code, shown.span.line) == ("WF133", line)
    hint = "run it with `wfc run`, which decides while it runs"
    if name == "parameter":
        hint = "give the parameters: `wfc.to_ray_dag(plan, n=…)`"
    assert shown.hint == hint


def steps(made: Unrolled) -> list[str]:
    return [step.id for step in made.steps]


def test_what_is_known_is_not_a_step(tmp_path: Path) -> None:
    text = """workflow main(n: int):
    if n > 2:
        size = n * 2
    else:
        size = 0
    xs = [f(x + 1) for x in range(size) if x % 2]
    return f(xs)
"""
    made = unrolled(tmp_path, text, n=3)
    assert steps(made) == [
        "main/xs[1]/f", "main/xs[3]/f", "main/xs[5]/f", "main/f#2.0", "main/f#2",
    ]  # fmt: skip
    assert [s.args for s in made.steps[:3]] == [[Known(2)], [Known(4)], [Known(6)]]
    assert steps(unrolled(tmp_path, text, n=1)) == ["main/f#2"]


def test_bare_calls_come_before_the_result(tmp_path: Path) -> None:
    text = "workflow main():\n    g(1)\n    a = f(1)\n    g(2) after (a)\n    return a\n"
    made = unrolled(tmp_path, text)
    assert steps(made) == ["main/g", "main/a", "main/g#2", "main/done"]
    assert made.steps[2].after == ["main/a"]
    assert sorted(made.steps[3].after) == ["main/g", "main/g#2"]


def test_recursion_that_is_known_ends(tmp_path: Path) -> None:
    text = """workflow power(k: int, n: int):
    if n == 0:
        return f(k)
    continuation power(2 * k, n - 1)

workflow main(n: int):
    return power(1, n)
"""
    made = unrolled(tmp_path, text, n=5)
    (step,) = made.steps
    assert (step.task, step.args) == ("f", [Known(32)])


def test_a_step_knows_what_it_needs() -> None:
    step = Step("a", (0, 1, 1, 1, 1), "f", args=[Ref("b"), Known(1)], kwargs={"k": Ref("n", True)})
    step.after.append("c")
    assert step.needs() == ["b", "c"]
    assert Many((Known(1),)) == Many((Known(1),))
