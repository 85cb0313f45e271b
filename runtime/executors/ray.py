"""Batches as Ray tasks: streaming generators that hold a shape's resources while they run.

The one module that imports ray, and only when a transport is made.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import logging
import os
import secrets
import threading
import time
from collections import deque
from collections.abc import Iterator
from typing import Any

from wfc.runtime.executors.cluster import find_address, fits, task_options
from wfc.runtime.executors.harness import Broken, Harness
from wfc.runtime.executors.messages import Batch, Died, Finished, Message
from wfc.runtime.work import Program, Shape

logger = logging.getLogger("wfc")

NODES_EVERY = 2.0
"""Seconds after which the nodes are counted again."""

RUNNER = "wfc.runtime.worker.runner:Runner"

_HUB_AFTER = 1.0
_LISTEN_AFTER = 0.04


def _ray() -> Any:
    """The ray package, which has no types."""
    import ray

    return ray


# ------------------------------------------------------------------ in the workers

_harnesses: dict[str, Harness] = {}
_ears: dict[str, _Ear] = {}
"""Of this worker process, by the digest of the program and its run."""


class ObjectStore:
    """Ray's object store as the runner's way to large values."""

    def put_large(self, value: Any) -> Any:
        """A reference; the object lives as long as one of them."""
        return _ray().put(value)

    def get_large(self, handle: Any) -> Any:
        """Zero-copy and read-only; raises what Ray raises when the object is gone."""
        return _ray().get(handle)


def _harness(make: Any, digest: str, program: list[Any]) -> Harness:
    harness = _harnesses.get(digest)
    if harness is None:
        try:
            if isinstance(make, str):
                module, _, name = make.partition(":")
                make = getattr(importlib.import_module(module), name)
            harness = Harness(make(_ray().get(program[0]), ObjectStore()))
        except Exception as error:
            return Harness(Broken(error))
        _harnesses.clear()  # of an earlier run
        _harnesses[digest] = harness
    return harness


class _Ear(threading.Thread):
    """Hears, while a batch runs for long, that its rest is wanted elsewhere."""

    def __init__(self, harness: Harness) -> None:
        super().__init__(name="wfc-ear", daemon=True)
        self._harness = harness
        self._condition = threading.Condition()
        self._batch: int | None = None
        self._hub: Any = None

    def watch(self, batch: int | None, hub: Any = None) -> None:
        """The batch that runs now."""
        with self._condition:
            self._batch, self._hub = batch, hub
            self._condition.notify()

    def run(self) -> None:
        """Long-polls the hub, but only for batches that take long."""
        while True:
            with self._condition:
                self._condition.wait_for(lambda: self._batch is not None)
                batch, hub = self._batch, self._hub
            assert batch is not None
            if not self._over(batch, _LISTEN_AFTER):
                self._listen(batch, hub)
                self._over(batch, None)

    def _over(self, batch: int, seconds: float | None) -> bool:
        with self._condition:
            return self._condition.wait_for(lambda: self._batch != batch, seconds)

    def _listen(self, batch: int, hub: Any) -> None:
        ray = _ray()
        with contextlib.suppress(ray.exceptions.RayError):
            asked = hub.recalled.remote(batch)
            while not ray.wait([asked], timeout=0.1)[0]:
                if self._batch != batch:
                    return
            answer = self._harness.recall(batch) if ray.get(asked) else None
            if answer is not None:
                hub.tell.remote(answer)


def run_batch(
    make: Any, digest: str, program: list[Any], batch: Batch, token: int, name: str, hub: Any
) -> Iterator[list[Message]]:
    """The Ray task: runs a batch, and then those for its home if it has become one.

    `name` is that of the hub, `hub` the hub itself when there was one already.
    """
    harness = _harness(make, digest, program)
    ear = _ears.get(digest)
    listens = hub is not None and batch.grain < sum(len(work.indices) for work in batch.works)
    if listens:
        if ear is None:
            ear = _ears[digest] = _Ear(harness)
            ear.start()
        ear.watch(batch.id, hub)
    homes: set[int] = set()
    try:
        for message in harness.run(batch):
            if isinstance(message, Finished):
                if not message.parked:
                    return  # the end of the stream says so
                homes.update(message.parked)
            yield [message]
    finally:
        if ear is not None:
            ear.watch(None)
    while homes:
        # A task that blocks here gives its CPUs back to the cluster.
        order = _ray().get(_find(name).next.remote(token))
        if isinstance(order, int):
            homes.discard(order)
            harness.release(order)
            continue
        for message in harness.run(order):
            if isinstance(message, Finished):
                homes.update(message.parked)
            yield [message]


def _find(name: str) -> Any:
    """The hub; the coordinator makes it when it hears that a process has parked."""
    until = time.monotonic() + 60
    while True:
        try:
            return _ray().get_actor(name)
        except ValueError:
            if time.monotonic() > until:
                raise
            time.sleep(0.02)


class Hub:
    """A small actor, without a CPU, for what a running task has to hear or say out of turn."""

    def __init__(self) -> None:
        self._boxes: dict[int, asyncio.Queue[Batch | int]] = {}
        self._recalled: dict[int, asyncio.Event] = {}
        self._said: asyncio.Queue[Message] = asyncio.Queue()

    def _box(self, token: int) -> asyncio.Queue[Batch | int]:
        return self._boxes.setdefault(token, asyncio.Queue())

    async def put(self, token: int, order: Batch | int) -> None:
        """A batch for a parked process, or a home that it may let go."""
        self._box(token).put_nowait(order)

    async def next(self, token: int) -> Batch | int:
        """What `put` brought; waits for it."""
        return await self._box(token).get()

    async def recall(self, batch: int) -> None:
        """The batch is to begin nothing more."""
        self._recalled.setdefault(batch, asyncio.Event()).set()

    async def recalled(self, batch: int) -> bool:
        """Waits for `recall`; gives up after a while."""
        event = self._recalled.setdefault(batch, asyncio.Event())
        try:
            await asyncio.wait_for(event.wait(), 60)
        except asyncio.TimeoutError:
            return False
        finally:
            self._recalled.pop(batch, None)
        return True

    async def tell(self, message: Message) -> None:
        """Say something to the coordinator."""
        self._said.put_nowait(message)

    async def hear(self) -> list[Message]:
        """What was said; waits for it."""
        heard = [await self._said.get()]
        while not self._said.empty():
            heard.append(self._said.get_nowait())
        return heard


# ------------------------------------------------------------------ in the coordinator


class _Stream:
    """A Ray task under way: its generator and the batches that were sent to its process."""

    __slots__ = ("batches", "generator", "homes", "reason", "token")

    def __init__(self, token: int, generator: Any) -> None:
        self.token = token
        self.generator = generator
        self.batches: deque[int] = deque([token])
        self.homes: set[int] = set()
        self.reason = ""


class RayTransport:
    """Implements `Transport` on a Ray cluster: the one at `address`, at `RAY_ADDRESS`, a running one of
    this user and machine, or a private one that listens on the loopback interface only.

    `runner` makes what runs batches; `module:name`, or a callable. Raises `ConnectionError` when a
    named cluster does not answer.
    """

    overhead = 0.003
    exclusive = False

    def __init__(self, address: str | None = None, *, runner: Any = RUNNER) -> None:
        self._owner = connect(address)
        self._make = runner
        self._digest = ""
        self._program: list[Any] = []
        self._tasks: dict[Shape, Any] = {}
        self._slots: dict[Shape, int] = {}
        self._counted = 0.0
        self._streams: dict[int, _Stream] = {}
        self._by_batch: dict[int, _Stream] = {}
        self._messages: list[Message] = []
        self._name = f"wfc-hub-{secrets.token_hex(8)}"
        self._hub: Any = None
        self._hearing: Any = None
        self._since = time.monotonic()
        self._closed = False
        self._remote = _ray().remote(max_retries=0, num_returns="streaming")(run_batch)

    # ------------------------------------------------------------------ Transport

    def load(self, program: Program) -> None:
        """See `Transport`."""
        self._digest = f"{program.run_id}:{program.digest}"
        self._program = [_ray().put(program)]
        self._since = time.monotonic()

    def slots(self, shape: Shape) -> int:
        """By the nodes that are there now. At least 1: what fits nowhere yet waits in Ray's queue,
        which is what makes a cluster grow."""
        now = time.monotonic()
        if now - self._counted > NODES_EVERY:
            self._counted = now
            self._slots = dict.fromkeys(self._slots, 0)
            nodes = _ray().nodes()
            for known in self._slots:
                self._slots[known] = fits(known, nodes)
        count = self._slots.get(shape)
        if count is None:
            count = self._slots[shape] = fits(shape, _ray().nodes())
        return max(1, count)

    def send(self, batch: Batch) -> None:
        """See `Transport`."""
        if batch.home is not None:
            self._send_home(batch)
            return
        if self._hub is None and time.monotonic() - self._since > _HUB_AFTER and _grains(batch):
            self._start_hub()
        task = self._tasks.get(batch.shape)
        if task is None:
            options = task_options(batch.shape)
            task = self._tasks[batch.shape] = self._remote.options(name="wfc", **options)
        generator = task.remote(
            self._make, self._digest, self._program, batch, batch.id, self._name, self._hub
        )
        self._streams[batch.id] = self._by_batch[batch.id] = _Stream(batch.id, generator)

    def _send_home(self, batch: Batch) -> None:
        for stream in self._streams.values():
            if batch.home in stream.homes:
                stream.batches.append(batch.id)
                self._by_batch[batch.id] = stream
                self._start_hub().put.remote(stream.token, batch)
                return
        assert batch.home is not None
        self._messages.append(Died((batch.id,), "its process is gone", (batch.home,)))

    def recall(self, batch: int) -> None:
        """See `Transport`. A task that started before there was a hub does not hear it."""
        if batch in self._by_batch:
            self._start_hub().recall.remote(batch)

    def kill(self, batch: int, reason: str) -> None:
        """See `Transport`."""
        stream = self._by_batch.get(batch)
        if stream is None:
            return
        if stream.batches[0] != batch:
            self.recall(batch)
            return
        stream.reason = reason
        self._cancel(stream)

    def _cancel(self, stream: _Stream) -> None:
        # Forced: the process ends. Otherwise only an exception is raised in Python code.
        with contextlib.suppress(Exception):
            _ray().cancel(stream.generator, force=True)

    def release(self, home: int) -> None:
        """See `Transport`."""
        for stream in self._streams.values():
            if home in stream.homes:
                stream.homes.discard(home)
                self._start_hub().put.remote(stream.token, home)
                return

    def poll(self, timeout: float) -> list[Message]:
        """See `Transport`."""
        ray = _ray()
        if self._messages:
            timeout = 0.0
        watched: dict[Any, _Stream | None] = {
            stream.generator: stream for stream in self._streams.values()
        }
        if self._hearing is not None:
            watched[self._hearing] = None
        if not watched:
            time.sleep(timeout)
        else:
            every = list(watched)
            ready, _ = ray.wait(every, num_returns=1, timeout=timeout, fetch_local=False)
            if ready and len(every) > 1:
                ready, _ = ray.wait(every, num_returns=len(every), timeout=0, fetch_local=False)
            for source in ready:
                stream = watched[source]
                if stream is None:
                    self._hear()
                else:
                    self._read(stream)
        messages, self._messages = self._messages, []
        return messages

    def describe(self) -> dict[str, Any]:
        """See `Transport`."""
        alive = sum(bool(node.get("Alive")) for node in _ray().nodes())
        return {"executor": "ray", "nodes": alive, "private": self._owner == "private"}

    def close(self) -> None:
        """See `Transport`. A private Ray is shut down, a joined one is left."""
        if self._closed:
            return
        self._closed = True
        ray = _ray()
        if ray.is_initialized():
            for stream in self._streams.values():
                self._cancel(stream)
            if self._owner != "private":
                self._drain(2.0)
            if self._hub is not None:
                ray.kill(self._hub)
        self._streams.clear()
        self._by_batch.clear()
        if self._owner != "given":
            ray.shutdown()

    def _drain(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while self._streams and time.monotonic() < until:
            self.poll(0.1)

    # ------------------------------------------------------------------ streams

    def _read(self, stream: _Stream) -> None:
        """Take in one item, or the end, of a stream that is ready."""
        try:
            messages = _ray().get(next(stream.generator))
        except StopIteration:
            self._ended(stream)
            return
        except Exception as error:
            if not stream.reason:
                stream.reason = why(error)
            return  # the end of the stream follows
        for message in messages:
            if isinstance(message, Finished):
                stream.batches.remove(message.batch)
                self._by_batch.pop(message.batch, None)
                stream.homes.update(message.parked)
                self._start_hub()
        self._messages += messages

    def _ended(self, stream: _Stream) -> None:
        del self._streams[stream.token]
        for batch in stream.batches:
            self._by_batch.pop(batch, None)
        if stream.reason or stream.homes or len(stream.batches) > 1:
            reason = stream.reason or "its process ended"
            self._messages.append(Died(tuple(stream.batches), reason, tuple(stream.homes)))
        else:
            self._messages += [Finished(batch) for batch in stream.batches]

    def _start_hub(self) -> Any:
        if self._hub is None:
            options = {"name": self._name, "num_cpus": 0, "max_concurrency": 10_000}
            self._hub = _ray().remote(Hub).options(**options).remote()
            self._hearing = self._hub.hear.remote()
        return self._hub

    def _hear(self) -> None:
        try:
            heard = _ray().get(self._hearing)
        except Exception as error:
            logger.warning("the hub is gone, another one is made: %s", why(error))
            self._hub = self._hearing = None
            return
        self._hearing = self._hub.hear.remote()
        self._messages += [message for message in heard if message.batch in self._by_batch]


def _grains(batch: Batch) -> bool:
    return batch.grain < sum(len(work.indices) for work in batch.works)


def why(error: BaseException) -> str:
    """Why a task did not end well, for people."""
    name = type(error).__name__
    known = {
        "OutOfMemoryError": "its process was killed because the node ran out of memory",
        "NodeDiedError": "its node is gone",
        "WorkerCrashedError": "its process died",
        "TaskCancelledError": "its process was stopped",
        "RuntimeEnvSetupError": "its runtime environment could not be set up",
    }
    detail = " ".join(str(error).split())
    if name == "WorkerCrashedError":
        return known[name]
    return f"{known.get(name, name)}: {detail[:500]}"


# ------------------------------------------------------------------ connecting


def connect(address: str | None) -> str:
    """Connect this process to Ray; says whose it is: `"given"` (it was connected already),
    `"joined"` or `"private"`. Raises `ConnectionError`."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    found = find_address(address)
    ray = _ray() if found is not None else None
    if ray is None:
        _guard()
        ray = _ray()
    if ray.is_initialized():
        return "given"
    quiet = {"configure_logging": False, "log_to_driver": False}
    logging.getLogger("ray").setLevel(logging.ERROR)
    if found is not None:
        ray.init(address=found, **quiet)
        if os.environ.get("RAY_AUTH_MODE", "").lower() != "token":
            logger.warning(
                "the Ray cluster at %s is used without authentication: whoever reaches it can run "
                "code there. See RAY_AUTH_MODE=token in Ray's documentation.",
                found,
            )
        return "joined"
    ray.init(address="local", include_dashboard=False, _node_ip_address="127.0.0.1", **quiet)
    return "private"


def _guard() -> None:
    """Token authentication for a private Ray, with a token of its own that no file holds."""
    if "RAY_AUTH_MODE" not in os.environ:
        os.environ["RAY_AUTH_MODE"] = "token"
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
