"""Python read without being run: finding modules, signatures, and fingerprints."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from wfc.compiler.project import TaskSymbol, TypeSymbol, load
from wfc.compiler.signatures import (
    Broken,
    Function,
    NoModule,
    NoName,
    NotCallable,
    PythonReader,
    fingerprint,
)
from wfc.compiler.types import ClassRef, show


def _write(root: Path, files: dict[str, str]) -> PythonReader:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
    return PythonReader(root)


def _function(reader: PythonReader, module: str, name: str) -> Function:
    found = reader.lookup(module, name, (reader.root,))
    assert isinstance(found, tuple), found
    return found[0]


def _shown(function: Function) -> str:
    if function.params is None:
        return "?"
    return ", ".join(
        f"{p.kind}:{p.name}:{show(p.type)}{'=' if p.has_default else ''}" for p in function.params
    )


def test_the_code_is_never_run(tmp_path: Path) -> None:
    reader = _write(tmp_path, {"boom.py": "raise SystemExit(1)\ndef f(x: int) -> str: ...\n"})
    made = _function(reader, "boom", "f")
    assert (_shown(made), show(made.returns)) == ("normal:x:int", "str")


def test_parameters_of_every_kind(tmp_path: Path) -> None:
    text = "def f(a, b=1, /, c: int = 2, *args: str, d, e: list['int'] = [], **rest: dict[str, int]): ..."
    assert _shown(_function(_write(tmp_path, {"m.py": text}), "m", "f")) == (
        "positional:a:Any, positional:b:Any=, normal:c:int=, args:args:str, keyword:d:Any, "
        "keyword:e:list[int]=, kwargs:rest:dict[str, int]"
    )


@pytest.mark.parametrize(
    ("annotation", "shown"),
    [
        ("Optional[int]", "int | None"),
        ("typing.Union[int, str, None]", "int | str | None"),
        ("t.List[t.Any]", "list"),
        ("Sequence[float]", "Sequence[float]"),
        ("Literal['a', 'b']", "Literal['a', 'b']"),
        ("tuple[int, ...]", "tuple[int, ...]"),
        ("Annotated[int, 'positive']", "int"),
        ("'Forward'", "Forward"),
        ("Rows", "list[Forward]"),
        ("UserId", "int"),
        ("T", "Any"),
        ("Pending[int]", "pending[int]"),
        ("wfc.Pending[str]", "pending[str]"),
        ("Callable[[int], str]", "Callable"),
        ("numpy.ndarray", "Any"),
        ("lambda: 1", "Any"),
        ("'not ( python'", "Any"),
    ],
)
def test_annotations(tmp_path: Path, annotation: str, shown: str) -> None:
    text = f"""\
    import typing
    import typing as t
    import numpy
    import wfc
    from collections.abc import Callable, Sequence
    from typing import Annotated, Literal, NewType, Optional, TypeVar
    from wfc import Pending
    class Forward: pass
    Rows = list["Forward"]
    UserId = NewType("UserId", int)
    T = TypeVar("T")
    def f(x: {annotation}): ...
    """
    made = _function(_write(tmp_path, {"m.py": text}), "m", "f")
    assert made.params is not None
    assert show(made.params[0].type) == shown


def test_re_exports_are_followed(tmp_path: Path) -> None:
    reader = _write(
        tmp_path,
        {
            "pkg/__init__.py": "from .a import f\nfrom .b import *\nfrom . import c\n",
            "pkg/a.py": "from .deep.d import f\n",
            "pkg/b.py": "from .deep.e import *\ndef g(y: str): ...\n",
            "pkg/c.py": "def k(): ...\n",
            "pkg/deep/__init__.py": "",
            "pkg/deep/d.py": "def f(x: int): ...\n",
            "pkg/deep/e.py": "def h(z: float): ...\n",
        },
    )
    assert _shown(_function(reader, "pkg", "f")) == "normal:x:int"
    assert _shown(_function(reader, "pkg", "g")) == "normal:y:str"
    assert _shown(_function(reader, "pkg", "h")) == "normal:z:float"
    assert _shown(_function(reader, "pkg.deep.d", "f")) == "normal:x:int"
    assert _function(reader, "pkg", "f").module == "pkg"
    assert reader.split("pkg.c.k", (tmp_path,)) == ("pkg.c", "k")


def test_circular_imports_end(tmp_path: Path) -> None:
    reader = _write(tmp_path, {"a.py": "from b import f\n", "b.py": "from a import f\n"})
    assert _shown(_function(reader, "a", "f")) == "?"


def test_a_module_beside_the_spec_is_found_before_an_installed_one(tmp_path: Path) -> None:
    reader = _write(tmp_path, {"json.py": "def loads(mine): ...\n"})
    assert _shown(_function(reader, "json", "loads")) == "normal:mine:Any"
    assert _function(reader, "json", "loads").beside == "."
    plain = PythonReader(tmp_path / "nowhere")
    assert _function(plain, "json", "loads").beside is None
    assert _shown(_function(plain, "json", "loads")).startswith("normal:s:Any, keyword:cls:Any=")


def test_a_bare_folder_does_not_hide_an_installed_package(tmp_path: Path) -> None:
    (tmp_path / "json").mkdir()
    (tmp_path / "mine").mkdir()
    reader = _write(tmp_path, {"mine/tools.py": "def f(x): ...\n"})
    assert _function(reader, "json", "loads").beside is None
    assert _function(reader, "mine.tools", "f").beside == "."


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("math", "sqrt"),
        ("itertools", "chain"),
        ("os.path", "join"),
        ("time", "sleep"),
        ("sys", "exit"),
    ],
)
def test_standard_library(tmp_path: Path, module: str, name: str) -> None:
    assert _function(PythonReader(tmp_path), module, name).beside is None


def test_what_is_wrong_is_said(tmp_path: Path) -> None:
    reader = _write(tmp_path, {"m.py": "X = 1\nY = [1]\ndef f(): ...\n", "bad.py": "def f(:\n"})
    where = (tmp_path,)
    assert reader.lookup("nomodule", "f", where) == NoModule("nomodule", ["bad", "m"])
    assert isinstance(reader.lookup("m", "g", where), NoName)
    assert isinstance(reader.lookup("m", "X", where), NotCallable)
    assert isinstance(reader.lookup("m", "Y", where), NotCallable)
    broken = reader.lookup("bad", "f", where)
    assert isinstance(broken, Broken)
    assert (broken.file, broken.line) == ("bad.py", 1)


def test_odd_files_are_no_exceptions(tmp_path: Path) -> None:
    (tmp_path / "nul.py").write_bytes(b"x = '\0'\n")
    (tmp_path / "latin.py").write_bytes(b"# -*- coding: latin-1 -*-\ndef f(x): return '\xe9'\n")
    (tmp_path / "notutf.py").write_bytes(b"def f(x): return '\xe9'\n")
    (tmp_path / "deep.py").write_text("x = " + "(" * 5000 + ")" * 5000 + "\n")
    (tmp_path / "empty.py").write_text("")
    (tmp_path / "folder.py").mkdir()
    reader = PythonReader(tmp_path)
    for name in ("nul", "notutf", "deep"):
        assert isinstance(reader.lookup(name, "f", (tmp_path,)), Broken)
    assert _shown(_function(reader, "latin", "f")) == "normal:x:Any"
    assert isinstance(reader.lookup("empty", "f", (tmp_path,)), NoName)
    assert isinstance(reader.lookup("folder", "f", (tmp_path,)), NoModule)


def test_constructors(tmp_path: Path) -> None:
    text = """\
    from dataclasses import KW_ONLY, dataclass, field
    from typing import ClassVar, NamedTuple, TypedDict
    import enum
    @dataclass
    class Base:
        a: int
        hidden: ClassVar[int] = 1
    @dataclass(frozen=True)
    class Child(Base):
        b: list[int] = field(default_factory=list)
        c: int = field(init=False, default=1)
        _: KW_ONLY
        d: str = ""
    class T(NamedTuple):
        x: int
        y: str = ""
    class D(TypedDict):
        k: int
    class Plain:
        def __init__(self, p: int, q=1): ...
    class Inherits(Plain): ...
    class Empty: ...
    class Meta(metaclass=object): ...
    class E(enum.Enum):
        A = 1
    class Err(ValueError): ...
    class Bare(Base):
        more: int
    class Keeps:
        def __init__(self, x: int = None): ...
    """
    reader = _write(tmp_path, {"m.py": text})
    expected = {
        "Base": "normal:a:int",
        "Child": "normal:a:int, normal:b:list[int]=, keyword:d:str=",
        "T": "normal:x:int, normal:y:str=",
        "D": "keyword:k:int",
        "Plain": "normal:p:int, normal:q:Any=",
        "Inherits": "normal:p:int, normal:q:Any=",
        "Empty": "",
        "Meta": "?",
        "E": "?",
        "Err": "?",
        "Bare": "normal:a:int",
        "Keeps": "normal:x:int | None=",
    }
    assert {name: _shown(_function(reader, "m", name)) for name in expected} == expected


# ------------------------------------------------------------------------------ fingerprints

SOURCE = """\
import helpers
from helpers import LIMIT, clean as tidy

FACTOR = 2
OTHER = 3

def inner(x):
    return x * FACTOR

def f(x: int) -> int:
    "Documentation."
    return inner(tidy(x)) + helpers.more(x)

def unrelated():
    return OTHER
"""
HELPERS = "LIMIT = 1\ndef clean(x):\n    return x\ndef more(x):\n    return x + LIMIT\ndef unused(): ...\n"


def _print_of(root: Path, source: str = SOURCE, helpers: str = HELPERS) -> str:
    reader = _write(root, {"m.py": source, "helpers.py": helpers})
    return fingerprint(_function(reader, "m", "f"))


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ("Documentation.", "Better documentation.", True),
        ("    return inner", "    # why\n\n    return  inner", True),
        ('    "Documentation."\n', "", True),
        ("OTHER = 3", "OTHER = 4", True),
        ("def unrelated():\n    return OTHER", "def unrelated(): ...", True),
        ("FACTOR = 2", "FACTOR = 3", False),
        ("FACTOR = 2", "FACTOR = 2.0", False),
        ("FACTOR = 2", "FACTOR = True", False),
        ("x * FACTOR", "x + FACTOR", False),
        ("helpers.more(x)", "helpers.more(x, 1)", False),
        ("x: int", "y: int", False),
    ],
)
def test_fingerprints_of_the_module(tmp_path: Path, old: str, new: str, same: bool) -> None:
    assert old in SOURCE
    before = _print_of(tmp_path)
    assert (_print_of(tmp_path, SOURCE.replace(old, new)) == before) is same


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ("def unused(): ...", "def unused(): return 1", True),
        ("LIMIT = 1", "LIMIT = 2", False),
        ("    return x\n", "    return -x\n", False),
        ("x + LIMIT", "x - LIMIT", False),
    ],
)
def test_fingerprints_of_helpers(tmp_path: Path, old: str, new: str, same: bool) -> None:
    before = _print_of(tmp_path)
    assert (_print_of(tmp_path, helpers=HELPERS.replace(old, new, 1)) == before) is same


def test_fingerprints_do_not_depend_on_the_folder(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    assert _print_of(tmp_path / "a") == _print_of(tmp_path / "b")


def test_recursive_functions_have_fingerprints(tmp_path: Path) -> None:
    text = "def f(n):\n    return g(n)\ndef g(n):\n    return f(n)\n"
    reader = _write(tmp_path, {"m.py": text})
    assert fingerprint(_function(reader, "m", "f")) != fingerprint(_function(reader, "m", "g"))


def test_code_that_cannot_be_read_has_a_fingerprint(tmp_path: Path) -> None:
    reader = PythonReader(tmp_path)
    assert fingerprint(_function(reader, "math", "sqrt")) != fingerprint(
        _function(reader, "math", "exp")
    )


# ------------------------------------------------------------------------------ in a project


def test_a_class_is_a_type_and_a_task(tmp_path: Path) -> None:
    _write(
        tmp_path,
        {
            "m.py": "class A:\n    def __init__(self, x: int): ...\ndef f(): ...\n",
            "main.wf": "from m import A, f\nfrom fractions import Fraction\n",
        },
    )
    symbols = load(tmp_path / "main.wf").entry.symbols
    made = symbols["A"]
    assert isinstance(made, TypeSymbol)
    assert isinstance(made.cls, ClassRef)
    assert (made.task.key, made.task.function and made.task.function.is_class) == ("A", True)
    assert isinstance(symbols["f"], TaskSymbol)
    assert isinstance(symbols["Fraction"], TypeSymbol)


def test_a_deep_tree_has_a_fingerprint(tmp_path: Path) -> None:
    text = "def f(x):\n    return " + " + ".join(["x"] * 2_000) + "\n"
    made = _function(_write(tmp_path, {"m.py": text}), "m", "f")
    assert fingerprint(made) == fingerprint(made)
