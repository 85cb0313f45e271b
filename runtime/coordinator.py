"""The loop of a run: carries the engine's effects out, and feeds it what happens.

One thread drives the engine and the executor; a second one commits. What is journaled and what is
submitted go in the engine's order, so that nothing is believed that was not written down first where
that matters (`Append.sync`).
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from wfc.plan.model import Plan
from wfc.runtime import codec, progress
from wfc.runtime.engine import (
    Append,
    CancelEvent,
    CancelWork,
    Compaction,
    Effect,
    Ended,
    Engine,
    Finish,
    Release,
    SignalEvent,
    Submit,
    Tick,
    records,
)
from wfc.runtime.journal import Definition, GroupCommitter, Lease, Printed
from wfc.runtime.journal.packing import RecordCodec
from wfc.runtime.progress import Moment
from wfc.runtime.reading import load_value
from wfc.runtime.storage_errors import StorageError
from wfc.runtime.store import Store
from wfc.runtime.values import ErrorInfo, Inline
from wfc.runtime.work import Executor, Failed, Log, Program

RECORDS = RecordCodec(
    (
        records.Began,
        records.Completed,
        records.Advanced,
        records.Hopped,
        records.Attempted,
        records.Grew,
        records.Computed,
        records.Fired,
        records.Signalled,
        records.Claimed,
        records.Cancelled,
        records.Ended,
    )
)
"""Packs and unpacks the engine's records."""

POLL = 0.1
"""The longest that the loop sleeps, in seconds: signals and stops are seen within this."""

BACKLOG = 64 * 1024 * 1024
"""Bytes of records that may wait for the disk."""

STORAGE_FAILED = "wfc.StorageError"
"""The type of the error that workers report when a value cannot be stored or read."""
PRINTED = 256 * 1024 * 1024
"""Characters that are kept of what the tasks of a run print, in all."""

TELL, SAME = 1.0, 10.0
"""Seconds between two moments that are put down for others to read, and between two that say the
same: a run that only waits does not write all the time."""

LITTLE = 100.0
"""What is looked at takes one part in so many of the run's time, at most."""

Status = Literal["succeeded", "failed", "cancelled", "interrupted"]


class Observer(Protocol):
    """Is shown a run while it goes on; called from the run's thread, and must return quickly."""

    def update(self, moment: Moment) -> None:
        """How the run stands. Called at most every tenth of a second, and not so often that it
        would take more than a hundredth of the time."""

    def log(self, log: Log) -> None:
        """A task has printed something."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run (or this attempt at it) ended. `tasks` counts the results of this attempt."""

    run_id: str
    status: Status
    value: Any = None
    error: ErrorInfo | None = None
    tasks: int = 0
    seconds: float = 0.0


def create(
    store: Store,
    run_id: str,
    plan: Plan,
    params: Mapping[str, Any],
    *,
    fingerprints: Mapping[str, str] | None = None,
    options: Mapping[str, str] | None = None,
) -> None:
    """Write a new run down; nothing runs yet.

    `params` are validated objects by name. Raises `StorageError`, also when the id is taken.
    """
    definition = Definition(
        entry=plan.entry,
        plan=plan.to_json().encode(),
        params=codec.encode(dict(params)),
        specs={f.path: f.text for f in plan.files},
        fingerprints=dict(fingerprints or {n: t.fingerprint for n, t in plan.tasks.items()}),
        options=dict(options or {}),
    )
    store.journal.create_run(run_id, definition)


def program(store: Store, run_id: str, plan: Plan, functions: bytes) -> Program:
    """What the workers of a run need."""
    text = plan.to_json().encode()
    digest = hashlib.blake2b(text + functions, digest_size=16, person=b"wfc-program").hexdigest()
    return Program(
        run_id=run_id,
        plan=text,
        functions=functions,
        store=store.values_url,
        seal_key=store.key,
        digest=digest,
    )


class Coordinator:
    """Drives one run as its owner, from where its journal stands to its end.

    `execute` makes the executor; it is closed here. `stop` interrupts the run when it is set: the
    run stays resumable. `window` is how long, in seconds, records gather before they are committed
    (by default `WFC_WINDOW`, else 0.002); with 0 each is durable before the run goes on. `limit` is
    how many bytes of them may wait for the disk: then the run waits too.

    Raises `Owned` when another process has the run, `StorageError`.
    """

    def __init__(
        self,
        store: Store,
        run_id: str,
        execute: Callable[[], Executor],
        *,
        observer: Observer | None = None,
        stop: threading.Event | None = None,
        clock: Callable[[], float] = time.time,
        window: float | None = None,
        limit: int = BACKLOG,
    ) -> None:
        self._window = _window() if window is None else window
        self._limit = limit
        self._store = store
        self._run_id = run_id
        self._execute = execute
        self._observer = observer
        self._stop = stop or threading.Event()
        self._clock = clock
        self._outcome: Ended | None = None
        self._signals_seen = 0
        self._cancelled = False
        self._obsolete: list[int] = []
        self._trouble: StorageError | None = None
        self._next_look = 0.0
        self._next_word = self._tell_again = 0.0
        self._told: object = None
        self._cached: dict[str, int] = {}
        self._printed = 0

    def run(self, lease: Lease | None = None) -> Outcome:
        """Run until the run has ended or `stop` is set."""
        began = time.monotonic()
        journal = self._store.journal
        held = lease or journal.acquire(self._run_id)
        definition = journal.definition(self._run_id)
        plan = Plan.from_json(definition.plan)
        self._engine = Engine(plan)
        self._compaction = Compaction(plan.entry)
        try:
            self._store.values.sweep(self._run_id)  # of a process that was killed
            empty = self._replay()
            if self._engine.ended and self._outcome is not None:
                self._finish(held, self._outcome)
                return self._result(self._outcome, began)
            self._committer = GroupCommitter(journal, held, window=self._window, limit=self._limit)
            try:
                self._drive(definition, empty)
            except BaseException:
                self._committer.close(flush=False)
                raise
            self._committer.close()
            if self._trouble is not None:
                raise self._trouble
            if self._outcome is not None:
                self._finish(held, self._outcome)
        except BaseException:
            journal.release(held)
            raise
        if self._outcome is None:
            journal.release(held)
            return Outcome(
                self._run_id, "interrupted", tasks=self._engine.counts["done"],
                seconds=time.monotonic() - began,
            )  # fmt: skip
        return self._result(self._outcome, began)

    # ------------------------------------------------------------------ the loop

    def _replay(self) -> bool:
        """Fold the journal in; true when there was nothing in it."""
        kept = [
            (row.seq, RECORDS.unpack(row.data)) for row in self._store.journal.read(self._run_id)
        ]
        empty = not kept
        kept = without_failure(kept)
        for seq, record in kept:
            if isinstance(record, Ended):
                self._outcome = record
            self._obsolete += self._compaction.add(seq, record)
        self._engine.recover(record for _, record in kept)
        self._signals_seen = 0
        counts = self._engine.counts
        self._engine.counts = {**dict.fromkeys(counts, 0), "cached": counts["done"]}
        return empty

    def _drive(self, definition: Definition, empty: bool) -> None:
        engine = self._engine
        self._executor = executor = self._execute()
        self._next_word = self._clock() + TELL
        try:
            if empty:
                params = codec.decode(definition.params)
                effects = engine.begin(
                    {name: Inline(obj=value) for name, value in params.items()}, self._clock()
                )
            else:
                effects = engine.resume(self._clock())
                self._cached = {g.path: g.done for g in progress.groups(engine, {})}
            self._carry(effects)
            self._committer.drop(self._obsolete)  # what an earlier version of the program has left
            while self._outcome is None and self._trouble is None and not self._stop.is_set():
                self._turn(executor)
        finally:
            executor.close()
            with suppress(StorageError):  # what is not tidied up now is when the run is resumed
                self._store.values.sweep(self._run_id)

    def _turn(self, executor: Executor) -> None:
        engine = self._engine
        due = engine.next_due()
        pause = POLL if due is None else max(0.0, min(POLL, due - self._clock()))
        for report in executor.poll(pause):
            if isinstance(report, Log):
                self._print(report)
                continue
            if self._outcome is not None:
                continue  # nothing counts any more, but for what was printed
            if isinstance(report, Failed) and report.error.type == STORAGE_FAILED:
                # No fault of the task, and nothing for a spec to catch: it runs again on resume.
                self._trouble = self._trouble or StorageError(report.error.message)
                continue
            self._carry(engine.handle(report, self._clock()))
        if self._outcome is not None:
            return
        now = self._clock()
        due = engine.next_due()
        if due is not None and due <= now:
            self._carry(engine.handle(Tick(), now))
        self._look_outside(now)
        if now >= self._next_look:
            self._look_at_it(now)

    def _look_at_it(self, now: float) -> None:
        """Show how the run stands, and let others read it."""
        if self._observer is None and now < self._next_word:
            return
        began = time.perf_counter()
        found = progress.moment(self._engine, self._executor, now, self._cached)
        self._show(lambda seen: seen.update(found))
        if now >= self._next_word:
            self._next_word = now + TELL
            if found.news != self._told or now >= self._tell_again:
                self._told, self._tell_again = found.news, now + SAME
                self._committer.tell(found.to_json())
        self._next_look = now + max(POLL, LITTLE * (time.perf_counter() - began))

    def _print(self, log: Log) -> None:
        """Show and keep what a task printed; of a run that prints without end, the beginning."""
        self._show(lambda seen: seen.log(log))
        if self._printed > PRINTED:
            return
        text = log.text
        self._printed += len(text)
        if self._printed > PRINTED:
            text += "\n[what tasks print from here on is shown, but not kept]\n"
        self._committer.print(Printed(log.task, log.attempt, self._clock(), text))

    def _show(self, what: Callable[[Observer], None]) -> None:
        """Show the observer something. Its terminal may be closed: then nobody looks any more."""
        if self._observer is not None:
            try:
                what(self._observer)
            except OSError:
                self._observer = None

    def _look_outside(self, now: float) -> None:
        """Signals and cancel requests, which other processes leave in the journal."""
        tick = self._committer.tick
        if tick.signals > self._signals_seen:
            for signal in self._store.journal.new_signals(self._run_id, self._signals_seen):
                self._signals_seen = max(self._signals_seen, signal.pos)
                event = SignalEvent(signal.name, signal.id, Inline(data=signal.payload))
                self._carry(self._engine.handle(event, now))
        if tick.cancel_requested and not self._cancelled:
            self._cancelled = True
            self._carry(self._engine.handle(CancelEvent(), now))

    def _carry(self, effects: list[Effect]) -> None:
        executor = self._executor
        for effect in effects:
            if isinstance(effect, Append):
                self._append(effect)
            elif isinstance(effect, Submit):
                executor.submit(effect.work)  # type: ignore[arg-type]
            elif isinstance(effect, CancelWork):
                executor.cancel(effect.work, effect.offsets)
            elif isinstance(effect, Release):
                executor.release(effect.home)
            elif isinstance(effect, Finish):
                self._outcome = effect.outcome

    def _append(self, effect: Append) -> None:
        record = effect.record
        delivers = record.id if isinstance(record, records.Signalled) else None
        seq = self._committer.submit(
            type(record).__name__, RECORDS.pack(record), urgent=effect.sync, delivers=delivers
        )
        obsolete = self._compaction.add(seq, record)
        if obsolete:
            self._committer.drop(obsolete)
        if effect.sync or self._window == 0:
            self._committer.wait(seq)

    # ------------------------------------------------------------------ the end

    def _finish(self, held: Lease, ended: Ended) -> None:
        error = f"{ended.error.type}: {ended.error.message}" if ended.error else ""
        finish = self._store.journal.finish
        if finish(held, ended.status, result=RECORDS.pack(ended), error=error):
            return
        # It was cancelled at the last moment. Resumed, it has its result.
        self._outcome = Ended("cancelled", ended.at)
        finish(held, "cancelled", result=RECORDS.pack(self._outcome))

    def _result(self, ended: Ended, began: float) -> Outcome:
        value = None
        if ended.value is not None:
            value = load_value(ended.value, self._store.values)
        return Outcome(
            self._run_id,
            ended.status,
            value,
            ended.error,
            self._engine.counts["done"],
            time.monotonic() - began,
        )


def _window() -> float:
    text = os.environ.get("WFC_WINDOW") or "0.002"
    try:
        return max(0.0, float(text))
    except ValueError:
        raise ValueError(f"WFC_WINDOW is a number of seconds, not {text!r}") from None


def without_failure(kept: list[tuple[int, Any]]) -> list[tuple[int, Any]]:
    """The records without those that ended earlier attempts at the run in failure or cancellation:
    resuming such a run means to try again what led to that. What was caught by a `catch` stays."""
    ends = [
        (place, record)
        for place, (_, record) in enumerate(kept)
        if isinstance(record, Ended) and record.status != "succeeded"
    ]
    if not ends:
        return kept
    out = set()
    for place, end in ends:
        out.add(place)
        causes = {end.error.task, *end.error.causes} if end.error is not None else set()
        for before, (_, record) in enumerate(kept[:place]):
            if isinstance(record, records.Cancelled) or _led_to(record, causes):
                out.add(before)
    return [row for place, row in enumerate(kept) if place not in out]


def _led_to(record: Any, causes: set[str]) -> bool:
    """Whether a record tells of the failure of one of these: a task, or a wait, which is decided anew."""
    if isinstance(record, records.Attempted):
        return record.retry_at is None and record.error.task in causes
    choice = isinstance(record, records.Computed) and record.key == records.DECIDED
    return choice and f"{record.path}/{record.node}" in causes


def outcome_of(store: Store, run_id: str) -> Ended | None:
    """How a run ended, `None` while it has not; raises `StorageError` for an unknown run."""
    data = store.journal.result(run_id)
    if data is None:
        return None
    ended = RECORDS.unpack(data)
    return ended if isinstance(ended, Ended) else None
