"""The pages of the docs as sessions: their files are written, their commands run, their output compared.

In a page,

- a block `wf flow.wf` or `python tasks.py` (language, file name) is written to that file;
- a block `console` has commands (`$ …`) with what they print, on both streams. `…` stands for any
  text in a line, and by itself for any lines. Dates, durations and sizes need not be the same;
- a block `python` without a file name is run as a script; a block `text` right after it is what it
  prints.

Everything of one session happens in one folder, in order, in one shell.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
LIMIT = 120.0
"""Seconds that one command may take."""

_FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, the file that it is the text of, and whether prose separates it
    from the block before."""

    language: str
    file: str
    text: str
    follows: bool


@dataclass(frozen=True)
class Session:
    """Blocks that belong together: a page, or a part of one."""

    name: str
    blocks: tuple[Block, ...]
    needs: str = ""

    def __str__(self) -> str:
        return self.name

    @property
    def runs(self) -> bool:
        """Whether anything in it is run."""
        return any(b.language == "console" or _is_script(b) for b in self.blocks)


def _is_script(block: Block) -> bool:
    return block.language == "python" and not block.file


def blocks(text: str) -> list[Block]:
    """The fenced blocks of a page or a part of one."""
    out = []
    end = 0
    for found in _FENCE.finditer(text):
        language, _, file = found[1].partition(" ")
        out.append(Block(language, file.strip(), found[2], not text[end : found.start()].strip()))
        end = found.end()
    return out


def sessions(page: Path) -> list[Session]:
    """The sessions of a page: one, or one for each second-level heading where the page says
    `<!-- each section by itself -->`. `<!-- needs ray -->` says what a session needs."""
    text = page.read_text()
    parts = [text]
    if "<!-- each section by itself -->" in text:
        parts = re.split(r"^(?=## )", text, flags=re.MULTILINE)
    out = []
    for part in parts:
        title = re.match(r"## (.*)", part)
        needs = re.search(r"<!-- needs (\w+) -->", part)
        name = page.name if title is None else f"{page.name}: {title[1]}"
        out.append(Session(name, tuple(blocks(part)), needs[1] if needs else ""))
    return out


class Shell:
    """A shell in a folder, as somebody has who has installed the project and sees no colours."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("WFC_", "PYTEST"))}
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        plain = {"NO_COLOR": "1", "COLUMNS": "80", "PATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
        self._process = subprocess.Popen(
            ["bash", "--norc"],
            cwd=folder,
            env={**kept, **plain, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, command: str) -> str:
        """What a command prints, on both streams."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        mark = "=== that was all ==="
        self._process.stdin.write(f"{{ {command}\n}} < /dev/null\necho; echo '{mark}'\n")
        self._process.stdin.flush()
        timer = threading.Timer(LIMIT, self._process.kill)
        timer.start()
        lines = []
        try:
            for line in self._process.stdout:
                if line.rstrip("\n") == mark:
                    return "".join(lines)
                lines.append(line)
        finally:
            timer.cancel()
        raise AssertionError(f"`{command}` ended the shell, or took {LIMIT} s: {''.join(lines)}")

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()


def play(session: Session, folder: Path, environment: Mapping[str, str]) -> None:
    """Do all that a session says; raises `AssertionError` where something else comes of it."""
    shell = Shell(folder, environment)
    printed = ""
    try:
        for block in session.blocks:
            if block.file:
                where = folder / shell.run("pwd").strip() / block.file
                where.parent.mkdir(parents=True, exist_ok=True)
                where.write_text(block.text)
            elif _is_script(block):
                (folder / "snippet.py").write_text(block.text)
                printed = shell.run(f"python {folder}/snippet.py || echo failed: $?")
                assert "failed: " not in printed, f"{block.text}\n{printed}"
            elif block.language == "text" and block.follows:
                compare(block.text, printed, "the script")
            elif block.language == "console":
                for command, expected in commands(block.text):
                    compare(expected, shell.run(command), f"$ {command}")
    finally:
        shell.close()


def commands(text: str) -> Iterator[tuple[str, str]]:
    """The commands of a block, each with what it should print."""
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, _, expected = part.partition("\n")
        while command.endswith("\\"):
            more, _, expected = expected.partition("\n")
            command = f"{command[:-1]}{more}"
        yield command, expected


def compare(expected: str, printed: str, what: str) -> None:
    """Raise `AssertionError` unless this was printed."""
    wanted, got = _tidied(expected), _tidied(printed)
    pattern = "".join(
        r"(?:.*\n)*?" if line == "…" else "[^\n]*?".join(map(re.escape, line.split("…"))) + "\n"
        for line in wanted.splitlines()
    )
    assert re.fullmatch(pattern, got), f"{what}\nshould print\n{wanted}\nand prints\n{got}"


_FIGURE = re.compile(
    r"\b\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\b|\b\d+(?:\.\d+)? ?(?:ms|s|m|h|B|kB|MB)(?![\w-])"
)
"""Dates, durations and sizes: they are others each time."""

_NOW_AND_THEN = re.compile(r"[\w.-]+: \d[\d,]* done\b")
"""How far a run is, which is said where it takes longer than usual."""


def _tidied(text: str) -> str:
    lines = []
    for line in text.splitlines():
        if _NOW_AND_THEN.match(line):
            continue
        plain = _FIGURE.sub("FIGURE", line.rstrip())
        lines.append(re.sub(" +", " ", plain) if plain != line.rstrip() else plain)
    return "".join(f"{line}\n" for line in lines if line)


def copied(session: Session, folder: Path) -> None:
    """What a session finds in its folder: the README is of the project's own."""
    if session.name.startswith("README"):
        shutil.copytree(ROOT / "examples", folder / "examples")
