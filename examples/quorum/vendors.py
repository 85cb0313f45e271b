"""The tasks of `quorum.wf`."""

from __future__ import annotations

import time
from dataclasses import dataclass

SECONDS = {"swift": 0.0, "brisk": 0.1, "crisp": 0.2, "amble": 600.0, "dilly": 600.0}
CENTS = {"swift": 320, "brisk": 300, "crisp": 280, "amble": 100, "dilly": 90}


@dataclass(frozen=True)
class Quote:
    vendor: str
    item: str
    cents: int


def ask(vendor: str, item: str) -> Quote:
    time.sleep(SECONDS[vendor])
    return Quote(vendor, item, CENTS[vendor])


def best(quotes: list[Quote]) -> Quote:
    return min(quotes, key=lambda quote: quote.cents)
