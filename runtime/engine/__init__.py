"""The engine: a run as a pure state machine, its records, events and effects.

    engine = Engine(plan)
    effects = engine.begin(params, now)          # or: recover(records), then resume(now)
    effects = engine.handle(event, now)

It does no I/O, reads no clock and starts no thread: whoever drives it (`wfc.runtime.coordinator`,
or a simulator) carries the effects out in order and feeds the events in.

A class in layers, a file each, from the ground up:

    state      what there is: scopes, frames, fan-outs as columns, works; the agenda
    evaluate   expressions over what is at hand; others become works
    flow       scopes open, nodes become ready, names get values
    branches   which arm is taken, what it gives, and whether it goes on
    calls      calls become works; which process they run in; their arguments
    ending     frames end by exit, failure or cancellation; `finally:`
    frames     frames of workflows: opened, hopped, made again
    fans       fan-outs: expanded, shipped in slices; their results
    elements   elements of fan-outs that the engine runs itself
    joins      members joined, and made again where they were not kept
    signals    choices that are made for good; `sleep`, `receive`
    waits      `wait`, `cancel`
    building   works with all that a worker needs
    facts      what is done, known, tried again or grown: live and replayed alike
    reports    what workers say, as records and facts
    replaying  the journal's records, as facts
    engine     begin, handle, recover, resume

`records` are the events, records and effects; `graphs` is how the engine reads a plan; `compaction`
tells which records are of no use any more.
"""

from wfc.runtime.engine import records
from wfc.runtime.engine.compaction import Compaction
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
    "Compaction",
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
