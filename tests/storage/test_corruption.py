"""Damage: every bit flipped, every truncation, things swapped. All of it is found before anything
is decoded, and none of it gives a wrong value."""

from __future__ import annotations

import os
import pickle
import random
import sqlite3
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.storage.s3 import S3
from tests.storage.test_journal import DEFINITION, KEY
from wfc.runtime import codec
from wfc.runtime.foldervalues import FolderValues
from wfc.runtime.journal import Journal
from wfc.runtime.journal.entries import run_seal
from wfc.runtime.objectvalues import ObjectValues
from wfc.runtime.seal import Sealer
from wfc.runtime.storage_errors import (
    Corrupt,
    CorruptRecord,
    CorruptValue,
    StorageError,
    UnknownRun,
)
from wfc.runtime.valuestore import ValueStore, new_key

SEALED = {
    "wfc_runs": ["run_id", "entry", "created", "status", "error", "finished", "seal", "next_seq"],
    "wfc_definitions": ["run_id", "seal", "definition"],
    "wfc_results": ["run_id", "seal", "result"],
    "wfc_records": ["run_id", "first", "last", "seal", "blob"],
    "wfc_signals": ["run_id", "pos", "id", "name", "created", "delivered", "seal", "payload"],
}
"""What the seals cover. Not: who owns a run and until when, which costs a lease at most; whether
somebody asked to cancel; how many signals there are, which has to fit; and a row's size, which only
says what to merge."""


def build(path: Path) -> Journal:
    """A small run with a bit of everything."""
    journal = Journal.open(f"sqlite:///{path}", KEY, clock=lambda: 1234.5)
    journal.create_run("r1", DEFINITION)
    lease = journal.acquire("r1")
    journal.append(lease, [("began", b"one"), ("done", b"two")])
    journal.send_signal("r1", "go", "s1", b"payload")
    journal.append(lease, [("hop", b"three"), ("got", b"four")], drop=[2], delivered={"s1": 4})
    journal.send_signal("r1", "go", "s2", b"")
    journal.append(lease, [("done", b"five")])
    journal.finish(lease, "succeeded", result=b"the result")
    return journal


def read_all(journal: Journal) -> list[Any]:
    """All that a reader of the run believes."""
    infos = journal.runs()
    for info in infos:
        if info.damage:
            raise CorruptRecord(info.damage)
    return [
        [(i.run_id, i.entry, i.created, i.status, i.error, i.finished) for i in infos],
        journal.run("r1").status,
        journal.definition("r1"),
        list(journal.read("r1")),
        journal.signals("r1"),
        journal.result("r1"),
    ]


@pytest.fixture
def journal(quick: Path) -> Iterator[Journal]:
    built = build(quick / "journal.db")
    yield built
    built.close()


@pytest.fixture
def raw(journal: Journal, quick: Path) -> Iterator[sqlite3.Connection]:
    """The same file, past the journal; it does not wait for the disk."""
    connection = sqlite3.connect(quick / "journal.db", isolation_level=None)
    connection.execute("PRAGMA synchronous = OFF")
    yield connection
    connection.close()


def flips(value: Any) -> Iterator[Any]:
    """A value with each of its bits flipped, as far as that can be stored."""
    if isinstance(value, bytes):
        for bit in range(8 * len(value)):
            flipped = bytearray(value)
            flipped[bit // 8] ^= 1 << bit % 8
            yield bytes(flipped)
        yield from (value[:length] for length in range(len(value)))
        yield value + b"\0"
    elif isinstance(value, str):
        for bits in flips(value.encode()):
            if bits is None:
                continue
            try:
                yield bits.decode()
            except UnicodeDecodeError:
                yield bits  # a column may hold bytes
    elif isinstance(value, int):
        yield from (value ^ 1 << bit for bit in range(63))
        yield ~value
    elif isinstance(value, float):
        number = int.from_bytes(struct.pack("<d", value), "little")
        for bit in range(64):
            yield struct.unpack("<d", (number ^ 1 << bit).to_bytes(8, "little"))[0]
    if value is not None:
        yield None
    else:
        yield from (0, 1.5, "", b"")


@pytest.mark.parametrize("table", SEALED)
def test_every_bit_and_truncation(journal: Journal, raw: sqlite3.Connection, table: str) -> None:
    right = read_all(journal)
    undetected = []
    tried = 0
    for column in SEALED[table]:
        query = f"SELECT rowid, {column} FROM {table}"
        for rowid, value in raw.execute(query).fetchall():
            for damaged in flips(value):
                change = f"UPDATE {table} SET {column} = ? WHERE rowid = ?"
                try:
                    raw.execute(change, (damaged, rowid))
                except sqlite3.IntegrityError:
                    continue  # the database itself refuses this
                if raw.execute(f"{query} WHERE rowid = ?", (rowid,)).fetchone() == (rowid, value):
                    continue  # stored as what it was
                tried += 1
                try:
                    found = read_all(journal)
                except (Corrupt, UnknownRun):
                    found = None
                if found is not None:
                    undetected.append((column, rowid, damaged, found == right))
                raw.execute(change, (value, rowid))
    assert tried > 300
    assert undetected == []
    assert read_all(journal) == right


@pytest.mark.parametrize("table", ["wfc_definitions", "wfc_results", "wfc_records", "wfc_signals"])
def test_a_row_that_is_missing(journal: Journal, raw: sqlite3.Connection, table: str) -> None:
    raw.execute(f"DELETE FROM {table} WHERE rowid = (SELECT min(rowid) FROM {table})")
    with pytest.raises(CorruptRecord, match="missing"):
        read_all(journal)


def test_the_last_row_is_missed(journal: Journal, raw: sqlite3.Connection) -> None:
    raw.execute("DELETE FROM wfc_records WHERE first = (SELECT max(first) FROM wfc_records)")
    with pytest.raises(CorruptRecord, match="record 6 stands where record 5 should"):
        list(journal.read("r1"))


def test_rows_that_are_swapped(journal: Journal, raw: sqlite3.Connection) -> None:
    rows = raw.execute("SELECT rowid, seal, blob FROM wfc_records").fetchall()
    (one, *this), (other, *that) = rows[0], rows[-1]
    raw.execute("UPDATE wfc_records SET seal = ?, blob = ? WHERE rowid = ?", (*that, one))
    raw.execute("UPDATE wfc_records SET seal = ?, blob = ? WHERE rowid = ?", (*this, other))
    with pytest.raises(CorruptRecord, match="records 1 to"):
        list(journal.read("r1"))


@pytest.mark.parametrize("table", ["wfc_definitions", "wfc_results", "wfc_records", "wfc_signals"])
def test_rows_of_another_run(journal: Journal, raw: sqlite3.Connection, table: str) -> None:
    raw.execute(f"UPDATE {table} SET run_id = 'r2'")
    raw.execute("UPDATE wfc_runs SET run_id = 'r2'")
    raw.execute("UPDATE wfc_runs SET seal = ?", (b"",))
    damaged = journal.runs()
    assert [info.damage != "" for info in damaged] == [True]
    # The row itself is made sound again: what belongs to it is not.
    columns = [row[1] for row in raw.execute("PRAGMA table_info(wfc_runs)")]
    row = dict(zip(columns, raw.execute("SELECT * FROM wfc_runs").fetchone(), strict=True))
    raw.execute("UPDATE wfc_runs SET seal = ?", (run_seal(Sealer(KEY), row),))
    readers: dict[str, Callable[[], Any]] = {
        "wfc_definitions": lambda: journal.definition("r2"),
        "wfc_results": lambda: journal.result("r2"),
        "wfc_records": lambda: list(journal.read("r2")),
        "wfc_signals": lambda: journal.signals("r2"),
    }
    with pytest.raises(CorruptRecord, match="r2"):
        readers[table]()


def test_damaged_rows_are_not_sealed_again(journal: Journal, raw: sqlite3.Connection) -> None:
    """Deleting records rewrites rows: one that is damaged must not become sound by it."""
    journal.create_run("r3", DEFINITION)
    lease = journal.acquire("r3")
    journal.append(lease, [("k", b"aaaa"), ("k", b"bbbb")])
    (blob,) = raw.execute("SELECT blob FROM wfc_records WHERE run_id = 'r3'").fetchone()
    raw.execute(
        "UPDATE wfc_records SET blob = ? WHERE run_id = 'r3'", (blob.replace(b"aaaa", b"aaab"),)
    )
    with pytest.raises(CorruptRecord):
        journal.append(lease, [("k", b"cccc")], drop=[2])
    with pytest.raises(CorruptRecord):
        list(journal.read("r3"))


@pytest.mark.slow
def test_the_file_with_bits_flipped(quick: Path) -> None:
    """2,000 flips anywhere in the file: what is read is right, or there is an error."""
    path = quick / "journal.db"
    journal = build(path)
    right = read_all(journal)
    journal.close()
    whole = path.read_bytes()
    source = random.Random(7)
    found = 0
    used = [i for i in range(len(whole)) if whole[i]]  # most of the file is empty pages
    for _ in range(2000):
        damaged = bytearray(whole)
        damaged[source.choice(used)] ^= 1 << source.randrange(8)
        path.write_bytes(damaged)
        found += _reads_right_or_fails(path, right)
    assert found > 500


@pytest.mark.slow
def test_the_file_cut_off(quick: Path) -> None:
    path = quick / "journal.db"
    journal = build(path)
    right = read_all(journal)
    journal.close()
    whole = path.read_bytes()
    for length in range(0, len(whole), 509):
        path.write_bytes(whole[:length])
        # Of the last page the end is empty.
        assert _reads_right_or_fails(path, right) or length > len(whole) - 8192


def _reads_right_or_fails(path: Path, right: list[Any]) -> bool:
    """Whether there was an error."""
    for extra in ("-wal", "-shm"):
        path.with_name(path.name + extra).unlink(missing_ok=True)
    try:
        journal = Journal.open(f"sqlite:///{path}", KEY, create=False)
    except StorageError:
        return True
    try:
        assert read_all(journal) == right
    except StorageError:
        return True
    finally:
        journal.close()
    return False


# ------------------------------------------------------------------------------------- values


class Planted:
    """A pickle of this writes a file when it is loaded."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return (os.mkdir, (str(self.marker),))


class Vault(NamedTuple):
    """A value store, and a way around it to the bytes that it keeps."""

    values: ValueStore
    read: Callable[[str], bytes]
    write: Callable[[str, bytes], object]


@pytest.fixture(params=["folder", "objects"])
def vault(request: pytest.FixtureRequest, quick: Path) -> Vault:
    """Each kind of value store."""
    if request.param == "folder":
        return Vault(
            FolderValues(quick, Sealer(KEY)),
            lambda key: (quick / key).read_bytes(),
            lambda key, data: (quick / key).write_bytes(data),
        )
    s3: S3 = request.getfixturevalue("s3")
    return Vault(
        ObjectValues("s3://bucket/pre", Sealer(KEY)),
        lambda key: s3.objects[f"pre/{key}"],
        lambda key, data: s3.objects.update({f"pre/{key}": data}),
    )


def test_values_every_bit_and_truncation(vault: Vault) -> None:
    values, key = vault.values, new_key("r1")
    size, seal = values.put(key, codec.encode_buffers({"a": bytearray(b"abc"), "b": [1, 2]}))
    whole = vault.read(key)
    count = 0
    for damaged in flips(whole):
        if damaged is None:
            continue
        vault.write(key, damaged)
        with pytest.raises(CorruptValue, match=key):
            values.get(key, size, seal)
        count += 1
    assert count == 9 * len(whole) + 1
    vault.write(key, whole)
    for wrong in flips(seal):
        if wrong is not None:
            with pytest.raises(CorruptValue):
                values.get(key, size, wrong)
    assert codec.decode_buffer(values.get(key, size, seal)) == {"a": b"abc", "b": [1, 2]}


def test_large_values_are_checked_whole(vault: Vault) -> None:
    values, key = vault.values, new_key("r1")
    size, seal = values.put(key, [bytes(17 << 20)])
    for at in (0, (1 << 20) - 1, 1 << 20, 9 << 20, (17 << 20) - 1):
        damaged = bytearray(size)
        damaged[at] = 1
        vault.write(key, bytes(damaged))
        with pytest.raises(CorruptValue):
            values.get(key, size, seal)
    vault.write(key, bytes(size))
    assert len(values.get(key, size, seal)) == size
    # Chunks that change places.
    key, other = new_key("r1"), new_key("r1")
    size, seal = values.put(key, [b"a" * (1 << 20), b"b" * (1 << 20)])
    swapped, _ = values.put(other, [b"b" * (1 << 20), b"a" * (1 << 20)])
    assert swapped == size
    with pytest.raises(CorruptValue):
        values.get(other, size, seal)


def test_a_swapped_value(vault: Vault) -> None:
    values = vault.values
    one, other = new_key("r1"), new_key("r1")
    size, seal = values.put(one, [b"one"])
    values.put(other, [b"two"])
    vault.write(one, vault.read(other))
    with pytest.raises(CorruptValue):
        values.get(one, size, seal)


def test_a_planted_pickle_is_never_loaded(
    quick: Path, journal: Journal, raw: sqlite3.Connection
) -> None:
    marker = quick / "marker"
    assert pickle.dumps(Planted(marker))
    planted = codec.encode(Planted(marker))
    values = FolderValues(quick / "values", Sealer(KEY))
    forger = FolderValues(quick / "forged", Sealer(bytes(32)))  # all but the key
    key = new_key("r1")
    size, seal = forger.put(key, codec.encode_buffers(Planted(marker)))
    os.makedirs((quick / "values" / key).parent)
    os.replace(quick / "forged" / key, quick / "values" / key)
    with pytest.raises(CorruptValue):
        codec.decode_buffer(values.get(key, size, seal))
    raw.execute("UPDATE wfc_results SET result = ?", (planted,))
    raw.execute("UPDATE wfc_signals SET payload = ?", (planted,))
    raw.execute("UPDATE wfc_records SET blob = ?", (planted,))
    for read in (journal.result, journal.signals, lambda run_id: list(journal.read(run_id))):
        with pytest.raises(CorruptRecord):
            read("r1")
    assert not marker.exists()
    codec.decode(planted)  # it would have
    assert marker.exists()
