"""The parameters of a run: read as text or data, checked against the workflow's signature.

All that is wrong is told at once, before anything starts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime, time
from typing import TYPE_CHECKING, Any

from wfc.dsl.suggest import nearest
from wfc.errors import ParameterError
from wfc.params.files import read_file
from wfc.params.types import Classes, NotAnInstance, anything, is_type, resolve_type
from wfc.plan.expr import compile_expr

if TYPE_CHECKING:
    from wfc.plan.model import ParamDef

__all__ = [
    "Classes",
    "anything",
    "is_type",
    "parse",
    "read_file",
    "resolve_type",
    "validate",
]


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
    if wanted is Any and not given.text:
        return given.value
    from pydantic import ValidationError

    from wfc.params.texts import from_text
    from wfc.params.types import adapter

    shown = str(given.value) if given.text else repr(given.value)
    shown = shown if len(shown) <= 60 else shown[:57] + "..."
    declared = f"declared {param.type}, given {shown}" if param.type else f"given {shown}"
    try:
        if given.text:
            return from_text(given.value, wanted)
        return adapter(wanted).validate_python(given.value)
    except ValidationError as error:
        raise ParameterError(
            f"{param.name}{_path(e['loc'])}: {_lower(e['msg'])} ({declared}{_hint(e)})"
            for e in error.errors(include_url=False)[:5]
        ) from None
    except ValueError as error:
        raise ParameterError([f"{param.name}: {error} ({declared})"]) from None


def _hint(error: Mapping[str, Any]) -> str:
    """What to do about it. A file has numbers, and TOML dates, where the type wants a text."""
    found = error["input"]
    why = error.get("ctx", {}).get("error")
    if isinstance(why, NotAnInstance) and isinstance(found, (str, list, dict)):
        return ": only Python can pass one, `wfc.run(…)`"
    if error["type"] != "string_type" or isinstance(found, (list, dict, str)):
        return ""
    text = found.isoformat() if isinstance(found, (date, datetime, time)) else str(found)
    return f': quote it, "{text}"'


def _path(loc: tuple[Any, ...]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc)


def _lower(text: str) -> str:
    text = text.removeprefix("Value error, ")
    return text[:1].lower() + text[1:]
