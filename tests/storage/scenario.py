"""What a process does to a store until it is killed at a failpoint, and what must hold then.

The process tells in a file of its own what was acknowledged to it, after the fact; the test
compares that with what is in the store.
"""

from __future__ import annotations

import itertools
import json
import os
import pickle
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from wfc.runtime.codec import decode_buffer, encode_buffers
from wfc.runtime.foldervalues import FolderValues
from wfc.runtime.journal import Definition, Journal
from wfc.runtime.storage_errors import UnknownRun
from wfc.runtime.store import Store
from wfc.runtime.valuestore import new_key

FAILPOINTS = (*Store.FAILPOINTS, *Journal.FAILPOINTS, *FolderValues.FAILPOINTS)
DEFINITION = Definition("main", b"plan", b"parameters")


class Killer:
    """A failpoint that kills its own process when it gets to `point` for the `nth` time."""

    def __init__(self, point: str, nth: int) -> None:
        self.point = point
        self.nth = nth
        self.hits: Counter[str] = Counter()

    def __call__(self, point: str) -> None:
        if point not in FAILPOINTS:
            raise AssertionError(f"{point} is no named failpoint")
        self.hits[point] += 1
        if point == self.point and self.hits[point] == self.nth:
            os.kill(os.getpid(), signal.SIGKILL)


def run(folder: str, point: str, nth: int, seed: int) -> None:
    """The process: works on run `r1` of the store, and tells what was acknowledged to it."""
    source = random.Random(seed)
    killer = Killer(point, nth)
    with open(f"{folder}.told", "ab", buffering=0) as file:

        def tell(fact: tuple[object, ...]) -> None:
            file.write(pickle.dumps(fact))

        with Store.open(folder, failpoint=killer) as store:
            work(itertools.repeat(store), source, tell)
        tell(("hits", dict(killer.hits)))


def serve() -> None:
    """Fork a process for each line (the arguments of `run` as JSON), and answer how it ended."""
    with tempfile.TemporaryDirectory() as folder:  # what the first one has to import and to compile
        run(f"{folder}/store", "", 0, 0)
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            run(*json.loads(line))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def work(
    stores: Iterator[Store], source: random.Random, tell: Callable[[tuple[object, ...]], None]
) -> None:
    """The work itself, on one store after the other: all are the same one, perhaps opened anew."""
    journal = next(stores).journal
    tell(("trying", "create"))
    journal.create_run("r1", DEFINITION)
    tell(("created",))
    journal.create_run("r2", DEFINITION)
    lease = journal.acquire("r1")
    tell(("acquired", lease.epoch))
    kept: list[int] = []
    for number in range(4):
        store = next(stores)
        journal = store.journal
        signal_id = f"s{number}"
        journal.send_signal("r1", "go", signal_id, b"payload")
        tell(("signal", signal_id))
        key = new_key("r1")
        body = source.randbytes(source.randrange(200, 4000))
        size, seal = store.values.put(key, encode_buffers(bytearray(body)))
        tell(("value", key, size, seal, body))
        records = [("k", source.randbytes(source.randrange(50))) for _ in range(3)]
        drop = kept[:2] if len(kept) > 4 else []
        first = lease.next_seq + 3 * number
        tell(("appending", first, records, drop, signal_id))
        journal.append(lease, records, drop=drop, delivered={signal_id: first})
        tell(("appended",))
        kept = [*kept[len(drop) :], first, first + 1, first + 2]
    store = next(stores)
    journal = store.journal
    tell(("finishing",))
    journal.finish(lease, "succeeded", result=b"42")
    tell(("finished",))
    tell(("deleting",))
    store.delete_run("r2")
    tell(("deleted",))


@dataclass
class Told:
    """What the process had acknowledged, and what it was at when it died."""

    facts: list[tuple[object, ...]] = field(default_factory=list)

    @classmethod
    def read(cls, folder: Path) -> Told:
        """What was told up to the kill."""
        told = cls()
        with open(f"{folder}.told", "rb") as file:
            while file.peek(1):
                told.facts.append(pickle.load(file))
        return told

    def has(self, name: str) -> bool:
        return any(fact[0] == name for fact in self.facts)

    def all(self, name: str) -> list[tuple[object, ...]]:
        return [fact[1:] for fact in self.facts if fact[0] == name]


def verify(folder: Path, told: Told, clock: Callable[[], float] = time.time) -> None:
    """Open the store again: all that was acknowledged is there, and nothing half."""
    with Store.open(folder, clock=clock) as store:
        try:
            info = store.journal.run("r1")
        except UnknownRun:
            assert not told.has("created")
            return
        _verify_records(store, told)
        _verify_signals(store, told)
        for key, size, seal, body in told.all("value"):
            assert isinstance(key, str)
            assert isinstance(size, int)
            assert isinstance(seal, bytes)
            assert decode_buffer(store.values.get(key, size, seal)) == body
        told_keys = {fact[0] for fact in told.all("value")}
        found = set(store.values.list("r1"))
        assert told_keys <= found
        assert len(found) <= len(told_keys) + 1
        if told.has("finished"):
            assert info.status == "succeeded"
        if info.status == "succeeded":
            assert told.has("finishing")
            assert store.journal.result("r1") == b"42"
        else:
            # Its owner is dead, or its lease is over: whoever comes next goes on at once.
            lease = store.journal.acquire("r1")
            assert lease.epoch == info.epoch + 1
            assert store.journal.append(lease, [("k", b"next")]).next_seq == lease.next_seq + 1
        if told.has("deleted"):
            assert [run.run_id for run in store.journal.runs()] == ["r1"]
        assert list(store.orphans()) == []


def _verify_records(store: Store, told: Told) -> None:
    states: list[dict[int, bytes]] = [{}]
    for first, records, drop, _ in told.all("appending"):
        assert isinstance(first, int)
        assert isinstance(records, list)
        assert isinstance(drop, list)
        state = {seq: data for seq, data in states[-1].items() if seq not in drop}
        state.update({first + index: data for index, (_, data) in enumerate(records)})
        states.append(state)
    acknowledged = len(told.all("appended"))
    found = {record.seq: record.data for record in store.journal.read("r1")}
    # All or nothing of the commit that was under way.
    assert found in states[acknowledged:]


def _verify_signals(store: Store, told: Told) -> None:
    found = store.journal.signals("r1")
    sent = [fact[0] for fact in told.all("signal")]
    assert [signal.id for signal in found][: len(sent)] == sent
    assert len(found) <= len(sent) + 1
    seqs = {record.seq for record in store.journal.read("r1")}
    last = max(seqs, default=0)
    for signal_ in found:
        # Taken up exactly if the record that took it up is there.
        if signal_.delivered is not None:
            assert signal_.delivered <= last
    acknowledged = len(told.all("appended"))
    assert sum(signal_.delivered is not None for signal_ in found) in (
        acknowledged,
        acknowledged + 1,
    )


if __name__ == "__main__":
    serve()
