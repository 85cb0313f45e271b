"""What may stand where: assignability, iteration, and other questions about types."""

from __future__ import annotations

from wfc.compiler.types import (
    ANY,
    INT,
    NEVER,
    OBJECT,
    STR,
    WIDER,
    AnyType,
    ClassRef,
    Instance,
    LiteralType,
    NeverType,
    NoneT,
    PendingType,
    ResultType,
    TupleType,
    Type,
    UnionType,
    WaitType,
    class_of,
    join,
    list_of,
    widen,
)

_SEQUENCE = ("Sequence", "Collection", "Iterable", "Reversible", "Container", "Sized")
_ABC_OF = {
    "list": ("MutableSequence", *_SEQUENCE),
    "tuple": (*_SEQUENCE, "Hashable"),
    "str": (*_SEQUENCE, "Hashable"),
    "bytes": (*_SEQUENCE, "Hashable"),
    "bytearray": ("MutableSequence", *_SEQUENCE),
    "range": (*_SEQUENCE, "Hashable"),
    "dict": (
        "MutableMapping",
        "Mapping",
        "Collection",
        "Iterable",
        "Reversible",
        "Container",
        "Sized",
    ),
    "set": ("MutableSet", "Set", "Collection", "Iterable", "Container", "Sized"),
    "frozenset": ("Set", "Collection", "Iterable", "Container", "Sized", "Hashable"),
    "Iterator": ("Iterable",),
    "Generator": ("Iterator", "Iterable"),
    "Mapping": ("Collection", "Iterable", "Container", "Sized"),
    "MutableMapping": ("Mapping", "Collection", "Iterable", "Container", "Sized"),
    "Sequence": _SEQUENCE[1:],
    "MutableSequence": _SEQUENCE,
    "Set": ("Collection", "Iterable", "Container", "Sized"),
    "MutableSet": ("Set", "Collection", "Iterable", "Container", "Sized"),
    "Collection": ("Iterable", "Container", "Sized"),
    "Reversible": ("Iterable",),
}
_UNHASHABLE = ("list", "dict", "set", "bytearray")


# ------------------------------------------------------------------------------- assignability


def joined(t: Type) -> Type:
    """What a task receives for a value of this type: a pending value is joined to a list."""
    return list_of(t.item) if isinstance(t, PendingType) else t


def assignable(src: Type, dst: Type) -> bool:
    """Whether a value of type `src` may stand where `dst` is wanted. Unknown parts are accepted.

    The `None` of an optional source is let through: a spec has no way to narrow it but `if`.
    """
    if isinstance(src, (AnyType, NeverType)) or isinstance(dst, AnyType) or src == dst:
        return True
    if dst == OBJECT:
        return True
    if isinstance(src, UnionType):
        parts = [m for m in src.members if not isinstance(m, NoneT)]
        return all(assignable(m, dst) for m in parts)
    if isinstance(dst, UnionType):
        return any(assignable(src, m) for m in dst.members)
    if isinstance(src, LiteralType):
        return _literal_fits(src, dst)
    if isinstance(src, PendingType):
        if isinstance(dst, PendingType):
            return assignable(src.item, dst.item)
        return assignable(list_of(src.item), dst)
    if isinstance(src, ResultType):
        return isinstance(dst, ResultType) and assignable(src.value, dst.value)
    if isinstance(src, (NoneT, WaitType)) or isinstance(
        dst, (NoneT, PendingType, ResultType, WaitType)
    ):
        return isinstance(src, NoneT) and _is_class(dst, "Hashable")
    if isinstance(dst, LiteralType):
        return any(assignable(src, class_of(v)) for v in dst.values)
    if isinstance(src, TupleType):
        return _tuple_fits(src, dst)
    if isinstance(dst, TupleType):
        return not isinstance(src, Instance) or _instance_fits(
            src, Instance(_TUPLE, (_items(dst),))
        )
    return _instance_fits(src, dst)


_TUPLE = ClassRef("builtins", "tuple")


def _is_class(t: Type, name: str) -> bool:
    return isinstance(t, Instance) and t.cls.name == name


def _literal_fits(src: LiteralType, dst: Type) -> bool:
    if isinstance(dst, LiteralType):
        return all(any(type(v) is type(w) and v == w for w in dst.values) for v in src.values)
    return all(assignable(class_of(v), dst) for v in src.values)


def _items(t: TupleType) -> Type:
    return join(t.items) if t.items else NEVER


def _tuple_fits(src: TupleType, dst: Type) -> bool:
    if not isinstance(dst, TupleType):
        return isinstance(dst, Instance) and _instance_fits(Instance(_TUPLE, (_items(src),)), dst)
    if dst.variadic:
        return all(assignable(i, dst.items[0]) for i in src.items)
    if src.variadic:
        return all(assignable(src.items[0], i) for i in dst.items)
    return len(src.items) == len(dst.items) and all(map(assignable, src.items, dst.items))


def _instance_fits(src: Type, dst: Type) -> bool:
    if not isinstance(src, Instance) or not isinstance(dst, Instance):
        return False
    if src.cls == dst.cls:
        # containers are copied on the way, so they need not be invariant
        return all(map(assignable, src.args, dst.args))
    if src.cls.module == "builtins" and dst.cls.name in WIDER.get(src.cls.name, ()):
        return True
    if dst.cls.module == "collections.abc":
        return _abc_fits(src, dst)
    if dst.cls.info.kind == "protocol":
        return True
    if "typeddict" in (src.cls.info.kind, dst.cls.info.kind):  # a dict, to those who run it
        return _is_class(src, "dict") or _is_class(dst, "dict")
    if src.cls.info.kind == "namedtuple" and dst.cls.name == "tuple":
        return True
    if src.cls.module in ("builtins", "collections.abc"):
        return False
    return _inherits(src, dst)


def _abc_fits(src: Instance, dst: Instance) -> bool:
    if src.cls.module not in ("builtins", "collections.abc"):
        return True
    if dst.cls.name == "Hashable":
        return src.cls.name not in _UNHASHABLE
    if dst.cls.name not in _ABC_OF.get(src.cls.name, ()):
        return False
    if src.cls.name in ("dict", "Mapping", "MutableMapping") and "Mapping" not in dst.cls.name:
        return all(map(assignable, src.args[:1], dst.args[:1]))
    args = (
        (STR,)
        if src.cls.name == "str"
        else (INT,)
        if src.cls.name in ("bytes", "range")
        else src.args
    )
    return all(map(assignable, args, dst.args))


def _inherits(src: Instance, dst: Instance) -> bool:
    """Whether `dst` is among the bases, or some base is not known."""
    seen: set[ClassRef] = set()
    todo: list[Type] = [src]
    while todo:
        base = todo.pop()
        if not isinstance(base, Instance):
            return True
        if base.cls in seen:
            continue
        seen.add(base.cls)
        if base.cls == dst.cls or (base is not src and _instance_fits_builtin(base, dst)):
            return True
        if base.cls.module not in ("builtins", "collections.abc"):
            info = base.cls.info
            todo.extend(info.bases)
            if not info.complete and not info.bases:
                return True
    return False


def _instance_fits_builtin(src: Instance, dst: Instance) -> bool:
    return src.cls.module in ("builtins", "collections.abc") and _instance_fits(src, dst)


# ------------------------------------------------------------------------------------- questions


_ITERABLE_KINDS = ("namedtuple", "enum", "typeddict", "pydantic", "protocol")


def element(t: Type) -> Type | None:
    """What iterating a value gives; `None` when it cannot be iterated."""
    if isinstance(t, (AnyType, NeverType)):
        return ANY
    if isinstance(t, PendingType):
        return t.item
    if isinstance(t, TupleType):
        return _items(t)
    if isinstance(t, LiteralType):
        t = widen(t)
    if isinstance(t, UnionType):
        parts = [element(m) for m in t.members if not isinstance(m, NoneT)]
        return None if None in parts else join([p for p in parts if p is not None])
    if not isinstance(t, Instance):
        return None
    if t.cls.module in ("builtins", "collections.abc"):
        return _element_of(t)
    info = t.cls.info
    return ANY if not info.complete or info.kind in _ITERABLE_KINDS else _by_iter(t)


def _element_of(t: Instance) -> Type | None:
    name = t.cls.name
    if name == "str":
        return STR
    if name in ("bytes", "bytearray", "range"):
        return INT
    if name in _ABC_OF or name == "Iterable" or name == "tuple":
        return t.args[0] if t.args else ANY
    return ANY if name in ("Container", "Callable", "object") else None


def _by_iter(t: Instance) -> Type | None:
    todo: list[Type] = [t]
    while todo:
        base = todo.pop()
        if not isinstance(base, Instance):
            return ANY
        if base.cls.module in ("builtins", "collections.abc"):
            if (found := _element_of(base)) is not None and base.cls.name != "object":
                return found
            continue
        info = base.cls.info
        if info.methods & {"__iter__", "__getitem__"}:
            return ANY
        todo.extend(info.bases)
    return None


def unhashable(t: Type) -> bool:
    """Whether a value of this type certainly cannot be a dict key."""
    if isinstance(t, TupleType):
        return any(unhashable(i) for i in t.items)
    return isinstance(t, Instance) and t.cls.module == "builtins" and t.cls.name in _UNHASHABLE


def is_number(t: Type) -> bool | None:
    """True for numbers, False for what certainly is none, `None` where it is not known."""
    t = widen(t)
    if isinstance(t, (AnyType, NeverType)):
        return None
    if isinstance(t, UnionType):
        found = {is_number(m) for m in t.members if not isinstance(m, NoneT)}
        return found.pop() if len(found) == 1 else None
    if isinstance(t, Instance) and t.cls.module == "builtins":
        return t.cls.name in ("bool", "int", "float", "complex")
    return None if isinstance(t, Instance) else False
