"""What is shown of a run while it goes on: a live view on a terminal (and in a notebook), a line now
and then elsewhere.

All of it goes to stderr.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from wfc.runtime.progress import Group, Moment, Waiting
    from wfc.runtime.work import Log

EVERY = 5.0
"""Seconds between two lines where there is no terminal."""

ROWS, WAITS, SLOW = 12, 4, 3
"""What the live view shows at most: of groups those first that have something to do; of waits; of the
slowest tasks."""

SLOW_FROM = 1.0
"""Seconds from which on a running task is worth a line."""


class View(Protocol):
    """An observer of a run that may have something on the screen."""

    def update(self, moment: Moment) -> None:
        """See `wfc.runtime.coordinator.Observer`."""

    def log(self, log: Log) -> None:
        """See `wfc.runtime.coordinator.Observer`."""

    def close(self) -> None:
        """Nothing more comes; leave the screen tidy. Idempotent."""


class Silent:
    """Shows nothing."""

    def update(self, moment: Moment) -> None:
        """Show nothing."""

    def log(self, log: Log) -> None:
        """Show nothing."""

    def close(self) -> None:
        """Do nothing."""


class Lines:
    """A line every few seconds, while something changes."""

    def __init__(self, run_id: str) -> None:
        self._run_id = run_id
        self._began = self._said = time.monotonic()
        self._done = 0
        self._last = ""

    def update(self, moment: Moment) -> None:
        """Perhaps a line."""
        now = time.monotonic()
        if now - self._said < EVERY:
            return
        done = moment.counts["done"]
        rate = (done - self._done) / (now - self._said)
        self._said, self._done = now, done
        text = summary(moment)
        if text != self._last:
            self._last = text
            speed = f", {rate:,.0f}/s" if rate >= 1 else ""
            print(f"{self._run_id}: {text}{speed}, {span(now - self._began)}", file=sys.stderr)
            sys.stderr.flush()

    def log(self, log: Log) -> None:
        """What a task printed, as it is."""
        sys.stderr.write(log.text)
        sys.stderr.flush()

    def close(self) -> None:
        """Do nothing."""


class Terminal:
    """Where the debugger of a task speaks: stdin and stderr. Live views make room for it."""

    def fileno(self) -> int:
        """Of stdin."""
        return 0

    def show(self, text: str) -> None:
        """Show a text, and nothing else until `done`."""
        for live in _on_screen:
            live.pause()
        sys.stderr.write(text)
        sys.stderr.flush()

    def done(self) -> None:
        """The views may come back."""
        for live in _on_screen:
            live.resume()


class Live:
    """A table that is drawn over itself; what tasks print scrolls above it, and with `redirect`
    whatever else this process prints."""

    def __init__(self, run_id: str, *, redirect: bool = False) -> None:
        from rich.console import Console
        from rich.live import Live as Screen

        self._run_id = run_id
        self._began = time.monotonic()
        self._rates = Rates()
        self._console = Console(stderr=True, highlight=False)
        self._screen = Screen(
            console=self._console,
            auto_refresh=False,
            transient=True,
            redirect_stdout=redirect,
            redirect_stderr=redirect,
        )
        self._screen.start()
        self._paused = False
        _on_screen.append(self)

    def pause(self) -> None:
        """Take the table away, until `resume`."""
        if not self._paused:
            self._screen.stop()
        self._paused = True

    def resume(self) -> None:
        """Draw it again."""
        if self._paused:
            self._screen.start()
        self._paused = False

    def update(self, moment: Moment) -> None:
        """Draw it anew."""
        self._rates.see(moment)
        if self._paused:
            return
        shown = picture(self._run_id, moment, self._rates, time.monotonic() - self._began)
        self._screen.update(shown, refresh=True)

    def log(self, log: Log) -> None:
        """What a task printed, above the table."""
        self._console.print(log.text.rstrip("\n"), markup=False, highlight=False)

    def close(self) -> None:
        """Take the table away."""
        if self in _on_screen:
            _on_screen.remove(self)
        self._screen.stop()


_on_screen: list[Live] = []
"""The views of this process, which has one terminal."""


class Rates:
    """How many are done per second, of each group and in all (``""``), over about a second."""

    def __init__(self) -> None:
        self._at = 0.0
        self._done: dict[str, int] = {}
        self._rates: dict[str, float] = {}

    def see(self, moment: Moment) -> None:
        """Take a moment in."""
        passed = moment.at - self._at
        if passed < 1.0:
            return
        done = {group.path: group.done for group in moment.groups}
        done[""] = moment.counts["done"]
        if self._at:
            self._rates = {k: (n - self._done.get(k, 0)) / passed for k, n in done.items()}
        self._at, self._done = moment.at, done

    def __call__(self, path: str) -> str:
        """As text; nothing where nothing moves."""
        rate = self._rates.get(path, 0.0)
        return f"{rate:,.0f}/s" if rate >= 1 else ""


def picture(run_id: str, moment: Moment, rates: Rates, seconds: float) -> Any:
    """The live view of a moment: what `rich` can draw."""
    from rich.console import Group as Stack
    from rich.text import Text

    head = Text(no_wrap=True, overflow="ellipsis")
    head.append(run_id, style="bold")
    head.append("  ".join(["", span(seconds), counted(moment), rates("")]).rstrip())
    parts: list[Any] = [head]
    groups = sorted(moment.groups, key=lambda g: g.done + g.failed >= g.total)
    if groups:
        parts.append(_table(groups, rates))
    for note in _notes(moment):
        parts.append(Text(note, style="dim", no_wrap=True, overflow="ellipsis"))
    return Stack(*parts)


def _table(groups: list[Group], rates: Rates) -> Any:
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    cached = any(group.cached for group in groups)
    names = ["done", "running", "failed", *(["cached"] if cached else []), "total", "rate"]
    table = Table(box=None, pad_edge=False, header_style="dim", expand=False)
    table.add_column("", no_wrap=True, overflow="ellipsis", ratio=1)
    table.add_column("", width=10)
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    for group in groups[:ROWS]:
        cells = [f"{group.done:,}", f"{group.running:,}", f"{group.failed:,}"]
        cells += [f"{group.cached:,}"] if cached else []
        cells += [f"{group.total:,}", rates(group.path)]
        style = "red" if group.failed else ""
        bar = ProgressBar(total=group.total, completed=group.done, width=10)
        table.add_row(Text(group.path, style=style), bar, *cells)
    if len(groups) > ROWS:
        table.add_row(f"and {len(groups) - ROWS:,} more")
    return table


def _notes(moment: Moment) -> list[str]:
    out = [
        f"  running for {span(seconds)}: {task}"
        for task, seconds in moment.running[:SLOW]
        if seconds >= SLOW_FROM
    ]
    out += [f"  waits for {waiting(wait, moment.at)}" for wait in moment.waits[:WAITS]]
    if len(moment.waits) > WAITS:
        out.append(f"  and for {len(moment.waits) - WAITS} more")
    return out


# --------------------------------------------------------------------------------------- in words


def counted(moment: Moment) -> str:
    """The counts of a moment."""
    counts = moment.counts
    parts = [f"{counts['done']:,} done"]
    parts += [
        f"{counts[name]:,} {name}" for name in ("cached", "retried", "failed") if counts.get(name)
    ]
    running = sum(group.running for group in moment.groups)
    return ", ".join([*parts, *([f"{running:,} running"] if running else [])])


def summary(moment: Moment) -> str:
    """A moment in a line: the counts, the fan-out that has most to do, what it waits for."""
    parts = [counted(moment)]
    fans = [g for g in moment.groups if g.kind == "fan-out" and g.done + g.failed < g.total]
    if fans:
        most = max(fans, key=lambda g: g.total - g.done)
        parts.append(f"{most.path} {most.done:,} of {most.total:,}")
    slow = [f"{task} for {span(s)}" for task, s in moment.running[:1] if s >= EVERY]
    parts += [f"slowest {text}" for text in slow]
    if moment.waits:
        more = f" and {len(moment.waits) - 1} more" if len(moment.waits) > 1 else ""
        parts.append(f"waits for {waiting(moment.waits[0], None)}{more}")
    return ", ".join(parts)


def waiting(wait: Waiting, now: float | None) -> str:
    """Something that is waited for; with `now` (seconds since the epoch), the time that is left."""
    left = "" if now is None or wait.due is None else f", {span(max(0.0, wait.due - now))} left"
    if wait.kind == "signal":
        return f"signal {wait.name}{left}"
    what = {"sleep": "the end of", "retry": "the next attempt at", "wait": "the timeout of"}
    return f"{what.get(wait.kind, wait.kind)} {wait.name}{left}"


def span(seconds: float) -> str:
    """A duration: `40 ms`, `1.4 s`, `12 s`, `3 m 5 s`, `2 h 14 m`."""
    if seconds < 1:
        return f"{1000 * seconds:.0f} ms"
    if seconds < 10:
        return f"{seconds:.1f} s"
    if round(seconds) < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} m {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} m" if hours < 48 else f"{hours // 24} d {hours % 24} h"


def view(run_id: str, *, quiet: bool, redirect: bool = False) -> View:
    """What suits where stderr goes; for `redirect` see `Live`."""
    if quiet:
        return Silent()
    return (
        Live(run_id, redirect=redirect) if sys.stderr.isatty() or _in_notebook() else Lines(run_id)
    )


def _in_notebook() -> bool:
    """Whether there is a notebook that can draw."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return type(shell).__name__ == "ZMQInteractiveShell"
