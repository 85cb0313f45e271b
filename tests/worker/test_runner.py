"""The runner: packing, stored values, what tasks print and raise, parking, flushes."""

from __future__ import annotations

import errno
import os
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.worker.harness import columns, failure, of, result, run, runner, work
from tests.worker.plans import call, expr, lit, map_, name, plan, ret, workflow
from wfc.runtime.codec import Buffer
from wfc.runtime.files import Files
from wfc.runtime.foldervalues import FolderValues
from wfc.runtime.seal import Sealer
from wfc.runtime.storage_errors import StorageError
from wfc.runtime.values import Bound, Column, Inline, Rows, Stored, Transient
from wfc.runtime.work import Done, Failed, Log, Partial, ValueLost
from wfc.runtime.worker import dynamic
from wfc.runtime.worker.cells import Cells, own_copy

BIG = "x" * 100_000


def big(x: Any) -> Any:
    return [BIG, x]


def same(x: Any) -> Any:
    return x


def lock() -> Any:
    return threading.Lock()


def use(lock: Any) -> str:
    with lock:
        return type(lock).__name__


def generate() -> Any:
    yield 1


def prints(x: Any) -> Any:
    print("hello", x)
    print("oops", file=sys.stderr)
    return x


def floods() -> None:
    for _ in range(50):
        print("y" * 100_000)


def moves() -> str:
    os.chdir("/")
    return os.getcwd()


def where() -> str:
    return os.getcwd()


class RudeError(Exception):
    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.Lock()

    def __str__(self) -> str:
        raise RuntimeError("no words")


def raises(kind: str) -> None:
    if kind == "exit":
        sys.exit(3)
    if kind == "interrupt":
        raise KeyboardInterrupt
    if kind == "rude":
        raise RudeError
    try:
        raise KeyError("first")
    except KeyError as error:
        raise ValueError("second") from error


def who(x: Any = None) -> Any:
    return dynamic.task_id(), dynamic.attempt()


async def later(x: Any) -> Any:
    return x + 1


FUNCTIONS = {
    f.__name__: f
    for f in (big, same, lock, use, generate, prints, floods, moves, where, raises, who, later)
}


class Shelf:
    """A fast way for large values."""

    def __init__(self) -> None:
        self.values: list[Any] = []

    def put_large(self, value: Any) -> Any:
        self.values.append(value)
        return len(self.values) - 1

    def get_large(self, handle: Any, size: int) -> Any:
        if self.values[handle] is None:
            raise LookupError("evicted")
        return own_copy(self.values[handle])


def flow(nodes: list[Any], params: list[Any] | None = None, given: Any = None, **more: Any) -> Any:
    functions = {**FUNCTIONS, **(given or {})}
    body = workflow("main", params or [], nodes)
    return runner(plan(body, tasks=dict.fromkeys(functions)), functions, **more)


def fan(*nodes: Any, out: str = "f", **more: Any) -> Any:
    return flow([map_("m", ["x"], name("xs"), list(nodes), [("m", name(out))])], ["xs"], **more)


def elements(items: list[Any], **more: Any) -> Any:
    return work("main/m", map="m", path="main", items=items, **more)


def test_plain_results_are_packed_and_others_are_not() -> None:
    one = fan(call("f", "same", [name("x")]))
    (done,) = of(Done, run(one, elements([1, "a", None, (1, 2.5)])))
    assert isinstance(done.columns["f"], Column)
    assert done.columns["f"].load() == [1, "a", None, (1, 2.5)]
    (done,) = of(Done, run(one, elements([1, [2]])))
    assert [type(v) for v in done.columns["f"]] == [Inline, Inline]
    assert [v.load() for v in done.columns["f"]] == [1, [2]]


def test_large_results_are_stored_and_read_back_without_their_handle() -> None:
    shelf = Shelf()
    one = flow(
        [
            call("a", "big", [lit(1)]),
            call("b", "same", [name("a")]),
            ret(["idx", name("b"), lit(1)]),
        ],
        large=shelf,
    )
    (done,) = of(Done, run(one, work("main")))
    (stored,) = done.columns["a"]
    assert isinstance(stored, Stored)
    assert stored.type == "list"
    assert done.columns["="].load() == [1]
    shelf.values[:] = [None] * len(shelf.values)
    again = work("main", {}, nodes=["b"])
    again.env = {"a": stored}
    (value,) = of(Done, run(one, again))[0].columns["b"]
    assert isinstance(value, Stored)


def test_damage_is_found_before_anything_is_decoded() -> None:
    one = flow([call("b", "same", [name("a")])], ["a"])
    stored = of(Done, run(flow([call("a", "big", [lit(1)])], store=one._values()), work("main")))[
        0
    ].columns["a"][0]
    again = work("main", nodes=["b"])
    again.env = {"a": Stored(stored.key, stored.size, bytes(32))}
    failed = failure(run(one, again))
    assert failed.error.type == "wfc.StorageError"
    assert "seal" in failed.error.message


def test_a_large_value_that_is_not_kept_is_transient_and_may_be_lost() -> None:
    shelf = Shelf()
    one = fan(call("f", "big", [name("x")], checkpoint=False), large=shelf)
    (done,) = of(Done, run(one, elements([1, 2])))
    assert [type(v) for v in done.columns["f"]] == [Transient, Transient]
    use_it = flow([call("b", "same", [name("a")])], ["a"], large=shelf)
    again = work("main", nodes=["b"])
    again.env = {"a": done.columns["f"][0]}
    assert of(Done, run(use_it, again))
    shelf.values[0] = None
    assert run(use_it, again) == [ValueLost(7, ("a",))]


def test_a_full_disk_is_no_fault_of_the_task() -> None:
    class Full:
        def put(self, key: str, buffers: Any) -> Any:
            raise StorageError("no space is left on the device: /data")

    one = flow([call("a", "big", [lit(1)], catch=True)], store=Full())
    failed = failure(run(one, work("main")))
    assert (failed.error.type, failed.error.message[:8]) == ("wfc.StorageError", "no space")


def test_results_that_cannot_be_pickled() -> None:
    kept = flow([call("l", "lock", inplace=True), call("u", "use", [name("l")], inplace=True)])
    failed = failure(run(kept, work("main")))
    assert failed.error.type == "wfc.UnpicklableResult"
    assert "nocheckpoint inplace" in failed.error.message
    assert "result of lock" in failed.error.message
    free = flow(
        [
            call("l", "lock", inplace=True, checkpoint=False),
            call("u", "use", [name("l")], inplace=True),
        ]
    )
    assert columns(run(free, work("main")))["u"] == ["lock"]
    away = flow([call("l", "lock", inplace=True, checkpoint=False), call("u", "use", [name("l")])])
    failed = failure(run(away, work("main")))
    assert (failed.node, failed.error.type) == ("u", "wfc.UnpicklableArgument")
    assert "inplace" in failed.error.message


def test_a_generator_is_a_clear_error() -> None:
    failed = failure(run(flow([call("g", "generate")]), work("main")))
    assert "return a list" in failed.error.message


def test_what_a_task_prints_is_its_own() -> None:
    reports = run(fan(call("f", "prints", [name("x")])), elements([1, 2]))
    logs = of(Log, reports)
    assert [(log.offset, log.node, log.text) for log in logs] == [
        (0, "f", "hello 1\noops\n"),
        (1, "f", "hello 2\noops\n"),
    ]
    assert not of(Log, run(fan(call("f", "prints", [name("x")]), capture=False), elements([1])))


def test_what_a_task_prints_is_bounded() -> None:
    (log,) = of(Log, run(flow([call("f", "floods")]), work("main")))
    assert len(log.text) < 140_000
    head, cut, tail = log.text.split("\n[")[0], log.text.split("[")[1].split("]")[0], log.text[-9:]
    assert set(head) == {"y"}
    assert cut == f"… {50 * 100_001 - 2 * 65536:,} characters left out …"
    assert tail == "yyyyyyyy\n"
    assert (log.task, log.attempt) == ("main/f", 1)


def test_the_folder_is_put_back_and_the_streams_are_ours_only_meanwhile() -> None:
    here, out = os.getcwd(), sys.stdout
    one = flow([call("a", "moves"), call("b", "where"), ret(name("b"))])
    assert result(one, work("main")) == here
    assert os.getcwd() == here
    assert sys.stdout is out


@pytest.mark.parametrize(
    ("kind", "type_", "message"),
    [
        ("exit", "SystemExit", "the task called exit(3)"),
        ("interrupt", "KeyboardInterrupt", ""),
        ("rude", f"{__name__}.RudeError", "<RudeError, whose __str__ raises RuntimeError>"),
        ("chain", "ValueError", "second"),
    ],
)
def test_whatever_a_task_raises_is_told_in_text(kind: str, type_: str, message: str) -> None:
    error = failure(run(flow([call("r", "raises", [lit(kind)])]), work("main"))).error
    assert (error.type, error.message) == (type_, message)
    assert "in raises" in error.traceback
    assert "interp.py" not in error.traceback
    if kind == "chain":
        assert "KeyError: 'first'" in error.traceback


def test_a_failed_element_does_not_hold_up_its_neighbours() -> None:
    one = fan(call("f", "raises", [name("x")]))
    reports = run(one, elements(["chain", "exit"]))
    assert [(r.offset, r.node) for r in of(Failed, reports)] == [(0, "f"), (1, "f")]
    half = fan(call("f", "later", [name("x")]))
    reports = run(half, elements([1, "a", 3]))
    assert [(d.start, d.count, d.columns["f"].load()) for d in of(Done, reports)] == [
        (0, 1, [2]),
        (2, 1, [4]),
    ]


def test_ids_and_attempts() -> None:
    one = fan(call("f", "who", [name("x")]))
    found = columns(run(one, elements([1, 2], failures={1: {"main/m[1]/f": 2}})))["f"]
    assert found == [("main/m[0]/f", 1), ("main/m[1]/f", 3)]
    two = flow([call("a", "who"), call("b", "who"), ret(["list", [name("a"), name("b")]])])
    assert result(two, work("main", failures={0: {"main/a": 1}})) == [("main/a", 2), ("main/b", 1)]
    assert who() == ("local", 1)


def test_works_of_a_batch_run_in_order_and_flush_together() -> None:
    one = flow([call("a", "same", [lit(1)])])
    flushes = list(one.run([work("main", id=1), work("main", id=2)]))
    assert [[r.work for r in f] for f in flushes] == [[1, 2]]
    each = list(flow([call("a", "same", [lit(1)])], flush=0.0).run([work("main", id=1)]))
    assert [type(r) for f in each for r in f] == [Partial, Done]


def test_a_batch_can_be_given_up_between_elements() -> None:
    one = fan(call("f", "same", [name("x")]), flush=0.0)
    steps = one.run([elements([1, 2, 3])])
    assert len(next(steps)) == 1
    assert one.between
    steps.close()
    assert len(run(one, elements([1]))) == 1


def test_parked_values_are_used_by_later_works_of_the_home() -> None:
    nodes = [
        call("l", "lock", inplace=True, checkpoint=False),
        call("xs", "same", [["list", [lit(1)]]], inplace=True),
        call("u", "use", [name("l")], inplace=True),
        call("v", "same", [name("xs")], inplace=True, checkpoint=False),
        call("other", "use", [name("l")]),
        expr("e", name("l")),
    ]
    from wfc.plan.model import Region

    region = {"r": Region(nodes=["l", "xs", "u", "v"])}
    main = workflow("main", [], nodes, regions=region)
    one = runner(plan(main, tasks=dict.fromkeys(FUNCTIONS)), FUNCTIONS)
    (done,) = of(Done, run(one, work("main", id=1, nodes=["l"], park=True)))
    bound = done.columns["l"][0]
    assert bound == Bound(1, "main/l")
    assert one.homes == {1}
    found = columns(run(one, work("main", {"l": bound}, id=2, nodes=["u"], home=1)))
    assert found == {"u": ["lock"]}
    (done,) = of(Done, run(one, work("main", id=3, nodes=["xs"], home=1)))
    run(one, work("main", {"xs": done.columns["xs"][0]}, id=4, nodes=["v"], home=1))
    table = one._cells.homes[1]
    assert table["main/v"] is table["main/xs"]
    one.release(1)
    assert run(one, work("main", {"l": bound}, id=5, nodes=["u"], home=1)) == [ValueLost(5, ("l",))]


def test_a_function_that_is_missing_fails_the_work() -> None:
    one = runner(
        plan(workflow("main", [], [call("a", "same", [lit(1)])]), tasks={"same": None}), {}
    )
    assert "no function for the task 'same'" in failure(run(one, work("main"))).error.message


def test_secrets_are_resolved_here_and_go_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "canary-1234")
    nodes = [
        expr("t", ["secret", "TOKEN"]),
        call("p", "prints", [name("t")], checkpoint=False),
        call("s", "same", [name("t")]),
        call("r", "raises", [["idx", ["dict", []], name("t")]]),
    ]
    one = flow(nodes)
    reports = run(one, work("main"))
    import pickle

    assert "canary" not in str(reports)
    assert b"canary" not in pickle.dumps(reports)
    monkeypatch.delenv("TOKEN")
    assert "TOKEN is not in the environment" in failure(run(one, work("main"))).error.message


def test_rows_are_joined_with_copies() -> None:
    one = flow([call("a", "same", [name("xs")]), ret(["idx", name("a"), lit(1)])], ["xs"])
    item = Inline(obj=[1])
    again = work("main")
    again.env = {"xs": Rows([Column(None, 2, [0, 5]), [item]])}
    assert result(one, again) == 5


def test_straight_bodies_report_what_was_done_before_a_failure() -> None:
    body = [
        call("a", "same", [name("x")]),
        expr("e", ["list", [name("a")]]),
        call("b", "later", [["idx", name("e"), lit(0)]]),
    ]
    one = fan(*body, out="b")
    reports = run(one, elements([1, "x", 3]))
    assert [(d.start, {n: c.load() for n, c in d.columns.items()}) for d in of(Done, reports)] == [
        (0, {"a": [1], "b": [2]}),
        (2, {"a": [3], "b": [4]}),
    ]
    assert [(p.offset, p.node, p.value.load()) for p in of(Partial, reports)] == [(1, "a", "x")]
    assert failure(reports).node == "b"


def test_a_full_disk_in_a_fan_out() -> None:
    class Full:
        def put(self, key: str, buffers: Any) -> Any:
            raise StorageError("no space")

    reports = run(fan(call("f", "big", [name("x")]), store=Full()), elements([1, 2]))
    assert [f.error.type for f in of(Failed, reports)] == ["wfc.StorageError"] * 2


@pytest.mark.parametrize("size", [1_000_000, 8_000_000])
def test_a_value_is_on_the_disk_before_it_is_told_of(tmp_path: Path, size: int) -> None:
    store = FolderValues(tmp_path, Sealer(bytes(32)))
    shelf = Shelf()
    value = Cells("r", lambda: store, shelf).value(b"x" * size)
    assert isinstance(value, Stored)
    assert len(store.get(value.key, value.size, value.seal)) == value.size > size
    assert shelf.get_large(value.handle, size) == b"x" * size


@pytest.mark.parametrize("size", [1_000_000, 8_000_000])
def test_a_value_that_cannot_be_written_is_told(tmp_path: Path, size: int) -> None:
    class Full(Files):
        def write(self, file: int, data: Buffer) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    store = FolderValues(tmp_path, Sealer(bytes(32)), files=Full())
    with pytest.raises(StorageError, match="ENOSPC"):
        Cells("r", lambda: store, Shelf()).value(b"x" * size)


@pytest.mark.parametrize(
    ("nodes", "out"),
    [
        ([call("f", "hang", [name("x")])], "f"),
        ([call("e", "same", [name("x")]), call("f", "hang", [name("e")])], "f"),
        ([call("f", "hang", [name("x")], catch=True)], "f"),
    ],
    ids=["tight", "fast", "general"],
)
@pytest.mark.parametrize("at", [0, 3, 9])
def test_what_has_not_begun_can_be_taken_while_an_element_runs(
    nodes: list[Any], out: str, at: int
) -> None:
    inside, on = threading.Event(), threading.Event()
    spared: list[int] = []

    def hang(x: int) -> int:
        if x == at:
            inside.set()
            assert on.wait(60)
        return x

    made = fan(*nodes, out=out, given={"hang": hang})

    def other() -> None:
        assert inside.wait(60)
        spared.extend([made.cut(), made.cut()])
        on.set()

    thread = threading.Thread(target=other)
    thread.start()
    reports = run(made, elements(list(range(10))))
    thread.join()
    found = [getattr(one, "value", one) for one in columns(reports)["f"]]
    assert found == list(range(at + 1))
    assert spared == [9 - at, 0]
    assert made.cut() == 0


def test_taking_what_has_not_begun_loses_and_doubles_nothing() -> None:
    """At any moment of a tight loop: what is spared and what is reported make up the whole."""
    begun: list[int] = []

    def count(x: int) -> int:
        begun.append(x)
        return x

    made = fan(call("f", "count", [name("x")]), given={"count": count})
    for seed in range(200):
        begun.clear()
        spared: list[int] = []

        def other(seed: int = seed, spared: list[int] = spared) -> None:
            while len(begun) < 5 * seed:
                pass
            spared.append(made.cut())

        thread = threading.Thread(target=other)
        thread.start()
        reports = run(made, elements(list(range(3000))))
        thread.join()
        assert columns(reports)["f"] == begun == list(range(len(begun)))
        assert len(begun) in (3000 - spared[0], 3000 - spared[0] - 1)
