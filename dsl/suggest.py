"""The nearest of some known names, for `did you mean …?`."""

from __future__ import annotations

from collections.abc import Iterable


def distance(a: str, b: str, limit: int) -> int:
    """How many letters to add, drop, change or swap to get from `a` to `b`; above `limit` when more."""
    if abs(len(a) - len(b)) > limit:
        return limit + 1
    far = limit + 1
    # A row holds what is at most `limit` places off the diagonal: all else costs more.
    before: dict[int, int] = {}
    row = {j: j for j in range(min(limit, len(b)) + 1)}
    for i, x in enumerate(a, 1):
        before, last, row = row, before, {0: i} if i <= limit else {}
        for j in range(max(1, i - limit), min(len(b), i + limit) + 1):
            cost = min(
                before.get(j, far) + 1, row.get(j - 1, far) + 1, before.get(j - 1, far) + (x != b[j - 1])
            )  # fmt: skip
            if i > 1 and j > 1 and x == b[j - 2] and a[i - 2] == b[j - 1]:
                cost = min(cost, last.get(j - 2, far) + 1)
            row[j] = cost
        if min(row.values()) > limit:
            return far
    return min(row[len(b)], far)


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that `name` is most likely a slip of, or `None` when none is near enough."""
    limit = 0 if len(name) == 1 else 1 if len(name) <= 4 else 2 if len(name) <= 8 else 3
    best: tuple[int, str] | None = None
    for candidate in known:
        if candidate == name:
            continue
        cost = distance(name.lower(), candidate.lower(), limit)
        if cost <= limit and (best is None or (cost, candidate) < best):
            best = (cost, candidate)
    return best[1] if best else None
