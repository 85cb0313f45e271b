"""Whether Ray is still there, and what private ones leave on the disk. Without Ray."""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from wfc.runtime.executors import attachment, sessions
from wfc.runtime.executors.attachment import Attachment, answers
from wfc.runtime.work import ExecutorLost


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder whose path leaves room for that of a socket."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attachment, "LOOK_EVERY", 0.0)


def attached(**given: object) -> Attachment:
    found = Attachment(list, **given)  # type: ignore[arg-type]
    found.close()
    return found


@pytest.mark.usefixtures("always")
def test_a_head_that_is_away_for_too_long(listening: socket.socket) -> None:
    head = listening.getsockname()
    patient, at_once = attached(head=head, patience=3600.0), attached(head=head, patience=0.0)
    patient.check()
    at_once.check()
    listening.close()
    patient.check()
    with pytest.raises(ExecutorLost, match=r"head of the Ray cluster .* is gone"):
        at_once.check()


@pytest.mark.usefixtures("always")
def test_a_node_that_is_gone(short: Path) -> None:
    path = str(short / "raylet")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()
        found = attached(node=path, patience=3600.0)
        found.check()
    with pytest.raises(ExecutorLost, match=r"Ray node .* is gone"):
        found.check()
    os.unlink(path)
    assert not answers(path)


def test_nothing_is_known_of_a_ray_that_was_connected_otherwise() -> None:
    attached().check()


def test_folders_of_private_rays(tmp_path: Path) -> None:
    """Those of processes that were killed go, with this process's own."""
    dead = subprocess.Popen(["true"])
    dead.wait()

    def session(pid: int) -> Path:
        folder = tmp_path / f"session_2026-01-31_10-00-00_000000_{pid}"
        folder.mkdir()
        return folder

    ours, killed, living = session(os.getpid()), session(dead.pid), session(os.getppid())
    (tmp_path / "session_latest").symlink_to(ours)
    sessions.mark(tmp_path)
    for pid in (dead.pid, os.getppid()):
        (tmp_path / f"wfc-{pid}").touch()
    sessions.tidy(tmp_path, str(ours))
    assert not ours.exists()
    assert not killed.exists()
    assert sorted(p.name for p in tmp_path.iterdir()) == [living.name, f"wfc-{os.getppid()}"]


def test_a_ray_of_others_is_left_alone(tmp_path: Path) -> None:
    dead = subprocess.Popen(["true"])
    dead.wait()
    other = tmp_path / f"session_2026-01-31_10-00-00_000000_{dead.pid}"
    other.mkdir()
    sessions.tidy(tmp_path, None)
    assert other.exists()
