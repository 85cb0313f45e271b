"""Functions that are given a secret, and are careless with it."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import wfc


def login(token: str, name: str) -> str:
    assert len(token) == 64
    return f"{name} is in"


def tells(token: str) -> int:
    print(f"the token is {token}")
    print(repr(token), {"token": token}, file=sys.stderr)
    return len(token)


def fails(token: str) -> None:
    try:
        raise KeyError(token)
    except KeyError as error:
        raise ValueError(f"{token} is refused") from error


def dies(token: str) -> None:
    print(f"dying with {token}", flush=True)
    os.kill(os.getpid(), signal.SIGKILL)


def holds(token: str) -> object:
    """Something bound to the process, which knows the secret."""
    return lambda name: f"{name}: {len(token)}"


def asks(held: object, name: str) -> str:
    return held(name)  # type: ignore[operator,no-any-return]


def hands_on(token: str) -> object:
    return wfc.continuation(wfc.call(login, token, "continued"))


def until_there(token: str, path: str) -> int:
    print(f"waiting with {token}", flush=True)
    while not Path(path).exists():
        time.sleep(0.01)
    return len(token)
