"""Values in an object store: the contract of all value stores, and what may happen on the way."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from obstore.store import LocalStore, MemoryStore

from tests.storage.s3 import NAME, S3, SECRET, Call, Fault
from tests.storage.test_journal import KEY
from tests.storage.test_values import ValueStoreContract
from wfc.runtime import objectvalues
from wfc.runtime.objectvalues import PART, ObjectValues
from wfc.runtime.seal import Sealer
from wfc.runtime.storage_errors import CorruptValue, StorageError
from wfc.runtime.valuestore import ValueStore, checked_place, new_key, open_values

URL = "s3://bucket/pre/fix"
LARGE = [b"a" * (2 * PART), bytearray(b"b" * 1000), memoryview(b"c" * PART)]


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Patience of a moment, for what does not pass by itself."""
    monkeypatch.setitem(objectvalues._RETRIES, "retry_timeout", timedelta(milliseconds=200))


@pytest.fixture
def values(s3: S3) -> ObjectValues:
    return ObjectValues(URL, Sealer(KEY))


class TestInMemory(ValueStoreContract):
    @pytest.fixture
    def values(self) -> ValueStore:  # type: ignore[override]
        return ObjectValues(URL, Sealer(KEY), store=MemoryStore())


class TestOnS3(ValueStoreContract):
    @pytest.fixture
    def values(self, s3: S3) -> Iterator[ValueStore]:
        s3.page = 2  # keys that a list tells at once
        store = open_values(URL, KEY)
        yield store
        store.close()
        assert all(key.startswith("pre/fix/") for key in s3.objects)


# ----------------------------------------------------------------------------- large values


def test_a_large_value_travels_in_parts(s3: S3, values: ObjectValues) -> None:
    key = new_key("r1")
    size, seal = values.put(key, LARGE)
    assert [call.does for call in s3.calls] == ["BEGIN", *["PART"] * 4, "COMPLETE"]
    assert s3.objects[f"pre/fix/{key}"] == b"".join(LARGE)
    s3.calls.clear()
    assert values.get(key, size, seal) == b"".join(LARGE)
    assert [call.does for call in s3.calls] == ["GET"] * 4


def test_a_large_value_appears_whole_or_not_at_all(s3: S3, values: ObjectValues) -> None:
    """Also when its writer stops in the middle of it; what it had sent is dropped."""
    s3.fault = lambda call: 403 if call.does == "COMPLETE" else None
    with pytest.raises(StorageError, match="cannot write s3://bucket/pre/fix/r1/a: Other: as the"):
        values.put("r1/a", LARGE)
    assert s3.objects == {}
    assert s3.uploads == {}
    assert s3.calls[-1].does == "ABORT"


def test_the_memory_of_a_value_is_aligned(values: ObjectValues) -> None:
    np = pytest.importorskip("numpy")
    for buffers in ([bytes(100_000)], LARGE):
        key = new_key("r1")
        array = np.frombuffer(values.get(key, *values.put(key, buffers)), dtype="u1")
        assert array.ctypes.data % 64 == 0


# ------------------------------------------------------------------------------ trouble


class Sometimes:
    """The first `times` calls of a kind end in a fault."""

    def __init__(self, does: str, fault: Fault, times: int = 1) -> None:
        self.does, self.fault, self.left = does, fault, times

    def __call__(self, call: Call) -> Fault:
        if call.does != self.does or self.left == 0:
            return None
        self.left -= 1
        return self.fault


@pytest.mark.parametrize("fault", [503, 500, "before", "after"])
@pytest.mark.parametrize("does", ["PUT", "GET", "PART", "BEGIN", "COMPLETE"])
def test_what_passes_by_itself_is_not_told(
    s3: S3, values: ObjectValues, does: str, fault: Fault
) -> None:
    """Also when a request was done, and only its answer was lost: it is not taken for another's."""
    s3.fault = Sometimes(does, fault)
    for buffers in ([b"small"], LARGE):
        key = new_key("r1")
        assert values.get(key, *values.put(key, buffers)) == b"".join(buffers)
    assert s3.fault.left == 0
    assert len(s3.objects) == 2


@pytest.mark.parametrize("does", ["LIST", "DELETE MANY"])
@pytest.mark.parametrize("fault", [503, "before"])
def test_trouble_with_many(s3: S3, values: ObjectValues, does: str, fault: Fault) -> None:
    for name in "abc":
        values.put(f"r1/{name}", [b"x"])
    s3.fault = Sometimes(does, fault)
    values.delete(values.list("r1"))
    assert s3.objects == {}


def test_nothing_is_replaced(s3: S3, values: ObjectValues) -> None:
    size, seal = values.put("r1/a", [b"one"])
    with pytest.raises(StorageError, match="r1/a: there is another object of that name"):
        values.put("r1/a", [b"two"])
    assert values.get("r1/a", size, seal) == b"one"
    assert values.put("r1/a", [b"one"]) == (size, seal)


def test_a_store_that_knows_no_conditions(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_CONDITIONAL_PUT", "disabled")
    values = ObjectValues(URL, Sealer(KEY))
    for _ in range(2):
        key = new_key("r1")
        assert values.get(key, *values.put(key, [b"x"])) == b"x"


def test_a_store_that_minds_deleting_what_is_not_there(tmp_path: Path) -> None:
    """Google's and Azure's do; a folder as an object store does too."""
    values = ObjectValues(URL, Sealer(KEY), store=LocalStore(tmp_path))
    for name in "abc":
        values.put(f"r1/{name}", [b"x"])
    values.delete(["r1/none", "r1/a", "r1/no", "r1/b", "r1/more"])
    assert list(values.list()) == ["r1/c"]


def test_one_of_many_that_cannot_be_deleted(s3: S3, values: ObjectValues) -> None:
    for name in "abc":
        values.put(f"r1/{name}", [b"x"])
    s3.locked.add("pre/fix/r1/b")
    with pytest.raises(StorageError, match=r"cannot delete s3://bucket/pre/fix/r1/.*It is locked"):
        values.delete(values.list())
    assert list(values.list()) == ["r1/b"]


def test_what_is_not_of_the_store_is_not_listed(s3: S3, values: ObjectValues) -> None:
    values.put("r1/a", [b"x"])
    others = ["pre/other/r2/a", "pre/fixed/r2/a", "r3/a", "pre/fix/.hidden", "pre/fix/a b/c"]
    s3.objects |= dict.fromkeys(others, b"")
    assert list(values.list()) == ["r1/a"]


def put(values: ObjectValues) -> object:
    return values.put("r1/x", [b"x"])


def get(values: ObjectValues) -> object:
    return values.get("r1/x", 1, bytes(33))


def list_(values: ObjectValues) -> object:
    return list(values.list())


def delete(values: ObjectValues) -> object:
    return values.delete(["r1/x"])


ALL = pytest.mark.parametrize("ask", [put, get, list_, delete])


def told(values: ObjectValues, ask: Callable[[ObjectValues], object]) -> str:
    """What is said of a failure that is not damage; where, and no more than a line."""
    with pytest.raises(StorageError) as caught:
        ask(values)
    assert not isinstance(caught.value, CorruptValue)
    text = str(caught.value)
    assert "\n" not in text
    assert SECRET not in text
    assert NAME not in text
    return text


@ALL
def test_a_server_that_is_gone(s3: S3, hasty: None, ask: Callable[[ObjectValues], object]) -> None:
    values = ObjectValues(URL, Sealer(KEY))
    size, seal = values.put("r1/a", [b"x"])
    s3.stop()
    said = told(values, ask)
    assert URL in said
    assert f"Connection refused (from {s3.endpoint})" in said
    s3.start()
    assert values.get("r1/a", size, seal) == b"x"


@ALL
def test_a_server_that_never_answers(
    s3: S3, monkeypatch: pytest.MonkeyPatch, hasty: None, ask: Callable[[ObjectValues], object]
) -> None:
    over = threading.Event()
    s3.fault = lambda call: over.wait(60) and 500  # type: ignore[return-value]
    monkeypatch.setenv("AWS_TIMEOUT", "300ms")
    try:
        assert "the server does not answer in time" in told(ObjectValues(URL, Sealer(KEY)), ask)
    finally:
        over.set()


@ALL
@pytest.mark.parametrize("fault", [503, 403])
def test_a_server_that_refuses(
    s3: S3, hasty: None, ask: Callable[[ObjectValues], object], fault: int
) -> None:
    s3.fault = lambda call: fault
    assert ": as the test wants it (from " in told(ObjectValues(URL, Sealer(KEY)), ask)


@ALL
def test_a_bucket_that_is_not_there(s3: S3, ask: Callable[[ObjectValues], object]) -> None:
    said = told(ObjectValues("s3://other/fix", Sealer(KEY)), ask)
    assert "s3://other/fix" in said
    assert "NoSuchBucket: The specified bucket does not exist" in said


@ALL
def test_a_name_that_is_not_known(
    s3: S3, monkeypatch: pytest.MonkeyPatch, ask: Callable[[ObjectValues], object]
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody")
    said = told(ObjectValues(URL, Sealer(KEY)), ask)
    assert "InvalidAccessKeyId: The key does not exist in our records" in said


def test_an_address_without_encryption(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ALLOW_HTTP")
    assert "AWS_ALLOW_HTTP=true" in told(ObjectValues(URL, Sealer(KEY)), put)


def test_credentials_that_are_not_there() -> None:
    with pytest.raises(StorageError, match=r"use az://c/p: no credentials .*AZURE_STORAGE_AC"):
        ObjectValues("az://c/p", Sealer(KEY))


# ---------------------------------------------------------------------- before it is opened


@pytest.mark.parametrize("url", ["s3://b", "s3://b/", "gs://b/p", "az://c/p/q.r", "s3://b/a=1/p_-"])
def test_urls(url: str) -> None:
    assert checked_place(url) == url.rstrip("/")


@pytest.mark.parametrize(
    "url",
    [
        "s3://",
        "s3:///p",
        "s4://b/p",
        "file:///tmp",
        f"s3://{NAME}:{SECRET}@b/p",
        f"s3://b/p?aws_secret_access_key={SECRET}",
        "s3://b/p#x",
        "s3://b/../c",
        "s3://b/./c",
        "s3://b//c",
        "s3://b/a b",
    ],
)
def test_urls_that_are_none(url: str) -> None:
    with pytest.raises(
        StorageError, match=r"at s3://BUCKET/PREFIX, .*from the environment$"
    ) as caught:
        checked_place(url)
    assert SECRET not in str(caught.value)


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "obstore", None)
    monkeypatch.delitem(sys.modules, "wfc.runtime.objectvalues")
    with pytest.raises(
        StorageError, match=r"obstore is missing; .*pip install 'wfc-ray\[objects\]'"
    ):
        open_values(URL, KEY)


def test_a_folder_does_not_import_it(tmp_path: Path) -> None:
    code = (
        "import sys; from wfc.runtime.store import Store; import wfc.runtime.worker.runner\n"
        f"Store.open({str(tmp_path)!r}).close(); print('obstore' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_patience_is_bounded() -> None:
    """A request is given up after obstore's 30 s, and none is begun after these."""
    assert objectvalues._RETRIES["retry_timeout"] <= timedelta(seconds=15)
