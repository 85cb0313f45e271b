"""A run in virtual time: the real engine, a journal in memory, and a coordinator that may die."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from wfc import history
from wfc.runtime import codec, progress
from wfc.runtime.coordinator import RECORDS
from wfc.runtime.engine import (
    Append,
    CancelEvent,
    CancelWork,
    Effect,
    Ended,
    Engine,
    Finish,
    Record,
    Release,
    SignalEvent,
    Submit,
    Tick,
)
from wfc.runtime.linked import Linked
from wfc.runtime.values import Inline
from wfc.runtime.work import Program, Work
from wfc.runtime.worker.runner import Runner
from wfc.testing.stubs import Call, MemoryValues, Noted
from wfc.testing.virtual import VirtualExecutor

EPOCH = 1_000_000_000.0
"""What the virtual clock shows when a run begins, in seconds since the epoch."""


class Stuck(AssertionError):  # noqa: N818 - the test's own failure
    """The run under test would go on for ever; the message says what it waits for."""


@dataclass(frozen=True, slots=True)
class Signal:
    """A signal to send to a run, `at` so many virtual seconds after its start. `id` as in
    `wfc send --id`: one that was sent twice counts once."""

    name: str
    value: Any = None
    at: float = 0.0
    id: str = ""


@dataclass(frozen=True, slots=True)
class Script:
    """What happens to a run, apart from its tasks. Times are virtual seconds."""

    signals: Sequence[Signal] = ()
    cancel_at: float | None = None
    crash_after: int = 0
    crash_before: int = 0
    down: float = 0.0
    limit: float = 0.0


class _Crash(Exception):  # noqa: N818 - happens on purpose
    """The coordinator's process dies here, and its workers with it."""


@dataclass(slots=True)
class World:
    """What outlives the processes of a run: its journal, its values, its clock, and what is told of
    it."""

    linked: Linked
    functions: Mapping[str, Callable[..., Any]]
    journal: list[bytes] = field(default_factory=list)
    values: MemoryValues = field(default_factory=MemoryValues)
    now: float = EPOCH
    calls: list[Call] = field(default_factory=list)

    def records(self) -> list[Record]:
        """What the journal holds, made anew."""
        return [RECORDS.unpack(data) for data in self.journal]

    def elapsed(self) -> float:
        """Virtual seconds since the run began."""
        return self.now - EPOCH


@dataclass(slots=True)
class _Mail:
    signal: Signal
    at: float
    id: str
    kept: bool = False
    seen: bool = False


class Life:
    """Carries a run through to its end, in as many lives of its coordinator as the script wants."""

    def __init__(self, world: World, script: Script) -> None:
        self._world = world
        self._script = script
        self._program = Program("test", b"", b"", "", b"", "test")
        began = world.now
        self._mail = [
            _Mail(signal, began + signal.at, signal.id or f"{len(world.journal)}-{number}")
            for number, signal in enumerate(script.signals)
        ]
        self._cancel_at = None if script.cancel_at is None else began + script.cancel_at
        self._until = began + script.limit
        self._crashes = bool(script.crash_after or script.crash_before)
        self._outcome: Ended | None = None

    def run(self, params: Mapping[str, Any]) -> Ended:
        """Until the end; gives the outcome. Raises `Stuck`, and `AssertionError` when a task whose
        result was kept runs again."""
        try:
            self._live(params)
        except _Crash:
            pass
        else:
            return self._ended()
        world = self._world
        world.now += self._script.down
        told = history.History(world.linked.plan, world.records()).tasks
        kept = {id for id, task in told.items() if task.state == "done" and task.kept}
        before = len(world.calls)
        self._live(params)
        for call in world.calls[before:]:
            if call.id in kept:
                raise AssertionError(f"{call.id} ran again: it was done before the crash")
        return self._ended()

    def _ended(self) -> Ended:
        assert self._outcome is not None
        return self._outcome

    def _live(self, params: Mapping[str, Any]) -> None:
        world = self._world
        self._engine = engine = Engine(world.linked.plan)
        self._executor = VirtualExecutor(self._process, world.now)
        for mail in self._mail:
            mail.seen = mail.kept
        found = world.records()
        engine.recover(found)
        if found and isinstance(found[-1], Ended):
            self._outcome = found[-1]
            return
        if found:
            self._carry(engine.resume(world.now))
        else:
            given = codec.decode(codec.encode(dict(params)))
            self._carry(engine.begin({n: Inline(obj=v) for n, v in given.items()}, world.now))
        while self._outcome is None:
            self._turn()

    def _process(self) -> Runner:
        world = self._world
        registry = Noted(world.linked, world.functions, world.calls, world.elapsed)
        return Runner(
            self._program,
            store=world.values,
            capture=False,
            flush=0.0,
            worker="test",
            functions=world.functions,
            registry=registry,
        )

    # ------------------------------------------------------------------ events

    def _turn(self) -> None:
        """The next event in time."""
        world, engine = self._world, self._engine
        mail = min((m for m in self._mail if not m.seen), key=lambda m: m.at, default=None)
        events: tuple[tuple[float | None, Callable[[], None]], ...] = (
            (mail.at if mail else None, lambda: self._receive(mail)),
            (self._executor.due(), self._report),
            (engine.next_due(), lambda: self._carry(engine.handle(Tick(), world.now))),
            (self._cancel_at, self._cancel),
        )
        times = [
            (max(at, world.now), rank) for rank, (at, _) in enumerate(events) if at is not None
        ]
        if not times:
            raise Stuck(f"nothing more will happen, and the run waits for {self._waits()}")
        at, rank = min(times)
        if at > self._until:
            limit = self._script.limit
            raise Stuck(f"the run goes on after {limit:g} s; it waits for {self._waits()}")
        world.now = at
        events[rank][1]()

    def _waits(self) -> str:
        waits = progress.waits(self._engine)
        return ", ".join(f"the {wait.kind} {wait.name}" for wait in waits) or "its tasks"

    def _report(self) -> None:
        for report in self._executor.advance(self._world.now):
            self._carry(self._engine.handle(report, self._world.now))
            if self._outcome is not None:
                return

    def _receive(self, mail: _Mail | None) -> None:
        assert mail is not None
        mail.seen = True
        payload = Inline(data=codec.encode(mail.signal.value))
        self._carry(
            self._engine.handle(SignalEvent(mail.signal.name, mail.id, payload), self._world.now)
        )
        mail.kept = True

    def _cancel(self) -> None:
        self._cancel_at = None
        self._carry(self._engine.handle(CancelEvent(), self._world.now))

    # ------------------------------------------------------------------ effects

    def _carry(self, effects: Sequence[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, Append):
                self._append(effect.record)
            elif isinstance(effect, Submit):
                assert isinstance(effect.work, Work)
                self._executor.submit(effect.work)
            elif isinstance(effect, CancelWork):
                self._executor.cancel(effect.work, effect.offsets)
            elif isinstance(effect, Release):
                self._executor.release(effect.home)
            elif isinstance(effect, Finish):
                self._outcome = effect.outcome

    def _append(self, record: Record) -> None:
        number = len(self._world.journal) + 1
        if self._crashes and number == self._script.crash_before:
            self._crashes = False
            raise _Crash
        self._world.journal.append(RECORDS.pack(record))
        if self._crashes and number == self._script.crash_after:
            self._crashes = False
            raise _Crash
