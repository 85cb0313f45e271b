"""Ten typical mistakes, as the user sees them; `WFC_UPDATE=1` rewrites the golden files."""

from __future__ import annotations

import os

import pytest

from tests.compiler.check.support import CASES, findings, project
from wfc.dsl.render import render

_HEAD = "from etl import clean, fetch, size, best, ask\n\n"

MISTAKES = {
    "function_name": _HEAD + "workflow main(text: str) -> str:\n    return claen(text)\n",
    "comma": _HEAD + 'workflow main(text: str) -> str:\n    return fetch(text region="eu")\n',
    "keyword": _HEAD + 'workflow main(text: str) -> str:\n    return fetch(text, regoin="eu")\n',
    "word": _HEAD + "workflow main(text: str) -> str:\n    retrun clean(text)\n",
    "declaration": _HEAD + "worklfow main(text: str) -> str:\n    return clean(text)\n",
    "python": _HEAD + "def main(text: str) -> str:\n    return clean(text)\n",
    "loop": _HEAD
    + "workflow main(xs: list[str]) -> list[str]:\n    for x in xs:\n        clean(x)\n    return xs\n",
    "tab": _HEAD + "workflow main(text: str) -> str:\n\treturn clean(text)\n",
    "wait_comma": _HEAD
    + "workflow main(xs: list[str]):\n    qs = [ask(x) for x in xs]\n"
    + "    early, late = wait(2, qs)\n    cancel(late)\n    return early\n",
    "no_return": _HEAD
    + "workflow main(text: str, n: int) -> str:\n    if n > 1:\n        return clean(text)\n",
    "no_return_sometimes": "from etl import clean\n\n"
    + "workflow main(text: str, n: int):\n    if n > 1:\n        return clean(text)\n",
    "no_return_at_all": "from etl import clean, fetch\n\n"
    + "workflow main(text: str):\n    page = fetch(text)\n    done = clean(page)\n",
    "endless": "workflow main(n: int) -> int:\n    return helper(n)\n\n"
    + "workflow helper(n: int) -> int:\n    continuation main(n - 1)\n",
    "list_for_scalar": _HEAD + "workflow main(xs: list[str]) -> int:\n    return size(xs)\n",
    "argument_type": _HEAD + "workflow main(xs: list[str]) -> float:\n    return best(xs)\n",
    "inplace_resources": _HEAD
    + "workflow main(text: str) -> str:\n    return inplace clean(text) with (num_gpus=1)\n",
    "bound_twice": _HEAD
    + "workflow main(text: str) -> str:\n    out = clean(text)\n    out = clean(out)\n    return out\n",
    "import_cycle": 'import "a.wf" as a\n\nworkflow main() -> int:\n    return a.one()\n# file: a.wf\n'
    + 'import "main.wf" as back\n\nworkflow one() -> int:\n    return back.main()\n',
}


@pytest.mark.parametrize("name", MISTAKES)
def test_rendered(name: str) -> None:
    text = MISTAKES[name]
    shown = render(findings(text), project(text).sources())
    golden = CASES / "rendered" / f"{name}.txt"
    if os.environ.get("WFC_UPDATE"):
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(shown)
    assert shown == golden.read_text()
