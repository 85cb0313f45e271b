"""The contract of a value store, which each backend has to keep; and the folder's own promises."""

from __future__ import annotations

import errno
import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.storage.faults import FaultyFiles, ShortFiles
from tests.storage.test_journal import KEY
from wfc.runtime.codec import Buffer, decode_buffer, encode_buffers
from wfc.runtime.files import Files
from wfc.runtime.foldervalues import FolderValues
from wfc.runtime.names import BadName
from wfc.runtime.seal import Sealer
from wfc.runtime.storage_errors import CorruptValue, StorageError
from wfc.runtime.valuestore import ValueStore, new_key


class ValueStoreContract:
    """What every value store does."""

    @pytest.fixture
    def values(self) -> Iterator[ValueStore]:
        raise NotImplementedError

    def test_what_is_put_is_got(self, values: ValueStore) -> None:
        key = new_key("r1")
        size, seal = values.put(key, [b"one", bytearray(b"two"), memoryview(b"three")])
        assert size == 11
        assert bytes(values.get(key, size, seal)) == b"onetwothree"

    def test_empty(self, values: ValueStore) -> None:
        for buffers in ([], [b""]):
            key = new_key("r1")
            size, seal = values.put(key, buffers)
            assert bytes(values.get(key, size, seal)) == b""

    def test_views_are_read_only(self, values: ValueStore) -> None:
        array = np.random.default_rng(3).random(1 << 19)
        key = new_key("r1")
        size, seal = values.put(key, encode_buffers({"a": array}))
        found = decode_buffer(values.get(key, size, seal))["a"]
        assert np.array_equal(array, found)
        assert not found.flags.writeable
        values.delete([key])
        assert np.array_equal(array, found)  # it outlives the value

    def test_another_size_or_seal(self, values: ValueStore) -> None:
        key = new_key("r1")
        size, seal = values.put(key, [b"one"])
        for wrong in ((size + 1, seal), (size, bytes(33)), (size, b""), (0, seal)):
            with pytest.raises(CorruptValue, match=key):
                values.get(key, *wrong)

    def test_missing(self, values: ValueStore) -> None:
        for key in (new_key("r1"), "r1", "a/b/c"):
            with pytest.raises(CorruptValue, match=f"{key} is missing"):
                values.get(key, 1, b"")

    def test_list(self, values: ValueStore) -> None:
        assert list(values.list()) == []
        keys = sorted(["r1/b", "r1/a", "r10/a", "r2/x/y", "r2/x/z"])
        for key in keys:
            values.put(key, [b""])
        assert sorted(values.list()) == keys
        assert list(values.list("r1")) == ["r1/a", "r1/b"]
        assert list(values.list("r2/x")) == ["r2/x/y", "r2/x/z"]
        assert list(values.list("r3")) == []

    def test_delete(self, values: ValueStore) -> None:
        for key in ("r1/a", "r1/b", "r2/c"):
            values.put(key, [b"x"])
        values.delete(["r1/a", "r1/none", "r9/none", "r2/c"])
        assert list(values.list()) == ["r1/b"]
        values.delete(values.list())
        assert list(values.list()) == []
        values.put("r1/a", [b"again"])
        assert list(values.list()) == ["r1/a"]

    @pytest.mark.parametrize("key", ["", "..", "../x", "/etc/passwd", "r1/../../x", "r1//x", "a\0"])
    def test_keys_that_lead_out(self, values: ValueStore, key: str) -> None:
        with pytest.raises(BadName):
            values.put(key, [b""])
        with pytest.raises(BadName):
            values.get(key, 0, b"")
        with pytest.raises(BadName):
            values.delete([key])
        if key:
            with pytest.raises(BadName):
                list(values.list(key))

    def test_many_threads(self, values: ValueStore) -> None:
        """Runs come and go in the same folders meanwhile."""
        errors: list[BaseException] = []

        def work(name: str) -> None:
            try:
                for index in range(30):
                    key = f"shared/{name}{index}"
                    size, seal = values.put(key, [key.encode()])
                    assert bytes(values.get(key, size, seal)) == key.encode()
                    values.delete([key])
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert errors == []
        assert list(values.list()) == []


class TestFolder(ValueStoreContract):
    @pytest.fixture
    def values(self, quick: Path) -> Iterator[ValueStore]:
        store = FolderValues(quick / "values", Sealer(KEY))
        yield store
        store.close()

    def test_is_the_owners_alone(self, quick: Path) -> None:
        old = os.umask(0)
        try:
            FolderValues(quick / "values", Sealer(KEY)).put("r1/a", [b""])
        finally:
            os.umask(old)
        for path in [quick / "values", *(quick / "values").rglob("*")]:
            mode = stat.S_IMODE(path.stat().st_mode)
            assert mode == (0o700 if path.is_dir() else 0o600), path

    def test_links_do_not_lead_out(self, quick: Path) -> None:
        values = FolderValues(quick / "values", Sealer(KEY))
        size, seal = FolderValues(quick / "outside", Sealer(KEY)).put("r1/a", [b"x"])
        (quick / "values" / "r1").symlink_to(quick / "outside" / "r1")
        with pytest.raises(StorageError):
            values.get("r1/a", size, seal)
        with pytest.raises(StorageError):
            values.put("r1/b", [b""])
        assert list(values.list()) == []
        (quick / "values" / "r2").mkdir()
        (quick / "values" / "r2" / "a").symlink_to(quick / "outside" / "r1" / "a")
        with pytest.raises(StorageError):
            values.get("r2/a", size, seal)
        values.delete(["r2/a"])
        assert (quick / "outside" / "r1" / "a").exists()

    def test_drafts_are_swept(self, quick: Path) -> None:
        values = FolderValues(quick, Sealer(KEY))
        values.put("r1/a", [b""])
        assert values.sweep("r1") == 0
        (quick / ".tmp" / "r1.0f").write_bytes(b"half")
        (quick / ".tmp" / "r1.5.0f").write_bytes(b"of another run, which goes on")
        assert list(values.list()) == ["r1/a"]
        assert values.sweep("r1") == 1
        assert values.sweep("r1") == 0
        assert os.listdir(quick / ".tmp") == ["r1.5.0f"]

    def test_drafts_bear_the_name_of_their_run(self, quick: Path) -> None:
        """So that its owner can sweep them when their writer is dead."""
        found: list[str] = []
        values = FolderValues(
            quick, Sealer(KEY), failpoint=lambda _: found.extend(os.listdir(quick / ".tmp"))
        )
        values.put("r1/a", [b""])
        assert found
        assert all(name.startswith("r1.") for name in found)

    def test_a_file_in_the_way(self, quick: Path) -> None:
        (quick / "values").write_bytes(b"")
        with pytest.raises(StorageError, match=r"values: .*\(EEXIST\)"):
            FolderValues(quick / "values", Sealer(KEY))

    def test_writes_may_be_short(self, quick: Path) -> None:
        values = FolderValues(quick, Sealer(KEY), files=ShortFiles())
        size, seal = values.put("r1/a", [b"a" * 1000, b"b" * 100_000])
        assert bytes(values.get("r1/a", size, seal)) == b"a" * 1000 + b"b" * 100_000

    def test_large_values_are_written_in_pieces(self, quick: Path) -> None:
        sizes: list[int] = []

        class Noting(Files):
            def write(self, file: int, data: Buffer) -> int:
                sizes.append(len(data))
                return super().write(file, data)

        FolderValues(quick, Sealer(KEY), files=Noting()).put("r1/a", [bytes(5_000_000)])
        assert sum(sizes) == 5_000_000
        assert max(sizes) == 1 << 20

    @pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EACCES, errno.EROFS])
    def test_every_call_fails_once(self, quick: Path, code: int) -> None:
        """Each system call of a `put`, one after the other: told, nothing half, and it heals."""
        at = 0
        while True:
            files = FaultyFiles(code, at)
            folder = quick / str(at)
            values = FolderValues(folder, Sealer(KEY), files=files)
            files.arm()
            data = [b"x" * 200_000, b"y"]
            told = ""
            try:
                size, seal = values.put("r1/a", data)
            except StorageError as error:
                told = str(error)
            files.disarm()
            assert bool(told) == files.fired
            if told:
                assert str(folder) in told
                assert f"({errno.errorcode[code]})" in told
                size, seal = values.put("r1/a", data)
            assert bytes(values.get("r1/a", size, seal)) == b"".join(data)
            assert list(values.list()) == ["r1/a"]
            assert os.listdir(folder / ".tmp") == []
            assert files.open_files == set()
            if not files.fired:
                break
            at += 1
        assert at >= 10

    @pytest.mark.parametrize("call", ["open", "size", "map"])
    def test_reads_fail(self, quick: Path, call: str) -> None:
        size, seal = FolderValues(quick, Sealer(KEY)).put("r1/a", [b"x"])
        files = FaultyFiles(errno.EIO, 0, only=call)
        values = FolderValues(quick, Sealer(KEY), files=files)
        files.arm()
        with pytest.raises(StorageError, match="EIO"):
            values.get("r1/a", size, seal)
        assert files.open_files == set()


def test_real_files_are_the_default(tmp_path: Path) -> None:
    assert type(FolderValues(tmp_path, Sealer(KEY))._files) is Files
