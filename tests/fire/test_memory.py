"""A task that eats the memory of its node: Ray kills it, it alone is charged, its neighbours finish."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

pytestmark = [pytest.mark.ray, pytest.mark.slow]

ROOM = 1_500_000_000
"""Bytes that may be used beyond what is used now."""

SCRIPT = """
import json, os, sys
os.environ["RAY_memory_usage_threshold"], os.environ["RAY_memory_monitor_refresh_ms"] = sys.argv[2], "100"
import wfc
from tests.fire.project import SPEC

found = wfc.run(wfc.compile(SPEC, "hungry"), store=sys.argv[1])
print("RESULT", json.dumps(found))
"""


def test_a_task_that_eats_all_memory(root: Path, tmp_path: Path) -> None:
    memory = psutil.virtual_memory()
    if memory.available < 4 * ROOM:
        pytest.skip(f"too little memory is free: {memory.available:,} bytes")
    limit = Path("/sys/fs/cgroup/memory.max")
    if limit.exists() and limit.read_text().strip() != "max":
        pytest.skip("the memory of these processes is limited: Ray measures by that")
    threshold = (memory.total - memory.available + ROOM) / memory.total
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path / "store"), str(threshold)],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    line = next(line for line in done.stdout.splitlines() if line.startswith("RESULT"))
    kind, message, beside = json.loads(line.removeprefix("RESULT "))
    assert kind == "wfc.WorkerLost"
    assert "its process was killed because the node ran out of memory" in message
    assert beside == 20
