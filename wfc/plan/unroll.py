"""A static workflow as a list of calls: what a plain graph of tasks can hold, and nothing else.

Branches, fan-outs and recursion are followed here, and so what decides them must be known before
anything runs: constants, and the parameters that are given. `NotStatic` tells the first thing that
only a run can know.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from wfc.plan.expr import children, compile_expr, names
from wfc.plan.model import (
    AnyNode,
    BranchNode,
    CallNode,
    ContinuationNode,
    ExprNode,
    Graph,
    GroupNode,
    MapNode,
    Plan,
    ReturnNode,
    Where,
)

MAX_STEPS = 100_000
MAX_DEPTH = 100


class NotStatic(Exception):  # noqa: N818 - it says what the workflow is
    """What a graph that is made before the run cannot hold; `where` it stands in the spec."""

    def __init__(self, what: str, where: Where, hint: str = "") -> None:
        super().__init__(what)
        self.what, self.where, self.hint = what, where, hint


@dataclass(frozen=True, slots=True)
class Known:
    """A value that is known before anything runs."""

    value: Any


@dataclass(frozen=True, slots=True)
class Ref:
    """The result of a step, or a parameter that is given when the graph runs (`step` is its name)."""

    step: str
    parameter: bool = False


@dataclass(frozen=True, slots=True)
class Many:
    """The results of a fan-out, or of a list of calls."""

    items: tuple[Operand, ...]


Operand: TypeAlias = "Known | Ref | Many"
Env: TypeAlias = "dict[str, Operand]"


@dataclass(slots=True)
class Step:
    """One task: a call of `task`, or where that is `None` the pure expression `expr` over `kwargs`.

    `after` are steps that come first and give it nothing.
    """

    id: str
    where: Where
    task: str | None = None
    expr: Any = None
    args: list[Known | Ref] = field(default_factory=list)
    kwargs: dict[str, Known | Ref] = field(default_factory=dict)
    after: list[str] = field(default_factory=list)
    options: dict[str, Any] = field(default_factory=dict)

    def needs(self) -> list[str]:
        """The steps that come before this one."""
        given = [v for v in (*self.args, *self.kwargs.values()) if isinstance(v, Ref)]
        return [*(ref.step for ref in given if not ref.parameter), *self.after]


@dataclass(slots=True)
class Unrolled:
    """The steps in an order in which they can be made; the last gives the workflow's result."""

    steps: list[Step]
    parameters: list[str]


def unroll(plan: Plan, params: Mapping[str, Any] | None = None) -> Unrolled:
    """The steps of a plan's entry. Without `params` every parameter is one of the graph's own, whose
    value nothing may depend on but calls. Raises `NotStatic`, and what an expression raises."""
    made = _Unroller(plan)
    entry = plan.workflows[plan.entry]
    env: Env = {}
    for param in entry.params:
        if params is None:
            env[param.name] = Ref(param.name, parameter=True)
        else:
            env[param.name] = Known(params[param.name])
    result = made.workflow(plan.entry, env, plan.entry, entry.where, 0)
    if not made.steps or result != Ref(made.steps[-1].id):
        made.value("result", ["name", "value"], {"value": result}, entry.where)
    return Unrolled(made.steps, [p.name for p in entry.params])


class _Ended(Exception):  # noqa: N818
    def __init__(self, result: Operand) -> None:
        self.result = result


class _Unroller:
    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.steps: list[Step] = []
        self.used: set[str] = set()
        self.ids: dict[str, int] = {}

    # ------------------------------------------------------------------ steps

    def add(self, step: Step) -> Ref:
        """Append a step; its id is made the only one."""
        if len(self.steps) >= MAX_STEPS:
            raise NotStatic(f"the workflow is more than {MAX_STEPS:,} tasks", step.where)
        count = self.ids[step.id] = self.ids.get(step.id, 0) + 1
        if count > 1:
            step.id = f"{step.id}~{count}"
        self.steps.append(step)
        self.used.update(step.needs())
        return Ref(step.id)

    def value(self, id: str, expr: Any, env: Mapping[str, Operand], where: Where) -> Ref:
        """A step for an expression, over the results that it uses."""
        given = {name: self.one(env[name], f"{id}/{name}", where) for name in env}
        return self.add(Step(id, where, expr=expr, kwargs=given))

    def one(self, operand: Operand, id: str, where: Where) -> Known | Ref:
        """One value: several results are put into a list."""
        if not isinstance(operand, Many):
            return operand
        parts = [self.one(item, f"{id}[{i}]", where) for i, item in enumerate(operand.items)]
        values = [part.value for part in parts if isinstance(part, Known)]
        if len(values) == len(parts):
            return Known(values)
        names_ = [f"x{i}" for i in range(len(parts))]
        expr = ["list", [["name", name] for name in names_]]
        return self.value(id, expr, dict(zip(names_, parts, strict=True)), where)

    def evaluate(self, expr: Any, env: Env, id: str, where: Where) -> Operand:
        """What an expression comes to: known, or a step."""
        if expr[0] in ("name", "handle") and expr[1] in env:
            return env[expr[1]]
        if expr[0] == "list":
            return Many(tuple(self.evaluate(e, env, id, where) for e in expr[1]))
        _refuse_parts(expr, where)
        needed = {name: env[name] for name in dict.fromkeys(names(expr)) if name in env}
        known = {name: _plain(operand) for name, operand in needed.items()}
        if all(isinstance(found, Known) for found in known.values()):
            values = {name: found.value for name, found in known.items() if found is not None}
            try:
                return Known(compile_expr(expr)(values))
            except Exception:
                pass  # what fails does so when the graph runs, as the task that it is then
        return self.value(id, expr, needed, where)

    def known(self, expr: Any, env: Env, id: str, where: Where, what: str) -> Any:
        """The value of an expression that decides what there is to run."""
        found = self.evaluate(expr, env, id, where)
        plain = _plain(found)
        if plain is None:
            given = [n for n in names(expr) if isinstance(env.get(n), Ref)]
            asked = [n for n in given if _is_parameter(env[n])]
            hint = f"give the parameters: `wfc.to_ray_dag(plan, {asked[0]}=…)`" if asked else ""
            raise NotStatic(what, where, hint)
        return plain.value

    # ------------------------------------------------------------------ workflows and graphs

    def workflow(self, name: str, env: Env, path: str, where: Where, depth: int) -> Operand:
        """The result of a workflow, once all that its body started is done."""
        definition = self.plan.workflows[name]
        if definition.finally_ is not None:
            raise NotStatic(
                f"`{name}` has a `finally`, which runs after failures", definition.where
            )
        if depth > MAX_DEPTH:
            raise NotStatic(f"`{name}` calls itself more than {MAX_DEPTH} deep", where)
        first = len(self.steps)
        result: Operand = Known(None)
        try:
            self.graph(definition.body, env, path, depth)
        except _Ended as ended:
            result = ended.result
        mine = _refs(result)
        loose = [s.id for s in self.steps[first:] if s.id not in self.used and s.id not in mine]
        if not loose:
            return result
        # A bare call is done before the workflow is.
        step = Step(f"{path}/done", where, expr=["name", "value"], after=loose)
        step.kwargs["value"] = self.one(result, f"{path}/result", where)
        return self.add(step)

    def graph(self, graph: Graph, env: Env, path: str, depth: int) -> None:
        """Run through the nodes; what they give is put into `env`. Raises `_Ended` at an exit."""
        for node in graph.nodes:
            self.node(node, env, path, depth)

    def node(self, node: AnyNode, env: Env, path: str, depth: int) -> None:
        """One node."""
        id = f"{path}/{node.id}"
        if isinstance(node, ExprNode):
            env[node.id] = self.evaluate(node.expr, env, id, node.where)
        elif isinstance(node, ReturnNode):
            raise _Ended(self.evaluate(node.expr, env, id, node.where))
        elif isinstance(node, CallNode):
            env[node.id] = self.call(node, env, path, depth)
        elif isinstance(node, ContinuationNode):
            raise _Ended(self.call(node, env, path, depth))
        elif isinstance(node, GroupNode):
            env[node.id] = Many(tuple(env[member] for member in node.members))
        elif isinstance(node, BranchNode):
            self.branch(node, env, path, depth)
        elif isinstance(node, MapNode):
            self.map(node, env, path, depth)
        else:
            raise NotStatic(_WHY[node.kind], node.where)

    def branch(self, node: BranchNode, env: Env, path: str, depth: int) -> None:
        """Follow the arm that is taken, and what comes after."""
        what = "which way this goes depends on what a task gives"
        taken = len(node.arms)
        for i, arm in enumerate(node.arms):
            if self.known(arm.condition, env, f"{path}/{node.id}", node.where, what):
                taken = i
                break
        body = node.arms[taken].body if taken < len(node.arms) else node.orelse
        inner = dict(env)
        if body is not None:
            self.graph(body, inner, path, depth)
        for name, given in node.outputs.items():
            provider = given[taken]
            if provider is not None:
                env[name] = inner[provider]
        if node.then is not None:
            self.graph(node.then, env, path, depth)

    def map(self, node: MapNode, env: Env, path: str, depth: int) -> None:
        """A fan-out over what is known, or over the results of another."""
        _refuse(node.catch, "`catch` is a decision at run time", node.where)
        found = self.evaluate(node.items, env, f"{path}/{node.id}/items", node.where)
        if isinstance(found, Many):
            items = list(found.items)
        else:
            what = "how many elements this fan-out has depends on what a task gives"
            given = self.known(node.items, env, f"{path}/{node.id}/items", node.where, what)
            items = [Known(item) for item in given]
        made: dict[str, list[tuple[Operand, Operand]]] = {o.name: [] for o in node.outputs}
        for index, item in enumerate(items):
            inner = dict(env)
            place = f"{path}/{node.id}[{index}]"
            self.unpack(node, item, inner, place)
            why = "which elements pass depends on what a task gives"
            where_each = node.where_each
            if where_each and not self.known(where_each, inner, place, node.where, why):
                continue
            self.graph(node.body, inner, place, depth)
            for out in node.outputs:
                if out.when and not self.known(out.when, inner, place, node.where, why):
                    continue
                key = self.evaluate(out.key or ["lit", None], inner, place, node.where)
                made[out.name].append((key, self.evaluate(out.value, inner, place, node.where)))
        for out in node.outputs:
            env[out.name] = Many(tuple(value for _, value in made[out.name]))
            if out.key is not None:
                count = len(made[out.name])
                pairs = [[["name", f"k{i}"], ["name", f"x{i}"]] for i in range(count)]
                given = {f"k{i}": key for i, (key, _) in enumerate(made[out.name])}
                given |= {f"x{i}": value for i, (_, value) in enumerate(made[out.name])}
                env[out.name] = self.value(f"{path}/{out.name}", ["dict", pairs], given, node.where)

    def unpack(self, node: MapNode, item: Operand, env: Env, place: str) -> None:
        """Bind the loop names of one element."""
        if len(node.targets) == 1:
            env[node.targets[0]] = item
            return
        count = len(node.targets)
        for i, name in enumerate(node.targets):
            expr = ["unpack", ["name", "item"], count, i]
            env[name] = self.evaluate(expr, {"item": item}, f"{place}/{name}", node.where)

    # ------------------------------------------------------------------ calls

    def call(self, node: CallNode | ContinuationNode, env: Env, path: str, depth: int) -> Operand:
        """A call of a task is a step; one of a workflow is what it consists of."""
        id = f"{path}/{node.id}"
        _refuse(node.catch, "`catch` is a decision at run time", node.where)
        _refuse(node.inplace, "`inplace` runs in the process of another task", node.where)
        args = [self.evaluate(e, env, f"{id}.{i}", node.where) for i, e in enumerate(node.args)]
        kwargs = {k: self.evaluate(e, env, f"{id}.{k}", node.where) for k, e in node.kwargs.items()}
        if node.callee == "workflow":
            return self.sub(node, args, kwargs, id, depth)
        task = self.plan.tasks[node.target]
        if task.pending:
            raise NotStatic(f"`{node.target}` takes running calls", node.where)
        after = [ref for name in node.after for ref in _refs(env.get(name, Known(None)))]
        plain = [self.one(a, f"{id}.{i}", node.where) for i, a in enumerate(args)]
        named = {k: self.one(a, f"{id}.{k}", node.where) for k, a in kwargs.items()}
        step = Step(id, node.where, node.target, None, plain, named, after, dict(node.options))
        return self.add(step)

    def sub(
        self, node: CallNode | ContinuationNode, args: list[Operand],
        kwargs: dict[str, Operand], id: str, depth: int,
    ) -> Operand:  # fmt: skip
        """The result of a sub-workflow, which is unrolled where it is called."""
        definition = self.plan.workflows[node.target]
        if node.after:
            raise NotStatic("a workflow that starts `after` others", node.where)
        env: Env = dict(zip((p.name for p in definition.params), args, strict=False))
        env.update(kwargs)
        for param in definition.params:
            if param.name not in env and param.default is not None:
                env[param.name] = Known(compile_expr(param.default)({}))
        return self.workflow(node.target, env, id, node.where, depth + 1)


_WHY = {
    "wait": "`wait` goes on with what is ready first",
    "sleep": "`sleep` is a durable timer",
    "receive": "`receive` waits for a signal",
    "cancel": "`cancel` stops what is running",
    "fail": "`fail` ends the workflow as failed",
}


def _refuse(said: bool, what: str, where: Where) -> None:
    if said:
        raise NotStatic(what, where)


def _refuse_parts(expr: Any, where: Where) -> None:
    todo = [expr]
    while todo:
        part = todo.pop()
        if part[0] == "secret":
            raise NotStatic("a secret is looked up where it is used, and stands in no graph", where)
        if part[0] == "handle":
            raise NotStatic("running calls are handed on", where)
        if part[0] != "comp":
            todo.extend(children(part))


def _plain(operand: Operand) -> Known | None:
    """The value of an operand that is known as a whole."""
    if isinstance(operand, Known):
        return operand
    if isinstance(operand, Ref):
        return None
    parts = [_plain(item) for item in operand.items]
    values = [part.value for part in parts if part is not None]
    return Known(values) if len(values) == len(parts) else None


def _refs(operand: Operand) -> list[str]:
    """The steps that an operand is the results of."""
    if isinstance(operand, Ref):
        return [] if operand.parameter else [operand.step]
    return [r for item in operand.items for r in _refs(item)] if isinstance(operand, Many) else []


def _is_parameter(operand: Operand) -> bool:
    return isinstance(operand, Ref) and operand.parameter
