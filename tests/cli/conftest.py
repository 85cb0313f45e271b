"""A small project to run commands on, and the command line in this process and in one of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from typer.testing import CliRunner

from wfc.cli.app import app

Cli: TypeAlias = Callable[..., Any]

SPEC = '''
"""A small one."""

from work import double, fail_on, note, total, Box

workflow main(n: int = 3, label: str = "sum") -> int:
    doubled = [double(i) for i in range(n)]
    return total(doubled, label)

workflow failing(n: int = 3) -> list[int]:
    return [fail_on(i, 1) for i in range(n)]

workflow boxed(box: Box) -> Box:
    return note(box)

workflow approved() -> str:
    answer = receive("approval")
    return f"said {answer}"
'''

WORK = """
from dataclasses import dataclass

@dataclass
class Box:
    name: str
    size: int = 1

def double(i: int) -> int:
    return 2 * i

def total(values: list[int], label: str) -> int:
    print(f"{label} of {len(values)}")
    return sum(values)

def fail_on(i: int, bad: int) -> int:
    if i == bad:
        raise ValueError(f"{i} is bad")
    return i

def note(box: Box) -> Box:
    assert isinstance(box, Box)
    return Box(box.name, box.size + 1)
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with `flow.wf` and `work.py`; the current one."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "flow.wf").write_text(SPEC.lstrip())
    (folder / "work.py").write_text(WORK)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def cli(project: Path) -> Cli:
    """Run a command in this process; gives `exit_code`, `stdout`, `stderr`."""

    def run(*arguments: str) -> Any:
        done = CliRunner().invoke(app, list(arguments))
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done

    return run


def command(*arguments: str) -> list[str]:
    """The command line in a process of its own."""
    return [sys.executable, "-m", "wfc", *arguments]


@pytest.fixture
def spawn(project: Path) -> Callable[..., subprocess.Popen[str]]:
    """Start a command in a process of its own."""

    def start(*arguments: str, **environ: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            command(*arguments),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
            cwd=project,
            env={**os.environ, **environ},
        )

    return start


def write(path: Path, text: str) -> None:
    """Write a file, its indentation taken off."""
    path.write_text(textwrap.dedent(text).lstrip())
