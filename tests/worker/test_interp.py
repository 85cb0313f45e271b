"""The interpreter: node kinds, frames, continuations, catches, known facts."""

from __future__ import annotations

from typing import Any

import pytest

from tests.worker.harness import columns, failure, of, result, run, runner, value, work
from tests.worker.plans import (
    arm,
    branch,
    call,
    cont,
    expr,
    fail,
    lit,
    map_,
    name,
    plan,
    ret,
    sub,
    workflow,
)  # fmt: skip
from wfc.runtime.values import MISSING, ErrorInfo, Inline, Raised, load_inline
from wfc.runtime.work import Done, Failed, Hop, HopState, Partial

CALLS: list[Any] = []


def add(a: Any, b: Any = 1) -> Any:
    return a + b


def note(x: Any) -> Any:
    CALLS.append(x)
    return x


def bad(x: Any) -> Any:
    raise ValueError(f"no {x}")


def extend(xs: list[Any]) -> list[Any]:
    xs.append(len(xs))
    return xs


FUNCTIONS = {"add": add, "note": note, "bad": bad, "extend": extend}


def made(*flows: Any, **more: Any) -> Any:
    CALLS.clear()
    return runner(plan(*flows, tasks=dict.fromkeys(FUNCTIONS)), FUNCTIONS, **more)


def less(n: str = "n", by: int = 1) -> list[Any]:
    return ["bin", "-", name(n), lit(by)]


def is_zero(n: str = "n") -> list[Any]:
    return ["cmp", ["=="], [name(n), lit(0)]]


COUNT = workflow(
    "count",
    ["acc", "n"],
    [
        branch(
            "if",
            [arm(is_zero(), [ret(name("acc"))])],
            then=[
                call("note", "note", [name("n")]),
                cont("count", [["bin", "+", name("acc"), name("note")], less()]),
            ],
        )
    ],
)


def test_expressions_calls_and_keywords() -> None:
    flow = workflow(
        "main",
        ["x"],
        [
            expr("y", ["bin", "*", name("x"), lit(2)]),
            call("a", "add", [name("y")], kwargs={"b": name("x")}),
            ret(["list", [name("a"), name("y")]]),
        ],
    )
    found = columns(run(made(flow), work("main", {"x": 5})))
    assert found == {"a": [15], "=": [[15, 10]]}


@pytest.mark.parametrize(("x", "want"), [(1, "one"), (2, "two"), (3, None)])
def test_a_branch_gives_names_and_only_the_arm_taken_runs(x: int, want: Any) -> None:
    flow = workflow(
        "main",
        ["x"],
        [
            expr("z", lit(None)),
            branch(
                "if",
                [
                    arm(["cmp", ["=="], [name("x"), lit(1)]], [call("a", "note", [lit("one")])]),
                    arm(["cmp", ["=="], [name("x"), lit(2)]], [call("b", "note", [lit("two")])]),
                ],
                orelse=[],
                outputs={"got": ["a", "b", "z"]},
            ),
            ret(name("got")),
        ],
    )
    assert result(made(flow), work("main", {"x": x})) == want
    assert [want] * (want is not None) == CALLS


def test_exits_in_arms_and_what_follows_them() -> None:
    flow = workflow(
        "main",
        ["x"],
        [
            branch(
                "if",
                [arm(is_zero("x"), [ret(lit("zero"))])],
                then=[
                    branch(
                        "if#2",
                        [arm(["cmp", ["<"], [name("x"), lit(0)]], [fail(lit("negative"))])],
                        then=[ret(name("x"))],
                    )
                ],
            )
        ],
    )
    assert result(made(flow), work("main", {"x": 0})) == "zero"
    assert result(made(flow), work("main", {"x": 4})) == 4
    failed = failure(run(made(flow), work("main", {"x": -1})))
    assert (failed.error.type, failed.error.message) == ("wfc.Failure", "negative")
    assert failed.error.task == "main"


def test_a_frame_without_a_return_gives_none() -> None:
    assert result(made(workflow("main", [], [call("a", "note", [lit(1)])])), work("main")) is None


def test_carried_workflows_and_their_inner_results() -> None:
    inner = workflow("inner", ["k"], [call("a", "add", [name("k")]), ret(name("a"))])
    flow = workflow(
        "main", ["x"], [sub("s", "inner", [name("x")]), ret(["bin", "+", name("s"), lit(1)])]
    )
    found = columns(run(made(flow, inner), work("main", {"x": 1})))
    assert found == {"s": [2], "s/a": [2], "=": [3]}


def test_recursion_ten_thousand_deep() -> None:
    flow = workflow(
        "deep",
        ["n"],
        [
            branch(
                "if",
                [arm(is_zero(), [ret(lit(0))])],
                then=[sub("deep", "deep", [less()]), ret(["bin", "+", name("deep"), lit(1)])],
            )
        ],
    )
    assert result(made(flow), work("deep", {"n": 10_000})) == 10_000


def test_hops_replace_the_frame_and_only_the_newest_is_reported() -> None:
    reports = run(made(COUNT, flush=0.0005), work("count", {"acc": 0, "n": 3000}))
    hops = of(Hop, reports)
    assert [h.state.hop for h in hops] == sorted({h.state.hop for h in hops})
    assert len(hops) < 3000
    last = hops[-1].state
    assert (last.target, last.callee) == ("count", "workflow")
    assert load_inline(last.args["n"]) == 3000 - last.hop
    assert columns(reports)["="] == [sum(range(3001))]


def test_a_hop_state_jumps_to_the_last_hop() -> None:
    state = HopState(7, "count", "workflow", {"acc": value(100), "n": value(2)})
    one = work("count", {"acc": 0, "n": 9}, known={0: {"~": state, "note": value(2)}})
    reports = run(made(COUNT), one)
    assert columns(reports)["="] == [103]
    assert CALLS == [1]  # of hop 7 the call is known; hop 8 makes its own


def test_facts_of_an_earlier_hop_are_not_taken_for_those_of_a_later_one() -> None:
    one = work("count", {"acc": 0, "n": 3}, known={0: {"note": value(50)}})
    assert result(made(COUNT), one) == 50 + 2 + 1
    assert CALLS == [2, 1]


def test_a_nested_frame_that_hopped_goes_on_where_it_was() -> None:
    flow = workflow("main", ["n"], [sub("c", "count", [lit(0), name("n")]), ret(name("c"))])
    state = HopState(2, "count", "workflow", {"acc": value(10), "n": value(1)})
    known = {0: {"c~": state}}
    assert result(made(flow, COUNT), work("main", {"n": 9}, known=known)) == 11
    reports = run(made(flow, COUNT, flush=0.0), work("main", {"n": 3}))
    assert {h.frame for h in of(Hop, reports)} == {"c"}
    assert [p.node for p in of(Partial, reports)][:1] == ["c/note"]
    assert "c/note" not in of(Done, reports)[-1].columns


def test_known_results_are_not_computed_again() -> None:
    flow = workflow(
        "main", [], [call("a", "note", [lit(1)]), call("b", "note", [name("a")]), ret(name("b"))]
    )
    found = columns(run(made(flow), work("main", known={0: {"a": value(5)}})))
    assert found == {"a": [5], "b": [5], "=": [5]}
    assert CALLS == [5]


def test_a_step_that_failed_for_good_raises_and_can_be_caught() -> None:
    error = ErrorInfo("ValueError", "gone")
    flow = workflow("main", [], [call("a", "note", [lit(1)], catch=True), ret(name("a"))])
    got = result(made(flow), work("main", known={0: {"a": Raised(error)}}))
    assert (got.ok, got.error) == (False, error)
    assert CALLS == []


def test_catch_at_a_call_at_a_workflow_and_at_a_continuation() -> None:
    inner = workflow("inner", [], [call("b", "bad", [lit(1)]), ret(name("b"))])
    flow = workflow(
        "main",
        [],
        [
            call("ok", "note", [lit(1)], catch=True),
            call("a", "bad", [lit(2)], catch=True),
            sub("s", "inner", catch=True),
            ret(["list", [name("ok"), name("a"), name("s")]]),
        ],
    )
    ok, own, nested = result(made(flow, inner), work("main"))
    assert (ok.ok, ok.value) == (True, 1)
    assert (own.error.type, own.error.message, own.error.task) == ("ValueError", "no 2", "main/a")
    assert nested.error.task == "main/s/b"
    hop = workflow("main", [], [cont("inner", catch=True)])
    assert not result(made(hop, inner), work("main")).ok
    hop = workflow("main", [], [cont("note", [lit(3)], callee="task", catch=True)])
    assert result(made(hop), work("main")).value == 3


def test_a_failure_that_may_be_retried_is_reported_though_it_is_caught() -> None:
    options = {"retry_exceptions": True, "max_retries": 1}
    flow = workflow(
        "main",
        [],
        [
            call("n", "note", [lit(1)]),
            call("a", "bad", [lit(2)], catch=True, options=options),
            ret(name("a")),
        ],
    )
    failed = failure(run(made(flow), work("main")))
    assert (failed.node, failed.options, failed.error.attempts) == ("a", options, 1)
    again = work("main", known={0: {"n": value(1)}}, failures={0: {"main/a": 1}})
    got = result(made(flow), again)
    assert (got.ok, got.error.attempts) == (False, 2)


def test_errors_of_expressions_name_their_place() -> None:
    flow = workflow("main", ["x"], [expr("y", ["bin", "/", lit(1), name("x")]), ret(name("y"))])
    failed = failure(run(made(flow), work("main", {"x": 0})))
    assert (failed.node, failed.error.type) == ("y", "ZeroDivisionError")
    assert (failed.error.task, failed.error.where) == ("main/y", (0, 1, 1, 1, 2))


def test_what_was_done_before_a_failure_is_reported_first() -> None:
    flow = workflow("main", [], [call("a", "note", [lit(1)]), call("b", "bad", [lit(2)])])
    reports = run(made(flow), work("main"))
    assert [type(r) for r in reports] == [Partial, Failed]
    assert reports[0].node == "a"
    assert reports[1].error.bases[:2] == ("Exception", "BaseException")


def test_plain_calls_get_copies_and_inplace_calls_the_object() -> None:
    flow = workflow(
        "main",
        ["xs"],
        [
            call("a", "extend", [name("xs")]),
            call("b", "extend", [name("a")]),
            call("c", "extend", [name("a")], inplace=True),
            ret(["list", [name("xs"), name("a"), name("b"), name("c")]]),
        ],
    )
    assert result(made(flow), work("main", {"xs": []})) == [[], [0, 1], [0, 1], [0, 1]]


def test_what_is_checkpointed_is_the_result_as_it_was_returned() -> None:
    flow = workflow(
        "main",
        [],
        [call("a", "note", [["list", [lit(0)]]]), call("b", "extend", [name("a")], inplace=True)],
    )
    assert columns(run(made(flow), work("main"))) == {"a": [[0]], "b": [[0, 1]], "=": [None]}


def test_a_hop_keeps_what_it_was_given_when_an_inplace_task_changes_it() -> None:
    flow = workflow(
        "loop",
        ["xs", "n"],
        [
            branch(
                "if",
                [arm(is_zero(), [call("b", "bad", [name("xs")])])],
                then=[
                    call("e", "extend", [name("xs")], inplace=True, checkpoint=False),
                    cont("loop", [name("xs"), less()], inplace=True),
                ],
            )
        ],
        carried="inplace",
    )
    reports = run(made(flow, flush=0.0), work("loop", {"xs": [], "n": 2}))
    given = {h.state.hop: load_inline(h.state.args["xs"]) for h in of(Hop, reports)}
    assert given == {1: [0], 2: [0, 1]}


def test_units_report_the_calls_and_what_others_need() -> None:
    flow = workflow(
        "main",
        ["x"],
        [
            call("a", "add", [name("x")]),
            expr("e", ["bin", "+", name("a"), lit(1)]),
            call("b", "note", [name("e")]),
            call("c", "note", [name("e")]),
        ],
    )
    found = columns(run(made(flow), work("main", {"x": 1}, nodes=["a", "e", "b"])))
    assert found == {"a": [2], "e": [3], "b": [3]}
    assert columns(run(made(flow), work("main", {"a": 2}, nodes=["e"]))) == {"e": [3]}


def test_an_exploded_expression_comes_back_as_rows() -> None:
    flow = workflow("main", ["x"], [expr("e", name("x")), map_("m", ["i"], name("e"), [], [])])
    found = columns(run(made(flow), work("main", {"x": [1, [2], "3"]}, nodes=["e"], explode=True)))
    assert found == {"e": [[1, [2], "3"]]}


def test_nocheckpoint_covers_inner_steps_but_not_failures() -> None:
    inner = workflow(
        "inner",
        [],
        [call("a", "note", [lit(1)]), call("b", "bad", [lit(2)], catch=True), ret(name("a"))],
    )
    flow = workflow("main", [], [sub("s", "inner", checkpoint=False), ret(name("s"))])
    (done,) = of(Done, run(made(flow, inner), work("main")))
    assert set(done.columns) == {"s", "s/b", "="}
    assert repr(done.columns["s"][0]) == "Hollow()"
    assert not of(
        Hop, run(made(COUNT, flush=0.0), work("count", {"acc": 0, "n": 4}, checkpoint=False))
    )


def test_fan_out_bodies() -> None:
    body = [
        call("f", "add", [name("x"), name("k")]),
        branch("if", [arm(["cmp", [">"], [name("f"), lit(2)]], [call("g", "note", [name("f")])])]),
    ]
    flow = workflow(
        "main",
        ["xs", "k"],
        [
            map_(
                "m",
                ["x"],
                name("xs"),
                body,
                [
                    ("m", name("f")),
                    ("twice", ["bin", "*", name("f"), lit(2)]),
                    ("named", name("f"), name("x"), ["cmp", ["<"], [name("x"), lit(3)]]),
                ],
            )
        ],
    )
    one = work("main/m", {"k": 1}, map="m", path="main", items=[1, 2, 3])
    found = columns(run(made(flow), one))
    assert found == {
        "f": [2, 3, 4],
        "g": [MISSING, 3, 4],
        "=twice": [4, 6, 8],
        "=named": [(1, 2), (2, 3), MISSING],
    }


def test_targets_unpack_and_a_wrong_element_fails_alone() -> None:
    flow = workflow(
        "main",
        ["xs"],
        [
            map_(
                "m",
                ["a", "b"],
                name("xs"),
                [call("f", "add", [name("a"), name("b")])],
                [("m", name("f"))],
            )
        ],
    )
    reports = run(
        made(flow), work("main/m", map="m", path="main", items=[(1, 2), (1, 2, 3), (3, 4)])
    )
    failed = failure(reports)
    assert (failed.offset, failed.error.task) == (1, "main/m[1]")
    assert [(d.start, d.count) for d in of(Done, reports)] == [(0, 1), (2, 1)]


def test_ids_have_hops_elements_and_origins() -> None:
    inner = workflow("inner", ["n"], [branch("if", [arm(is_zero(), [call("b", "bad", [lit(1)])])],
                                             then=[cont("inner", [less()])])])  # fmt: skip
    flow = workflow("main", ["xs"], [
        map_("m", ["x"], name("xs"), [sub("s", "inner", [name("x")])], [("m", name("s"))]),
        map_("k", ["x"], name("xs"), [call("b", "bad", [name("x")], origin="later")], [("k", name("b"))]),
    ])  # fmt: skip
    one = failure(run(made(flow, inner), work("main/m", map="m", path="main", items=[3])))
    assert (one.error.task, one.node) == ("main/m[0]/s~3/b", "s/b")
    two = failure(run(made(flow, inner), work("main/k", map="k", path="main", items=[3])))
    assert two.error.task == "main/later[0]/b"
    hop = failure(run(made(inner), work("inner", {"n": 2}, path="main/x~5", hop=5)))
    assert hop.error.task == "main/x~7/b"


def test_a_million_hops_in_constant_memory() -> None:
    import tracemalloc

    flow = workflow(
        "loop",
        ["n"],
        [
            branch(
                "if",
                [arm(is_zero(), [ret(lit("end"))])],
                then=[cont("loop", [less()], inplace=True)],
            )
        ],
        carried="inplace",
    )
    one = made(flow)
    run(one, work("loop", {"n": 10}))
    tracemalloc.start()
    try:
        assert (
            result(one, work("loop", {"n": 60_000})) == "end"
        )  # tracing is slow: not a whole million
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


def test_inline_values_stay_inline() -> None:
    assert isinstance(value(1), Inline)


def test_an_element_that_cannot_be_unpacked_fails_alone() -> None:
    flow = workflow(
        "main",
        ["xs"],
        [map_("m", ["a", "b"], name("xs"), [call("f", "add", [name("a")])], [("m", name("f"))])],
    )
    reports = run(made(flow), work("main/m", map="m", path="main", items=[3, (1, 2)]))
    assert failure(reports).error.type == "TypeError"
    assert [(d.start, d.count) for d in of(Done, reports)] == [(1, 1)]
