"""Errors and warnings as values: a check returns a list of these, nothing is raised on the way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from wfc.dsl.ast import Span

MAX_ERRORS = 100
"""After so many errors the rest of a file is not read."""


@dataclass(frozen=True, slots=True)
class Label:
    """A second place that matters (the first binding, the other definition) and what it is."""

    span: Span
    text: str


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding: a stable code (`WF012`), what is wrong, where, and what to write instead.

    `label` is the short text under the underlined span (what was expected there), `hint` a fix.
    """

    code: str
    message: str
    span: Span
    label: str = ""
    hint: str = ""
    related: tuple[Label, ...] = ()
    severity: Literal["error", "warning"] = "error"
