"""The way in: what `compile_spec` gives for good and for bad specs, and what it imports."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.compiler.fixtures import HEAD, compiled, write
from wfc.compiler import check_spec, compile_spec
from wfc.compiler.emit import emit
from wfc.compiler.explain import explain


def test_a_bad_spec_gives_diagnostics_and_no_plan(tmp_path: Path) -> None:
    done = compile_spec(write(tmp_path, HEAD + "workflow main():\n    return nothing(1)\n"))
    assert done.plan is None
    assert done.ir is None
    assert [d.code for d in done.diagnostics if d.severity == "error"] == ["WF070"]


def test_an_unknown_workflow(tmp_path: Path) -> None:
    spec = write(tmp_path, HEAD + "workflow main():\n    return f(1)\n")
    assert compile_spec(spec, "other").plan is None
    plan = compile_spec(spec, "main").plan
    assert plan is not None
    assert plan.entry == "main"


def test_what_always_fails_is_a_warning(tmp_path: Path) -> None:
    spec = write(tmp_path, HEAD + "workflow main(n: int):\n    return f(n % (3 - 3) + 1 // 0)\n")
    done = compile_spec(spec)
    assert done.plan is not None
    assert [(d.code, d.span.line) for d in done.diagnostics if d.code == "WF141"] == [("WF141", 3)]


def test_explain_gives_file_and_line(tmp_path: Path) -> None:
    text = "workflow main(n: int):\n    a = f(n)\n    return inplace g(a)\n"
    lines = explain(compiled(tmp_path, HEAD + text).decisions).splitlines()
    assert "spec.wf:4: assign regions: will run `g` in the process of `a` (line 3)" in lines


@pytest.mark.parametrize("form", ["dot", "mermaid"])
def test_pictures_show_what_is_inside_what(form: str, tmp_path: Path) -> None:
    text = """
workflow main(n: int):
    xs = [f(x) for x in many(n)]
    if n > 1:
        y = inplace g(n)
    else:
        y = nocheckpoint h("a \\"quoted\\" <text>")
    return join(xs, y)
"""
    shown = emit(compiled(tmp_path, HEAD + text), form)
    for label in (
        "xs: for x in many",
        "each x",
        "n #gt; 1" if form == "mermaid" else "n > 1",
        "line 5",
    ):
        assert label in shown
    assert (
        shown.count("subgraph") == shown.count("end\n") if form == "mermaid" else shown.count("{")
    )


QUICK = """
import sys
from wfc.compiler import check_spec, compile_spec
assert not any(m in sys.modules for m in ("networkx", "pydantic", "lark", "ray"))
check_spec(sys.argv[1])
assert not any(m in sys.modules for m in ("networkx", "pydantic", "ray")), sorted(sys.modules)
compile_spec(sys.argv[1])
assert "ray" not in sys.modules
"""


def test_imports_are_as_few_as_needed(tmp_path: Path) -> None:
    spec = write(tmp_path, HEAD + "workflow main(n: int):\n    return f(n)\n")
    subprocess.run([sys.executable, "-c", QUICK, str(spec)], check=True)


def test_check_is_what_compile_says(tmp_path: Path) -> None:
    spec = write(tmp_path, HEAD + "workflow main(n: int):\n    return f(n, 2)\n")
    assert [d for d in check_spec(spec) if d.severity == "error"] == [
        d for d in compile_spec(spec).diagnostics if d.severity == "error"
    ]


def test_a_plan_has_the_modules_in_the_order_of_the_specs(tmp_path: Path) -> None:
    """Those of an imported spec where it is imported, once; also of classes, and of declared tasks."""
    for name in ("a", "b", "c", "d", "z"):
        (tmp_path / f"{name}.py").write_text("class C: ...\ndef f() -> int: return 1\n")
    (tmp_path / "lib.wf").write_text("from z import f\nfrom a import f as g\n")
    (tmp_path / "again.wf").write_text('import "lib.wf" as lib\nfrom z import C\n')
    spec = write(
        tmp_path,
        "from d import C\n"
        'import "again.wf" as again\n'
        "from c import f\n"
        "task own = b.f with (num_cpus=2)\n"
        "from math import floor\n"
        "from a import f as h\n"
        "workflow main() -> int:\n    return f()\n",
    )
    plan = compile_spec(spec).plan
    assert plan is not None
    assert [(found.module, found.beside) for found in plan.imports] == [
        ("d", "."), ("z", "."), ("a", "."), ("c", "."), ("b", "."), ("math", None),
    ]  # fmt: skip
    assert plan.from_json(plan.to_json()).imports == plan.imports
