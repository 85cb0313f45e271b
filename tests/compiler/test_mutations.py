"""Mutations of the examples and of the corpus through check and compile: a diagnostic or a plan, soon.

`WFC_MUTATIONS=10000 pytest tests/compiler/test_mutations.py` tries that many; the ordinary command some
hundreds, of the same seeds.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import time
from collections import Counter
from pathlib import Path

import pytest

import wfc.compiler.explained  # noqa: F401 - registers all codes
from wfc.compiler import compile_spec
from wfc.dsl.codes import CODES
from wfc.dsl.render import render
from wfc.plan.model import Plan

ROOT = Path(__file__).resolve().parent.parent.parent
COUNT = int(os.environ.get("WFC_MUTATIONS", "400"))
PARTS = 4
SECONDS = 1.0
"""What a mutation may take, of the processor's time: the machine may be busy."""

TOKEN = re.compile(r"[^\W\d]\w*|\d[\w.]*|\"[^\"\n]*\"|[ \t]+|\n|.", re.DOTALL)
KINDS = ("delete", "double", "swap", "cut", "cut the start", "bytes", "one byte", "borrow")


def specs() -> list[Path]:
    folders = [*sorted((ROOT / "examples").iterdir()), ROOT / "tests/programs"]
    return [path for folder in folders for path in sorted(folder.glob("*.wf"))]


SPECS = specs()


def mutated(path: Path, kind: str, chance: random.Random) -> bytes:
    """The file of a spec with something wrong with it, most of the time."""
    data = path.read_bytes()
    if kind.startswith("cut"):
        at = chance.randrange(len(data))
        return data[:at] if kind == "cut" else data[at:]
    if kind.endswith("bytes") or kind == "one byte":
        at = chance.randrange(len(data))
        size = 1 if kind == "one byte" else chance.randrange(1, 40)
        return data[:at] + chance.randbytes(size) + data[at + chance.randrange(size + 1) :]
    tokens = TOKEN.findall(data.decode())
    for _ in range(chance.choice([1, 1, 1, 2, 5])):
        at, other = chance.randrange(len(tokens)), chance.randrange(len(tokens))
        if kind == "delete":
            tokens[at] = ""
        elif kind == "double":
            tokens[at] *= 2
        elif kind == "swap":
            tokens[at], tokens[other] = tokens[other], tokens[at]
        else:
            tokens[at] = chance.choice(TOKEN.findall(chance.choice(SPECS).read_text()))
    return "".join(tokens).encode()


def outcome(path: Path, data: bytes) -> str:
    """Compile a file: that there is a plan or a code, and no exception; gives which."""
    path.write_bytes(data)
    began = time.process_time()
    done = compile_spec(path)
    found = time.process_time() - began
    assert found < SECONDS, f"{found:.1f} s"
    assert all(d.code in CODES and d.message for d in done.diagnostics)
    text = render(done.diagnostics, {path.name: data.decode("utf-8", "replace"), **done.sources})
    assert bool(text) == bool(done.diagnostics)
    if done.plan is None:
        errors = [d.code for d in done.diagnostics if d.severity == "error"]
        assert errors
        return errors[0]
    assert Plan.from_json(done.plan.to_json()).entry == done.plan.entry
    return "plan"


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_mutations(part: int, tmp_path: Path) -> None:
    copies = {}
    for folder in {path.parent for path in SPECS}:
        copies[folder] = tmp_path / folder.name
        kept = shutil.ignore_patterns("__pycache__", "*.csv", ".wfc")
        shutil.copytree(folder, copies[folder], ignore=kept)
    outcomes: Counter[str] = Counter()
    for seed in range(part, COUNT, PARTS):
        chance = random.Random(seed)
        path, kind = chance.choice(SPECS), KINDS[seed // PARTS % len(KINDS)]
        data = mutated(path, kind, chance)
        place = copies[path.parent] / path.name
        try:
            outcomes[outcome(place, data)] += 1
        except Exception as error:
            raise AssertionError(
                f"seed {seed}, {kind} of {path.name}: {error!r}\n{data!r}"
            ) from error
        finally:
            place.write_bytes(path.read_bytes())
    # It would be no test if nothing was wrong, or nothing right, with what is tried.
    assert outcomes["plan"] > 0
    assert len(outcomes) > 10
