"""How a run may end, and the calls that it made."""

from __future__ import annotations

import functools
import inspect
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.oracle.reference.splits import WaitView

ANY = "*"
"""Stands for a type or a message that the language does not settle."""

UNREACHABLE = "wfc.QuorumUnreachable"


@dataclass(frozen=True, slots=True)
class Error:
    """A failure as the language sees it: the exception's type and its text."""

    type: str
    message: str

    @classmethod
    def of(cls, error: BaseException) -> Error:
        return cls(type(error).__name__, str(error))

    def covers(self, type_name: str, message: str) -> bool:
        """Whether a real failure is this one; `type_name` may be dotted."""
        texts = (ANY, message, message.removeprefix("no item "))
        return self.type in (ANY, type_name, type_name.rpartition(".")[2]) and self.message in texts


class FailuresError(Exception):
    """The evaluation failed; `errors` are those that a real run might report."""

    def __init__(self, *errors: Error) -> None:
        super().__init__(errors)
        self.errors = frozenset(errors)


class UnsupportedError(Exception):
    """The program does something that the reference has no opinion on."""


class AmbiguousError(Exception):
    """The program looks at something that timing decides: its result is not determined."""


@dataclass(frozen=True, slots=True)
class CallRecord:
    """One call of a Python function: its name and its arguments, bound to its parameters."""

    name: str
    args: str

    @classmethod
    def of(
        cls, fn: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> CallRecord:
        name = getattr(fn, "__name__", repr(fn))
        try:
            bound = _signature(fn).bind(*args, **kwargs)
        except (TypeError, ValueError):
            return cls(name, _shown(f"{list(args)!r} {dict(kwargs)!r}"))
        bound.apply_defaults()
        return cls(name, _shown(", ".join(f"{k}={v!r}" for k, v in bound.arguments.items())))


@functools.lru_cache(maxsize=1000)
def _signature(fn: Callable[..., Any]) -> inspect.Signature:
    return inspect.signature(fn)


def _shown(text: str) -> str:
    """A text without the addresses of objects."""
    return re.sub(r" at 0x[0-9a-f]+", "", text)


class Trace:
    """The calls made by some part of a run. `certain` is false where they may not have been made."""

    def __init__(self, parent: Trace | None = None, certain: bool = True) -> None:
        self.entries: list[CallRecord | Trace] = []
        self.certain = certain
        if parent is not None:
            parent.entries.append(self)

    def count(self) -> tuple[Counter[CallRecord], Counter[CallRecord]]:
        """The calls that were made for certain, and those that may have been made."""
        must: Counter[CallRecord] = Counter()
        may: Counter[CallRecord] = Counter()
        todo: list[tuple[Trace, bool]] = [(self, self.certain)]
        while todo:
            trace, certain = todo.pop()
            for entry in trace.entries:
                if isinstance(entry, Trace):
                    todo.append((entry, certain and entry.certain))
                else:
                    (must if certain else may)[entry] += 1
        return must, may


@dataclass(frozen=True)
class Outcome:
    """How a run ends: its value, or the errors of which it reports one; and the calls it made."""

    value: Any
    errors: frozenset[Error]
    must: Counter[CallRecord]
    may: Counter[CallRecord]
    waits: dict[str, WaitView] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        return not self.errors
