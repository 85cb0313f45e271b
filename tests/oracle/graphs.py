"""Graphs of calls that tasks return (`wfc.continuation`), evaluated plainly for the reference."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.oracle.reference import (
    ANY,
    Cell,
    Error,
    ErrorView,
    FailuresError,
    Remainder,
    ResultView,
    Trace,
    WaitValue,
    WaitView,
    check_split,
    gather,
    join,
)
from wfc.runtime.values import Pending
from wfc.runtime.worker import dynamic
from wfc.runtime.worker.context import WATCH


class InARun:
    """Makes `wfc.continuation` give the graph instead of computing it."""

    def check(self, target: str, args: Any, kwargs: Any) -> None:
        pass

    def task_id(self) -> str:
        return "reference"

    def attempt(self) -> int:
        return 1

    def build(self, handles: Any) -> Any:
        return handles


@contextmanager
def in_a_run() -> Iterator[None]:
    """As if a run went on here."""
    before, WATCH.task = WATCH.task, InARun()
    yield
    WATCH.task = before


class Graph:
    """Evaluates one graph; a call that is used twice is made once."""

    def __init__(self, host: Any, trace: Trace, frame: Any) -> None:
        self.host = host
        self.trace = trace
        self.frame = frame
        self.cells: dict[int, Cell] = {}
        self.kept: list[Any] = []

    def value(self, node: Any) -> Any:
        if isinstance(node, dynamic.WaitPart):
            return getattr(self.cell(node.wait).get(), node.part)
        if isinstance(node, dynamic.Handle):
            return self.cell(node).get()
        if isinstance(node, (list, tuple)):
            return type(node)(gather(lambda n=item: join(self.value(n)) for item in node))
        if isinstance(node, dict):
            values = gather(lambda n=item: join(self.value(n)) for item in node.values())
            return dict(zip(node, values, strict=True))
        return node

    def cell(self, node: Any) -> Cell:
        if id(node) not in self.cells:
            self.kept.append(node)
            try:
                self.cells[id(node)] = Cell(self.made(node))
            except FailuresError as failed:
                self.cells[id(node)] = Cell(errors=failed.errors)
        return self.cells[id(node)]

    def made(self, node: Any) -> Any:
        if isinstance(node, dynamic.CallHandle):
            return self.call(node)
        gather(lambda n=item: self.value(n) for item in node.after)
        if isinstance(node, dynamic.WaitHandle):
            return self.caught(node.catch, lambda: self.wait(node))
        if isinstance(node, (dynamic.SleepHandle, dynamic.CancelHandle)):
            return None
        assert isinstance(node, dynamic.ReceiveHandle), node
        has_timeout = node.timeout is not None
        return self.caught(node.catch, lambda: self.host.take_signal(node.signal, has_timeout))

    def call(self, node: dynamic.CallHandle) -> Any:
        gather(lambda n=item: self.value(n) for item in node.after)
        args = gather(lambda n=item: join(self.value(n)) for item in node.args)
        values = gather(lambda n=item: join(self.value(n)) for item in node.kwargs.values())
        kwargs = dict(zip(node.kwargs, values, strict=True))
        keep = node.checkpoint is not False
        inplace = bool(node.inplace)
        target: Any = node.target

        def run() -> Any:
            host = self.host
            if isinstance(target, str):
                return host.call_named(target, args, kwargs, self.trace, inplace, keep, self.frame)
            return host.call_function(target, args, kwargs, self.trace, inplace, keep, self.frame)

        return self.caught(node.catch, run)

    def caught(self, catch: bool, run: Callable[[], Any]) -> Any:
        if not catch:
            return run()
        try:
            return ResultView(True, run())
        except FailuresError as failed:
            return ResultView(False, None, ErrorView(failed.errors))

    def wait(self, node: dynamic.WaitHandle) -> Any:
        members = node.members
        if isinstance(members, dynamic.Handle):
            cells = list(self.value(members).members)
        elif isinstance(members, Pending):
            cells = list(self.host.handles[members.scope].members)
        else:
            cells = [self.cell(member) for member in members]
        count = len(cells)
        quorum = {"all": count, "any": 1}.get(node.form, node.quorum)
        if node.form == "percent":
            quorum = math.ceil(count * node.quorum / 100)
        view = WaitView("?", tuple(not c.errors for c in cells), quorum, node.timeout is not None)
        split = self.host.policy(view)
        check_split(view, split)
        if split is None:
            raise FailuresError(Error(ANY, ANY))
        settled = {*split.ready, *split.failed}
        return WaitValue(
            [cells[i].value for i in split.ready],
            Remainder(tuple(c for i, c in enumerate(cells) if i not in settled)),
            [ErrorView(cells[i].errors) for i in split.failed],
            split.timed_out,
        )


def graphs(host: Any, result: Any, trace: Trace, frame: Any) -> Any:
    """What a task's result stands for. `host` is the interpreter that called the task."""
    if isinstance(result, dynamic.Continuation):
        return join(Graph(host, trace, frame).value(result.root))
    return result
