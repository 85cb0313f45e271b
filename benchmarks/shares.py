"""`python -m benchmarks.shares [N]`: where the time of row 1 goes, by a profile of every part of it.

The coordinator's thread and its committer are profiled in this process, batches in the workers. What
a thread spends waiting for the others is told apart. A profile makes Python code slower than it is,
so these are shares, not seconds to add up.
"""

from __future__ import annotations

import cProfile
import pstats
import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from benchmarks.measure import fresh, tidy
from benchmarks.ours import SPEC

PLACES = (
    ("waiting", ("method 'acquire'", "wait (", "core_worker.wait", "time.sleep")),
    ("Ray", ("/ray/", "ray.", "_raylet")),
    ("pickle", ("pickle", "runtime/codec", "runtime/values.py", "journal/packing")),
    ("journal", ("sqlalchemy", "sqlite3", "runtime/journal", "runtime/seal", "blake2b", "HASH")),
    ("engine", ("runtime/engine", "runtime/linked", "runtime/steps")),
    ("executor", ("runtime/executors", "runtime/coordinator")),
    ("worker", ("runtime/worker",)),
    ("plan and functions", ("wfc/plan", "pydantic", "runtime/functions", "importlib", "/ast.py")),
)


def share(profile: cProfile.Profile) -> Counter[str]:
    """Seconds by place: of each function its own time, C functions under the name they have."""
    found: Counter[str] = Counter()
    for (file, _, name), entry in pstats.Stats(profile).stats.items():  # type: ignore[attr-defined]
        text = f"{file}:{name}"
        place = next((p for p, signs in PLACES if any(s in text for s in signs)), "other")
        if name == "wait" and "/ray/" in file:
            place = "waiting"
        found[place] += entry[2]
    return found


def profiled(cls: type, name: str, profile: cProfile.Profile) -> Callable[[], None]:
    """Have a method profiled; the function given back takes that away again."""
    plain = getattr(cls, name)

    def run(self: Any, *args: Any) -> Any:
        profile.enable()
        try:
            return plain(self, *args)
        finally:
            profile.disable()

    setattr(cls, name, run)
    return lambda: setattr(cls, name, plain)


def main(n: int) -> None:
    import ray

    import wfc
    from wfc.runtime.coordinator import Coordinator
    from wfc.runtime.journal import GroupCommitter

    ray.init(address="local", num_cpus=2, include_dashboard=False, logging_level="ERROR")
    plan = wfc.compile(SPEC, "fan_out")

    def run() -> float:
        start = time.perf_counter()
        wfc.run(plan, params={"n": n}, store=fresh())
        seconds = time.perf_counter() - start
        tidy()
        return seconds

    run()
    plain = min(run() for _ in range(5))
    loop, commits, whole = cProfile.Profile(), cProfile.Profile(), cProfile.Profile()
    back = [
        profiled(Coordinator, "run", loop),
        profiled(GroupCommitter, "_run", commits),
    ]
    whole.runcall(run)
    for undo in back:
        undo()
    print(f"row 1 with {n:,} tasks: {1000 * plain:.0f} ms without a profile")
    for what, profile in (
        ("caller: start-up, then waiting", whole),
        ("coordinator's thread", loop),
        ("committer's thread", commits),
    ):
        found = share(profile)
        total = sum(found.values())
        parts = ", ".join(
            f"{p} {100 * s / total:.0f} %" for p, s in found.most_common() if s > total / 200
        )
        print(f"  {what} ({1000 * total:.0f} ms): {parts}")
    ray.shutdown()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
