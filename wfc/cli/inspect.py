"""`wfc list`, `show`, `output`, `send`, `cancel`: runs of a store, whoever works on them."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from wfc import api
from wfc.cli.out import error_text, failure, print_json, reported, result_text, say, stop, usage
from wfc.errors import STOPPED, USAGE
from wfc.history import without_indices
from wfc.runtime.store import Store

if TYPE_CHECKING:
    from wfc.history import TaskInfo
    from wfc.runtime.journal import RunInfo

STATES = ("running", "interrupted", "succeeded", "failed", "cancelled", "damaged")


def list_runs(store: str | None, *, status: str | None, as_json: bool) -> None:
    """The command."""
    if status is not None and status not in STATES:
        usage(f"--status is one of {', '.join(STATES)}, not {status!r}")
    with reported():
        found = api.runs(status, store=store)
        if as_json:
            print_json([_run_json(info) for info in found])
            return
        if not found:
            say("no runs")
        width = max((len(info.run_id) for info in found), default=0)
        for info in found:
            began = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(info.created))
            rest = info.damage or info.error or info.entry
            line = f"{info.run_id:<{width}}  {api.state_of(info):<11}  {began}  {_first_line(rest)}"
            print(line.rstrip())


def _first_line(text: str) -> str:
    line = text.partition("\n")[0]
    return line if len(line) <= 80 else line[:77] + "..."


def _run_json(info: RunInfo) -> dict[str, Any]:
    return {
        "run_id": info.run_id,
        "status": api.state_of(info),
        "entry": info.entry,
        "created": info.created,
        "finished": info.finished,
        "error": info.error or None,
        "owner": str(info.owner) if info.owner is not None else None,
    }


def show(run_id: str, task: str | None, store: str | None, *, as_json: bool) -> None:
    """The command."""
    with reported():
        run = api.get(run_id, store=store)
        tasks = run.tasks()
        if task is not None:
            _show_task(run, [t for t in tasks if t.id == task], as_json=as_json)
            return
        with Store.open(run.store, create=False) as opened:
            info = opened.journal.run(run_id)
            waits = api.waiting_for(opened, run_id) if info.status == "running" else []
        if as_json:
            rows = [_task_json(t) for t in tasks]
            print_json({**_run_json(info), "tasks": rows, "waits_for": waits})
            return
        print(f"{run_id}  {api.state_of(info)}  {info.entry}")
        if info.owner is not None and info.is_owned(time.time()):
            print(f"  owned by {info.owner}")
        for line in _grouped(tasks):
            print(f"  {line}")
        for name in waits:
            print(f"  waits for {name}")
        if info.error:
            print(f"  {_first_line(info.error)}")


def _grouped(tasks: list[TaskInfo]) -> list[str]:
    """A line for each task; the elements of a fan-out share one, but for those that failed."""
    groups: dict[str, list[TaskInfo]] = {}
    for task in tasks:
        key = without_indices(task.id) if task.state == "done" else task.id
        groups.setdefault(key, []).append(task)
    lines = []
    for key, members in groups.items():
        first = members[0]
        times = f"{key}  x {len(members)}" if len(members) > 1 else first.id
        seconds = sum(m.seconds for m in members)
        attempts = sum(m.attempts for m in members)
        tries = f"  {attempts} attempts" if attempts > len(members) else ""
        why = f"  {_first_line(error_text(first.error))}" if first.error else ""
        lines.append(f"{first.state:<8}  {seconds:8.3f} s  {times}{tries}{why}")
    return lines


def _task_json(task: TaskInfo) -> dict[str, Any]:
    error = task.error
    return {
        "id": task.id,
        "state": task.state,
        "attempts": task.attempts,
        "started": task.started or None,
        "seconds": round(task.seconds, 6),
        "worker": task.worker or None,
        "kept": task.kept,
        "error": error and {"type": error.type, "message": error.message},
    }


def _show_task(run: api.Run, found: list[TaskInfo], *, as_json: bool) -> None:
    if not found:
        usage(f"no such task has run in {run.id}; wfc show {run.id} lists them")
    task = found[0]
    if as_json:
        print_json(_task_json(task))
        return
    began = (
        time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(task.started)) if task.started else "?"
    )
    print(f"{task.id}  {task.state}")
    print(
        f"  attempts {task.attempts}  began {began}  ran {task.seconds:.3f} s  on {task.worker or '?'}"
    )
    if task.state == "done" and not task.kept:
        print("  its result is not kept (nocheckpoint)")
    if task.error is not None:
        print(failure(task.error, [(f.path, f.text) for f in api.plan_of_run(run).files]))


def output(run_id: str, task: str | None, store: str | None) -> None:
    """The command."""
    with reported():
        run = api.get(run_id, store=store)
        if task is not None:
            try:
                print(result_text(run.output(task)))
            except LookupError as error:
                usage(str(error.args[0]))
            return
        state = run.status
        if state in ("running", "interrupted"):
            say(f"run {run_id} has no result yet: it is {state}")
            stop(STOPPED)
        print(result_text(run.result()))


def send(run_id: str, signal: str, text: str, id: str | None, store: str | None) -> None:
    """The command."""
    try:
        value = json.loads(text)
    except ValueError:
        usage(f"a signal's value is JSON, and {text!r} is not (a text is '\"…\"')")
    with reported():
        if not api.get(run_id, store=store).send(signal, value, id=id):
            say(f"a signal of id {id} was sent before: nothing to do")


def cancel(run_id: str, store: str | None) -> None:
    """The command."""
    with reported():
        run = api.get(run_id, store=store)
        if not run.cancel():
            say(f"run {run_id} has ended: it {run.status}")
            stop(USAGE)
        state = run.status
        if state == "running":
            say(f"run {run_id} was asked to stop")
        else:
            say(f"run {run_id} is {state}: it will be cancelled when somebody resumes it")
