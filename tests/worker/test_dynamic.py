"""Graphs of calls that tasks return, inside and outside of a run."""

from __future__ import annotations

import os
import threading
from typing import Any

import pytest

import wfc
from tests.worker.harness import columns, failure, of, result, run, runner, value, work
from tests.worker.plans import call, lit, map_, name, plan, ret, sub, workflow
from wfc.plan.model import Graph
from wfc.runtime.values import Bound, Pending, load_inline
from wfc.runtime.work import Became, Hop, Work
from wfc.runtime.worker import dynamic


def add(a: Any, b: Any = 1) -> Any:
    return a + b


def count(n: int, acc: int = 0) -> Any:
    return wfc.continuation(wfc.call("count", n - 1, acc + n)) if n else acc


def free(n: int) -> Any:
    def helper(m: int) -> Any:
        return wfc.continuation(wfc.call(helper, m - 1)) if m else ("free", wfc.task_id())

    return wfc.continuation(wfc.call(helper, n))


def chain(n: int) -> Any:
    one = wfc.call("add", n)
    two = wfc.call(add, one, b=[one][0])
    return wfc.continuation(wfc.call(add, two, 100))


def connection() -> Any:
    lock = threading.Lock()
    used = wfc.call(held, lock).options(inplace=True)
    return wfc.continuation(wfc.call(add, used, "!").options(inplace=True))


def held(lock: Any) -> str:
    return type(lock).__name__


def mixed() -> Any:
    lock = threading.Lock()
    first = wfc.call(held, lock).options(inplace=True, checkpoint=False, name="first")
    return wfc.continuation(wfc.call("add", first, "?"))


def wide(n: int) -> Any:
    calls = [wfc.call("add", i) for i in range(n)]
    ready, late = wfc.wait(2, calls, timeout=5)
    return wfc.continuation(
        {"ready": ready, "late": late, "sum": wfc.call("total", ready).options(catch=True)}
    )


def total(xs: Any) -> Any:
    return sum(xs)


def heavy(n: int) -> Any:
    return wfc.continuation(wfc.call("add", n).options(num_gpus=1))


def flow_call(n: int) -> Any:
    return wfc.continuation(wfc.call("inner", n))


def wrong(what: str) -> Any:
    if what == "name":
        return wfc.continuation(wfc.call("ad", 1))
    if what == "arity":
        return wfc.continuation(wfc.call("add"))
    if what == "option":
        return wfc.continuation(wfc.call("add", 1).options(num_cpu=1))
    if what == "inplace":
        return wfc.continuation(wfc.call("add", 1).options(inplace=True, num_cpus=1))
    if what == "nested":
        return [wfc.continuation(wfc.call("add", 1))]
    return wfc.call("add", 1)


FUNCTIONS = {
    f.__name__: f
    for f in (
        add,
        count,
        free,
        chain,
        connection,
        held,
        mixed,
        wide,
        total,
        heavy,
        flow_call,
        wrong,
    )
}


def made(target: str, *args: Any, **more: Any) -> Any:
    inner = workflow("inner", ["k"], [call("a", "add", [name("k")]), ret(name("a"))])
    hard = workflow("hard", ["k"], [call("a", "add", [name("k")]), ret(name("a"))], carried=None)
    main = workflow(
        "main",
        [],
        [call("t", target, [lit(a) for a in args], **more.pop("call", {})), ret(name("t"))],
    )
    return runner(plan(main, inner, hard, tasks=dict.fromkeys(FUNCTIONS)), FUNCTIONS, **more)


def test_a_task_that_continues_itself_runs_here() -> None:
    reports = run(made("count", 2000, flush=0.002), work("main"))
    assert columns(reports) == {"t": [2001000], "=": [2001000]}
    hops = of(Hop, reports)
    assert {h.frame for h in hops} == {"t"}
    last = hops[-1].state
    assert (last.target, last.callee, last.hop) == (
        "count",
        "task",
        2000 - load_inline(last.args["$0"]),
    )


def test_a_hop_of_a_task_is_resumed() -> None:
    from wfc.runtime.work import HopState

    state = HopState(5, "count", "task", {"$0": value(2), "acc": value(10)})
    assert result(made("count", 9), work("main", known={0: {"t~": state}})) == 13


def test_functions_that_are_no_tasks_go_by_value() -> None:
    reports = run(made("free", 3, flush=0.0), work("main"))
    assert columns(reports)["="] == [("free", "main/t~4/helper")]
    states = [h.state for h in of(Hop, reports)]
    assert {s.target for s in states} == {"$dyn"}
    again = made("free", 99)
    assert result(again, work("main", known={0: {"t~": states[1]}}))[0] == "free"


def test_a_chain_of_plain_calls_runs_here() -> None:
    reports = run(made("chain", 5, flush=0.0), work("main"))
    assert columns(reports)["="] == [6 + 6 + 100]


def test_inplace_calls_see_the_very_objects() -> None:
    assert result(made("connection"), work("main")) == "lock!"


def test_what_belongs_elsewhere_is_handed_over_and_the_home_is_kept() -> None:
    one = made("mixed")
    (became,) = of(Became, run(one, work("main", id=4)))
    assert (became.node, became.home, one.homes) == ("t", 4, {4})
    (constant,) = became.dynamic.env.values()
    assert constant == Bound(4, "main/t/$c0")
    graph = Graph.model_validate_json(became.dynamic.graph)
    assert [(n.id, n.kind) for n in graph.nodes] == [
        ("first", "call"),
        ("continuation", "continuation"),
    ]
    more = Work(
        5,
        "$dyn",
        "main/t",
        nodes=("first",),
        env=dict(became.dynamic.env),
        dynamic=became.dynamic,
        home=4,
    )
    assert columns(run(one, more)) == {"first": ["lock"]}


def test_waits_are_for_the_engine() -> None:
    (became,) = of(Became, run(made("wide", 3), work("main")))
    assert became.home is None
    graph = Graph.model_validate_json(became.dynamic.graph)
    assert [n.id for n in graph.nodes] == [
        "add",
        "add#2",
        "add#3",
        "group",
        "wait",
        "ready",
        "pending",
        "total",
        "return",
    ]
    assert [n.managed for n in graph.nodes[:3]] == [True] * 3
    wait = graph.nodes[4]
    assert (wait.members, wait.quorum.form, wait.quorum.value, wait.timeout) == (
        ["handle", "group"], "count", ["lit", 2], ["lit", 5])  # fmt: skip
    assert graph.nodes[8].expr[0] == "dict"
    assert graph.nodes[7].catch


def test_another_shape_goes_elsewhere() -> None:
    (became,) = of(Became, run(made("heavy", 1), work("main")))
    (node,) = Graph.model_validate_json(became.dynamic.graph).nodes
    assert (node.kind, node.target, node.options) == ("continuation", "add", {"num_gpus": 1})


def test_workflows_can_be_called() -> None:
    assert result(made("flow_call", 1), work("main")) == 2


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("name", "no task or workflow 'ad': did you mean 'add'"),
        ("arity", "add(): missing a required argument: 'a'"),
        ("option", "no option 'num_cpu': did you mean 'num_cpus'"),
        ("inplace", "it has no num_cpus"),
        ("nested", "must be what the task returns"),
        ("handle", "stands for a value that does not exist yet"),
    ],
)
def test_mistakes_are_told_at_the_task(what: str, message: str) -> None:
    error = failure(run(made("wrong", what), work("main"))).error
    assert message in error.message
    assert error.task == "main/t"
    if what in ("name", "arity", "option"):
        assert "in wrong" in error.traceback


def test_in_a_fan_out_elements_become_graphs_one_by_one() -> None:
    main = workflow(
        "main",
        ["xs"],
        [map_("m", ["x"], name("xs"), [call("c", "count", [name("x")])], [("m", name("c"))])],
    )
    one = runner(plan(main, tasks=dict.fromkeys(FUNCTIONS)), FUNCTIONS)
    found = columns(run(one, work("main/m", map="m", path="main", items=[0, 1, 2, 3])))
    assert found == {"c": [0, 1, 3, 6]}
    wide_ = workflow(
        "main",
        ["xs"],
        [map_("m", ["x"], name("xs"), [call("c", "wide", [name("x")])], [("m", name("c"))])],
    )
    one = runner(plan(wide_, tasks=dict.fromkeys(FUNCTIONS)), FUNCTIONS)
    reports = run(one, work("main/m", map="m", path="main", items=[2, 3]))
    assert [(b.offset, b.node) for b in of(Became, reports)] == [(0, "c"), (1, "c")]


def test_a_continuation_of_what_the_engine_must_run() -> None:
    from tests.worker.plans import cont

    hard = workflow("hard", ["k"], [ret(name("k"))], carried=None)
    main = workflow("main", [], [sub("s", "soft"), ret(name("s"))])
    soft = workflow("soft", [], [cont("hard", [["list", [lit(1)]]])])
    one = runner(plan(main, soft, hard), {})
    (became,) = of(Became, run(one, work("main")))
    assert (became.node, became.home) == ("s", None)


def test_outside_of_a_run_it_is_just_computed() -> None:
    def f(x: Any, y: Any = 0) -> Any:
        return x + y

    def loop(n: int) -> Any:
        return wfc.continuation(wfc.call(loop, n - 1)) if n else "end"

    one = wfc.call(f, 1)
    assert wfc.continuation(wfc.call(f, one, y=one)) == 2
    assert wfc.continuation([one, {"k": wfc.call(f, 5, 5)}, 3]) == [1, {"k": 10}, 3]
    assert loop(50) == "end"
    ready, late = wfc.wait("50%", [wfc.call(f, i) for i in range(4)])
    assert wfc.continuation([ready, late]) == [[0, 1], [2, 3]]
    caught = wfc.continuation(wfc.call(f, "a", 1).options(catch=True))
    assert caught.error.type == "TypeError"
    with pytest.raises(RuntimeError, match="only 0 of 1"):
        wfc.continuation(wfc.wait("any", [wfc.call(f, "a", 1)]).ready)
    with pytest.raises(LookupError, match="no run is going on"):
        wfc.call("add", 1)
    with pytest.raises(RuntimeError, match="needs a run"):
        wfc.continuation([dynamic.receive("s")])
    assert wfc.continuation([dynamic.sleep(0)]) == [None]


def test_bad_waits() -> None:
    with pytest.raises(TypeError, match="not plain values"):
        wfc.wait(1, [1])  # type: ignore[list-item]
    with pytest.raises(ValueError, match="can never be done"):
        wfc.wait(2, [dynamic.sleep(1)])
    with pytest.raises(ValueError, match="a quorum is"):
        wfc.wait("most", [dynamic.sleep(1)])
    assert wfc.wait(1, Pending("main", "xs", (0, 1))).form == "count"


def test_ids_do_not_depend_on_the_process() -> None:
    assert os.getpid()
    a = of(Became, run(made("wide", 3), work("main")))[0].dynamic
    b = of(Became, run(made("wide", 3), work("main")))[0].dynamic
    assert (a.digest, a.graph) == (b.digest, b.graph)


def test_steps_take_what_they_can() -> None:
    def f(x: Any) -> Any:
        return x

    one = wfc.call(f, 1)
    assert wfc.sleep(0).options(after=one).after == (one,)
    assert wfc.receive("s").options(catch=True).catch
    with pytest.raises(TypeError, match=r"<sleep of 1\.0 s> has no option 'catch': it has after"):
        wfc.sleep(1).options(catch=True)
    with pytest.raises(TypeError, match="takes calls"):
        wfc.wait(1, [one]).options(after=[3])
    with pytest.raises(TypeError, match="the pending part of a wait"):
        wfc.cancel(wfc.wait(1, [one]).ready)
    split = wfc.wait(1, [one, wfc.call(f, 2)])
    assert wfc.continuation([split.ready, wfc.cancel(split.pending)]) == [[1], None]
    lost = wfc.wait("all", [one, wfc.call(len, 3)]).options(catch=True)
    assert wfc.continuation(wfc.call(f, lost)).ok is False


def test_every_option_of_a_task_is_one_of_a_call() -> None:
    from wfc.compiler.options import OPTIONS as OF_SPECS

    of_calls = dynamic.OPTIONS | {"name", "checkpoint"}
    assert {name for name, option in OF_SPECS.items() if "call" in option.places} <= of_calls
