"""The text of a spec file: decoded, with its line ends unified, and an index of its lines."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field

from wfc.dsl.ast import Span

_BOM = "\ufeff"


def unify_newlines(text: str) -> str:
    r"""The text with `\r\n` and `\r` turned into `\n`, and without a byte order mark."""
    if text.startswith(_BOM):
        text = text[1:]
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text


@dataclass(frozen=True)
class Source:
    """One file's text. Lines and columns count from 1, columns in code points, as in `Span`."""

    file: str
    text: str
    _starts: list[int] = field(default_factory=list, repr=False, compare=False)

    def __post_init__(self) -> None:
        starts = [0]
        find = self.text.find
        at = find("\n")
        while at >= 0:
            starts.append(at + 1)
            at = find("\n", at + 1)
        self._starts[:] = starts

    @staticmethod
    def of(text: str | bytes, file: str) -> Source:
        """A source of a file's contents; bytes that are not UTF-8 are shown as replacement characters."""
        if isinstance(text, bytes):
            text = text.decode("utf-8", "replace")
        return Source(file, unify_newlines(text))

    @property
    def line_count(self) -> int:
        """How many lines there are; the empty text after a last newline counts as one."""
        return len(self._starts)

    def line(self, number: int) -> str:
        """Line `number` without its newline; empty outside the file."""
        if not 1 <= number <= len(self._starts):
            return ""
        start = self._starts[number - 1]
        if number < len(self._starts):
            return self.text[start : self._starts[number] - 1]
        return self.text[start:]

    def position(self, offset: int) -> tuple[int, int]:
        """The line and column of an offset into the text."""
        line = bisect_right(self._starts, offset)
        return line, offset - self._starts[line - 1] + 1

    def offset(self, line: int, column: int) -> int:
        """The offset of a line and column; clamped to the text."""
        line = min(max(line, 1), len(self._starts))
        return min(self._starts[line - 1] + max(column, 1) - 1, len(self.text))

    def span(self, start: int, end: int) -> Span:
        """The span between two offsets."""
        line, column = self.position(start)
        end_line, end_column = self.position(end)
        return Span(self.file, line, column, end_line, end_column)

    def slice(self, span: Span) -> str:
        """The text under a span."""
        return self.text[
            self.offset(span.line, span.column) : self.offset(span.end_line, span.end_column)
        ]
