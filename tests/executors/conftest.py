"""Executors over each transport, with the same fake runner."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import tests.executors.fake_runner as fake_runner
from tests.executors.fakes import PROGRAM
from wfc.runtime.executors.local import LocalTransport
from wfc.runtime.executors.pool import Pool

RUNNER = "tests.executors.fake_runner:FakeRunner"


@pytest.fixture
def local() -> Iterator[Pool]:
    pool = Pool(LocalTransport(2, runner=RUNNER), PROGRAM)
    yield pool
    pool.close()


@pytest.fixture
def on_ray(ray_session: str) -> Iterator[Pool]:
    import cloudpickle

    from wfc.runtime.executors.ray import RayTransport

    cloudpickle.register_pickle_by_value(fake_runner)  # the workers do not know the tests
    pool = Pool(RayTransport(ray_session, runner=fake_runner.FakeRunner), PROGRAM)
    yield pool
    pool.close()
    cloudpickle.unregister_pickle_by_value(fake_runner)


@pytest.fixture(params=["local", pytest.param("on_ray", marks=pytest.mark.ray)])
def pool(request: pytest.FixtureRequest) -> Pool:
    """The contract suite runs once per transport."""
    found: Pool = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def alive() -> Callable[[int], bool]:
    def alive(pid: int) -> bool:
        try:
            with open(f"/proc/{pid}/stat") as file:
                return file.read().rpartition(")")[2].split()[0] not in "ZX"
        except (FileNotFoundError, ProcessLookupError):  # the latter: it went while it was read
            if os.path.isdir("/proc/self"):
                return False
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        return True

    return alive


def values(reports: list[Any]) -> list[Any]:
    """The results in the reports, in the order of their offsets."""
    from wfc.runtime.work import Done

    done = [report for report in reports if isinstance(report, Done)]
    done.sort(key=lambda report: (report.work, report.start))
    return [value for report in done for value in report.columns["f"].load()]  # type: ignore[union-attr]
