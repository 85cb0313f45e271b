"""Starting is quick, thread-safe, and takes its tables from a folder of the user's alone."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from wfc.dsl import parser
from wfc.dsl.parser import parse

PROGRAM = """
import time
from wfc.dsl.parser import parse
parse("workflow main():\\n    return f(1)\\n", "x.wf")
print(time.process_time())
"""


def seconds(cache: Path) -> float:
    """The processor time of a new process that parses a small file."""
    out = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True,
        env={"XDG_CACHE_HOME": str(cache), "PATH": ""},
    )  # fmt: skip
    return float(out.stdout)


def test_the_second_process_is_quick(tmp_path: Path) -> None:
    seconds(tmp_path)
    assert min(seconds(tmp_path) for _ in range(3)) < 0.4


def test_the_tables_are_the_users_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    path = parser._cache_file("grammar")
    assert path is not None
    assert path.parent.stat().st_mode & 0o077 == 0
    path.write_bytes(b"")
    path.chmod(0o666)
    assert parser._cache_file("grammar") is None
    path.unlink()
    path.symlink_to(tmp_path / "elsewhere")
    assert parser._cache_file("grammar") is None
    path.unlink()
    path.parent.chmod(0o777)
    assert parser._cache_file("grammar") is None


@pytest.mark.parametrize("contents", [b"", b"rubbish", b"\x80\x05"])
def test_a_broken_table_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, contents: bytes
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(parser, "_grammar", None)
    path = parser._cache_file(parser.grammar_text())
    assert path is not None
    path.write_bytes(contents)
    path.chmod(0o600)
    assert parse("X = 1\n", "x.wf").module is not None


def test_no_folder_for_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/none")
    monkeypatch.setattr(parser, "_grammar", None)
    assert parse("X = 1\n", "x.wf").module is not None


def test_threads() -> None:
    sources = [f'workflow w{i}():\n    return f"{{x{i}}}"\n' * 20 for i in range(8)]
    found: dict[int, object] = {}

    def read(i: int) -> None:
        found[i] = parse(sources[i], f"{i}.wf")

    threads = [threading.Thread(target=read, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i, source in enumerate(sources):
        assert found[i] == parse(source, f"{i}.wf")
