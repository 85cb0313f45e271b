"""How runs and plans look in a notebook."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from wfc.history import TaskInfo, without_indices
from wfc.watching import span

if TYPE_CHECKING:
    from wfc.plan.model import Plan

ROWS = 30

_COLOURS = {
    "succeeded": "#16a34a",
    "failed": "#dc2626",
    "damaged": "#dc2626",
    "running": "#2563eb",
    "interrupted": "#d97706",
    "cancelled": "#d97706",
}
_STATES = ("done", "running", "retrying", "caught", "failed")


def run_html(run_id: str, store: str, status: str, tasks: Sequence[TaskInfo]) -> str:
    """A run: its status, and of each call how many are in which state."""
    groups: dict[str, list[TaskInfo]] = {}
    for task in tasks:
        groups.setdefault(without_indices(task.id), []).append(task)
    colour = _COLOURS.get(status, "#475569")
    badge = f'<b style="color: {colour}">{escape(status)}</b>'
    head = f"<code>{escape(run_id)}</code> {badge} in <code>{escape(store)}</code>"
    shown = list(groups.items())[:ROWS]
    states = [s for s in _STATES if any(t.state == s for t in tasks)]
    names = "".join(f"<th>{name}</th>" for name in ("task", *states, "time"))
    rows = "".join(_row(name, members, states) for name, members in shown)
    more = f"<tr><td>and {len(groups) - ROWS} more</td></tr>" if len(groups) > ROWS else ""
    table = f"<table><tr>{names}</tr>{rows}{more}</table>" if groups else ""
    failed = [t for t in tasks if t.state == "failed" and t.error is not None]
    errors = "".join(
        f"<pre>{escape(t.error.traceback or f'{t.error.type}: {t.error.message}')}</pre>"
        for t in failed[:3]
        if t.error is not None
    )
    return f"<div>{head}{table}{errors}</div>"


def _row(name: str, members: Sequence[TaskInfo], states: Sequence[str]) -> str:
    counts = [sum(task.state == state for task in members) for state in states]
    cells = "".join(f"<td>{count or ''}</td>" for count in counts)
    seconds = sum(task.seconds for task in members)
    time = span(seconds) if seconds else ""
    return f"<tr><td><code>{escape(name)}</code></td>{cells}<td>{time}</td></tr>"


def plan_html(plan: Plan) -> str:
    """A plan as its picture."""
    from wfc.compiler.emit.svg import svg

    return svg(plan)
