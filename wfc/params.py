"""The parameters of a run: read as text or data, checked against the workflow's signature.

All that is wrong is told at once, before anything starts.
"""

from __future__ import annotations

import ast
import functools
import json
import operator
import sys
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from wfc.dsl.suggest import nearest
from wfc.errors import ParameterError
from wfc.plan import python
from wfc.plan.expr import compile_expr

if TYPE_CHECKING:
    from pydantic import TypeAdapter

    from wfc.plan.model import ParamDef

Classes: TypeAlias = Callable[[str], Any]
"""From the name of a class in a spec to the class; `Any` for one that is not known."""

_BUILTIN: dict[str, Any] = {
    "Any": Any,
    "None": None,
    "bool": bool,
    "bytes": bytes,
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


def anything(name: str) -> Any:
    """Every class is `Any`: for when there is none to be had."""
    return Any


def resolve_type(text: str | None, classes: Classes = anything) -> Any:
    """The Python type of an annotation's text; what is not understood is `Any`."""
    if text is None:
        return Any
    try:
        return _type(python.parse_expression(text), classes)
    except (SyntaxError, TypeError, ValueError):
        return Any


def _type(node: ast.expr, classes: Classes) -> Any:
    if isinstance(node, ast.Constant):
        return node.value if node.value is None else Any
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return _union(_type(node.left, classes), _type(node.right, classes))
    if isinstance(node, ast.Subscript):
        args = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        return _generic(ast.unparse(node.value), [_type(a, classes) for a in args])
    name = ast.unparse(node)
    return _BUILTIN[name] if name in _BUILTIN else classes(name)


def _union(*members: Any) -> Any:
    return Any if Any in members else functools.reduce(operator.or_, (_none(m) for m in members))


def _none(member: Any) -> Any:
    return types.NoneType if member is None else member


def _generic(name: str, args: list[Any]) -> Any:
    last = name.rpartition(".")[2]
    if last == "Optional":
        return _union(args[0], None)
    if last == "Union":
        return _union(*args)
    base = _BUILTIN.get(last)
    if base in (list, set, frozenset, dict, tuple):
        return base[tuple(args)]
    return Any


def validate(
    params: Iterable[ParamDef], values: Mapping[str, Any], classes: Classes = anything
) -> dict[str, Any]:
    """A value for every parameter, defaults filled in. Raises `ParameterError`."""
    return _check(params, {name: _Given(value) for name, value in values.items()}, classes)


def parse(
    params: Iterable[ParamDef],
    texts: Iterable[str],
    values: Mapping[str, Any],
    classes: Classes = anything,
) -> dict[str, Any]:
    """As `validate`, with `NAME=VALUE` texts of a command line over the `values` of a file.

    A value is read as JSON where the parameter's type asks for it, else it is text.
    """
    given: dict[str, _Given] = {name: _Given(value) for name, value in values.items()}
    problems: list[str] = []
    seen: set[str] = set()
    for text in texts:
        name, sign, value = text.partition("=")
        name = name.strip()
        if not sign or not name.isidentifier():
            problems.append(f"{text!r} is not of the form NAME=VALUE")
        elif name in seen:
            problems.append(f"{name} is given twice")
        else:
            given[name] = _Given(value, text=True)
            seen.add(name)
    return _check(params, given, classes, problems)


class _Given:
    """A value, or the text of one."""

    __slots__ = ("text", "value")

    def __init__(self, value: Any, text: bool = False) -> None:
        self.value, self.text = value, text


def _check(
    params: Iterable[ParamDef],
    given: Mapping[str, _Given],
    classes: Classes,
    problems: list[str] | None = None,
) -> dict[str, Any]:
    problems = [] if problems is None else problems
    declared = {p.name: p for p in params}
    for name in given:
        if name not in declared:
            near = nearest(name, declared)
            hint = f"did you mean {near}?" if near else _known(declared)
            problems.append(f"there is no parameter {name}: {hint}")
    out: dict[str, Any] = {}
    for name, param in declared.items():
        if name in given:
            try:
                out[name] = _value(param, given[name], classes)
            except ParameterError as error:
                problems.extend(error.problems)
        elif param.default is not None:
            out[name] = compile_expr(param.default)({})
        else:
            kind = f" ({param.type})" if param.type else ""
            problems.append(f"{name}{kind} is missing")
    if problems:
        raise ParameterError(problems)
    return out


def _known(declared: Mapping[str, ParamDef]) -> str:
    return f"there is {', '.join(declared)}" if declared else "the workflow has none"


def _value(param: ParamDef, given: _Given, classes: Classes) -> Any:
    wanted = resolve_type(param.type, classes)
    value = _from_text(str(given.value), wanted) if given.text else given.value
    if wanted is Any:
        return value
    from pydantic import ValidationError

    try:
        return _adapter(wanted).validate_python(value)
    except ValidationError as error:
        shown = str(given.value) if given.text else repr(given.value)
        shown = shown if len(shown) <= 60 else shown[:57] + "..."
        raise ParameterError(
            f"{param.name}{_path(e['loc'])}: {_lower(e['msg'])} "
            f"(declared {param.type}, given {shown}{_quote_it(value, wanted)})"
            for e in error.errors(include_url=False)[:5]
        ) from None


def _quote_it(value: Any, wanted: Any) -> str:
    """YAML and TOML read `2026-01-30` as a date."""
    return f': quote it, "{value}"' if wanted is str and isinstance(value, date) else ""


def _path(loc: tuple[Any, ...]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc)


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def _from_text(text: str, wanted: Any) -> Any:
    if wanted is str:
        return text
    try:
        value = json.loads(text)
    except ValueError:
        return text
    members = typing.get_args(wanted) if _is_union(wanted) else ()
    if str in members and not (value is None or isinstance(value, str)):
        # `int | str`: a number where one is accepted as it stands, otherwise the text.
        from pydantic import ValidationError

        try:
            return _adapter(wanted).validate_python(value, strict=True)
        except ValidationError:
            return text
    return value


def _is_union(wanted: Any) -> bool:
    return isinstance(wanted, types.UnionType) or typing.get_origin(wanted) is typing.Union


def _adapter(wanted: Any) -> TypeAdapter[Any]:
    from pydantic import ConfigDict, PydanticSchemaGenerationError, TypeAdapter

    try:
        return TypeAdapter(wanted)
    except PydanticSchemaGenerationError:
        # A class that pydantic knows nothing of: an instance of it will do.
        return TypeAdapter(wanted, config=ConfigDict(arbitrary_types_allowed=True))


def read_file(path: str | Path) -> dict[str, Any]:
    """The values in a `.json`, `.toml` or `.yaml` file. Raises `ParameterError`."""
    file = Path(path)
    try:
        text = file.read_text(encoding="utf-8")
        values = _READERS[file.suffix.lower()](text)
    except KeyError:
        raise ParameterError([f"{path}: write a .json, .toml or .yaml file"]) from None
    except RecursionError:
        raise ParameterError([f"{path}: it is nested too deeply"]) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ParameterError([f"{path}: {reason}"]) from None
    if not isinstance(values, dict) or not all(isinstance(name, str) for name in values):
        raise ParameterError([f"{path}: has to hold names and their values"])
    return values


def _toml(text: str) -> Any:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    return tomllib.loads(text)


def _yaml(text: str) -> Any:
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from None


_READERS: dict[str, Callable[[str], Any]] = {
    ".json": json.loads,
    ".toml": _toml,
    ".yaml": _yaml,
    ".yml": _yaml,
}
