"""What is shown of a run while it goes on: a live view on a terminal, a line now and then elsewhere.

All of it goes to stderr.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from wfc.runtime.engine import Engine
    from wfc.runtime.work import Executor, Log

EVERY = 5.0
"""Seconds between two lines where there is no terminal."""

ROWS = 12
"""Fan-outs in the live view, at most: those that have something to do first."""


class View(Protocol):
    """An observer of a run that may have something on the screen."""

    def update(self, engine: Engine, executor: Executor) -> None:
        """See `wfc.runtime.coordinator.Observer`."""

    def log(self, log: Log) -> None:
        """See `wfc.runtime.coordinator.Observer`."""

    def close(self) -> None:
        """Nothing more comes; leave the screen tidy. Idempotent."""


class Silent:
    """Shows nothing."""

    def update(self, engine: Engine, executor: Executor) -> None:
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
        self._last = ""

    def update(self, engine: Engine, executor: Executor) -> None:
        """Perhaps a line."""
        now = time.monotonic()
        if now - self._said < EVERY:
            return
        self._said = now
        text = summary(engine)
        if text != self._last:
            self._last = text
            print(f"{self._run_id}: {text}, {now - self._began:.0f} s", file=sys.stderr, flush=True)

    def log(self, log: Log) -> None:
        """What a task printed, as it is."""
        sys.stderr.write(log.text)
        sys.stderr.flush()

    def close(self) -> None:
        """Do nothing."""


class Live:
    """A table that is drawn over itself; what tasks print scrolls above it."""

    def __init__(self, run_id: str) -> None:
        from rich.console import Console
        from rich.live import Live as Screen

        self._run_id = run_id
        self._began = self._at = time.monotonic()
        self._done = 0
        self._rate = 0.0
        self._console = Console(stderr=True)
        self._screen = Screen(console=self._console, auto_refresh=False, transient=True)
        self._screen.start()

    def update(self, engine: Engine, executor: Executor) -> None:
        """Draw it anew."""
        now = time.monotonic()
        done = engine.counts["done"]
        if now - self._at >= 1.0:
            self._rate = (done - self._done) / (now - self._at)
            self._at, self._done = now, done
        self._screen.update(self._table(engine, now), refresh=True)

    def _table(self, engine: Engine, now: float) -> Any:
        from rich.console import Group
        from rich.markup import escape
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False, header_style="dim")
        rate = f"  {self._rate:,.0f}/s" if self._rate else ""
        head = f"{self._run_id}  {summary(engine)}{rate}  {now - self._began:.0f} s"
        table.add_column("", no_wrap=True)
        for name in ("done", "running", "failed", "total"):
            table.add_column(name, justify="right")
        fans = sorted(engine.fan_progress(), key=lambda f: f[2] + f[4] >= f[1])
        for path, total, done, running, failed in fans[:ROWS]:
            table.add_row(escape(path), f"{done:,}", f"{running:,}", f"{failed:,}", f"{total:,}")
        if len(fans) > ROWS:
            table.add_row(f"and {len(fans) - ROWS:,} more", "", "", "", "")
        for name in engine.waiting_for()[:4]:
            table.add_row(f"waits for {name}", "", "", "", "")
        title = Text(head, style="bold", no_wrap=True, overflow="ellipsis")
        return Group(title, table) if table.rows else title

    def log(self, log: Log) -> None:
        """What a task printed, above the table."""
        self._console.print(log.text.rstrip("\n"), markup=False, highlight=False)

    def close(self) -> None:
        """Take the table away."""
        self._screen.stop()


def summary(engine: Engine) -> str:
    """Counts in words."""
    counts = engine.counts
    parts = [f"{counts['done']:,} done"]
    parts += [f"{counts[name]:,} {name}" for name in ("retried", "failed") if counts[name]]
    waits = engine.waiting_for()
    if waits:
        more = f" and {len(waits) - 1} more" if len(waits) > 1 else ""
        parts.append(f"waits for {waits[0]}{more}")
    return ", ".join(parts)


def view(run_id: str, *, quiet: bool) -> View:
    """What suits where stderr goes."""
    if quiet:
        return Silent()
    return Live(run_id) if sys.stderr.isatty() else Lines(run_id)
