from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from wfc import testing


def test_slow_vendors_are_left_behind(run: Any) -> None:
    quote = run("quorum/quorum.wf", item="tea", patience=5)
    assert (quote.vendor, quote.item, quote.cents) == ("crisp", "tea", 280)


def test_with_quick_vendors_alone_nobody_is_left_behind(run: Any) -> None:
    quote = run("quorum/quorum.wf", vendors=["swift", "brisk", "swift"], patience=60)
    assert quote.vendor == "brisk"


SECONDS = {"swift": 1.0, "brisk": 20.0, "crisp": 25.0, "amble": 40.0, "dilly": 600.0}


@pytest.mark.parametrize(
    ("patience", "answers", "seconds"),
    [
        (0.5, {"swift", "brisk"}, 20.5),
        (5.0, {"swift", "brisk", "crisp"}, 25.0),
        (1000.0, set(SECONDS), 600.0),
    ],
)
def test_patience(root: Path, patience: float, answers: set[str], seconds: float) -> None:
    def ask(vendor: str, item: str) -> str:
        testing.takes(SECONDS[vendor])
        return vendor

    ran = testing.run(
        root / "examples/quorum/quorum.wf", {"patience": patience}, stubs={"ask": ask, "best": set}
    )
    assert (ran.result(), ran.seconds) == (answers, seconds)
