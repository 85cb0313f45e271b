"""What all tests share: their order, one Ray for those that need it, and stores in a fresh folder."""

from __future__ import annotations

import gc
import os
import secrets
import shutil
import signal
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

hypothesis.settings.register_profile(
    "wfc", deadline=None, print_blob=True, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("wfc")

ROOT = Path(__file__).resolve().parent.parent

# No test may meet a cluster, a store, a cloud or a terminal of the person who runs it.
OTHERS = ("RAY_ADDRESS", "WFC_STORE", "WFC_VALUES", "WFC_ALLOW_MODULES", "FORCE_COLOR")
CLOUDS = ("AWS_", "AZURE_", "GOOGLE_")
for name in [name for name in os.environ if name.startswith((*OTHERS, *CLOUDS))]:
    del os.environ[name]
# Ray reads these when it is imported: loopback only (without it a node takes the address of the
# machine), and a token, which the tests' own processes inherit.
os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
os.environ["RAY_AUTH_MODE"] = "token"
os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
os.environ["RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"] = "0"  # otherwise some releases warn of it
os.environ["NO_COLOR"] = "1"

# Under `nohup`, and in the background of a script, these are ignored: not so in what the tests start,
# which would inherit that, but no handler.
for number in (signal.SIGHUP, signal.SIGINT):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, lambda number, frame: None)


@pytest.hookimpl(tryfirst=True)  # before groups are looked at
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Quick tests first: most mistakes then show within seconds.

    Then one process takes those on Ray, all of them, while another begins with the slow ones: of
    two that are busy to the end, none waits for the other.
    """

    def weight(item: pytest.Item) -> int:
        ray, slow = (item.get_closest_marker(name) is not None for name in ("ray", "slow"))
        return 1 + slow if ray else 3 * slow

    for item in items:
        if item.get_closest_marker("ray"):
            item.add_marker(pytest.mark.xdist_group("ray"))
    items.sort(key=weight)


@pytest.fixture(scope="session", autouse=True)
def ray_folder() -> Iterator[None]:
    """A folder of this process for what Ray keeps, so that no Ray here is met elsewhere, and that
    nothing stays behind. Its name is short: Ray makes sockets far below it."""
    os.environ["RAY_TMPDIR"] = folder = tempfile.mkdtemp(prefix="wfc", dir="/tmp")
    yield
    shutil.rmtree(folder)


@pytest.fixture(scope="session", autouse=True)
def cache_folder(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A cache of this session's own: the copies of the tests' projects are of no use to anybody later."""
    os.environ["XDG_CACHE_HOME"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def root() -> Path:
    """The project's folder."""
    return ROOT


@pytest.fixture
def store(tmp_path: Path) -> str:
    """The URL of a store of this test's own, not made yet."""
    return str(tmp_path / "store")


@pytest.fixture(scope="session")
def ray_session(ray_folder: None) -> Iterator[str]:
    """One private Ray on the loopback interface for all tests; gives its address.

    It is started when the first test asks for it, and ended with the session: only what was
    started here is ended.
    """
    import ray

    if ray.is_initialized():
        raise RuntimeError("a test started a Ray of its own and did not end it")
    context = ray.init(
        address="local",
        num_cpus=2,
        include_dashboard=False,
        _node_ip_address="127.0.0.1",
        object_store_memory=512 * 1024 * 1024,
        log_to_driver=False,
        configure_logging=False,
    )
    yield str(context.address_info["gcs_address"])
    with warnings.catch_warnings():
        # Ray lets go of the processes that it stops without waiting for them.
        warnings.simplefilter("ignore", ResourceWarning)
        ray.shutdown()
        del context
        gc.collect()
