"""A failure in words: what failed, where in the spec, the user's own traceback, what to do about it."""

from __future__ import annotations

import os
import textwrap
from typing import TYPE_CHECKING

from wfc.cli.out import colored, error_text

if TYPE_CHECKING:
    from wfc.plan.model import Plan
    from wfc.runtime.values import ErrorInfo

WIDE = 70
"""Characters of a head that stands in one line; what is longer is put below."""

_HELP = {
    "wfc.TaskTimeout": "give it longer with `timeout=…`, or further attempts with "
    "`max_retries=…, retry_exceptions=True`",
    "wfc.WorkerLost": "if memory was short, ask for it with `memory=…`, or let fewer run at once "
    "with `concurrency=…`",
    "wfc.QuorumUnreachable": "`catch wait(…)` goes on all the same, with what there is",
}


def failure(error: ErrorInfo, plan: Plan) -> str:
    """A failure as text: the traceback from the user's function on, what failed after how many
    attempts, its line in the spec, and what may help."""
    parts = [error.traceback.rstrip()] if error.traceback else []
    what = error_text(error)
    kind = "workflow" if error.type == "wfc.Failure" else "task"
    tries = "" if error.attempts == 1 else f", {error.attempts} attempts"
    head = f"{kind} {error.task} failed{tries}" if error.task else "the run failed"
    long = len(head) + len(what) > WIDE or "\n" in what
    shown = _marked(error, plan, head if long else f"{head}: {what}")
    if long:
        shown += "\n" + "\n".join(_wrapped(line) for line in what.splitlines())
    if error.type in _HELP:
        shown += "\n" + textwrap.fill(
            f"= help: {_HELP[error.type]}", 80, initial_indent="  ", subsequent_indent="    "
        )
    return "\n\n".join([*parts, shown])


def _wrapped(line: str) -> str:
    return textwrap.fill(line, 80, initial_indent="  ", subsequent_indent="  ") if line else ""


def _marked(error: ErrorInfo, plan: Plan, head: str) -> str:
    """The head, with the line of the spec below it."""
    if not error.where or error.where[0] >= len(plan.files):
        return f"error: {head}"
    from wfc.dsl.ast import Span
    from wfc.dsl.diagnostics import Diagnostic
    from wfc.dsl.render import render

    file = plan.files[error.where[0]]
    path = _from_here(os.path.join(plan.root, file.path)) if plan.root else file.path
    label = "called here" if error.traceback else "here"
    at = Diagnostic("", head, Span(path, *error.where[1:5]), label=label)
    shown = render([at], {path: file.text}, color=colored()).rstrip()
    return shown.replace("error[]", "error", 1)  # it is no finding of a check: no code


def _from_here(path: str) -> str:
    """A path as one would type it here."""
    near = os.path.relpath(path)
    return path if near.startswith("..") else near
