"""Tasks that use Ray by themselves, and give away what lives only there."""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import ray
from ray._private.object_ref_generator import DynamicObjectRefGenerator
from ray.util.placement_group import PlacementGroup
from ray.util.queue import Queue

import wfc


def join(address: str) -> str:
    """Connects a process of this machine, where Ray's own are connected already."""
    if address and not ray.is_initialized():
        ray.init(address=address, configure_logging=False, log_to_driver=False)
    return address


@dataclass
class Box:
    part: Any
    more: Any = None


@ray.remote(num_cpus=0)
def square(n: int) -> int:
    return n * n


@ray.remote(num_cpus=0, max_retries=0)
def fails() -> None:
    raise ValueError("it went wrong")


@ray.remote(num_cpus=1000)
def never() -> None:
    """Nowhere is there room for it."""


@ray.remote(num_cpus=0)
class Counter:
    def __init__(self) -> None:
        self.count = 0

    def add(self) -> int:
        self.count += 1
        return self.count

    def pid(self) -> int:
        return os.getpid()

    def own(self) -> list[Any]:
        return [never.remote(), os.getpid()]


# ------------------------------------------------------------------ references in results


def put(value: Any, address: str = "") -> Any:
    join(address)
    return ray.put(value)


def nested() -> Any:
    return ray.put([ray.put([ray.put(8)])])


def of_a_task(n: int) -> Any:
    return square.remote(n)


def in_a_dict(address: str = "") -> Any:
    join(address)
    return {"a": ray.put(1), "b": [[ray.put(2)], (3, square.remote(2))]}


def in_an_object() -> Any:
    shared = ray.put([1, 2])
    return Box(shared, {"again": shared, "error": ValueError(ray.put("text"))})


def large() -> Any:
    return [ray.put(np.arange(100_000)), 1]


def of_a_failure() -> Any:
    return [fails.remote()]


def top_of_a_failure() -> Any:
    return fails.remote()


def of_the_dead() -> Any:
    maker = Counter.remote()
    reference, pid = ray.get(maker.own.remote())
    os.kill(pid, signal.SIGKILL)
    return {"lost": reference}


def by_its_bytes() -> Any:
    return pickle.loads(pickle.dumps(ray.put(1)))


def of_another_session(address: str) -> Any:
    join(address)
    reference = ray.put(1)
    ray.shutdown()
    return [reference]


def waits_for_ever() -> Any:
    return [never.remote()]


def fails_twice(folder: str) -> Any:
    """The first two attempts come to a failure, in two ways."""
    if wfc.attempt() == 1:
        return fails.remote()
    return [fails.remote()] if wfc.attempt() == 2 else ray.put("at last")


def raises_one() -> None:
    raise KeyError(ray.put(1))


def text(box: Box) -> list[Any]:
    return [box.part, box.more["again"] is box.part, str(box.more["error"])]


def size(parts: list[Any]) -> list[int]:
    return [int(parts[0].sum()), parts[1]]


def plus(value: int) -> int:
    return value + 1


# ------------------------------------------------------------------ what cannot be kept


def counter(address: str = "") -> Any:
    join(address)
    return Counter.remote()


def deep_counter() -> Any:
    return {"x": [Box(None, Counter.remote())]}


def queue() -> Any:
    return Queue(actor_options={"num_cpus": 0})


def group() -> Any:
    return PlacementGroup.empty()


def generator() -> Any:
    return DynamicObjectRefGenerator([ray.put(1)])


def poke(counter: Any, n: int = 0) -> int:
    return int(ray.get(counter.add.remote()))


def made(log: str) -> Any:
    counter = Counter.remote()
    note(log, f"made {os.getpid()} {ray.get(counter.pid.remote())}")
    return [counter, ray.put("beside it")]


def use(made: Any) -> list[Any]:
    counter, beside = made
    return [poke(counter), beside]


def kill_the_maker(log: str) -> None:
    """Ends when the actor has ended."""
    _, maker, actor = Path(log).read_text().split()[:3]
    with contextlib.suppress(ProcessLookupError):
        os.kill(int(maker), signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError):
        while True:
            os.kill(int(actor), 0)
            time.sleep(0.02)


def note(log: str, line: str) -> None:
    with Path(log).open("a") as file:
        file.write(line + "\n")


def wait_for(log: str, gate: str) -> None:
    note(log, "reached")
    while not Path(gate).exists():
        time.sleep(0.02)


def lock_beside() -> Any:
    return [threading.Lock(), ray.put(5)]


def open_lock(parts: Any) -> list[Any]:
    return [type(parts[1]).__name__, ray.get(parts[1])]


# ------------------------------------------------------------------ arguments of graphs


def what(first: Any, more: Any) -> list[Any]:
    """What a task is given: the object of a reference, and a reference where it is deeper."""
    return [first, type(more[0]).__name__, ray.get(more)]


def one_call() -> Any:
    return wfc.continuation(wfc.call(what, ray.put(1), [ray.put(2)]))


def a_graph(address: str = "") -> Any:
    """Its calls claim other resources than this task: it is stored, and run elsewhere."""
    join(address)
    one = wfc.call(what, ray.put(1), [ray.put(2)]).options(num_cpus=0.5)
    two = wfc.call(what, one, [ray.put(3), ray.put(4)]).options(num_cpus=0.25)
    return wfc.continuation([two, ray.put(5), {"deep": ray.put(6)}])


def kinds(parts: list[Any]) -> list[Any]:
    return [type(part).__name__ for part in parts]


def mixed() -> Any:
    """A list of what there is and what there will be; and a workflow that takes one apart."""
    soon = wfc.call(plus, 1).options(num_cpus=0.5)
    listed = wfc.call(kinds, [soon, ray.put(2)]).options(num_cpus=0.5)
    return wfc.continuation([listed, wfc.call("apart", [ray.put(3), ray.put([4])])])


def closure() -> Any:
    reference = ray.put(7)

    def inside() -> list[Any]:
        return [type(reference).__name__, ray.get(reference)]

    return wfc.continuation(wfc.call(inside).options(num_cpus=0.5))


def graph_of_a_failure() -> Any:
    return wfc.continuation(wfc.call(what, fails.remote(), []))


def graph_with_a_counter() -> Any:
    return wfc.continuation(wfc.call(poke, Counter.remote()).options(num_cpus=0.5))


def graph_with_a_closure() -> Any:
    counter = Counter.remote()
    return wfc.continuation(wfc.call(lambda: poke(counter)).options(num_cpus=0.5))
