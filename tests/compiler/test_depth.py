"""The deepest blocks and expressions that the parser lets through: compiled, written, read, run."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import pytest

import wfc
from tests.compiler.fixtures import compiled
from tests.compiler.test_scale import operations
from wfc.compiler.emit import FORMS, emit
from wfc.dsl.format import format_source
from wfc.plan.model import Plan

DEEP = 195
MAIN = "workflow main(n: int):\n"
HEAD = "from tasks import f\n\n" + MAIN


def blocks(depth: int) -> str:
    """Each level calls a task and goes on in an `if`."""
    lines = [f"{'    ' * i}a{i} = f(n)\n{'    ' * i}if a{i} > {i}:" for i in range(1, depth)]
    return "\n".join([*lines, f"{'    ' * depth}return a{depth - 1}", "    return 0\n"])


def guards(count: int) -> str:
    """Each one may end the workflow: what follows it is inside of it, for the plan."""
    lines = [f"    if n == {i}:\n        return {i}\n" for i in range(count)]
    return "".join([*lines, "    return f(n)\n"])


def questions(count: int) -> str:
    """Conditions that call: each is inside the `else` of the one before."""
    arms = [f"    elif f(n) == {i}:\n        return {i}\n" for i in range(count)]
    return "    if n < 0:\n        return n\n" + "".join(arms) + "    return -1\n"


def _in_a_list(inner: Any, _: int) -> Any:
    return [inner]


DEEPEST: dict[str, tuple[str, int, Any]] = {
    "blocks": (blocks(DEEP), 1000, 1000),
    "guards": (guards(400), -1, -1),
    "the last guard": (guards(400), 399, 399),
    "questions": (questions(60), 59, 59),
    "sums": (f"    return {'(1+' * DEEP}f(n){')' * DEEP}\n", 1, DEEP + 1),
    "lists": (f"    return len({'[' * DEEP}f(n){']' * DEEP})\n", 7, 1),
    "dicts": (f"    return len({'{1: ' * DEEP}f(n){'}' * DEEP})\n", 7, 1),
    "calls": (f"    return {'f(' * DEEP}n{')' * DEEP}\n", 7, 7),
    "fan-outs": (
        f"    return {'[' * 90}f(n){''.join(f' for x{i} in [1]]' for i in range(90))}\n",
        7,
        functools.reduce(_in_a_list, range(90), 7),
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", DEEPEST)
def test_the_deepest_specs_run(name: str, tmp_path: Path) -> None:
    body, given, result = DEEPEST[name]
    (tmp_path / "tasks.py").write_text("def f(n):\n    return n\n")
    (tmp_path / "main.wf").write_text(HEAD + body)
    found = wfc.run(tmp_path / "main.wf", n=given, local=True, store=tmp_path / "store")
    assert found == result


@pytest.mark.parametrize("name", DEEPEST)
def test_the_deepest_specs_are_written_and_read(name: str, tmp_path: Path) -> None:
    text = HEAD + DEEPEST[name][0]
    assert format_source(format_source(text, "main.wf"), "main.wf") == format_source(
        text, "main.wf"
    )
    done = compiled(tmp_path, text)
    assert done.plan is not None
    assert Plan.from_json(done.plan.to_json()).to_json() == done.plan.to_json()
    for form in FORMS:
        assert emit(done, form)


@pytest.mark.slow
def test_depth_costs_what_length_does(tmp_path: Path) -> None:
    few, many = (operations(lambda n: MAIN + blocks(n), n, tmp_path / str(n)) for n in (45, 180))
    assert many < few * 4 * 1.3


OLD = """{"format": 1, "entry": "main", "tasks": {}, "files": [{"path": "main.wf", "text": ""}],
 "workflows": {"main": {"name": "main", "params": [], "where": [0, 1, 1, 1, 2], "body": {
  "nodes": [{"kind": "branch", "id": "if", "where": [0, 1, 1, 1, 2], "then":
    {"nodes": [{"kind": "return", "id": "return", "where": [0, 1, 1, 1, 2], "expr": ["lit", 1]}],
     "tail": "return"},
    "arms": [{"condition": ["lit", false], "body": {"tail": "fail", "nodes": [
      {"kind": "fail", "id": "fail", "where": [0, 1, 1, 1, 2], "message": ["lit", "no"]}]}}]}],
  "tail": "if"}}}}"""


def test_plans_of_the_first_format_can_be_read() -> None:
    plan = Plan.from_json(OLD)
    assert plan.format == 2
    assert wfc.Plan.from_json(plan.to_json()) == plan
    (branch,) = plan.workflows["main"].body.nodes
    assert branch.kind == "branch"
    assert branch.then is not None
    assert branch.then.tail == "return"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[]", "it is no JSON object"),
        ("[" * 100_000, "it is nested too deeply"),
        ('{"format": 3}', "plan format 3 is not 2"),
        (
            OLD.replace('"format": 1', '"format": 2').replace('"then":', '"then": 7, "x":'),
            "no graph 7",
        ),
    ],
)
def test_what_is_no_plan(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Plan.from_json(text)
