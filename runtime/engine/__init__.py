"""The engine: a run as a pure state machine, its records, events and effects.

    engine = Engine(plan)
    effects = engine.begin(params, now)          # or: replay(record)… then resume(now)
    effects = engine.handle(event, now)

It does no I/O, reads no clock and starts no thread: whoever drives it (`wfc.runtime.coordinator`,
or a simulator) carries the effects out in order and feeds the events in.
"""

from wfc.runtime.engine import records
from wfc.runtime.engine.engine import Engine, Event
from wfc.runtime.engine.records import (
    Append,
    CancelEvent,
    CancelWork,
    Effect,
    Ended,
    Finish,
    Record,
    Release,
    SignalEvent,
    Submit,
    Tick,
)

__all__ = [
    "Append",
    "CancelEvent",
    "CancelWork",
    "Effect",
    "Ended",
    "Engine",
    "Event",
    "Finish",
    "Record",
    "Release",
    "SignalEvent",
    "Submit",
    "Tick",
    "records",
]
