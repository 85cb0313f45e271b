"""`wfc run` and `wfc resume`: a run in this process, watched until it ends."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wfc.cli.failures import failure
from wfc.cli.out import (
    diagnostics,
    loose_json,
    print_json,
    reported,
    result_text,
    say,
    stop,
    usage,
)
from wfc.cli.stopping import Stopping
from wfc.errors import DONE, FAILED, STOPPED, STORAGE, RunInterrupted, exit_code
from wfc.runtime.storage_errors import StorageError
from wfc.watching import View, view

if TYPE_CHECKING:
    from wfc.api import Run
    from wfc.launching import Launcher
    from wfc.plan.model import Plan
    from wfc.runtime.coordinator import Outcome


LOOK = 0.2
"""Seconds between two looks whether the run has ended."""


@dataclass(frozen=True, slots=True)
class Where:
    """Where a run is kept, where it runs, and what may run."""

    store: str | None
    local: bool
    address: str | None
    allow: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Show:
    """What is shown of it."""

    quiet: bool
    json: bool


def run(
    target: str,
    *,
    texts: Sequence[str],
    file: Path | None,
    run_id: str | None,
    where: Where,
    dry_run: bool,
    apart: bool,
    show: Show,
    optimize: bool,
) -> None:
    """The command."""
    from wfc.params import read_file

    with reported(), Stopping() as stopping, _launching(where, unless=dry_run or apart) as launch:
        from wfc.api import Prepared, new_id
        from wfc.runtime.names import check_name

        plan = _plan(target, optimize, quiet=show.quiet)
        ready = Prepared(plan, where.allow)
        params = ready.parse(texts, read_file(file) if file else {})
        name = check_name(run_id, "run") if run_id else new_id(plan)
        if dry_run:
            _show_forecast(target, plan, params, show)
            stop(DONE)
        if launch is None:
            from wfc.cli.detach import detach

            again = ["run", target, "--run-id", name, *(f"--param={text}" for text in texts)]
            again += [f"--params={file}"] if file else []
            again += [] if optimize else ["--no-optimize"]
            detach(again, name, where, as_json=show.json)
        _watch(
            name,
            lambda seen: ready.start(params, launch, run_id=name, store=where.store, observer=seen),
            where,
            show,
            stopping,
        )


def _plan(target: str, optimize: bool, *, quiet: bool) -> Plan:
    from wfc.specs import compile_path, is_plan, read_plan, split_target

    path, workflow = split_target(target)
    if is_plan(path):
        return read_plan(path)
    plan, done = compile_path(path, workflow, optimize=optimize)
    if not quiet:
        diagnostics(done.diagnostics, done.sources)
    return plan


def _show_forecast(target: str, plan: Plan, params: dict[str, Any], show: Show) -> None:
    """What would run, with what is known of it before anything has."""
    from wfc.forecast import forecast

    found = forecast(plan, params)
    if show.json:
        calls = [{"task": one.path, "count": one.count, "why": one.why or None} for one in found]
        print_json({"workflow": plan.entry, "params": loose_json(params), "calls": calls})
        return
    given = ", ".join(f"{k}={v!r}" for k, v in params.items()) or "no parameters"
    say(f"ok: {target} would run as {plan.entry}, with {given}")
    for one in found:
        times = "?" if one.count is None else f"{one.count:,}"
        print(f"{times:>9} x  {one.path}" + (f"    {one.why}" if one.why else ""))
    known = sum(one.count for one in found if one.count is not None)
    more = ", and what is not known yet" if any(one.count is None for one in found) else ""
    say(f"{known:,} task{'' if known == 1 else 's'}{more}; nothing was started")


@contextmanager
def _launching(where: Where, *, unless: bool = False) -> Iterator[Launcher | None]:
    """Processes (or Ray) that get ready while the rest is read; ended again if nothing comes of it."""
    if unless:
        yield None
        return
    from wfc.launching import launcher

    launch = launcher(local=where.local, address=where.address)
    try:
        yield launch
    finally:
        launch.close()


def resume(
    run_id: str | None,
    *,
    every: bool,
    plan: bool,
    keep: bool,
    redo: bool,
    apart: bool,
    where: Where,
    show: Show,
) -> None:
    """The command."""
    if keep and redo:
        usage("say --keep or --redo, not both")
    if apart and run_id is not None and not plan:
        from wfc.cli.detach import detach

        with reported():
            again = ["resume", run_id, *(["--keep"] if keep else []), *(["--redo"] if redo else [])]
            detach(again, run_id, where, as_json=show.json)
    if every == (run_id is not None):
        usage("name a run, or say --all")
    if plan:
        from wfc.cli.resuming import show_plan

        with reported():
            for name in [run_id] if run_id is not None else _interrupted(where):
                show_plan(name, where, as_json=show.json)
            stop(DONE)
    with reported(_options(where)), Stopping() as stopping:
        names = [run_id] if run_id is not None else _interrupted(where)
        code = DONE
        for name in names:
            try:
                _resume(name, keep, redo, where, show, stopping)
            except BaseException as error:
                ended = getattr(error, "exit_code", None)
                if len(names) == 1 or ended is None or ended == STOPPED:
                    raise
                code = max(code, ended)
        stop(code)


def _interrupted(where: Where) -> list[str]:
    from wfc import api

    return [info.run_id for info in api.runs("interrupted", store=where.store)]


def _resume(
    run_id: str, keep: bool, redo: bool, where: Where, show: Show, stopping: Stopping
) -> None:
    with _launching(where) as launch:
        from wfc.api import resume_with

        assert launch is not None
        _watch(
            run_id,
            lambda seen: resume_with(
                run_id,
                launch,
                store=where.store,
                keep=keep,
                redo=redo,
                allow=where.allow,
                observer=seen,
            ),
            where,
            show,
            stopping,
        )


# ------------------------------------------------------------------------------------ watching


def _watch(
    run_id: str, begin: Callable[[View], Run], where: Where, show: Show, stopping: Stopping
) -> None:
    """Start a run, show it until it ends, print its result, and exit."""
    from wfc.runtime.work import ExecutorLost

    seen = view(run_id, quiet=show.quiet or show.json, redirect=True)
    try:
        stopping.begins(run_id, resume_command(run_id, where))
        run = begin(seen)
        if not show.quiet:
            say(f"run {run_id} in {run.store}")
        stopping.of(run)
        while not run.wait(LOOK):
            stopping.listen()
    finally:
        with suppress(OSError):  # the terminal may be gone
            seen.close()
    try:
        done = _outcome(run)
    except (StorageError, ExecutorLost) as error:
        code = STORAGE if isinstance(error, StorageError) else STOPPED
        if exit_code(error) != code:
            raise
        say(f"error: {error}")
        say(f"run {run.id} was interrupted; nothing that was kept is lost. When that is mended:")
        say(f"  {resume_command(run.id, where)}")
        stop(code)
    _finish(run, done, where, show)


def _outcome(run: Run) -> Outcome:
    from wfc.runtime.coordinator import Outcome

    try:
        return run.outcome()
    except RunInterrupted:
        if run.active:
            return Outcome(run.id, "interrupted")
        return Outcome(run.id, "succeeded", run.result())  # it had ended before


def _finish(run: Run, done: Outcome, where: Where, show: Show) -> None:
    if show.json:
        _print_object(run, done)
    elif done.status == "succeeded":
        _print_result(run, done, where)
    if done.status == "failed" and done.error is not None and not show.json:
        from wfc.handle import plan_of_run

        say(failure(done.error, plan_of_run(run)))
        say()
        say(f"run {run.id} failed. What is done is kept. When the cause is mended:")
        say(f"  {resume_command(run.id, where)}")
        ran = done.error.traceback or done.error.type in ("wfc.TaskTimeout", "wfc.WorkerLost")
        task = shlex.quote(done.error.task) if ran else ""
        say("For the arguments of the task, and what it printed:" if task else "For all its tasks:")
        say(f"  {_command(run, where, 'show', task)}")
    elif done.status == "interrupted":
        say(f"run {run.id} was interrupted. To go on:")
        say(f"  {resume_command(run.id, where)}")
    elif done.status == "cancelled":
        say(f"run {run.id} was cancelled")
    stop({"succeeded": DONE, "failed": FAILED}.get(done.status, STOPPED))


def _print_result(run: Run, done: Outcome, where: Where) -> None:
    try:
        print(result_text(done.value), flush=True)
    except BrokenPipeError:
        raise
    except OSError:
        say(f"run {run.id} has succeeded. To see its result:")
        say(f"  {_command(run, where, 'output')}")
        raise


def _print_object(run: Run, done: Outcome) -> None:
    error = done.error
    print_json(
        {
            "run_id": run.id,
            "status": done.status,
            "result": loose_json(done.value),
            "error": None
            if error is None
            else {
                "type": error.type,
                "message": error.message,
                "traceback": error.traceback,
                "task": error.task,
                "attempts": error.attempts,
            },
            "tasks": done.tasks,
            "seconds": round(done.seconds, 3),
        }
    )


def resume_command(run_id: str, where: Where) -> str:
    """What to type to go on with a run."""
    return f"wfc resume {run_id}{_options(where)}"


def _options(where: Where) -> str:
    """What says where a run is kept, and where it runs."""
    store = f" --store {shlex.quote(where.store)}" if where.store else ""
    address = f" --address {where.address}" if where.address else ""
    return store + (" --local" if where.local else "") + address


def _command(run: Run, where: Where, command: str, task: str = "") -> str:
    store = f" --store {shlex.quote(where.store)}" if where.store else ""
    return f"wfc {command} {run.id}{' ' + task if task else ''}{store}"
