"""Workflows that can never end: each way through them calls one that cannot end either.

A workflow ends if some path through it calls only workflows that end. That is a least fixed point, as
for the productive symbols of a grammar: workflows are found to end one by one, starting with those
that call none, and what is left over at the last is endless.
"""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass, field
from typing import Any

from wfc.compiler import codes
from wfc.compiler.check.context import Context
from wfc.compiler.project import Builtin, SpecModule, WorkflowSymbol
from wfc.dsl import ast
from wfc.dsl.diagnostics import Label


@dataclass(eq=False, slots=True)
class _Path:
    """The calls that a statement makes for certain, and its branches: a small shadow of the body."""

    calls: list[tuple[WorkflowSymbol, ast.Span]] = field(default_factory=list)
    branches: list[list[_Path]] = field(default_factory=list)
    exits: bool = False


def check_recursion(context: Context) -> None:
    """Report each cycle of workflows that has no way out."""
    bodies: dict[WorkflowSymbol, list[_Path]] = {}
    callers: dict[WorkflowSymbol, list[WorkflowSymbol]] = defaultdict(list)
    for workflow in context.project.workflows():
        shadow = _Shadow(context, workflow.module)
        decl = workflow.decl
        body = shadow.block(decl.body)
        bodies[workflow] = shadow.block(decl.finally_) + body if decl.finally_ else body
        for target in shadow.targets:
            callers[target].append(workflow)
    ends: set[WorkflowSymbol] = set()
    todo = deque(bodies)
    while todo:
        workflow = todo.popleft()
        if workflow not in ends and any(_ways(bodies[workflow], ends)):
            ends.add(workflow)
            todo.extend(callers[workflow])
    reported: set[WorkflowSymbol] = set()
    for workflow in bodies:
        if workflow not in ends and workflow not in reported:
            _report(context, workflow, bodies, ends, reported)


def _ways(body: list[_Path], ends: set[WorkflowSymbol]) -> tuple[bool, bool]:
    """Whether some way through a block exits, and whether some goes on to its end."""
    exits = False
    for step in body:
        if any(target not in ends for target, _ in step.calls):
            return exits, False
        if step.exits:
            return True, False
        if step.branches:
            goes_on = False
            for arm in step.branches:
                out, through = _ways(arm, ends)
                exits, goes_on = exits or out, goes_on or through
            if not goes_on:
                return exits, False
    return exits, True


def _first_call(
    body: list[_Path], ends: set[WorkflowSymbol]
) -> tuple[WorkflowSymbol, ast.Span] | None:
    """The first call, on some way through a block, of a workflow that cannot end."""
    for step in body:
        for call in step.calls:
            if call[0] not in ends:
                return call
        for arm in step.branches:
            found = _first_call(arm, ends)
            if found is not None:
                return found
    return None


def _report(
    context: Context,
    start: WorkflowSymbol,
    bodies: dict[WorkflowSymbol, list[_Path]],
    ends: set[WorkflowSymbol],
    reported: set[WorkflowSymbol],
) -> None:
    """Follow the calls until a workflow comes again; that ring is the message."""
    chain: list[tuple[WorkflowSymbol, ast.Span]] = []
    current = start
    while True:
        found = _first_call(bodies[current], ends)
        if found is None:
            return
        chain.append((current, found[1]))
        current = found[0]
        if current in reported:
            reported.update(w for w, _ in chain)
            return  # leads into a cycle that is reported already
        if any(w is current for w, _ in chain):
            break
    first = next(i for i, (w, _) in enumerate(chain) if w is current)
    reported.update(w for w, _ in chain)
    ring = chain[first:]
    if len(ring) == 1:
        text = f"`{current.name}` calls itself on every path, and never ends"
    else:
        names = " → ".join([*(w.name for w, _ in ring), current.name])
        text = f"these workflows call each other on every path, and never end: {names}"
    related = tuple(Label(span, f"`{w.name}` goes on here") for w, span in ring[1:])
    hint = "end it under some condition: `if …: return …` before the call"
    context.report(codes.ENDLESS, text, ring[0][1], "always called", hint, related)


class _Shadow:
    """Makes the shadow of a body."""

    def __init__(self, context: Context, module: SpecModule) -> None:
        self.context = context
        self.module = module
        self.targets: set[WorkflowSymbol] = set()

    def block(self, body: tuple[ast.Statement, ...]) -> list[_Path]:
        """The steps of a block; steps that call nothing and decide nothing are left out."""
        steps: list[_Path] = []
        for statement in body:
            step = self._step(statement)
            if step.calls or step.branches or step.exits:
                steps.append(step)
        return steps

    def _step(self, node: ast.Statement) -> _Path:
        step = _Path()
        match node:
            case ast.Assign(_, value) | ast.ExprStatement(value):
                self._certain(value, step)
                if isinstance(value, ast.Call):
                    target = self.context.project.resolve(self.module, value.func)
                    step.exits = isinstance(target, Builtin) and target.name == "fail"
            case ast.Return(value):
                if value is not None:
                    self._certain(value, step)
                step.exits = True
            case ast.Continuation(call):
                self._certain(call, step)
                step.exits = True
            case ast.If(arms, orelse):
                self._certain(arms[0][0], step)
                for test, body in arms:
                    step.branches.append(self.block(body))
                    if isinstance(test, ast.Constant) and test.value is True:
                        return step
                step.branches.append(self.block(orelse))
        return step

    def _certain(self, node: Any, step: _Path) -> None:
        """Collect the calls that evaluating an expression makes whatever its values are."""
        todo = [node]
        while todo:
            part = todo.pop()
            if isinstance(part, tuple):
                todo.extend(reversed(part))
            elif isinstance(part, ast.Conditional):
                todo.append(part.test)
            elif isinstance(part, ast.BoolOp):
                todo.append(part.values[0])
            elif isinstance(part, ast.Comprehension):
                todo.append(part.generators[0].iterable)
            elif isinstance(part, ast.Wait):
                continue  # what it waits for may stay behind, and is cancelled
            elif not isinstance(part, (ast.Name, ast.Constant, ast.Span, str)):
                if isinstance(part, ast.Call):
                    target = self.context.project.resolve(self.module, part.func)
                    if isinstance(target, WorkflowSymbol):
                        self.targets.add(target)
                        step.calls.append((target, part.span))
                fields = getattr(part, "__dataclass_fields__", ())
                todo.extend(getattr(part, name) for name in fields if name != "span")
