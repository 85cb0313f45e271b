"""One workflow in a process of its own: what it takes there. Prints JSON.

`python -m benchmarks.child ADDRESS WORKFLOW N` runs it with one element first, so that what is
counted is what the others take.
"""

from __future__ import annotations

import json
import sys
import time

from benchmarks.functions import peak
from benchmarks.ours import ours


def main(address: str, workflow: str, n: int) -> None:
    import ray

    ray.init(address=address, log_to_driver=False, logging_level="ERROR")
    more = {"k": 0} if workflow.startswith("hops") else {}
    ours(workflow, n=1, **more)()
    before = peak(0)
    run = ours(workflow, n=n, **more)
    start = time.perf_counter()
    result = run()
    seconds = time.perf_counter() - start
    print(json.dumps({"result": result, "seconds": seconds, "before": before, "peak": peak(0)}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
