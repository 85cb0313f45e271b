"""A run in a process of its own, what it has left behind, and whether anything ran twice."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import wfc

SPEC = Path(__file__).resolve().parent / "steps.wf"
COMMAND = [sys.executable, "-m", "wfc"]
PATIENCE = 90.0

Kept: TypeAlias = dict[int, int]
"""Steps that are committed, and how often each had run by then."""


class Project:
    """Runs of `steps.wf`. `store` is a folder or a URL, `where` the options of the engine."""

    def __init__(self, folder: Path, store: str, where: Sequence[str] = ("--local",)) -> None:
        self.log = folder / "log"
        self.store = store
        self.where = list(where)

    def start(
        self, *arguments: str, before: Sequence[str] = (), environ: Mapping[str, str] | None = None
    ) -> subprocess.Popen[str]:
        """A command on this store, in a session of its own."""
        return subprocess.Popen(
            [*before, *COMMAND, *arguments, "--store", self.store],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **(environ or {})},
        )

    def run(
        self,
        workflow: str = "main",
        before: Sequence[str] = (),
        environ: Mapping[str, str] | None = None,
        **params: object,
    ) -> subprocess.Popen[str]:
        """Start run `r`."""
        given = [f"-p{name}={value}" for name, value in {"log": self.log, **params}.items()]
        target = f"{SPEC}:{workflow}"
        arguments = ["run", target, *given, *self.where, "--run-id", "r"]
        return self.start(*arguments, before=before, environ=environ)

    def resume(self) -> subprocess.Popen[str]:
        """Go on with run `r`."""
        return self.start("resume", "r", *self.where)

    def says(self, *arguments: str) -> tuple[int, str, str]:
        """A command to its end: exit code, stdout, stderr."""
        process = self.start(*arguments)
        out, err = process.communicate(timeout=PATIENCE)
        return process.returncode, out, err

    def lines(self) -> list[list[str]]:
        """The side effects so far: a step and the process that ran it."""
        return (
            [line.split() for line in self.log.read_text().splitlines()]
            if self.log.exists()
            else []
        )

    def committed(self) -> Kept:
        """The steps whose results are in the journal."""
        done = [t.id for t in wfc.get("r", store=self.store).tasks() if t.state == "done"]
        steps = {int(id.split("[")[1].split("]")[0]) for id in done if id.endswith("/step")}
        times = Counter(i for i, _ in self.lines())
        return {i: times[str(i)] for i in steps}

    def check(self, kept: Kept, count: int) -> None:
        """Each step has run, and none of those that were committed ran again."""
        times = Counter(int(i) for i, _ in self.lines() if i.isdigit())
        assert set(times) == set(range(count)), "each step has run"
        again = sorted(i for i in kept if times[i] > kept[i])
        assert not again, "steps that were committed ran again"


def wait_for(condition: Callable[[], object], process: subprocess.Popen[str] | None = None) -> None:
    """Wait until something is so, while the process lives."""
    until = time.monotonic() + PATIENCE
    while not condition():
        assert process is None or process.poll() is None, process.communicate()  # type: ignore[union-attr]
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.01)


def expected(count: int, size: int) -> str:
    """What `main` prints."""
    return f"{sum((i % 256) * size for i in range(count))}\n"
