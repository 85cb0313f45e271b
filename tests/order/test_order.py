"""A set has one order: in each process, in each life of a run, in every form of expression."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import wfc
from tests.order.kinds import Bag, Box, Color, Plain, Point, Shelf, said
from wfc.plan.order import iterate, text
from wfc.runtime import codec

ROOT = Path(__file__).resolve().parents[2]
SPEC = Path(__file__).with_name("sets.wf")

words = st.text("abcdxyz", min_size=1, max_size=3)
items: Any = st.recursive(
    words
    | st.integers(-9, 9)
    | st.floats(width=32)
    | st.none()
    | st.binary(max_size=2)
    | st.sampled_from(Color)
    | st.builds(Plain, words),
    lambda inner: (
        st.tuples(inner, inner)
        | st.frozensets(inner, max_size=5)
        | st.builds(Point, words, st.frozensets(inner, max_size=5))
    ),
    max_leaves=8,
)
sets = st.one_of(
    st.sets(words, min_size=2, max_size=9),
    st.sets(st.floats(-1e16, 1e16), min_size=2, max_size=9),
    st.sets(items, max_size=9),
    st.frozensets(items, max_size=9),
    st.builds(Bag, st.sets(items, max_size=9)),
)
values = sets | st.one_of(
    st.builds(Box, sets),
    st.builds(Shelf, sets),
    st.lists(sets, max_size=3),
    st.dictionaries(items, sets, max_size=3),
    st.builds(Box, st.lists(st.builds(Box, sets), max_size=3)),
)


def test_all_processes_agree(tmp_path: Path) -> None:
    found: list[Any] = []

    @settings(max_examples=150, database=None, deadline=None, derandomize=True,
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(values)
    def collect(value: Any) -> None:
        found.append((codec.encode(value), said(value)))

    collect()
    file = tmp_path / "values"
    file.write_text("\n".join(data.hex() for data, _ in found))
    for seed in ("1", "2", "3"):
        out = subprocess.run(
            [sys.executable, "-m", "tests.order.kinds", str(file)],
            cwd=ROOT, env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
        for (data, here), there in zip(found, json.loads(out), strict=True):
            assert there == here, codec.decode(data)


@pytest.mark.parametrize("made", [Box, Shelf])
def test_the_items_of_an_object_are_its_own(made: Any) -> None:
    inside = {Plain("b"), Plain("a"), Plain("c")}
    got = list(iterate(made(inside)))
    assert [p.name for p in got] == ["a", "b", "c"]
    assert set(got) == inside


def test_texts_are_those_of_python() -> None:
    for value in (
        set(),
        frozenset(),
        {"a"},
        frozenset({1}),
        Bag("a"),
        [{"a"}],
        {"k": {1}},
        Point("p"),
    ):
        assert text(value, repr) == repr(value)


def command(folder: Path, seed: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command whose process a task of `steps.py` may end."""
    program = (
        "import os, sys, pathlib; pathlib.Path(sys.argv.pop(1)).write_text(str(os.getpid()));"
        "import runpy; runpy.run_module('wfc', run_name='__main__', alter_sys=True)"
    )
    return subprocess.run(
        [sys.executable, "-c", program, str(folder / "pid"), *arguments, "--store", str(folder / "s")],
        env={**os.environ, "PYTHONHASHSEED": str(seed)}, capture_output=True, text=True, timeout=120,
    )  # fmt: skip


@pytest.mark.parametrize("more", [(), ("--no-optimize",)], ids=["optimized", "as written"])
def test_a_run_that_is_killed_goes_on_in_the_same_order(tmp_path: Path, more: Any) -> None:
    folder = tmp_path
    target = ["run", f"{SPEC}:main", f"-pfolder={folder}", "--local", "--run-id", "r", *more]
    for seed, kill in enumerate((4, 15), 1):
        (folder / "kill").write_text(str(kill))
        ended = command(folder, seed, *target)
        assert ended.returncode == -9, ended.stderr
        target = ["resume", "r", "--local"]
    ended = command(folder, 9, *target)
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout) == [0, 0]


@pytest.mark.ray
def test_pairs_are_right_on_ray(tmp_path: Path, ray_session: str) -> None:
    run = wfc.start(
        str(SPEC), params={"folder": str(tmp_path)}, store=str(tmp_path / "s"), address=ray_session
    )
    assert run.result(60) == [0, 0]
