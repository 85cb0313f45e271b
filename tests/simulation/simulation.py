"""One simulated run: the engine, a journal and an executor, in virtual time, by seed.

The loop takes the next event in time (reports, timers, signals, the journal's commit), gives it to
the engine, and does what the engine asks for. Now and then the coordinator dies, at any record: what
was not synced is lost, everything that ran is gone, and a new engine recovers from the journal.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.oracle.reference import Split
from tests.oracle.source import Source, chance
from tests.simulation.executor import FakeExecutor
from tests.simulation.faults import Faults, Injector
from tests.simulation.journal import DiskFullError, FakeJournal, FencedError
from tests.simulation.world import Called, Objects, World
from wfc.runtime.engine import records as rec
from wfc.runtime.values import INLINE_LIMIT, Hollow, Inline
from wfc.runtime.work import Done, Partial

EPOCH = 1_700_000_000.0
MAX_STEPS = 20_000
TINY = 8
"""Bytes from which on values are large in half of all runs: nearly all lists, and none of numbers."""


class CrashError(Exception):
    """The coordinator dies here."""


class StuckError(AssertionError):
    """Nothing will ever happen again, and the run is not over."""


@dataclass
class Ended:
    """How a simulated run ended, and what happened on the way."""

    outcome: rec.Ended
    calls: list[Called]
    counts: Counter[str]
    digest: str
    trace: list[str]
    splits: dict[str, Split | None] = field(default_factory=dict)


@dataclass(slots=True)
class Sleeper:
    """An owner that is believed dead, and will wake up."""

    at: float
    engine: Any
    executor: FakeExecutor
    epoch: int


@dataclass(slots=True)
class Mail:
    """A signal on its way; `seen` once the engine had it, `kept` once that is durable."""

    at: float
    name: str
    id: str
    payload: Any
    seen: bool = False
    kept: bool = False


class Simulation:
    """Runs one plan in a world, with faults, by the choices of a source."""

    def __init__(
        self,
        source: Source,
        world: World,
        params: Mapping[str, Any],
        signals: Mapping[str, Sequence[Any]],
        faults: Faults,
    ) -> None:
        self.source = source
        self.world = world
        self.params = dict(params)
        self.injector = Injector(source, faults)
        world.raises = lambda: self.injector.strikes("raises")
        self.now = EPOCH
        self.trace: list[str] = []
        self.commit_at: float | None = None
        self.finished: rec.Ended | None = None
        self.cancelled = False
        self.sealed: set[str] = set()
        self.seen_seq = 0
        self.checked_calls = 0
        self.splits: dict[str, Split | None] = {}
        self.mail = [
            Mail(EPOCH + source.below(4000) / 1000, name, f"{name}-{i}", payload)
            for name, payloads in signals.items()
            for i, payload in enumerate(payloads)
        ]
        self.inline = TINY if chance(source, 50) else INLINE_LIMIT
        self.journal = FakeJournal(world.plan.entry, 1 if self.inline == TINY else 20)
        self.skew = 0.0
        self.epoch = 0
        self.sleeper: Sleeper | None = None
        self.engine = world.engine()
        self.executor = self._new_executor()

    @property
    def clock(self) -> float:
        """What the wall clock says; `now` is the true time."""
        return self.now + self.skew

    def _new_executor(self) -> FakeExecutor:
        objects = Objects()
        return FakeExecutor(
            self.source,
            self.injector,
            self.world.interpret,
            lambda: self.world.process(objects, self.inline),
            objects.found,
            self.now,
        )

    def say(self, text: str) -> None:
        self.trace.append(f"{self.now - EPOCH:10.3f} {text}")

    # ------------------------------------------------------------------ the loop

    def run(self) -> Ended:
        """Run until the end; raises `AssertionError` when an invariant does not hold."""
        self._guarded(self._boot)
        for _ in range(MAX_STEPS):
            if self.finished is not None:
                break
            self._guarded(self._step)
        else:
            raise StuckError("the run does not end")
        assert self.finished is not None
        self._check_end()
        digest = hashlib.blake2b("\n".join(self.trace).encode(), digest_size=8).hexdigest()
        counts = self.injector.counts + Counter({"dropped": self.journal.dropped})
        return Ended(
            self.finished,
            self.world.calls,
            counts,
            digest,
            self.trace,
            self.splits | self.engine.splits,
        )

    def _guarded(self, step: Callable[[], None]) -> None:
        try:
            step()
        except (CrashError, DiskFullError) as died:
            self.say(f"*** {type(died).__name__}")
            self._restart()

    def _boot(self) -> None:
        self.epoch = self.journal.acquire()
        self.engine = self.world.engine()
        kept = [record for _seq, record in self.journal.read()]
        if not kept:
            self.say("begin")
            params = {name: Inline(obj=value) for name, value in self.params.items()}
            self._do(self.engine.begin(params, self.clock))
            return
        self.say(f"recover from {len(kept)} records")
        self.engine.recover(kept)
        for path, split in self.splits.items():
            if path in self.engine.splits:
                assert self.engine.splits[path] == split, f"{path} was decided anew"
        if isinstance(kept[-1], rec.Ended):
            self.finished = kept[-1]
            return
        assert not self.engine.ended
        self._do(self.engine.resume(self.clock))

    def _restart(self, closing: bool = True) -> None:
        """The coordinator is started again, perhaps after a while, perhaps to die at once."""
        if closing:
            self.executor.close()
        self.journal.crash(self.source)
        self.commit_at = None
        self._seal()
        if chance(self.source, 30):
            self.now += self.source.below(5000) / 1000
        self.executor = self._new_executor()
        for mail in self.mail:
            mail.seen = mail.kept
            if not mail.kept:
                mail.at = max(mail.at, self.now)
        self._guarded(self._boot)

    def _step(self) -> None:
        """One event."""
        if self.injector.strikes("crash"):
            raise CrashError
        if self.injector.strikes("stale"):
            self._fall_asleep()
            return
        if self.injector.strikes("clock"):
            self.skew -= self.source.below(1200)
            self.say("the clock is set back")
        if self.injector.strikes("cancel"):
            self.say("cancel the run")
            self.cancelled = True
            self._do(self.engine.handle(rec.CancelEvent(), self.clock))
            return
        times: list[tuple[float, str]] = []
        due = self.engine.next_due()
        for at, kind in (
            (self.executor.due(), "executor"),
            (due - self.skew if due is not None else None, "timer"),
            (self.sleeper.at if self.sleeper is not None else None, "sleeper"),
            (self.commit_at, "commit"),
            (min((m.at for m in self.mail if not m.seen), default=None), "signal"),
        ):
            if at is not None:
                times.append((max(at, self.now), kind))
        if not times:
            raise StuckError(f"nothing will ever happen again; {self.executor.running()}")
        first = min(at for at, _kind in times)
        same = [kind for at, kind in times if at == first]
        kind = same[self.source.below(len(same))]
        self.now = first
        if kind == "executor":
            self.executor.advance(self.now)
            for report in self.executor.poll(0.0):
                self.say(f"report {shown(report)}")
                self._do(self.engine.handle(report, self.clock))
                if self.finished is not None:
                    return
        elif kind == "timer":
            self.say("tick")
            self._do(self.engine.handle(rec.Tick(), self.clock))
        elif kind == "commit":
            self._commit()
        elif kind == "sleeper":
            self._wake_up()
        else:
            self._signal()

    def _fall_asleep(self) -> None:
        """The owner is paused past its lease; another one takes over from what is durable."""
        self.say("the owner falls asleep")
        at = self.now + self.source.below(20_000) / 1000
        self.sleeper = Sleeper(at, self.engine, self.executor, self.epoch)
        self._restart(closing=False)

    def _wake_up(self) -> None:
        """It goes on as if nothing had happened, until its commit is refused."""
        sleeper, self.sleeper = self.sleeper, None
        assert sleeper is not None
        self.say("an earlier owner wakes up")
        durable = dict(self.journal.durable)
        for report in sleeper.executor.poll(0.0):
            sleeper.engine.handle(report, self.clock)
        sleeper.executor.close()
        try:
            self.journal.commit(sleeper.epoch)
        except FencedError:
            assert self.journal.durable == durable
        else:
            raise AssertionError("an owner that was fenced off could commit")

    def _signal(self) -> None:
        mail = min((m for m in self.mail if not m.seen), key=lambda m: (m.at, m.id))
        mail.seen = True
        times = 2 if self.injector.strikes("duplicate") else 1
        for _ in range(times):
            self.say(f"signal {mail.id}")
            self.injector.note("signal")
            event = rec.SignalEvent(mail.name, mail.id, Inline(obj=mail.payload))
            self._do(self.engine.handle(event, self.clock))

    # ------------------------------------------------------------------ effects

    def _do(self, effects: Sequence[Any]) -> None:
        for effect in effects:
            assert self.finished is None, f"after the end: {effect}"
            if isinstance(effect, rec.Append):
                self.say(f"append {shown(effect.record)}{' sync' if effect.sync else ''}")
                self.journal.append(effect.record)
                if self.injector.strikes("crash"):
                    raise CrashError
                if effect.sync:
                    self._commit()
                elif self.commit_at is None:
                    self.commit_at = self.now + self.source.below(100) / 1000
            elif isinstance(effect, rec.Submit):
                self.say(f"submit {shown(effect.work)}")
                self.executor.submit(effect.work)
            elif isinstance(effect, rec.CancelWork):
                self.say(f"cancel {effect.work} {effect.offsets}")
                self.executor.cancel(effect.work, effect.offsets)
            elif isinstance(effect, rec.Release):
                self.say(f"release {effect.home}")
                self.executor.release(effect.home)
            else:
                assert isinstance(effect, rec.Finish), effect
                self._commit()
                self.say(f"finish {effect.outcome.status}")
                self.finished = effect.outcome

    def _commit(self) -> None:
        self.commit_at = None
        if self.injector.strikes("storage"):
            self.journal.fail_next = True
        self.journal.commit(self.epoch)
        self.say(f"commit {len(self.journal.durable)}")
        for mail in self.mail:
            mail.kept = mail.seen
        self.splits.update(self.engine.splits)
        self._seal()

    # ------------------------------------------------------------------ invariants

    def _seal(self) -> None:
        """Note the instances whose kept results are durable: they may never run again."""
        self._check_calls()
        for record in self.journal.since(self.seen_seq):
            self.sealed.update(instances(record))
        self.seen_seq = max(self.journal.durable, default=0)

    def _check_calls(self) -> None:
        for called in self.world.calls[self.checked_calls :]:
            assert called.task not in self.sealed, f"{called.task} ran again"
        self.checked_calls = len(self.world.calls)

    def _check_end(self) -> None:
        self._check_calls()
        left = [e.instance for elements in self.executor.active.values() for e in elements]
        assert not left, f"still running after the end: {left}"
        assert not self.executor.homes, f"still parked after the end: {self.executor.homes}"
        _seq, last = self.journal.read()[-1]
        assert isinstance(last, rec.Ended), "the last record is not the run's end"


def instances(record: Any) -> set[str]:
    """The ids of the task instances whose results this record keeps."""
    out: set[str] = set()
    if isinstance(record, rec.Completed):
        for name, chunk in record.columns.items():
            if isinstance(chunk, int) or name.startswith("="):
                continue
            for index in record.indices:
                out.add(f"{record.path}/{record.node}[{index}]/{name}")
                if len(record.indices) == 1:
                    out.add(f"{record.path}/{name}")
    elif isinstance(record, rec.Advanced) and not isinstance(record.value, Hollow):
        out.add(f"{record.path}/{record.step}")
    return out


def shown(thing: Any) -> str:
    """A report, record or work in one line that is the same in every process."""
    name = type(thing).__name__
    parts = []
    for key in (
        "work", "id", "path", "graph", "node", "nodes", "map", "start", "count", "offset", "index",
        "indices", "hop", "home", "park", "frame", "step", "key", "kind", "names", "timer", "status",
        "error", "known", "limit", "attempts",
    ):  # fmt: skip
        value = getattr(thing, key, None)
        if value is None or value is False or value in ({}, ""):
            continue
        if key == "error":
            value = f"{value.type}: {value.message}"
        elif key == "known":
            value = {offset: sorted(found) for offset, found in value.items()}
        elif key == "indices":
            value = list(value)
        parts.append(f"{key}={value}")
    if isinstance(thing, Done):
        parts.append(f"columns={sorted(thing.columns)}")
    if isinstance(thing, (Partial, Done)) or hasattr(thing, "columns"):
        parts.append("")
    return f"{name} {' '.join(parts)}".rstrip()
