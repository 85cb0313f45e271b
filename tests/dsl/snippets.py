"""Sources that parse: together they have every form of the language."""

from __future__ import annotations

ORDERS = '''"""Nightly orders: fetch, parse, load."""

from etl import fetch, parse, load, Summary        # Python functions and classes
import "lib/quality.wf" as quality                 # workflows and tasks of another spec

task get = fetch with (max_retries=3, retry_exceptions=[ConnectionError], backoff=2s, timeout=5m)
inplace task plan = etl.plan
REGION = "eu-west-1"

workflow main(day: str, limit: int = 1000) -> Summary:
    """Load one day of orders."""
    files  = plan(day, limit)
    raw    = [get(f, region=REGION) for f in files] with (concurrency=32)
    tables = [nocheckpoint parse(r) for r in raw]      # element by element: no barrier
    return load(tables, day=day)
'''
CHEAPEST = """workflow cheapest(item: str, vendors: list[str]) -> Quote:
    quotes      = [ask(v, item) for v in vendors]
    early, late = wait(3 of quotes, timeout=30s)       # list[Quote], pending[Quote]
    more, lost  = wait(80% of late, timeout=10m)       # the same running tasks
    w = wait(any of [ask(v, item), sleep(3s)],)
    every = wait(all of late)
    sure = catch wait(2 of every.pending, timeout=1m) after (w, item)
    cancel(lost)
    return best(early + more)
"""
EXP = """workflow mode(m: Literal["a", -1, True, None] = "a", x: list[Literal['b']] = []) -> Literal[1]:
    return 1

workflow exp(k: int, n: int) -> int:                   # durable recursion
    if n == 0:
        return k
    continuation inplace exp(2 * k, n - 1)
"""
RELEASE = """workflow release(service: str, version: str) -> str with (timeout=4d):
    asked    = notify(f"{service} {version}?")
    decision = catch receive("approval", timeout=72h) after (asked)
    if not decision.ok:
        return "nobody answered"
    out = catch deploy(service, version)
    if out.ok:
        return out.value
    rollback(service, version)                         # a bare call
    return f"rolled back: {out.error}"
finally:
    notify(f"{service}: done")
"""
EXPRESSIONS = r"""
A = 1_000 + 0xff - 0b1 * 0o7 / 1.5 // 2e3 % 3 ** -2 @ a << 1 >> 2 & 3 | 4 ^ ~5
B = a < b <= c != d in e not in f is g is not h
C = not a and b or c if d else e if f else g
D = x[1], x[1:2], x[:], x[::2], x[a:b:c], x[-1][a, b], x.y.z, x[1].y
E = [], [1], [1, 2,], (), (1,), (1, 2), {}, {"a": 1, "b": [2], **{}} if False else {}
""".replace(", **{}", "")
TEXTS = r'''
A = 'it' "s" """long
text""" r"\d" '\n\x41\u00e9\N{BULLET}' f"{a}{b!r:>{{3}}" if False else ""
'''.replace("{b!r:>{{3}}", "{b!r:>3}")
FIELDS = """workflow main(a: int, s: str):
    return f"{a + 1} {{literal}} {s!r:>10} {[x for x in range(a)]} {a != 1:5} {'q'}" f'{s}' 'end' f\"\"\"
    {a}
    \"\"\"
"""
TASKS = """
task a = b.c
task a() = b
nocheckpoint inplace task a(x: int, y: list[str | None] = [], *,) -> dict[str, pending[T]] = m.f with (
    num_cpus=0.5, memory=4GiB, timeout=1h30m, name="x",
)
task t(f: tuple[int, ...], g=3) = a.b.c
from a.b import (c, d as e,)
import 'x.wf' as y
""".replace(", *,)", ",)")
COMPREHENSIONS = """workflow main(xs: list[int], ys: dict[str, int]):
    a = [f(x, y) for x in xs if x if x > 1 for y in ys if y]
    b = {k: f(v) for k, v in ys.items if v}
    c = [g(y) for y in [f(x) for x in xs]] with (concurrency=8) after (a, b)
    d = catch nocheckpoint [f(x) for (x, y) in zip(xs, ys)] after (c)
    e = catch inplace nocheckpoint f(x) with (name="a",) after (a,)
    g = (catch f(x)).value + (inplace g(x)).y
    h, i = f(x)
    return h, i
"""
NAMES = """workflow task(task: int, of: int, all: int, any: int, wait: int, after: int, workflow: int):
    x = wait(of of of)
    y = task(workflow, wait=3, catch=4).catch.inplace
    task = f(x)
    if of:
        workflow = f(x)
    of = x % of
    z = wait(80 % of of, timeout=wait)
    after = f(x) after (after)
"""
BLOCKS = """workflow main(a: int): return f(a)
workflow other(a: int):
    if a: pass
    elif b: return
    else:
        if c:
            if d:
                f(x)
    # a comment

        # another
    return \\
        f(a)
finally: f(a)

workflow third():
  "documentation only"

def_ = 1
"""
BRACKETS = """workflow main(
    a: int,
    b: str = "x",
) -> int:
    x = f(
        # before
        a,  # behind
        b
        # last
    ) with (
        timeout=5m,
    )
    return {
        "a": [  # open
            1,
        ],
    }
"""

SNIPPETS = [
    ORDERS, CHEAPEST, EXP, RELEASE, EXPRESSIONS, TEXTS, FIELDS, TASKS, COMPREHENSIONS, NAMES, BLOCKS,
    BRACKETS,
]  # fmt: skip
