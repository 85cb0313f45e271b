"""Which way a value goes: by the store's place where it is proven to be the owner's, else by the owner."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.storage.s3 import S3
from wfc.runtime.codec import Buffer
from wfc.runtime.executors.relay import Relay
from wfc.runtime.foldervalues import FolderValues
from wfc.runtime.seal import KEY_BYTES, Sealer
from wfc.runtime.storage_errors import CorruptValue, StorageError
from wfc.runtime.valuestore import open_values
from wfc.runtime.work import Program
from wfc.runtime.worker.shared import SharedValues

KEY = bytes(KEY_BYTES)
DATA = b"x" * 100


class Owner:
    """The owner's process, at hand."""

    def __init__(self, place: Path | str) -> None:
        if isinstance(place, Path):
            place.mkdir()
        self.values = open_values(str(place), KEY)
        self.relay = Relay(Program("r", b"", b"", str(place), KEY, "d"), nullcontext())
        self.kept: list[str] = []
        self.fetched: list[str] = []

    def keep(self, key: str, buffers: Sequence[Buffer]) -> tuple[int, bytes]:
        self.kept.append(key)
        return self.values.put(key, buffers)

    def fetch(self, key: str, size: int, seal: bytes) -> memoryview:
        self.fetched.append(key)
        return self.values.get(key, size, seal)

    def worker(self, place: Path | str, **more: Any) -> SharedValues:
        """On a machine where the store's path leads to that place."""
        program = self.relay.program
        return SharedValues(replace(program, store=str(place)), self, lags=0.0, **more)


@pytest.fixture
def owner(tmp_path: Path) -> Owner:
    return Owner(tmp_path / "values")


def same(owner: Owner, worker: SharedValues, key: str) -> bool:
    """The owner and the worker have the value."""
    size, seal = worker.put(key, [DATA])
    return bytes(owner.values.get(key, size, seal)) == bytes(worker.get(key, size, seal)) == DATA


def test_the_owners_own_place_is_used(owner: Owner, tmp_path: Path) -> None:
    assert same(owner, owner.worker(tmp_path / "values"), "r/1")
    assert not owner.kept
    assert not owner.fetched


def test_a_folder_that_is_not_there_is_not_made(owner: Owner, tmp_path: Path) -> None:
    place = tmp_path / "node" / "values"
    assert same(owner, owner.worker(place), "r/1")
    assert (owner.kept, owner.fetched) == (["r/1"], ["r/1"])
    assert not place.parent.exists()


def test_another_store_at_the_same_path_is_left_alone(owner: Owner, tmp_path: Path) -> None:
    """Even with the same key, and with what an earlier attempt at the run has proven with."""
    place = tmp_path / "node"
    other = FolderValues(place, Sealer(KEY))
    earlier = Relay(owner.relay.program, nullcontext())
    for key in owner.values.list():
        if key == earlier.key:
            other.put(key, [owner.values.get(*earlier.program.proof)])  # type: ignore[misc]
    before = list(other.list())
    assert before
    assert same(owner, owner.worker(place), "r/1")
    assert owner.kept == ["r/1"]
    assert list(other.list()) == before


def test_what_was_mounted_and_is_gone(owner: Owner, tmp_path: Path) -> None:
    """Its folder is still there, and takes what is written."""
    worker = owner.worker(tmp_path / "values")
    assert same(owner, worker, "r/1")
    (tmp_path / "values").rename(tmp_path / "elsewhere")
    owner.values = FolderValues(tmp_path / "elsewhere", Sealer(KEY))
    (tmp_path / "values").mkdir()
    assert same(owner, worker, "r/2")
    assert owner.kept == ["r/2"]


def test_a_place_that_takes_nothing(owner: Owner, tmp_path: Path) -> None:
    """Mounted to be read only, or full: the owner may still write there."""

    class Full(FolderValues):
        def put(self, key: str, buffers: Sequence[Buffer]) -> tuple[int, bytes]:
            raise StorageError("full")

    worker = owner.worker(tmp_path / "values", opened=lambda place, key: Full(place, Sealer(key)))
    assert same(owner, worker, "r/1")
    assert owner.kept == ["r/1"]
    assert not owner.fetched, "it can be read there"


def test_a_value_that_does_not_show_yet_is_asked_for(owner: Owner, tmp_path: Path) -> None:
    class Lagging(FolderValues):
        def get(self, key: str, size: int, seal: bytes) -> memoryview:
            if key == "r/1":
                raise CorruptValue("missing")
            return super().get(key, size, seal)

    opened: Any = lambda place, key: Lagging(place, Sealer(key))  # noqa: E731
    worker = owner.worker(tmp_path / "values", opened=opened)
    assert same(owner, worker, "r/1")
    assert (owner.kept, owner.fetched) == ([], ["r/1"])


def test_what_is_damaged_is_told_as_it_is(owner: Owner, tmp_path: Path) -> None:
    worker = owner.worker(tmp_path / "values")
    size, _ = worker.put("r/1", [DATA])
    with pytest.raises(CorruptValue, match="r/1 is damaged"):
        worker.get("r/1", size, bytes(32))


def test_what_the_owner_sends_is_checked(owner: Owner, tmp_path: Path) -> None:
    worker = owner.worker(tmp_path / "none")
    size, seal = worker.put("r/1", [DATA])
    owner.fetch = lambda key, size, seal: memoryview(b"y" * size)  # type: ignore[method-assign]
    with pytest.raises(CorruptValue, match="r/1 is damaged"):
        worker.get("r/1", size, seal)


def test_above_the_limit_it_says_what_to_do(owner: Owner, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"100 bytes .*WFC_VALUES"):
        owner.worker(tmp_path / "none", carried=99).put("r/1", [DATA])
    assert not owner.kept
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    "other", ["another bucket of that name", "no right to it", "nobody answers"]
)
def test_an_object_store_that_is_another_from_here(
    s3: S3, monkeypatch: pytest.MonkeyPatch, other: str
) -> None:
    pytest.importorskip("obstore", reason="the package obstore is not installed")
    from wfc.runtime import objectvalues

    owner = Owner("s3://bucket/pre")
    assert same(owner, owner.worker("s3://bucket/pre"), "r/1")
    assert not owner.kept
    elsewhere = S3()
    environ = elsewhere.environ()
    if other == "no right to it":
        environ = {**s3.environ(), "AWS_ACCESS_KEY_ID": "somebody"}
    if other == "nobody answers":
        monkeypatch.setattr(objectvalues, "_RETRIES", {**objectvalues._RETRIES, "max_retries": 0})
        elsewhere.stop()
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert same(owner, owner.worker("s3://bucket/pre"), "r/2")
    assert (owner.kept, owner.fetched) == (["r/2"], ["r/2"])
    assert not elsewhere.objects
    elsewhere.stop()


def test_the_proof_goes_with_the_run(owner: Owner) -> None:
    assert list(owner.values.list())
    owner.relay.close(gone=False)
    assert not list(owner.values.list())


def test_a_worker_makes_no_folder(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="no such file"):
        open_values(str(tmp_path / "none"), KEY)
    assert not (tmp_path / "none").exists()
