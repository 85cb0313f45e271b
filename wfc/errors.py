"""What can go wrong for a caller, and the exit code that stands for each: one place for both."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from wfc.runtime.names import BadName
from wfc.runtime.storage_errors import Owned, RunExists, StaleLease, StorageError, UnknownRun

if TYPE_CHECKING:
    from wfc.dsl.diagnostics import Diagnostic
    from wfc.runtime.values import ErrorInfo

__all__ = [
    "CodeChanged",
    "ParameterError",
    "RunCancelled",
    "RunFailed",
    "RunInterrupted",
    "SpecError",
    "exit_code",
]

DONE, FAILED, USAGE, STOPPED, REFUSED, STORAGE = range(6)


class SpecError(Exception):
    """A spec with errors. `diagnostics` are all findings, warnings too; `sources` the text of the
    files that they point into, by the name that their spans give."""

    def __init__(self, diagnostics: Sequence[Diagnostic], sources: Mapping[str, str]) -> None:
        self.diagnostics = list(diagnostics)
        self.sources = dict(sources)
        errors = [d for d in self.diagnostics if d.severity == "error"]
        first = errors[0] if errors else None
        where = f"{first.span.file}:{first.span.line}: {first.message}" if first else "no spec"
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        super().__init__(where + more)


class ParameterError(ValueError):
    """Parameters that the workflow does not accept; `problems` has one text for each."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = list(problems)
        super().__init__("\n".join(self.problems))


class RunFailed(Exception):  # noqa: N818 - it says how the run ended, as the command line does
    """The run failed: a task failed for good. `error` tells which, where, and with what traceback."""

    def __init__(self, run_id: str, error: ErrorInfo) -> None:
        kind = error.type.removeprefix("builtins.")
        where = f" in {error.task}" if error.task else ""
        super().__init__(f"run {run_id} failed{where}: {kind}: {error.message}")
        self.run_id, self.error = run_id, error


class RunCancelled(Exception):  # noqa: N818
    """The run was cancelled."""

    def __init__(self, run_id: str, reason: str = "") -> None:
        super().__init__(f"run {run_id} was cancelled" + (f": {reason}" if reason else ""))
        self.run_id, self.reason = run_id, reason


class RunInterrupted(Exception):  # noqa: N818
    """The run was left unfinished: `wfc.resume(run_id)` goes on with it."""

    def __init__(self, run_id: str, reason: str = "") -> None:
        why = f" ({reason})" if reason else ""
        super().__init__(f"run {run_id} was interrupted{why}; it can be resumed")
        self.run_id, self.reason = run_id, reason


class CodeChanged(Exception):  # noqa: N818
    """Code or spec differ from those that the run was started with. `changes` says how, in words."""

    def __init__(self, run_id: str, changes: Sequence[str]) -> None:
        super().__init__(f"the code of run {run_id} has changed since: " + "; ".join(changes))
        self.run_id, self.changes = run_id, list(changes)


def exit_code(error: BaseException) -> int | None:
    """The exit code of the command line for an error; `None` for one that nobody expects."""
    from wfc.runtime.functions import FunctionsError
    from wfc.runtime.work import ExecutorLost

    table: tuple[tuple[tuple[type[BaseException], ...], int], ...] = (
        ((SpecError, ParameterError, FunctionsError, BadName, UnknownRun, RunExists), USAGE),
        ((RunFailed,), FAILED),
        ((ConnectionError,), USAGE),  # no Ray at that address
        ((RunCancelled, RunInterrupted, ExecutorLost, KeyboardInterrupt), STOPPED),
        ((Owned, StaleLease, CodeChanged), REFUSED),
        ((StorageError,), STORAGE),
    )
    return next((code for kinds, code in table if isinstance(error, kinds)), None)
