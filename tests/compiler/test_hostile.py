"""Files that are meant to take long: what one long thing costs, and how many small ones add up.

Each is checked and its findings rendered, in a process of its own that the system kills when its time is
used up: inside of a match that is exponential, nothing of Python runs.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from wfc.compiler import check_spec
from wfc.dsl.parser import MAX_BYTES
from wfc.dsl.render import render, to_json

ROOT = Path(__file__).resolve().parent.parent.parent
HEAD = "workflow main(x):\n"
SECONDS = 3.0
"""A second is what is promised, and most take a tenth of it: the processor may be slow."""
SMALL, LARGE = 20_000, 80_000

LONG: dict[str, Callable[[int], str]] = {
    "digits and a letter": lambda n: f"    v = {'9' * n}a\n",
    "underscores": lambda n: f"    v = {'1_' * (n // 2)}z\n",
    "dots": lambda n: f"    v = {'1.' * (n // 2)}z\n",
    "exponents": lambda n: f"    v = {'1e-' * (n // 3)}z\n",
    "hex": lambda n: f"    v = 0x{'f_' * (n // 2)}g\n",
    "zeros": lambda n: f"    v = {'0' * n}1\n",
    "digits of other scripts": lambda n: f"    v = 1{'٣' * (n // 2)}\n",
    "durations": lambda n: f"    v = {'1m' * (n // 2)}x\n",
    "a size": lambda n: f"    v = {'1' * n}KiB\n",
    "an open text": lambda n: f'    v = "{"a" * n}\n',
    "an open long text": lambda n: '    v = """' + "a\n" * (n // 2),
    "backslashes": lambda n: f'    v = "{chr(92) * n}\n',
    "joined lines": lambda n: '    v = "' + "\\\n" * (n // 2),
    "escapes": lambda n: f'    v = "{chr(92)}q"\n    v = "' + "\\q" * (n // 2 - 20) + '"\n',
    "named characters": lambda n: '    v = "' + "\\N{" * (n // 3) + '"\n',
    "named characters in fields": lambda n: '    v = f"' + "\\N{" * (n // 3) + '"\n',
    "fields": lambda n: '    v = f"' + "{a" * (n // 2) + '"\n',
    "closed fields": lambda n: '    v = f"' + "} " * (n // 2) + '"\n',
    "fields in fields": lambda n: '    v = f"' + "{x:{" * (n // 4) + '"\n',
    "prefixes": lambda n: f'    v = {"r" * n}"\n',
    "open brackets": lambda n: f"    v = {'([{' * (n // 3)}\n",
    "closed brackets": lambda n: f"    v = {')' * n}\n",
    "other brackets": lambda n: f"    v = {'[)' * (n // 2)}\n",
    "signs": lambda n: f"    v = 1 {'$' * n}\n",
    "waits": lambda n: f"    v = wait{' ' * n}x\n",
    "blanks": lambda n: f"    v ={' ' * n}1\n",
    "tabs": lambda n: f"{chr(9) * n}x = 1\n",
    "empty lines": lambda n: "\n" * n + "    return x\n",
    "a comment": lambda n: f"    # {'#' * n}\n    return x\n",
    "comments": lambda n: "    # abc\n" * (n // 10) + "    return x\n",
    "deep indentation": lambda n: "".join("  " * i + "if x:\n" for i in range(1, int(n**0.5) - 10)),
    "names": lambda n: f"    {'a' * (n // 2)} = {'b' * (n // 2)}\n",
    "names that are near": lambda n: f"    {'a' * 80_000} = 1\n    return {'a' * 80_000}b\n",
    "names that are not": lambda n: f"    {'ab' * 40_000} = 1\n    return {'ba' * 40_000}\n",
}  # fmt: skip

MANY: dict[str, Callable[[int], str]] = {
    "commit ids": lambda i: f"    v{i} = {'9' * 30}{i}af\n",
    "open texts": lambda i: f'    v{i} = "abc\n',
    "open brackets": lambda i: f"    v{i} = f(a\n",
    "open lists": lambda i: f"    v{i} = [1,\n",
    "open calls": lambda i: "    f(a\n",
    "unknown names": lambda i: f"    v{i} = u{i}\n",
    "unknown calls": lambda i: f"    f{i}(x)\n",
    "unknown types": lambda i: f"workflow w{i}(x: t{i}):\n    return x\n",
    "names that are near": lambda i: f"    variable_number_{i:06} = variable_nunber_{i:06}x\n",
    "names bound twice": lambda i: "    v = 1\n",
    "calls": lambda i: f"    v{i} = len([x])\n",
    "fields": lambda i: f'    v{i} = f"{{x}} {{x}}"\n',
    "blocks": lambda i: f"    if x == {i}:\n        y{i} = 1\n    else:\n        y{i} = 2\n",
    "unindented lines": lambda i: "    if x:\n          pass\n       pass\n",
    "stairs": lambda i: " " * (100 - i % 100) + "if x:\n",
    "workflows": lambda i: f"workflow w{i}(x):\n    continuation w{(i * 7 + 1) % 500}(x)\n",
    "tasks": lambda i: f"task t{i} = no.such\n",
    "imports": lambda i: f"from os import a{i}\n",
    "constants": lambda i: f"C{i} = C{i + 1}\n",
}  # fmt: skip


def many(make: Callable[[int], str], size: int) -> str:
    parts, left, i = [HEAD], size, 0
    if not make(0).startswith(" "):
        parts.append("    return x\n")
    while left > 0:
        parts.append(make(i))
        left, i = left - len(parts[-1]), i + 1
    return "".join(parts)


def arguments(size: int) -> str:
    """A call with so many arguments of wrong names."""
    names, given = (
        ", ".join(f"p{i}=1" for i in range(size)),
        ", ".join(f"q{i}=1" for i in range(size)),
    )
    return f"workflow w({names}):\n    return p1\nworkflow main():\n    return w({given})\n"


def seconds(text: str) -> float:
    """What it takes to check a file and to show what is wrong with it."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "pyproject.toml").touch()
        spec = Path(folder) / "main.wf"
        spec.write_text(text)
        began = time.process_time()
        found = check_spec(spec)
        render(found, {"main.wf": text})
        to_json(found)
        return time.process_time() - began


def child(group: str, limit: int) -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (limit, limit))
    seconds(HEAD + "    return x\n")
    for name in LONG if group == "long" else MANY:
        print(json.dumps([name, None]), flush=True)
        if group == "long":
            text = HEAD + LONG[name](MAX_BYTES - 100)
            took = [seconds(text[:MAX_BYTES])]
        else:
            took = [seconds(many(MANY[name], size)) for size in (SMALL, LARGE)]
        print(json.dumps([name, took]), flush=True)
    if group == "many":
        print(
            json.dumps(["arguments", [seconds(arguments(n)) for n in (1_000, 4_000)]]), flush=True
        )


def times(group: str, limit: int) -> dict[str, list[float] | None]:
    code = f"from tests.compiler.test_hostile import child; child({group!r}, {limit})"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False
    )
    found = dict(json.loads(line) for line in done.stdout.splitlines())
    assert found, done.stderr
    assert None not in found.values(), f"this one took for ever, or failed: {found}\n{done.stderr}"
    return found


@pytest.mark.slow
def test_one_long_thing() -> None:
    found = times("long", 60)
    assert found.keys() == LONG.keys()
    assert {name: t for name, t in found.items() if t is not None and t[0] > SECONDS} == {}


@pytest.mark.slow
def test_many_small_things() -> None:
    """Four times as many take four times as long."""
    found = times("many", 120)
    assert found.keys() == {*MANY, "arguments"}
    grown = {n: t for n, t in found.items() if t is not None and t[1] > 9 * max(t[0], 0.05)}
    assert grown == {}
