"""What goes wrong in a simulated run, how often, and how many times it did."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace

from tests.oracle.source import Source, chance


@dataclass(frozen=True, slots=True)
class Faults:
    """Chances in a thousand, each time that the fault could happen; and limits.

    `stale`: the coordinator is believed dead, and another one takes over; later it wakes up and tries
    to commit. `clock`: the wall clock is set back, by up to twenty minutes.
    `raises`: a task that may be tried again raises, as long as it has attempts left.
    `losses` and `homes` bound how many processes may die in one run, since a task whose workers keep
    dying fails in the end. `crash` is asked at every record and at every step of the loop.
    """

    crash: int = 0
    storage: int = 0
    died: int = 0
    home: int = 0
    value: int = 0
    raises: int = 0
    duplicate: int = 0
    cancel: int = 0
    stale: int = 0
    clock: int = 0
    losses: int = 2
    homes: int = 1
    crashes: int = 4


NONE = Faults()
USUAL = Faults(crash=12, storage=6, died=15, home=100, value=30, raises=400, duplicate=40)
HARSH = Faults(
    crash=60,
    storage=30,
    died=40,
    home=300,
    value=100,
    raises=500,
    duplicate=150,
    stale=15,
    clock=15,
    crashes=12,
)
STORM = replace(USUAL, crash=250, crashes=60)
"""The coordinator dies at every fourth record: what one replay decides, the next must not undo."""


@dataclass(slots=True)
class Injector:
    """Decides by seed, and counts."""

    source: Source
    faults: Faults
    counts: Counter[str] = field(default_factory=Counter)

    def strikes(self, name: str) -> bool:
        """Whether this fault happens here and now."""
        per_mille: int = getattr(self.faults, name)
        if not per_mille or self.source.below(1000) < 1000 - per_mille:
            return False
        limit = {
            "died": self.faults.losses - self.counts["home"],
            "home": min(self.faults.homes, self.faults.losses - self.counts["died"]),
            "crash": self.faults.crashes - self.counts["storage"],
            "storage": self.faults.crashes - self.counts["crash"],
            "cancel": 1,
            "stale": 1,
        }.get(name)
        if limit is not None and self.counts[name] >= limit:
            return False
        self.counts[name] += 1
        return True

    def note(self, name: str) -> None:
        """Count something that happened by itself."""
        self.counts[name] += 1


def draw(source: Source) -> Faults:
    """How much goes wrong in a run: nothing, the usual, or a lot."""
    if not chance(source, 60):
        return NONE
    if chance(source, 15):
        return STORM
    drawn = replace(HARSH, losses=2) if chance(source, 30) else USUAL
    return replace(drawn, cancel=8) if chance(source, 20) else drawn
