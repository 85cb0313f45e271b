"""Decisions: what the compiler did and why, what it did not and why not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from wfc.dsl.ast import Span
from wfc.dsl.diagnostics import Diagnostic


@dataclass(frozen=True, slots=True)
class Decision:
    """One decision of a pass about one place of the spec. `done` is false for what was not done."""

    by: str
    done: bool
    text: str
    span: Span


@dataclass(slots=True)
class Notes:
    """Where the passes write: decisions for `--explain`, and warnings for everybody."""

    decisions: list[Decision] = field(default_factory=list)
    warnings: list[Diagnostic] = field(default_factory=list)
    current: str = ""

    def did(self, text: str, span: Span) -> None:
        """Something was done."""
        self.decisions.append(Decision(self.current, True, text, span))

    def left(self, text: str, span: Span) -> None:
        """Something was not done."""
        self.decisions.append(Decision(self.current, False, text, span))

    def warn(self, diagnostic: Diagnostic) -> None:
        """A warning for the user, whatever they asked for."""
        if diagnostic not in self.warnings:
            self.warnings.append(diagnostic)


def explain(decisions: Iterable[Decision]) -> str:
    """The decisions as text, one a line, in the order of the places that they are about."""
    rows = sorted(dict.fromkeys(decisions), key=lambda d: (d.span.file, d.span.line, d.span.column))
    lines = [
        f"{d.span.file}:{d.span.line}: {d.by}: will {'' if d.done else 'not '}{d.text}"
        for d in rows
    ]
    return "\n".join(lines) + "\n" if lines else "nothing to decide\n"
