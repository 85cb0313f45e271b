"""`python -m tests.simulation --seeds N [--seed S]`: look for a seed that fails, and show it small."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter

from tests.oracle.source import Seeded
from tests.simulation.verdict import kind, shrunk, simulate


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=2000, help="how many seeds (2000)")
    parser.add_argument("--seed", type=int, default=0, help="the first seed (0)")
    parser.add_argument("--all", action="store_true", help="go on after a failure, and count kinds")
    options = parser.parse_args()
    counts: Counter[str] = Counter()
    failures: Counter[str] = Counter()
    began = time.monotonic()
    for seed in range(options.seed, options.seed + options.seeds):
        try:
            _made, ended = simulate(Seeded(seed))
        except Exception as error:
            failures[kind(error)] += 1
            if failures[kind(error)] > 1:
                continue
            text, found = shrunk(seed)
            print(f"seed {seed}: {type(found).__name__}: {found}\n\n{text}\n")
            print("\n".join(getattr(found, "__notes__", [])), flush=True)
            if not options.all:
                return 1
        else:
            counts += ended.counts
            counts["runs"] += 1
    print(f"{time.monotonic() - began:.1f} s; {dict(sorted(counts.items()))}")
    for name, count in failures.most_common():
        print(f"{count} x {name}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
