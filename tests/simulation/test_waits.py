"""A loop that hands on what lives in a process begins again when that process is lost: what its waits,
sleeps and receives have come to counts, for what follows from it counts too. So does the moment when
it came to its end, for who waits for it and for others; and loops within it stand where they stood."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.oracle.source import Seeded
from tests.programs.runner import FOLDER, Case
from tests.simulation.faults import HARSH, STORM, USUAL
from tests.simulation.verdict import run, trial

RUNS = 160
PARTS = 4

INSIDE = """
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

BESIDE = """
from tasks import Held, add, hold, total, use

workflow turns(held: Held, n: int, acc: int) -> int:
    if n <= 0:
        return acc
    a = inplace use(held, acc)
    continuation turns(held, n - 1, a + 1)

workflow begin(n: int) -> int:
    held = nocheckpoint inplace hold(n)
    continuation inplace turns(held, 2, n)

workflow main(n: int) -> int:
    early, late = wait(1 of [begin(n), add(add(n)), begin(n + 1)])
    a = add(total(early))
    sleep(5s) after (a)
    b = add(a)
    more, rest = wait(1 of late, timeout=9s)
    c = add(total(more))
    sleep(5s) after (c)
    cancel(rest)
    return a + b + c
"""

WITHIN = """
from tasks import Held, add, hold, total, use

workflow inner(n: int, acc: int) -> int:
    if n <= 0:
        return acc
    a = add(acc, n) with (num_cpus=0.5)
    b = add(a)
    continuation inner(n - 1, b)

workflow turns(held: Held, n: int, acc: int) -> int:
    if n <= 0:
        return acc
    a = inplace use(held, acc)
    b = inplace use(held, a)
    xs = [inner(3, acc), inner(2, a), inner(3, n)]
    c = inplace use(held, b)
    continuation turns(held, n - 1, total(xs) + c)

workflow main(n: int) -> int:
    held = nocheckpoint inplace hold(n)
    return inplace turns(held, 3, n)
"""

GRAPHS = """
from grown import later
from tasks import Held, add, hold, merge, mul, total, use

workflow turns(held: Held, n: int, acc: int) -> int:
    if n <= 0:
        return acc
    ready, late = wait(1 of [later(acc), later(acc + 1)])
    a = merge(ready, late)
    b = mul(total(ready), n)
    c = inplace use(held, a % 50)
    continuation turns(held, n - 1, (b + c) % 20)

workflow main(n: int) -> int:
    held = nocheckpoint inplace hold(n)
    return inplace turns(held, 3, n)
"""

SPECS = {"inside": INSIDE, "beside": BESIDE, "within": WITHIN, "graphs": GRAPHS}


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
@pytest.mark.parametrize("part", range(PARTS))
def test_what_waits_came_to_counts(part: int, spec: str) -> None:
    files = {"main.wf": spec, "lib.wf": (FOLDER / "lib.wf").read_text(encoding="utf-8")}
    case = Case("waits", files, "main.wf", {"n": 3})
    counts: Counter[str] = Counter()
    for optimize in (True, False):
        tried = trial(case, optimize)
        for seed in range(part, RUNS // 2, PARTS):
            faults = (USUAL, HARSH, STORM)[seed // PARTS % 3]
            counts.update(run(tried, Seeded(f"{seed}/{optimize}"), faults).counts)
    print(dict(counts))
    assert counts["home"] > RUNS / PARTS / 20
    assert counts["crash"] > RUNS / PARTS / 2


READ = """
from grown import later
from odd import large, length, plus

workflow read(n: int) -> int:
    data = nocheckpoint large(70)
    r = catch nocheckpoint later(n)
    part = data[n:]
    m = r.value + n
    return len(part) - len(part) + m - m

workflow passed(n: int) -> bytes:
    data = nocheckpoint large(70)
    return data[n:]

workflow heard_late(n: int) -> int:
    data = nocheckpoint passed(n)
    part = data[1:]
    m = receive("go") after (part)
    return plus(m, n)

workflow heard(n: int) -> int:
    m = receive("go")
    return plus(m, n)

workflow main(n: int) -> list[int]:
    w = wait(1 of [nocheckpoint read(1), read(2), sleep(10ms)], timeout=20ms)
    v = wait(2 of [nocheckpoint passed(1), passed(2), nocheckpoint passed(3)], timeout=1s)
    u = wait(1 of [passed(1), passed(2)])
    xs = [heard_late(1), heard(2), heard_late(3), heard(4)]
    k = len(w.ready) + 10 * len(v.ready) + (100 if w.timed_out else 0)
    return [k, length(u.ready[0]), sum(xs)]
"""


@pytest.mark.parametrize("part", range(PARTS))
def test_a_replay_does_not_decide_before_what_workers_read_is_there(part: int) -> None:
    """An expression over what was not kept is not computed in a replay, and holds nobody up there."""
    case = Case("read", {"main.wf": READ}, "main.wf", {"n": 1}, {"go": [1, 2, 3, 4]})
    counts: Counter[str] = Counter()
    for optimize in (True, False):
        tried = trial(case, optimize)
        for seed in range(part, RUNS, PARTS):
            faults = (USUAL, HARSH, STORM)[seed // PARTS % 3]
            counts.update(run(tried, Seeded(f"read {seed}/{optimize}"), faults).counts)
    assert counts["crash"] > RUNS / PARTS / 2
