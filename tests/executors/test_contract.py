"""What every executor promises, on real processes."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.executors.conftest import values
from tests.executors.fake_runner import rows
from tests.executors.fakes import drain, work
from wfc.runtime.executors.pool import Pool
from wfc.runtime.values import Inline
from wfc.runtime.work import Done, Failed, HomeLost, Lost, Report, Work

PATIENCE = 30.0


def until(pool: Pool, enough: Callable[[list[Report]], bool]) -> list[Report]:
    """Poll until the reports so far are enough."""
    out: list[Report] = []
    end = time.monotonic() + PATIENCE
    while not enough(out):
        assert time.monotonic() < end, f"still waiting after {PATIENCE} s: {out[-3:]}"
        out += pool.poll(0.2)
    return out


def spin(pool: Pool, ready: Callable[[], Any]) -> Any:
    """Poll until something outside has come about; returns it."""
    end = time.monotonic() + PATIENCE
    while not (found := ready()):
        assert time.monotonic() < end, f"still waiting after {PATIENCE} s"
        pool.poll(0.05)
    return found


def pids(path: Path) -> list[int]:
    return [int(line) for line in path.read_text().split()] if path.exists() else []


@pytest.fixture
def ids() -> Iterator[int]:
    return iter(range(1, 1_000_000))


def test_all_results_come_once(pool: Pool) -> None:
    pool.submit(work(1, 5000, "noop"))
    assert values(drain(pool, 5000)) == list(range(5000))


def test_a_single_call(pool: Pool) -> None:
    pool.submit(Work(1, "noop", "main", env={"x": Inline(obj="hello")}))
    assert values(drain(pool, 1)) == ["hello"]


def test_the_element_that_kills_its_process_is_charged_alone(pool: Pool) -> None:
    pool.submit(work(1, 200, "suicide"))
    reports = drain(pool, 200)
    lost = [report for report in reports if isinstance(report, Lost)]
    assert [(report.offset, report.kind) for report in lost] == [(77, "died")]
    assert values(reports) == [n for n in range(200) if n != 77]


def test_a_worker_killed_from_outside_loses_nothing(pool: Pool, tmp_path: Path) -> None:
    marker = tmp_path / "pid"
    items: list[Any] = [str(marker)]
    pool.submit(Work(1, "mark", "main", items=rows(items), indices=(0,)))
    (pid,) = spin(pool, lambda: pids(marker))
    pool.submit(work(2, 3000, "noop"))
    os.kill(pid, signal.SIGKILL)
    reports = until(
        pool,
        lambda out: (
            sum(r.count for r in out if isinstance(r, Done)) == 3000
            and any(isinstance(r, Lost) for r in out)
        ),
    )
    assert [(r.work, r.kind) for r in reports if isinstance(r, Lost)] == [(1, "died")]
    assert values(reports) == list(range(3000))


def test_a_timeout_stops_the_process(
    pool: Pool, tmp_path: Path, alive: Callable[[int], bool]
) -> None:
    marker = tmp_path / "pid"
    pool.submit(Work(1, "mark", "main", items=rows([str(marker)]), timeout=0.5))
    start = time.monotonic()
    (lost,) = until(pool, lambda out: bool(out))
    assert isinstance(lost, Lost)
    assert lost.kind == "timeout"
    assert "0.5 s" in lost.reason
    assert time.monotonic() - start < 15
    (pid,) = pids(marker)
    spin(pool, lambda: not alive(pid))


def test_cancel_ends_a_running_element_within_two_seconds(
    pool: Pool, tmp_path: Path, alive: Callable[[int], bool]
) -> None:
    marker = tmp_path / "pid"
    pool.submit(Work(1, "mark", "main", items=rows([str(marker)])))
    (pid,) = spin(pool, lambda: pids(marker))
    start = time.monotonic()
    pool.cancel(1)
    spin(pool, lambda: not alive(pid))
    assert time.monotonic() - start < 2
    pool.submit(work(2, 20, "noop"))
    reports = drain(pool, 20)
    assert {report.work for report in reports} == {2}  # type: ignore[union-attr]


def test_cancelling_some_lets_the_neighbours_finish(pool: Pool) -> None:
    pool.submit(work(1, 400, "long_now_and_then"))
    pool.poll(0.3)
    seen: list[Report] = []
    pool.cancel(1, [50, 150, 250, 350])
    gone = {50, 150, 250, 350}
    seen = until(pool, lambda out: not pool._on.jobs)
    assert not gone & set(values(seen))


def test_a_work_that_parked_is_a_home_until_it_is_released(
    pool: Pool, alive: Callable[[int], bool]
) -> None:
    pool.submit(Work(1, "pid", "main", env={"x": Inline(obj="kept")}, park=True))
    (pid,) = values(drain(pool, 1))
    for id in (2, 3):
        pool.submit(Work(id, "home", "main", home=1))
        assert values(drain(pool, 1)) == [(pid, "kept")]
    pool.submit(work(4, 100, "noop"))
    drain(pool, 100)
    pool.release(1)
    pool.submit(Work(5, "home", "main", home=1))
    assert [type(report) for report in until(pool, bool)] == [HomeLost]


def test_a_home_that_dies_is_reported(pool: Pool) -> None:
    pool.submit(Work(1, "pid", "main", env={"x": Inline(obj=5)}, park=True))
    (pid,) = values(drain(pool, 1))
    pool.submit(Work(2, "home", "main", home=1))
    assert values(drain(pool, 1)) == [(pid, 5)]
    os.kill(pid, signal.SIGKILL)
    (lost,) = until(pool, bool)
    assert isinstance(lost, HomeLost)
    assert lost.home == 1


def test_a_mistake_of_the_machinery_fails_one_element_each(pool: Pool) -> None:
    pool.submit(work(1, 3, "oops"))
    reports = until(pool, lambda out: len(out) == 3)
    assert all(isinstance(report, Failed) for report in reports)
    assert {report.offset for report in reports if isinstance(report, Failed)} == {0, 1, 2}


def test_many_works_of_one_element(pool: Pool) -> None:
    for id in range(1, 1001):
        pool.submit(Work(id, "noop", "main", env={"x": Inline(obj=id)}))
    assert values(drain(pool, 1000)) == list(range(1, 1001))


def test_the_rest_of_a_batch_does_not_wait_behind_a_long_element(pool: Pool) -> None:
    pool.submit(work(1, 300, "long_now_and_then"))
    assert values(drain(pool, 300)) == list(range(300))


def test_a_large_environment_is_sent_once_to_a_process(pool: Pool) -> None:
    for id in range(1, 13):  # more than a worker keeps
        big = Inline(Inline.encode("x" * (50_000 + id)))
        pool.submit(work(id, 40, "weigh", env={"big": big}))
    assert values(drain(pool, 480)) == [50_000 + id for id in range(1, 13) for _ in range(40)]
