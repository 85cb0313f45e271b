"""A loop that hands on what lives in a process begins again when that process is lost: what its waits,
sleeps and receives have come to counts, for what follows from it counts too."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.oracle.source import Seeded
from tests.programs.runner import FOLDER, Case
from tests.simulation.faults import HARSH, USUAL
from tests.simulation.verdict import run, trial

RUNS = 240
PARTS = 4

SPEC = """
from tasks import Held, add, hold, mul, neg, total, use

workflow turns(held: Held, n: int, acc: int) -> int:
    xs = [add(acc + i) for i in range(4)]
    early, late = wait(2 of xs)
    ys = [mul(x) for x in early]
    zs = [mul(x, 3) for x in late]
    t = neg(total(early))
    first = wait(1 of zs)
    sleep(2s) after (t)
    go = catch receive("go", timeout=3s)
    s = total(ys) + inplace use(held, t) + total(first.ready) + (add(1) if go.ok else add(5))
    if n <= 0:
        return acc + s
    continuation inplace turns(held, n - 1, s % 7)

workflow main(n: int) -> int:
    held = nocheckpoint inplace hold(n)
    continuation inplace turns(held, 2, n)
"""


@pytest.mark.parametrize("part", range(PARTS))
def test_what_waits_came_to_counts(part: int) -> None:
    files = {"main.wf": SPEC, "lib.wf": (FOLDER / "lib.wf").read_text(encoding="utf-8")}
    case = Case("waits", files, "main.wf", {"n": 3})
    counts: Counter[str] = Counter()
    for optimize in (True, False):
        tried = trial(case, optimize)
        for seed in range(part, RUNS // 2, PARTS):
            faults = HARSH if seed // PARTS % 2 else USUAL
            counts.update(run(tried, Seeded(f"{seed}/{optimize}"), faults).counts)
    print(dict(counts))
    assert counts["home"] > RUNS / PARTS / 10
    assert counts["crash"] > RUNS / PARTS / 2
