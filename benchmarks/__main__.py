"""`python -m benchmarks`: each row beside its floor, in turns, on one machine in one session.

The rows are those of docs/performance.md. A row that has a target says whether it is met.
"""

from __future__ import annotations

import argparse
import json
import os
import platform

from benchmarks import processes, recovery, scale, schedule, throughput, values, variants, window
from benchmarks.measure import Found, Makers, measure, text

WARM = (throughput, values, recovery, schedule, scale, window)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--only", default="", metavar="ROWS", help="rows, as 1,3")
    parser.add_argument(
        "--quick",
        action="store_true",
        help="a tenth of the work, 2 runs: says nothing of the targets",
    )
    parser.add_argument("--runs", type=int, default=0, help="runs of each side that count (5)")
    parser.add_argument(
        "--variants", action="store_true", help="the same rows with other sizes and shapes"
    )
    return parser.parse_args()


def machine() -> dict[str, str | int | None]:
    """Where this is measured."""
    import ray

    return {
        "cpus": os.cpu_count(),
        "machine": platform.machine(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "ray": ray.__version__,
        "load": f"{os.getloadavg()[0]:.1f}",
    }


def main() -> None:
    """Measure and print."""
    args = arguments()
    small = 10 if args.quick else 1
    runs = args.runs or (2 if args.quick else 5)
    wanted = {int(part) for part in args.only.split(",") if part}
    found: list[Found] = []

    def every(makers: Makers) -> None:
        for number, make in makers:
            if wanted and number not in wanted:
                continue
            found.append(measure(make(), runs))
            if not args.json:
                print(text(found[-1], judge=not args.quick), flush=True)

    about = machine()
    if not args.json:
        print(", ".join(f"{name} {value}" for name, value in about.items()), flush=True)
    # Processes come first: while this one has a Ray, its workers would be in their way.
    if not args.variants:
        every(processes.rows(small))
    import ray

    ray.init(address="local", num_cpus=2, include_dashboard=False, logging_level="ERROR")
    try:
        for module in (variants,) if args.variants else WARM:
            every(module.rows(small))
    finally:
        ray.shutdown()
    if args.json:
        print(json.dumps({"machine": about, "rows": [one.as_json() for one in found]}, indent=2))


if __name__ == "__main__":
    main()
