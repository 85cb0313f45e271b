"""What is printed where: results to stdout, all else to stderr, and the exit code at the end."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NoReturn

import typer

from wfc.errors import (
    STOPPED,
    USAGE,
    CodeChanged,
    ParameterError,
    RunCancelled,
    RunFailed,
    RunInterrupted,
    SpecError,
    exit_code,
)

if TYPE_CHECKING:
    from wfc.dsl.diagnostics import Diagnostic
    from wfc.runtime.values import ErrorInfo


def say(text: str = "") -> None:
    """A line on stderr; nobody may be there to read it any more."""
    with suppress(OSError):
        print(text, file=sys.stderr, flush=True)


def stop(code: int) -> NoReturn:
    """End the command with this exit code."""
    raise typer.Exit(code)


def usage(text: str) -> NoReturn:
    """End the command: it was not used right."""
    say(f"error: {text}")
    stop(USAGE)


def colored(stream: Any = None) -> bool:
    """Whether to colour what goes to this stream (stderr), by NO_COLOR, FORCE_COLOR and terminal."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return bool(os.environ.get("FORCE_COLOR")) or (stream or sys.stderr).isatty()


@contextmanager
def reported(options: str = "") -> Iterator[None]:
    """Tell every error that a user can meet in words, and exit with the code that stands for it."""
    try:
        yield
    except typer.Exit:
        raise
    except KeyboardInterrupt:
        say("interrupted")
        stop(STOPPED)
    except BrokenPipeError:
        # Whoever read the output has gone (`wfc list | head`): that is no error of ours.
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - until the process ends
        stop(0)
    except Exception as error:
        code = exit_code(error)
        if code is None:
            raise
        tell(error, options)
        stop(code)


def tell(error: BaseException, options: str = "") -> None:
    """An error in words, on stderr. `options` are to be repeated in what it says to type."""
    from wfc.runtime.functions import FunctionsError

    if isinstance(error, SpecError):
        diagnostics(error.diagnostics, error.sources)
    elif isinstance(error, ParameterError):
        for problem in error.problems:
            say(f"error: {problem}")
    elif isinstance(error, FunctionsError):
        for found in error.problems:
            if found.traceback:
                say(found.traceback.rstrip())
            say(f"error: task {found.task}: {found.message}")
    elif isinstance(error, CodeChanged):
        for change in error.changes:
            say(f"  {change}")
        run = error.run_id
        say(f"error: the code of run {run} has changed since it was started")
        say(f"  wfc resume {run}{options} --plan    shows what that means")
        say(f"  wfc resume {run}{options} --keep    keeps all that is done")
        say(
            f"  wfc resume {run}{options} --redo    runs again what has changed, and what hangs on it"
        )
    elif isinstance(error, (RunFailed, RunCancelled, RunInterrupted)):
        say(str(error))
    else:
        say(f"error: {error}")


def diagnostics(found: Sequence[Diagnostic], sources: Mapping[str, str]) -> None:
    """Errors and warnings of specs, on stderr."""
    from wfc.dsl.render import render, summary

    if found:
        say(render(found, sources, color=colored()))
        say(summary(found))


def error_text(error: ErrorInfo) -> str:
    """`KeyError: 'x'`, as Python would say it; of errors of ours, which are sentences, the message."""
    if error.message and error.type.startswith("wfc."):
        return error.message
    kind = error.type.removeprefix("builtins.")
    return f"{kind}: {error.message}" if error.message else kind


def columns() -> int:
    """How wide a line may be: that of the terminal, 80 elsewhere."""
    import shutil

    return shutil.get_terminal_size((80, 24)).columns if sys.stdout.isatty() else 80


def first_line(text: str, width: int) -> str:
    """The first line of a text, cut to so many characters."""
    line, _, rest = text.partition("\n")
    line = "".join(c if c.isprintable() else " " for c in line)
    cut = len(line) > width or bool(rest.strip())
    return line if not cut else line[: max(1, width - 1)].rstrip() + "…"


def indented(text: str, by: str) -> str:
    """A text with something before each line."""
    return "\n".join(by + line for line in text.splitlines())


def size_text(size: int) -> str:
    """Bytes for people: `512 B`, `1.5 kB`, `12 MB`."""
    value, units = float(size), ["B", "kB", "MB", "GB", "TB"]
    while value >= 1000 and len(units) > 1:
        value /= 1000
        units.pop(0)
    return (
        f"{value:.1f} {units[0]}" if value < 10 and units[0] != "B" else f"{value:.0f} {units[0]}"
    )


def as_json(value: Any) -> Any:
    """The value for `json.dumps` when it is one that JSON can say exactly; raises `TypeError`."""
    if value is None or type(value) in (bool, int, float, str):
        return value
    if type(value) is list:
        return [as_json(item) for item in value]
    if type(value) is dict and all(type(key) is str for key in value):
        return {key: as_json(item) for key, item in value.items()}
    raise TypeError(type(value).__name__)


def result_text(value: Any) -> str:
    """A result for stdout: JSON where it is JSON, else its `repr`."""
    try:
        return json.dumps(as_json(value), ensure_ascii=not _unicode())
    except (TypeError, ValueError, RecursionError):
        return repr(value)


def loose_json(value: Any) -> Any:
    """A value for a JSON object: dataclasses and models as objects, what JSON has no word for as
    its `repr`."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = dataclasses.fields(value)
        return {field.name: loose_json(getattr(value, field.name)) for field in fields}
    if hasattr(type(value), "model_dump"):
        return value.model_dump(mode="json")
    if isinstance(value, (list, tuple)):
        return [loose_json(item) for item in value]
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {key: loose_json(item) for key, item in value.items()}
    return value if isinstance(value, (bool, int, float, str, type(None))) else repr(value)


def print_json(value: Any) -> None:
    """One JSON object on stdout."""
    print(json.dumps(value, ensure_ascii=not _unicode(), default=repr), flush=True)


def _unicode() -> bool:
    """Whether stdout takes all characters; where it does not, JSON has escapes of its own."""
    return (sys.stdout.encoding or "").lower().startswith("utf")
