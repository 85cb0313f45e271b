"""Debuggers of workers that ask for lines: one after the other has the console."""

from __future__ import annotations

import os
import selectors
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeAlias

Answer: TypeAlias = Callable[[str | None], None]
"""Takes the line, with its end, or `None` when there will be none."""


class Console(Protocol):
    """Where a person may be."""

    def fileno(self) -> int:
        """The descriptor that is read from."""

    def show(self, text: str) -> None:
        """Show a text; until `done` nothing else is shown."""

    def done(self) -> None:
        """Nobody asks any more, for now."""


@dataclass(frozen=True)
class _Question:
    process: int
    task: str
    text: str
    answer: Answer


class Prompts:
    """The questions, in order; a debugger that has been answered keeps the console until it is `over`.

    `key` is what the console is registered under in `selector`; without a console there are no answers.
    """

    def __init__(
        self, console: Console | None, selector: selectors.BaseSelector, key: object
    ) -> None:
        self._console = console
        self._selector = selector
        self._key = key
        self._waiting: deque[_Question] = deque()
        self._asked: _Question | None = None
        self._owner: int | None = None
        self._typed = b""
        self._ended = False

    def ask(self, process: int, task: str, text: str, answer: Answer) -> None:
        """A debugger in this process asks."""
        self._waiting.append(_Question(process, task, text, answer))
        self._next()

    def over(self, process: int) -> None:
        """The debugger in this process lets its task go on, or the process is gone."""
        self._waiting = deque(q for q in self._waiting if q.process != process)
        if self._owner != process:
            return
        if self._asked is not None:
            self._listen(False)
            self._asked = None
        self._owner = None
        if self._console is not None and not self._waiting:
            self._console.done()
        self._next()

    def heard(self) -> None:
        """Something was typed."""
        self._read()
        if self._ended or b"\n" in self._typed:
            self._listen(False)
            self._reply(self._line())
            self._next()

    def _next(self) -> None:
        while self._asked is None and (question := self._first()) is not None:
            self._asked = question
            if self._console is None:
                self._reply(None)
                continue
            new = self._owner != question.process
            self._owner = question.process
            head = f"\n{question.task} stops here:\n" if new else ""
            self._console.show(head + question.text)
            if not self._ended and b"\n" not in self._typed and self._listen(True):
                return
            self._reply(self._line())

    def _first(self) -> _Question | None:
        for question in self._waiting:
            if self._owner in (None, question.process):
                self._waiting.remove(question)
                return question
        return None

    def _listen(self, on: bool) -> bool:
        """Whether something may be typed later."""
        assert self._console is not None
        try:
            if on:
                self._selector.register(self._console.fileno(), selectors.EVENT_READ, self._key)
            else:
                self._selector.unregister(self._console.fileno())
        except PermissionError:  # a file, which is always ready
            self._read()
            return False
        except (OSError, ValueError):  # it is closed
            self._ended = True
            return False
        return True

    def _read(self) -> None:
        assert self._console is not None
        try:
            data = os.read(self._console.fileno(), 1 << 16)
        except OSError:
            data = b""
        self._typed += data
        self._ended = not data

    def _line(self) -> str | None:
        line, end, self._typed = self._typed.partition(b"\n")
        return (line + end).decode(errors="replace") if line or end else None

    def _reply(self, line: str | None) -> None:
        question, self._asked = self._asked, None
        assert question is not None
        if line is None and self._console is not None:
            self._console.show(f"\n({question.task} goes on: there is nobody to type)\n")
        question.answer(line)
