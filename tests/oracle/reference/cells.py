"""Values, and what stands for them: cells, fan-outs, results, what a `wait` leaves."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import cloudpickle

from tests.oracle.reference.outcome import (
    ANY,
    AmbiguousError,
    Error,
    FailuresError,
    Trace,
    UnsupportedError,
)

_NOTHING = object()

ABSENT = object()
"""The value of a member that a filter leaves out."""


class Cell:
    """The outcome of something: a value, or the errors that broke it.

    `trace` holds the calls that made it and `sources` the cells that it was made from: they are
    certain once somebody needs this cell.
    """

    def __init__(
        self,
        value: Any = _NOTHING,
        errors: frozenset[Error] = frozenset(),
        trace: Trace | None = None,
        sources: Sequence[Cell] = (),
    ) -> None:
        self.value = value
        self.errors = errors
        self.trace = trace
        self.sources = tuple(sources)

    def need(self) -> None:
        if self.trace is not None:
            self.trace.certain = True
        for source in self.sources:
            source.need()

    def get(self) -> Any:
        """The value; raises `FailuresError` when it is broken."""
        self.need()
        if self.errors:
            raise FailuresError(*self.errors)
        return self.value


class Fan(Cell):
    """A fan-out or a list of calls: members that run side by side.

    The value of each member is the list of `(key, value)` pairs that it adds to the whole: none
    when a condition leaves it out, several where inner generators are flattened.
    """

    def __init__(self, members: Sequence[Cell], simple: bool = True, keyed: bool = False) -> None:
        super().__init__()
        self.members = list(members)
        self.simple = simple
        self.keyed = keyed
        self.errors = frozenset().union(*(m.errors for m in members))
        self.sources = tuple(members)

    def get(self) -> Any:
        self.need()
        if self.errors:
            raise FailuresError(*self.errors)
        pairs = [pair for member in self.members for pair in member.value]
        return dict(pairs) if self.keyed else [value for _key, value in pairs]

    def elements(self) -> list[Cell]:
        """One cell per element of the list that this fan-out makes; `ABSENT` where it goes over what a
        wait has left, of which some turn out to be none: they count until then."""
        out: list[Cell] = []
        for member in self.members:
            if member.errors:
                out.append(Cell(errors=member.errors, sources=[member]))
            elif not member.value and any(source.value is ABSENT for source in member.sources):
                out.append(Cell(ABSENT, sources=[member]))
            else:
                out += [Cell(value, sources=[member]) for _key, value in member.value]
        return out


@dataclass(frozen=True, slots=True)
class Remainder:
    """A `pending`: members that still run. One that is `ABSENT` turns out to be none."""

    members: tuple[Cell, ...]

    def __len__(self) -> int:
        return len(self.members)

    def get(self) -> list[Any]:
        return [value for value in gather(m.get for m in self.members) if value is not ABSENT]


@dataclass(frozen=True, slots=True)
class ErrorView:
    """`.error` of a `Result`; what timing decides cannot be read."""

    errors: frozenset[Error]

    @property
    def type(self) -> str:
        return self._only("type")

    @property
    def message(self) -> str:
        return self._only("message")

    @property
    def traceback(self) -> str:
        raise AmbiguousError("the text of a traceback")

    def _only(self, name: str) -> str:
        found = {getattr(error, name) for error in self.errors}
        if len(found) != 1 or ANY in found:
            raise AmbiguousError(f"{name} of {self.errors}")
        return str(found.pop())


@dataclass(frozen=True, slots=True)
class ResultView:
    """What `catch` gives."""

    ok: bool
    value: Any = None
    error: ErrorView | None = None


@dataclass(frozen=True, slots=True)
class WaitValue:
    """What `wait` gives."""

    ready: list[Any]
    pending: Remainder
    failed: list[ErrorView]
    timed_out: bool


def gather(makers: Iterable[Callable[[], Any]]) -> list[Any]:
    """All the values; or all the failures together, since what makes them runs side by side."""
    values: list[Any] = []
    errors: set[Error] = set()
    for make in makers:
        try:
            values.append(make())
        except FailuresError as failed:
            errors |= failed.errors
    if errors:
        raise FailuresError(*errors)
    return values


def attempt(make: Callable[[], Any]) -> Any:
    """The value; what Python raises becomes a failure of the run."""
    try:
        return make()
    except (FailuresError, UnsupportedError, AmbiguousError):
        raise
    except Exception as error:
        raise FailuresError(Error.of(error)) from error


def caught(run: Callable[[], Any]) -> ResultView:
    try:
        return ResultView(True, join(run()))
    except FailuresError as failed:
        return ResultView(False, None, ErrorView(failed.errors))


def join(value: Any) -> Any:
    """A pending value as the list of its results; anything else as it is."""
    return value.get() if isinstance(value, Remainder) else value


def copy(value: Any) -> Any:
    """What arrives in another process."""
    if value is None or isinstance(value, (int, float, str, bytes)):
        return value
    try:
        return pickle.loads(cloudpickle.dumps(value))
    except Exception as error:
        raise FailuresError(Error(ANY, ANY)) from error


def check_copy(value: Any) -> Any:
    """The value itself, which a checkpoint must be able to hold."""
    copy(value)
    return value


def peek(cell: Cell) -> Any:
    """The value of a source element, which stays unneeded until the element made from it is."""
    if cell.errors:
        raise FailuresError(*cell.errors)
    return cell.value


def as_member(cell: Cell) -> Cell:
    """A call as a member of a list of calls."""
    if cell.errors:
        return Cell(errors=cell.errors, sources=[cell])
    if isinstance(cell, Fan):
        raise UnsupportedError("a fan-out inside a list of calls")
    return Cell([(None, cell.value)], sources=[cell])
