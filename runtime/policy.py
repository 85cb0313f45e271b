"""When a failed attempt is followed by another, and how long after."""

from __future__ import annotations

from typing import Any

from wfc.runtime.values import ErrorInfo

DEFAULT_MAX_RETRIES = 3
"""As Ray's: how often a task is started again after its worker was lost."""


def max_retries(options: dict[str, Any]) -> int:
    """How many attempts may follow the first; a negative number means any number."""
    return int(options.get("max_retries", DEFAULT_MAX_RETRIES))


def retries_error(options: dict[str, Any], error: ErrorInfo, attempt: int) -> bool:
    """Whether `attempt` (from 1), which ended in an exception of the task, is followed by another.

    As in Ray, exceptions count only when `retry_exceptions` is true or names the class or a base of
    it, by dotted name or by its last part.
    """
    listed = options.get("retry_exceptions", False)
    if not listed or not _attempts_left(options, attempt):
        return False
    if listed is True:
        return True
    names = {error.type, *error.bases}
    names |= {name.rpartition(".")[2] for name in names}
    return any(str(wanted) in names for wanted in listed)


def retries_loss(options: dict[str, Any], attempt: int) -> bool:
    """Whether `attempt`, whose worker was lost, is followed by another."""
    return _attempts_left(options, attempt)


def _attempts_left(options: dict[str, Any], attempt: int) -> bool:
    limit = max_retries(options)
    return limit < 0 or attempt <= limit


def backoff_seconds(options: dict[str, Any], attempt: int, spread: float) -> float:
    """Seconds before the attempt that follows `attempt`: the base doubled each time, up to the cap.

    `spread` in [0, 1) is the jitter: the delay is between a half and the whole of that. The caller
    derives it from the task's id, so that a replay computes the same.
    """
    backoff = options.get("backoff")
    if not backoff:
        return 0.0
    base, cap = (backoff[0], backoff[1]) if isinstance(backoff, list | tuple) else (backoff, 3600.0)
    delay = min(float(cap), float(base) * 2.0 ** min(attempt - 1, 60))
    return delay * (0.5 + 0.5 * spread)
