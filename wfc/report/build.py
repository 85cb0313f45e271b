"""Puts the page together: what is in it comes as data, and the page's script draws it.

Nothing of a run is ever HTML: it stands in one JSON text, in which `<` is written `\\u003c`.
"""

from __future__ import annotations

import html
import json
import time
from collections.abc import Iterable
from importlib.resources import files
from typing import Any

from wfc import api, stored
from wfc.compiler.emit.picture import picture
from wfc.compiler.emit.svg import draw
from wfc.history import TaskInfo
from wfc.inputs import abridged
from wfc.plan.model import Plan
from wfc.report.places import Places
from wfc.runtime import codec
from wfc.runtime.store import Store

MOST = 50_000
"""Tasks in a report, at most: those that failed or run, then the ones that took longest."""

CARDS = 50
"""Failures that are told in full, at most."""

PRINTED = 4000
"""Characters of what a failed task printed."""


def report(run: api.Run) -> str:
    """The report of a run as it stands, as one HTML document that asks for nothing else."""
    tasks = run.tasks()
    with Store.open(run.store, create=False) as store:
        info = store.journal.run(run.id)
        definition = store.journal.definition(run.id)
        params = stored.with_code(store, run.id, lambda: codec.decode(definition.params))
        waits = stored.waiting_for(store, run.id) if info.status == "running" else []
    plan = stored.plan_in(definition)
    drawn = picture(plan)
    places = Places(drawn, plan.entry)
    shown = _chosen(tasks)
    workers = sorted({t.worker for t in shown if t.worker})
    data = {
        "run": run.id,
        "status": stored.state_of(info),
        "workflow": info.entry,
        "created": info.created,
        "finished": info.finished,
        "now": time.time(),
        "error": info.error,
        "params": {name: abridged(value) for name, value in params.items()},
        "waits": [f"{w.kind} {w.name}" for w in waits],
        "workers": workers,
        "missing": len(tasks) - len(shown),
        "boxes": _boxes(tasks, places),
        "tasks": [_row(task, workers, places) for task in shown],
        "failures": _failures(run, shown, plan),
        "files": [{"path": f.path, "text": f.text} for f in plan.files],
    }
    return page(f"{run.id} · wfc", draw(drawn), data)


def page(title: str, svg: str, data: Any) -> str:
    """The page around a picture and its data."""
    here = files(__package__)
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), default=repr)
    parts = {
        "title": html.escape(title),
        "style": (here / "page.css").read_text(encoding="utf-8"),
        "picture": svg,
        "data": text.replace("<", "\\u003c").replace("\u2028", "\\u2028"),
        "script": (here / "page.js").read_text(encoding="utf-8"),
    }
    out = (here / "page.html").read_text(encoding="utf-8")
    pieces = []
    while True:  # piece by piece: what is put in is not looked through again
        before, sign, rest = out.partition("{{")
        pieces.append(before)
        if not sign:
            return "".join(pieces)
        name, _, out = rest.partition("}}")
        pieces.append(parts[name])


def _chosen(tasks: list[TaskInfo]) -> list[TaskInfo]:
    """Those that the report has room for, in their order."""
    if len(tasks) <= MOST:
        return tasks
    ranked = sorted(range(len(tasks)), key=lambda i: (tasks[i].state == "done", -tasks[i].seconds))
    return [tasks[i] for i in sorted(ranked[:MOST])]


def _boxes(tasks: Iterable[TaskInfo], places: Places) -> dict[str, dict[str, int]]:
    """How many tasks of each state each box stands for."""
    out: dict[str, dict[str, int]] = {}
    for task in tasks:
        key = places.key(task.id)
        if key is not None:
            counts = out.setdefault(key, {})
            counts[task.state] = counts.get(task.state, 0) + 1
    return out


def _row(task: TaskInfo, workers: list[str], places: Places) -> list[Any]:
    error = (
        f"{task.error.type.removeprefix('builtins.')}: {task.error.message}" if task.error else ""
    )
    return [
        task.id,
        task.state,
        task.attempts,
        round(task.started, 6),
        round(task.seconds, 6),
        workers.index(task.worker) if task.worker else -1,
        task.size,
        error[:500],
        places.key(task.id),
    ]


def _failures(run: api.Run, tasks: list[TaskInfo], plan: Plan) -> list[dict[str, Any]]:
    out: list[dict[str, Any]] = []
    order = ("failed", "retrying", "caught")
    wrong = [task for task in tasks if task.error is not None]
    for task in sorted(wrong, key=lambda task: order.index(task.state))[:CARDS]:
        if task.error is None:
            continue
        error = task.error
        where = error.where
        line = text = None
        if where and where[0] < len(plan.files):
            file = plan.files[where[0]]
            lines = file.text.splitlines()
            line = f"{file.path}:{where[1]}"
            text = lines[where[1] - 1] if where[1] <= len(lines) else ""
        out.append(
            {
                "task": task.id,
                "state": task.state,
                "error": f"{error.type.removeprefix('builtins.')}: {error.message}",
                "traceback": error.traceback,
                "attempts": task.attempts,
                "line": line,
                "text": text,
                "inputs": run.inputs(task.id),
                "printed": "".join(p.text for p in run.logs(task.id))[-PRINTED:],
            }
        )
    return out
