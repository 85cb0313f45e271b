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


def stages(run: Callable[[], float]) -> None:
    """The quickest of nine runs, by what happens in it."""
    from wfc.runtime.executors.ray import RayTransport

    sent: list[float] = []
    heard: list[float] = []
    send, read = RayTransport.send, RayTransport._read

    def sending(self: Any, batch: Any) -> None:
        sent.append(time.perf_counter())
        send(self, batch)

    def reading(self: Any, stream: Any) -> None:
        heard.append(time.perf_counter())
        read(self, stream)

    RayTransport.send, RayTransport._read = sending, reading  # type: ignore[method-assign]
    best: list[float] = []
    for _ in range(9):
        sent.clear()
        heard.clear()
        start = time.perf_counter()
        seconds = run()
        # The last batch is the sum's: it is sent when all others have reported.
        marks = [start, sent[0], heard[0], sent[-1], heard[-1], start + seconds]
        if not best or marks[-1] - marks[0] < best[-1] - best[0]:
            best = marks
    RayTransport.send, RayTransport._read = send, read  # type: ignore[method-assign]
    names = (
        "store, functions, lease, plan",
        "the workers read the program and try one task each",
        "the tasks",
        "the sum",
        "the end: last commit, store closed",
    )
    print(f"{1000 * (best[-1] - best[0]):.0f} ms in all:")
    for name, begin, end in zip(names, best, best[1:], strict=False):
        print(f"{1000 * (end - begin):>6.0f} ms  {name}")


def main(n: int) -> None:
    import ray

    import wfc
    from wfc.runtime.coordinator import Coordinator
    from wfc.runtime.journal import GroupCommitter

    print(f"row 1 with {n:,} tasks, ", end="")
    ray.init(address="local", num_cpus=2, include_dashboard=False, logging_level="ERROR")
    plan = wfc.compile(SPEC, "fan_out")

    def run() -> float:
        start = time.perf_counter()
        wfc.run(plan, params={"n": n}, store=fresh())
        seconds = time.perf_counter() - start
        tidy()
        return seconds

    run()
    stages(run)
    loop, commits, whole = cProfile.Profile(), cProfile.Profile(), cProfile.Profile()
    back = [
        profiled(Coordinator, "run", loop),
        profiled(GroupCommitter, "_run", commits),
    ]
    whole.runcall(run)
    for undo in back:
        undo()
    print("by a profile:")
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
