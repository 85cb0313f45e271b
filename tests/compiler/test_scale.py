"""Large and deep specs: that they compile at all, and that the work grows as the spec does."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.compiler.fixtures import HEAD, compiled, lowered
from wfc.compiler.limits import deep
from wfc.compiler.passes import run_passes


def chain(n: int) -> str:
    lines = [f"    a{i} = h(a{i - 1}, {i})" for i in range(1, n)]
    return "\n".join(["workflow main(n: int):", "    a0 = f(n)", *lines, f"    return a{n - 1}"])


def wide(n: int) -> str:
    return "\n".join(["workflow main(n: int):", *(f"    h(n, {i})" for i in range(n))])


def inplace(n: int) -> str:
    lines = [f"    a{i} = {'inplace ' if i % 3 else ''}h(a{i - 1}, {i})" for i in range(1, n)]
    return "\n".join(["workflow main(n: int):", "    a0 = f(n)", *lines, f"    return a{n - 1}"])


def guards(n: int) -> str:
    lines = [f"    if n == {i}:\n        return {i}" for i in range(n // 2)]
    return "\n".join(["workflow main(n: int):", *lines, "    return f(n)"])


def constants(n: int) -> str:
    lines = [
        f"    a{i} = {i} + 1\n    if a{i} == {i + 1}:\n        b{i} = f(a{i})\n    else:\n        b{i} = 0"
        for i in range(n // 3)
    ]
    last = f"    return b{n // 3 - 1}"
    return "\n".join(["workflow main(n: int):", *lines, last])


def stages(n: int) -> str:
    lines = [f"    m{i} = [{'fgh'[i % 3]}(y) for y in m{i - 1}]" for i in range(1, n // 4)]
    last = f"    return m{n // 4 - 1}"
    return "\n".join(["workflow main(n: int):", "    m0 = [f(y) for y in many(n)]", *lines, last])


def workflows(n: int) -> str:
    parts = [
        f"workflow w{i}(x):\n    a = f(x)\n    b = h(a, {i})\n    return {f'w{i - 1}(b)' if i else 'b'}"
        for i in range(n // 4)
    ]
    return "\n".join([*parts, "workflow main(n: int):", f"    return w{n // 4 - 1}(n)"])


SHAPES = [chain, wide, inplace, guards, constants, stages, workflows]


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES, ids=lambda s: s.__name__)
def test_five_thousand_statements(shape: Callable[[int], str], tmp_path: Path) -> None:
    assert compiled(tmp_path, HEAD + shape(5_000)).plan is not None


def operations(shape: Callable[[int], str], n: int, folder: Path) -> int:
    """How many Python functions are called to optimize a spec of about `n` statements."""
    folder.mkdir()
    program, notes = lowered(folder, HEAD + shape(n))
    count = 0

    def counting(_frame: object, event: str, _arg: object) -> None:
        nonlocal count
        count += event == "call" or event == "c_call"

    with deep():
        sys.setprofile(counting)
        try:
            run_passes(program, notes)
        finally:
            sys.setprofile(None)
    return count


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES, ids=lambda s: s.__name__)
def test_the_passes_are_linear(shape: Callable[[int], str], tmp_path: Path) -> None:
    small, large = operations(shape, 400, tmp_path / "a"), operations(shape, 1_600, tmp_path / "b")
    assert large < small * 4 * 1.3
