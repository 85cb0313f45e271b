"""Sizes of batches, sets of offsets, slices of works."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.executors.fakes import work
from wfc.runtime.executors.batching import BUDGET, GROWTH, LONG, WORTH, Pace, Ranges, share
from wfc.runtime.executors.pieces import Slicer, merge, narrow, rebase
from wfc.runtime.values import Column, Inline, Rows, load_inline
from wfc.runtime.work import Done, Failed, Work

SPAN = st.tuples(st.integers(0, 40), st.integers(0, 12)).map(lambda s: (s[0], s[0] + s[1]))
STEP = st.one_of(
    st.tuples(st.just("add"), SPAN),
    st.tuples(st.just("discard"), SPAN),
    st.tuples(st.just("take"), st.integers(1, 9)),
)


@given(st.lists(STEP, max_size=30))
def test_ranges_are_a_set(steps: list[tuple[str, object]]) -> None:
    ranges, model = Ranges(), set[int]()
    for name, argument in steps:
        if isinstance(argument, int):
            if not model:
                with pytest.raises(IndexError):
                    ranges.take(argument)
                continue
            start, stop = ranges.take(argument)
            assert start == min(model)
            assert 0 < stop - start <= argument
            model -= set(range(start, stop))
        else:
            start, stop = argument  # type: ignore[misc]
            if name == "add":
                ranges.add(start, stop)
                model |= set(range(start, stop))
            else:
                gone = {n for a, b in ranges.discard(start, stop) for n in range(a, b)}
                assert gone == model & set(range(start, stop))
                model -= gone
        assert [n for a, b in ranges for n in range(a, b)] == sorted(model)
        assert len(ranges) == len(model)
        assert all((n in ranges) == (n in model) for n in range(55))
        spans = list(ranges)
        assert all(a[1] < b[0] for a, b in itertools.pairwise(spans)), "spans are merged"


def test_an_unknown_function_travels_alone() -> None:
    assert Pace().group(BUDGET) == 1


def test_sizes_grow_by_what_was_seen_and_end_at_the_budget() -> None:
    pace = Pace()
    sizes = []
    for _ in range(5):
        size = pace.group(BUDGET)
        sizes.append(size)
        pace.observe(size, size * 1e-5)
    assert sizes[:2] == [1, GROWTH]
    assert sizes[-1] == pytest.approx(BUDGET / 1e-5, rel=0.01)


def test_long_elements_travel_alone() -> None:
    pace = Pace()
    pace.observe(100, 100 * 1.01 * LONG)
    assert pace.group(10.0) == 1


def test_a_cold_start_counts_only_while_nothing_better_is_known() -> None:
    pace = Pace()
    pace.observe(1, 0.8, cold=True)
    assert pace.known
    assert pace.group(BUDGET) == 1
    pace.observe(1, 1e-4)
    assert pace.mean == pytest.approx(1e-4)


def test_rare_long_elements_keep_the_last_batches_small() -> None:
    smooth, heavy = Pace(), Pace()
    for _ in range(20):
        smooth.observe(100, 0.01)
        heavy.observe(100, 0.01)
    heavy.observe(1, 0.4)
    assert heavy.group(1.0, last=True) < heavy.group(1.0) / 2
    assert smooth.group(1.0, last=True) == smooth.group(1.0)


@given(st.floats(0, 1e4), st.integers(1, 500), st.floats(1e-4, 0.01))
def test_a_share_is_never_more_than_half_of_what_an_even_split_would_give(
    queued: float, slots: int, overhead: float
) -> None:
    size = share(queued, slots, overhead)
    assert size <= max(BUDGET, WORTH * overhead)
    assert size <= max(queued / (2 * slots), overhead)


@given(st.lists(st.integers(1, 7), min_size=1, max_size=5), st.data())
def test_a_slice_has_the_items_of_its_indices(sizes: list[int], data: st.DataObject) -> None:
    chunks: list[object] = []
    at = 0
    for n, size in enumerate(sizes):
        items = list(range(at, at + size))
        chunks.append(Column(None, size, items) if n % 2 else [Inline(obj=i) for i in items])
        at += size
    whole = Work(
        7,
        "main/xs",
        "main",
        items=Rows(chunks),  # type: ignore[arg-type]
        indices=range(100, 100 + at),
        failures={0: {"a": 2}, at - 1: {"a": 3}},
    )
    start = data.draw(st.integers(0, at - 1))
    stop = data.draw(st.integers(start + 1, at))
    piece = Slicer(whole).cut(start, stop)
    assert piece.items is not None
    assert load_inline(piece.items) == list(range(start, stop))
    assert list(piece.indices) == list(range(100 + start, 100 + stop))
    failures = {0: {"a": 2}, at - 1: {"a": 3}}
    assert piece.failures == {k - start: v for k, v in failures.items() if start <= k < stop}


def test_a_slice_of_a_million_costs_nothing_per_element() -> None:
    slicer = Slicer(work(1, 1_000_000))
    assert slicer.cut(999_990, 1_000_000).indices == range(999_990, 1_000_000)
    assert math.isclose(slicer.weight(5), 0.0)


def test_reports_come_back_with_offsets_of_the_whole() -> None:
    done = Done(1, 2, 3, {"f": Column(None, 3, ["a", "b", "c"])})
    assert rebase(done, 10).start == 12  # type: ignore[union-attr]
    middle = narrow(done, 1, 2)
    assert (middle.start, middle.count) == (3, 1)
    column = middle.columns["f"]
    assert isinstance(column, Column)
    assert column.load() == ["b"]
    failed = Failed(1, 0, "f", None)  # type: ignore[arg-type]
    assert rebase(failed, 4).offset == 4  # type: ignore[union-attr]


def test_neighbouring_completions_become_one_report() -> None:
    def done(work: int, start: int, *items: str) -> Done:
        return Done(work, start, len(items), {"f": Column(None, len(items), list(items))})

    failed = Failed(1, 3, "f", None)  # type: ignore[arg-type]
    merged = merge(
        [done(1, 0, "a"), done(1, 1, "b", "c"), failed, done(1, 4, "d"), done(2, 5, "e")]
    )
    assert [(r.work, r.start, r.count) for r in merged if isinstance(r, Done)] == [
        (1, 0, 3),
        (1, 4, 1),
        (2, 5, 1),
    ]
    assert merged[1] is failed
    first = merged[0]
    assert isinstance(first, Done)
    assert first.columns["f"].load() == ["a", "b", "c"]  # type: ignore[union-attr]
