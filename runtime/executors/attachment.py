"""This process's connection to Ray: whether that is still there, what nodes it has, and its end.

Ray ends the process whose node or head is gone, after 15 to 60 s and without a word of what to do, and
calls to it hang until then: so it is looked after here, without asking Ray.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, TypeAlias

from wfc.runtime.work import ExecutorLost

Place: TypeAlias = "tuple[str, int] | str"
"""Where a process listens: host and port, or the path of a socket."""

LOOK_EVERY = 0.5
"""Seconds between two looks whether Ray is still there."""

NODES_EVERY = 2.0
"""Seconds between two looks at the nodes."""

PATIENCE = 40.0
"""Seconds that a head which is not ours may be away: Ray itself waits for it for 60 s."""

PARTING = 5.0
"""Seconds that Ray has to disconnect, when it is gone."""


class Attachment:
    """Whether Ray is there, from one thread, and its nodes, from another one.

    `head` and `node` are where Ray's head and this machine's node listen, `nodes` asks for the nodes.
    """

    def __init__(
        self,
        nodes: Callable[[], Sequence[Mapping[str, Any]]],
        *,
        head: Place | None = None,
        node: Place | None = None,
        patience: float = PATIENCE,
    ) -> None:
        self._ask = nodes
        self._head, self._node = head, node
        self._patience = patience
        self._looked = self._answered = time.monotonic()
        self._trouble = ""
        self._over = threading.Event()
        self.nodes: Sequence[Mapping[str, Any]] = nodes()
        self.counted = 0
        threading.Thread(target=self._count, name="wfc-nodes", daemon=True).start()

    def _count(self) -> None:
        """A call for the nodes hangs when the head is gone."""
        while not self._over.wait(NODES_EVERY):
            try:
                self.nodes = self._ask()
                self.counted += 1
                self._trouble = ""
            except Exception as error:  # whatever Ray raises: `check` finds out, and tells of it
                self._trouble = f" ({type(error).__name__}: {error})"

    def check(self) -> None:
        """Look whether it is there, now and then. Raises `ExecutorLost`."""
        now = time.monotonic()
        if now - self._looked < LOOK_EVERY:
            return
        self._looked = now
        if self._node is not None and not answers(self._node):
            raise ExecutorLost(f"the Ray node that the run is connected to is gone{self._trouble}")
        if self._head is None or answers(self._head):
            self._answered = now
        elif now - self._answered >= self._patience:
            raise ExecutorLost(
                f"the head of the Ray cluster that the run runs on is gone{self._trouble}"
            )

    def close(self) -> None:
        """Look no more."""
        self._over.set()


def answers(place: Place) -> bool:
    """Whether somebody takes a connection there."""
    family = socket.AF_UNIX if isinstance(place, str) else socket.AF_UNSPEC
    try:
        if isinstance(place, str):
            with socket.socket(family) as probe:
                probe.settimeout(1.0)
                probe.connect(place)
        else:
            socket.create_connection(place, timeout=1.0).close()
    except (ConnectionRefusedError, FileNotFoundError, TimeoutError):
        return False
    except OSError:
        return True  # it is not Ray that is at fault (no file descriptor is left, say)
    return True


def attach(
    ray: Any, *, private: bool, calling: AbstractContextManager[None] | None = None
) -> Attachment:
    """Look after the Ray that this process has connected to; `calling` is around each call to it.

    Raises `ConnectionError` when it is gone: a connection of the user's that is left from it.
    """
    found = node_of(ray)
    calling = calling or contextlib.nullcontext()
    head, node = None, None
    with contextlib.suppress(AttributeError, ValueError):
        host, _, port = str(found.gcs_address).rpartition(":")
        head, node = (host.strip("[]"), int(port)), str(found.raylet_socket_name)
    if not all(answers(place) for place in (node, head) if place is not None):
        raise ConnectionError(
            "the Ray that this process is connected to does not answer: call ray.shutdown(), and connect "
            "again"
        )

    def nodes() -> Sequence[Mapping[str, Any]]:
        with calling:
            asked: Sequence[Mapping[str, Any]] = ray.nodes()
            return asked

    return Attachment(nodes, head=head, node=node, patience=0.0 if private else PATIENCE)


def node_of(ray: Any) -> Any:
    """Ray's own description of what this process is connected to, `None` where there is none."""
    worker = getattr(getattr(ray, "_private", None), "worker", None)
    return getattr(worker, "_global_node", None)


def session_of(ray: Any) -> str | None:
    """The folder of the Ray that this process has started, where that can be known."""
    with contextlib.suppress(AttributeError):  # it is no public part of Ray's
        return str(node_of(ray).get_session_dir_path())
    return None


def shut_down(ray: Any, *, gone: bool) -> None:
    """Disconnect; a private Ray ends by that. One that is gone does not hold this process up, nor
    does what was part of it go on to wait for the rest."""
    if not gone:
        ray.shutdown()
        return
    parts = _parts(node_of(ray))
    parting = threading.Thread(target=ray.shutdown, name="wfc-parting", daemon=True)
    parting.start()
    parting.join(PARTING)
    for part in parts:
        _kill(part)


def _parts(node: Any) -> list[Any]:
    """The living processes of a Ray that this process has started, with those that they started."""
    import psutil

    found = []
    for _, process in node.live_processes() if node is not None else ():
        with contextlib.suppress(psutil.Error):
            first = psutil.Process(process.pid)
            found += [first, *first.children(recursive=True)]
    return found


def _kill(process: Any) -> None:
    import psutil

    with contextlib.suppress(psutil.Error):  # it has ended meanwhile
        process.kill()
