"""Parameters of a run: `-p name=value`, files, and what is said about wrong ones."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from wfc.errors import ParameterError
from wfc.params import parse, read_file, validate
from wfc.plan.model import ParamDef


@dataclasses.dataclass
class Order:
    """A class of the user's."""

    item: str
    count: int = 1


def one(kind: str | None, text: str) -> Any:
    return parse([ParamDef(name="x", type=kind)], [f"x={text}"], {}, {"Order": Order}.__getitem__)[
        "x"
    ]


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("int", "3", 3),
        ("int", "1000000", 1_000_000),
        ("float", "3", 3.0),
        ("bool", "true", True),
        ("bool", "False", False),
        ("str", "3", "3"),
        ("str", '"quoted"', '"quoted"'),
        ("str", "a=b", "a=b"),
        ("str", "", ""),
        ("list[str]", '["a", "b"]', ["a", "b"]),
        ("dict[str, float]", '{"a": 1}', {"a": 1.0}),
        ("int | None", "null", None),
        ("Optional[int]", "4", 4),
        ("int | str", "4", 4),
        ("int | str", "four", "four"),
        ("str | None", "null", None),
        ("str | None", "4", "4"),
        ("tuple[int, str]", '[1, "a"]', (1, "a")),
        (None, "4", 4),
        (None, "four", "four"),
        ("Any", "[1]", [1]),
        ("Order", '{"item": "tea"}', Order("tea")),
        ("list[Order]", '[{"item": "tea", "count": 2}]', [Order("tea", 2)]),
    ],
)
def test_text_is_read_by_the_declared_type(kind: str | None, text: str, value: Any) -> None:
    got = one(kind, text)
    assert got == value
    assert type(got) is type(value)


PARAMS = [
    ParamDef(name="day", type="str"),
    ParamDef(name="limit", type="int", default=["lit", 1000]),
    ParamDef(name="rate", type="float", default=["bin", "/", ["lit", 1], ["lit", 4]]),
]


def test_defaults_are_filled_in() -> None:
    assert validate(PARAMS, {"day": "monday"}) == {"day": "monday", "limit": 1000, "rate": 0.25}


def test_all_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(ParameterError) as caught:
        parse(PARAMS, ["limt=3", "limit=many", "rate", "limit=4"], {"rate": "x"})
    assert caught.value.problems == [
        "'rate' is not of the form NAME=VALUE",
        "limit is given twice",
        "there is no parameter limt: did you mean limit?",
        "day (str) is missing",
        "limit: input should be a valid integer, unable to parse string as an integer "
        "(declared int, given many)",
        "rate: input should be a valid number, unable to parse string as a number "
        "(declared float, given 'x')",
    ]


def test_the_place_in_a_value_is_told() -> None:
    with pytest.raises(ParameterError) as caught:
        validate([ParamDef(name="xs", type="list[dict[str, int]]")], {"xs": [{}, {"a": "b"}]})
    assert caught.value.problems[0].startswith("xs[1].a: input should be a valid integer")


def test_the_command_line_goes_before_the_file() -> None:
    assert parse(PARAMS, ["day=b"], {"day": "a", "limit": 5})["day"] == "b"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("p.json", '{"day": "a", "limit": 2}'),
        ("p.toml", 'day = "a"\nlimit = 2'),
        ("p.yaml", "day: a\nlimit: 2"),
    ],
)
def test_files(tmp_path: Path, name: str, text: str) -> None:
    file = tmp_path / name
    file.write_text(text)
    assert read_file(file) == {"day": "a", "limit": 2}


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("p.json", "{", "Expecting property name"),
        ("p.toml", "day =", "Invalid value"),
        ("p.yaml", "a: [", "while parsing"),
        ("p.ini", "", "write a .json, .toml or .yaml file"),
        ("p.json", "[" * 100_000, "nested too deeply"),
        ("p.yaml", "[" * 10_000, "nested too deeply"),
        ("p.json", json.dumps([1]), "has to hold names and their values"),
    ],
)
def test_bad_files(tmp_path: Path, name: str, text: str, message: str) -> None:
    file = tmp_path / name
    file.write_text(text)
    with pytest.raises(ParameterError, match=message):
        read_file(file)


def test_a_date_that_should_be_a_text(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text("day: 2026-01-30\n")
    with pytest.raises(ParameterError) as caught:
        validate([ParamDef(name="day", type="str")], read_file(tmp_path / "p.yaml"))
    assert caught.value.problems == [
        "day: input should be a valid string (declared str, given datetime.date(2026, 1, 30): "
        'quote it, "2026-01-30")'
    ]


def test_a_missing_file() -> None:
    with pytest.raises(ParameterError, match="No such file"):
        read_file("nowhere.json")
