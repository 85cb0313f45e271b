"""Where a cluster is, and how much fits on it: without Ray."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from wfc.runtime.executors.cluster import claims, find_address, fits, same_place, task_options
from wfc.runtime.executors.ray import connect
from wfc.runtime.work import Shape

NODES = [
    {"Alive": True, "Resources": {"CPU": 8.0, "GPU": 1.0, "memory": 8e9}, "Labels": {"zone": "a"}},
    {"Alive": True, "Resources": {"CPU": 3.0, "tpu": 2.0, "memory": 1e9}, "Labels": {"zone": "b"}},
    {"Alive": False, "Resources": {"CPU": 100.0}},
]


@pytest.mark.parametrize(
    ("shape", "count"),
    [
        (Shape(), 11),
        (Shape(num_cpus=2), 5),
        (Shape(num_cpus=0.1), 110),
        (Shape(num_gpus=0.5), 2),
        (Shape(num_cpus=0), 44),
        (Shape(num_cpus=0, resources=(("tpu", 1.0),)), 2),
        (Shape(memory=2_000_000_000), 4),
        (Shape(label_selector=(("zone", "b"),)), 3),
        (Shape(label_selector=(("zone", "!b"),)), 11),
        (Shape(accelerator_type="A100"), 0),
        (Shape(num_cpus=64), 0),
    ],
)
def test_slots_by_what_fits_on_each_node(shape: Shape, count: int) -> None:
    assert fits(shape, NODES) == count


def test_a_shape_becomes_the_options_of_a_task() -> None:
    shape = Shape(
        num_cpus=2,
        num_gpus=0.5,
        memory=10,
        resources=(("tpu", 1.0),),
        accelerator_type="A100",
        runtime_env='{"env_vars": {"A": "1"}}',
        scheduling_strategy="SPREAD",
        label_selector=(("zone", "a"),),
    )
    assert task_options(shape) == {
        "num_cpus": 2,
        "num_gpus": 0.5,
        "memory": 10,
        "resources": {"tpu": 1.0},
        "accelerator_type": "A100",
        "runtime_env": {"env_vars": {"A": "1"}},
        "scheduling_strategy": "SPREAD",
        "label_selector": {"zone": "a"},
    }
    assert task_options(Shape()) == {"num_cpus": 1.0}
    assert claims(Shape(accelerator_type="A100"))["accelerator_type:A100"] == 0.001


def test_which_cluster_is_joined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    assert find_address(None) is None
    assert find_address("auto") == "auto"
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        (tmp_path / "ray").mkdir()
        (tmp_path / "ray" / "ray_current_cluster").write_text(address)
        assert find_address(None) == address
        assert find_address("auto") == address
        assert find_address("local") is None
        assert find_address("10.0.0.1:6379") == "10.0.0.1:6379"
        monkeypatch.setenv("RAY_ADDRESS", "10.0.0.2:6379")
        assert find_address(None) == "10.0.0.2:6379"
        assert find_address("10.0.0.1:6379") == "10.0.0.1:6379"
        monkeypatch.delenv("RAY_ADDRESS")
    assert find_address(None) is None, "the file is stale"


class StandIn:
    """Stands for the ray package: notes how it was started."""

    def __init__(self) -> None:
        self.given: dict[str, object] = {}

    def is_initialized(self) -> bool:
        return False

    def init(self, **given: object) -> None:
        self.given = given


@pytest.fixture
def fake_ray(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    fake = StandIn()
    monkeypatch.setitem(sys.modules, "ray", fake)
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))  # no cluster has left its address there
    for name in ("RAY_ADDRESS", "RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_USAGE_STATS_ENABLED"):
        monkeypatch.setenv(name, "")  # so that what is set below is taken back
        monkeypatch.delenv(name)
    return fake


def test_joining_a_cluster_without_authentication_warns(
    fake_ray: StandIn, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert connect("10.0.0.1:6379") == "joined"
    assert fake_ray.given["address"] == "10.0.0.1:6379"
    assert "10.0.0.1:6379 is used without authentication" in caplog.text
    caplog.clear()
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    assert connect("10.0.0.1:6379") == "joined"
    assert caplog.text == ""


def test_a_private_ray_has_a_token_and_tells_nobody(
    fake_ray: StandIn, caplog: pytest.LogCaptureFixture
) -> None:
    assert connect(None) == "private"
    assert fake_ray.given["include_dashboard"] is False
    assert fake_ray.given["_node_ip_address"] == "127.0.0.1"
    assert os.environ["RAY_AUTH_MODE"] == "token"
    assert len(os.environ["RAY_AUTH_TOKEN"]) == 64
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"
    assert caplog.text == ""


def test_ray_is_imported_before_there_is_a_second_thread() -> None:
    """Two threads that import at once can meet in each other's locks. What a private Ray needs is set
    before that."""
    code = """
import os, sys
from wfc import launching
launching.TransportLauncher = lambda make: print("ray" in sys.modules, os.environ["RAY_AUTH_MODE"])
launching.launcher()
"""
    environ = {k: v for k, v in os.environ.items() if not k.startswith("RAY_")}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**environ, "RAY_ADDRESS": "local"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("True token\n", "")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("localhost:6379", "127.0.0.1:6379", True),
        ("127.0.0.1:6379", "0.0.0.0:6379", True),  # of this machine, both
        ("127.0.0.1:6379", "127.0.0.1:6380", False),
        ("127.0.0.1:6379", "203.0.113.9:6379", False),  # an address that nobody has
        ("no.such.host.invalid:6379", "no.such.host.invalid:6379", True),
        ("no.such.host.invalid:6379", "127.0.0.1:6379", False),
    ],
)
def test_addresses_that_are_one(one: str, other: str, same: bool) -> None:
    assert same_place(one, other) is same
