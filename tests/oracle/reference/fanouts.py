"""Comprehensions, and waits on them."""

from __future__ import annotations

import math
from typing import Any

from tests.oracle.reference.cells import (
    ABSENT,
    Cell,
    ErrorView,
    Fan,
    Remainder,
    WaitValue,
    attempt,
    caught,
    gather,
    peek,
)
from tests.oracle.reference.expressions import Expressions
from tests.oracle.reference.frames import Scope, wait_numbers
from tests.oracle.reference.names import called
from tests.oracle.reference.outcome import (
    ANY,
    UNREACHABLE,
    Error,
    FailuresError,
    Trace,
    UnsupportedError,
)
from tests.oracle.reference.splits import WaitView, check_split
from wfc.dsl import ast


class FanOuts(Expressions):
    """Evaluates comprehensions and waits."""

    def _comprehended(self, expr: ast.Comprehension, scope: Scope, name: str | None) -> Any:
        if expr.modifiers.catch is not None:
            plain = ast.Comprehension(expr.key, expr.value, expr.generators, expr.span)
            inner = Scope(scope.frame, scope.path, Trace(scope.trace), scope)
            inner.seen = scope.seen
            if self.calls_something(plain, scope.frame.workflow.file):
                # As with a call: what it is given is computed outside of the `catch`.
                given = self._elements(plain.generators[0].iterable, scope)
                result = caught(lambda: self._comprehension(plain, inner, name, False, given).get())
            else:
                result = caught(lambda: self.cell(plain, inner, name).get())
            inner.trace.certain = result.ok
            return result
        if self.calls_something(expr, scope.frame.workflow.file):
            return self._comprehension(expr, scope, name, managed=False).get()
        pairs = self._pairs(
            expr, list(expr.generators), Scope(scope.frame, scope.path, scope.trace, scope)
        )
        return attempt(lambda: dict(pairs)) if expr.key else [value for _key, value in pairs]

    def _comprehension(
        self, expr: ast.Comprehension, scope: Scope, name: str | None, managed: bool,
        given: list[Cell] | None = None,
    ) -> Fan:  # fmt: skip
        """A fan-out over calls: every element of the first generator is a member."""
        for expression in expr.modifiers.after:
            self.value(expression, scope)
        file = scope.frame.workflow.file
        first = expr.generators[0]
        path = f"{scope.path}/{name}" if name else scope.unnamed(called(expr.value))
        calls = [c for c in first.conditions if self.calls_something(c, file)]
        simple = len(expr.generators) == 1 and expr.key is None
        members: list[Cell] = []
        try:
            sources = self._elements(first.iterable, scope, managed) if given is None else given
        except FailuresError as failed:
            return Fan([Cell(errors=failed.errors)], simple, expr.key is not None)
        for source in sources:
            if source.value is ABSENT and not source.errors:
                members.append(Cell([], sources=[source]))
                continue
            trace = Trace(scope.trace, certain=not managed)
            inner = Scope(scope.frame, f"{path}[{len(members)}]", trace, scope)
            try:
                self._bind_targets(first, peek(source) if managed else source.get(), inner)
                if not self._passes(first, inner):
                    if calls:
                        members.append(Cell([], trace=trace, sources=[source]))
                    continue
                pairs = self._pairs(expr, list(expr.generators[1:]), inner)
                members.append(Cell(pairs, trace=trace, sources=[source]))
            except FailuresError as failed:
                members.append(Cell(errors=failed.errors, trace=trace, sources=[source]))
        return Fan(members, simple, expr.key is not None)

    def _elements(self, iterable: ast.Expr, scope: Scope, managed: bool = False) -> list[Cell]:
        """What a fan-out runs over, element by element where that is itself a fan-out: then what a wait
        looks after in the one, it looks after in the other."""
        fan = self.fan(iterable, scope, managed=managed)
        if fan is not None and not fan.keyed:
            return fan.elements()
        value = self.value(iterable, scope)
        if isinstance(value, Remainder):
            return list(value.members)
        return [Cell(item) for item in attempt(lambda: list(value))]

    def _pairs(
        self, expr: ast.Comprehension, generators: list[ast.Generator], scope: Scope
    ) -> list[tuple[Any, Any]]:
        """The `(key, value)` pairs that the rest of the generators make."""
        if not generators:
            parts = [expr.value] if expr.key is None else [expr.key, expr.value]
            found = self._all(parts, scope)
            return [(None if expr.key is None else found[0], found[-1])]
        first, rest = generators[0], generators[1:]

        def one(source: Cell) -> list[tuple[Any, Any]]:
            inner = Scope(scope.frame, scope.path, scope.trace, scope)
            inner.seen = scope.seen
            self._bind_targets(first, source.get(), inner)
            return self._pairs(expr, rest, inner) if self._passes(first, inner) else []

        sources = self._elements(first.iterable, scope)
        there = [s for s in sources if s.value is not ABSENT or s.errors]
        lists = gather(lambda s=source: one(s) for source in there)
        return [pair for pairs in lists for pair in pairs]

    def _bind_targets(self, generator: ast.Generator, item: Any, scope: Scope) -> None:
        if len(generator.targets) == 1:
            scope.cells[generator.targets[0].id] = Cell(item)
            return
        items = attempt(lambda: list(item))
        if len(items) != len(generator.targets):
            raise FailuresError(Error(ANY, ANY))
        for target, part in zip(generator.targets, items, strict=True):
            scope.cells[target.id] = Cell(part)

    def _passes(self, generator: ast.Generator, scope: Scope) -> bool:
        return all(
            attempt(lambda c=condition: bool(self.value(c, scope)))
            for condition in generator.conditions
        )

    def members(self, expr: ast.Expr, scope: Scope) -> list[Cell]:
        """The members of a `wait`: cells with their plain values."""
        fan = self.fan(expr, scope, managed=True)
        if fan is not None:
            if not fan.simple:
                raise UnsupportedError("wait on a fan-out that is nested or a dict")
            return [
                Cell(ABSENT if m.errors or not m.value else m.value[0][1], m.errors, sources=[m])
                for m in fan.members
            ]
        if isinstance(expr, ast.ListExpr):
            return [self._member(item, scope) for item in expr.items]
        value = self.value(expr, scope)
        if isinstance(value, Remainder):
            return list(value.members)
        raise FailuresError(Error("TypeError", ANY))

    def _member(self, item: ast.Expr, scope: Scope) -> Cell:
        if isinstance(item, ast.Name):
            found = scope.find(item.id)
            if found is not None:
                return found
        return self.cell(item, scope, None, managed=True)

    def _wait(self, expr: ast.Wait, scope: Scope, name: str | None) -> WaitValue:
        for expression in expr.modifiers.after:
            self.value(expression, scope)
        decl = scope.frame.workflow.decl
        if id(decl) not in self.numbers:
            self.numbers[id(decl)] = wait_numbers(decl)
        number = self.numbers[id(decl)].get(id(expr), 1)
        name = name or ("wait" if number == 1 else f"wait#{number}")
        path = f"{scope.path}/{name}"
        members = self.members(expr.members, scope)
        if expr.timeout is not None:
            self.value(expr.timeout, scope)
        absent = frozenset(i for i, m in enumerate(members) if m.value is ABSENT and not m.errors)
        quorum, most = self._quorum(expr.quorum, len(members), len(absent), scope)
        succeeds = tuple(not m.errors and i not in absent for i, m in enumerate(members))
        view = WaitView(path, succeeds, quorum, expr.timeout is not None, absent, most)
        self.waits[path] = view
        split = self.policy(view)
        check_split(view, split)
        if split is None:
            for member in members:
                # One that is caught may be decided, and the workflow over, before all have failed.
                if member.errors and expr.modifiers.catch is None:
                    member.need()
            raise FailuresError(Error(UNREACHABLE, ANY))
        for index in (*split.ready, *split.failed):
            members[index].need()
        settled = {*split.ready, *split.failed, *split.absent}
        return WaitValue(
            ready=[members[i].value for i in split.ready],
            pending=Remainder(tuple(m for i, m in enumerate(members) if i not in settled)),
            failed=[ErrorView(members[i].errors) for i in split.failed],
            timed_out=split.timed_out,
        )

    def _quorum(self, quorum: Any, count: int, absent: int, scope: Scope) -> tuple[int, int]:
        """How many must be ready, and how many may be: of a share of those that are filtered as they
        end, any number is right that was so at some time."""
        if quorum == "all":
            return count - absent, count
        if quorum == "any":
            return 1, 1
        if isinstance(quorum, ast.Percent):
            share = self.value(quorum.value, scope)
            return math.ceil((count - absent) * share / 100), math.ceil(count * share / 100)
        given = int(self.value(quorum, scope))
        return given, given
