"""What runs in the worker processes of a Ray cluster, and the small actor between them and the
coordinator."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import importlib
import os
import pickle
import secrets
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias, cast

from wfc.runtime.codec import Buffer, buffers_size
from wfc.runtime.executors.harness import Broken, Harness
from wfc.runtime.executors.messages import Batch, Finished, Message
from wfc.runtime.executors.nested import at_work, install, unaccompanied
from wfc.runtime.executors.relay import PACE, PATIENCE, Answer, Errand
from wfc.runtime.references import for_tasks
from wfc.runtime.storage_errors import CorruptValue, StorageError

_LISTEN_AFTER = 0.04
"""Seconds after which a batch takes long enough to listen whether its rest is wanted elsewhere."""

_LOOK_EVERY = 0.3
"""Seconds between two looks whether there is a hub, in a batch that was sent before there was one."""


def _ray() -> Any:
    """The ray package of this process: a worker of Ray has it."""
    return sys.modules["ray"]


Order: TypeAlias = "Batch | int | tuple[Batch, dict[int, Any]]"

_harnesses: dict[str, Harness] = {}
_ears: dict[str, _Ear] = {}
_envs: dict[str, Any] = {}
_ours: list[str] = [""]
"""Of this worker process, by the digest of the program and its run, or the name of the hub; and that
of the hub of the run that it works for now."""


class ObjectStore:
    """Ray's object store as the runner's way to large values."""

    def put_large(self, value: Any) -> Any:
        """A reference; the object lives as long as one of them."""
        with unaccompanied():
            return _ray().put(value)

    def get_large(self, handle: Any, size: int) -> Any:
        """Zero-copy and read-only; raises what Ray raises when the object is gone, or does not come."""
        return _ray().get(handle, timeout=PATIENCE + size / PACE)

    def keep(self, key: str, buffers: Sequence[Buffer]) -> tuple[int, bytes]:
        """See `Courier`: the object is there until the owner has written it down."""
        part = _ray().put([pickle.PickleBuffer(buffer) for buffer in buffers])
        answer = _asked(Errand(secrets.randbits(64), key, buffers_size(buffers), part=part))
        return answer.size, answer.seal

    def fetch(self, key: str, size: int, seal: bytes) -> memoryview:
        """See `Courier`."""
        answer = _asked(Errand(secrets.randbits(64), key, size, seal))
        (part,) = self.get_large(answer.part, size)
        return memoryview(part)


def _asked(errand: Errand) -> Answer:
    """What the owner of the run that this process works for says to an errand."""
    ray = _ray()
    try:
        answer = cast(Answer, ray.get(_find(_ours[0]).ask.remote(errand)))
    except (ray.exceptions.RayError, TimeoutError) as error:
        raise StorageError(
            f"value {errand.key}: the run's owner cannot be reached: {error}"
        ) from None
    if not answer.trouble:
        return answer
    raise (CorruptValue if answer.corrupt else StorageError)(answer.trouble)


def _harness(make: Any, digest: str, program: list[Any]) -> Harness:
    harness = _harnesses.get(digest)
    if harness is None:
        try:
            if isinstance(make, str):
                module, _, name = make.partition(":")
                make = getattr(importlib.import_module(module), name)
            install()
            _settle()
            _stay()
            for_tasks()
            harness = Harness(make(_ray().get(program[0]), ObjectStore()))
        except Exception as error:
            return Harness(Broken(error))
        _harnesses.clear()  # of an earlier run
        _harnesses[digest] = harness
    return harness


def _settle() -> None:
    """Once in a process: what was imported so far stays, so the garbage collector need not look at it
    again. It is some 200,000 objects: a tenth of a second, in the middle of a batch."""
    if not gc.get_freeze_count():
        gc.freeze()


def _stay() -> None:
    """Once in a process: its connection is Ray's own, without which it cannot even say what a task came
    to. A function that is also used elsewhere may end what `ray.init` gave it there: here, nothing."""
    ray = _ray()
    if not hasattr(ray.shutdown, "wfc"):
        ray.shutdown = functools.wraps(ray.shutdown)(lambda **_: None)
        ray.shutdown.wfc = True


class _Ear(threading.Thread):
    """Hears, while a batch runs for long, that its rest is wanted elsewhere or that its process is to
    end. Ray's own way to end it, a forced cancel, ends the driver when it meets a task that is just
    completing."""

    def __init__(self, harness: Harness, name: str) -> None:
        super().__init__(name="wfc-ear", daemon=True)
        self._harness = harness
        self._name = name
        self._condition = threading.Condition()
        self._batch: int | None = None
        self._hub: Any = None

    def watch(self, batch: int | None, hub: Any = None) -> None:
        """The batch that runs now."""
        with self._condition:
            self._batch, self._hub = batch, hub or self._hub
            self._condition.notify()

    def run(self) -> None:
        """Long-polls the hub, but only for batches that take long."""
        while True:
            with self._condition:
                self._condition.wait_for(lambda: self._batch is not None)
                batch = self._batch
            assert batch is not None
            if not self._over(batch, _LISTEN_AFTER):
                self._listen(batch)
                self._over(batch, None)

    def _over(self, batch: int, seconds: float | None) -> bool:
        with self._condition:
            return self._condition.wait_for(lambda: self._batch != batch, seconds)

    def _listen(self, batch: int) -> None:
        ray = _ray()
        with contextlib.suppress(ray.exceptions.RayError):
            while self._hub is None:
                self._hub = _look_for(self._name)
                if self._hub is None and self._over(batch, _LOOK_EVERY):
                    return
            while True:
                asked = self._hub.asked.remote(batch)
                while not ray.wait([asked], timeout=0.1)[0]:
                    if self._batch != batch:
                        return
                    for told in (self._harness.echo(), self._harness.finished()):
                        if told is not None:
                            self._hub.tell.remote(told)
                self._obey(batch, ray.get(asked))

    def _obey(self, batch: int, order: str) -> None:
        if order == "kill":
            with self._condition:
                if self._batch == batch:
                    os._exit(1)
        answer = self._harness.recall(batch) if order == "recall" else None
        if answer is not None:
            self._hub.tell.remote(answer)


def run_batch(
    make: Any,
    digest: str,
    program: list[Any],
    batch: Batch,
    envs: dict[int, Any],
    where: tuple[str, Any],
) -> Iterator[list[Message]]:
    """The Ray task: runs a batch, and then those for its home if it has become one.

    `program` holds the reference of it, `envs` those of large environments, `where` the name of the
    hub, and the hub itself when there was one already.
    """
    name, hub = where
    _ours[0] = name
    harness = _harness(make, digest, program)
    if envs:
        batch.envs = {work: _env(reference) for work, reference in envs.items()}
        batch.fill()
    ear = _ears.get(name)
    if ear is None:
        ear = _ears[name] = _Ear(harness, name)
        ear.start()
    ear.watch(batch.id, hub)
    homes: set[int] = set()
    try:
        with at_work():
            for message in harness.run(batch):
                if isinstance(message, Finished):
                    if not message.parked:
                        return  # the end of the stream says so
                    homes.update(message.parked)
                yield [message]
    finally:
        ear.watch(None)
    while homes:
        # A task that blocks here gives its CPUs back to the cluster.
        order = _ray().get(_find(name).next.remote(batch.id))
        if isinstance(order, int):
            homes.discard(order)
            harness.release(order)
            continue
        ear.watch(order.id)
        try:
            with at_work():
                for message in harness.run(order):
                    if isinstance(message, Finished):
                        homes.update(message.parked)
                    yield [message]
        finally:
            ear.watch(None)


def stand_in(
    make: Any, digest: str, program: list[Any], token: int, where: tuple[str, Any]
) -> Iterator[list[Message]]:
    """The Ray task of a batch that is not chosen yet: while it waits for its resources, the cluster
    has a reason to grow. Says that it has begun, and runs the batch that it then gets, if any."""
    yield []
    # Not `ray.get`: a task that blocks there gives its CPUs back, and those are what it has to offer.
    hub = where[1] or _find(where[0])
    order = hub.next.remote(token).future().result()
    if not isinstance(order, int):
        batch, envs = order
        yield from run_batch(make, digest, program, batch, envs, where)


def _env(reference: Any) -> Any:
    key = reference.hex()
    env = _envs.pop(key, None)
    _envs[key] = env = _ray().get(reference) if env is None else env
    while len(_envs) > 8:
        del _envs[next(iter(_envs))]
    return env


def _find(name: str) -> Any:
    """The hub; the coordinator makes it when it hears that a process has parked."""
    until = time.monotonic() + 60
    while (hub := _look_for(name)) is None:
        if time.monotonic() > until:
            raise TimeoutError(f"no {name}")
        time.sleep(0.02)
    return hub


def _look_for(name: str) -> Any:
    """The hub, or `None` while there is none."""
    try:
        return _ray().get_actor(name)
    except ValueError:
        return None


class Hub:
    """A small actor, without a CPU, for what a running task has to hear or say out of turn."""

    def __init__(self) -> None:
        self._boxes: dict[int, asyncio.Queue[Order]] = {}
        self._orders: dict[int, asyncio.Queue[str]] = {}
        self._said: asyncio.Queue[Message | Errand] = asyncio.Queue()
        self._errands: dict[int, asyncio.Future[Answer]] = {}

    def _box(self, token: int) -> asyncio.Queue[Order]:
        return self._boxes.setdefault(token, asyncio.Queue())

    async def put(self, token: int, order: Order) -> None:
        """A batch for a parked process or a stand-in (with references to large environments), or a
        home that it may let go; for a stand-in, 0: there is nothing to do."""
        self._box(token).put_nowait(order)

    async def next(self, token: int) -> Order:
        """What `put` brought; waits for it."""
        return await self._box(token).get()

    async def order(self, batch: int, what: str) -> None:
        """The process that runs the batch is to begin nothing more of it (`"recall"`), or to end at
        once (`"kill"`)."""
        self._orders.setdefault(batch, asyncio.Queue()).put_nowait(what)

    async def asked(self, batch: int) -> str:
        """Waits for an order; gives up after a while (`""`)."""
        try:
            return await asyncio.wait_for(
                self._orders.setdefault(batch, asyncio.Queue()).get(), timeout=60
            )
        except asyncio.TimeoutError:
            self._orders.pop(batch, None)
            return ""

    async def tell(self, message: Message) -> None:
        """Say something to the coordinator."""
        self._said.put_nowait(message)

    async def ask(self, errand: Errand) -> Answer:
        """Have the coordinator run an errand; waits for what came of it."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._errands[errand.ticket] = answer
        self._said.put_nowait(errand)
        try:
            return await answer
        finally:
            del self._errands[errand.ticket]

    async def answer(self, ticket: int, answer: Answer) -> None:
        """What came of an errand. Who asked may be gone."""
        waiting = self._errands.get(ticket)
        if waiting is not None and not waiting.done():
            waiting.set_result(answer)

    async def hear(self) -> list[Message | Errand]:
        """What was said; waits for it."""
        heard = [await self._said.get()]
        while not self._said.empty():
            heard.append(self._said.get_nowait())
        return heard
