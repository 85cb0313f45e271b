"""Diagnostics as text for people, and as plain data for tools.

```
error[WF014]: a comma is missing
 --> main.wf:3:13
  |
3 |     x = f(a b)
  |            ^ expected `,`
  |
  = help: write `a, b`
```
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from wfc.dsl.ast import Span
from wfc.dsl.diagnostics import Diagnostic
from wfc.dsl.source import Source

WIDTH = 120
"""Source lines wider than this are cut round the span, in columns of a terminal."""

_TAB = 4
_LONGEST = 180
_ANSI = {"error": "1;31", "warning": "1;33", "bold": "1", "gutter": "1;34", "help": "1;36", "": ""}


@dataclass(frozen=True)
class _Mark:
    span: Span
    text: str
    sign: str
    style: str


def render(
    diagnostics: Iterable[Diagnostic],
    sources: Mapping[str, Source | str],
    *,
    color: bool = False,
) -> str:
    """All diagnostics as text, with a blank line between them; empty when there are none.

    `sources` gives the text of each file by the name that spans give it; without it, a diagnostic has no
    source line. `color` adds ANSI styles.
    """
    known: dict[str, Source] = {}
    for file, source in sources.items():
        known[file] = source if isinstance(source, Source) else Source.of(source, file)
    return "\n".join(_one(each, known, color) for each in diagnostics)


def to_json(diagnostics: Iterable[Diagnostic]) -> list[dict[str, object]]:
    """The diagnostics as plain data, with the same keys in every release; new keys may be added."""
    return [
        {
            "code": each.code,
            "severity": each.severity,
            "message": each.message,
            **_place(each.span),
            "label": each.label,
            "hint": each.hint,
            "related": [{**_place(label.span), "text": label.text} for label in each.related],
        }
        for each in diagnostics
    ]


def summary(diagnostics: Sequence[Diagnostic]) -> str:
    """`2 errors, 1 warning`."""
    parts = []
    for severity in ("error", "warning"):
        count = sum(each.severity == severity for each in diagnostics)
        if count:
            parts.append(f"{count} {severity}{'s' if count > 1 else ''}")
    return ", ".join(parts)


def _place(span: Span) -> dict[str, object]:
    return {
        "file": span.file,
        "line": span.line,
        "column": span.column,
        "end_line": span.end_line,
        "end_column": span.end_column,
    }


def _styled(text: str, style: str, color: bool) -> str:
    return f"\x1b[{_ANSI[style]}m{text}\x1b[0m" if color and text and style else text


def _one(diagnostic: Diagnostic, sources: Mapping[str, Source], color: bool) -> str:
    severity = diagnostic.severity
    marks = [_Mark(diagnostic.span, diagnostic.label, "^", severity)]
    marks += [_Mark(label.span, label.text, "-", "gutter") for label in diagnostic.related]
    gutter = len(str(max(mark.span.line for mark in marks)))

    def edge(sign: str = "|", number: str = "") -> str:
        return _styled(f"{number:>{gutter}} {sign}", "gutter", color)

    head = _styled(f"{severity}[{diagnostic.code}]", severity, color)
    lines = [head + _styled(f": {_printable(diagnostic.message)}", "bold", color)]
    for file in dict.fromkeys(mark.span.file for mark in marks):
        here = [mark for mark in marks if mark.span.file == file]
        first = here[0].span
        arrow = "-->" if file == diagnostic.span.file else ":::"
        lines.append(
            _styled(" " * gutter + arrow, "gutter", color) + f" {file}:{first.line}:{first.column}"
        )
        source = sources.get(file)
        if source is not None and first.line <= source.line_count:
            lines.append(edge())
            lines += _snippet(here, source, edge, color)
    if diagnostic.hint:
        lines.append(edge())
        hint = _styled("help", "help", color)
        lines.append(edge("=") + f" {hint}: {_printable(diagnostic.hint)}")
    return "\n".join(lines) + "\n"


class _Edge(Protocol):
    """The left margin with a sign, and perhaps the number of a line."""

    def __call__(self, sign: str = "|", number: str = "") -> str: ...


def _snippet(marks: list[_Mark], source: Source, edge: _Edge, color: bool) -> list[str]:
    """The marked lines in order, each with its underlines below."""
    lines: list[str] = []
    shown = (0, "")
    for mark in sorted(marks, key=lambda m: (m.span.line, m.span.column)):
        number = mark.span.line
        line = source.line(number)
        start = mark.span.column - 1
        end = mark.span.end_column - 1 if mark.span.end_line == number else len(line)
        text, before, width = _cut(line, start, max(end, start + 1))
        if shown != (number, text):
            if shown[0] and number > shown[0] + 1:
                lines.append(_styled("...", "gutter", color))
            lines.append(f"{edge(number=str(number))} {text}".rstrip())
        shown = (number, text)
        under = _styled(f"{mark.sign * width} {_printable(mark.text)}".rstrip(), mark.style, color)
        lines.append(f"{edge()} {' ' * before}{under}")
    return lines


def _cut(line: str, start: int, end: int) -> tuple[str, int, int]:
    """The part of a line to show, the columns before the span in it, and the columns of the span."""
    start = min(start, len(line))
    end = max(end, start)
    low, high = 0, len(line)
    if high > WIDTH // 2 and (high > WIDTH or sum(_columns(c) for c in line) > WIDTH):
        # Wide characters take two columns, so half as many always fit.
        room = WIDTH if line.isascii() and "\t" not in line else WIDTH // 2
        low = max(0, min(start - room // 3, high - room))
        high = min(high, low + room)
    prefix = "…" if low else ""
    suffix = "…" if high < len(line) else ""
    shown = "".join(_shown(c) for c in line[low:high])
    before = len(prefix) + sum(_columns(c) for c in line[low:start])
    stop = min(end, high)
    width = max(1, sum(_columns(c) for c in line[start:stop]))
    return prefix + shown + suffix, before, width


def _columns(char: str) -> int:
    """How many columns of a terminal a character takes, as `_shown`."""
    if char.isascii():
        return _TAB if char == "\t" else 1
    if unicodedata.east_asian_width(char) in "WF":
        return 2
    return 0 if unicodedata.category(char) in ("Mn", "Me") else 1


def _shown(char: str) -> str:
    if char == "\t":
        return " " * _TAB
    if char.isascii():
        return char if char.isprintable() else "�"
    # Invisible and direction-changing characters would make the underline lie.
    return "�" if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp") else char


def _printable(text: str) -> str:
    """A message on one line, not endless, without characters that act on a terminal."""
    if len(text) > _LONGEST:
        text = text[: _LONGEST // 2] + "…" + text[-_LONGEST // 2 :]
    if text.isascii() and text.isprintable():
        return text
    return "".join("⏎" if c == "\n" else _shown(c) for c in text)
