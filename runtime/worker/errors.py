"""Exceptions to `ErrorInfo`: text that needs nothing of the user's code to be read."""

from __future__ import annotations

import os
import traceback
from types import TracebackType
from typing import Any

from wfc.runtime.storage_errors import StorageError
from wfc.runtime.values import ErrorInfo

_RUNTIME = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_OURS = (_RUNTIME + os.sep, os.path.join(os.path.dirname(_RUNTIME), "testing") + os.sep)
_TEXT_LIMIT = 64 * 1024


def dotted(kind: type) -> str:
    """The dotted name of a class; built-in ones have no module."""
    module = kind.__module__
    return kind.__qualname__ if module == "builtins" else f"{module}.{kind.__qualname__}"


class Unpicklable(Exception):  # noqa: N818 - an `UnpicklableResult` or `UnpicklableArgument`
    """A value cannot leave its process; the message says why and what to do."""


class Fleeting(Unpicklable):
    """A value lives only in its Ray cluster: nothing of it can be stored."""


class Unresolved(Unpicklable):
    """A value is a reference to an object of Ray that cannot be had, or holds one; `error` is why."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(f"the object of a reference in it cannot be had: {message_of(error)}")
        self.error = error


def kind_of(error: BaseException) -> str:
    """What an exception is reported as, where it is not the task that raised it."""
    if isinstance(error, StorageError):
        return "wfc.StorageError"
    return "wfc.UnpicklableArgument" if isinstance(error, Unpicklable) else dotted(type(error))


def message_of(error: BaseException) -> str:
    """What the exception says; never raises, whatever its class does."""
    if isinstance(error, SystemExit):
        return f"the task called exit({error.code!r})"
    try:
        return _cut(str(error))
    except BaseException as second:
        return f"<{type(error).__name__}, whose __str__ raises {type(second).__name__}>"


def user_traceback(error: BaseException) -> str:
    """The traceback from the user's function on: our own frames at its head are left out."""
    try:
        _shorten(error)
        return _cut("".join(traceback.format_exception(type(error), error, error.__traceback__)))
    except BaseException as second:
        return f"{dotted(type(error))}: (its traceback cannot be shown: {type(second).__name__})\n"


def _shorten(error: BaseException) -> None:
    """Cut our frames off the head of the traceback, of its causes' too."""
    seen: set[int] = set()
    todo: list[BaseException | None] = [error]
    while todo:
        one = todo.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        trace: TracebackType | None = one.__traceback__
        while trace is not None and _is_ours(trace):
            trace = trace.tb_next
        one.__traceback__ = trace
        todo += [one.__cause__, one.__context__]


def _is_ours(trace: TracebackType) -> bool:
    return os.path.abspath(trace.tb_frame.f_code.co_filename).startswith(_OURS)


def _cut(text: str) -> str:
    if len(text) <= _TEXT_LIMIT:
        return text
    half = _TEXT_LIMIT // 2
    return f"{text[:half]}\n[… {len(text) - _TEXT_LIMIT:,} characters …]\n{text[-half:]}"


def error_info(error: BaseException, task: str, where: Any = None, attempt: int = 1) -> ErrorInfo:
    """An exception of a task's function."""
    bases = tuple(dotted(base) for base in type(error).__mro__[1:] if base is not object)
    return ErrorInfo(
        dotted(type(error)),
        message_of(error),
        user_traceback(error),
        bases,
        task,
        tuple(where) if where is not None else None,
        attempt,
    )


def expression_error(error: BaseException, task: str, where: Any) -> ErrorInfo:
    """An exception of an expression of the spec: it has a place there, and no traceback."""
    if isinstance(error, Unresolved):
        error = error.error
    message = message_of(error)
    if isinstance(error, KeyError):
        message = f"no item {message}"
    return ErrorInfo(kind_of(error), message, task=task, where=tuple(where))
