"""The store as a whole: what is made where, with which rights and which key, and how it fails."""

from __future__ import annotations

import base64
import errno
import os
import sqlite3
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.storage.faults import FaultyFiles
from tests.storage.postgres import Server
from tests.storage.s3 import S3
from tests.storage.test_journal import DEFINITION
from wfc.runtime.codec import encode_buffers
from wfc.runtime.journal import Journal
from wfc.runtime.names import BadName
from wfc.runtime.storage_errors import CorruptRecord, Owned, StorageError, UnknownRun, WrongKey
from wfc.runtime.store import Store, open_values
from wfc.runtime.valuestore import new_key


def test_what_is_made(quick: Path) -> None:
    old = os.umask(0)
    try:
        with Store.open(quick / ".wfc", environ={}) as store:
            store.journal.create_run("r1", DEFINITION)
            modes = {
                path.name: stat.S_IMODE(path.stat().st_mode)
                for path in [quick / ".wfc", *(quick / ".wfc").iterdir()]
            }
    finally:
        os.umask(old)
    assert (quick / ".wfc" / ".gitignore").read_text() == "*\n"
    assert modes == {
        ".wfc": 0o700,
        ".gitignore": 0o600,
        "journal.db": 0o600,
        "journal.db-shm": 0o600,
        "journal.db-wal": 0o600,
        "key": 0o600,
        "values": 0o700,
    }


def test_opened_again(quick: Path) -> None:
    with Store.open(quick, environ={}) as store:
        store.journal.create_run("r1", DEFINITION)
        key = store.key
    with Store.open(quick, create=False, environ={}) as store:
        assert store.key == key
        assert store.journal.definition("r1") == DEFINITION


def test_none_there(quick: Path) -> None:
    with pytest.raises(StorageError, match="there is no store in"):
        Store.open(quick / "none", create=False, environ={})
    assert not (quick / "none").exists()
    with pytest.raises(StorageError, match=r"no journal\.db"):
        Store.open(quick, create=False, environ={})
    assert list(quick.iterdir()) == []


def test_the_key_from_the_environment(quick: Path) -> None:
    key = bytes(range(1, 33))
    texts = [key.hex(), base64.b64encode(key).decode(), base64.urlsafe_b64encode(key).decode()]
    for text in (*texts, f" {texts[0]}\n"):
        with Store.open(quick, environ={"WFC_STORE_KEY": text}) as store:
            assert store.key == key
    assert not (quick / "key").exists()
    with pytest.raises(WrongKey, match=r"missing: there is no .*WFC_STORE_KEY is not set"):
        Store.open(quick, environ={})
    assert not (quick / "key").exists()
    with pytest.raises(WrongKey, match="another key"):
        Store.open(quick, environ={"WFC_STORE_KEY": bytes(32).hex()})


@pytest.mark.parametrize("text", ["00", "x" * 64, "not a key", "00" * 33, "é" * 32])
def test_no_keys(quick: Path, text: str) -> None:
    with pytest.raises(WrongKey, match="32 bytes") as caught:
        Store.open(quick, environ={"WFC_STORE_KEY": text})
    assert text not in str(caught.value)
    (quick / "key").write_text(text)
    with pytest.raises(WrongKey, match="32 bytes"):
        Store.open(quick, environ={})


def test_made_by_many_at_once(quick: Path) -> None:
    keys: list[bytes | BaseException] = []
    start = threading.Barrier(6)

    def open_it() -> None:
        start.wait()
        try:
            with Store.open(quick / "store", environ={}) as store:
                keys.append(store.key)
        except BaseException as error:
            keys.append(error)

    threads = [threading.Thread(target=open_it) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(keys) == 6
    assert len(set(keys)) == 1
    assert [path.name for path in (quick / "store").glob(".key*")] == []


def test_what_a_killed_maker_left_is_swept(quick: Path) -> None:
    (quick / ".key.0f").write_text("half")
    with Store.open(quick, environ={}):
        assert [path.name for path in quick.glob(".key*")] == []


def test_the_draft_of_one_that_comes_second_is_swept(quick: Path) -> None:
    """Two make the key: the first sweeps while the second has only its draft."""

    def be_second(point: str) -> None:
        if point == "key.written" and not (quick / "key").exists():
            Store.open(quick, environ={}).close()

    with Store.open(quick, environ={}, failpoint=be_second) as store:
        assert store.key.hex() == (quick / "key").read_text().strip()
    assert [path.name for path in quick.glob(".key*")] == []


def test_a_deleted_run_leaves_no_draft(quick: Path) -> None:
    with Store.open(quick, environ={}) as store:
        store.journal.create_run("r1", DEFINITION)
        store.values.put(new_key("r1"), [b"x"])
        draft = quick / "values" / ".tmp" / "r1.0f"
        draft.write_bytes(b"half")
        store.delete_run("r1")
        assert not draft.exists()


def test_a_worker_opens_the_values_alone(quick: Path) -> None:
    with Store.open(quick, environ={}) as store:
        key = new_key("r1")
        size, seal = open_values(store.values_url, store.key).put(key, encode_buffers([1, 2]))
        assert len(store.values.get(key, size, seal)) == size


def test_delete(quick: Path) -> None:
    with Store.open(quick, environ={}) as store:
        for run_id in ("r1", "r10"):
            store.journal.create_run(run_id, DEFINITION)
            store.values.put(new_key(run_id), [b"x"])
        lease = store.journal.acquire("r1")
        with pytest.raises(Owned):
            store.delete_run("r1")
        store.journal.release(lease)
        store.delete_run("r1")
        with pytest.raises(UnknownRun):
            store.delete_run("r1")
        assert [key.split("/")[0] for key in store.values.list()] == ["r10"]
        store.values.put("r7/lost", [b"x"])
        assert list(store.orphans()) == ["r7/lost"]


@pytest.mark.parametrize("name", ["", "..", "a/b", "r\0"])
def test_bad_names_touch_nothing(quick: Path, name: str) -> None:
    with Store.open(quick, environ={}) as store:
        journal = store.journal
        store.close()  # whatever is done now would open it again
        before = sorted(path.name for path in quick.rglob("*"))
        for ask in (
            lambda: journal.create_run(name, DEFINITION),
            lambda: journal.acquire(name),
            lambda: list(journal.read(name)),
            lambda: journal.send_signal(name, "s", "1", b""),
            lambda: journal.send_signal("r1", name, "1", b""),
            lambda: journal.send_signal("r1", "s", name, b""),
            lambda: journal.request_cancel(name),
            lambda: store.delete_run(name),
        ):
            with pytest.raises(BadName):
                ask()
        assert sorted(path.name for path in quick.rglob("*")) == before


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EACCES])
def test_every_call_of_making_one_fails_once(quick: Path, code: int) -> None:
    at = 0
    while True:
        files = FaultyFiles(code, at)
        files.arm()
        folder = quick / str(at)
        try:
            Store.open(folder, environ={}, files=files).close()
        except StorageError as error:
            assert files.fired
            assert str(folder) in str(error)  # noqa: PT017
        files.disarm()
        Store.open(folder, environ={}).close()
        if not files.fired:
            break
        at += 1
    assert at >= 6


def test_a_run_that_begins_while_orphans_are_looked_for(quick: Path) -> None:
    with Store.open(quick, environ={}) as store:
        store.values.put("r7/lost", [b"x"])
        orphans = store.orphans()
        store.journal.create_run("r1", DEFINITION)
        store.values.put("r1/new", [b"x"])
        assert list(orphans) == ["r7/lost"]


class TestObjects:
    URL = "postgresql://127.0.0.1/x?values=s3://bucket/pre"

    def test_without_a_key(self) -> None:
        with pytest.raises(WrongKey, match="set WFC_STORE_KEY to 32 random bytes"):
            Store.open(self.URL, environ={})

    def test_the_key_is_checked(self, tmp_path: Path, s3: S3) -> None:
        url = f"sqlite:///{tmp_path}/journal.db?values=s3://bucket/pre"
        environ = {"WFC_STORE_KEY": "aa" * 32}
        with Store.open(url, environ=environ) as store:
            assert store.values_url == f"s3://bucket/pre/{store.journal.name()}"
        with pytest.raises(WrongKey, match="another key"):
            Store.open(url, environ={"WFC_STORE_KEY": "bb" * 32})
        assert [path.name for path in tmp_path.iterdir() if path.suffix != ""] == ["journal.db"]

    def test_stores_that_share_a_prefix(self, tmp_path: Path, s3: S3) -> None:
        """Even with one key, none takes the values of another for those of its own runs, or of none."""
        environ = {"WFC_STORE_KEY": "aa" * 32, "WFC_VALUES": "s3://bucket/pre"}
        kept = {}
        for name in "ab":
            with Store.open(f"sqlite:///{tmp_path}/{name}.db", environ=environ) as store:
                store.journal.create_run("r1", DEFINITION)
                kept[name] = (key := new_key("r1")), *store.values.put(key, [name.encode()])
        with Store.open(f"sqlite:///{tmp_path}/a.db", environ=environ, create=False) as store:
            assert list(store.orphans()) == []
            assert bytes(store.values.get(*kept["a"])) == b"a"
            store.delete_run("r1")
        with Store.open(f"sqlite:///{tmp_path}/b.db", environ=environ, create=False) as store:
            assert bytes(store.values.get(*kept["b"])) == b"b"

    def test_a_name_that_is_damaged(self, tmp_path: Path, s3: S3) -> None:
        url = f"sqlite:///{tmp_path}/a.db?values=s3://bucket/pre"
        environ = {"WFC_STORE_KEY": "aa" * 32}
        Store.open(url, environ=environ).close()
        with sqlite3.connect(tmp_path / "a.db") as db:
            db.execute("UPDATE wfc_meta SET value = '../b' WHERE name = 'name'")
        db.close()
        with pytest.raises(CorruptRecord, match="does not say its name"):
            Store.open(url, environ=environ)

    def test_a_password_in_the_url_is_not_repeated(self) -> None:
        with pytest.raises(StorageError, match="az://CONTAINER/PREFIX") as caught:
            Store.open("postgresql://127.0.0.1/x?values=s3://me:hidden@b/p", environ={})
        assert "hidden" not in str(caught.value)

    def test_a_folder_does_not_look_at_the_environment(self, quick: Path) -> None:
        with Store.open(quick, environ={"WFC_VALUES": "s3://bucket/pre"}) as store:
            assert store.values_url == f"{quick}/values"


class TestPostgres:
    def test_values_in_a_folder(self, quick: Path, postgres: Server) -> None:
        url = f"{postgres.url('store1')}&values={quick}/v"
        with Store.open(url, environ={}) as store:
            store.journal.create_run("r1", DEFINITION)
            store.values.put(new_key("r1"), [b"x"])
        assert (quick / "v" / "key").exists()
        with Store.open(postgres.url("store1"), environ={"WFC_VALUES": f"{quick}/v"}) as store:
            assert store.journal.definition("r1") == DEFINITION
            assert len(list(store.values.list("r1"))) == 1

    def test_another_folder_has_another_key(self, quick: Path, postgres: Server) -> None:
        url = postgres.url("store2")
        Store.open(f"{url}&values={quick}/a", environ={}).close()
        with pytest.raises(WrongKey, match="another key"):
            Store.open(f"{url}&values={quick}/b", environ={})

    def test_without_a_folder(self) -> None:
        with pytest.raises(StorageError, match="WFC_VALUES"):
            Store.open("postgresql://127.0.0.1/x", environ={})


ENOSPC_CHILD = """
import resource, signal, sys
from wfc.runtime.journal import Journal
from wfc.runtime.storage_errors import StorageError

journal = Journal.open(f"sqlite:///{sys.argv[1]}", bytes(32), create=False)
lease = journal.acquire("r1")
journal.append(lease, [("k", b"before")])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
done = 0
try:
    while True:
        journal.append(lease, [("k", bytes(20_000))])
        done += 1
except StorageError as error:
    print(done, error)
"""


def test_a_journal_that_may_not_grow(quick: Path) -> None:
    """The nearest thing to a full disk that needs no privileges."""
    path = quick / "journal.db"
    journal = Journal.open(f"sqlite:///{path}", bytes(32))
    journal.create_run("r1", DEFINITION)
    done = subprocess.run(
        [sys.executable, "-c", ENOSPC_CHILD, str(path)], capture_output=True, text=True, check=True
    )
    count, _, message = done.stdout.partition(" ")
    assert "cannot write to" in message
    assert str(path) in message
    assert len(list(journal.read("r1"))) == 1 + int(count)
    lease = journal.acquire("r1")
    journal.append(lease, [("k", b"mended")])
    assert len(list(journal.read("r1"))) == 2 + int(count)
    journal.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small file system")
def test_a_full_disk(quick: Path) -> None:
    full = quick / "full"
    full.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(full)], check=False
    )
    if mounted.returncode != 0:
        pytest.skip("this root cannot mount")
    try:
        store = Store.open(full / "store", environ={})
        store.journal.create_run("r1", DEFINITION)
        lease = store.journal.acquire("r1")
        acknowledged = 0
        with pytest.raises(StorageError, match="full"):  # noqa: PT012
            while True:
                store.journal.append(lease, [("k", os.urandom(10_000))])
                acknowledged += 1
        assert acknowledged > 5
        with pytest.raises(StorageError, match=r"no space is left .*ENOSPC"):
            store.values.put(new_key("r1"), [bytes(2_000_000)])
        assert list(store.values.list()) == []
        assert len(list(store.journal.read("r1"))) == acknowledged
        subprocess.run(["mount", "-o", "remount,size=8m", str(full)], check=True)
        store.journal.append(lease, [("k", b"mended")])
        assert len(list(store.journal.read("r1"))) == acknowledged + 1
        store.close()
        subprocess.run(["mount", "-o", "remount,ro", str(full)], check=True)
        with pytest.raises(StorageError, match=r"read-?only"):
            Store.open(full / "store", environ={})
    finally:
        subprocess.run(["umount", str(full)], check=True)
