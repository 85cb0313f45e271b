"""Processes that a task forks, in a worker that has a handler of SIGTERM, as those of Ray do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = """
import multiprocessing, signal, sys

signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(1))
from wfc.runtime.worker.context import watch_process

watch_process()
for _ in range(300):
    with multiprocessing.get_context("fork").Pool(2) as pool:  # which ends its processes by SIGTERM
        assert pool.map(abs, [-1, -2]) == [1, 2]
print(signal.pthread_sigmask(signal.SIG_BLOCK, []))
"""


def test_a_pool_ends_wherever_its_processes_are(root: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SCRIPT],
        cwd=root, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "set()\n"), done.stderr
