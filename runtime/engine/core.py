"""What all parts of the engine share: what there is of a run, what is to be done, and what came of it."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from wfc.plan.model import Plan
from wfc.runtime.engine.graphs import Book
from wfc.runtime.engine.records import (
    DUE,
    Append,
    Claimed,
    Computed,
    Effect,
    Ended,
    Record,
    Signalled,
)
from wfc.runtime.engine.state import Dispatch, Fan, Frame, Scope, hosts
from wfc.runtime.values import Chunk, Inline, Value


class Core:
    """What the parts of the engine share: the registries, the agenda, and the effects so far.

    Nothing here recurses: a step puts what follows from it on the agenda, so that ten thousand
    nested frames are no deeper than two. `homes` are the processes that are parked (or about to be),
    by the work that parks them, each with how many works are to run in it; `leaving` those that are
    not needed any more once these have ended. `strays` are records of a replay by the path of what
    they are of, which was not open yet; `opened` those of these paths that have opened since. `late`:
    such records are being folded in. `grown` are the graphs that go on inside of instances: an element
    (or frame, or node) waits for one at a time.
    `decisions` are what waits, timers and receives had come to (by the path of the scope, and the node),
    `dues` when timers are due, and `unwritten` such choices that a recovery has made and that the journal
    does not hold yet. `claims` tell of signals, by id, who took each (a scope's path, and a node), and
    `None` where it is known that nobody had: such ones of an earlier life are `untaken`, those of which
    nothing is known are `untold`.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.book = Book(plan)
        self.now = 0.0
        self.live = True
        self.late = False
        self.agenda: deque[tuple[Callable[..., None], tuple[Any, ...]]] = deque()
        self.effects: list[Effect] = []
        self.works: dict[int, Dispatch] = {}
        self.ready: dict[int, Dispatch] = {}
        self.next_work = 1
        self.scopes: dict[str, list[Scope]] = {}
        self.fans: dict[tuple[str, str], Fan] = {}
        self.frames: dict[str, Frame] = {}
        self.timers: list[tuple[float, str]] = []
        self.timer_calls: dict[str, Callable[[], None]] = {}
        self.signals: dict[str, dict[str, Value]] = {}
        self.claims: dict[str, tuple[str, str] | None] = {}
        self.untaken: list[Signalled] = []
        self.untold: dict[str, None] = {}
        self.decisions: dict[tuple[str, str], Any] = {}
        self.dues: dict[tuple[str, str], float] = {}
        self.unwritten: dict[tuple[str, str, str], Any] = {}
        self.signal_ids: set[str] = set()
        self.receivers: dict[str, deque[tuple[Scope, int]]] = {}
        self.homes: dict[int, int] = {}
        self.leaving: set[int] = set()
        self.orphans: dict[str, dict[str, Value]] = {}
        self.strays: dict[str, list[Record]] = {}
        self.opened: list[str] = []
        self.grown: dict[tuple[str, str, int], Frame] = {}
        self.orphan_rows: dict[
            tuple[str, str], list[tuple[Sequence[int], Mapping[str, Chunk | int]]]
        ] = {}
        self.before_home: dict[int, list[Dispatch]] = {}
        self.undecided: dict[tuple[str, str, str], tuple[Scope, Callable[[Value], None]]] = {}
        self.retry_undecided: dict[tuple[str, str, str], Callable[[], None]] = {}
        self.computed: dict[tuple[str, str, str], Value] = {}
        self.joined_values: dict[int, dict[str, Value]] = {}
        self.expr_jobs: dict[int, tuple[str, Any, bool]] = {}
        self.root: Frame | None = None
        self.ended = False
        self.unsaid: Ended | None = None
        self.winding = 0
        self.last_outcome: tuple[Any, ...] | None = None
        self.counts: dict[str, int] = {"done": 0, "failed": 0, "retried": 0}

    def later(self, step: Callable[..., None], *args: Any) -> None:
        """Put a step on the agenda."""
        self.agenda.append((step, args))

    def record(self, record: Record, sync: bool = False) -> None:
        """Journal a record (live only: when replaying it is in the journal already)."""
        if self.live:
            self.effects.append(Append(record, sync))

    def has_opened(self, path: str) -> None:
        """Have what was told of a path folded in, now that there is something."""
        if path in self.strays and path not in self.opened:
            self.opened.append(path)

    def choose_for_good(self, path: str, node: str, key: str, what: Any) -> None:
        """Journal a choice. One that a recovery makes, since its record was lost, is journaled when that
        is over."""
        self.unwritten[path, node, key] = what
        if self.live:
            self.write_choices()

    def write_choices(self) -> None:
        """Journal what has been chosen since."""
        for (path, node, key), what in self.unwritten.items():
            if isinstance(what, str):
                self.record(Claimed(what, path, node, self.now))
            else:
                self.record(Computed(path, node, key, Inline(obj=what), self.now))
        self.unwritten.clear()

    def due_at(self, path: str, node: str, seconds: float) -> float:
        """When a timer is due, which is set for so many seconds: where it was set in an earlier life,
        as it was then."""
        due = self.dues.pop((path, node), None)
        if due is None:
            due = self.now + max(0.0, seconds)
            self.choose_for_good(path, node, DUE, due)
        return due

    def open_timer(self, key: str, due: float, call: Callable[[], None]) -> None:
        """Have `call` made once `due` (seconds since the epoch) has come."""
        heapq.heappush(self.timers, (due, key))
        self.timer_calls[key] = call

    def pop_timer(self) -> str:
        """Take the earliest timer off; gives its key."""
        return heapq.heappop(self.timers)[1]

    def close_timer(self, key: str) -> None:
        """Forget a timer."""
        self.timer_calls.pop(key, None)

    def locate(self, path: str, node: str) -> tuple[Scope, int] | None:
        """The living scope at `path` that has the node, and the node's number: the newest, since one
        that has ended may still be kept."""
        for scope in reversed(self.scopes.get(path, ())):
            index = scope.g.ids.get(node)
            if index is not None and scope.alive:
                return scope, index
        return None

    def new_work(self, kind: str, scope: Scope, node: int, **more: Any) -> Dispatch:
        """Register a work; it is built and submitted when the agenda is empty."""
        work = Dispatch(self.next_work, kind, scope, node, **more)
        self.next_work += 1
        self.works[work.id] = work
        self.ready[work.id] = work
        return work

    def move(self, work: Dispatch, home: int | None) -> None:
        """Have a work run in this parked process; `None`: wherever there is room."""
        for at, change in ((work.home, -1), (home, 1)):
            if at is not None and at in self.homes:
                self.homes[at] += change
        work.home = home

    def home_of(self, frame: Frame) -> int | None:
        """The process that a frame is at home in, if there is one: its own, or its caller's."""
        homes = (at.home for at in hosts(frame))
        return next((home for home in homes if home in self.homes), None)

    def forget(self, work: int) -> Dispatch | None:
        """Take a work off the books; gives what it was."""
        known = self.works.pop(work, None)
        self.ready.pop(work, None)
        if known is not None:
            self.move(known, None)
        return known
