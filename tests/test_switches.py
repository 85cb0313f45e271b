"""What is there for speed can be turned off, and changes nothing but that; and a disk that is slow
holds a run up, but does not fill its memory."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import wfc
from tests.programs.runner import Case, cases, check, run_program
from wfc.runtime import coordinator
from wfc.runtime.coordinator import Coordinator
from wfc.runtime.executors.local import LocalTransport
from wfc.runtime.executors.pool import Pool
from wfc.runtime.store import Store
from wfc.runtime.work import Work
from wfc.stored import bundle

SPEC = """
from numbers_ import double, total

workflow main(n: int) -> int:
    xs = [double(i) for i in range(n)]
    ys = [double(x) for x in xs]
    a = total(ys)
    b = double(a)
    c = double(b)
    d = catch hops(c, 40)
    early, late = wait(3 of ys)
    continuation hops(d.value + len(early), 5)

workflow hops(k: int, left: int) -> int:
    if left == 0:
        return k
    continuation inplace hops(k + 1, left - 1)
"""

TASKS = """
def double(x: int) -> int:
    return 2 * x

def total(xs: list[int]) -> int:
    return sum(xs)
"""

SWITCHES = [{"WFC_BATCH": "1"}, {"WFC_WINDOW": "0"}, {"WFC_BATCH": "1", "WFC_WINDOW": "0"}]
NAMES = [" ".join(f"{name}={value}" for name, value in switch.items()) for switch in SWITCHES]


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    (tmp_path / "numbers_.py").write_text(TASKS)
    path = tmp_path / "main.wf"
    path.write_text(SPEC)
    return path


@pytest.mark.parametrize("case", cases()[::30], ids=str)
@pytest.mark.parametrize("switch", SWITCHES[:2], ids=NAMES[:2])
def test_a_switch_does_not_change_the_result(
    case: Case, switch: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in switch.items():
        monkeypatch.setenv(name, value)
    check(case, run_program(case, "local"))


@pytest.mark.parametrize("optimize", [True, False], ids=["optimized", "plain"])
def test_a_switch_does_not_change_what_is_kept(
    spec: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, optimize: bool
) -> None:
    plan = wfc.compile(spec, "main", optimize=optimize)

    def kept(name: str) -> tuple[Any, list[str]]:
        run = wfc.start(plan, n=30, local=True, store=tmp_path / name)
        result = run.result(60)
        return result, sorted(task.id for task in run.tasks())

    usual = kept("usual")
    for number, switch in enumerate(SWITCHES):
        with monkeypatch.context() as environ:
            for name, value in switch.items():
                environ.setenv(name, value)
            assert kept(f"switch-{number}") == usual


def test_a_window_that_is_no_number_is_told(tmp_path: Path, spec: Path) -> None:
    with Store.open(tmp_path / "store") as store, pytest.MonkeyPatch.context() as environ:
        environ.setenv("WFC_WINDOW", "soon")
        with pytest.raises(ValueError, match="WFC_WINDOW is a number of seconds, not 'soon'"):
            Coordinator(store, "r", lambda: pytest.fail("nothing runs"))


class Watched(Pool):
    """A pool that shows each work that is submitted to it."""

    def __init__(self, seen: Callable[[], None], *args: Any) -> None:
        self.seen = seen
        super().__init__(*args)

    def submit(self, work: Work) -> None:
        self.seen()
        super().submit(work)


def prepared(
    store: Store, spec: Path, n: int, seen: Callable[[], None] = lambda: None
) -> Coordinator:
    """The coordinator of a new run, on two processes."""
    plan = wfc.compile(spec, "main")
    coordinator.create(store, "r", plan, {"n": n})
    program = coordinator.program(store, "r", plan, bundle(plan))
    return Coordinator(store, "r", lambda: Watched(seen, LocalTransport(2), program), limit=LIMIT)


LIMIT = 2_000
"""Bytes that may wait for the disk."""


def result_of(n: int) -> int:
    return 4 * 4 * (n * (n - 1) // 2) + 40 + 3 + 5


def test_without_a_window_nothing_goes_on_before_it_is_durable(
    tmp_path: Path, spec: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whenever work is submitted, all that it may build on is in the journal."""
    monkeypatch.setenv("WFC_WINDOW", "0")
    behind: list[int] = []

    def seen() -> None:
        committer = made._committer
        behind.append(committer.next_seq - 1 - committer.synced_seq)

    with Store.open(tmp_path / "store") as store:
        made = prepared(store, spec, 30, seen)
        assert made.run().value == result_of(30)
    assert len(behind) > 3
    assert set(behind) == {0}


def test_a_disk_that_stands_still_holds_the_run_up_in_bounded_memory(
    tmp_path: Path, spec: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only so many bytes wait for the disk, and only so many batches are under way; once it goes on,
    the run ends as if nothing had been."""
    disk, full = threading.Event(), threading.Event()
    waiting, sizes = [0], [0]

    class Noting(coordinator.GroupCommitter):
        def submit(self, kind: str, data: bytes, **more: Any) -> int:
            if self.would_block(len(data)):
                full.set()
            sizes.append(len(data))
            seq = super().submit(kind, data, **more)
            waiting.append(self._pending)
            return seq

        def _commit(self, *args: Any) -> None:
            assert disk.wait(60)
            super()._commit(*args)

    monkeypatch.setattr(coordinator, "GroupCommitter", Noting)
    monkeypatch.setenv("WFC_BATCH", "1")  # a record for each element
    with Store.open(tmp_path / "store") as store:
        made = prepared(store, spec, 200)
        outcomes: list[coordinator.Outcome] = []
        thread = threading.Thread(target=lambda: outcomes.append(made.run()))
        thread.start()
        assert full.wait(60)
        assert made._executor.running()["batches"] <= 4
        disk.set()
        thread.join(60)
        assert [outcome.value for outcome in outcomes] == [result_of(200)]
    assert max(waiting) <= LIMIT + max(sizes)
