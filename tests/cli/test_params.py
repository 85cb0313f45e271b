"""Parameters of a run: `-p name=value`, files, and what is said about wrong ones."""

from __future__ import annotations

import dataclasses
import datetime
import json
import pickle
import uuid
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.cli import typed
from wfc.errors import ParameterError
from wfc.params import parse, read_file, validate
from wfc.plan.model import ParamDef


@dataclasses.dataclass
class Order:
    """A class of the user's."""

    item: str
    count: int = 1


CLASSES = {**vars(typed), "Order": Order, "Path": Path, "UUID": uuid.UUID}


def one(kind: str | None, text: str) -> Any:
    return parse([ParamDef(name="x", type=kind)], [f"x={text}"], {}, CLASSES.__getitem__)["x"]


def given(kind: str, value: Any) -> Any:
    return validate([ParamDef(name="x", type=kind)], {"x": value}, CLASSES.__getitem__)["x"]


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
    (tmp_path / "p.toml").write_text("day = 2026-01-30")
    with pytest.raises(ParameterError) as caught:
        validate([ParamDef(name="day", type="str")], read_file(tmp_path / "p.toml"))
    assert caught.value.problems == [
        "day: input should be a valid string (declared str, given datetime.date(2026, 1, 30): "
        'quote it, "2026-01-30")'
    ]


def test_a_missing_file() -> None:
    with pytest.raises(ParameterError, match="No such file"):
        read_file("nowhere.json")


DIGITS = "1234567890123456789.01"


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("Decimal", DIGITS, Decimal(DIGITS)),
        ("Decimal | None", DIGITS, Decimal(DIGITS)),
        ("Decimal | str", "12.30", Decimal("12.30")),
        ("list[Decimal]", f"[{DIGITS}, 1.10]", [Decimal(DIGITS), Decimal("1.10")]),
        ("dict[str, Decimal]", f'{{"a": {DIGITS}}}', {"a": Decimal(DIGITS)}),
        ("Model", f'{{"p": {DIGITS}}}', typed.Model(p=Decimal(DIGITS))),
        ("Amount", DIGITS, Decimal(DIGITS)),
        ("int", "1e23", 10**23),
        ("Any", "12345678901234567890123", 12345678901234567890123),
        ("Path", "123", Path("123")),
        ("Path", "true", Path("true")),
        ("bytes", "12", b"12"),
        ("UUID", "1" * 32, uuid.UUID("1" * 32)),
        ("Kind", "1", typed.Kind.ONE),
        ("Number", "1", typed.Number.ONE),
        ("Sku", "00123", "00123"),
        ("Sku", "123", "123"),
        ("Mode", "1", 1),
        ("Mode", "a", "a"),
        ("Literal['1', 1]", "1", "1"),
        ("Literal['a', True]", "true", True),
        ("Literal['a'] | int", "a", "a"),
        ("date", "2026-01-30", datetime.date(2026, 1, 30)),
        ("date | datetime_", "2026-01-30", datetime.date(2026, 1, 30)),
        ("datetime_ | date", "2026-01-30T01:00:00", datetime.datetime(2026, 1, 30, 1)),
        ("timedelta", "90", datetime.timedelta(seconds=90)),
        ("timedelta", "P1DT2H", datetime.timedelta(days=1, hours=2)),
        ("Optional[date]", "null", None),
        ("int | float", "3.0", 3.0),
        ("float | int", "4", 4),
        ("bool | str", "no", "no"),
        ("bool | str", "true", True),
        ("list[str] | str", "[a", "[a"),
        ("set[str]", '["a"]', {"a"}),
        ("dict[int, str]", '{"1": "a"}', {1: "a"}),
        ("None", "null", None),
        ("Record", '{"a": 1, "b": "x"}', {"a": 1, "b": "x"}),
        ("Part", '{"a": 1.10}', {"a": Decimal("1.10")}),
        ("HasArray", '{"name": "x"}', typed.HasArray("x")),
        (
            "HasRecord",
            '{"r": {"a": 1, "b": "x"}, "more": [{"a": 1.10}]}',
            typed.HasRecord({"a": 1, "b": "x"}, [{"a": Decimal("1.10")}]),
        ),
        ("Node", '{"v": 1}', typed.Node(1)),
    ],
)
def test_the_type_says_what_a_text_is(kind: str, text: str, value: Any) -> None:
    got = one(kind, text)
    assert (got, type(got)) == (value, type(value))
    assert str(got) == str(value)  # `1.10` has two digits


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        ("int", DIGITS, "x: input should be a valid integer, unable to parse string"),
        (
            "list[int]",
            f"[{DIGITS}]",
            "x[0]: input should be a valid integer, got a number with a frac",
        ),
        ("Literal['a']", "b", "x: input should be 'a' (declared Literal['a'], given b)"),
        ("UUID", "123", "x: input should be a valid UUID"),
        ("list[int]", "abc", "x: input should be a valid array"),
        ("list[int]", "[1,", "x: it is not JSON: Expecting value"),
        ("list[int]", "[" * 100_000, "x: it is nested too deeply"),
        ("dict[str, int]", '{"a": 1, "a": 2}', "x: it is not JSON: the key 'a' is there twice"),
        ("Any", '{"a": 1, "a": 2}', "x: it is not JSON: the key 'a' is there twice"),
        ("Record", '{"a": 1}', "x.b: field required"),
        ("HasArray", '{"nam": 1}', "x.name: field required"),
        ("Plain", "x", "only Python can pass one, `wfc.run(…)`"),
        ("ForCheckers", '{"f": 1}', "input should be an instance of ForCheckers"),
    ],
)
def test_texts_that_are_none_of_the_type(kind: str, text: str, message: str) -> None:
    with pytest.raises(ParameterError) as caught:
        one(kind, text)
    assert message in caught.value.problems[0]


PLAIN = typed.Plain()


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("Plain", PLAIN),
        ("Plain | None", PLAIN),
        ("dict[str, Plain]", {"a": PLAIN}),
        ("Plains", [PLAIN]),
        ("HasPlain", typed.HasPlain(PLAIN)),
        ("list[HasPlain]", [typed.HasPlain(PLAIN)]),
        ("Record", {"a": 1, "b": "c"}),
        ("HasRecord", typed.HasRecord({"a": 1, "b": "c"})),
        ("ForCheckers", typed.ForCheckers(1)),  # type: ignore[arg-type]
        ("list[ForCheckers] | None", [typed.ForCheckers(1)]),  # type: ignore[arg-type]
        ("ModelForCheckers", typed.ModelForCheckers.model_construct(f=1)),
        ("Goes", typed.Goer()),
        ("GoesChecked", typed.Goer()),
        ("Node", typed.Node(1, PLAIN, typed.Node(2))),
        ("Row", typed.Row(1, PLAIN)),
        ("Box", typed.Box()),
        ("Box[int]", typed.Box()),
        ("Amount", Decimal("1.1")),
    ],
)
def test_an_object_of_the_type_is_taken_as_it_is(kind: str, value: Any) -> None:
    got = given(kind, value)
    assert got == value
    if not isinstance(value, (list, dict)):
        assert got is value


def test_arrays_in_a_dataclass() -> None:
    value = typed.HasArray("a", np.zeros(3))
    assert given("HasArray", value) is value


@pytest.mark.parametrize("kind", ["Plain", "HasPlain", "ForCheckers", "GoesChecked", "Row", "Box"])
def test_an_object_of_another_type_is_refused(kind: str) -> None:
    with pytest.raises(ParameterError, match="x: input should be"):
        given(kind, 3)


YAML = """\
country: no
day: 2026-01-30
octal: 010
time: 12:30
version: 1.10
price: 1234567890123456789.01
empty:
yes_: true
base: &base {a: 1, b: 2}
merged: {<<: *base, b: 3}
"""


def test_yaml_is_read_as_json_is(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text(YAML, encoding="utf-8-sig")
    values = read_file(tmp_path / "p.yaml")
    kinds = {
        "country": "str", "day": "date", "octal": "int", "time": "str", "version": "Decimal",
        "price": "Decimal", "empty": "int | None", "yes_": "bool", "base": None, "merged": None,
    }  # fmt: skip
    params = [ParamDef(name=name, type=kind) for name, kind in kinds.items()]
    got = validate(params, values, CLASSES.__getitem__)
    assert got == {
        "country": "no", "day": datetime.date(2026, 1, 30), "octal": 10, "time": "12:30",
        "version": Decimal("1.10"), "price": Decimal(DIGITS), "empty": None, "yes_": True,
        "base": {"a": 1, "b": 2}, "merged": {"a": 1, "b": 3},
    }  # fmt: skip
    assert str(got["version"]) == "1.10"
    with pytest.raises(ParameterError, match=r'quote it, "1\.10"'):
        validate([ParamDef(name="version", type="str")], {"version": values["version"]})


@pytest.mark.parametrize("kind", [None, "float", "Any", "float | str"])
def test_numbers_of_a_file_are_floats_to_all_that_wants_none_else(
    tmp_path: Path, kind: str | None
) -> None:
    (tmp_path / "p.json").write_text('{"x": 0.1}')
    got = validate([ParamDef(name="x", type=kind)], read_file(tmp_path / "p.json"))["x"]
    assert got == 0.1
    assert isinstance(got, float)
    assert type(pickle.loads(pickle.dumps(got))) is float  # as a run keeps it


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("p.json", f'{{"x": {DIGITS}}}'),
        ("p.toml", f"x = {DIGITS}"),
        ("p.yaml", f"x: {DIGITS}"),
    ],
)
def test_every_digit_of_a_file_counts(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text("\ufeff" + text)
    got = validate([ParamDef(name="x", type="Decimal")], read_file(tmp_path / name), CLASSES.get)
    assert got["x"] == Decimal(DIGITS)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("p.json", '{"a": 1, "a": 2}'),
        ("p.json", '{"b": [{"a": 1, "a": 2}]}'),
        ("p.yaml", "a: 1\na: 2"),
        ("p.yaml", "b: {a: 1, a: 2}"),
        ("p.toml", "a = 1\na = 2"),
    ],
)
def test_a_key_that_is_there_twice(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(ParameterError, match=r"twice|overwrite"):
        read_file(tmp_path / name)


SPEC = """
from typed import Decimal, HasArray, Record, label

workflow main(a: Decimal, r: Record, h: HasArray, mode: Literal["fast", "slow"] = "fast") -> str:
    return label(a, r, h, mode)
"""
LABEL = """

def label(a, r, h, mode) -> str:
    return f"{a} {r} {h} {mode}"
"""


def test_a_run_with_all_of_them(cli: Any, project: Path) -> None:
    (project / "typed.py").write_text(Path(typed.__file__).read_text() + LABEL)
    (project / "typed.wf").write_text(SPEC)
    texts = [f"a={DIGITS}", 'r={"a": 1, "b": "x"}', 'h={"name": "n"}', "mode=slow"]
    assert cli("check", "typed.wf").exit_code == 0
    done = cli("run", "typed.wf", "--local", "-q", *[part for t in texts for part in ("-p", t)])
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout) == (
        f"{DIGITS} {{'a': 1, 'b': 'x'}} HasArray(name='n', xs=None) slow"
    )
    done = cli(
        "run", "typed.wf", "--local", *[p for t in texts[:3] for p in ("-p", t)], "-p", "mode=x"
    )
    assert (done.exit_code, done.stdout) == (2, "")
    assert "mode: input should be 'fast' or 'slow'" in done.stderr


def test_a_type_whose_module_cannot_be_imported(cli: Any, project: Path) -> None:
    (project / "types_only.py").write_text("import nowhere\n\nclass Thing:\n    pass\n")
    (project / "thing.wf").write_text(
        "from types_only import Thing\nfrom work import double\n\n"
        "workflow main(t: Thing) -> int:\n    return double(1)\n"
    )
    done = cli("run", "thing.wf", "--local", "-p", "t=1")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "importing 'types_only', for the type Thing, failed: ModuleNotFoundError" in done.stderr
