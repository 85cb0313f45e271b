"""The tasks of `flows.wf`."""

from __future__ import annotations

import wfc


def ask(item: str) -> str:
    return item.upper()


def charge(item: str, amount: int) -> str:
    return f"{item} for {amount}"


def notify(item: str) -> None:
    print(f"asked for {item}")


def slow(seconds: float) -> float:
    raise AssertionError("nobody waits for this in a test")


def again(n: int) -> int:
    return 0 if n == 0 else wfc.continuation(wfc.call(again, n - 1))
