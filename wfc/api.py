"""The public functions of `wfc`, but for those that task functions use."""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any, TypeAlias

from wfc import history
from wfc import params as parameters
from wfc.errors import (
    CodeChanged,
    ParameterError,
    RunCancelled,
    RunFailed,
    RunInterrupted,
    SpecError,
)
from wfc.history import History
from wfc.launching import Launcher, launcher
from wfc.plan.model import Plan
from wfc.running import Active, result_of
from wfc.runtime import codec, coordinator, functions, progress
from wfc.runtime.coordinator import Observer, Outcome
from wfc.runtime.engine import Engine, records
from wfc.runtime.journal import Definition, Printed, RunInfo
from wfc.runtime.names import check_name
from wfc.runtime.progress import Moment, Waiting
from wfc.runtime.reading import load_value
from wfc.runtime.store import DEFAULT, Store
from wfc.runtime.values import Value
from wfc.runtime.work import Program
from wfc.specs import (
    Spec,
    class_modules,
    classes_of,
    compile_path,
    load,
    needs_classes,
    read_plan,
    split_target,
)

if TYPE_CHECKING:
    from wfc.history import TaskInfo

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

POLL = 0.1

STALE = 15.0
"""Seconds after which what a run's owner said of it counts for nothing any more."""


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


def store_url(store: str | os.PathLike[str] | None) -> str:
    """The store that is meant: the one given, else `WFC_STORE`, else `.wfc`."""
    return os.fspath(store or os.environ.get("WFC_STORE") or DEFAULT)


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
    `FunctionsError` and `StorageError`; then nothing was started.
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
        return parameters.validate(self._entry.params, values, classes_of(self.plan))

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


def bundle(plan: Plan, allow: Sequence[str] = ()) -> bytes:
    """The plan's functions, with the classes of its parameters. Raises `FunctionsError`."""
    also = (
        [(m, folder) for m, _, folder in class_modules(plan).values()]
        if needs_classes(plan)
        else []
    )
    return functions.bundle(plan, allow=allow, also=also)


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
    allow: Sequence[str] = (),
    progress: bool = False,
    observer: Observer | None = None,
) -> Run:
    """Go on with a run that was interrupted, has failed or was cancelled. Returns a handle.

        wfc.resume("january").result()

    What is done is not done again; where it runs is chosen as by `start`. Raises `CodeChanged` when
    code that the run uses is not what it was, unless `keep` says that what is done counts all the
    same; `Owned` when another process has the run; `StorageError`.
    """
    launch = launcher(local=local, address=address)
    try:
        return resume_with(
            run_id,
            launch,
            store=store,
            keep=keep,
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
        if not keep and (changed := changes(definition)):
            raise CodeChanged(run_id, changed)
        program = coordinator.program(opened, run_id, plan, bundle(plan, allow))
        return _begin(run_id, url, opened, launch, program, observer, progress)
    except BaseException:
        opened.close()
        raise


def plan_in(definition: Definition) -> Plan:
    """The plan that a run was started with, and where its project was."""
    plan = Plan.from_json(definition.plan)
    return plan.model_copy(update={"root": definition.options.get("root") or None})


def changes(definition: Definition) -> list[str]:
    """How the spec and the code differ from those of the run, in words; empty when they do not.

    Comments and formatting do not count, in either.
    """
    then = plan_in(definition)
    main = os.path.join(then.root or ".", then.files[0].path)
    if not os.path.exists(main):
        return [] if _no_code_beside(then) else [f"{main} is gone"]
    try:
        now = compile(main, then.entry)
    except SpecError as error:
        return [f"the spec {then.files[0].path} has errors now: {error}"]
    out = [
        f"task {name}: the code of {task.module}.{task.qualname} has changed"
        for name, task in then.tasks.items()
        if name in now.tasks and now.tasks[name].fingerprint != task.fingerprint
    ]
    plain = _meaning(then)
    if plain != _meaning(now) and plain != _meaning(compile(main, then.entry, optimize=False)):
        out.append(f"the spec {then.files[0].path} has changed")
    return out


def _no_code_beside(plan: Plan) -> bool:
    return all(task.beside is None for task in plan.tasks.values())


def _meaning(plan: Plan) -> Any:
    """The plan without what says where things stand, and without the code's fingerprints."""

    plain = json.loads(plan.to_json())
    del plain["files"]
    todo = [plain]
    while todo:
        value = todo.pop()
        if isinstance(value, dict):
            for key in ("where", "fingerprint", "doc"):
                value.pop(key, None)
            todo.extend(value.values())
        elif isinstance(value, list):
            todo.extend(value)
    return plain


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


def state_of(info: RunInfo) -> str:
    """`running`, `interrupted` (nobody works on it: it can be resumed), or how the run ended."""
    if info.damage:
        return "damaged"
    if info.status == "running" and not info.is_owned(time.time()):
        return "interrupted"
    return info.status


class Run:
    """A run, whichever process works on it: `id` is its name, `store` the URL of where it is kept.

    `start`, `resume` and `get` give one.
    """

    def __init__(self, run_id: str, store: str, active: Active | None = None) -> None:
        self.id = run_id
        self.store = store
        self._active = active

    def __repr__(self) -> str:
        return f"<wfc run {self.id} in {self.store}>"

    def _repr_html_(self) -> str:
        """How the run stands, for notebooks."""
        from wfc.notebook import run_html

        return run_html(self.id, self.store, self.status, self.tasks())

    def __await__(self) -> Generator[Any, None, Any]:
        """The result, as `result` gives it, while the event loop goes on."""
        import asyncio

        return asyncio.to_thread(self.result).__await__()

    def _open(self) -> closing[Store]:
        return closing(Store.open(self.store, create=False))

    @property
    def status(self) -> str:
        """`running`, `interrupted`, `succeeded`, `failed` or `cancelled`."""
        with self._open() as store:
            return state_of(store.journal.run(self.id))

    def result(self, timeout: float | None = None) -> Any:
        """Wait for the end, and return the result.

        Raises `RunFailed`, `RunCancelled`, `RunInterrupted` (nobody works on the run), `TimeoutError`
        after `timeout` seconds, `StorageError`.
        """
        if self._active is not None:
            done = self._active.join(timeout)
            return result_of(self.id, done.status, done.value, done.error)
        until = None if timeout is None else time.monotonic() + timeout
        with self._open() as store:
            while (state := state_of(store.journal.run(self.id))) == "running":
                if until is not None and time.monotonic() >= until:
                    raise TimeoutError(f"run {self.id} has not ended after {timeout} s")
                time.sleep(POLL)
            return self._ended(store, state)

    def _ended(self, store: Store, state: str) -> Any:
        ended = coordinator.outcome_of(store, self.id)
        if ended is None or state == "interrupted":
            return result_of(self.id, state)
        value = None
        if ended.value is not None:
            value = with_code(store, self.id, lambda: load_value(ended.value, store.values))
        return result_of(self.id, ended.status, value, ended.error)

    @property
    def active(self) -> bool:
        """Whether this process works, or worked, on the run."""
        return self._active is not None

    def outcome(self) -> Outcome:
        """How the run ended in this process; waits for it. Raises `RunInterrupted` elsewhere."""
        if self._active is None:
            raise RunInterrupted(self.id)
        return self._active.join()

    def wait(self, timeout: float | None = None) -> bool:
        """Whether this process's part of the run has ended, after at most `timeout` seconds."""
        return self._active is None or self._active.ended.wait(timeout)

    def interrupt(self) -> None:
        """Leave a run of this process as it stands; it can be resumed."""
        if self._active is not None:
            self._active.interrupt()

    def ask_to_stop(self) -> None:
        """As `interrupt`, without waiting for it."""
        if self._active is not None:
            self._active.stop.set()

    def cancel(self) -> bool:
        """Ask for the run to be cancelled, whoever works on it; false when it has ended."""
        with self._open() as store:
            return store.journal.request_cancel(self.id)

    def send(self, name: str, value: Any = None, *, id: str | None = None) -> bool:
        """Send a signal, for the run's `receive(name)`. Durable when this returns.

        Sent twice with one `id`, it counts once; false tells that it was there.
        """
        with self._open() as store:
            return store.journal.send_signal(
                self.id, name, id or secrets.token_hex(8), codec.encode(value)
            )

    def tasks(self) -> list[TaskInfo]:
        """The tasks that have run so far, in the order in which they were first heard of, and those
        that run now, as far as is known (the run's owner says so once a second)."""
        with self._open() as store:
            known = self._history(store).tasks
            now = self._moment(store)
            return list(history.with_running(known, now).values() if now else known.values())

    def _history(self, store: Store) -> History:
        found = list(history.read(store, self.id))
        plan = plan_in(store.journal.definition(self.id))
        known: History = with_code(store, self.id, lambda: History(plan, found))
        return known

    def moment(self) -> Moment | None:
        """How the run stands right now, as its owner said last; `None` when nobody works on it, or
        has not for long enough to say so."""
        with self._open() as store:
            return self._moment(store)

    def _moment(self, store: Store) -> Moment | None:
        if state_of(store.journal.run(self.id)) != "running":
            return None
        said = store.journal.moment(self.id)
        if said is None or said[0] < time.time() - STALE:
            return None
        return Moment.from_json(said[1])

    def logs(self, task: str | None = None, *, after: int = 0) -> Iterator[Printed]:
        """What tasks (or the one named) printed so far, in the order in which it was heard; `after`
        is the `pos` of the last that is known already."""
        with self._open() as store:
            store.journal.run(self.id)
            while found := store.journal.printed(self.id, after, task=task):
                yield from found
                after = found[-1].pos

    def inputs(self, task: str) -> dict[str, str]:
        """The arguments of one task by name, each as text that is cut; what is not known any more is
        shown as it stands in the spec."""
        from wfc.inputs import inputs

        with self._open() as store:
            results = self._history(store).value
            definition = store.journal.definition(self.id)

            def load(value: Value) -> Any:
                return with_code(store, self.id, lambda: load_value(value, store.values))

            given = with_code(store, self.id, lambda: codec.decode(definition.params))
            return inputs(plan_in(definition), given, results, load, task)

    def output(self, task: str) -> Any:
        """The result of one task; raises `LookupError` when there is none."""
        with self._open() as store:
            value = self._history(store).value(task)
            return with_code(store, self.id, lambda: load_value(value, store.values))


def plan_of_run(run: Run) -> Plan:
    """The plan that a run was started with."""
    with Store.open(run.store, create=False) as store:
        return plan_in(store.journal.definition(run.id))


def records_to_resume(store: Store, run_id: str) -> list[records.Record]:
    """The records of a run that count when it is resumed: without those of what is tried again."""
    found = enumerate(history.read(store, run_id))
    return [record for _, record in coordinator.without_failure(list(found))]


def waiting_for(store: Store, run_id: str) -> list[Waiting]:
    """What a run that goes on (or was interrupted) waits for besides its tasks: signals, timers."""
    engine = Engine(plan_in(store.journal.definition(run_id)))
    for record in history.read(store, run_id):
        engine.replay(record)
    return progress.waits(engine)


def with_code(store: Store, run_id: str, read: Any) -> Any:
    """What `read` reads. Where that needs classes of the run's project, they are imported first."""
    try:
        return read()
    except (ImportError, AttributeError):
        plan = plan_in(store.journal.definition(run_id))
        functions.load(bundle(plan), partial=True)
        return read()


def _plan_html(plan: Plan) -> str:
    from wfc.notebook import plan_html

    return plan_html(plan)


# The plan itself is plain data, and knows nothing of the compiler that can draw it.
setattr(Plan, "_repr_html_", _plan_html)  # noqa: B010 - not a field of the model
