from __future__ import annotations

from typing import Any


def test_slow_vendors_are_left_behind(run: Any) -> None:
    quote = run("quorum/quorum.wf", item="tea", patience=5)
    assert (quote.vendor, quote.item, quote.cents) == ("crisp", "tea", 280)


def test_with_quick_vendors_alone_nobody_is_left_behind(run: Any) -> None:
    quote = run("quorum/quorum.wf", vendors=["swift", "brisk", "swift"], patience=60)
    assert quote.vendor == "brisk"
