"""`wfc new`: a small project that works."""

from __future__ import annotations

from pathlib import Path

from wfc.cli.out import say, usage

FILES = {
    "flow.wf": '''"""Count the words of some texts, and add them up."""

from tasks import count_words, longest, Count

workflow main(texts: list[str] = ["to be or not to be", "that is the question"]) -> Count:
    """Each text by itself, in parallel."""
    counts = [count_words(text) for text in texts]
    return longest(counts)
''',
    "tasks.py": '''"""The tasks of flow.wf: plain Python functions."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Count:
    text: str
    words: int


def count_words(text: str) -> Count:
    return Count(text, len(text.split()))


def longest(counts: list[Count]) -> Count:
    return max(counts, key=lambda count: count.words)
''',
    "test_flow.py": """from pathlib import Path

from wfc.testing import crash_everywhere, run

SPEC = Path(__file__).parent / "flow.wf"


def test_main():
    result = run(SPEC, {"texts": ["a b c", "a b"]}).result()
    assert (result.text, result.words) == ("a b c", 3)


def test_a_crash_changes_nothing():
    crash_everywhere(SPEC)
""",
    ".gitignore": ".wfc/\n__pycache__/\n",
}


def new(folder: Path) -> None:
    """The command."""
    taken = [name for name in FILES if (folder / name).exists()]
    if taken:
        usage(f"{folder} has {', '.join(taken)} already")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in FILES.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        usage(f"cannot write to {folder}: {error.strerror}")
    say(f"made {folder}: flow.wf, tasks.py, test_flow.py. To run it:")
    say(f"  wfc run {folder / 'flow.wf'}")
