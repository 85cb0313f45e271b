"""What Ray makes that is alive only in its cluster: references to objects, actor handles and their like.

None of these may stand in a checkpoint. A reference is encoded as the object that it stands for; for
the others there is nothing that could be stored. They are told by the names of their classes: most
processes have no Ray, and need none to know that what they hold is not of it.
"""

from __future__ import annotations

import importlib
import sys
from collections import deque
from collections.abc import Callable, Iterator
from types import FunctionType
from typing import Any

_REFERENCES = frozenset(
    {
        ("ray", "ObjectRef"),
        ("ray._raylet", "ObjectRef"),
        ("ray.util.client.common", "ClientObjectRef"),
    }
)
_REFERENCE_NAMES = frozenset(name for _, name in _REFERENCES)

_ALIVE = {
    ("ray.actor", "ActorHandle"): "an actor handle",
    ("ray.actor", "ActorMethod"): "a method of an actor",
    ("ray.util.client.common", "ClientActorHandle"): "an actor handle",
    ("ray.util.placement_group", "PlacementGroup"): "a placement group",
    ("ray", "ObjectRefGenerator"): "a generator of object references",
    ("ray._raylet", "ObjectRefGenerator"): "a generator of object references",
}
_ALIVE_NAMES = frozenset(name for _, name in _ALIVE)

_LOOK_AGAIN = 10.0
"""Seconds after which it is looked again whether a reference can still come to something. How long
an object may take is not ours to say: a task has a `timeout` for that."""

_DEEPEST = 50
_MOST = 100_000
"""How deep, and at how many objects, is looked for the place of what cannot be stored."""


class Alive(TypeError):  # noqa: N818 - what is the case
    """Something that lives only in its cluster cannot be encoded. `found` is the object, `what` says
    what it is."""

    def __init__(self, found: Any, what: str) -> None:
        super().__init__(f"{what}, which lives only in its Ray cluster")
        self.found = found
        self.what = what


class Unfetched(Exception):  # noqa: N818 - tells of another error
    """The object of a reference cannot be had; `error` is why."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(f"the object of a reference cannot be had: {error}")
        self.error = error


def is_reference(obj: Any) -> bool:
    """Whether it is a reference to an object of Ray."""
    kind = type(obj)
    return kind.__name__ in _REFERENCE_NAMES and (kind.__module__, kind.__name__) in _REFERENCES


def alive(obj: Any) -> str | None:
    """What something is that lives only in its cluster, in words; `None` for all else."""
    kind = type(obj)
    if kind.__name__ not in _ALIVE_NAMES:
        return None
    what = _ALIVE.get((kind.__module__, kind.__name__))
    return f"{what} ({obj!r})" if what == "an actor handle" else what


def is_of_ray(obj: Any) -> bool:
    """Whether an object's class is one of Ray's own."""
    return str(type(obj).__module__)[:4] in ("ray", "ray.")


def keeps_references(obj: Any) -> bool:
    """Whether an object of Ray's own cannot do without the references in it: a data set with blocks in
    place of them is none. An exception can."""
    return bool(type(obj).__module__ != "ray.exceptions")


def fetch(reference: Any) -> Any:
    """The object that a reference stands for, however long it takes. Raises `Unfetched`: its task has
    failed, it was lost with its owner, or nobody knows of it."""
    try:
        while is_reference(reference):
            reference = _get(sys.modules["ray"], reference)
    except Exception as error:
        raise Unfetched(error) from None
    return reference


def _get(ray: Any, reference: Any) -> Any:
    if not ray.is_initialized():
        # Asked for it, Ray would start a cluster of its own, and wait there for ever.
        raise LookupError(
            f"{reference!r} is of a Ray that this process is not connected to any more"
        )
    while True:
        _check_owner(ray, reference)
        try:
            return ray.get(reference, timeout=_LOOK_AGAIN)
        except ray.exceptions.GetTimeoutError as error:
            if type(error) is not ray.exceptions.GetTimeoutError:  # it is the task that raised it
                raise


def _check_owner(ray: Any, reference: Any) -> None:
    """Raises `LookupError` for a reference that did not come here through Ray (it was pickled, or made
    up): Ray knows of no owner that could be asked, and waits for ever."""
    worker = getattr(getattr(getattr(ray, "_private", None), "worker", None), "global_worker", None)
    ask = getattr(getattr(worker, "core_worker", None), "get_owner_address", None)
    if ask is None:
        return
    try:
        ask(reference)
    except ValueError:
        raise LookupError(
            f"{reference!r} has no owner here: a reference can be handed on by Ray alone, in arguments "
            "and results, and not as bytes or as its id"
        ) from None


_ENDS = frozenset({"OWNER_DIED", "NODE_DIED", "OUT_OF_SCOPE", "REF_DELETED"})
"""How an actor ends for reasons that are not its own: the same one, made again, would go on. One that
crashes, or was killed, might do so each time."""


def is_gone(handle: Any) -> bool:
    """Whether an actor has ended with what it depends on: the process that made it, or its node."""
    ray = sys.modules["ray"]
    ask = getattr(getattr(getattr(ray, "_private", None), "state", None), "actors", None)
    actor = getattr(handle, "_actor_id", None)
    if ask is None or actor is None:
        return False
    known = ask(actor_id=actor.hex()) or {}
    if known.get("State") != "DEAD":
        return False
    died = getattr(known.get("DeathCause"), "actor_died_error_context", None)
    return died is not None and died.Reason.Name(died.reason) in _ENDS


# ------------------------------------------------------------------ references in what is stored


_make: Callable[[Any], Any] = lambda value: value  # noqa: E731 - who only reads wants the object


def refer(value: Any) -> Any:
    """Stands in encoded arguments for a reference to `value`."""
    return _make(value)


def for_tasks() -> None:
    """From now on, what is decoded in this process is for tasks: with references where there were some.
    For a process that is a worker and nothing else."""
    global _make
    _make = _put


def _put(value: Any) -> Any:
    # The task that takes references has Ray. It may not have imported it yet.
    return importlib.import_module("ray").put(value)


# ------------------------------------------------------------------ for messages


def place(root: Any, found: Any) -> str:
    """Where an object is inside of another, as Python would write it: `["a"][0].conn`. Empty for the
    object itself, and where it is out of sight."""
    seen = {id(root)}
    todo = [(root, "")]
    for _ in range(_DEEPEST):
        inside: list[tuple[Any, str]] = []
        for one, path in todo:
            if one is found:
                return path
            for part, step in _parts(one):
                if id(part) not in seen and len(seen) < _MOST:
                    seen.add(id(part))
                    inside.append((part, path + step))
        todo = inside
    return ""


def _parts(obj: Any) -> Iterator[tuple[Any, str]]:
    if isinstance(obj, str | bytes | int | float | type | None):
        return
    if isinstance(obj, dict):
        for key, item in obj.items():
            yield item, f"[{key!r}]"
        for key in obj:
            yield key, f" (the key {key!r})"
    elif isinstance(obj, BaseException):
        yield obj.args, ".args"
    elif isinstance(obj, list | tuple | deque):
        for index, item in enumerate(obj):
            yield item, f"[{index}]"
    elif isinstance(obj, set | frozenset):
        for item in obj:
            yield item, " (in a set)"
    elif isinstance(obj, FunctionType):
        names = obj.__code__.co_freevars
        for name, cell in zip(names, obj.__closure__ or (), strict=True):
            try:
                yield cell.cell_contents, f" (the variable {name!r})"
            except ValueError:  # it is not bound yet
                continue
    for name, item in getattr(obj, "__dict__", {}).items():
        yield item, f".{name}"
    for base in type(obj).__mro__:
        slots = base.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if name not in ("__dict__", "__weakref__") and hasattr(obj, name):
                yield getattr(obj, name), f".{name}"
