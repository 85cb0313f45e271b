"""`wfc show`: a run, or one task of it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wfc import api, handle, stored
from wfc.cli.failures import failure
from wfc.cli.inspect import run_json
from wfc.cli.out import (
    columns,
    error_text,
    first_line,
    indented,
    print_json,
    reported,
    say,
    size_text,
    usage,
)
from wfc.history import without_indices
from wfc.runtime.store import Store
from wfc.watching import span, waiting

if TYPE_CHECKING:
    from wfc.history import TaskInfo
    from wfc.runtime.progress import Waiting

ORDER = ("failed", "retrying", "caught", "running", "done")
"""What is shown first."""

PRINTED = 2000
"""Characters that are shown of what a task printed; `wfc logs` shows all."""


def show(
    run_id: str, task: str | None, store: str | None, *, as_json: bool, html: Path | None
) -> None:
    """The command."""
    with reported():
        run = api.get(run_id, store=store)
        if html is not None:
            _write_report(run, html)
            return
        tasks = run.tasks()
        if task is not None:
            _show_task(run, [t for t in tasks if t.id == task], task, as_json=as_json)
            return
        with Store.open(run.store, create=False) as opened:
            info = opened.journal.run(run_id)
            waits = stored.waiting_for(opened, run_id) if info.status == "running" else []
        if as_json:
            rows = [task_json(t) for t in tasks]
            told = [{"kind": w.kind, "name": w.name, "due": w.due} for w in waits]
            print_json({**run_json(info), "tasks": rows, "waits_for": told})
            return
        ended = info.finished or time.time()
        state = stored.state_of(info)
        took = (
            f"  {span(max(0.0, ended - info.created))}"
            if info.finished or state == "running"
            else ""
        )
        print(f"{run_id}  {state}  {info.entry}  {_clock(info.created)}{took}")
        if state == "running":
            print(f"  owned by {info.owner}")
        _print_waits(waits)
        if tasks:
            print()
        for line in _table(tasks):
            print(line)
        if info.error:
            print()
            print(first_line(info.error, columns()))


def _write_report(run: api.Run, path: Path) -> None:
    from wfc.report import report

    text = report(run)
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        usage(f"cannot write {path}: {error.strerror}")
    say(f"wrote {path}: open it in a browser")


def _print_waits(waits: list[Waiting]) -> None:
    for wait in waits[:10]:
        print(f"  waits for {waiting(wait, time.time())}")
    if len(waits) > 10:
        print(f"  and for {len(waits) - 10} more")


def _clock(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds)) if seconds else "?"


def _table(tasks: list[TaskInfo]) -> list[str]:
    """A line for each task; the elements of a fan-out share one with those of the same state, but
    for those that failed."""
    groups: dict[tuple[str, str], list[TaskInfo]] = {}
    for task in tasks:
        alone = task.error is not None
        key = (task.state, task.id if alone else without_indices(task.id))
        groups.setdefault(key, []).append(task)
    rows = [_row(key, members) for key, members in groups.items()]
    rows.sort(key=lambda row: ORDER.index(row[0]))
    heads = ("STATE", "TIME", "SIZE", "TRIES", "TASK")
    lines = (
        [f"{heads[0]:<8}  {heads[1]:>9}  {heads[2]:>8}  {heads[3]:>5}  {heads[4]}"] if rows else []
    )
    for state, seconds, size, tries, name, why in rows:
        start = f"{state:<8}  {seconds:>9}  {size:>8}  {tries:>5}  "
        lines.append(start + _cut(name, max(24, columns() - len(start))))
        if why:
            lines.append(" " * len(start) + first_line(why, max(24, columns() - len(start))))
    return lines


def _cut(name: str, width: int) -> str:
    """An id that is very deep, without its middle: `--json` has it whole."""
    if len(name) <= width:
        return name
    half = (width - 1) // 2
    return f"{name[:half]}…{name[len(name) - (width - 1 - half) :]}"


def _row(key: tuple[str, str], members: list[TaskInfo]) -> tuple[str, str, str, str, str, str]:
    state, name = key
    count = len(members)
    seconds = sum(m.seconds for m in members)
    sizes = [m.size for m in members if m.size is not None]
    attempts = sum(m.attempts for m in members)
    return (
        state,
        "-" if not seconds else f"{seconds:.3f} s" if seconds < 1000 else span(seconds),
        size_text(sum(sizes)) if sizes else "-",
        f"{attempts:,}",
        members[0].id if count == 1 else f"{name}  x {count:,}",
        error_text(members[0].error) if members[0].error is not None else "",
    )


def task_json(task: TaskInfo) -> dict[str, Any]:
    """A task as JSON."""
    error = task.error
    return {
        "id": task.id,
        "state": task.state,
        "attempts": task.attempts,
        "started": task.started or None,
        "seconds": round(task.seconds, 6),
        "size": task.size,
        "worker": task.worker or None,
        "kept": task.kept,
        "error": error and {"type": error.type, "message": error.message},
    }


# ---------------------------------------------------------------------------------------- one task


def _show_task(run: api.Run, found: list[TaskInfo], name: str, *, as_json: bool) -> None:
    if not found:
        usage(f"no task {name} has run in {run.id}; wfc show {run.id} lists them")
    task = found[0]
    inputs = run.inputs(task.id)
    printed = "".join(one.text for one in run.logs(task.id))
    if as_json:
        print_json(
            {**task_json(task), "inputs": inputs, "output": _output(run, task), "printed": printed}
        )
        return
    print(f"{task.id}  {task.state}")
    ran = "for" if task.state == "running" else "ran"
    print(f"  began     {_clock(task.started)}, {ran} {span(task.seconds)}")
    print(f"  attempts  {task.attempts}")
    if task.worker:
        print(f"  worker    {task.worker}")
    for name, text in inputs.items():
        print(f"  {name:<8}  = {first_line(text, max(24, columns() - 14))}")
    output = _output(run, task)
    if output is not None:
        print(f"  gave      {first_line(output, max(24, columns() - 12))}")
        size = f", {size_text(task.size)}" if task.size is not None else ""
        print(f"            wfc output {run.id} '{task.id}' prints all of it{size}")
    elif task.state == "done":
        print("  gave      its result is not kept (nocheckpoint)")
    if printed:
        more = len(printed) > PRINTED
        print("  printed" + (f" (the last {PRINTED} characters; wfc logs has all)" if more else ""))
        print(indented(printed[-PRINTED:], "    "))
    if task.error is not None:
        print()
        print(failure(task.error, handle.plan_of_run(run)))


def _output(run: api.Run, task: TaskInfo) -> str | None:
    """The result as text that was cut, `None` where there is none."""
    from wfc.inputs import abridged

    if task.state != "done" or not task.kept:
        return None
    return abridged(run.output(task.id))
