"""What a store tells of its runs, and what it takes to read it: their plans, code and states."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from typing import Any

from wfc import history
from wfc.errors import SpecError
from wfc.plan.model import Plan, TaskDef
from wfc.runtime import coordinator, functions, progress
from wfc.runtime.engine import Engine, records
from wfc.runtime.journal import Definition, RunInfo
from wfc.runtime.progress import Waiting
from wfc.runtime.store import DEFAULT, Store
from wfc.specs import class_modules, compile_path, needs_classes


def store_url(store: str | os.PathLike[str] | None) -> str:
    """The store that is meant: the one given, else `WFC_STORE`, else `.wfc`."""
    return os.fspath(store or os.environ.get("WFC_STORE") or DEFAULT)


def state_of(info: RunInfo) -> str:
    """`running`, `interrupted` (nobody works on it: it can be resumed), or how the run ended."""
    if info.damage:
        return "damaged"
    if info.status == "running" and not info.is_owned(time.time()):
        return "interrupted"
    return info.status


def plan_in(definition: Definition) -> Plan:
    """The plan that a run was started with, and where its project was."""
    plan = Plan.from_json(definition.plan)
    return plan.model_copy(update={"root": definition.options.get("root") or None})


def bundle(plan: Plan, allow: Sequence[str] = ()) -> bytes:
    """The plan's functions, with the classes of its parameters. Raises `FunctionsError`."""
    also = (
        [(m, folder) for m, _, folder in class_modules(plan).values()]
        if needs_classes(plan)
        else []
    )
    return functions.bundle(plan, allow=allow, also=also)


def changes(definition: Definition) -> list[str]:
    """How the spec and the code differ from those of the run, in words; empty when they do not.

    Comments and formatting do not count, in either.
    """
    then = plan_in(definition)
    main = os.path.join(then.root or ".", then.files[0].path)
    if not os.path.exists(main):
        return [] if _no_code_beside(then) else [f"{main} is gone"]
    try:
        now, _ = compile_path(main, then.entry)
    except SpecError as error:
        return [f"the spec {then.files[0].path} has errors now: {error}"]
    out = [
        f"task {task.name}: the code of {task.module}.{task.qualname} has changed"
        for task in _changed(then, now)
    ]
    plain = _meaning(then)
    if plain != _meaning(now) and plain != _meaning(
        compile_path(main, then.entry, optimize=False)[0]
    ):
        out.append(f"the spec {then.files[0].path} has changed")
    return out


def changed_tasks(definition: Definition) -> set[str]:
    """The names of the plan's tasks of which the code has changed since; none when the spec has errors
    now."""
    then = plan_in(definition)
    main = os.path.join(then.root or ".", then.files[0].path)
    if not os.path.exists(main):
        return set()
    try:
        now, _ = compile_path(main, then.entry)
    except SpecError:
        return set()
    return {task.name for task in _changed(then, now)}


def _changed(then: Plan, now: Plan) -> list[TaskDef]:
    return [
        task
        for name, task in then.tasks.items()
        if name in now.tasks and now.tasks[name].fingerprint != task.fingerprint
    ]


def _no_code_beside(plan: Plan) -> bool:
    return all(task.beside is None for task in plan.tasks.values())


def _meaning(plan: Plan) -> Any:
    """The plan without what says where things stand, and without the code's fingerprints.

    Folders are relative to the project's root, and that may be another one by now: a store that the
    run itself made marks one.
    """
    plain = json.loads(plan.to_json())
    del plain["files"]
    plain.pop("imports", None)  # an order, which runs of earlier versions did not have
    todo = [plain]
    while todo:
        value = todo.pop()
        if isinstance(value, dict):
            for key in ("where", "fingerprint", "doc", "beside"):
                value.pop(key, None)
            todo.extend(value.values())
        elif isinstance(value, list):
            todo.extend(value)
    return plain


def records_to_resume(store: Store, run_id: str) -> list[records.Record]:
    """The records of a run that count when it is resumed: without those of what is tried again."""
    found = enumerate(history.read(store, run_id))
    return [record for _, record in coordinator.without_failure(list(found))]


def waiting_for(store: Store, run_id: str) -> list[Waiting]:
    """What a run that goes on (or was interrupted) waits for besides its tasks: signals, timers."""
    engine = Engine(plan_in(store.journal.definition(run_id)))
    engine.recover(history.read(store, run_id))
    return progress.waits(engine)


def with_code(store: Store, run_id: str, read: Any) -> Any:
    """What `read` reads. Where that needs classes of the run's project, they are imported first."""
    try:
        return read()
    except (ImportError, AttributeError):
        plan = plan_in(store.journal.definition(run_id))
        functions.load(bundle(plan), partial=True)
        return read()
