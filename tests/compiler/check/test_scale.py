"""Large specs: time grows with their length, and no more."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from tests.compiler.check.support import project
from wfc.compiler.check import analyze, check


def _straight(count: int) -> str:
    lines = ["from etl import clean", "", "workflow main(x0: str) -> str:"]
    lines += [f"    x{i} = clean(x{i - 1})" for i in range(1, count)]
    return "\n".join([*lines, f"    return x{count - 1}", ""])


def _branches(count: int) -> str:
    lines = ["from etl import clean", "", "workflow main(x0: str, n: int) -> str:"]
    for i in range(1, count):
        lines += [
            f"    if n > {i}:",
            f"        x{i} = clean(x{i - 1})",
            "    else:",
            f"        x{i} = x{i - 1}",
        ]
    return "\n".join([*lines, f"    return x{count - 1}", ""])


def _workflows(count: int) -> str:
    """Workflows that call each other in one ring, which has its way out in the last."""
    parts = []
    for i in range(count):
        parts.append(f"workflow w{i}(n: int) -> int:\n    continuation w{(i + 1) % count}(n - 1)\n")
    parts[-1] = (
        "workflow main(n: int) -> int:\n    if n < 0:\n        return n\n    continuation w0(n)\n"
    )
    return "\n".join(parts).replace(f"continuation w{count - 1}(", "continuation main(")


def _timed(text: str) -> float:
    made = project(text)
    began = time.perf_counter()
    assert check(made) == []
    return time.perf_counter() - began


def test_ten_thousand_statements() -> None:
    small, large = _timed(_straight(1_000)), _timed(_straight(10_000))
    assert large < 5
    assert large < 60 * max(small, 0.02)


def test_thousands_of_branches() -> None:
    small, large = _timed(_branches(400)), _timed(_branches(4_000))
    assert large < 5
    assert large < 60 * max(small, 0.02)


def test_a_thousand_workflows() -> None:
    assert _timed(_workflows(1_000)) < 3


def test_many_errors() -> None:
    lines = ["workflow main(x: int):"] + [f"    a{i} = nothing{i}" for i in range(3_000)]
    made = project("\n".join([*lines, "    return 1", ""]))
    began = time.perf_counter()
    assert len(analyze(made).diagnostics) == 3_000
    assert time.perf_counter() - began < 20


def test_a_check_imports_nothing_heavy(tmp_path: Path) -> None:
    (tmp_path / "etl.py").write_text("def f(x: int) -> int:\n    return x\n")
    spec = tmp_path / "main.wf"
    spec.write_text("from etl import f\n\nworkflow main(x: int) -> int:\n    return f(x)\n")
    code = (
        "import sys; from wfc.compiler.project import load; from wfc.compiler.check import check; "
        "assert check(load(sys.argv[1])) == []; "
        "print([m for m in ('ray', 'pydantic', 'networkx', 'sqlalchemy', 'etl') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(spec)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == "[]\n"
