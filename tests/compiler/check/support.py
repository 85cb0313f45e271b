"""What the tests of the checks share: specs as text, beside the Python of `cases`."""

from __future__ import annotations

import functools
import re
import tempfile
from pathlib import Path

from wfc.compiler.check import check, entry
from wfc.compiler.project import Project, load
from wfc.dsl.diagnostics import Diagnostic

CASES = Path(__file__).parent / "cases"
_FILE = re.compile(r"^# file: (\S+)\n", re.MULTILINE)
_RUN = re.compile(r"^# run: (\S+)$", re.MULTILINE)


@functools.cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    """A folder with the Python modules of `cases`, a project's root of its own."""
    folder = tempfile.TemporaryDirectory()
    (Path(folder.name) / ".wfc").mkdir()
    for source in CASES.glob("*.py.txt"):
        (Path(folder.name) / source.name.removesuffix(".txt")).write_text(source.read_text())
    return folder


def project(text: str) -> Project:
    """A project of the spec `main.wf` with that text, and of the files that follow it in the text
    after lines `# file: path`."""
    first, *rest = _FILE.split(text)
    files = {"main.wf": first, **dict(zip(rest[::2], rest[1::2], strict=True))}
    return load(Path(_folder().name) / "main.wf", overlay=files)


def findings(text: str) -> list[Diagnostic]:
    """All that is found in a spec: that it has no entry too, and by `# strict`, strictly."""
    made = project(text)
    found = check(made, strict="\n# strict\n" in "\n" + text)
    named = _RUN.search(text)
    start = entry(made, named.group(1) if named else None)
    if isinstance(start, Diagnostic) and not made.entry.broken:
        return [*found, start]
    return found
