"""Classes of which the values of the order tests are made, and what is said of a value in a process."""

from __future__ import annotations

import enum
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wfc.plan.expr import compile_expr
from wfc.runtime import codec


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"
    GREEN = "green"


@dataclass(frozen=True)
class Point:
    name: str
    tags: frozenset[Any] = field(default_factory=frozenset)


class Plain:
    """Its hash is its address."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"Plain({self.name})"


class Bag(set[Any]):
    """A set of another name."""


class Box:
    """Goes over a set inside, and shows it."""

    def __init__(self, inside: Any) -> None:
        self.inside = inside

    def __iter__(self) -> Iterator[Any]:
        return iter(self.inside)

    def __str__(self) -> str:
        return "Box: " + ", ".join(map(str, self.inside))

    __repr__ = __str__


class Shelf:
    """Goes over the items of a set by its index."""

    def __init__(self, inside: Any) -> None:
        self.inside = inside

    def __getitem__(self, index: int) -> Any:
        return list(self.inside)[index]

    def __repr__(self) -> str:
        return f"Shelf({self.inside!r})"


V: Any = ["name", "v"]
N: Any = ["name", "n"]


def call(name: str, *args: Any, **kwargs: Any) -> Any:
    """A built-in, called."""
    return ["call", name, list(args), kwargs]


ONE = ["lit", 1]
LIST = ["comp", "list", None, N, [[["n"], V, []]]]
FORMS: dict[str, Any] = {
    "comprehension": LIST,
    "nested": [
        "comp", "list", None, ["tuple", [N, ["name", "m"]]], [[["n"], V, []], [["m"], V, []]],
    ],
    "dict": ["comp", "dict", N, ["fstr", [[N, "r", ""]]], [[["n"], V, []]]],
    "zip": call("zip", V, LIST),
    "enumerate": call("enumerate", V),
    "ties": call("sorted", ["comp", "list", None, ["tuple", [ONE, ["fstr", [[N, "", ""]]]]],
                            [[["n"], V, []]]]),
    "unpack": ["unpack", V, 2, 0],
    "loop unpacks": ["comp", "list", None, ["name", "a"], [[["a", "b"], ["list", [V]], []]]],
    "index": ["idx", LIST, ["lit", 0]],
    "slice": ["slice", LIST, None, ONE, None],
    "condition": ["if", ["cmp", ["=="], [["fstr", [[["idx", LIST, ["lit", 0]], "r", ""]]],
                  ["lit", "'a'"]]], ONE, V],
    "any": call("any", V),
    "all": call("all", V),
    "sum": call("sum", V),
    "sorted": call("sorted", V),
    "min": call("min", V),
    "max": call("max", V),
    "str": call("str", V),
    "text": ["fstr", [[V, "", ""], [V, "r", ""], [["list", [V]], "a", ">40"]]],
}  # fmt: skip


def said(value: Any) -> dict[str, str]:
    """What each form of expression comes to, over the value: in texts whose sets are in their order."""
    out = {}
    for name, form in FORMS.items():
        try:
            made = compile_expr(form)({"v": value})
        except Exception as error:
            out[name] = type(error).__name__
        else:
            out[name] = compile_expr(["fstr", [[N, "r", ""]]])({"n": made})
    return out


if __name__ == "__main__":
    sys.stdout.write(
        json.dumps(
            [
                said(codec.decode(bytes.fromhex(line)))
                for line in Path(sys.argv[1]).read_text().split()
            ]
        )
    )
