"""Hints of the form "did you mean …?"."""

from __future__ import annotations

from collections.abc import Iterable

from wfc.dsl.suggest import nearest


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A hint with the nearest known name, or an empty text when none is near."""
    found = nearest(name, dict.fromkeys(known))
    return f"did you mean `{found}`?" if found else ""
