"""Which types fit which."""

from __future__ import annotations

import itertools

import pytest

from wfc.compiler.relations import assignable, element, unhashable
from wfc.compiler.types import (
    ANY,
    BOOL,
    BYTES,
    CLASSES,
    COMPLEX,
    ERROR_INFO,
    FLOAT,
    INT,
    NEVER,
    NONE,
    OBJECT,
    STR,
    ClassInfo,
    ClassRef,
    Instance,
    LiteralType,
    PendingType,
    ResultType,
    TupleType,
    Type,
    WaitType,
    dict_of,
    join,
    list_of,
    literal,
    show,
    union,
)

BASE = ClassRef("m", "Base", lambda: ClassInfo(complete=True))
CHILD = ClassRef("m", "Child", lambda: ClassInfo(bases=(Instance(BASE),), complete=True))
LOOSE = ClassRef("m", "Loose", lambda: ClassInfo(bases=(ANY,)))
PROTOCOL = ClassRef("m", "Proto", lambda: ClassInfo(kind="protocol"))


def _abc(name: str, *args: Type) -> Type:
    return Instance(CLASSES[name], args)


FITS: list[tuple[Type, Type]] = [
    (BOOL, INT),
    (INT, FLOAT),
    (FLOAT, COMPLEX),
    (BOOL, COMPLEX),
    (literal(1), INT),
    (literal(True), FLOAT),
    (literal("a"), LiteralType(("a", "b"))),
    (STR, LiteralType(("a",))),
    (INT, OBJECT),
    (NONE, union([INT, NONE])),
    (union([INT, BOOL]), FLOAT),
    (union([STR, NONE]), STR),
    (list_of(INT), list_of(FLOAT)),
    (list_of(NEVER), list_of(STR)),
    (list_of(INT), _abc("Sequence", FLOAT)),
    (list_of(INT), _abc("Iterable", INT)),
    (dict_of(STR, INT), _abc("Mapping", STR, FLOAT)),
    (dict_of(STR, INT), _abc("Iterable", STR)),
    (STR, _abc("Sequence", STR)),
    (STR, _abc("Hashable")),
    (TupleType((INT, STR)), TupleType((FLOAT, STR))),
    (TupleType((INT, INT)), TupleType((INT,), variadic=True)),
    (TupleType((INT,), variadic=True), TupleType((INT, INT))),
    (TupleType((INT, STR)), _abc("Sequence", union([INT, STR]))),
    (Instance(CHILD), Instance(BASE)),
    (Instance(LOOSE), Instance(BASE)),
    (Instance(BASE), Instance(PROTOCOL)),
    (Instance(BASE), _abc("Iterable", INT)),
    (PendingType(INT), PendingType(FLOAT)),
    (PendingType(INT), list_of(INT)),
    (ResultType(INT), ResultType(FLOAT)),
    (NEVER, STR),
]
DO_NOT: list[tuple[Type, Type]] = [
    (FLOAT, INT),
    (INT, STR),
    (INT, BOOL),
    (STR, BYTES),
    (NONE, INT),
    (INT, NONE),
    (union([INT, STR]), INT),
    (literal("c"), LiteralType(("a", "b"))),
    (literal(1), LiteralType((True,))),
    (list_of(STR), list_of(INT)),
    (list_of(INT), TupleType((INT,), variadic=True)),
    (TupleType((INT,)), list_of(INT)),
    (TupleType((INT, STR)), TupleType((INT,))),
    (list_of(INT), _abc("Mapping", INT, INT)),
    (list_of(INT), _abc("Hashable")),
    (INT, _abc("Iterable", INT)),
    (dict_of(INT, INT), dict_of(STR, INT)),
    (Instance(BASE), Instance(CHILD)),
    (Instance(BASE), INT),
    (INT, Instance(BASE)),
    (PendingType(INT), INT),
    (list_of(INT), PendingType(INT)),
    (ResultType(INT), INT),
    (INT, ResultType(INT)),
    (WaitType(INT, list_of(INT)), list_of(INT)),
]
EVERY: list[Type] = [*dict.fromkeys(t for pair in (*FITS, *DO_NOT) for t in pair), ANY, ERROR_INFO]


@pytest.mark.parametrize(("src", "dst"), FITS, ids=lambda t: show(t))
def test_fits(src: Type, dst: Type) -> None:
    assert assignable(src, dst)


@pytest.mark.parametrize(("src", "dst"), DO_NOT, ids=lambda t: show(t))
def test_does_not_fit(src: Type, dst: Type) -> None:
    assert not assignable(src, dst)


def test_laws() -> None:
    for t in EVERY:
        assert assignable(t, t)
        assert assignable(t, ANY)
        assert assignable(ANY, t)
        assert assignable(NEVER, t)
        assert show(t)
        assert join([t, NEVER]) == join([t])
        assert union([t, ANY]) == ANY
    for a, b in itertools.product(EVERY, EVERY):
        assert assignable(a, join([a, b])) or isinstance(a, WaitType), (show(a), show(b))
        assert union([a, b]) == union([a, b, a])


def test_joins() -> None:
    assert show(join([literal(1), literal(2)])) == "int"
    assert show(join([INT, FLOAT])) == "float"
    assert show(join([INT, STR])) == "int | str"
    assert show(join([list_of(NEVER), list_of(INT)])) == "list[int]"
    assert show(join([NONE, INT])) == "None | int"


def test_elements() -> None:
    assert element(list_of(INT)) == INT
    assert element(dict_of(STR, INT)) == STR
    assert element(STR) == STR
    assert element(TupleType((INT, STR))) == union([INT, STR])
    assert element(PendingType(INT)) == INT
    assert element(ANY) == ANY
    assert element(INT) is None
    assert element(NONE) is None
    assert element(ResultType(list_of(INT))) is None


def test_hashable() -> None:
    assert unhashable(list_of(INT))
    assert unhashable(TupleType((INT, dict_of(STR, INT))))
    assert not unhashable(TupleType((INT, STR)))
    assert not unhashable(ANY)
