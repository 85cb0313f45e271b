"""Gradual types: what the checker knows of a value without running anything.

`Any` is compatible with everything, in both directions. Containers are compared by structure,
classes by name and, where their source could be read, by their bases. Nothing here reports: the
checks do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class ClassInfo:
    """What was read of a class.

    `fields` are typed attributes in order, `required` those without a default, `methods` names that
    are callable. `complete` is false when some base could not be read, or it has `__getattr__`: then
    an unknown attribute is no error. `bases` are resolved classes.
    """

    fields: dict[str, Type] = field(default_factory=dict)
    required: frozenset[str] = frozenset()
    methods: frozenset[str] = frozenset()
    bases: tuple[Type, ...] = ()
    complete: bool = False
    kind: str = "class"


@dataclass(frozen=True, slots=True)
class ClassRef:
    """A class by name. `load` reads its definition when somebody asks (cached by the reader)."""

    module: str
    name: str
    load: Callable[[], ClassInfo] = field(default=ClassInfo, compare=False, hash=False, repr=False)

    @property
    def info(self) -> ClassInfo:
        """What is known of the class."""
        return self.load()


@dataclass(frozen=True, slots=True)
class AnyType:
    """Not known, or anything."""


@dataclass(frozen=True, slots=True)
class NeverType:
    """The type of what gives no value (`fail`)."""


@dataclass(frozen=True, slots=True)
class NoneT:
    """`None`."""


@dataclass(frozen=True, slots=True)
class Instance:
    """A value of a class, with type arguments where it is generic."""

    cls: ClassRef
    args: tuple[Type, ...] = ()


@dataclass(frozen=True, slots=True)
class TupleType:
    """`tuple[A, B]`, or `tuple[A, ...]` when `variadic`."""

    items: tuple[Type, ...]
    variadic: bool = False


@dataclass(frozen=True, slots=True)
class LiteralType:
    """`Literal[…]`: the values, in order."""

    values: tuple[int | str | bool | bytes | None, ...]


@dataclass(frozen=True, slots=True)
class UnionType:
    """One of several, flattened and without duplicates (see `union`)."""

    members: tuple[Type, ...]


@dataclass(frozen=True, slots=True)
class PendingType:
    """`pending[T]`: calls that run, each of which gives a `T`."""

    item: Type


@dataclass(frozen=True, slots=True)
class ResultType:
    """What `catch` gives: `.ok .value .error`."""

    value: Type


@dataclass(frozen=True, slots=True)
class WaitType:
    """What `wait` gives: `.ready` (of type `ready`), `.pending .failed .timed_out`."""

    item: Type
    ready: Type


Type: TypeAlias = (
    AnyType | NeverType | NoneT | Instance | TupleType | LiteralType | UnionType
    | PendingType | ResultType | WaitType
)  # fmt: skip

ANY = AnyType()
NEVER = NeverType()
NONE = NoneT()
