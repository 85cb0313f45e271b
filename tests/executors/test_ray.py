"""What is particular to Ray."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.executors.conftest import values
from tests.executors.fake_runner import rows
from tests.executors.fakes import drain, work
from tests.executors.test_contract import until
from wfc.runtime.executors import rayside
from wfc.runtime.executors.messages import Echo
from wfc.runtime.executors.pool import Pool
from wfc.runtime.values import Inline, Stored
from wfc.runtime.work import Done, HomeLost, Log, Lost, Shape, Work

pytestmark = pytest.mark.ray


def test_functions_that_use_ray_themselves_do_not_block_each_other(on_ray: Pool) -> None:
    on_ray.submit(work(1, 6, "nested"))
    assert values(drain(on_ray, 6)) == [6 * n for n in range(6)]


def test_an_object_that_never_comes_is_not_waited_for_for_ever(
    on_ray: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ray

    monkeypatch.setattr(rayside, "PATIENCE", 0.2)
    never = ray.remote(resources={"no such": 1})(lambda: 1).remote()
    with pytest.raises(ray.exceptions.GetTimeoutError):
        rayside.ObjectStore().get_large(never, 1000)
    ray.cancel(never)


def test_parked_processes_hold_no_cpu(on_ray: Pool) -> None:
    """Nor does Ray let others wait for as long as there are more of them than CPUs."""
    parked = range(1, 13)
    for id in parked:
        on_ray.submit(Work(id, "pid", "main", env={"x": Inline(obj=id)}, park=True))
    pids = values(until(on_ray, lambda out: len(out) == len(parked)))
    assert len(set(pids)) == len(parked)
    for id in parked:
        on_ray.submit(Work(10 + id, "home", "main", home=id))
    assert sorted(values(drain(on_ray, len(parked)))) == sorted(zip(pids, parked, strict=True))
    for id in parked:
        on_ray.release(id)


def test_large_values_go_through_the_object_store(on_ray: Pool) -> None:
    numpy = pytest.importorskip("numpy")
    array = numpy.ones(1_000_000)
    on_ray.submit(Work(1, "store", "main", env={"x": Inline(obj=array)}))
    (done,) = drain(on_ray, 1)
    assert isinstance(done, Done)
    (value,) = done.columns["f"]  # type: ignore[misc]
    assert isinstance(value, Stored)
    assert value.handle is not None
    on_ray.submit(Work(2, "total", "main", env={"x": value}))
    assert values(drain(on_ray, 1)) == [1e6]


def test_shapes_become_options(on_ray: Pool) -> None:
    on_ray.submit(work(1, 4, "noop", shape=Shape(num_cpus=2, scheduling_strategy="SPREAD")))
    on_ray.submit(work(2, 4, "noop", shape=Shape(num_cpus=0)))
    assert len(values(drain(on_ray, 8))) == 8


def test_a_runtime_env_that_cannot_be_made_says_so(on_ray: Pool) -> None:
    env = json.dumps({"working_dir": "https://127.0.0.1:1/nothing.zip"})
    on_ray.submit(work(1, 1, "noop", shape=Shape(runtime_env=env)))
    (lost,) = until(on_ray, bool)
    assert isinstance(lost, Lost)
    assert "runtime environment" in lost.reason


def test_the_rest_of_a_batch_is_recalled_while_a_long_element_runs(on_ray: Pool) -> None:
    on_ray._transport._start_hub()  # type: ignore[attr-defined]
    on_ray.submit(work(1, 100, "noop"))
    drain(on_ray, 100)
    # One batch is known to be short, and is not: the other slot takes what is behind it.
    on_ray._on.pace(("long_now_and_then", None, "")).observe(1000, 0.1)
    on_ray.submit(work(2, 200, "long_now_and_then"))
    start = time.monotonic()
    assert values(drain(on_ray, 200)) == list(range(200))
    assert time.monotonic() - start < 20


PRIVATE = """
import json, os, socket, subprocess, sys
from tests.executors import fake_runner
from tests.executors.fake_runner import FakeRunner
from tests.executors.fakes import PROGRAM, drain, work
from wfc.runtime.executors.pool import Pool
from wfc.runtime.executors.ray import RayTransport
import cloudpickle
cloudpickle.register_pickle_by_value(fake_runner)
pool = Pool(RayTransport(runner=FakeRunner), PROGRAM)
pool.submit(work(1, 100, "suicide"))
reports = drain(pool, 100)
listening = []
inodes = set()
for name in ("tcp", "tcp6"):
    for line in open("/proc/net/" + name).read().splitlines()[1:]:
        fields = line.split()
        if fields[3] == "0A":
            listening.append((fields[1], fields[9]))
import psutil
mine = psutil.Process().children(recursive=True) + [psutil.Process()]
for process in mine:
    try:
        for fd in os.listdir(f"/proc/{process.pid}/fd"):
            try:
                inodes.add(os.readlink(f"/proc/{process.pid}/fd/{fd}"))
            except OSError:
                pass
    except OSError:
        pass
ours = [where for where, inode in listening if f"socket:[{inode}]" in inodes]
pids = [process.pid for process in mine[:-1]]
pool.close()
print(json.dumps({"listening": ours, "token": os.environ.get("RAY_AUTH_MODE"), "pids": pids,
                  "reports": len(reports)}))
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_a_private_ray_listens_on_loopback_only_and_is_quiet(root: Path, alive: Any) -> None:
    pytest.importorskip("psutil")
    done = subprocess.run(
        [sys.executable, "-c", PRIVATE], cwd=root, capture_output=True, text=True, timeout=180
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)  # nothing else is printed
    assert found["token"] == "token"
    assert found["listening"]
    for where in found["listening"]:
        address = where.rpartition(":")[0]
        # 127.0.0.1, as IPv4 or mapped into IPv6
        assert address in ("0100007F", "0000000000000000FFFF00000100007F"), found["listening"]
    end = time.monotonic() + 20
    while any(map(alive, found["pids"])):
        assert time.monotonic() < end
        time.sleep(0.1)


@pytest.mark.parametrize("cpus", [0.5, 1.0, 2.0])
def test_a_batch_claims_what_its_shape_says(on_ray: Pool, cpus: float) -> None:
    """Alone or with others in a batch: exactly that, and as many at a time as that makes room for."""
    shape = Shape(num_cpus=cpus)
    on_ray.submit(work(1, 20, "claimed", shape=shape))
    assert values(drain(on_ray, 20)) == [{"CPU": cpus}] * 20
    assert on_ray._transport.slots(shape) == int(2 / cpus)


TWO_NODES = """
import json, os, sys, time
from ray.cluster_utils import Cluster
from tests.executors import fake_runner
from tests.executors.fake_runner import FakeRunner, rows
from tests.executors.fakes import PROGRAM, drain, work
from wfc.runtime.executors.pool import Pool
from wfc.runtime.executors.ray import RayTransport
from wfc.runtime.work import Lost, Shape, Work
import cloudpickle
cloudpickle.register_pickle_by_value(fake_runner)
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
second = cluster.add_node(num_cpus=1, resources={"other": 1})
transport = RayTransport(cluster.address, runner=FakeRunner)
pool = Pool(transport, PROGRAM)
there = Shape(num_cpus=0.5, resources=(("other", 1.0),))
pool.submit(Work(3, "claimed", "main", shape=there))
(claimed,) = drain(pool, 1)[0].columns["f"].load()
pool.submit(Work(1, "mark", "main", items=rows([sys.argv[1]]), shape=there))
while not os.path.exists(sys.argv[1]):
    pool.poll(0.1)
before = transport.slots(Shape())
cluster.remove_node(second, allow_graceful=False)
out = []
while not out:
    out = pool.poll(1.0)
end = time.monotonic() + 60
while transport.slots(Shape()) != 1 and time.monotonic() < end:
    time.sleep(0.2)
after = transport.slots(Shape())
pool.submit(work(2, 100, "noop"))
drain(pool, 100)
cluster.add_node(num_cpus=3)
end = time.monotonic() + 60
while transport.slots(Shape()) != 4 and time.monotonic() < end:
    time.sleep(0.2)
grown = transport.slots(Shape())
pool.close()
cluster.shutdown()
slots = [before, after, grown]
print("RESULT", json.dumps([type(out[0]).__name__, out[0].kind, out[0].reason, slots, claimed]))
"""


@pytest.mark.slow
def test_a_node_that_dies_loses_what_ran_there_and_slots_follow(root: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", TWO_NODES, str(tmp_path / "pid")],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    line = next(line for line in done.stdout.splitlines() if line.startswith("RESULT"))
    kind, how, reason, slots, claimed = json.loads(line.removeprefix("RESULT "))
    assert (kind, how) == ("Lost", "died")
    assert reason
    assert slots == [2, 1, 4], "slots follow the nodes as they go and come"
    assert claimed == {"CPU": 0.5, "other": 1.0}


def test_items_of_rows_reach_the_worker(on_ray: Pool) -> None:
    on_ray.submit(Work(1, "noop", "main", items=rows(["a", "b"]), indices=(5, 9)))
    assert values(drain(on_ray, 2)) == ["a", "b"]


def test_a_hub_that_dies_is_made_anew(on_ray: Pool) -> None:
    """With what was parked: a process that waits on it is lost, and told so."""
    import ray

    transport = on_ray._transport
    on_ray.submit(Work(1, "pid", "main", env={"x": Inline(obj=1)}, park=True))
    assert len(values(drain(on_ray, 1))) == 1
    ray.kill(transport._start_hub())  # type: ignore[attr-defined]
    reports = until(on_ray, lambda out: any(isinstance(r, HomeLost) for r in out))
    assert [r.home for r in reports if isinstance(r, HomeLost)] == [1]
    on_ray.submit(Work(2, "pid", "main", env={"x": Inline(obj=2)}, park=True))
    (pid,) = values(drain(on_ray, 1))
    on_ray.submit(Work(3, "home", "main", home=2))
    assert values(drain(on_ray, 1)) == [(pid, 2)]
    on_ray.release(2)


def test_a_process_that_parks_when_its_hub_is_gone_is_lost(on_ray: Pool) -> None:
    import ray

    transport: Any = on_ray._transport
    on_ray.submit(Work(1, "nap", "main", env={"x": Inline(obj=3.0)}, park=True))
    ray.kill(transport._start_hub())
    reports = until(on_ray, lambda out: transport._hub is None or bool(out))
    assert not reports, "the hub is gone before the process parks"
    reports = until(on_ray, lambda out: any(isinstance(r, HomeLost) for r in out))
    assert [type(report) for report in reports] == [Done, HomeLost]


def test_what_was_printed_counts_though_its_batch_is_over(on_ray: Pool) -> None:
    import ray

    transport: Any = on_ray._transport
    log = Log(1, 0, "", "the beginning", "main/talk")
    ray.get(transport._start_hub().tell.remote(Echo(99, log)))
    assert until(on_ray, lambda out: bool(out)) == [log]
