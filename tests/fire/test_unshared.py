"""A cluster whose machines share no disk: nothing is lost, and nothing is told that is not so."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.ray, pytest.mark.slow]

VALUES = ["main/small", "main/large", "main/bulky", "main/mine", "main/late"]


def hides() -> str:
    """Why no folder can be hidden from a process here, if so."""
    if shutil.which("unshare") is None:
        return "there is no unshare"
    tried = ["unshare", "-m", "mount", "-t", "tmpfs", "none", "/mnt"]
    done = subprocess.run(tried, capture_output=True, text=True, check=False)
    return done.stderr if done.returncode else ""


@pytest.mark.skipif(bool(hides()), reason=f"a folder cannot be hidden from a node: {hides()}")
def test_values_of_a_node_that_does_not_see_the_store(root: Path, tmp_path: Path) -> None:
    """It has an empty folder of that name. For one with another store in it: `test_shared.py`."""
    folder = tmp_path / "project"
    folder.mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "tests.fire.unshared", folder],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    logs = "".join(log.read_text() for log in tmp_path.glob("*.log"))
    assert done.returncode == 0, done.stderr + logs
    line = next(line for line in done.stdout.splitlines() if line.startswith("RESULT"))
    found: dict[str, Any] = json.loads(line.removeprefix("RESULT "))
    code, out, err = found["resumed"]
    assert code == 0, err
    large = [300_000, 300_000]
    sizes = [*large, 6_000_000]
    assert json.loads(out) == [large, sizes, [10, *sizes[1:]], [10, 100_000, 70_000], 200_000]
    assert set(found["states"].values()) == {"done"}
    assert set(VALUES) <= set(found["outputs"])
    assert set(found["outputs"].values()) == {0}
    assert found["stored"] == 7, "the large ones, and what the killed owner has proven with"
