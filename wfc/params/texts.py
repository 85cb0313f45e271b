"""What a text of the command line means: the type of the parameter says."""

from __future__ import annotations

import typing
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

from wfc.params import types
from wfc.params.files import read_json


def from_text(text: str, wanted: Any) -> Any:
    """The value that a text stands for as that type.

    A text is read as the type's own: the digits of a `Decimal`, the path of a `Path`, one of the
    values of a `Literal`. What has no text of its own (a list, a dataclass) is read as JSON, and so
    is what has no type. Of several types the first that can read it counts: `None` for `null`,
    numbers before all else, `str` last.

    Raises pydantic's `ValidationError`, and `ValueError` for what is wrong as JSON.
    """
    if wanted is str:
        return text
    if wanted is Any:
        return _json(text, otherwise=text)
    if typing.get_origin(wanted) is Literal:
        return _one_of(text, wanted)
    if types.is_union(wanted):
        return _first(text, typing.get_args(wanted))
    return _of_type(text, wanted)


def _of_type(text: str, wanted: Any) -> Any:
    from pydantic import ValidationError

    checked = types.adapter(wanted)
    own: ValidationError | None = None
    try:
        return checked.validate_strings(text)
    except NotImplementedError:
        pass  # an older pydantic has no texts for what is checked by `isinstance`
    except ValidationError as error:
        own = error if error.errors()[0]["type"] != "needs_python_object" else None
    value = _json(text, otherwise=text)
    if wanted is int and isinstance(value, float):
        value = Decimal(str(value))  # `1e23` is another number as a float
    try:
        return checked.validate_python(value)
    except ValidationError:
        if own is None or isinstance(value, (list, dict)):
            raise
        raise own from None


def _json(text: str, otherwise: Any) -> Any:
    """The text as JSON; what cannot be JSON at all is `otherwise`, what is wrong as JSON an error."""
    looks = text.lstrip()[:1] in ("[", "{")
    try:
        return read_json(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except ValueError as error:
        if looks:
            raise ValueError(f"it is not JSON: {error}") from None
        return otherwise


def _one_of(text: str, wanted: Any) -> Any:
    values = typing.get_args(wanted)
    for value in values:
        if value == text:
            return value
    given = _json(text, otherwise=text)
    for value in values:
        if type(value) is type(given) and value == given:
            return value
    return types.adapter(wanted).validate_python(text)


def _first(text: str, members: tuple[Any, ...]) -> Any:
    if type(None) in members and text == "null":
        return None
    rest = sorted((m for m in members if m is not type(None)), key=_rank)
    others = tuple(m for m in rest if _rank(m) == OTHERS)
    problem: ValueError | None = None
    for member in rest:
        try:
            if member in (int, bool):  # `3.0` is none of the first, `no` none of the second
                value = _json(text.lower(), otherwise=text)
                if type(value) is member:
                    return value
            elif len(others) > 1 and member == others[0]:  # `date | datetime`: which fits best
                return types.adapter(typing.Union[others]).validate_strings(text)  # noqa: UP007
            else:
                return from_text(text, member)
        except ValueError as error:
            problem = problem or error
    for member in others if len(others) > 1 else ():
        try:
            return from_text(text, member)
        except ValueError as error:
            problem = problem or error
    if problem is None:
        return types.adapter(typing.Union[members]).validate_strings(text)  # noqa: UP007
    raise problem


OTHERS = 4


def _rank(member: Any) -> int:
    if typing.get_origin(member) is Literal:
        return 0
    if member in (int, float, bool):
        return (int, float, bool).index(member) + 1
    return OTHERS + 1 if member in (str, bytes, Path) else OTHERS
