from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import wfc
from wfc import testing


def test_a_day_is_loaded(run: Any) -> None:
    summary = run("orders/orders.wf", day="2026-01-31")
    assert type(summary).__name__ == "Summary"
    assert (summary.day, summary.shops, summary.orders) == ("2026-01-31", 6, 129)
    assert summary.revenue == pytest.approx(4200.1)
    assert summary.best_shop == "bremen"


def test_the_unreliable_shops_were_read_again(start: Any) -> None:
    handle = start("orders/orders.wf")
    handle.result(120)
    attempts = {t.id: t.attempts for t in handle.tasks() if t.id.endswith("/read")}
    assert len(attempts) == 6
    assert sorted(attempts.values()) == [1, 1, 1, 1, 2, 2]


def test_a_day_without_orders_fails_with_its_line(start: Any) -> None:
    with pytest.raises(wfc.RunFailed) as caught:
        start("orders/orders.wf", day="1999-01-01").result(120)
    error = caught.value.error
    assert (error.type, error.message) == ("FileNotFoundError", "no orders of 1999-01-01")
    assert error.task == "main/files"
    assert "find_files" in error.traceback
    assert error.where is not None
    assert error.where[1] == 9


def test_a_share_that_is_lost_for_good_fails_the_run(root: Path) -> None:
    def lost(file: str) -> None:
        raise ConnectionError(file)

    ran = testing.run(
        root / "examples/orders/orders.wf",
        stubs={"find_files": lambda day: ["a.csv"], "read": lost},
    )
    assert ran.error is not None
    assert (ran.error.type, ran.error.message) == ("ConnectionError", "a.csv")
    assert [call.attempt for call in ran.called("read")] == [1, 2, 3, 4]


def test_a_crash_anywhere_changes_nothing(root: Path) -> None:
    runs = testing.crash_everywhere(root / "examples/orders/orders.wf")
    assert {ran.result().revenue for ran in runs} == {4200.1}
