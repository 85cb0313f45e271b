"""Nodes of a real Ray cluster die, the head among them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import psutil
import pytest

from tests.fire.project import Project, expected, wait_for

pytestmark = [pytest.mark.ray, pytest.mark.slow]

COUNT = 80

SCRIPT = """
import json, sys, time
from pathlib import Path
from ray.cluster_utils import Cluster
import wfc
from tests.fire.project import SPEC, Project, wait_for

folder = Path(sys.argv[1])
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
second = cluster.add_node(num_cpus=1, resources={"other": 1})
first = Project(folder / "first", str(folder / "store"))
first.log.parent.mkdir()
gate = folder / "gate"

run = wfc.start(
    wfc.compile(SPEC, "moved"), store=folder / "store", run_id="moved", address=cluster.address,
    gate=str(gate), log=str(first.log),
)
wait_for(lambda: any(what == "waits" for what, _ in first.lines()))
cluster.remove_node(second, allow_graceful=False)
gate.touch()
moved = run.result(120)

project = Project(folder, str(folder / "store"), ["--address", cluster.address])
process = project.run(count=int(sys.argv[2]), size=2, pause=0.03)
wait_for(lambda: len(project.lines()) >= int(sys.argv[2]) // 3, process)
cluster.shutdown()  # the head, and all that it kept in mind
process.kill()  # a driver without a head waits for it for a minute
process.communicate()
print("RESULT", json.dumps([moved, [what for what, _ in first.lines()]]))
"""


def test_what_was_on_a_node_that_dies_is_read_back_and_the_head_is_not_needed(
    root: Path, tmp_path: Path
) -> None:
    """An object lost with its node comes from its checkpoint, not from running its task again. A run
    whose cluster is gone goes on anywhere."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path), str(COUNT)],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    line = next(line for line in done.stdout.splitlines() if line.startswith("RESULT"))
    moved, ran = json.loads(line.removeprefix("RESULT "))
    assert moved == [1_000_000, 1_000_000]
    assert Counter(ran)["large"] == 1, "it was not made again"

    project = Project(tmp_path, str(tmp_path / "store"))
    kept = project.committed()
    assert 0 < len(kept) < COUNT
    code, out, err = project.says("resume", "r", "--local")
    assert (code, out) == (0, expected(COUNT, 2)), err
    project.check(kept, COUNT)


@pytest.mark.parametrize("part", ["raylet", "gcs_server"])
def test_a_part_of_the_private_ray_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    """Ray itself would end this process after 15 to 60 s, without a word of what to do."""
    monkeypatch.setenv("RAY_ADDRESS", "local")
    monkeypatch.setenv("RAY_TMPDIR", str(short := Path(tempfile.mkdtemp())))
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
    project = Project(tmp_path, str(tmp_path / "store"), [])
    process = project.run(count=COUNT, size=2, pause=0.05)
    wait_for(lambda: len(project.lines()) > 6, process)
    (victim,) = (p for p in psutil.Process(process.pid).children() if p.name() == part)
    victim.kill()
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (3, ""), err
    assert " is gone\n" in err
    assert f"wfc resume r --store {project.store}\n" in err
    wait_for(lambda: not left_in(process.pid))
    shutil.rmtree(short)
    kept = project.committed()
    assert 0 < len(kept) < COUNT
    code, out, err = project.says("resume", "r", "--local")
    assert (code, out) == (0, expected(COUNT, 2)), err
    project.check(kept, COUNT)


def left_in(session: int) -> list[int]:
    """The living processes of a session."""
    found = []
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) == session and process.status() != "zombie":
                found.append(process.pid)
        except (OSError, psutil.Error):
            continue
    return found
