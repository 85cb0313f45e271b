"""What task functions use: continuations, calls, waits, and what a task can know of itself.

A task that returns `continuation(call(f, a, b))` is replaced by that call: its result is the call's.
Calls can be arguments of other calls, also inside lists, tuples and dicts, and so make a graph. In a
run the graph is run by the system, durably; without one (a task function called by hand, in a test)
`continuation` computes it on the spot.
"""

from __future__ import annotations

import inspect
import math
import time
from collections.abc import Callable, Iterator, Sequence
from copy import copy
from typing import Any

from wfc.dsl.suggest import nearest
from wfc.runtime.values import Pending
from wfc.runtime.worker.context import WATCH

__all__ = [
    "CallHandle",
    "Continuation",
    "Handle",
    "Pending",
    "attempt",
    "call",
    "cancel",
    "continuation",
    "receive",
    "sleep",
    "task_id",
    "wait",
]

RESOURCES = frozenset(
    "num_cpus num_gpus memory resources accelerator_type runtime_env".split()  # noqa: SIM905
).union(["scheduling_strategy", "label_selector"])
OPTIONS = RESOURCES.union(
    ["max_retries", "retry_exceptions", "timeout", "backoff", "concurrency", "priority"]
)
_OWN = frozenset(["inplace", "checkpoint", "catch", "after", "name"])


class Handle:
    """Something that will have a value. It can be an argument of a call, or waited for."""

    __slots__ = ()

    def __reduce__(self) -> Any:
        raise TypeError(
            f"{self!r} stands for a value that does not exist yet: it can be an argument of a call "
            "(in lists, tuples and dicts too) or be returned by `continuation`, nothing else"
        )


class CallHandle(Handle):
    """A call that has not been made; see `call`."""

    __slots__ = (
        "after",
        "args",
        "catch",
        "checkpoint",
        "inplace",
        "kwargs",
        "name",
        "settings",
        "target",
    )

    def __init__(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.target = target
        self.args = args
        self.kwargs = kwargs
        self.inplace: bool | None = None
        self.checkpoint: Any = None
        self.catch = False
        self.after: tuple[Handle, ...] = ()
        self.name: str | None = None
        self.settings: dict[str, Any] = {}

    def __repr__(self) -> str:
        return f"<call of {target_name(self.target)}>"

    def options(self, **options: Any) -> CallHandle:
        """The same call with options: `inplace`, `checkpoint` (`False` or `"sync"`), `catch`, `after`
        (handles that must be done before), `name`, and all that a task has in a spec.

        Durations are in seconds. Raises `TypeError` for an unknown option and `ValueError` for
        resources of an inplace call, which has none of its own.
        """
        for key in options:
            if key not in OPTIONS and key not in _OWN:
                near = nearest(key, sorted(OPTIONS | _OWN))
                hint = f": did you mean {near!r}?" if near else ""
                raise TypeError(f"a call has no option {key!r}{hint}")
        made = CallHandle(self.target, self.args, self.kwargs)
        made.inplace = options.pop("inplace", self.inplace)
        made.checkpoint = options.pop("checkpoint", self.checkpoint)
        made.catch = bool(options.pop("catch", self.catch))
        after = options.pop("after", self.after)
        made.after = (after,) if isinstance(after, Handle) else tuple(after)
        made.name = options.pop("name", self.name)
        made.settings = {**self.settings, **options}
        claimed = sorted(RESOURCES.intersection(made.settings))
        if made.inplace and claimed:
            raise ValueError(
                f"an inplace call runs in a process that exists already: it has no {claimed[0]}"
            )
        if not all(isinstance(h, Handle) for h in made.after):
            raise TypeError("after=… takes calls (what `call` returns)")
        return made


class StepHandle(Handle):
    """What a graph can hold beside calls: timers, signals, waits."""

    __slots__ = ("after", "catch")

    allowed: tuple[str, ...] = ("after",)

    def __init__(self) -> None:
        self.after: tuple[Handle, ...] = ()
        self.catch = False

    def options(self, **options: Any) -> Any:
        """The same step with `after` (handles that must be done before) and, where it can fail,
        `catch`. Raises `TypeError` for another option."""
        for key in options:
            if key not in self.allowed:
                raise TypeError(
                    f"{self!r} has no option {key!r}: it has {' and '.join(self.allowed)}"
                )
        made = copy(self)
        after = options.get("after", self.after)
        made.after = (after,) if isinstance(after, Handle) else tuple(after)
        made.catch = bool(options.get("catch", self.catch))
        if not all(isinstance(h, Handle) for h in made.after):
            raise TypeError("after=… takes calls (what `call` returns)")
        return made

    def __copy__(self) -> Any:
        made = object.__new__(type(self))
        for kind in type(self).__mro__:
            for name in getattr(kind, "__slots__", ()):
                setattr(made, name, getattr(self, name))
        return made


class SleepHandle(StepHandle):
    """A durable timer; its value is `None`."""

    __slots__ = ("seconds",)

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds

    def __repr__(self) -> str:
        return f"<sleep of {self.seconds} s>"


class ReceiveHandle(StepHandle):
    """A signal; its value is the payload."""

    __slots__ = ("signal", "timeout")

    allowed = ("after", "catch")

    def __init__(self, signal: str, timeout: float | None) -> None:
        super().__init__()
        self.signal = signal
        self.timeout = timeout

    def __repr__(self) -> str:
        return f"<receive of {self.signal!r}>"


class CancelHandle(StepHandle):
    """The end of what a wait left running; its value is `None`."""

    __slots__ = ("pending",)

    def __init__(self, pending: Any) -> None:
        super().__init__()
        self.pending = pending

    def __repr__(self) -> str:
        return "<cancel>"


class WaitHandle(StepHandle):
    """A wait. Unpacks into `ready, pending`; has `failed` and `timed_out` too."""

    __slots__ = ("form", "members", "quorum", "timeout")

    allowed = ("after", "catch")

    def __init__(self, form: str, quorum: Any, members: Any, timeout: float | None) -> None:
        super().__init__()
        self.form = form
        self.quorum = quorum
        self.members = members
        self.timeout = timeout

    def __repr__(self) -> str:
        return "<wait>"

    @property
    def ready(self) -> WaitPart:
        """The results that are there, in the order of the members."""
        return WaitPart(self, "ready")

    @property
    def pending(self) -> WaitPart:
        """The calls that still run."""
        return WaitPart(self, "pending")

    @property
    def failed(self) -> WaitPart:
        """Why members failed."""
        return WaitPart(self, "failed")

    @property
    def timed_out(self) -> WaitPart:
        """Whether the time was up."""
        return WaitPart(self, "timed_out")

    def __iter__(self) -> Iterator[WaitPart]:
        yield self.ready
        yield self.pending


class WaitPart(Handle):
    """One of the things that a wait gives."""

    __slots__ = ("part", "wait")

    def __init__(self, wait: WaitHandle, part: str) -> None:
        self.wait = wait
        self.part = part

    def __repr__(self) -> str:
        return f"<{self.part} of a wait>"


class Continuation:
    """What a task returns to be replaced by a graph of calls; made by `continuation`."""

    __slots__ = ("root",)

    def __init__(self, root: Any) -> None:
        self.root = root

    def __reduce__(self) -> Any:
        raise TypeError("a continuation must be what the task returns, not a part of it")


# --------------------------------------------------------------------------- the functions


def call(target: Callable[..., Any] | str, *args: Any, **kwargs: Any) -> CallHandle:
    """A call to be made by the system: of a Python function, or of a task or workflow of the running
    spec by its name.

    Raises `LookupError` when the spec has nothing of that name, and `TypeError` when the arguments
    do not fit.
    """
    task = WATCH.task
    if isinstance(target, str):
        if task is None:
            raise LookupError(
                f"call({target!r}) names something of a spec, and no run is going on here: "
                "give the function itself"
            )
        task.check(target, args, kwargs)
    elif not callable(target):
        raise TypeError(f"call() takes a function or a name, not {type(target).__name__}")
    else:
        check_arguments(target, args, kwargs)
    return CallHandle(target, args, kwargs)


def continuation(graph: Any) -> Any:
    """What a task returns so that its result is that of `graph`: a call, or a list, tuple or dict
    with calls in it. Outside of a run the graph is computed here, and its result given back."""
    if WATCH.task is not None:
        return Continuation(graph)
    from wfc.runtime.worker.plain import compute

    return compute(graph)


def wait(
    quorum: int | str, members: Sequence[Handle] | Handle | Pending, timeout: float | None = None
) -> WaitHandle:
    """`ready, pending = wait(quorum, members)`: as `wait(quorum of members)` in a spec.

    `quorum` is a number, `"all"`, `"any"` or a percentage such as `"80%"`; `members` calls, sleeps
    and receives, or the pending part of another wait; `timeout` is in seconds.
    """
    form, value = _quorum(quorum)
    if not isinstance(members, Handle | Pending):
        members = list(members)
        if not all(isinstance(m, CallHandle | SleepHandle | ReceiveHandle) for m in members):
            raise TypeError("wait() takes calls, not plain values")
        if form == "count" and value > len(members):
            raise ValueError(f"wait({value}, …) of only {len(members)} calls can never be done")
    return WaitHandle(form, value, members, timeout)


def _quorum(quorum: int | str) -> tuple[str, Any]:
    if quorum in ("all", "any"):
        return str(quorum), None
    if isinstance(quorum, int) and not isinstance(quorum, bool) and quorum >= 0:
        return "count", quorum
    if isinstance(quorum, str) and quorum.endswith("%"):
        try:
            percent = float(quorum[:-1])
        except ValueError:
            percent = math.nan
        if 0 <= percent <= 100:
            return "percent", int(percent) if percent.is_integer() else percent
    raise ValueError(
        f'a quorum is a number, "all", "any" or a percentage like "80%", not {quorum!r}'
    )


def sleep(seconds: float) -> SleepHandle:
    """A durable timer, for `wait` or `after`; it holds no worker."""
    return SleepHandle(float(seconds))


def receive(name: str, timeout: float | None = None) -> ReceiveHandle:
    """The payload of a signal; it holds no worker."""
    return ReceiveHandle(name, timeout)


def cancel(pending: WaitPart | Pending) -> CancelHandle:
    """Stop what a wait has left running: `call(f, ready).options(after=cancel(pending))`."""
    if (
        not isinstance(pending, Pending | WaitPart)
        or getattr(pending, "part", "pending") != "pending"
    ):
        raise TypeError("cancel() takes the pending part of a wait")
    return CancelHandle(pending)


def task_id() -> str:
    """The stable id of the running task: the same in every attempt, so that it can serve as an
    idempotency key. Outside of a run: `"local"`."""
    task = WATCH.task
    return task.task_id() if task is not None else "local"


def attempt() -> int:
    """Which attempt this is, from 1."""
    task = WATCH.task
    return task.attempt() if task is not None else 1


# --------------------------------------------------------------------------- helpers


def target_name(target: Any) -> str:
    """What a call is called: the task's name, or the function's."""
    if isinstance(target, str):
        return target
    name = getattr(target, "__name__", None) or type(target).__name__
    return "lambda" if name == "<lambda>" else str(name)


_arities: dict[Any, tuple[int, float]] = {}


def check_arguments(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Raises `TypeError` when a function cannot be called so. Knows the common case by heart."""
    code = getattr(function, "__code__", None)
    if not kwargs and code is not None:
        known = _arities.get(code)
        if known is not None and known[0] <= len(args) <= known[1]:
            return
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return
    try:
        signature.bind(*args, **kwargs)
    except TypeError as error:
        raise TypeError(f"{target_name(function)}(): {error}") from None
    if code is not None and not kwargs and not hasattr(function, "__wrapped__"):
        if len(_arities) > 1000:
            _arities.clear()
        _arities[code] = (len(args), len(args))


def pause(seconds: float) -> None:
    """What `sleep` comes to outside of a run."""
    time.sleep(seconds)
