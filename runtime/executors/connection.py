"""The one connection to Ray that a process can have: its runs share it, and the last of them ends it.

Ray has no place for this. Who calls it while it is being shut down is ended with the whole process, at
times with exit code 0; who calls it after that starts another Ray without knowing it; and of two that
connect at the same time one fails. So whoever begins or ends a connection does it here, one at a time,
and no call is under way when it ends.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from typing import Any

from wfc.runtime.executors.attachment import (
    PARTING,
    Attachment,
    attach,
    node_of,
    session_of,
    shut_down,
)
from wfc.runtime.executors.cluster import ray_folder, same_place
from wfc.runtime.executors.sessions import tidy
from wfc.runtime.work import ExecutorLost

_LEAVING = 60.0
"""Seconds that a new run waits for others to leave a Ray that is gone."""

_SHUT_DOWN = (
    "ray.shutdown() was called in this process, and the run was connected through it. Resume the run, "
    "and call ray.shutdown() when the runs of the process have ended"
)


class _Process:
    """What is known of this process's connection; all of it is guarded by `turn`."""

    def __init__(self) -> None:
        self.turn = threading.Condition()
        self.current: Connection | None = None
        self.beginner: threading.Thread | None = None
        """A thread of the user's that is in `ray.init`."""
        self.forked = False
        """Whether this is the child of a process that was connected."""


_process = _Process()


class Connection:
    """A connection that was asked for with `address`, or found; `join` gives it.

    Each call to Ray is made inside of `with connection:`, which raises `ExecutorLost` once it has ended.
    """

    def __init__(self, ray: Any, connect: Callable[[str | None], str], address: str | None) -> None:
        self.owner = ""
        """Whose it is: `"given"` by the user, `"joined"` or `"private"`."""
        self.error: BaseException | None = None
        self.attached: Attachment
        self.users = 1
        self.ready = self.closing = self.over = self.adopted = False
        self._gone = self._left = False
        self._ended = ""
        self._inside = 0
        self._ray, self._connect = ray, connect
        self._address = address
        self._asked = address or os.environ.get("RAY_ADDRESS")
        # Processes that are to die with their parent, a private Ray's, die with the *thread* that
        # started them: it stays for as long as they are there.
        self.thread = threading.Thread(target=self._work, name="wfc-ray", daemon=True)

    # ------------------------------------------------------------------ for those who use it

    @property
    def private(self) -> bool:
        """Whether it is a Ray that was started for this process's runs."""
        return self.owner == "private"

    @property
    def _kept(self) -> bool:
        """Whether it stays though no run uses it: the user does."""
        return self.adopted and not self._gone

    def __enter__(self) -> None:
        with _process.turn:
            if self._ended:
                # References that are dropped while Ray is being shut down are calls to it, too.
                _process.turn.wait_for(lambda: self.over, 2 * PARTING)
                raise ExecutorLost(self._ended)
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with _process.turn:
            self._inside -= 1
            if self._ended:
                _process.turn.notify_all()

    def lose(self) -> None:
        """Ray is gone: whoever wants a connection waits until all have left this one."""
        with _process.turn:
            self._gone = self.closing = True

    def ending(self) -> bool:
        """For a user that is about to leave: whether Ray, and all that runs there, ends with that. Then
        nobody joins any more."""
        with _process.turn:
            last = self.users == 1 and self.private and not self.adopted
            self.closing = self.closing or last
            return last or self._gone or bool(self._ended)

    def leave(self) -> None:
        """Use it no more; the last one waits until it has ended."""
        with _process.turn:
            self.users -= 1
            _process.turn.notify_all()
            if not self.users:
                _process.turn.wait_for(lambda: self._left or self.users or self._kept)

    def refuses(self, address: str | None) -> str:
        """Why a run that is to run at `address` (else at `RAY_ADDRESS`) cannot use it, if it cannot.

        What the environment says is no matter once the user has connected by themselves: Ray sees it
        the same way. So does a Ray worker, in whose environment it may stand.
        """
        theirs = self.owner == "given" or self.adopted
        wanted = address or ("" if theirs else os.environ.get("RAY_ADDRESS"))
        if not wanted or wanted == "auto" or (self.owner != "given" and wanted == self._asked):
            return ""
        node = node_of(self._ray)
        here = str(getattr(node, "gcs_address", None) or "")
        if wanted == "local":
            if not here or self.private or node.is_head():
                return ""
        elif not here or "://" in wanted or same_place(wanted, here):
            return ""
        ends = (
            "call ray.shutdown() first" if theirs else "wait until the runs that use it have ended"
        )
        return (
            f"this process is connected to the Ray at {here}, and Ray allows one connection for each "
            f"process, so nothing can run at {wanted!r} now: {ends}, or start the run in a process of "
            "its own"
        )

    # ------------------------------------------------------------------ its own thread

    def start(self) -> None:
        """Connect, from now on."""
        self.thread.start()

    def _work(self) -> None:
        turn = _process.turn
        with turn:
            turn.wait_for(lambda: _process.beginner is None)
        ray = self._ray
        given = True
        try:
            given = ray.is_initialized()
            self.owner = self._connect(self._address)
            self.attached = attach(ray, private=self.private, calling=self)
        except BaseException as error:
            if not given:
                with suppress(Exception):  # what was begun is not to be taken for a connection
                    ray.shutdown()
            with turn:
                self.error = error
                self._over()
            return
        session = session_of(ray) if self.private else None
        with turn:
            self.ready = True
            turn.notify_all()
            turn.wait_for(lambda: self._ended or not (self.users or self._kept))
            self.closing = True
            ours = self.owner != "given" and not self.adopted
            shut, self._ended = bool(self._ended), self._ended or "the connection to Ray has ended"
            if not self._gone:
                turn.wait_for(lambda: not self._inside, PARTING)
        self.attached.close()
        if shut:
            _await_end(ray)
        elif ours:
            shut_down(ray, gone=self._gone)
        if ours and self.private:
            tidy(ray_folder(), session, gone=self._gone)
        with turn:
            self._left = True
            turn.notify_all()
        if ours:
            _await_end(ray)  # one that is gone may take longer than anybody wants to wait to leave
        with turn:
            self._over()

    def _over(self) -> None:
        self.over = self._left = True
        if _process.current is self:
            _process.current = None
        _process.turn.notify_all()

    # ------------------------------------------------------------------ what the user does

    def adopt(self) -> None:
        """It is the user's too from now on, and theirs to end."""
        self.adopted = True

    def shut(self) -> None:
        """The user ends it: no call is made from now on, and none is under way when this returns."""
        self._ended = _SHUT_DOWN
        self.closing = True
        _process.turn.notify_all()
        _process.turn.wait_for(lambda: not self._inside, PARTING)


def join(ray: Any, connect: Callable[[str | None], str], address: str | None) -> Connection:
    """The connection of this process, which its user leaves; made by `connect` when there is none.

    Waits while another one ends. Raises `ConnectionError` when it is one to something else than
    `address`, or what `connect` raises.
    """
    watch(ray)
    check(ray, address)
    turn = _process.turn
    until = time.monotonic() + _LEAVING
    with turn:
        while (found := _process.current) is not None and found.closing:
            if not turn.wait(max(0.0, until - time.monotonic())) and time.monotonic() >= until:
                raise ConnectionError(
                    "the Ray that this process was connected to is gone, and runs still wait for it: "
                    "start the run in another process"
                )
        if found is None:
            found = _process.current = Connection(ray, connect, address)
            found.start()
        else:
            found.users += 1
        turn.wait_for(lambda: found.ready or found.over)
        if found.error is not None:
            raise found.error
    refused = found.refuses(address)
    if refused:
        found.leave()
        raise ConnectionError(refused)
    return found


def check(ray: Any, address: str | None) -> None:
    """Raises `ConnectionError` where a run at this address is known not to find a connection."""
    with _process.turn:
        if _process.forked and ray.is_initialized():
            raise ConnectionError(
                "this process was forked from one that is connected to Ray, and a connection does not "
                'outlive that: start processes with multiprocessing\'s "spawn", or run with local=True'
            )
        found = _process.current
        if found is None or not found.ready or found.closing:
            return
    if refused := found.refuses(address):
        raise ConnectionError(refused)


def _await_end(ray: Any) -> None:
    """Until a `ray.shutdown` that has begun is over."""
    until = time.monotonic() + _LEAVING
    while ray.is_initialized() and time.monotonic() < until:
        time.sleep(0.01)


# ------------------------------------------------------------------ what the user does with Ray


def watch(ray: Any) -> None:
    """From now on, hear when this process's user calls `ray.init` and `ray.shutdown`.

    Ray has no hooks for these. All ways to shut it down, its own at the end of the process included,
    go through one function of its; `ray.init` is what everybody calls, Ray itself too.
    """
    with _process.turn:
        worker: Any = getattr(getattr(ray, "_private", None), "worker", None)
        if hasattr(worker, "disconnect") and not hasattr(worker.disconnect, "wfc"):
            worker.disconnect = _heard(worker.disconnect, _before_end)
        if not hasattr(ray.init, "wfc"):
            ray.init = _heard(ray.init, _begin)


def _heard(function: Callable[..., Any], what: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def heard(*args: Any, **kwargs: Any) -> Any:
        return what(function, *args, **kwargs)

    heard.wfc = True  # type: ignore[attr-defined]
    return heard


def _before_end(disconnect: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    with _process.turn:
        found = _process.current
        if found is not None and threading.current_thread() is not found.thread:
            found.shut()
    return disconnect(*args, **kwargs)


def _begin(init: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """The user's `ray.init`: never while a connection begins or ends, and of one that is there, they
    become an owner."""
    me = threading.current_thread()
    turn = _process.turn
    with turn:
        found = _process.current
        itself = me is _process.beginner or (found is not None and me is found.thread)
        if not itself:
            turn.wait_for(_at_rest)
            found = _process.current
        if not itself and found is not None and found.owner != "given":
            again = kwargs.pop("ignore_reinit_error", False)
            address, *rest = args or (None,)
            wanted = {**kwargs, "address": kwargs.get("address", address)}
            refused = found.refuses(wanted.pop("address"))
            if refused or ((rest or wanted) and not again):
                raise RuntimeError(
                    refused
                    or "this process is connected to Ray already, for the runs of workflows that go on "
                    f"in it, and so {', '.join(wanted) or 'the arguments'} cannot be set: call "
                    "ray.init before the first run is started"
                )
            found.adopt()
            return init(ignore_reinit_error=True)
        if not itself:
            _process.beginner = me
    try:
        return init(*args, **kwargs)
    finally:
        with turn:
            if not itself:
                _process.beginner = None
                turn.notify_all()


def _at_rest() -> bool:
    found = _process.current
    return _process.beginner is None and (found is None or (found.ready and not found.closing))


def _after_fork() -> None:
    """In the child: threads of the parent's are not there, nor what they were doing."""
    ray = sys.modules.get("ray")
    forked = _process.forked or (ray is not None and bool(getattr(ray, "is_initialized", bool)()))
    _process.__init__()  # type: ignore[misc]
    _process.forked = forked


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
