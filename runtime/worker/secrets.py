"""`secret("NAME")` in a spec: resolved from the environment of the worker, never stored.

The value is a string that knows its name: pickled, it is that name alone, so that whatever it gets
into on its way holds no secret. What is made of it (an f-string, a result of a task) is the user's.
"""

from __future__ import annotations

import os
from typing import Any

_seen: dict[str, str] = {}

MASK = "********"


class Secret(str):
    """A secret string."""

    __slots__ = ("name",)
    name: str

    def __reduce__(self) -> Any:
        return (secret, (self.name,))

    def __repr__(self) -> str:
        return f"secret({self.name!r})"


def secret(name: str) -> Secret:
    """The secret of that name; raises `LookupError` when the environment has none."""
    value = os.environ.get(name)
    if value is None:
        raise LookupError(f"the secret {name} is not in the environment of the worker")
    made = Secret(value)
    made.name = name
    if value:
        _seen[name] = value
    return made


def redact(text: str) -> str:
    """The text without the secrets that this process has resolved."""
    for value in _seen.values():
        if value in text:
            text = text.replace(value, MASK)
    return text
