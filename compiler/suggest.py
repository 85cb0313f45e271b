"""Hints of the form "did you mean …?"."""

from __future__ import annotations

from collections.abc import Iterable

from wfc.dsl.suggest import nearest

MAX_SUGGESTIONS = 100
"""After so many, an unknown name gets no hint: each is a look at all names there are."""


class Suggestions:
    """Hints for the names of one project, of which there may be any number: not for ever more errors."""

    def __init__(self) -> None:
        self._made = 0

    def __call__(self, name: str, *known: Iterable[str]) -> str:
        """A hint with the nearest name of the first group that has one, or an empty text."""
        self._made += 1
        if self._made > MAX_SUGGESTIONS:
            return ""
        return next((hint for group in known if (hint := did_you_mean(name, group))), "")


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A hint with the nearest known name, or an empty text when none is near."""
    found = nearest(name, dict.fromkeys(known))
    return f"did you mean `{found}`?" if found else ""
