"""How many more slots the queue of a shape could use: what a cluster is asked to grow by. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice

from wfc.runtime.executors.batching import Pace
from wfc.runtime.executors.flights import Job, Key

ASK_EVERY = 1.0
"""Seconds between two looks at what is wanted."""

WORTH_A_SLOT = 2.0
"""Seconds of work for which one more slot is worth asking: a node takes longer to come than that."""

SOON = 15.0
"""Seconds in which the slots that there are will be through: nothing is asked for then. What waits for
one more takes a slot from nobody, but it costs each batch a few hundredths of a second."""

MOST = 100
"""Slots that are asked for at most, or as many as there are: a large cluster doubles. Each is a pending
task of Ray's."""

GUESS = 10
"""The same, of which nobody knows how long an element takes."""

LOOKED_AT = 10_000
"""Works that are looked at, at most."""


def wanted(jobs: Iterable[Job], paces: Mapping[Key, Pace], slots: int, age: float) -> int:
    """How many slots more than the `slots` that there are would get enough to do.

    `jobs` wait for one shape; `age` is for how many seconds the longest one under way has been: of a
    kind that has never completed, an element takes that long at least.
    """
    most = max(MOST, slots)
    known, guessed, seconds = 0, 0, 0.0
    for job in islice(jobs, LOOKED_AT):
        limit = job.work.limit
        count = job.todo.count
        room = count if limit is None else min(count, max(1, limit) - job.flights)
        if room <= 0:
            continue
        pace = paces.get(job.key)
        if pace is not None and pace.known:
            known += room
            seconds += min(count * pace.mean, room * most * WORTH_A_SLOT)
        elif age >= ASK_EVERY:
            guessed += room
            seconds += room * age
        if known >= most and seconds >= 2 * most * WORTH_A_SLOT:
            break
    if not guessed and seconds < slots * SOON:
        return 0
    guessed = min(guessed, max(GUESS, slots))
    return max(0, min(known + guessed, most, int(seconds / WORTH_A_SLOT) - slots))
