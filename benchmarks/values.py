"""Row 6: large results. The floor is Ray tasks that write their array to a file, sync it, and hand it
on through the object store."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from benchmarks.measure import Makers, Row, fresh, rate, times
from benchmarks.ours import ours


def rows(small: int) -> Makers:
    """The row, a `small`-th of the work."""
    yield 6, lambda: arrays(max(4, 40 // small), 16 * 1024 * 1024)


def arrays(n: int, size: int) -> Row:
    expected = float(size // 8 * (n * (n - 1) // 2))
    megabytes = n * size / 1e6
    sides = {
        "Ray tasks that write and sync": rate(megabytes, ray_arrays(n, size), expected),
        "wfc": rate(megabytes, ours("arrays", n=n, size=size), expected),
    }
    work = f"{n} arrays of {size / 2**20:g} MiB, persisted and reduced"
    return Row(6, work, "MB/s", sides, **times(0.8, "Ray tasks that write and sync"))


def ray_arrays(n: int, size: int) -> Callable[[], Any]:
    import ray

    @ray.remote
    def array(size: int, i: int, folder: str) -> Any:
        import numpy

        made = numpy.full(size // 8, float(i))
        with open(f"{folder}/{i}.part", "wb") as file:
            numpy.save(file, made)
            file.flush()
            os.fsync(file.fileno())
        os.rename(f"{folder}/{i}.part", f"{folder}/{i}.npy")
        return made

    @ray.remote
    def reduce(*arrays: Any) -> float:
        return float(sum(one.sum() for one in arrays))

    def run() -> Any:
        folder = fresh()
        return ray.get(reduce.remote(*[array.remote(size, i, folder) for i in range(n)]))

    return run
