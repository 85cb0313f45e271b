"""Names of runs, tasks, signals and stored values, checked before any input or output.

A name that passes is safe as a file name and in a message: it has no separator, no leading dot, no
control character.
"""

from __future__ import annotations

from typing import Literal

from wfc.plan.names import IN_WORDS, NAME
from wfc.runtime.storage_errors import StorageError

KEY_DEPTH = 4
"""A value's key has at most so many names, joined by `/`."""

Kind = Literal["run", "task", "signal", "signal id", "store"]


class BadName(StorageError, ValueError):  # noqa: N818 - as its kin
    """A name that is not one."""


def is_name(text: object) -> bool:
    """Whether this is a proper name."""
    return isinstance(text, str) and NAME.fullmatch(text) is not None


def check_name(text: str, kind: Kind) -> str:
    """Give back a proper name; raise `BadName` for anything else."""
    if is_name(text):
        return text
    raise BadName(f"{_shown(text)} is no name for a {kind}: {IN_WORDS}")


def check_key(key: str) -> str:
    """Give back a proper key of a value (names joined by `/`); raise `BadName` otherwise."""
    parts = key.split("/") if isinstance(key, str) else []
    if 1 <= len(parts) <= KEY_DEPTH and all(map(is_name, parts)):
        return key
    raise BadName(f"{_shown(key)} is no key of a value: 1 to {KEY_DEPTH} names joined by '/'")


def _shown(text: object) -> str:
    """The text for a message: escaped, and not endless."""
    shown = ascii(text)
    return shown if len(shown) <= 80 else shown[:77] + "..."
