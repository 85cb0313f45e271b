"""The types of parameters: of their text the Python type, of that type what checks a value."""

from __future__ import annotations

import ast
import dataclasses
import functools
import operator
import types
import typing
from collections.abc import Callable, Container, Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from wfc.errors import ParameterError
from wfc.plan import python

if TYPE_CHECKING:
    from pydantic import TypeAdapter

Classes: TypeAlias = Callable[[str], Any]
"""From the name of a class in a spec to the class; `Any` for one that is not known."""

_BUILTIN: dict[str, Any] = {
    "Any": Any,
    "None": None,
    "bool": bool,
    "bytes": bytes,
    "complex": complex,
    "dict": dict,
    "float": float,
    "frozenset": frozenset,
    "int": int,
    "list": list,
    "object": Any,
    "set": set,
    "str": str,
    "tuple": tuple,
}
_TYPING = {"Dict": "dict", "FrozenSet": "frozenset", "List": "list", "Set": "set", "Tuple": "tuple"}


def anything(name: str) -> Any:
    """Every class is `Any`: for when there is none to be had."""
    return Any


def resolve_type(text: str | None, classes: Classes = anything) -> Any:
    """The Python type of an annotation's text; what is not understood is `Any`. Raises what `classes`
    does about a class that is known and cannot be had."""
    if text is None:
        return Any
    try:
        return _type(python.parse_expression(text), classes)
    except ParameterError:
        raise  # a class that cannot be had
    except (SyntaxError, TypeError, ValueError):
        return Any


def _type(node: ast.expr, classes: Classes) -> Any:
    if isinstance(node, ast.Constant):
        return node.value if node.value in (None, ...) else Any
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return _union(_type(node.left, classes), _type(node.right, classes))
    if isinstance(node, ast.Subscript):
        args = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        name = ast.unparse(node.value)
        if name == "Literal":
            return Literal[tuple(ast.literal_eval(a) for a in args)]
        return _generic(name, [_type(a, classes) for a in args])
    name = ast.unparse(node)
    name = _TYPING.get(name, name)
    return _BUILTIN[name] if name in _BUILTIN else classes(name)


def _union(*members: Any) -> Any:
    if Any in members:
        return Any
    return functools.reduce(operator.or_, (types.NoneType if m is None else m for m in members))


def _generic(name: str, args: list[Any]) -> Any:
    last = name.rpartition(".")[2]
    if last == "Optional":
        return _union(args[0], None)
    if last == "Union":
        return _union(*args)
    base = _BUILTIN.get(_TYPING.get(last, last))
    if base in (list, set, frozenset, dict, tuple):
        return base[tuple(args)]
    return Any


def is_union(wanted: Any) -> bool:
    """Whether a type is one of several."""
    return isinstance(wanted, types.UnionType) or typing.get_origin(wanted) is typing.Union


def is_type(found: Any) -> bool:
    """Whether an object is a type as annotations have it: a class, or what `typing` makes of some
    (an alias, a union, a `NewType`, a `Literal`)."""
    return (
        isinstance(found, (type, typing.NewType))
        or typing.get_origin(found) is not None
        or type(found).__name__ == "TypeAliasType"
    )


# ---------------------------------------------------------------------------------- checking


def adapter(wanted: Any) -> TypeAdapter[Any]:
    """What checks a value against a type, and makes one of plain data where that can be done.

    There is one for every type. What pydantic does not know (a class of the user's, a dataclass that
    has one for a field, a `TypedDict` before Python 3.12, a name that is imported for type checkers
    alone) is checked as far as Python itself can tell: an instance of the class will do.
    """
    from pydantic import TypeAdapter

    return TypeAdapter(_readable(wanted, ()))


def _reads(wanted: Any) -> bool:
    """Whether pydantic knows what to do with a type as it stands."""
    from pydantic import PydanticUserError, TypeAdapter

    try:
        TypeAdapter(wanted).core_schema["type"]  # one that is put off says here what it lacks
    except (PydanticUserError, NameError, TypeError, AttributeError):
        return False
    return True


def _readable(wanted: Any, inside: tuple[type, ...]) -> Any:
    """The type, in words that pydantic can read. `inside` are the classes whose fields are being
    read, of which one may refer to itself."""
    if wanted is ... or _reads(wanted):
        return wanted
    if isinstance(wanted, typing.NewType):
        return _readable(wanted.__supertype__, inside)
    origin = typing.get_origin(wanted)
    if origin is typing.Annotated or _name(origin) in _MARKS:
        return _readable(typing.get_args(wanted)[0], inside)
    if origin is not None:
        args = tuple(_readable(a, inside) for a in typing.get_args(wanted))
        if is_union(wanted):
            return _union(*args)
        rebuilt = origin[args] if args and hasattr(origin, "__class_getitem__") else origin
        return rebuilt if _reads(rebuilt) else _readable(origin, inside)
    if not isinstance(wanted, type):
        return Any
    if typing.is_typeddict(wanted) and wanted not in inside:
        return _typed_dict(wanted, inside)
    if dataclasses.is_dataclass(wanted) and wanted not in inside:
        return _dataclass(wanted, inside)
    if typing.is_typeddict(wanted):
        return dict[str, Any]
    return _protocol(wanted) if getattr(wanted, "_is_protocol", False) else _instance(wanted)


def _name(origin: Any) -> str:
    return str(getattr(origin, "_name", None) or getattr(origin, "__name__", ""))


_MARKS = ("NotRequired", "Required", "ReadOnly", "Final")


class NotAnInstance(ValueError):  # noqa: N818
    """What was given is no object of the class that the parameter is declared with."""

    def __init__(self, cls: type) -> None:
        super().__init__(f"input should be an instance of {cls.__name__}")


def _instance(cls: type) -> Any:
    from pydantic import AfterValidator

    def check(value: Any) -> Any:
        if not isinstance(value, cls):
            raise NotAnInstance(cls)
        return value

    return typing.Annotated[Any, AfterValidator(check)]


def _protocol(cls: type) -> Any:
    """What has its methods, where Python can tell (`@runtime_checkable`)."""
    return _instance(cls) if getattr(cls, "_is_runtime_protocol", False) else Any


def _fields(cls: type, inside: tuple[type, ...]) -> dict[str, Any] | None:
    """The types of the fields; `None` where they are not there at run time, as after
    `if TYPE_CHECKING: from … import …`."""
    try:
        hints = typing.get_type_hints(cls, include_extras=True)
    except (NameError, TypeError, AttributeError):
        return None
    return {name: _readable(hint, (*inside, cls)) for name, hint in hints.items()}


def _typed_dict(cls: Any, inside: tuple[type, ...]) -> Any:
    fields = _fields(cls, inside)
    return (
        dict[str, Any] if fields is None else _record(cls.__name__, fields, cls.__required_keys__)
    )


def _record(name: str, fields: Mapping[str, Any], needed: Container[str]) -> Any:
    # Of Python's own, pydantic takes none that was made before Python 3.12.
    from typing_extensions import NotRequired, TypedDict

    return TypedDict(  # type: ignore[operator]
        name, {f: hint if f in needed else NotRequired[hint] for f, hint in fields.items()}
    )


def _dataclass(cls: type, inside: tuple[type, ...]) -> Any:
    """An instance as it stands, or one that is made of its fields."""
    from pydantic import WrapValidator

    known = _fields(cls, inside)
    if known is None:
        return _instance(cls)
    fields = [f for f in dataclasses.fields(cls) if f.init]
    nothing = dataclasses.MISSING
    needed = {f.name for f in fields if f.default is nothing and f.default_factory is nothing}

    def make(value: Any, read: Callable[[Any], dict[str, Any]]) -> Any:
        if isinstance(value, cls):
            return value
        given = read(value)
        try:
            return cls(**given)
        except TypeError as error:
            raise ValueError(str(error)) from error

    record = _record(cls.__name__, {f.name: known[f.name] for f in fields}, needed)
    return typing.Annotated[record, WrapValidator(make)]
