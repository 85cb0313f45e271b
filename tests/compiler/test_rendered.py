"""What only compiling finds, and files that are no text, as the user sees it; and that no code is left out.

`WFC_UPDATE=1` rewrites the golden files.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

import wfc.compiler.explained  # noqa: F401 - registers all codes
from tests.compiler.check.support import CASES, findings
from tests.compiler.check.test_mistakes import MISTAKES
from wfc.compiler import compile_spec
from wfc.compiler.emit.ray import refusal
from wfc.compiler.pages import NOT_LOWERED
from wfc.dsl.codes import CODES
from wfc.dsl.render import render
from wfc.plan.unroll import NotStatic, unroll

RENDERED = CASES / "rendered"
_MAIN = "workflow main(n: int) -> int:\n    return n\n"

FILES: dict[str, tuple[str | bytes, str | None]] = {
    "not_utf8": (b'"""A spec."""\n\nA = "caf\xe9"\n', None),
    "too_large": ("A = 1\n" * 400_000, None),
    "too_deep": ("A = " + "(" * 201 + "1" + ")" * 201 + "\n", None),
    "no_such_spec": ('import "lib.wf" as lib\n\n' + _MAIN, None),
    "outside": ('import "../lib.wf" as lib\n\n' + _MAIN, None),
    "chain_too_long": (
        "".join(f"A{i} = A{i + 1}\n" for i in range(200)) + "A200 = 1\n" + _MAIN,
        None,
    ),
    "signal_name": ('workflow main() -> str:\n    return receive("the boss")\n', None),
    "nothing_to_run": ("LIMIT = 3\n", None),
    "several_workflows": (_MAIN.replace("main", "one") + "\n" + _MAIN.replace("main", "two"), None),
    "unknown_workflow": (_MAIN + "\n" + _MAIN.replace("main", "other"), "othr"),
    "not_static": ("workflow main(n: int) -> int:\n    sleep(1s)\n    return n\n", None),
    "always_fails": ('workflow main() -> int:\n    return int("1C2")\n', None),
}


@pytest.mark.parametrize("name", FILES)
def test_rendered(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text, workflow = FILES[name]
    monkeypatch.chdir(tmp_path)
    Path("pyproject.toml").touch()  # the project's root
    Path("main.wf").write_bytes(text.encode() if isinstance(text, str) else text)
    done = compile_spec("main.wf", workflow)
    found = done.diagnostics
    if name == "not_static":
        assert done.plan is not None
        with pytest.raises(NotStatic) as why:
            unroll(done.plan, {"n": 1})
        found = [refusal(done.plan, why.value)]
    shown = render(found, done.sources)
    golden = RENDERED / f"{name}.txt"
    if os.environ.get("WFC_UPDATE"):
        golden.write_text(shown)
    assert shown == golden.read_text()


def test_every_code_has_a_test_of_its_text() -> None:
    texts = [path.read_text() for path in RENDERED.glob("*.txt")]
    texts += [p.read_text() for p in (CASES.parents[2] / "dsl/errors").glob("*.txt")]
    shown = set(re.findall(r"\[(WF\d+)\]", "".join(texts)))
    for path in CASES.glob("*.wf.txt"):
        for chunk in re.split(r"^---\n", path.read_text(), flags=re.MULTILINE):
            shown |= {d.code for d in findings(chunk)}
    shown |= {d.code for text in MISTAKES.values() for d in findings(text)}
    assert len(CODES) > 100
    # What the lowering refuses, the checks have refused before: this one is for defects.
    assert CODES.keys() - shown == {NOT_LOWERED}
