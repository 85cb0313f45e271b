"""The tasks of `drain.wf`."""

from __future__ import annotations

import random
import time

import wfc


def nap(number: int) -> int:
    time.sleep(random.uniform(0, 0.05))
    return number


def show(number: int) -> None:
    print(f"nap {number} is over")


def drain_all(naps: wfc.Pending[int]) -> str:
    """Wait for one of the naps, then go on with the others."""
    if not len(naps):
        return "All done"
    one = wfc.wait(1, naps)
    return wfc.continuation(wfc.call(show_and_go_on, one.ready, one.pending))


def show_and_go_on(ready: list[int], rest: wfc.Pending[int]) -> str:
    show(ready[0])
    return drain_all(rest)
