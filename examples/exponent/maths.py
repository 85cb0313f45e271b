"""The tasks of `exponent.wf`."""

from __future__ import annotations

import wfc


def by_hand(k: int, n: int) -> int:
    """Called by itself, outside a run, it computes the same."""
    if n == 0:
        return k
    return wfc.continuation(wfc.call(by_hand, 2 * k, n - 1).options(inplace=True))
