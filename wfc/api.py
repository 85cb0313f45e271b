"""The public functions of `wfc`, but for those that task functions use."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from wfc import params as parameters
from wfc.byvalue import by_value
from wfc.errors import (
    CodeChanged,
    ParameterError,
    RunCancelled,
    RunFailed,
    RunInterrupted,
    SpecError,
)
from wfc.handle import Run
from wfc.launching import Launcher, launcher
from wfc.plan.model import Plan
from wfc.running import Active
from wfc.runtime import coordinator
from wfc.runtime.coordinator import Observer
from wfc.runtime.journal import RunInfo
from wfc.runtime.names import check_name
from wfc.runtime.store import Store
from wfc.runtime.work import Program
from wfc.specs import (
    Spec,
    classes_of,
    compile_path,
    load,
    read_plan,
    split_target,
)
from wfc.stored import bundle, changes, plan_in, state_of, store_url

__all__ = [
    "CodeChanged",
    "ParameterError",
    "Run",
    "RunCancelled",
    "RunFailed",
    "RunInfo",
    "RunInterrupted",
    "Spec",
    "SpecError",
    "compile",
    "get",
    "load",
    "resume",
    "run",
    "runs",
    "start",
]

Source: TypeAlias = "Plan | Spec | str | os.PathLike[str]"
"""What can be run: a plan, a spec, or the path of one (`spec.wf`, `spec.wf:workflow`, `plan.json`)."""


def compile(
    spec: Spec | str | os.PathLike[str],
    workflow: str | None = None,
    *,
    optimize: bool = True,
    strict: bool = False,
) -> Plan:
    """The plan of a workflow: the one named, else `main`, else the only one. Raises `SpecError`.

    Without `optimize` each call is planned by itself: the same results, slower. `strict` makes a
    missing annotation an error.
    """
    path = spec.path if isinstance(spec, Spec) else spec
    plan, _ = compile_path(path, workflow, optimize=optimize, strict=strict)
    return plan


def plan_of(source: Source, *, optimize: bool = True) -> Plan:
    """The plan of anything that can be run. Raises `SpecError`, `ParameterError`."""
    if isinstance(source, Plan):
        return source
    if isinstance(source, Spec):
        return compile(source, optimize=optimize)
    path, workflow = split_target(os.fspath(source))
    if path.endswith(".json"):
        return read_plan(path)
    return compile(path, workflow, optimize=optimize)


# ------------------------------------------------------------------------------------- starting


def run(
    source: Source,
    /,
    *,
    params: Mapping[str, Any] | None = None,
    run_id: str | None = None,
    store: str | os.PathLike[str] | None = None,
    local: bool = False,
    address: str | None = None,
    allow: Sequence[str] = (),
    progress: bool = False,
    **values: Any,
) -> Any:
    """Run a workflow and return its result; the arguments are those of `start`.

        wfc.run("etl.wf", day="2026-01-31", local=True)

    Raises what `start` raises, `RunFailed` and `RunCancelled`. A `KeyboardInterrupt` leaves the run
    as it stands, to be resumed.
    """
    handle = start(
        source,
        params=params,
        run_id=run_id,
        store=store,
        local=local,
        address=address,
        allow=allow,
        progress=progress,
        **values,
    )
    try:
        return handle.result()
    except KeyboardInterrupt:
        handle.interrupt()
        raise


def start(
    source: Source,
    /,
    *,
    params: Mapping[str, Any] | None = None,
    run_id: str | None = None,
    store: str | os.PathLike[str] | None = None,
    local: bool = False,
    address: str | None = None,
    allow: Sequence[str] = (),
    progress: bool = False,
    observer: Observer | None = None,
    **values: Any,
) -> Run:
    """Start a workflow and return a handle to the run, which goes on in the background.

        run = wfc.start("etl.wf:backfill", month="2026-01", run_id="january")
        run.status, run.result(timeout=3600)

    `source` is a plan, a spec, or the path of one: `etl.wf`, `etl.wf:workflow`, `plan.json`.
    The workflow's parameters are keywords; `params` takes those whose names are taken here.
    `run_id` names the run (else one is made up), `store` is a folder or a database URL (else
    `WFC_STORE`, else `.wfc`). It runs on Ray (`address`, else `RAY_ADDRESS`, else one that runs
    here, else a private one), or with `local` in processes of this machine. `allow` are patterns of
    which each task's function has to match one. With `progress` the run is shown while it goes on, on
    stderr or in the notebook; `observer` is told instead. Raises `SpecError`, `ParameterError`,
    `FunctionsError`, `StorageError` and `ConnectionError` (no Ray answers at that address); then
    nothing was started.
    """
    given = {**(params or {}), **values}
    launch = launcher(local=local, address=address)
    try:
        prepared = Prepared(plan_of(source), allow)
        return prepared.start(
            prepared.validate(given),
            launch,
            run_id=run_id,
            store=store,
            observer=observer,
            progress=progress,
        )
    except BaseException:
        launch.close()
        raise


class Prepared:
    """A plan whose functions were imported and checked. Raises `FunctionsError`."""

    def __init__(self, plan: Plan, allow: Sequence[str] = ()) -> None:
        self.plan = plan
        self._entry = plan.workflows[plan.entry]
        self.functions = bundle(plan, allow)

    def validate(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The parameters of a run. Raises `ParameterError`."""
        return parameters.validate(self._entry.params, by_value(values), classes_of(self.plan))

    def parse(self, texts: Sequence[str], values: Mapping[str, Any]) -> dict[str, Any]:
        """As `validate`, with `NAME=VALUE` texts over the values. Raises `ParameterError`."""
        return parameters.parse(self._entry.params, texts, values, classes_of(self.plan))

    def start(
        self,
        params: Mapping[str, Any],
        launch: Launcher,
        *,
        run_id: str | None = None,
        store: str | os.PathLike[str] | None = None,
        observer: Observer | None = None,
        progress: bool = False,
    ) -> Run:
        """Write the run down and start it. Raises `StorageError`."""
        name = check_name(run_id, "run") if run_id is not None else new_id(self.plan)
        url = store_url(store)
        opened = Store.open(url)
        try:
            options = {"root": self.plan.root or "", "entry": self.plan.entry}
            coordinator.create(opened, name, self.plan, params, options=options)
            program = coordinator.program(opened, name, self.plan, self.functions)
            return _begin(name, url, opened, launch, program, observer, progress)
        except BaseException:
            opened.close()
            raise


def _begin(
    name: str, url: str, opened: Store, launch: Launcher, program: Program,
    observer: Observer | None, progress: bool,
) -> Run:  # fmt: skip
    """Start the run in this process, shown where that is wanted."""
    if observer is not None or not progress:
        return Run(name, url, Active(opened, name, launch, program, observer))
    from wfc.watching import view

    seen = view(name, quiet=False)
    try:
        return Run(name, url, Active(opened, name, launch, program, seen, seen.close))
    except BaseException:
        seen.close()
        raise


def new_id(plan: Plan) -> str:
    """A name for a run: the workflow, the time, and something that makes it the only one."""
    entry = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "-" for c in plan.entry)
    return f"{entry[:80]}-{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"


def resume(
    run_id: str,
    *,
    store: str | os.PathLike[str] | None = None,
    local: bool = False,
    address: str | None = None,
    keep: bool = False,
    redo: bool = False,
    allow: Sequence[str] = (),
    progress: bool = False,
    observer: Observer | None = None,
) -> Run:
    """Go on with a run that was interrupted, has failed or was cancelled. Returns a handle.

        wfc.resume("january").result()

    What is done is not done again; where it runs is chosen as by `start`. Raises `CodeChanged` when
    code that the run uses is not what it was, unless `keep` says that what is done counts all the
    same, or `redo` that what changed runs again, with all that hangs on it; `Owned` when another
    process has the run; `StorageError`.
    """
    launch = launcher(local=local, address=address)
    try:
        return resume_with(
            run_id,
            launch,
            store=store,
            keep=keep,
            redo=redo,
            allow=allow,
            observer=observer,
            progress=progress,
        )
    except BaseException:
        launch.close()
        raise


def resume_with(
    run_id: str,
    launch: Launcher,
    *,
    store: str | os.PathLike[str] | None = None,
    keep: bool = False,
    redo: bool = False,
    allow: Sequence[str] = (),
    observer: Observer | None = None,
    progress: bool = False,
) -> Run:
    """As `resume`, on an executor that is getting ready already."""
    url = store_url(store)
    opened = Store.open(url, create=False)
    try:
        definition = opened.journal.definition(run_id)
        plan = plan_in(definition)
        if opened.journal.run(run_id).status == "succeeded":
            opened.close()
            launch.close()
            return Run(run_id, url)
        changed = [] if keep else changes(definition)
        if changed and not redo:
            raise CodeChanged(run_id, changed)
        if changed:
            from wfc.redoing import start_over

            plan, code = start_over(opened, run_id, lambda plan: bundle(plan, allow))
        else:
            code = bundle(plan, allow)
        program = coordinator.program(opened, run_id, plan, code)
        return _begin(run_id, url, opened, launch, program, observer, progress)
    except BaseException:
        opened.close()
        raise


# ---------------------------------------------------------------------------------- known runs


def runs(
    status: str | None = None, *, store: str | os.PathLike[str] | None = None
) -> list[RunInfo]:
    """The runs of a store, the newest last; raises `StorageError`."""
    with Store.open(store_url(store), create=False) as opened:
        return [i for i in opened.journal.runs() if status is None or state_of(i) == status]


def get(run_id: str, *, store: str | os.PathLike[str] | None = None) -> Run:
    """A handle to a run of a store; raises `StorageError` when there is none of that name."""
    url = store_url(store)
    with Store.open(url, create=False) as opened:
        opened.journal.run(run_id)
    return Run(run_id, url)


def _plan_html(plan: Plan) -> str:
    from wfc.notebook import plan_html

    return plan_html(plan)


# The plan itself is plain data, and knows nothing of the compiler that can draw it.
setattr(Plan, "_repr_html_", _plan_html)  # noqa: B010 - not a field of the model
