"""The generated programs are valid, varied and reproducible."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings

from tests.oracle.generate import LARGE, SMALL, Knobs, program, programs
from tests.oracle.source import Recorded, Seeded, shrink
from tests.programs.runner import case_of, parsed, reference

KNOBS = [SMALL, Knobs(), LARGE, Knobs(splits=True)]
CONSTRUCTS = [
    " after (", "catch ", "continuation ", "inplace ", "nocheckpoint ", "wait(", "cancel(", "finally:",
    "receive(", "sleep(", "import \"lib.wf\"", " with (", " if ", "elif ", "else:", "task ", " for ",
    "fail(", "settle(", "use_all(", "both_held(", "some_held(", "one_held(",
    "concurrency=", "timeout=", " or ", "f\"",
]  # fmt: skip


@pytest.mark.parametrize("knobs", KNOBS, ids=["small", "usual", "large", "splits"])
@settings(max_examples=25)
@given(seed=...)
def test_every_program_runs(knobs: Knobs, seed: int) -> None:
    outcome = reference(case_of(program(Seeded(seed), knobs)))
    assert outcome.ok or outcome.errors
    assert sum(outcome.must.values()) < 20 * knobs.calls


@settings(max_examples=25)
@given(made=programs(SMALL))
def test_the_strategy(made: object) -> None:
    assert "workflow main" in str(made)


def test_all_constructs_occur() -> None:
    seen: Counter[str] = Counter()
    ended: Counter[bool] = Counter()
    for seed in range(300):
        made = program(Seeded(seed), Knobs())
        text = "\n".join(made.files.values())
        seen.update(construct for construct in CONSTRUCTS if construct in text)
        if seed % 5 == 0:
            ended[reference(case_of(made)).ok] += 1
    assert set(seen) == set(CONSTRUCTS)
    assert ended[True] > ended[False] > 0


def test_same_seed_same_program() -> None:
    source = Seeded(7)
    made = program(source, Knobs())
    assert str(program(Seeded(7), Knobs())) == str(made)
    assert str(program(Recorded(source.made), Knobs())) == str(made)


def test_shrinking_gives_a_small_program() -> None:
    def has_wait(choices: list[int]) -> bool:
        return "wait(" in program(Recorded(choices), Knobs()).files["main.wf"]

    source = Seeded(0)
    for seed in range(100):
        source = Seeded(seed)
        if "wait(" in program(source, Knobs()).files["main.wf"]:
            break
    small = program(Recorded(shrink(source.made, has_wait)), Knobs())
    body = small.files["main.wf"].partition("workflow main")[2].strip().splitlines()
    assert len(body) <= 7, str(small)
    parsed(small.files)
