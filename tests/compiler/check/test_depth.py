"""The deepest that the parser lets through, and long chains of declarations: no recursion error."""

from __future__ import annotations

import pytest

from tests.compiler.check.support import findings
from wfc.compiler import codes
from wfc.dsl.diagnostics import Diagnostic

DEEP = 195
FORMS = {
    "lists": "[" * DEEP + "1" + "]" * DEEP,
    "minus": "-" * DEEP + "x",
    "sums": "(1+" * DEEP + "1" + ")" * DEEP,
    "not": "not " * DEEP + "x",
    "dicts": "{1: " * DEEP + "1" + "}" * DEEP,
    "built-ins": "len(" * DEEP + "'a'" + ")" * DEEP,
    "calls": "f(" * DEEP + "x" + ")" * DEEP,
    "indices": "x" + "[0]" * DEEP,
    "attributes": "x" + ".a" * DEEP,
    "chain": " + ".join("x" * DEEP),
    "conditions": " if x else ".join("x" * DEEP),
    "comprehensions": "[y for y in " * 90 + "xs" + "]" * 90,
}


def _deeper(text: str, frames: int) -> list[Diagnostic]:
    """Checked from deep inside somebody's program."""
    return findings(text) if frames == 0 else _deeper(text, frames - 1)


@pytest.mark.parametrize("form", FORMS)
def test_deep_expressions(form: str) -> None:
    body = f"workflow f(x):\n    if x:\n        return f(1)\n    return {FORMS[form]}\n"
    for text in (body, f"X = {FORMS[form].replace('x', '1')}\n\nworkflow f(x):\n    return 1\n"):
        assert codes.TOO_DEEP not in {d.code for d in _deeper(text, 300)}


def test_long_chains_of_declarations() -> None:
    count = 5_000
    constants = "".join(f"A{i} = A{i + 1} + 1\n" for i in range(count)) + f"A{count} = 1\n"
    tasks = (
        "".join(f"task t{i} = t{i + 1}\n" for i in range(count)) + f"task t{count} = etl.clean\n"
    )
    for text in (constants, tasks):
        found = findings(text + "\nworkflow main():\n    return 1\n")
        assert {d.code for d in found} == {codes.TOO_DEEP}
    fair = "".join(f"A{i} = A{i + 1} + 1\n" for i in range(90)) + "A90 = 1\n"
    assert findings(fair + "\nworkflow main() -> int:\n    return A0\n") == []


def test_blocks_as_deep_as_they_may_be() -> None:
    lines = ["workflow main(x: int) -> int:"]
    lines += [f"{'    ' * i}if x > {i}:" for i in range(1, DEEP)]
    text = "\n".join([*lines, f"{'    ' * DEEP}return x", "    return 1", ""])
    assert _deeper(text, 300) == []
