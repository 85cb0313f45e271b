"""What a queue asks a cluster to grow by, and that Ray's autoscaler hears of it."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.executors.conftest import values
from tests.executors.fake_runner import rows
from tests.executors.fakes import PROGRAM, Virtual, drain, work
from tests.executors.test_contract import spin
from wfc.runtime.executors.demand import GUESS, MOST
from wfc.runtime.executors.pool import Pool
from wfc.runtime.work import Report, Shape, Work


def asked(seconds: float, count: int, *, slots: int = 2, **options: Any) -> list[int]:
    """What is asked for, look by look, while so many elements of so many seconds run."""
    transport = Virtual(slots, lambda work, index: seconds)
    pool = Pool(transport, PROGRAM, clock=transport.clock)
    pool.submit(work(1, count, **options))
    drain(pool, count)
    for _ in range(3):
        pool.poll(1.0)
    return [wanted for _, wanted in transport.wanted]


def test_a_slot_is_asked_for_by_each_element_that_waits_and_the_demand_shrinks_with_the_queue() -> (
    None
):
    demand = asked(3.0, 60)
    assert max(demand) == 56
    assert demand[-1] == 0
    first = demand.index(56)
    assert demand[first:] == sorted(demand[first:], reverse=True)


def test_what_takes_no_time_asks_for_nothing() -> None:
    assert asked(0.0001, 30_000) == []


def test_what_takes_little_asks_by_the_seconds_that_wait_not_by_its_elements() -> None:
    assert 0 < max(asked(0.02, 3000)) <= 30


def test_what_the_slots_will_soon_be_through_with_asks_for_nothing() -> None:
    assert asked(0.5, 40) == []


def test_no_more_is_asked_for_than_a_limit_allows() -> None:
    assert max(asked(3.0, 60, limit=5)) == 3


def test_demand_is_bounded() -> None:
    assert max(asked(10.0, 1000)) == MOST
    assert max(asked(10.0, 1000, slots=150)) == 150


def test_a_kind_that_has_never_completed_asks_for_a_few() -> None:
    transport = Virtual(1, lambda work, index: float("inf"))
    pool = Pool(transport, PROGRAM, clock=transport.clock)
    pool.submit(work(1, 1000))
    for _ in range(100):
        pool.poll(1.0)
    assert transport.wanted[-1] == (Shape(), GUESS)
    pool.cancel(1)
    pool.poll(1.0)
    pool.poll(1.0)
    assert transport.wanted[-1] == (Shape(), 0)


# ------------------------------------------------------------------ Ray

ABSENT = Shape(num_cpus=0, resources=(("absent", 1.0),))


def demand(address: str, resource: str) -> int:
    """What Ray tells its autoscaler: tasks that wait, of those that want this resource."""
    from ray._raylet import GcsClient
    from ray.core.generated.autoscaler_pb2 import GetClusterResourceStateReply

    raw = GcsClient(address=address).get_cluster_resource_state()
    state = GetClusterResourceStateReply.FromString(raw).cluster_resource_state
    return sum(
        each.count
        for each in state.pending_resource_requests
        if resource in each.request.resources_bundle
    )


@pytest.fixture
def demanded(on_ray: Pool, ray_session: str) -> Callable[[str], int]:
    """Of a resource, in the cluster of the pool."""
    return lambda resource: demand(ray_session, resource)


@pytest.mark.ray
def test_what_no_node_has_is_demanded_and_used_when_it_comes(
    on_ray: Pool, ray_session: str, demanded: Callable[[str], int]
) -> None:
    on_ray.submit(work(1, 30, "nap", shape=ABSENT))
    spin(on_ray, lambda: demanded("absent") >= GUESS)
    on_ray.cancel(1)
    spin(on_ray, lambda: demanded("absent") == 0)

    naps = [0.3] * 24
    on_ray.submit(
        Work(2, "nap", "main", map="xs", items=rows(naps), indices=range(24), shape=ABSENT)
    )
    spin(on_ray, lambda: demanded("absent") >= GUESS)
    node = joined(ray_session, absent=4)
    try:
        out = polled(on_ray, lambda out: len(values(out)) == 24)
        assert values(out) == naps
        spin(on_ray, lambda: demanded("absent") == 0)
    finally:
        node.kill_all_processes(check_alive=False, allow_graceful=True)


@pytest.mark.ray
def test_demand_beside_running_work_takes_nothing_from_it(
    on_ray: Pool, demanded: Callable[[str], int]
) -> None:
    """Each time that a slot becomes free a stand-in may begin, and gets the next batch."""
    naps = [0.5] * 600
    on_ray.submit(Work(1, "nap", "main", map="xs", items=rows(naps), indices=range(600)))
    out = polled(on_ray, lambda out: demanded("CPU") >= 2)
    begun, before = time.monotonic(), len(values(out))
    out += polled(on_ray, lambda more: len(values(out + more)) >= before + 10)
    assert time.monotonic() - begun < 30
    on_ray.cancel(1)
    spin(on_ray, lambda: demanded("CPU") == 0)


def joined(address: str, **resources: float) -> Any:
    """A second node without CPUs; as `ray.cluster_utils` adds one to a cluster that it has started."""
    from ray._private.node import Node
    from ray._private.parameter import RayParams

    params = RayParams(
        gcs_address=address,
        redis_address=address,
        node_ip_address="127.0.0.1",
        num_cpus=0,
        num_gpus=0,
        resources=resources,
        object_store_memory=80_000_000,
        min_worker_port=0,
        max_worker_port=0,
        node_manager_port=0,
        include_log_monitor=False,
    )
    params.dashboard_agent_listen_port = None
    return Node(params, head=False, shutdown_at_exit=False, spawn_reaper=False)


def polled(pool: Pool, true: Callable[[list[Report]], bool]) -> list[Report]:
    """The reports that come until it is true."""
    out: list[Report] = []

    def done() -> bool:
        out.extend(pool.poll(0.1))
        return true(out)

    until(done)
    return out


KILLED = """
import sys
import cloudpickle
from tests.executors import fake_runner
from tests.executors.fakes import PROGRAM, work
from tests.executors.test_demand import ABSENT
from wfc.runtime.executors.pool import Pool
from wfc.runtime.executors.ray import RayTransport
cloudpickle.register_pickle_by_value(fake_runner)
pool = Pool(RayTransport(sys.argv[1], runner=fake_runner.FakeRunner), PROGRAM)
pool.submit(work(1, 30, "nap", shape=ABSENT))
while True:
    pool.poll(1.0)
"""


@pytest.mark.ray
def test_the_demand_of_a_process_that_is_killed_goes_with_it(ray_session: str) -> None:
    process = subprocess.Popen([sys.executable, "-c", KILLED, ray_session])
    try:
        until(lambda: demand(ray_session, "absent") >= GUESS)
    finally:
        process.kill()
        process.wait()
    until(lambda: demand(ray_session, "absent") == 0)


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end
        time.sleep(0.1)
