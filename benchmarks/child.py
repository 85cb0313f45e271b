"""One workflow in a process of its own: what it takes there. Prints JSON.

`python -m benchmarks.child ADDRESS WORKFLOW N` runs it with one element first, so that what is
imported does not count: `grown` is how much more memory, in bytes, the process had at most meanwhile.
"""

from __future__ import annotations

import gc
import json
import sys
import threading
import time

import psutil

from benchmarks.functions import peak
from benchmarks.ours import ours


def main(address: str, workflow: str, n: int) -> None:
    import ray

    ray.init(address=address, log_to_driver=False, logging_level="ERROR")
    more = {"k": 0} if workflow.startswith("hops") else {}
    ours(workflow, n=1, **more)()
    run = ours(workflow, n=n, **more)
    process = psutil.Process()
    gc.collect()
    before = most = process.memory_info().rss
    over = threading.Event()

    def watch() -> None:
        nonlocal most
        while not over.wait(0.005):
            most = max(most, process.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    start = time.perf_counter()
    result = run()
    seconds = time.perf_counter() - start
    over.set()
    watcher.join()
    print(
        json.dumps({"result": result, "seconds": seconds, "grown": most - before, "peak": peak(0)})
    )


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
