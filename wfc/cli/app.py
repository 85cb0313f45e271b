"""The commands, their options and their help. What they do is in the modules that they import."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    context_settings={"help_option_names": ["-h", "--help"]},
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

# ---------------------------------------------------------------------------- options of several

Specs = Annotated[list[Path], typer.Argument(metavar="SPEC…", show_default=False)]
Target = Annotated[str, typer.Argument(metavar="SPEC[:WORKFLOW]", show_default=False)]


def _known_runs(incomplete: str) -> list[str]:
    """For the shell: the runs of the store that is meant without `--store`."""
    from wfc import StorageError, runs

    try:
        return [info.run_id for info in runs() if info.run_id.startswith(incomplete)]
    except StorageError:
        return []


RunId = Annotated[
    str, typer.Argument(metavar="RUN", show_default=False, autocompletion=_known_runs)
]
Store = Annotated[
    str | None,
    typer.Option(
        "--store",
        envvar="WFC_STORE",
        metavar="URL",
        help="Where runs are kept: a folder (default .wfc), or a database URL with ?values=PLACE.",
        show_default=False,
        show_envvar=True,
    ),
]
Local = Annotated[
    bool, typer.Option("--local", help="Run in processes of this machine, without Ray.")
]
Address = Annotated[
    str | None,
    typer.Option(
        metavar="ADDR",
        help="The Ray cluster to join (default: RAY_ADDRESS, a Ray that runs here, or a new one).",
        show_default=False,
    ),
]
Detach = Annotated[
    bool,
    typer.Option("--detach", "-d", help="Go on in the background; print the run's id and return."),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no task output.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Allow = Annotated[
    list[str] | None,
    typer.Option(
        "--allow-module",
        envvar="WFC_ALLOW_MODULES",
        metavar="PATTERN",
        help="Only functions whose module or full name matches may run; repeatable.",
        show_default=False,
    ),
]
Strict = Annotated[bool, typer.Option("--strict", help="A missing annotation is an error too.")]
NoOptimize = Annotated[
    bool, typer.Option("--no-optimize", help="Plan each call by itself: same results, slower.")
]


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(version("wfc-ray"))
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Declarative, durable workflows for Ray."""


# -------------------------------------------------------------------------------------- specs


@app.command()
def check(
    specs: Specs,
    strict: Strict = False,
    format: Annotated[str, typer.Option(metavar="text|json", help="How to print.")] = "text",
) -> None:
    """Find what is wrong with specs; no Python is imported or run.

    \b
    wfc check etl.wf
    wfc check --strict --format json flows/*.wf
    """
    from wfc.cli import specs as command

    command.check(specs, strict=strict, form=format)


@app.command()
def compile(
    target: Target,
    emit: Annotated[
        str | None, typer.Option(metavar="plan|svg|dot|mermaid|ray|ir", help="What to print.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write it to a file.")
    ] = None,
    explain: Annotated[
        bool,
        typer.Option("--explain", help="Tell each decision: what was done, what not, and why."),
    ] = False,
    no_optimize: NoOptimize = False,
    strict: Strict = False,
) -> None:
    """Turn a workflow into a plan, a picture, or a Ray DAG.

    \b
    wfc compile etl.wf --explain
    wfc compile etl.wf:main --emit svg -o etl.svg
    wfc compile etl.wf --emit ray -o dag.py   Python that builds a Ray DAG
    wfc compile etl.wf -o etl.json            then: wfc run etl.json
    """
    from wfc.cli import specs as command

    command.compile(
        target,
        emit=emit,
        output=output,
        explain=explain,
        optimize=not no_optimize,
        strict=strict,
    )


@app.command()
def fmt(
    specs: Specs,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit 2 if something would change.")
    ] = False,
    diff: Annotated[
        bool, typer.Option("--diff", help="Write nothing; show what would change.")
    ] = False,
) -> None:
    """Format specs; comments and the meaning stay.

    \b
    wfc fmt etl.wf
    wfc fmt --check flows/*.wf
    """
    from wfc.cli import specs as command

    command.fmt(specs, check=check, diff=diff)


@app.command()
def explain(code: Annotated[str, typer.Argument(metavar="CODE", show_default=False)]) -> None:
    """Tell more about an error's or a warning's code.

    \b
    wfc explain WF012
    """
    from wfc.cli import specs as command

    command.explain(code)


# --------------------------------------------------------------------------------------- runs


@app.command()
def run(
    target: Annotated[
        str, typer.Argument(metavar="SPEC[:WORKFLOW] | PLAN.json", show_default=False)
    ],
    param: Annotated[
        list[str] | None,
        typer.Option(
            "--param",
            "-p",
            metavar="NAME=VALUE",
            help="A parameter; repeatable.",
            show_default=False,
        ),
    ] = None,
    params: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Parameters from a .json, .toml or .yaml file."),
    ] = None,
    run_id: Annotated[
        str | None, typer.Option(metavar="ID", help="The run's name (default: one is made up).")
    ] = None,
    store: Store = None,
    local: Local = False,
    address: Address = None,
    detach: Detach = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Show what would run, with how many tasks; start nothing."),
    ] = False,
    quiet: Quiet = False,
    json: Json = False,
    allow_module: Allow = None,
    no_optimize: NoOptimize = False,
) -> None:
    """Run a workflow, and print its result.

    \b
    wfc run etl.wf -p day=2026-01-31
    wfc run etl.wf:backfill --params march.toml --run-id march
    wfc run etl.wf --local --json        no Ray; the result as one JSON object
    wfc run etl.wf --dry-run             which tasks, and how many
    wfc run etl.wf --detach              in the background

    Exit codes: 0 done, 1 failed, 2 usage, spec or parameters, 3 cancelled or interrupted,
    4 refused (owned by another process, or the code has changed), 5 storage.
    """
    from wfc.cli import runs as command

    command.run(
        target,
        texts=param or [],
        file=params,
        run_id=run_id,
        where=command.Where(store, local, address, tuple(allow_module or ())),
        dry_run=dry_run,
        apart=detach,
        show=command.Show(quiet, json),
        optimize=not no_optimize,
    )


@app.command()
def resume(
    run_id: Annotated[str | None, typer.Argument(metavar="RUN", show_default=False)] = None,
    all: Annotated[bool, typer.Option("--all", help="Every run that has not ended.")] = False,
    plan: Annotated[
        bool,
        typer.Option(
            "--plan", help="Show what has changed, what is kept and what runs; resume nothing."
        ),
    ] = False,
    keep: Annotated[
        bool, typer.Option("--keep", help="Code has changed: keep what is done all the same.")
    ] = False,
    redo: Annotated[
        bool,
        typer.Option(
            "--redo", help="Code has changed: run again what it made, and what hangs on that."
        ),
    ] = False,
    store: Store = None,
    local: Local = False,
    address: Address = None,
    detach: Detach = False,
    quiet: Quiet = False,
    json: Json = False,
    allow_module: Allow = None,
) -> None:
    """Go on with a run; what is done is not done again.

    \b
    wfc resume march
    wfc resume march --plan              what has changed, is kept, will run
    wfc resume --all                     every run that was interrupted
    wfc resume march --detach            in the background
    """
    from wfc.cli import runs as command

    command.resume(
        run_id,
        every=all,
        plan=plan,
        keep=keep,
        redo=redo,
        apart=detach,
        where=command.Where(store, local, address, tuple(allow_module or ())),
        show=command.Show(quiet, json),
    )


@app.command(name="list")
def list_runs(
    status: Annotated[
        str | None,
        typer.Option(metavar="STATUS", help="Only runs that are running, succeeded, failed, …"),
    ] = None,
    store: Store = None,
    json: Json = False,
) -> None:
    """List the runs of a store, the newest last.

    \b
    wfc list --status failed
    """
    from wfc.cli import inspect as command

    command.list_runs(store, status=status, as_json=json)


@app.command()
def show(
    run_id: RunId,
    task: Annotated[str | None, typer.Argument(metavar="TASK", show_default=False)] = None,
    html: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write a report to be opened in a browser."),
    ] = None,
    store: Store = None,
    json: Json = False,
) -> None:
    """Show a run, or one of its tasks.

    States, times, sizes, attempts and errors of its tasks, and what it waits for. With the id of a
    task: its arguments, its result, what it printed, its error.

    \b
    wfc show march
    wfc show march 'main/tables[17]/parse'
    wfc show march --html report.html    a page with graph, timeline, tasks
    """
    from wfc.cli import show as command

    command.show(run_id, task, store, as_json=json, html=html)


@app.command()
def output(
    run_id: RunId,
    task: Annotated[str | None, typer.Argument(metavar="TASK", show_default=False)] = None,
    store: Store = None,
) -> None:
    """Print the result of a run, or of one of its tasks.

    \b
    wfc output march
    wfc output march 'main/tables[17]/parse'
    """
    from wfc.cli import inspect as command

    command.output(run_id, task, store)


@app.command()
def logs(
    run_id: RunId,
    task: Annotated[str | None, typer.Argument(metavar="TASK", show_default=False)] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on until the run has ended.")
    ] = False,
    store: Store = None,
    json: Json = False,
) -> None:
    """Print what the tasks of a run printed, or one of them.

    \b
    wfc logs march
    wfc logs march 'main/tables[17]/parse'
    wfc logs march --follow                   while it goes on
    """
    from wfc.cli import inspect as command

    command.logs(run_id, task, store, follow=follow, as_json=json)


@app.command()
def send(
    run_id: RunId,
    signal: Annotated[str, typer.Argument(metavar="SIGNAL", show_default=False)],
    value: Annotated[str, typer.Argument(metavar="[JSON]", show_default=False)] = "null",
    id: Annotated[
        str | None, typer.Option(metavar="ID", help="Sent twice with one id, it counts once.")
    ] = None,
    store: Store = None,
) -> None:
    """Send a signal to a run, for its `receive`.

    \b
    wfc send release-7 approval true
    wfc send release-7 approval '{"by": "Ana"}' --id mail-93
    """
    from wfc.cli import inspect as command

    command.send(run_id, signal, value, id, store)


@app.command()
def cancel(run_id: RunId, store: Store = None) -> None:
    """Cancel a run: its tasks are stopped, its `finally:` runs.

    \b
    wfc cancel march
    """
    from wfc.cli import inspect as command

    command.cancel(run_id, store)


@app.command()
def delete(
    run_id: RunId,
    store: Store = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would go.")] = False,
) -> None:
    """Delete a run that nobody works on, with all that it stored.

    \b
    wfc delete march --dry-run
    """
    from wfc.cli import tidy as command

    command.delete(run_id, store, dry_run=dry_run)


@app.command()
def gc(
    older_than: Annotated[
        str, typer.Option(metavar="AGE", help="How long ago a run has to have ended.")
    ] = "30d",
    store: Store = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would go.")] = False,
) -> None:
    """Delete old runs that have ended, and values of no run.

    \b
    wfc gc --older-than 7d --dry-run
    """
    from wfc.cli import tidy as command

    command.gc(older_than, store, dry_run=dry_run)


@app.command()
def new(folder: Annotated[Path, typer.Argument(metavar="DIR", show_default=False)]) -> None:
    """Make a small project that works: a spec, its tasks, a test.

    \b
    wfc new wordcount
    """
    from wfc.cli import new as command

    command.new(folder)
