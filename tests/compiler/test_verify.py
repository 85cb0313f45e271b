"""The verifier finds what a pass could break."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.compiler.fixtures import HEAD, compiled, lowered
from wfc.compiler import ir
from wfc.compiler import passes as pipeline
from wfc.compiler.emit.ir import dump_edges
from wfc.compiler.explain import Notes
from wfc.compiler.passes import BrokenPass, run_passes
from wfc.compiler.passes.verify import verify

PROGRAM = (
    HEAD
    + """
workflow main(n: int):
    a = f(n)
    b = h(a, a) after (a)
    if n > 1:
        c = g(b)
    else:
        c = 2
    xs = [f(x + c) for x in many(n)]
    d = inplace g(b)
    if n == 3:
        return 0
    return join(xs, d)
"""
)


def program(folder: Path) -> ir.Program:
    made, _ = lowered(folder, PROGRAM)
    pipeline.assign_regions(made, Notes())
    assert verify(made) == []
    return made


def test_edges_carry_ports(tmp_path: Path) -> None:
    made = program(tmp_path)
    assert dump_edges(made.workflows["main"].body).splitlines() == [
        "a -> b: after, arg 0, arg 1",
        "b -> if: arm 0",
        "many -> xs: items",
        "if -> xs: body",
        "b -> d: arg 0",
        "xs -> if#2: then",
        "d -> if#2: then",
    ]


def body(made: ir.Program) -> ir.Graph:
    return made.workflows["main"].body


def call(made: ir.Program, id: str) -> ir.CallNode:
    node = body(made).nodes[id]
    assert isinstance(node, ir.CallNode)
    return node


def branch(made: ir.Program, id: str) -> ir.BranchNode:
    node = body(made).nodes[id]
    assert isinstance(node, ir.BranchNode)
    return node


def fan_out(made: ir.Program) -> ir.MapNode:
    node = body(made).nodes["xs"]
    assert isinstance(node, ir.MapNode)
    return node


def unknown_name(made: ir.Program) -> None:
    call(made, "a").args = [["name", "nowhere"]]
    ir.connect(body(made))


def stale_edges(made: ir.Program) -> None:
    call(made, "b").args = [["lit", 1], ["lit", 2]]


def cycle(made: ir.Program) -> None:
    call(made, "a").args = [["name", "b"]]
    ir.connect(body(made))


def same_name_inside(made: ir.Program) -> None:
    inner = fan_out(made).body
    (node,) = inner.nodes.values()
    node.id = "a"
    inner.replace([node])
    fan_out(made).outputs[0].value = ["name", "a"]
    ir.connect(body(made))


def loop_name_around(made: ir.Program) -> None:
    fan_out(made).targets = ["n"]
    ir.connect(body(made))


def exit_in_the_middle(made: ir.Program) -> None:
    body(made).tail = None
    ir.connect(body(made))


def arm_without_output(made: ir.Program) -> None:
    branch(made, "if").outputs = {"c": ["c", None]}


def output_of_nothing(made: ir.Program) -> None:
    branch(made, "if").outputs = {"c": ["c", "z"]}


def outputs_miscounted(made: ir.Program) -> None:
    branch(made, "if").outputs = {"c": ["c"]}


def no_such_task(made: ir.Program) -> None:
    call(made, "a").target = "nothing"


def handle_of_a_value(made: ir.Program) -> None:
    call(made, "b").args = [["handle", "a"], ["name", "a"]]
    ir.connect(body(made))


def no_such_source(made: ir.Program) -> None:
    fan_out(made).source = "nothing"


def units_overlap(made: ir.Program) -> None:
    body(made).units = [ir.Unit("chain", ["a", "b"]), ir.Unit("chain", ["b", "d"])]


def unit_with_a_hole(made: ir.Program) -> None:
    body(made).units = [ir.Unit("chain", ["a", "d"])]


def unit_out_of_order(made: ir.Program) -> None:
    body(made).units = [ir.Unit("chain", ["b", "a"])]


def region_without_member(made: ir.Program) -> None:
    body(made).regions["region"].nodes = ["b"]


def region_on_nothing(made: ir.Program) -> None:
    body(made).regions["region"].hang = "xs"


def entry_missing(made: ir.Program) -> None:
    made.entry = "other"


MISTAKES: dict[Callable[[ir.Program], None], str] = {
    unknown_name: "'nowhere' is used and nothing gives it",
    stale_edges: "are not those of its expressions",
    cycle: "a cycle among",
    same_name_inside: "'a' is not unique among the visible names",
    loop_name_around: "the loop name 'n' is not unique",
    exit_in_the_middle: "'if#2' ends the frame, and is no tail",
    arm_without_output: "an arm of 'if' goes on without 'c'",
    output_of_nothing: "an arm of 'if' does not make 'z'",
    outputs_miscounted: "counts its arms wrongly",
    no_such_task: "'a' calls 'nothing', which is not there",
    handle_of_a_value: "'b' takes a handle of 'a', which has none",
    no_such_source: "the source 'nothing' of 'xs' is not visible",
    units_overlap: "'b' is in 2 units",
    unit_with_a_hole: "needs something from outside that needs a part of it",
    unit_out_of_order: "is not in a topological order",
    region_without_member: "'d' is not a member of the region 'region'",
    region_on_nothing: "hangs on 'xs': no plain task",
    entry_missing: "the entry 'other' is no workflow",
}


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda m: m.__name__)
def test_violations_are_found(mistake: Callable[[ir.Program], None], tmp_path: Path) -> None:
    made = program(tmp_path)
    mistake(made)
    found = verify(made)
    assert any(MISTAKES[mistake] in text for text in found), found


def test_the_pass_that_broke_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def clumsy(made: ir.Program, notes: Notes) -> None:
        stale_edges(made)

    made, notes = lowered(tmp_path, PROGRAM)
    monkeypatch.setattr(pipeline, "PASSES", (clumsy,))
    with pytest.raises(BrokenPass, match="after clumsy"):
        run_passes(made, notes, verify=True)


def test_a_good_program_passes_all(tmp_path: Path) -> None:
    done = compiled(tmp_path, PROGRAM)
    assert done.ir is not None
    assert verify(done.ir) == []
