"""A cluster of two machines: what is in a folder of the first is hidden from the second.

`python -m tests.fire.unshared FOLDER` prints what came of a run there that was killed and resumed, as
JSON. The second machine is a raylet with mounts of its own, on which that folder is empty.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.fire.project import COMMAND, wait_for

SPEC = """
from far import mk, ln, until_there

task there = mk with (resources={"other": 1})
task read_there = ln with (resources={"other": 1})
task here = mk with (resources={"first": 1})
task read_here = ln with (resources={"first": 1})
task held = until_there with (resources={"first": 1})

workflow main(gate: str):
    small = there(10)
    large = there(300_000)
    bulky = there(6_000_000)
    many = [there(n) for n in [10, 100_000, 70_000]]
    mine = here(300_000)
    first = [read_here(large), read_there(mine)]
    opened = held(gate) after (first, many, bulky, small)
    sizes = [read_there(x) for x in [mine, large, bulky]] after (opened)
    near = [read_here(x) for x in [small, large, bulky]] after (opened)
    every = [read_here(x) for x in many] after (opened)
    late = there(200_000) after (opened)
    return [first, sizes, near, every, read_here(late)]
"""
CODE = """
import time
from pathlib import Path

def mk(n: int) -> bytes:
    return b"x" * n

def ln(s: bytes) -> int:
    return len(s)

def until_there(path: str) -> int:
    while not Path(path).exists():
        time.sleep(0.01)
    return 1
"""


JOIN = """
import json, sys
from ray._private.node import Node
from ray._private.parameter import RayParams

given = RayParams(
    gcs_address=sys.argv[1], node_ip_address="127.0.0.1", num_cpus=1, resources={"other": 1},
    object_store_memory=200_000_000, include_log_monitor=False, node_manager_port=0,
    min_worker_port=0, max_worker_port=0,
)
given.dashboard_agent_listen_port = None
node = Node(given, head=False, shutdown_at_exit=False, spawn_reaper=False)
sys.stdin.read()
node.kill_all_processes(check_alive=False, allow_graceful=False, wait=True)
"""
"""`ray start` joins no cluster on the loopback interface."""


@contextlib.contextmanager
def second(address: str, folder: Path) -> Iterator[None]:
    """One more raylet, which does not see what is in the folder."""
    with (folder.parent / "second.log").open("w") as log:
        hide = f"mount -t tmpfs none {folder}"
        python = [sys.executable, "-c", JOIN, address]
        process = subprocess.Popen(
            ["unshare", "-m", "sh", "-c", f'{hide} && exec "$@"', "sh", *python],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
        )
        try:
            yield
        finally:
            process.communicate(timeout=30)  # the end of its input


def says(folder: Path, *arguments: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [*COMMAND, *arguments], cwd=folder, capture_output=True, text=True, timeout=90, check=False
    )
    return done.returncode, done.stdout, done.stderr


def states(folder: Path) -> dict[str, str]:
    import wfc

    with contextlib.suppress(wfc.StorageError):
        return {t.id: t.state for t in wfc.get("r", store=folder / ".wfc").tasks()}
    return {}


def go(folder: Path, address: str) -> dict[str, Any]:
    """Run, kill, resume; then what the store has."""
    (folder / "far.wf").write_text(SPEC)
    (folder / "far.py").write_text(CODE)
    gate = folder / "gate"
    where = ["--address", address]
    command = [*COMMAND, "run", "far.wf", f"-pgate={gate}", "--run-id", "r", *where]
    with (folder.parent / "first.log").open("w") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
        made = "main/small", "main/large", "main/bulky", "main/mine"

        def is_done() -> bool:
            found = states(folder)
            reads = [s for id, s in found.items() if "read_" in id or "many" in id]
            return len(reads) >= 5 and {*reads, *(found.get(id) for id in made)} <= {"done"}

        try:
            wait_for(is_done, process)
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
    gate.touch()
    resumed = says(folder, "resume", "r", *where)
    found = states(folder)
    values = [id for id in found if "read_" not in id and "held" not in id]
    outputs = {id: says(folder, "output", "r", id)[0] for id in values}
    sealed = sorted(p.name for p in (folder / ".wfc" / "values" / "r").glob("*"))
    return {"resumed": resumed, "states": found, "outputs": outputs, "stored": len(sealed)}


def main() -> None:
    from ray.cluster_utils import Cluster

    folder = Path(sys.argv[1])
    cluster = Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": 1, "resources": {"first": 1}, "include_dashboard": False},
    )
    try:
        with second(cluster.address, folder):
            result = go(folder, cluster.address)
    finally:
        cluster.shutdown()
    print("RESULT", json.dumps(result))


if __name__ == "__main__":
    os.environ.pop("RAY_ADDRESS", None)
    main()
