"""What a run would do, as far as its parameters alone tell: which tasks, and how many of each.

Nothing runs: results of tasks are not known, and neither is what depends on them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wfc.inputs import by_value
from wfc.plan import expr as ex
from wfc.plan import model

EACH = 200
"""Elements of a fan-out that are looked at one by one, at most, where what is in it depends on them."""

BUDGET = 20_000
"""Nodes that are looked at, at most; beyond that, counts are not known."""


@dataclass(slots=True)
class Expected:
    """Calls of one task at one place (`[*]` for the elements of fan-outs). `count` is how many there
    will be, `None` where that depends on results; `why` says on which, in words of the spec."""

    path: str
    count: int | None = 0
    why: str = ""


class _Env(dict[str, Any]):
    """The names of which the value is known."""


def forecast(plan: model.Plan, params: Mapping[str, Any]) -> list[Expected]:
    """The calls that a run would make, in the order of the spec."""
    seer = _Seer(plan)
    entry = plan.workflows[plan.entry]
    seer.workflow(entry, entry.name, _Env(params), 1, "")
    return list(seer.found.values())


class _Seer:
    def __init__(self, plan: model.Plan) -> None:
        self.plan = plan
        self.found: dict[str, Expected] = {}
        self.budget = BUDGET
        self._inside: list[str] = []

    def workflow(
        self, workflow: model.WorkflowDef, path: str, env: _Env, count: int | None, why: str
    ) -> None:
        """A call of a workflow; one that is under way already is not followed again."""
        if workflow.name in self._inside:
            self._add(f"{path}/…", None, f"as often as {workflow.name} goes on")
            return
        self._inside.append(workflow.name)
        for param in workflow.params:
            if param.name not in env and param.default is not None:
                env[param.name] = ex.compile_expr(param.default)({})
        self._graph(workflow.body, path, env, count, why)
        if workflow.finally_ is not None:
            self._graph(workflow.finally_, f"{path}/finally", env, count, why)
        self._inside.pop()

    def _add(self, path: str, count: int | None, why: str) -> None:
        known = self.found.setdefault(path, Expected(path))
        if known.count is not None:
            known.count = None if count is None else known.count + count
        known.why = known.why or why

    def _value(self, expr: Any, env: _Env) -> Any:
        """The value of an expression; raises `LookupError` where it is not known before the run."""
        expr = by_value(expr)
        unknown = [name for name in ex.names(expr) if name not in env]
        if unknown:
            raise LookupError(unknown[0])
        try:
            return ex.compile_expr(expr)({**env, "$secret": _no_secret})
        except LookupError:
            raise
        except Exception as error:  # the run itself will say so
            raise LookupError(str(error)) from error

    def _graph(self, graph: model.Graph, path: str, env: _Env, count: int | None, why: str) -> None:
        for node in graph.nodes:
            self.budget -= 1
            if isinstance(node, model.ExprNode):
                try:
                    env[node.id] = self._value(node.expr, env)
                except LookupError:
                    continue
            elif isinstance(node, model.CallNode | model.ContinuationNode):
                self._call(node, path, env, count, why)
            elif isinstance(node, model.MapNode):
                self._map(node, path, env, count, why)
            elif isinstance(node, model.BranchNode):
                self._branch(node, path, env, count, why)

    def _call(
        self, node: model.CallNode | model.ContinuationNode, path: str, env: _Env,
        count: int | None, why: str,
    ) -> None:  # fmt: skip
        going_on = isinstance(node, model.ContinuationNode)
        here = _next_hop(path) if going_on else f"{path}/{node.id}"
        if node.callee == "task":
            self._add(here, count, why)
            return
        workflow = self.plan.workflows[node.target]
        inner = _Env()
        given = [*zip([p.name for p in workflow.params], node.args, strict=False)]
        for name, expr in [*given, *node.kwargs.items()]:
            try:
                inner[name] = self._value(expr, env)
            except LookupError:
                continue
        self.workflow(workflow, here, _Env(inner), count, why)

    def _map(self, node: model.MapNode, path: str, env: _Env, count: int | None, why: str) -> None:
        here = f"{path}/{node.id}[*]"
        try:
            items = self._items(node, env)
        except LookupError:
            from wfc.compiler.emit.text import text

            reason = f"for each of {text(by_value(node.items))}"
            self._graph(node.body, here, _Env(env), None, why or reason)
            return
        if count is None or len(items) > EACH or self.budget < len(items):
            total = None if count is None else count * len(items)
            self._graph(node.body, here, _Env(env), total, why)
            return
        for item in items:
            inner = _Env(env)
            ex.bind(node.targets, item, inner)
            self._graph(node.body, here, inner, count, why)

    def _items(self, node: model.MapNode, env: _Env) -> list[Any]:
        items = list(self._value(node.items, env))
        if node.where_each is None:
            return items
        kept = []
        for item in items:
            inner = _Env(env)
            ex.bind(node.targets, item, inner)
            if self._value(node.where_each, inner):
                kept.append(item)
        return kept

    def _branch(
        self, node: model.BranchNode, path: str, env: _Env, count: int | None, why: str
    ) -> None:
        maybe = False
        for arm in node.arms:
            try:
                taken = bool(self._value(arm.condition, env))
            except LookupError:
                from wfc.compiler.emit.text import text

                reason = f"if {text(by_value(arm.condition))}"
                self._graph(arm.body, path, _Env(env), None, why or reason)
                maybe = True
                continue
            if taken:
                self._graph(arm.body, path, env, None if maybe else count, why)
                if node.then is not None and arm.body.tail is None:
                    self._graph(node.then, path, env, None if maybe else count, why)
                return
        if node.orelse is not None:
            inner = _Env(env) if maybe else env
            self._graph(node.orelse, path, inner, None if maybe else count, why or ("else" * maybe))
        if node.then is not None:
            ends = not maybe and node.orelse is not None and node.orelse.tail is not None
            if not ends:
                reason = "if it gets so far" if maybe else ""
                self._graph(node.then, path, env, None if maybe else count, why or reason)


def _next_hop(path: str) -> str:
    """The path of a frame after one more `continuation`."""
    before, sign, hop = path.rpartition("~")
    return f"{before}~{int(hop) + 1}" if sign and hop.isdigit() else f"{path}~1"


def _no_secret(name: str) -> Any:
    raise LookupError(f"secret {name}")
