"""Properties of whole plans, over every program that the project's tests run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.compiler.fixtures import HEAD, compiled
from tests.compiler.paths import paths
from wfc.compiler import Compiled, compile_spec
from wfc.compiler.emit import FORMS, emit
from wfc.plan.model import MapNode, Plan, ReturnNode

PROGRAMS = sorted(
    p
    for p in (Path(__file__).parent.parent / "programs").glob("*.wf")
    if "workflow main" in p.read_text()
)


def _compile(program: Path, *, optimize: bool = True) -> Compiled:
    done = compile_spec(program, optimize=optimize, verify=True)
    if done.plan is None:
        pytest.skip("the checks refuse it")
    return done


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.stem)
def test_paths_are_those_of_the_plain_plan(program: Path) -> None:
    best, plain = _compile(program), _compile(program, optimize=False)
    assert best.plan is not None
    assert plain.plan is not None
    dropped = any(d.by == "prune branches" for d in best.decisions)
    if dropped:
        assert paths(best.plan) <= paths(plain.plan)
    else:
        assert paths(best.plan) == paths(plain.plan)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.stem)
def test_the_same_spec_gives_the_same_bytes(program: Path) -> None:
    first, second = _compile(program), _compile(program)
    for form in FORMS:
        assert emit(first, form) == emit(second, form)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.stem)
def test_json_gives_the_same_plan(program: Path) -> None:
    plan = _compile(program).plan
    assert plan is not None
    again = Plan.from_json(plan.to_json())
    assert again.to_json() == plan.to_json()
    assert again.workflows == plan.workflows


def test_nodes_of_a_graph_stand_in_topological_order(tmp_path: Path) -> None:
    plan = compiled(tmp_path, HEAD + "workflow main(n: int):\n    a = f(n)\n    return g(a)\n").plan
    assert plan is not None
    body = plan.workflows["main"].body
    assert [node.id for node in body.nodes] == ["a", "g", "return"]
    assert body.tail == "return"
    assert isinstance(body.nodes[-1], ReturnNode)


def test_after_names_nodes(tmp_path: Path) -> None:
    text = """
workflow main(n: int):
    if n > 1:
        x = f(n)
    else:
        x = g(n)
    h(n) after (x)
    return x
"""
    plan = compiled(tmp_path, HEAD + text).plan
    assert plan is not None
    call = next(node for node in plan.workflows["main"].body.nodes if node.id == "h")
    assert call.after == ["if"]


def test_a_plain_plan_has_neither_units_nor_carried_frames(tmp_path: Path) -> None:
    text = """
workflow main(n: int):
    a = f(n)
    b = g(a)
    xs = [f(x) for x in many(b)]
    ys = [g(f(x)) for x in many(b)]
    return xs, ys
"""
    best = compiled(tmp_path, HEAD + text).plan
    plain = compiled(tmp_path, HEAD + text, optimize=False).plan
    assert best is not None
    assert plain is not None
    assert best.workflows["main"].body.units
    assert not plain.workflows["main"].body.units
    carried = {
        n.id: n.carried for n in plain.workflows["main"].body.nodes if isinstance(n, MapNode)
    }
    assert carried == {"xs": True, "ys": False}


def test_where_points_into_the_file_of_the_node(tmp_path: Path) -> None:
    (tmp_path / "lib.wf").write_text("from tasks import f\n\nworkflow one(x):\n    return f(x)\n")
    text = 'import "lib.wf" as lib\n\nworkflow main(n: int):\n    return lib.one(n)\n'
    plan = compiled(tmp_path, text).plan
    assert plan is not None
    inlined = next(node for node in plan.workflows["main"].body.nodes if node.id == "one/f")
    assert plan.files[inlined.where[0]].path == "lib.wf"
    assert inlined.where[1] == 4
