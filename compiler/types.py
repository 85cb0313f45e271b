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


@dataclass(frozen=True, slots=True, eq=False)
class LiteralType:
    """`Literal[…]`: the values, in order. `1` and `True` are different here."""

    values: tuple[int | str | bool | bytes | None, ...]

    def _key(self) -> tuple[tuple[type, object], ...]:
        return tuple((type(v), v) for v in self.values)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LiteralType) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())


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

# ------------------------------------------------------------------- the classes of the language

_PYTHON = {
    c.__name__: c
    for c in (
        bool,
        int,
        float,
        complex,
        str,
        bytes,
        bytearray,
        list,
        dict,
        set,
        frozenset,
        range,
        object,
    )
}
_ABCS = frozenset(
    [
        "Iterable",
        "Collection",
        "Sequence",
        "MutableSequence",
        "Mapping",
        "MutableMapping",
        "Set",
        "MutableSet",
        "Iterator",
        "Reversible",
        "Container",
        "Sized",
        "Hashable",
        "Callable",
        "Generator",
        "Iterable",
    ]
)
WIDER = {"bool": ("int", "float", "complex"), "int": ("float", "complex"), "float": ("complex",)}


def _builtin(name: str) -> ClassRef:
    cls = _PYTHON[name]
    public = [a for a in dir(cls) if not a.startswith("_")]
    methods = frozenset(a for a in public if callable(getattr(cls, a)))
    info = ClassInfo({a: ANY for a in public if a not in methods}, methods=methods, complete=True)
    return ClassRef("builtins", name, lambda: info)


CLASSES: dict[str, ClassRef] = {name: _builtin(name) for name in _PYTHON}
CLASSES.update((name, ClassRef("collections.abc", name)) for name in sorted(_ABCS))

BOOL, INT, FLOAT, STR, BYTES, OBJECT = (
    Instance(CLASSES[n]) for n in ("bool", "int", "float", "str", "bytes", "object")
)
COMPLEX = Instance(CLASSES["complex"])
ERROR_INFO = Instance(
    ClassRef(
        "wfc",
        "Error",
        lambda: ClassInfo(
            {
                "type": STR,
                "message": STR,
                "traceback": STR,
                "bases": TupleType((STR,), variadic=True),
                "task": STR,
                "where": ANY,
                "attempts": INT,
            },
            complete=True,
        ),
    )
)


def list_of(item: Type) -> Type:
    """`list[item]`."""
    return Instance(CLASSES["list"], (item,))


def dict_of(key: Type, value: Type) -> Type:
    """`dict[key, value]`."""
    return Instance(CLASSES["dict"], (key, value))


def union(members: list[Type] | tuple[Type, ...]) -> Type:
    """The union: flattened, without duplicates; `Any` swallows the rest."""
    flat: dict[Type, None] = {}
    for member in members:
        for part in member.members if isinstance(member, UnionType) else (member,):
            if isinstance(part, AnyType):
                return ANY
            if not isinstance(part, NeverType):
                flat[part] = None
    if not flat:
        return NEVER
    return next(iter(flat)) if len(flat) == 1 else UnionType(tuple(flat))


def join(members: list[Type] | tuple[Type, ...]) -> Type:
    """The type of a value that is one of these: the wider number, a common structure, or a union."""
    distinct = [t for t in dict.fromkeys(widen(m) for m in members) if not isinstance(t, NeverType)]
    if len(distinct) <= 1:
        return distinct[0] if distinct else NEVER
    if len(distinct) > 24:
        return ANY
    kept: list[Type] = []
    for one in distinct:
        if any(_narrower(one, other) for other in distinct if other != one):
            continue
        kept.append(one)
    return union(kept)


def _narrower(one: Type, other: Type) -> bool:
    """Whether `one` is a number that `other` covers, or an empty container that `other` fills."""
    if not (isinstance(one, Instance) and isinstance(other, Instance)):
        return False
    if other.cls.name in WIDER.get(one.cls.name, ()) and one.cls.module == "builtins":
        return True
    return one.cls == other.cls and NEVER in one.args and NEVER not in other.args


def widen(t: Type) -> Type:
    """A literal's class; anything else as it is."""
    if isinstance(t, LiteralType):
        return union([class_of(v) for v in t.values])
    return t


def class_of(value: object) -> Type:
    """The class of a constant."""
    if value is None:
        return NONE
    return Instance(CLASSES[type(value).__name__])


def literal(value: object) -> Type:
    """The type of a constant."""
    if value is None:
        return NONE
    if isinstance(value, (bool, int, str, bytes)):
        return LiteralType((value,))
    return Instance(CLASSES[type(value).__name__])


# ------------------------------------------------------------------------------------- text


def show(t: Type) -> str:
    """The type as a user would write it."""
    match t:
        case AnyType():
            return "Any"
        case NeverType():
            return "Never"
        case NoneT():
            return "None"
        case LiteralType(values):
            return f"Literal[{', '.join(map(repr, values))}]"
        case UnionType(members):
            return " | ".join(show(m) for m in members)
        case PendingType(item):
            return f"pending[{show(item)}]"
        case ResultType(value):
            return f"Result[{show(value)}]"
        case WaitType(item):
            return f"WaitResult[{show(item)}]"
        case TupleType(items, variadic):
            inner = ", ".join(show(i) for i in items) + (", ..." if variadic else "")
            return f"tuple[{inner or '()'}]"
        case Instance(cls, args):
            known = [a for a in args if not isinstance(a, NeverType)]
            if not known or all(isinstance(a, AnyType) for a in known):
                return cls.name
            return f"{cls.name}[{', '.join(show(a) for a in known)}]"


def article(shown: str) -> str:
    """A type's text with its article: `an int`, `a str`; `None` and `Any` have none."""
    if shown in ("None", "Any"):
        return shown
    return f"{'an' if shown[:1] in 'aeiouAEIO' else 'a'} {shown}"


def a_type(t: Type) -> str:
    """`describe`, with an article."""
    return article(describe(t))


def describe(t: Type) -> str:
    """The type in a message: a literal by its class, as `str` rather than `Literal['a']`."""
    return show(widen(t))


def mismatch(wanted: Type, found: Type) -> tuple[str, str]:
    """Two types that do not fit, in a message: with the values, where a `Literal` is wanted."""
    text = show(wanted)
    return text, show(found) if "Literal[" in text else describe(found)
