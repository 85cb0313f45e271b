"""Numbers that keep the digits that they were written with, until a type says what they are."""

from __future__ import annotations

from decimal import Decimal
from typing import Any


class Number(float):
    """A float that knows its text: to a `Decimal` it is all of its digits, to all else a float."""

    __slots__ = ("text",)
    text: str

    def __new__(cls, text: str) -> Number:
        """Of the text of a number with a point or an exponent. Raises `ValueError`."""
        made = super().__new__(cls, text)
        made.text = text
        return made

    def __str__(self) -> str:
        return self.text

    __repr__ = __str__

    def __reduce__(self) -> Any:
        # What is kept of a run is a plain float.
        return (float, (self.text,))


def number(text: str) -> float | Decimal:
    """The number, exactly. One with more digits before its point than a float has is a `Decimal`, as
    a float would be another whole number. Raises `ValueError`."""
    made = Number(text)
    if made.is_integer() and "e" not in text.lower():
        exact = Decimal(text.replace("_", ""))
        if exact != int(made):
            return exact
    return made
