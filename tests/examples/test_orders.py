from __future__ import annotations

from typing import Any

import pytest

import wfc


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
