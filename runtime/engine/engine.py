"""The engine itself: events in, effects out; records in, state out."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from wfc.runtime.engine.records import (
    Append,
    Began,
    CancelEvent,
    Cancelled,
    Effect,
    Record,
    SignalEvent,
    Signalled,
    Tick,
)
from wfc.runtime.engine.replaying import Replaying
from wfc.runtime.values import (
    Value,
)
from wfc.runtime.work import (
    Became,
    Done,
    Failed,
    HomeLost,
    Hop,
    Log,
    Lost,
    Partial,
    Report,
    ValueLost,
)

Event = Report | Tick | SignalEvent | CancelEvent
Left = Callable[[Record], Iterable[Record]]


class Engine(Replaying):
    """A run as a pure state machine.

    `begin` starts it, `handle` takes an event and gives effects, `recover` takes in the records of
    earlier lives, `resume` gives what was under way when the last one ended. Times are seconds since
    the epoch and always come from outside.
    """

    def begin(self, params: dict[str, Value], now: float) -> list[Effect]:
        """Start the run with parameters by name (defaults are the compiler's business)."""
        self.live = True
        self.now = now
        self.record(Began(params, now))
        self._begin(params)
        return self._settle_down()

    def handle(self, event: Event, now: float) -> list[Effect]:
        """Take one event. Reports of works that no longer count are ignored."""
        self.now = max(self.now, now)
        if self.ended:
            return []
        if isinstance(event, Done):
            self._on_done(event)
        elif isinstance(event, Partial):
            self._on_partial(event)
        elif isinstance(event, Hop):
            self._on_hop(event)
        elif isinstance(event, Failed):
            self._on_failed(event)
        elif isinstance(event, Lost):
            self._on_lost(event)
        elif isinstance(event, Became):
            self._on_became(event)
        elif isinstance(event, HomeLost):
            self._on_home_lost(event)
        elif isinstance(event, ValueLost):
            self._on_value_lost(event)
        elif isinstance(event, Tick):
            self._on_tick()
        elif isinstance(event, SignalEvent):
            if event.id not in self.signal_ids:
                self._apply(
                    Signalled(event.name, event.id, event.payload, self.now, True), sync=True
                )
        elif isinstance(event, CancelEvent):
            self._apply(Cancelled(event.reason, self.now))
        elif isinstance(event, Log):
            pass
        return self._settle_down()

    def recover(
        self, found: Iterable[Record], left: Left = lambda record: (record,)
    ) -> list[Record]:
        """Take in the records of earlier lives: all that there are, in their order. `left` tells what
        of each still holds, and is asked when those before it are in; gives all that does."""
        self.live = False
        records = list(found)
        for record in records:
            self._foresee(record)
        kept: list[Record] = []
        for record in records:
            for part in left(record):
                self.now = max(self.now, part.at)
                self._replay(part)
                self.run_agenda()
                self.catch_up()
                kept.append(part)
        self.effects.clear()
        return kept

    def resume(self, now: float) -> list[Effect]:
        """Take the run up again where `recover` has left it."""
        self.live = True
        self.now = max(self.now, now)
        self.homes.clear()
        for scopes in self.scopes.values():
            for scope in scopes:
                scope.regions.clear()
        self.take_up()
        return self._settle_down()

    def next_due(self) -> float | None:
        """When the next timer is due (seconds since the epoch)."""
        while self.timers and self.timers[0][1] not in self.timer_calls:
            self.pop_timer()
        return self.timers[0][0] if self.timers else None

    # ------------------------------------------------------------------ turning the crank

    def run_agenda(self) -> None:
        """Do all that is on the agenda."""
        while self.agenda:
            step, args = self.agenda.popleft()
            step(*args)

    def _settle_down(self) -> list[Effect]:
        self._run()
        while self.ready and not self.ended:
            for work_id in sorted(self.ready):
                work = self.ready.pop(work_id, None)
                if work is not None and work_id in self.works:
                    self._submit(work)
            self._run()
        self.let_go()
        effects, self.effects = self.effects, []
        return effects

    def _run(self) -> None:
        self.run_agenda()
        while self.opened and not self.ended:
            self.catch_up()
            self.run_agenda()

    def _on_tick(self) -> None:
        while self.timers and self.timers[0][0] <= self.now:
            key = self.pop_timer()
            self.fire(key)
            self.run_agenda()


__all__ = ["Append", "Engine", "Event"]
