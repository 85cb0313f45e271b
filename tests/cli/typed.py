"""Classes that parameters are declared with, of every kind that Python has."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import typing
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple, NewType, Protocol, TypedDict

import numpy as np
from pydantic import BaseModel

if TYPE_CHECKING:
    from fractions import Fraction


class Plain:
    pass


class Record(TypedDict):
    a: int
    b: str


class Part(TypedDict, total=False):
    a: decimal.Decimal


@dataclasses.dataclass
class HasPlain:
    p: Plain
    n: int = 1


@dataclasses.dataclass
class HasArray:
    name: str
    xs: np.ndarray | None = None


@dataclasses.dataclass
class HasRecord:
    r: Record
    more: list[Part] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Node:
    v: int
    p: Plain | None = None
    next: Node | None = None


@dataclasses.dataclass
class ForCheckers:
    f: Fraction
    n: int = 2


class ModelForCheckers(BaseModel):
    f: Fraction


class Model(BaseModel):
    p: decimal.Decimal
    when: datetime.datetime | None = None


class Row(NamedTuple):
    a: int
    p: Plain | None = None


class Goes(Protocol):
    def go(self) -> int: ...


@typing.runtime_checkable
class GoesChecked(Protocol):
    def go(self) -> int: ...


class Goer:
    def go(self) -> int:
        return 1


T = typing.TypeVar("T")


class Box(typing.Generic[T]):
    pass


class Kind(str, enum.Enum):
    ONE = "1"


class Number(enum.Enum):
    ONE = 1


Sku = NewType("Sku", str)
Amount = Annotated[decimal.Decimal, "euro"]
Plains = list[Plain]
Mode = Literal["a", 1]

Decimal = decimal.Decimal
date, timedelta = datetime.date, datetime.timedelta
datetime_ = datetime.datetime
