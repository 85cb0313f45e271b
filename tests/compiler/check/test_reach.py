"""What belongs to a function's fingerprint: a change of it changes the fingerprint, nothing else does.

Each case is a project of a few files, one of which is then edited.
"""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from wfc.compiler import compile_spec
from wfc.compiler.signatures import PythonReader, fingerprint

HELPER = """
    def price(x):
        return x + 100

    def other(x):
        return x
    """
PRICE = ("x + 100", "x + 101")
OTHER = ("return x\n", "return -x\n")

IN_BODIES = {
    "from": "from helper import price\n    return price(x)",
    "from_as": "from helper import price as p\n    return p(x)",
    "import": "import helper\n    return helper.price(x)",
    "import_as": "import helper as h\n    return h.price(x)",
    "in_try": "try:\n        from helper import price\n    finally:\n        pass\n    return price(x)",
    "in_inner": "def inner():\n        from helper import price\n        return price(x)\n    return inner()",
    "in_lambda_default": "from helper import price\n    return (lambda y, f=price: f(y))(x)",
    "dunder": "return __import__('helper').price(x)",
    "import_module": "import importlib\n    return importlib.import_module('helper').price(x)",
    "from_importlib": "from importlib import import_module\n    return import_module('helper').price(x)",
    "import_module_as": "from importlib import import_module as load\n    return load('helper').price(x)",
}


def changes(tmp_path: Path, files: dict[str, str], name: str, old: str, new: str) -> bool:
    """Whether an edit of one file changes the fingerprint of `t` in `steps.py`."""
    prints = []
    for one in (files, {**files, name: files[name].replace(old, new, 1)}):
        for file, text in one.items():
            path = tmp_path / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text))
        assert old in files[name]
        reader = PythonReader(tmp_path)
        found = reader.lookup("steps", "t", (tmp_path,))
        assert isinstance(found, tuple), found
        prints.append(fingerprint(found[0]))
    return prints[0] != prints[1]


@pytest.mark.parametrize("form", IN_BODIES)
def test_imports_inside_of_a_body(tmp_path: Path, form: str) -> None:
    files = {"steps.py": f"def t(x):\n    {IN_BODIES[form]}\n", "helper.py": HELPER}
    assert changes(tmp_path, files, "helper.py", *PRICE)
    by_name = form in ("from", "from_as", "import", "import_as", "in_try", "in_inner")
    if by_name:
        assert not changes(tmp_path, files, "helper.py", *OTHER)


def test_imports_inside_of_a_body_in_packages(tmp_path: Path) -> None:
    files = {
        "steps.py": "from pkg.tasks import t\n",
        "pkg/__init__.py": "",
        "pkg/tasks.py": "def t(x):\n    from . import helper\n    from .deep import more\n"
        "    import pkg.far.end\n    return helper.price(more(pkg.far.end.last(x)))\n",
        "pkg/helper.py": HELPER,
        "pkg/deep.py": "def more(x):\n    return x * 2\n",
        "pkg/far/__init__.py": "",
        "pkg/far/end.py": "def last(x):\n    return x * 3\n",
    }
    assert changes(tmp_path, files, "pkg/helper.py", *PRICE)
    assert not changes(tmp_path, files, "pkg/helper.py", *OTHER)
    assert changes(tmp_path, files, "pkg/deep.py", "x * 2", "x * 4")
    assert changes(tmp_path, files, "pkg/far/end.py", "x * 3", "x * 4")


def test_a_method_and_a_helper_of_a_helper_import_too(tmp_path: Path) -> None:
    files = {
        "steps.py": "from tool import Tool\n\ndef t(x):\n    return Tool().run(x)\n",
        "tool.py": "class Tool:\n    def run(self, x):\n        from helper import price\n"
        "        return price(x)\n",
        "helper.py": HELPER,
    }
    assert changes(tmp_path, files, "helper.py", *PRICE)
    assert not changes(tmp_path, files, "helper.py", *OTHER)


LIST = "HANDLERS = []\n\ndef register(f):\n    HANDLERS.append(f)\n    return f\n"
APPLY = "    for f in HANDLERS:\n        x = f(x)\n    return x\n"

REGISTRIES = {
    "append": f"HANDLERS = []\n\ndef a(x):\n    return x + 1\n\nHANDLERS.append(a)\n\ndef t(x):\n{APPLY}",
    "append_lambda": f"HANDLERS = []\nHANDLERS.append(lambda x: x + 1)\n\ndef t(x):\n{APPLY}",
    "insert_in_a_loop": (
        f"HANDLERS = []\n\ndef a(x):\n    return x + 1\n\nfor f in (a,):\n    HANDLERS.insert(0, f)\n\n"
        f"def t(x):\n{APPLY}"
    ),
    "decorator": f"{LIST}\n@register\ndef a(x):\n    return x + 1\n\ndef t(x):\n{APPLY}",
    "call": f"{LIST}\ndef a(x):\n    return x + 1\n\nregister(a)\n\ndef t(x):\n{APPLY}",
    "decorator_with_arguments": (
        "HANDLERS = {}\n\ndef on(name):\n    def wrap(f):\n        HANDLERS[name] = f\n        return f\n"
        "    return wrap\n\n@on('a')\ndef a(x):\n    return x + 1\n\ndef t(x):\n    return HANDLERS['a'](x)\n"
    ),
    "method_of_an_object": (
        "class App:\n    def __init__(self):\n        self.made = {}\n    def task(self, f):\n"
        "        self.made[f.__name__] = f\n        return f\n\napp = App()\n\n@app.task\ndef a(x):\n"
        "    return x + 1\n\ndef t(x):\n    return app.made['a'](x)\n"
    ),
    "item": "H = {}\n\ndef a(x):\n    return x + 1\n\nH['a'] = a\n\ndef t(x):\n    return H['a'](x)\n",
    "update": "H = {}\nH.update(a=lambda x: x + 1)\n\ndef t(x):\n    return H['a'](x)\n",
    "attribute": "class C: ...\n\nC.f = staticmethod(lambda x: x + 1)\n\ndef t(x):\n    return C.f(x)\n",
    "setattr": (
        "import types\nC = types.SimpleNamespace()\nsetattr(C, 'f', lambda x: x + 1)\n\ndef t(x):\n"
        "    return C.f(x)\n"
    ),
    "attribute_of_a_function": "def t(x):\n    return t.f(x)\n\nt.f = lambda x: x + 1\n",
    "singledispatch": (
        "import functools\n\n@functools.singledispatch\ndef price(x):\n    return x\n\n@price.register\n"
        "def _(x: int):\n    return x + 1\n\ndef t(x):\n    return price(x)\n"
    ),
    "singledispatch_call": (
        "import functools\n\n@functools.singledispatch\ndef price(x):\n    return x\n\n"
        "price.register(int, lambda x: x + 1)\n\ndef t(x):\n    return price(x)\n"
    ),
    "init_subclass": (
        "class Base:\n    known = {}\n    def __init_subclass__(cls):\n"
        "        Base.known[cls.__name__] = cls\n\nclass A(Base):\n    def f(self, x):\n"
        "        return x + 1\n\ndef t(x):\n    return Base.known['A']().f(x)\n"
    ),
    "init_subclass_elsewhere": (
        "KNOWN = []\n\nclass Base:\n    def __init_subclass__(cls):\n        KNOWN.append(cls)\n\n"
        "class Mid(Base):\n    pass\n\nclass A(Mid):\n    def f(self, x):\n        return x + 1\n\n"
        "def t(x):\n    return KNOWN[-1]().f(x)\n"
    ),
    "metaclass": (
        "class Meta(type):\n    known = []\n    def __init__(cls, *a):\n        Meta.known.append(cls)\n\n"
        "class Base(metaclass=Meta):\n    pass\n\nclass A(Base):\n    def f(self, x):\n"
        "        return x + 1\n\ndef t(x):\n    return Meta.known[-1]().f(x)\n"
    ),
    "subclasses": (
        "class Base:\n    pass\n\nclass A(Base):\n    def f(self, x):\n        return x + 1\n\ndef t(x):\n"
        "    return Base.__subclasses__()[0]().f(x)\n"
    ),
    "abc_register": (
        "import abc\n\nclass Base(abc.ABC):\n    pass\n\nclass A:\n    f = staticmethod(lambda x: x + 1)\n\n"
        "Base.register(A)\n\ndef t(x):\n    return isinstance(x, Base)\n"
    ),
    "class_body": (
        "KNOWN = []\n\nclass A:\n    KNOWN.append(lambda x: x + 1)\n\ndef t(x):\n    return KNOWN[0](x)\n"
    ),
    "walrus": "print(N := 0 + 1)\n\ndef t(x):\n    return N\n",
    "walrus_in_a_condition": "if (N := 0 + 1) > 0:\n    pass\n\ndef t(x):\n    return N\n",
    "a_condition": "Z = 0\nif Z + 1 > 0:\n    N = 1\nelse:\n    N = 2\n\ndef t(x):\n    return N\n",
    "match": "match 0 + 1:\n    case N:\n        pass\n\ndef t(x):\n    return N\n",
    "global": "def init():\n    global N\n    N = 0 + 1\n\nN = None\ninit()\n\ndef t(x):\n    return N\n",
    "module_getattr": "import lazy\n\ndef t(x):\n    return lazy.anything(x)\n",
}
OLD = {
    "walrus": "0 + 1",
    "walrus_in_a_condition": "0 + 1",
    "a_condition": "Z + 1",
    "match": "0 + 1",
}


@pytest.mark.parametrize("kind", [k for k in REGISTRIES if k != "module_getattr"])
def test_what_a_module_does_as_it_is_imported(tmp_path: Path, kind: str) -> None:
    source = REGISTRIES[kind]
    old = OLD.get(kind, "0 + 1" if kind == "global" else "x + 1")
    if kind == "abc_register":
        old = "Base.register(A)"
    new = old.replace("+ 1", "+ 9") if "+ 1" in old else "None"
    assert changes(tmp_path, {"steps.py": source}, "steps.py", old, new)
    more = "\n\ndef unrelated(x):\n    return x + 5\n\nLIMIT = str(12)\n"
    files = {"steps.py": source + more}
    assert not changes(tmp_path, files, "steps.py", "x + 5", "x + 6")
    assert not changes(tmp_path, files, "steps.py", "str(12)", "str(13)")


def test_the_order_of_what_a_module_does(tmp_path: Path) -> None:
    text = "H = []\nH.append(1)\nH.append(2)\n\ndef t(x):\n    return H\n"
    old, new = "H.append(1)\nH.append(2)\n", "H.append(2)\nH.append(1)\n"
    assert changes(tmp_path, {"steps.py": text}, "steps.py", old, new)


def test_a_module_that_makes_its_names_on_demand(tmp_path: Path) -> None:
    lazy = "def __getattr__(name):\n    return lambda x: x + 1\n"
    for steps in (
        REGISTRIES["module_getattr"],
        "def t(x):\n    from lazy import any\n    return any(x)\n",
    ):
        files = {"steps.py": steps, "lazy.py": lazy}
        assert changes(tmp_path, files, "lazy.py", "x + 1", "x + 2")


PLUGINS = {
    "steps.py": "import plugins\nfrom registry import HANDLERS\n\ndef t(x):\n"
    "    return [f(x) for f in HANDLERS]\n",
    "registry.py": LIST,
    "plugins/__init__.py": "from plugins import one\nimport plugins.two\n",
    "plugins/one.py": "from registry import register\nfrom helper import price\n\n@register\n"
    "def one(x):\n    return price(x)\n\ndef unused(x):\n    return x - 1\n",
    "plugins/two.py": "import registry\n\n@registry.register\ndef two(x):\n    return x + 2\n",
    "plugins/three.py": "import registry\n\n@registry.register\ndef three(x):\n    return x + 3\n",
    "helper.py": HELPER,
}


@pytest.mark.parametrize(
    ("name", "old", "new", "same"),
    [
        ("plugins/two.py", "x + 2", "x + 3", False),
        ("plugins/one.py", "price(x)", "price(2 * x)", False),
        ("helper.py", *PRICE, False),
        ("registry.py", "HANDLERS.append(f)", "HANDLERS.insert(0, f)", False),
        ("plugins/__init__.py", "import plugins.two\n", "", False),
        (
            "plugins/__init__.py",
            "import plugins.two\n",
            "import plugins.two, plugins.three\n",
            False,
        ),
        ("plugins/one.py", "x - 1", "x - 2", True),
        ("plugins/three.py", "x + 3", "x + 4", True),  # nobody imports it
        ("helper.py", *OTHER, True),
    ],
)
def test_modules_that_register_in_another(
    tmp_path: Path, name: str, old: str, new: str, same: bool
) -> None:
    assert changes(tmp_path, PLUGINS, name, old, new) is not same


def test_another_task_of_the_plan_may_fill_the_registry(tmp_path: Path) -> None:
    """Its module is loaded in every worker, though nothing here imports it."""
    files = {
        "main.wf": "from steps import t\nfrom other import u\n\nworkflow main(x: int) -> int:\n"
        "    return t(u(x))\n",
        "steps.py": f"HANDLERS = []\n\ndef t(x):\n{APPLY}",
        "other.py": "import steps\n\n@steps.HANDLERS.append\ndef a(x):\n    return x + 1\n\n"
        "def u(x):\n    return x * 2\n",
    }
    prints = []
    for name, old, new in (
        ("", "", ""),
        ("other.py", "x + 1", "x + 9"),
        ("other.py", "x * 2", "x * 3"),
    ):
        for file, text in files.items():
            (tmp_path / file).write_text(text.replace(old, new) if file == name else text)
        plan = compile_spec(tmp_path / "main.wf").plan
        assert plan is not None
        prints.append({t.qualname: t.fingerprint for t in plan.tasks.values()})
    assert prints[0]["t"] != prints[1]["t"]
    assert prints[0]["t"] == prints[2]["t"]
    assert prints[0]["u"] != prints[2]["u"]


def test_a_version_that_the_spec_gives(tmp_path: Path) -> None:
    (tmp_path / "steps.py").write_text("def t(x: int) -> int:\n    return x\n")
    prints = []
    for version in (
        "",
        "with (version='1')",
        "with (version='2', max_retries=2)",
        "with (version='2')",
    ):
        (tmp_path / "main.wf").write_text(
            f"from steps import t\ntask v = t {version}\nworkflow main() -> int:\n    return v(1)\n"
        )
        plan = compile_spec(tmp_path / "main.wf").plan
        assert plan is not None
        task = plan.tasks["v"]
        prints.append(task.fingerprint)
        assert "version" not in task.options
    assert len({*prints}) == 3
    assert prints[2] == prints[3]


def test_state_that_is_only_read_brings_nothing_along(tmp_path: Path) -> None:
    text = """
        import os
        BASE = "/data"
        CONFIG = {"a": 1}
        LOGS = os.path.join(BASE, "logs")
        LIMIT = CONFIG.get("b", 5)
        NAMES = sorted(CONFIG)

        def t(x):
            return BASE, CONFIG["a"], x
        """
    for old, new in (('"logs"', '"log"'), ('"b", 5', '"b", 6'), ("sorted(", "list(")):
        assert not changes(tmp_path, {"steps.py": text}, "steps.py", old, new)
    assert changes(tmp_path, {"steps.py": text}, "steps.py", '"a": 1', '"a": 2')
