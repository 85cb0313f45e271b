"""Batches as Ray tasks: streaming generators that hold a shape's resources while they run.

The one module that imports ray, and only when a transport is made.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from functools import cache, wraps
from itertools import count
from typing import Any, Concatenate, ParamSpec, TypeVar

from wfc.runtime.executors.cluster import claims, find_address, fits, ray_folder, task_options
from wfc.runtime.executors.connection import check, join, watch
from wfc.runtime.executors.messages import Batch, Died, Echo, Finished, Message
from wfc.runtime.executors.rayside import Hub, run_batch, stand_in
from wfc.runtime.executors.relay import Errand, Relay
from wfc.runtime.executors.sessions import mark
from wfc.runtime.executors.streams import StandIns, Stream
from wfc.runtime.values import Value
from wfc.runtime.work import ExecutorLost, Program, Shape

logger = logging.getLogger("wfc")

P = ParamSpec("P")
R = TypeVar("R")

RUNNER = "wfc.runtime.worker.runner:Runner"

_LOOPBACK = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
_HUB_AFTER = 1.0
_NO_BATCH = 0
"""The number of none: of what is asked of it, nothing is ever said."""
_PARTING = 0.2
"""Seconds that what still runs at the end has, to end in its own way."""
_FORCE_AFTER = 1.2
"""Seconds that a process has to end by itself when it is told to, before Ray is asked to end it."""


def _ray() -> Any:
    """The ray package, which has no types."""
    import ray

    return ray


@cache
def _remote(number: int, function: Any = run_batch) -> Any:
    """One of the Ray tasks that run batches, all the same; made once in a process, as each new one is
    exported to the cluster again."""
    return _ray().remote(max_retries=0, num_returns="streaming")(function)


# ------------------------------------------------------------------ in the coordinator


def _calling(
    method: Callable[Concatenate[RayTransport, P], R],
) -> Callable[Concatenate[RayTransport, P], R]:
    """A method that calls Ray, and does not once the connection has ended: it raises `ExecutorLost`."""

    @wraps(method)
    def call(self: RayTransport, /, *args: P.args, **kwargs: P.kwargs) -> R:
        with self._connection:
            return method(self, *args, **kwargs)

    return call


class RayTransport:
    """Implements `Transport` on a Ray cluster: the one at `address`, at `RAY_ADDRESS`, a running one of
    this user and machine, or a private one that listens on the loopback interface only. All those of
    a process share one connection.

    `runner` makes what runs batches; `module:name`, or a callable. Raises `ConnectionError` when a
    named cluster does not answer, or the process is connected to another one.
    """

    overhead = 0.003
    exclusive = False
    pinned = False

    def __init__(self, address: str | None = None, *, runner: Any = RUNNER) -> None:
        prepare(address)
        self._connection = join(_ray(), connect, address)
        self._attached = self._connection.attached
        self._make = runner
        self._digest = ""
        self._program: list[Any] = []
        self._tasks: dict[tuple[int, bool, Shape], Any] = {}
        self._slots: dict[Shape, int] = {}
        self._counted = 0
        self._streams: dict[int, Stream] = {}
        self._by_batch: dict[int, Stream] = {}
        self._waiting: dict[Shape, StandIns] = {}
        self._tokens = count(-1, -1)
        self._messages: list[Message] = []
        self._envs: dict[int, Any] = {}
        self._name = _hub_name()
        self._hub: Any = None
        self._relay: Relay | None = None
        self._hearing: Any = None
        self._lent: Any = None
        self.lend = self._lend if self._in_task() else None
        """In a Ray task: how to wait there."""
        self._since = time.monotonic()
        self._closed = False

    # ------------------------------------------------------------------ Transport

    @_calling
    def load(self, program: Program) -> None:
        """See `Transport`."""
        self._digest = f"{program.run_id}:{program.digest}"
        if not self._connection.private and program.store:  # there may be other machines
            self._relay = Relay(program, self._connection)
            program = self._relay.program
            self._digest += f":{self._relay.key}"  # processes of an earlier attempt know its proof
        self._program = [_ray().put(program)]
        self._since = time.monotonic()

    def slots(self, shape: Shape) -> int:
        """By the nodes that are there now. At least 1: what fits nowhere yet waits in Ray's queue,
        which is what makes a cluster grow."""
        if self._counted != self._attached.counted:
            self._counted = self._attached.counted
            self._slots.clear()
        slots = self._slots.get(shape)
        if slots is None:
            slots = self._slots[shape] = fits(shape, self._attached.nodes)
        waiting = self._waiting.get(shape)
        if waiting is not None and waiting.offers:
            streams = self._streams.values()
            out = sum(bool(stream.batches) for stream in streams if stream.shape == shape)
            slots = max(slots, out + len(waiting.held) + len(waiting.offers))
        return max(1, slots)

    @_calling
    def send(self, batch: Batch) -> None:
        """See `Transport`."""
        if batch.home is not None:
            self._send_home(batch)
            return
        if self._hub is None and time.monotonic() - self._since > _HUB_AFTER and _several(batch):
            self._start_hub()
        waiting = self._waiting.get(batch.shape)
        if waiting is not None and len(waiting.held) < len(waiting.streams):
            waiting.held.append(batch)
            self._match(waiting)
            return
        stream = self._begin(batch.id, batch.shape, *self._bare(batch))
        self._by_batch[batch.id] = stream

    def _begin(self, token: int, shape: Shape, *batch: Any) -> Stream:
        """Submit a Ray task: for a batch, or one that stands in for a later one."""
        remote = self._unblocked()
        function = run_batch if batch else stand_in
        task = self._tasks.get((remote, bool(batch), shape))
        if task is None:
            task = _remote(remote, function).options(name="wfc", **task_options(shape))
            self._tasks[remote, bool(batch), shape] = task
        hub = (self._name, self._hub)
        what = batch or (token,)
        generator = task.remote(self._make, self._digest, self._program, *what, hub)
        stream = Stream(token, shape, remote, self._name, generator, batch=bool(batch))
        self._streams[token] = stream
        return stream

    def _bare(self, batch: Batch) -> tuple[Batch, dict[int, Any]]:
        """A batch, and references to its large environments."""
        envs = {work: self._env(work, env) for work, env in batch.envs.items()}
        return (replace(batch, envs={}) if envs else batch), envs

    # ------------------------------------------------------------------ growing

    @_calling
    def want(self, shape: Shape, count: int) -> None:
        """See `Transport`. For each slot a stand-in waits in Ray's queue, where the autoscaler looks. It
        gets its batch when it begins: what is most urgent then, not now. A private Ray does not grow,
        and a shape that takes nothing of a node needs no more of them."""
        if self._connection.private or not claims(shape):
            return
        waiting = self._waiting.get(shape)
        if waiting is None:
            waiting = self._waiting[shape] = StandIns()
        if count:
            self._start_hub()
        waiting.wanted = count
        while len(waiting.streams) < count:
            token = next(self._tokens)
            waiting.streams[token] = self._begin(token, shape)
        self._withdraw(waiting)

    def _withdraw(self, waiting: StandIns) -> None:
        """Those that are not wanted: one in Ray's queue leaves it, one that has begun ends by itself."""
        for stream, begun in waiting.surplus():
            stream.withdrawn = True
            if begun:
                self._start_hub().put.remote(stream.token, 0)
            else:
                _ray().cancel(stream.generator, force=False)

    def _match(self, waiting: StandIns) -> None:
        """Give batches to the stand-ins that have begun."""
        while waiting.held and waiting.offers:
            batch = waiting.held.popleft()
            stream = waiting.offers.popleft()
            del waiting.streams[stream.token], self._streams[stream.token]
            self._start_hub().put.remote(stream.token, self._bare(batch))
            stream.token = batch.id
            stream.batches.append(batch.id)
            self._streams[batch.id] = self._by_batch[batch.id] = stream

    def _begun(self, stream: Stream) -> None:
        """A stand-in has begun: there is room for a batch."""
        if stream.withdrawn:
            self._start_hub().put.remote(stream.token, 0)
            return
        waiting = self._waiting[stream.shape]
        waiting.offers.append(stream)
        self._match(waiting)
        self._withdraw(waiting)

    def _without(self, stream: Stream) -> None:
        """A stand-in ended without a batch. Nothing is lost; but what made it end (an environment that
        cannot be set up, say) is for the batch that was held for it to tell."""
        waiting = self._waiting[stream.shape]
        waiting.ended(stream)
        while len(waiting.held) > len(waiting.streams):
            batch = waiting.held.pop()
            self._by_batch[batch.id] = self._begin(batch.id, batch.shape, *self._bare(batch))

    def _unheld(self, batch: int) -> bool:
        """Whether a batch was waiting for a stand-in to begin; now it is not."""
        for waiting in self._waiting.values():
            if waiting.take(batch):
                self._withdraw(waiting)
                return True
        return False

    def _unblocked(self) -> int:
        """The number of a Ray task of which no process is parked. Ray counts those that block among
        the ones of their kind that run, and once there are as many as CPUs, it waits for seconds
        before it begins another."""
        blocked = {stream.remote for stream in self._streams.values() if stream.homes}
        return next(number for number in count() if number not in blocked)

    def _env(self, work: int, env: dict[str, Value]) -> Any:
        """A reference to a large environment, made once."""
        found = self._envs.pop(work, None)
        self._envs[work] = found = _ray().put(env) if found is None else found
        while len(self._envs) > 8:
            del self._envs[next(iter(self._envs))]
        return found

    def _send_home(self, batch: Batch) -> None:
        for stream in self._streams.values():
            if batch.home in stream.homes:
                stream.batches.append(batch.id)
                self._by_batch[batch.id] = stream
                self._start_hub().put.remote(stream.token, batch)
                return
        assert batch.home is not None
        self._messages.append(Died((batch.id,), "its process is gone", (batch.home,)))

    @_calling
    def recall(self, batch: int) -> None:
        """See `Transport`."""
        if self._unheld(batch):
            self._messages.append(Finished(batch))
        elif batch in self._by_batch:
            self._start_hub().order.remote(batch, "recall")

    @_calling
    def kill(self, batch: int, reason: str) -> None:
        """See `Transport`."""
        stream = self._by_batch.get(batch)
        if stream is None:
            if self._unheld(batch):
                self._messages.append(Died((batch,), reason))
            return
        if stream.batches[0] != batch:
            self.recall(batch)
            return
        stream.reason = reason
        self._end(stream)

    def _end(self, stream: Stream) -> None:
        """Have its process end itself; a parked one lets go of its homes."""
        if stream.killed:
            return
        stream.killed = time.monotonic()
        hub = self._start_hub()
        for batch in list(stream.batches)[:1]:
            hub.order.remote(batch, "kill")
        for home in () if stream.batches else stream.homes:
            hub.put.remote(stream.token, home)

    def _force(self) -> None:
        """End those that were told to end, and do not: they compute and do not let Python in, or have
        not begun. For others this is not safe: a task that is cancelled by force at the moment it
        completes ends the driver, by a check of Ray's."""
        now = time.monotonic()
        for stream in self._streams.values():
            if stream.killed and now - stream.killed > _FORCE_AFTER:
                stream.killed = now
                with contextlib.suppress(Exception):
                    _ray().cancel(stream.generator, force=True)

    @_calling
    def release(self, home: int) -> None:
        """See `Transport`."""
        for stream in self._streams.values():
            if home in stream.homes:
                stream.homes.discard(home)
                self._start_hub().put.remote(stream.token, home)
                return

    @_calling
    def poll(self, timeout: float) -> list[Message]:
        """See `Transport`. Raises `ExecutorLost` when Ray is gone."""
        return self._poll(timeout)

    def _poll(self, timeout: float) -> list[Message]:
        ray = _ray()
        try:
            self._attached.check()
        except ExecutorLost:
            self._connection.lose()
            raise
        if self._messages:
            timeout = 0.0
        # The hub first: what a task printed comes before its result.
        watched: dict[Any, Stream | None] = {}
        if self._hearing is not None:
            watched[self._hearing] = None
        watched.update({stream.generator: stream for stream in self._streams.values()})
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
        self._force()
        if self._hub is None and self._streams:
            oldest = next(iter(self._streams.values()))
            if time.monotonic() - oldest.began > _HUB_AFTER:
                self._start_hub()  # somebody may want to end it
        messages, self._messages = self._messages, []
        return messages

    @_calling
    def _in_task(self) -> bool:
        ray = _ray()
        return bool(ray.get_runtime_context().worker.mode == ray.WORKER_MODE)

    def _lend(self, seconds: float) -> None:
        """Ray lends the CPUs of a task to others while its main thread waits for an object."""
        hub = self._hub  # there is one once something takes long
        with contextlib.suppress(ExecutorLost):
            if hub is not None:
                with self._connection:
                    self._lent = self._lent or hub.asked.remote(_NO_BATCH)
                    if _ray().wait([self._lent], timeout=seconds)[0]:
                        self._lent = None

    def describe(self) -> dict[str, Any]:
        """See `Transport`."""
        alive = sum(bool(node.get("Alive")) for node in self._attached.nodes)
        return {"executor": "ray", "nodes": alive, "private": self._connection.private}

    def close(self) -> None:
        """See `Transport`. The last one of a process shuts a private Ray down, and leaves a joined one."""
        if self._closed:
            return
        self._closed = True
        if not self._connection.ending():
            with contextlib.suppress(ExecutorLost):  # what went on there has ended with it
                self._part()
        if self._relay is not None:
            self._relay.close(gone=self._connection.ending())
        for held in (
            self._streams, self._by_batch, self._waiting, self._envs, self._program, self._tasks,
        ):  # fmt: skip
            held.clear()
        self._hub = self._hearing = self._lent = None
        self._connection.leave()

    @_calling
    def _part(self) -> None:
        """End what still goes on in a Ray that stays."""
        for shape, waiting in self._waiting.items():
            waiting.held.clear()
            self.want(shape, 0)
        self._drain(_PARTING)  # of a run that has ended, the last batch ends by itself
        for stream in self._streams.values():
            self._end(stream)
        self._drain(2 * _FORCE_AFTER)
        if self._hub is not None:
            _ray().kill(self._hub)

    def _drain(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while self._streams and time.monotonic() < until:
            self._poll(0.1)

    # ------------------------------------------------------------------ streams

    def _read(self, stream: Stream) -> None:
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
        if stream.token < 0:  # it has begun, and has no batch yet
            self._begun(stream)
        for message in messages:
            if isinstance(message, Finished):
                stream.batches.remove(message.batch)
                self._by_batch.pop(message.batch, None)
                stream.homes.update(message.parked)
                self._start_hub()
                self._give_up(stream)
        self._messages += messages

    def _give_up(self, stream: Stream) -> None:
        """End a process that has parked and waits for the orders of a hub that is gone."""
        if stream.homes and stream.hub != self._name:
            stream.reason = stream.reason or "the hub is gone"
            stream.killed = stream.killed or time.monotonic()

    def _ended(self, stream: Stream) -> None:
        del self._streams[stream.token]
        if stream.token < 0:
            self._without(stream)
            return
        for batch in stream.batches:
            self._by_batch.pop(batch, None)
        if stream.reason or stream.homes or len(stream.batches) > 1:
            reason = stream.reason or "its process ended"
            self._messages.append(Died(tuple(stream.batches), reason, tuple(stream.homes)))
        else:
            self._messages += [Finished(batch) for batch in stream.batches]

    def _start_hub(self) -> Any:
        if self._hub is None:
            here = _ray().get_runtime_context().get_node_id()
            near = _ray().util.scheduling_strategies.NodeAffinitySchedulingStrategy(here, soft=True)
            options = {"name": self._name, "num_cpus": 0, "max_concurrency": 10_000}
            options["scheduling_strategy"] = near  # it lives no longer than this process anyway
            self._hub = _ray().remote(Hub).options(**options).remote()
            self._hearing = self._hub.hear.remote()
        return self._hub

    def _hear(self) -> None:
        try:
            heard = _ray().get(self._hearing)
        except Exception as error:
            # Its name stays taken for a while. Processes that wait for its orders are given up.
            logger.warning("the hub is gone, another one is made: %s", why(error))
            self._hub = self._hearing = None
            self._name = _hub_name()
            for stream in list(self._streams.values()):
                self._give_up(stream)
                if stream.token < 0:  # it would wait there for its batch
                    stream.withdrawn = True
                    _ray().cancel(stream.generator, force=False)
                    self._without(stream)
            return
        self._hearing = self._hub.hear.remote()
        for message in heard:
            if isinstance(message, Errand):
                assert self._relay is not None
                self._relay.take(message, self._hub)
            elif isinstance(message, Echo) or message.batch in self._by_batch:
                # What was printed counts, though the batch may be over.
                self._messages.append(message)


def _hub_name() -> str:
    return f"wfc-hub-{secrets.token_hex(8)}"


def _several(batch: Batch) -> bool:
    return sum(len(work.indices) for work in batch.works) > 1


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

_preparing = threading.Lock()


def prepare(address: str | None) -> None:
    """Import ray, with what has to be set before that. For the thread that imports all else: of two
    that import at the same time, Python fails one when they meet in each other's locks.

    Raises `ConnectionError` when the process is connected to another Ray than that at `address`."""
    with _preparing:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        if "ray" not in sys.modules and find_address(address) is None:
            _guard()
        watch(_ray())
    check(_ray(), address)


def connect(address: str | None) -> str:
    """Connect this process to Ray; says whose it is: `"given"` (it was connected already),
    `"joined"` or `"private"`. Raises `ConnectionError`."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if "ray" in sys.modules and _ray().is_initialized():
        return "given"
    found = find_address(address)
    if found is None:
        _guard()
    ray = _ray()
    quiet = {"configure_logging": False, "log_to_driver": False}
    logging.getLogger("ray").setLevel(logging.ERROR)
    _hush(ray)
    if found is not None:
        ray.init(address=found, **quiet)
        if os.environ.get("RAY_AUTH_MODE", "").lower() != "token":
            logger.warning(
                "the Ray cluster at %s is used without authentication: whoever reaches it can run "
                "code there. See RAY_AUTH_MODE=token in Ray's documentation.",
                found,
            )
        return "joined"
    # A terminal that is closed tells all processes of its group: what is started here hears only of
    # this process's end. The mask is inherited.
    mark(ray_folder())
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGHUP])
    try:
        ray.init(address="local", include_dashboard=False, _node_ip_address="127.0.0.1", **quiet)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return "private"


def _guard() -> None:
    """For a private Ray, before ray is imported: loopback only, and token authentication, with a
    token of its own that no file holds."""
    # On Linux too this makes Ray take 127.0.0.1 for the node's address; any other way it replaces
    # a loopback address by the machine's own, and listens on all interfaces.
    os.environ.setdefault(_LOOPBACK, "0")
    if "ray" in sys.modules:
        constants: Any = getattr(getattr(_ray(), "_private", None), "ray_constants", None)
        if hasattr(constants, "ENABLE_RAY_CLUSTER"):
            constants.ENABLE_RAY_CLUSTER = False
    if "RAY_AUTH_MODE" not in os.environ:
        os.environ["RAY_AUTH_MODE"] = "token"
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))


def _hush(ray: Any) -> None:
    """Ray prints the death of each worker to the standard output: that is ours to report."""
    worker: Any = getattr(getattr(ray, "_private", None), "worker", None)
    if not hasattr(worker, "print_to_stdstream"):
        return

    def note(data: dict[str, Any], *args: Any, **kwargs: Any) -> None:
        logger.debug("ray: %s", " ".join(map(str, data.get("lines", ()))))

    worker.print_to_stdstream = note
