"""Data as it is written in JSON, TOML and YAML: every digit is kept, and no name counts twice."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any

from wfc.errors import ParameterError
from wfc.params.numbers import number


def read_file(path: str | Path) -> dict[str, Any]:
    """The values in a `.json`, `.toml` or `.yaml` file. Raises `ParameterError`."""
    file = Path(path)
    try:
        text = file.read_text(encoding="utf-8-sig")
        values = _READERS[file.suffix.lower()](text)
    except KeyError:
        raise ParameterError([f"{path}: write a .json, .toml or .yaml file"]) from None
    except UnicodeDecodeError as error:
        raise ParameterError([f"{path}: it is not UTF-8: {error.reason}"]) from None
    except RecursionError:
        raise ParameterError([f"{path}: it is nested too deeply"]) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ParameterError([f"{path}: {reason}"]) from None
    if not isinstance(values, dict) or not all(isinstance(name, str) for name in values):
        raise ParameterError([f"{path}: has to hold names and their values"])
    return values


def read_json(text: str) -> Any:
    """The value of a JSON text. Raises `ValueError`, also for a key that is there twice, and
    `RecursionError`."""
    return json.loads(text, parse_float=number, object_pairs_hook=_pairs)


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for key, value in pairs:
        if key in made:
            raise RepeatedKey(key)
        made[key] = value
    return made


class RepeatedKey(ValueError):  # noqa: N818
    """A name that is there twice: which of the values is meant cannot be told."""

    def __init__(self, key: object, where: str = "") -> None:
        super().__init__(f"the key {key!r} is there twice{where}")


def _toml(text: str) -> Any:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    return tomllib.loads(text, parse_float=number)


def _yaml(text: str) -> Any:
    """YAML as its version 1.2 reads it, which is how JSON does: `no` and `2026-01-30` are texts, and
    `010` is ten. What they mean is for the parameter's type to say, and not for how they look."""
    import yaml

    class Loader(yaml.SafeLoader):
        """Of one file."""

        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:
            seen = set()
            for key, _ in node.value:
                if key.tag.endswith(":merge"):
                    continue
                name = self.construct_object(key, deep=True)
                if isinstance(name, Hashable) and name in seen:
                    raise RepeatedKey(name, f", the second time in line {key.start_mark.line + 1}")
                seen.add(name if isinstance(name, Hashable) else id(key))
            made: dict[Hashable, Any] = super().construct_mapping(node, deep)
            return made

    Loader.yaml_implicit_resolvers = {}
    Loader.add_implicit_resolver("tag:yaml.org,2002:merge", _MERGE, ["<"])
    for name, (pattern, first, _) in _SCALARS.items():
        tag = f"tag:yaml.org,2002:{name}"
        Loader.add_implicit_resolver(tag, pattern, ["", *first] if "~" in first else [*first])
        Loader.add_constructor(tag, _scalar)
    try:
        return yaml.load(text, Loader)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from None


def _scalar(loader: Any, node: Any) -> Any:
    name = node.tag.rpartition(":")[2]
    pattern, _, make = _SCALARS[name]
    if not pattern.match(node.value):
        raise ValueError(f"line {node.start_mark.line + 1}: {node.value!r} is no {name}")
    return make(node.value)


def _int(text: str) -> int:
    sign, digits = (-1, text[1:]) if text[:1] == "-" else (1, text.lstrip("+"))
    base = {"0x": 16, "0o": 8}.get(digits[:2], 10)
    return sign * int(digits[2:] if base != 10 else digits, base)


def _float(text: str) -> Any:
    plain = text.lower().replace(".inf", "inf").replace(".nan", "nan")
    return float(plain) if plain.strip("+-")[:1] in ("i", "n") else number(text)


_MERGE = re.compile(r"^<<$")
_SCALARS: dict[str, tuple[re.Pattern[str], str, Callable[[str], Any]]] = {
    "null": (re.compile(r"^(?:~|null|Null|NULL|)$"), "~nN", lambda text: None),
    "bool": (
        re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"),
        "tTfF",
        lambda text: text[:1] in "tT",
    ),
    "int": (
        re.compile(r"^(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$"),
        "-+0123456789",
        _int,
    ),
    "float": (
        re.compile(
            r"^(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
            r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
        ),
        "-+0123456789.",
        _float,
    ),
}
"""The scalars of YAML 1.2's core schema: pattern, first characters, and what is made of the text."""

_READERS: dict[str, Callable[[str], Any]] = {
    ".json": read_json,
    ".toml": _toml,
    ".yaml": _yaml,
    ".yml": _yaml,
}
