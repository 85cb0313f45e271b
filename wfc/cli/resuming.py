"""`wfc resume --plan`: what has changed since, what is kept, what runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wfc import stored
from wfc.cli.out import print_json
from wfc.errors import ParameterError, SpecError
from wfc.history import History, without_indices
from wfc.inputs import target
from wfc.plan.model import Plan
from wfc.redoing import redone
from wfc.runtime import progress
from wfc.runtime.engine import Engine
from wfc.runtime.engine.records import Record
from wfc.runtime.store import Store
from wfc.watching import waiting

if TYPE_CHECKING:
    from wfc.cli.runs import Where

ROWS = 40


def show_plan(run_id: str, where: Where, *, as_json: bool) -> None:
    """Print what a resume of the run would keep and run. Raises `StorageError`."""
    with Store.open(stored.store_url(where.store), create=False) as store:
        found = _plan_of(store, run_id)
    if as_json:
        print_json(found)
        return
    print(f"{run_id}  {found['status']}")
    if found["status"] == "succeeded":
        print("  it has succeeded: there is nothing left to do")
        return
    for change in found["changed"]:
        print(f"  changed  {change}")
    if not found["changed"]:
        print("  nothing has changed since: all that is done counts")
    old = dict.fromkeys(found["old"], "    by the code as it was")
    _print("  kept     ", [f"{n:>7,} x  {t}{old.get(t, '')}" for t, n in found["kept"].items()])
    left = [f"{n:>7,} of {total:,} {what} in {path}" for path, what, n, total in found["left"]]
    _print("  runs     ", left or ["what comes after"])
    _print("  waits for ", found["waits_for"])
    if found["changed"]:
        print(f"  wfc resume {run_id} --keep counts what is done all the same")
        if found["redo"] is not None:
            print(
                f"  wfc resume {run_id} --redo runs {found['redo']:,} of the kept again, and the rest"
            )


def _print(head: str, lines: list[str]) -> None:
    for n, line in enumerate(lines[:ROWS]):
        print((head if n == 0 else " " * len(head)) + line)
    if len(lines) > ROWS:
        print(" " * len(head) + f"and {len(lines) - ROWS:,} more")


def _plan_of(store: Store, run_id: str) -> dict[str, Any]:
    definition = store.journal.definition(run_id)
    info = store.journal.run(run_id)
    plan = stored.plan_in(definition)
    engine = Engine(plan)
    records = stored.records_to_resume(store, run_id)
    engine.recover(records)
    done = stored.with_code(store, run_id, lambda: History(plan, records)).tasks
    kept: dict[str, int] = {}
    one_of: dict[str, str] = {}
    for task in done.values():
        if task.kept and task.state in ("done", "caught"):
            name = without_indices(task.id)
            kept[name] = kept.get(name, 0) + 1
            one_of[name] = task.id
    left: list[tuple[str, str, int, int]] = []
    for group in progress.groups(engine, {}):
        missing = group.total - group.done - group.failed
        if missing > 0:
            what = "calls" if group.kind == "workflow" else "elements"
            left.append((group.path, what, missing, group.total))
    changed = stored.changes(definition) if info.status != "succeeded" else []
    old = stored.changed_tasks(definition) if changed else set()
    again = _redone(store, run_id, plan, records) if changed else None
    return {
        "run_id": run_id,
        "status": stored.state_of(info),
        "changed": changed,
        "kept": kept,
        "redo": again,
        "old": [name for name, task in one_of.items() if target(plan, task) in old],
        "left": left,
        "waits_for": [waiting(wait, None) for wait in progress.waits(engine)],
    }


def _redone(store: Store, run_id: str, plan: Plan, records: list[Record]) -> int | None:
    """How many tasks that are done would run again under `--redo`; `None` when that is no choice."""
    try:
        left = redone(store, run_id)
    except (SpecError, ParameterError):
        return None

    def kept(plan: Plan, records: list[Record]) -> set[str]:
        tasks = History(plan, records).tasks.values()
        return {t.id for t in tasks if t.kept and t.state in ("done", "caught")}

    return len(kept(plan, records) - kept(left.plan, left.records))
