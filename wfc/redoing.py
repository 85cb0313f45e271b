"""`resume --redo`: a run goes on with the code and the spec as they are now."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace

from wfc import stored
from wfc.errors import ParameterError
from wfc.plan.model import Plan
from wfc.runtime import codec, coordinator
from wfc.runtime.engine.records import Record
from wfc.runtime.journal import Definition
from wfc.runtime.redo import redo
from wfc.runtime.store import Store
from wfc.specs import compile_path


@dataclass(frozen=True, slots=True)
class Redo:
    """What a run would be with the code as it is now: its plan, and the records that still hold."""

    plan: Plan
    definition: Definition
    records: list[Record]


def redone(store: Store, run_id: str) -> Redo:
    """What is left of a run; changes nothing.

    Raises `SpecError` when the spec has errors now, `ParameterError` when it takes other parameters
    than the run was started with.
    """
    definition = store.journal.definition(run_id)
    then = stored.plan_in(definition)
    now, _ = compile_path(os.path.join(then.root or ".", then.files[0].path), then.entry)
    _check_params(definition, now)
    found = stored.records_to_resume(store, run_id)
    changed = stored.changed_tasks(definition)
    left = stored.with_code(store, run_id, lambda: redo(found, then, now, changed))
    made = replace(
        definition,
        plan=now.to_json().encode(),
        specs={f.path: f.text for f in now.files},
        fingerprints={name: task.fingerprint for name, task in now.tasks.items()},
    )
    return Redo(now.model_copy(update={"root": then.root}), made, left)


def start_over(store: Store, run_id: str, bundle: Callable[[Plan], bytes]) -> tuple[Plan, bytes]:
    """Drop from a run what does not hold any more, and give it the plan of today; gives that, and what
    `bundle` made of it. What that raises leaves the run as it was.

    Raises as `redone` does, `Owned` when another process has the run, and `StorageError`.
    """
    held = store.journal.acquire(run_id)
    try:
        made = redone(store, run_id)
        functions = bundle(made.plan)
        rows = [(type(r).__name__, coordinator.RECORDS.pack(r)) for r in made.records]
        store.journal.rewrite(held, made.definition, rows)
    finally:
        store.journal.release(held)
    return made.plan, functions


def _check_params(definition: Definition, plan: Plan) -> None:
    given = set(codec.decode(definition.params))
    params = {p.name: p for p in plan.workflows[plan.entry].params}
    problems = [f"there is no parameter {name} any more" for name in sorted(given - set(params))]
    problems += [
        f"{name}: a parameter that the run was not started with, and that has no default"
        for name, param in params.items()
        if name not in given and param.default is None
    ]
    if problems:
        raise ParameterError([*problems, f"start a new run of {plan.files[0].path}"])
