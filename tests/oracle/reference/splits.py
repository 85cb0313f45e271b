"""Which members of a `wait` were ready, and whether the language allows that."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Split:
    """How a `wait` ended: the positions of the members that were ready, that had failed, and that were
    known by then to be left out by a filter."""

    ready: tuple[int, ...]
    failed: tuple[int, ...] = ()
    timed_out: bool = False
    absent: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class WaitView:
    """What a policy is told of a `wait`: its path, whether each member succeeds, the quorum, …

    `absent` are members that a filter leaves out, which shows as they end; so a share of them may be
    up to `most` of those that are left.
    """

    path: str
    succeeds: tuple[bool, ...]
    quorum: int
    has_timeout: bool
    absent: frozenset[int] = frozenset()
    most: int | None = None


WaitPolicy = Callable[[WaitView], Split | None]
"""Gives the split of a `wait`, or `None` for a `wait` that failed."""


def in_order(view: WaitView) -> Split | None:
    """Members complete in their order, and never too late."""
    return by_order(range(len(view.succeeds)), view)


def by_order(order: Iterable[int], view: WaitView) -> Split | None:
    """The split when the members complete in this order."""
    ready: list[int] = []
    failed: list[int] = []
    for index in order:
        if len(ready) >= view.quorum:
            break
        if index in view.absent:
            continue
        (ready if view.succeeds[index] else failed).append(index)
    if len(ready) < view.quorum:
        return None
    return Split(tuple(sorted(ready)), tuple(sorted(failed)))


class Replayed:
    """The splits that a real run made, by path; other waits are as `otherwise` says."""

    def __init__(
        self, splits: Mapping[str, Split | None], otherwise: WaitPolicy = in_order
    ) -> None:
        self.splits = splits
        self.otherwise = otherwise
        self.used: set[str] = set()

    def __call__(self, view: WaitView) -> Split | None:
        if view.path not in self.splits:
            return self.otherwise(view)
        self.used.add(view.path)
        return self.splits[view.path]


def check_split(view: WaitView, split: Split | None) -> None:
    """Raise `AssertionError` when the language does not allow this split."""
    count = len(view.succeeds)
    if split is None:
        assert sum(view.succeeds) < view.quorum, f"{view}: failed, but could be reached"
        return
    assert all(view.succeeds[i] for i in split.ready), f"{view}: ready members failed: {split}"
    assert not any(view.succeeds[i] for i in split.failed), (
        f"{view}: failed members are fine: {split}"
    )
    assert all(0 <= i < count for i in split.ready + split.failed), (
        f"{view}: no such member: {split}"
    )
    assert list(split.ready) == sorted(set(split.ready)), f"{view}: not in input order: {split}"
    assert view.absent >= set(split.absent), f"{view}: not filtered out: {split}"
    assert not view.absent & {*split.ready, *split.failed}, f"{view}: filtered out: {split}"
    assert not set(split.ready) & set(split.failed), f"{view}: ready and failed: {split}"
    if split.timed_out:
        assert view.has_timeout, f"{view}: timed out without a timeout: {split}"
        most = view.quorum if view.most is None else view.most
        assert len(split.ready) < most, f"{view}: timed out, but was reached: {split}"
    else:
        most = view.quorum if view.most is None else view.most
        assert view.quorum <= len(split.ready) <= most, f"{view}: not the quorum: {split}"
