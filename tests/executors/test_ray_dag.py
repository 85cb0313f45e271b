"""Static workflows as Ray DAGs give what runs of them give."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

import wfc
from tests.programs.runner import Case, Ran, cases, check, compiled, placed, plain
from wfc.compiler import compile_spec
from wfc.compiler.emit import emit
from wfc.plan.unroll import NotStatic, unroll
from wfc.runtime.executors.ray_dag import ray_options

DIAMOND = """from steps import left, right, both

workflow main(n: int, name: str = "x") -> str:
    a = left(n) with (max_retries=1, num_cpus=0.5, timeout=5m)
    b = right(n, scale=2) after (a)
    left(0)
    return both([a, b], f"{name}{a}") with (retry_exceptions=[ValueError])
"""
STEPS = """def left(n):
    return n + 1

def right(n, scale):
    return n * scale

def both(xs, name):
    return f"{name}: {sum(xs)}"
"""


def result(dag: Any) -> Any:
    import ray

    with warnings.catch_warnings():
        # Ray 2.60 says that `execute` will go; there is no other way yet to run a graph of tasks.
        warnings.filterwarnings("ignore", r"DAGNode\.execute\(\) is deprecated")
        return ray.get(dag.execute())


def static(case: Case) -> bool:
    """Whether a program of the corpus ends well, and is a static one of not too many tasks.

    Tasks that return graphs with names of the running spec find none: there is no run.
    """
    if case.expected is None or case.expected.errors or case.name.startswith("python_"):
        return False
    try:
        return len(unroll(compiled(case, optimize=False), with_defaults(case)).steps) < 100
    except NotStatic:
        return False


def with_defaults(case: Case) -> dict[str, Any]:
    plan = compiled(case, optimize=False)
    params = plan.workflows[plan.entry].params
    return {p.name: p.default[1] if p.default else None for p in params} | case.params


@pytest.mark.ray
def test_programs_of_the_corpus(ray_session: str) -> None:
    found = [case for case in cases() if static(case)]
    assert len(found) > 15
    for case in found:
        with placed(case) as path:
            dag = wfc.to_ray_dag(path, **case.params)
        check(case, Ran(plain(result(dag))))


@pytest.mark.ray
def test_a_graph_can_run_more_than_once(ray_session: str, tmp_path: Path, store: str) -> None:
    (tmp_path / "steps.py").write_text(STEPS)
    (tmp_path / "main.wf").write_text(DIAMOND)
    plan = wfc.compile(tmp_path / "main.wf")
    dag = wfc.to_ray_dag(plan, n=3)
    expected = wfc.run(plan, n=3, local=True, store=store)
    assert expected == "x4: 10"
    assert [result(dag) for _ in range(2)] == [expected] * 2


@pytest.mark.ray
def test_the_source_runs_by_itself(ray_session: str, tmp_path: Path) -> None:
    (tmp_path / "steps.py").write_text(STEPS)
    (tmp_path / "main.wf").write_text(DIAMOND)
    (tmp_path / "dag.py").write_text(emit(compile_spec(tmp_path / "main.wf"), "ray"))
    env = {**os.environ, "RAY_ADDRESS": ray_session}
    given = '{"n": 3, "name": "y"}'
    done = subprocess.run(
        [sys.executable, "dag.py", given],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stdout == "y4: 10\n", done.stderr


def test_what_has_no_graph_is_refused(tmp_path: Path) -> None:
    (tmp_path / "steps.py").write_text(STEPS)
    (tmp_path / "main.wf").write_text(
        "from steps import left\n\nworkflow main(n: int):\n    a = left(n)\n    if a:\n        return 1\n"
    )
    with pytest.raises(wfc.SpecError, match=r"main\.wf:5: not a static workflow: which way"):
        wfc.to_ray_dag(tmp_path / "main.wf", n=1)
    with pytest.raises(wfc.ParameterError, match="n"):
        wfc.to_ray_dag(tmp_path / "main.wf")


def test_options_are_those_that_ray_has() -> None:
    listed = ["KeyError", "json.JSONDecodeError"]
    made = ray_options({"timeout": 3, "num_cpus": 2, "retry_exceptions": listed})
    assert made.pop("retry_exceptions")[0] is KeyError
    assert made == {"num_cpus": 2, "max_retries": 3}
    with pytest.raises(LookupError, match="there is no exception 'NoSuch'"):
        ray_options({"retry_exceptions": ["NoSuch"]})
