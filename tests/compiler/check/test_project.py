"""Files, roots, keys, options and the entry of a project; and what the lowering is told."""

from __future__ import annotations

from pathlib import Path

from tests.compiler.check.support import project
from wfc.compiler.check import CallInfo, Info, analyze, check, entry
from wfc.compiler.project import Builtin, SpecSymbol, TaskSymbol, WorkflowSymbol, load
from wfc.compiler.types import show
from wfc.dsl import ast
from wfc.dsl.diagnostics import Diagnostic


def _tree(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_keys_read_well_and_are_unique(tmp_path: Path) -> None:
    _tree(
        tmp_path,
        {
            "etl.py": "def f(x): return x\n",
            "main.wf": 'import "a/quality.wf" as q\nimport "b/quality.wf" as r\nimport "c-d.wf" as s\n'
            "task f = etl.f\n",
            "a/quality.wf": 'import "../c-d.wf" as c\ntask check = etl.f\n',
            "b/quality.wf": "task check = etl.f\n",
            "c-d.wf": "task check = etl.f\n",
        },
    )
    made = load(tmp_path / "main.wf")
    assert check(made, strict=False) != []  # unused imports
    assert [t.key for t in made.tasks()] == ["f", "a.quality.check", "c_d.check", "b.quality.check"]
    assert list(made.modules) == ["main.wf", "a/quality.wf", "c-d.wf", "b/quality.wf"]
    assert [f.path for f in made.files] == list(made.modules)


def test_the_root(tmp_path: Path) -> None:
    _tree(tmp_path, {"pyproject.toml": "", "specs/deep/main.wf": "", "alone/x.wf": ""})
    assert load(tmp_path / "specs/deep/main.wf").root == tmp_path
    assert load(tmp_path / "specs/deep/main.wf").entry.file == "specs/deep/main.wf"
    assert load(tmp_path / "alone/x.wf", root=tmp_path / "alone").entry.file == "x.wf"


def test_python_is_looked_for_beside_the_spec_then_in_the_root(tmp_path: Path) -> None:
    _tree(
        tmp_path,
        {
            "pyproject.toml": "",
            "both.py": "def f(root): ...\n",
            "only.py": "def g(x): ...\n",
            "specs/both.py": "def f(beside): ...\n",
            "specs/main.wf": "from both import f\nfrom only import g\n",
        },
    )
    symbols = load(tmp_path / "specs/main.wf").entry.symbols
    found = [s.function for s in symbols.values() if isinstance(s, TaskSymbol)]
    assert [(f.beside, f.params and f.params[0].name) for f in found if f] == [
        ("specs", "beside"),
        (".", "x"),
    ]


def test_unreadable_entries(tmp_path: Path) -> None:
    (tmp_path / "latin.wf").write_bytes(b"# \xe9\n")
    (tmp_path / "nul.wf").write_bytes(b"x = 1\0\n")
    (tmp_path / "folder.wf").mkdir()
    (tmp_path / "big.wf").write_bytes(b"# x\n" * 3_000_000)
    for name in ("missing.wf", "latin.wf", "nul.wf", "folder.wf", "big.wf"):
        made = load(tmp_path / name)
        assert [d.severity for d in check(made)] == ["error"], name
        assert isinstance(entry(made), Diagnostic)


def test_a_symbolic_link_does_not_lead_out_of_the_root(tmp_path: Path) -> None:
    _tree(tmp_path, {"in/.wfc/x": "", "in/main.wf": 'import "link.wf" as x\n', "out.wf": ""})
    (tmp_path / "in/link.wf").symlink_to(tmp_path / "out.wf")
    assert [d.code for d in load(tmp_path / "in/main.wf").diagnostics] == ["WF041"]


def test_an_overlay_stands_for_files(tmp_path: Path) -> None:
    _tree(tmp_path, {"main.wf": "workflow old():\n    return 1\n"})
    for name in ("main.wf", str((tmp_path / "main.wf").resolve())):
        made = load(tmp_path / "main.wf", overlay={name: "workflow new():\n    return 1\n"})
        assert list(made.entry.symbols) == ["new"]


def test_options_are_inherited_and_plain() -> None:
    made = project(
        "HOUR = 60m\n"
        "task a = etl.clean with (timeout=HOUR, retry_exceptions=[ValueError, etl.BadFile])\n"
        "inplace nocheckpoint task b = a with (backoff=(1s, 2s))\n"
        'task c = b with (checkpoint=sync, resources={"x": 1})\n'
    )
    a, b, c = (s for s in made.entry.symbols.values() if isinstance(s, TaskSymbol))
    assert a.options == {"timeout": 3600.0, "retry_exceptions": ["ValueError", "etl.BadFile"]}
    assert (b.inplace, b.checkpoint, b.options) == (
        True,
        False,
        {**a.options, "backoff": [1.0, 2.0]},
    )
    assert (c.inplace, c.checkpoint, c.options["resources"]) == (True, "sync", {"x": 1})


def test_resolve() -> None:
    made = project(
        'import "lib.wf" as lib\n\nworkflow main():\n    return lib.two()\n'
        "# file: lib.wf\nworkflow two():\n    return 2\n"
    )
    span = made.entry.ast.span

    def named(dotted: str) -> object:
        first, *rest = dotted.split(".")
        node: ast.Expr = ast.Name(first, span)
        for part in rest:
            node = ast.Attribute(node, part, span, span)
        return made.resolve(made.entry, node)

    assert isinstance(named("main"), WorkflowSymbol)
    assert isinstance(named("lib"), SpecSymbol)
    two = named("lib.two")
    assert isinstance(two, WorkflowSymbol)
    assert two.key == "lib.two"
    assert named("len") == Builtin("len")
    assert named("sleep") == Builtin("sleep")
    assert named("nothing") is None
    assert named("lib.nothing") is None
    assert named("lib.two.three") is None


def test_entry() -> None:
    made = project('import "lib.wf" as lib\n\nworkflow one():\n    return lib.two()\n'
                   "# file: lib.wf\nworkflow two():\n    return 2\n")  # fmt: skip
    for name, key in ((None, "one"), ("one", "one"), ("lib.two", "lib.two")):
        found = entry(made, name)
        assert isinstance(found, WorkflowSymbol)
        assert found.key == key
    assert isinstance(entry(made, "two"), Diagnostic)


# ------------------------------------------------------------------------------------- info


def _info(
    body: str, head: str = "from etl import ask, first_of, clean\n\n"
) -> tuple[Info, ast.WorkflowDecl]:
    made = project(
        f"{head}workflow main(vendors: list[str], rest: pending[float]):\n{body}    return 1\n"
    )
    analysis = analyze(made)
    assert [d for d in analysis.diagnostics if d.severity == "error"] == []
    main = made.entry.symbols["main"]
    assert isinstance(main, WorkflowSymbol)
    return analysis.infos["main"], main.decl


def _values(decl: ast.WorkflowDecl) -> list[ast.Expr]:
    return [s.value for s in decl.body if isinstance(s, ast.Assign)]


def test_what_runs_is_told_from_values() -> None:
    info, decl = _info(
        "    quotes = [ask(v) for v in vendors]\n"
        '    one = ask("a")\n'
        "    group = [one, sleep(1s)]\n"
        "    again = quotes\n"
        "    pure = [v for v in vendors]\n"
        "    both = quotes + [one]\n"
    )
    quotes, one, group, again, pure, both = _values(decl)
    assert [info.is_running(v) for v in (quotes, one, group, again, pure, both)] == [
        True, False, True, True, False, False
    ]  # fmt: skip
    assert info.is_call(one)
    assert [show(info.type_at(v)) for v in (quotes, one, both)] == [
        "list[float]",
        "float",
        "list[float]",
    ]


def test_pending_values_and_handles() -> None:
    info, decl = _info(
        "    quotes = [ask(v) for v in vendors]\n"
        "    early, late = wait(1 of quotes)\n"
        "    w = wait(1 of late)\n"
        "    a = first_of(w.pending)\n"
        "    b = first_of(running=rest)\n"
        "    c = [x + 1 for x in late]\n"
    )
    _, first, second, a, b, c = _values(decl)
    assert isinstance(first, ast.Wait)
    assert isinstance(second, ast.Wait)
    assert info.is_running(first.members)
    assert not info.is_pending(first.members)
    assert info.is_pending(second.members)
    assert isinstance(a, ast.Call)
    assert isinstance(b, ast.Call)
    assert info.is_pending(a.args[0])
    expected: list[tuple[ast.Call, set[int | str]]] = [(a, {0}), (b, {"running"})]
    for call, handles in expected:
        found = info.call_at(call)
        assert isinstance(found, CallInfo)
        assert set(found.handles) == handles
    assert isinstance(c, ast.Comprehension)
    assert info.is_pending(c.generators[0].iterable)
    assert show(info.type_at(c)) == "list[float]"


def test_names_that_a_module_makes_as_it_is_imported(tmp_path: Path) -> None:
    """They are not to be seen in its text: what it may have is no error. Of Python's own modules
    `hashlib` is one."""
    made = {
        "loop": 'for name in ("one", "two"):\n    globals()[name] = lambda x: x\n',
        "update": "globals().update({'one': print})\n",
        "module": "import sys\n\nsetattr(sys.modules[__name__], 'one', print)\n",
        "run": "exec('def one(x): return x')\n",
    }
    calls = "".join(f"from {name} import one as {name}_one\n" for name in made)
    uses = ", ".join(f"{name}_one(1)" for name in made)
    _tree(
        tmp_path,
        {
            **{f"{name}.py": text for name, text in made.items()},
            "plain.py": "def two(x): return x\n",
            "main.wf": f"{calls}from hashlib import sha256, sha3\nfrom plain import one\n\n"
            f"workflow main() -> object:\n    return [{uses}, sha256('x'), one(1)]\n",
        },
    )
    found = load(tmp_path / "main.wf").diagnostics
    assert [d.message for d in found] == ["the Python module `plain` has no `one`"]
