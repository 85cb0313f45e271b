"""`wfc list`, `output`, `logs`, `send`, `cancel`: runs of a store, whoever works on them."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from wfc import api, stored
from wfc.cli.out import (
    columns,
    first_line,
    print_json,
    reported,
    result_text,
    say,
    stop,
    usage,
)
from wfc.errors import STOPPED, USAGE

if TYPE_CHECKING:
    from wfc.runtime.journal import RunInfo

STATES = ("running", "interrupted", "succeeded", "failed", "cancelled", "damaged")


def list_runs(store: str | None, *, status: str | None, as_json: bool) -> None:
    """The command."""
    if status is not None and status not in STATES:
        usage(f"--status is one of {', '.join(STATES)}, not {status!r}")
    with reported():
        found = api.runs(status, store=store)
        if as_json:
            print_json([run_json(info) for info in found])
            return
        if not found:
            say("no runs")
        width = max((len(info.run_id) for info in found), default=0)
        for info in found:
            began = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(info.created))
            rest = info.damage or info.error or info.entry
            line = f"{info.run_id:<{width}}  {stored.state_of(info):<11}  {began}  "
            print(line + first_line(rest, max(16, columns() - len(line))))


def run_json(info: RunInfo) -> dict[str, Any]:
    """A run as JSON."""
    return {
        "run_id": info.run_id,
        "status": stored.state_of(info),
        "entry": info.entry,
        "created": info.created,
        "finished": info.finished,
        "error": info.error or None,
        "owner": str(info.owner) if info.owner is not None else None,
    }


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


LOOK = 0.3
"""Seconds between two looks at what a run that goes on has printed."""


def logs(run_id: str, task: str | None, store: str | None, *, follow: bool, as_json: bool) -> None:
    """The command."""
    with reported():
        run = api.get(run_id, store=store)
        after = 0
        last = ""
        while True:
            going = (
                follow and run.status == "running"
            )  # asked before: what comes last is not missed
            for found in run.logs(task, after=after):
                after = found.pos
                if as_json:
                    row = {"task": found.task, "attempt": found.attempt, "at": found.at}
                    print_json({**row, "text": found.text})
                    continue
                head = found.task + (f" (attempt {found.attempt})" if found.attempt > 1 else "")
                if task is None and head != last:
                    last = head
                    print(f"== {head}")
                print(found.text, end="" if found.text.endswith("\n") else "\n", flush=True)
            if not going:
                break
            time.sleep(LOOK)
        if not after:
            what = f"task {task} of run {run_id}" if task else f"no task of run {run_id}"
            say(f"{what} has printed nothing" if task else f"{what} has printed anything")
