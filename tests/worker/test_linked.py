"""Linking a plan: addresses, needs, dependencies, units, parameter binding, options."""

from __future__ import annotations

import pytest

from tests.worker.plans import arm, branch, call, cont, expr, map_, name, plan, ret, unit, workflow
from wfc.runtime.linked import Linked
from wfc.runtime.steps import shape_of


def test_addresses_reach_every_inner_graph() -> None:
    inner = branch(
        "if", [arm(name("x"), [call("a", "f")])], orelse=[call("b", "f")], then=[ret(["lit", 1])]
    )
    linked = Linked(
        plan(
            workflow(
                "main",
                ["xs"],
                [map_("tables", ["x"], name("xs"), [inner], [("tables", name("x"))])],
                finally_=[call("f", "f", [name("xs")])],
            ),
            workflow("lib/q.wf:check", [], [call("f", "f")]),
        )
    )
    for address in (
        "main",
        "main/tables",
        "main/tables/if:0",
        "main/tables/if:else",
        "main/tables/if:then",
        "main:finally",
        "lib/q.wf:check",
    ):
        assert linked.graph(address).address == address
    assert linked.graph("main/tables").map_step().id == "tables"
    assert linked.graph("main/tables").owner is linked.graph("main")
    with pytest.raises(KeyError):
        linked.graph("main/nothing")
    with pytest.raises(KeyError):
        linked.graph("other")


def test_needs_include_inner_graphs_but_not_their_own_names() -> None:
    body = [
        call("get", "f", [name("x"), name("region")]),
        call("put", "f", [name("get")], after=["ready"]),
    ]
    graph = Linked(
        plan(
            workflow(
                "main",
                ["xs", "region"],
                [
                    call("ready", "f"),
                    map_(
                        "out",
                        ["x"],
                        name("xs"),
                        body,
                        [("out", ["bin", "+", name("put"), name("extra")])],
                    ),
                    call("extra", "f"),
                    expr("h", ["list", [["handle", "out"], name("out")]]),
                ],
            )
        )
    ).graph("main")
    step = graph.step("out")
    assert step.needs == ("xs", "region", "extra")
    assert step.own == ("xs",)
    assert step.waits == ("ready",)
    assert step.deps == (0, 2)
    assert step.own_deps == ()
    assert graph.step("h").handles == {"out"}
    assert graph.step("h").joined == {"out"}
    assert set(graph.free) == {"xs", "region"}
    assert graph.consumers[1] == (3,)


def test_outputs_of_maps_and_branches_are_provided() -> None:
    graph = Linked(
        plan(
            workflow(
                "main",
                ["n"],
                [
                    branch(
                        "if",
                        [arm(name("n"), [call("a", "f")])],
                        orelse=[call("b", "f")],
                        outputs={"x": ["a", "b"]},
                        then=[call("c", "f", [name("x"), name("n")])],
                    ),
                    map_(
                        "m",
                        ["i"],
                        name("x"),
                        [call("f", "f", [name("i")])],
                        [("one", name("f")), ("two", name("i"))],
                    ),
                    ret(name("two")),
                ],
                tail=None,
            )
        )
    ).graph("main")
    assert graph.step("if").needs == ("n",)
    assert graph.step("m").deps == (0,)
    assert graph.step("return").deps == (1,)
    step = graph.step("m")
    assert [o.column for o in step.outputs] == ["f", None]
    assert graph.step("if").provided(1) == [("x", "b")]


def test_comprehension_names_are_its_own() -> None:
    comp = [
        "comp",
        "list",
        None,
        ["bin", "+", name("i"), name("k")],
        [[["i"], name("xs"), [name("i")]]],
    ]
    graph = Linked(plan(workflow("main", ["xs", "k"], [expr("e", comp)]))).graph("main")
    assert set(graph.step("e").needs) == {"xs", "k"}


def test_a_unit_knows_what_it_needs_from_outside() -> None:
    graph = Linked(
        plan(
            workflow(
                "main",
                ["x"],
                [
                    call("a", "f"),
                    call("b", "f", [name("a"), name("x")]),
                    call("c", "f", [name("b")]),
                ],
                units=[unit("chain", ["b", "c"])],
            )
        )
    ).graph("main")
    assert graph.unit_of == [-1, 0, 0]
    assert graph.units[0].needs == ("a", "x")
    assert graph.units[0].deps == (0,)


def test_thousands_of_nested_thens_link_without_recursion() -> None:
    nodes = [ret(["lit", 0])]
    for i in range(3000):
        nodes = [branch(f"if{i}", [arm(name("x"), [ret(["lit", i])])], then=nodes)]
    linked = Linked(plan(workflow("main", ["x"], nodes)))
    assert set(linked.graph("main").free) == {"x"}


def test_binding_parameters() -> None:
    flow = Linked(plan(workflow("w", ["a", ("b", ["lit", 2])], []))).workflow("w")
    assert flow.bind((1,), {}) == {"a": 1, "b": 2}
    assert flow.bind((1, 3), {}) == {"a": 1, "b": 3}
    assert flow.bind((), {"b": 5, "a": 4}) == {"a": 4, "b": 5}
    for args, kwargs, message in [
        ((), {}, "missing the argument 'a'"),
        ((1, 2, 3), {}, "takes 2 arguments but 3"),
        ((1,), {"c": 1}, "unexpected keyword argument 'c'"),
        ((1,), {"a": 1}, "multiple values for argument 'a'"),
    ]:
        with pytest.raises(TypeError, match=message):
            flow.bind(args, kwargs)


def test_shapes_compare_by_value() -> None:
    assert shape_of({}) == shape_of({"timeout": 3})
    one = shape_of({"resources": {"b": 1, "a": 2}, "runtime_env": {"pip": ["x"]}})
    assert one == shape_of({"runtime_env": {"pip": ["x"]}, "resources": {"a": 2, "b": 1}})
    assert hash(one)
    assert one.resources == (("a", 2), ("b", 1))


def test_continuation_steps_read_as_calls() -> None:
    step = (
        Linked(plan(workflow("w", ["n"], [cont("w", [name("n")], inplace=True)])))
        .graph("w")
        .steps[0]
    )
    assert (step.kind, step.target, step.inplace, step.simple) == ("continuation", "w", True, "n")
    assert step.arguments({"n": 3}) == ((3,), {})
