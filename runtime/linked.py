"""A plan made ready to be executed: graphs by address, compiled expressions, dependencies.

The engine and the workers read the same plan through this module, so that they cannot disagree on
what a node needs, what a graph is called, or how a call's arguments bind. A graph is linked (its
expressions compiled, its dependencies counted) when it is first used, and only once.

Addresses are those of `wfc.runtime.work.Work.graph`: `main`, `main/tables` (the body of that map),
`main/if:0` (an arm), `main/if:else`, `main/if:then`, `main:finally`, and `$dyn…` in a graph that a
task returned.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, TypeAlias

from wfc.plan.expr import Compiled, Env, compile_expr
from wfc.plan.model import (
    BranchNode,
    CallNode,
    CancelNode,
    ContinuationNode,
    ExprNode,
    FailNode,
    Graph,
    GroupNode,
    MapNode,
    Plan,
    ReceiveNode,
    Region,
    ReturnNode,
    SleepNode,
    TaskDef,
    Unit,
    WaitNode,
    Where,
    WorkflowDef,
)
from wfc.runtime.uses import AFTER, HANDLE, VALUE, Uses, graph_uses, node_uses, provides
from wfc.runtime.values import ErrorInfo
from wfc.runtime.work import Shape

DYNAMIC = "$dyn"
"""The address of the graph of a `Dynamic`."""

Arguments: TypeAlias = Callable[[Env], tuple[tuple[Any, ...], dict[str, Any]]]


class Step:
    """A node of a linked graph.

    `needs` are the names that it, and the graphs inside it, refer to and that come from outside of
    it; `own` those of its own expressions alone (for a branch its conditions, for a map its items).
    `handles` are those of `needs` that are used as handles, `joined` those used by value (a name can
    be both). `waits` are the names that have to be done only: those of `after`, inner graphs included.
    `deps` are the positions of the steps of the same graph that must be done before it (by data or
    by `after`), `own_deps` those for `own` and `after` alone.
    """

    __slots__ = (
        "after",
        "deps",
        "handles",
        "id",
        "index",
        "joined",
        "kind",
        "needs",
        "node",
        "own",
        "own_deps",
        "waits",
        "where",
    )

    def __init__(self, node: Any, index: int, uses: Uses) -> None:
        self.node = node
        self.index = index
        self.id: str = node.id
        self.kind: str = node.kind
        self.where: Where = node.where
        self.after: tuple[str, ...] = tuple(node.after)
        used = uses.used
        self.needs = tuple(n for n, how in used.items() if how & (VALUE | HANDLE))
        self.own = uses.own
        self.handles = frozenset(n for n, how in used.items() if how & HANDLE)
        self.joined = frozenset(n for n, how in used.items() if how & VALUE)
        self.waits = tuple(n for n, how in used.items() if how & AFTER)
        self.deps: tuple[int, ...] = ()
        self.own_deps: tuple[int, ...] = ()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id}>"


class ExprStep(Step):
    """A pure expression: `run(env)` gives its value."""

    __slots__ = ("run",)

    def __init__(self, node: ExprNode, index: int, uses: Uses) -> None:
        super().__init__(node, index, uses)
        self.run = compile_expr(node.expr)


class CallStep(Step):
    """A call, or (kind `continuation`) the call that a frame ends with.

    `arguments(env)` gives the positional and keyword arguments. `shape` is what a task call claims.
    """

    __slots__ = (
        "_shape",
        "arguments",
        "callee",
        "catch",
        "checkpoint",
        "inplace",
        "managed",
        "options",
        "origin",
        "region",
        "simple",
        "sync",
        "target",
    )

    def __init__(self, node: CallNode | ContinuationNode, index: int, uses: Uses) -> None:
        super().__init__(node, index, uses)
        self.target = node.target
        self.callee: Literal["task", "workflow"] = node.callee
        self.inplace = node.inplace
        self.checkpoint = node.checkpoint is not False
        self.sync = node.checkpoint == "sync"
        self.catch = node.catch
        self.options: dict[str, Any] = node.options
        self.managed: bool = getattr(node, "managed", False)
        self.region: str | None = getattr(node, "region", None)
        self.origin: str | None = getattr(node, "origin", None)
        self.arguments = _arguments(node.args, node.kwargs)
        # The one name that is the only argument: the commonest call of all.
        only = node.args[0] if len(node.args) == 1 and not node.kwargs else None
        self.simple: str | None = only[1] if only and only[0] == "name" else None
        self._shape: Shape | None = None

    @property
    def shape(self) -> Shape:
        """What the call claims of the cluster."""
        if self._shape is None:
            self._shape = shape_of(self.options)
        return self._shape


class LinkedOutput:
    """One list (or dict) that a fan-out makes: `value`, `key` and `when` take an element's env.

    `column` is the call of the body that the output is simply the column of, where it is one: such
    an output is not reported apart. Otherwise an element's entry under `"=name"` is its value, or
    `(key, value)` for a dict, or `MISSING` where `when` is false.
    """

    __slots__ = ("column", "key", "name", "value", "when")

    def __init__(self, output: Any, calls: set[str]) -> None:
        self.name: str = output.name
        self.value = compile_expr(output.value)
        self.key = compile_expr(output.key) if output.key is not None else None
        self.when = compile_expr(output.when) if output.when is not None else None
        plain = output.key is None and output.when is None and output.value[0] == "name"
        self.column: str | None = output.value[1] if plain and output.value[1] in calls else None


class MapStep(Step):
    """A fan-out over `items(env)`; `body` once per element."""

    __slots__ = (
        "body",
        "carried",
        "catch",
        "concurrency",
        "items",
        "managed",
        "outputs",
        "priority",
        "source",
        "targets",
        "where_each",
    )

    def __init__(self, node: MapNode, index: int, uses: Uses, body: LinkedGraph) -> None:
        super().__init__(node, index, uses)
        self.targets = tuple(node.targets)
        self.items = compile_expr(node.items)
        self.where_each = compile_expr(node.where_each) if node.where_each is not None else None
        self.source = node.source
        self.body = body
        calls = {n.id for n in node.body.nodes if isinstance(n, CallNode)}
        self.outputs = tuple(LinkedOutput(o, calls) for o in node.outputs)
        self.concurrency = node.concurrency
        self.priority = node.priority
        self.catch = node.catch
        self.managed = node.managed
        self.carried = node.carried


class BranchStep(Step):
    """`if/elif/else`: `arms` are conditions and graphs, in order."""

    __slots__ = ("arms", "carried", "orelse", "outputs", "then")

    def __init__(self, node: BranchNode, index: int, uses: Uses, inner: list[LinkedGraph]) -> None:
        super().__init__(node, index, uses)
        self.arms = tuple(
            (compile_expr(arm.condition), graph)
            for arm, graph in zip(node.arms, inner, strict=False)
        )
        rest = inner[len(node.arms) :]
        self.orelse = rest.pop(0) if node.orelse is not None else None
        self.then = rest.pop(0) if node.then is not None else None
        self.outputs: dict[str, list[str | None]] = node.outputs
        self.carried = node.carried

    def choose(self, env: Env) -> int:
        """The arm to take: its index, or `len(arms)` when none of the conditions holds."""
        for i, (condition, _) in enumerate(self.arms):
            if condition(env):
                return i
        return len(self.arms)

    def taken(self, arm: int) -> LinkedGraph | None:
        """The graph of an arm that `choose` gave; `None` when there is no `else`."""
        return self.arms[arm][1] if arm < len(self.arms) else self.orelse

    def provided(self, arm: int) -> list[tuple[str, str]]:
        """For each output that this arm provides: its name, and the node of the arm."""
        out = []
        for name, sources in self.outputs.items():
            source = sources[arm] if arm < len(sources) else None
            if source is not None:
                out.append((name, source))
        return out


class GroupStep(Step):
    """A list of calls; `members` are node ids."""

    __slots__ = ("members",)

    def __init__(self, node: GroupNode, index: int, uses: Uses) -> None:
        super().__init__(node, index, uses)
        self.members = tuple(node.members)


class WaitStep(Step):
    """`wait(quorum of members, timeout=…)`; `form` and `quorum` as in `wfc.plan.model.Quorum`."""

    __slots__ = ("form", "members", "quorum", "timeout")

    def __init__(self, node: WaitNode, index: int, uses: Uses) -> None:
        super().__init__(node, index, uses)
        self.members = compile_expr(node.members)
        self.form = node.quorum.form
        self.quorum = _optional(node.quorum.value)
        self.timeout = _optional(node.timeout)


class SleepStep(Step):
    """A timer of `duration(env)` seconds."""

    __slots__ = ("duration", "managed")

    def __init__(self, node: SleepNode, index: int, uses: Uses) -> None:
        super().__init__(node, index, uses)
        self.duration = compile_expr(node.duration)
        self.managed = node.managed


class ReceiveStep(Step):
    """A signal of the name `signal(env)`."""

    __slots__ = ("catch", "managed", "signal", "timeout")

    def __init__(self, node: ReceiveNode, index: int, uses: Uses) -> None:
        super().__init__(node, index, uses)
        self.signal = compile_expr(node.signal)
        self.timeout = _optional(node.timeout)
        self.catch = node.catch
        self.managed = node.managed


class CancelStep(Step):
    """`cancel(pending(env))`."""

    __slots__ = ("pending",)

    def __init__(self, node: CancelNode, index: int, uses: Uses) -> None:
        super().__init__(node, index, uses)
        self.pending = compile_expr(node.pending)


class ReturnStep(Step):
    """Ends the frame with `run(env)`."""

    __slots__ = ("run",)

    def __init__(self, node: ReturnNode, index: int, uses: Uses) -> None:
        super().__init__(node, index, uses)
        self.run = compile_expr(node.expr)


class FailStep(Step):
    """Ends the frame as failed, with the message `run(env)`."""

    __slots__ = ("run",)

    def __init__(self, node: FailNode, index: int, uses: Uses) -> None:
        super().__init__(node, index, uses)
        self.run = compile_expr(node.message)


class LinkedUnit:
    """A unit: its steps' positions in order, and the names and steps that it needs from outside."""

    __slots__ = ("deps", "index", "kind", "needs", "nodes", "positions")

    def __init__(self, unit: Unit, index: int, graph: LinkedGraph) -> None:
        self.index = index
        self.kind = unit.kind
        self.nodes = tuple(unit.nodes)
        self.positions = tuple(graph.index[node] for node in unit.nodes)
        inside = set(self.positions)
        steps = [graph.steps[i] for i in self.positions]
        made = {name for name, i in graph.provider.items() if i in inside}
        self.needs = _ordered(n for s in steps for n in s.needs if n not in made)
        self.deps = tuple(sorted({d for s in steps for d in s.deps} - inside))


class LinkedGraph:
    """A graph of the plan. Call `linked()` (or come from `Linked.graph`) before reading its steps.

    `steps` are the nodes in order, `index` their positions by id, `provider` the position of the
    step that provides a name (a node's id, an output of a map or of a branch). `consumers` is the
    inverse of the steps' `deps`. `tail` is the position of the node that may end the frame, or -1.
    `unit_of` gives the unit's number by position (-1: none). `free` are the names that come from
    outside of the graph (for the body of a map, loop names included), with how they are used
    (`wfc.runtime.uses`: `VALUE | HANDLE | AFTER`; one that is only `AFTER` needs no value).
    """

    __slots__ = (
        "_uses",
        "address",
        "consumers",
        "free",
        "graph",
        "index",
        "inner",
        "owner",
        "provider",
        "regions",
        "steps",
        "table",
        "tail",
        "unit_of",
        "units",
        "workflow",
    )

    def __init__(
        self, graph: Graph, address: str, workflow: str, table: dict[str, LinkedGraph]
    ) -> None:
        self.graph = graph
        self.address = address
        self.workflow = workflow
        self.table = table
        self.owner: LinkedGraph | None = None
        self.inner: dict[str, list[LinkedGraph]] = {}
        self.steps: list[Any] = []
        self.index: dict[str, int] = {}
        self.provider: dict[str, int] = {}
        self.consumers: list[tuple[int, ...]] = []
        self.free: dict[str, int] = {}
        self.tail = -1
        self.units: list[LinkedUnit] = []
        self.unit_of: list[int] = []
        self.regions: dict[str, Region] = graph.regions
        self._uses: list[Uses] | None = None
        table[address] = self

    def __repr__(self) -> str:
        return f"<LinkedGraph {self.address}>"

    def linked(self) -> LinkedGraph:
        """This graph, with its own steps compiled (the graphs inside are, when they are used)."""
        if self.index or not self.graph.nodes:
            return self
        uses = self._uses if self._uses is not None else _uses_below(self)
        provider: dict[str, int] = {}
        for i, node in enumerate(self.graph.nodes):
            provider.update(dict.fromkeys(provides(node), i))
        self.provider = provider
        self.steps = [
            _step(node, i, uses[i], self.inner.get(node.id, []))
            for i, node in enumerate(self.graph.nodes)
        ]
        consumers: list[list[int]] = [[] for _ in self.steps]
        for step in self.steps:
            own = (provider[n] for n in (*step.own, *step.after) if n in provider)
            step.own_deps = tuple(sorted(set(own) - {step.index}))
            more = (provider[n] for n in (*step.needs, *step.waits) if n in provider)
            step.deps = tuple(sorted({*step.own_deps, *more} - {step.index}))
            for dep in step.deps:
                consumers[dep].append(step.index)
        self.consumers = [tuple(c) for c in consumers]
        self.index = {step.id: step.index for step in self.steps}
        if self.graph.tail is not None:
            self.tail = self.index[self.graph.tail]
        self.units = [LinkedUnit(unit, i, self) for i, unit in enumerate(self.graph.units)]
        self.unit_of = [-1] * len(self.steps)
        for unit in self.units:
            for position in unit.positions:
                self.unit_of[position] = unit.index
        return self

    def step(self, node: str) -> Any:
        """The step of a node id."""
        return self.steps[self.index[node]]

    def find(self, address: str) -> LinkedGraph:
        """The graph at an address of the same workflow (or of the same dynamic graph)."""
        return self.table[address].linked()

    def map_step(self) -> MapStep:
        """For the body of a fan-out: the step that owns it."""
        assert self.owner is not None
        name = self.address.rsplit("/", 1)[1]
        found: MapStep = self.owner.linked().step(name)
        return found


class LinkedWorkflow:
    """A workflow: its body, its `finally:`, and the binding of its parameters."""

    __slots__ = ("_defaults", "body", "carried", "definition", "finally_", "name", "params")

    def __init__(self, definition: WorkflowDef) -> None:
        self.definition = definition
        self.name = definition.name
        self.params = tuple(p.name for p in definition.params)
        self.carried = definition.carried
        self._defaults: dict[str, Compiled] = {
            p.name: compile_expr(p.default) for p in definition.params if p.default is not None
        }
        table: dict[str, LinkedGraph] = {}
        name = definition.name
        self.body = _shells(definition.body, name, name, table)
        self.finally_: LinkedGraph | None = None
        if definition.finally_ is not None:
            self.finally_ = _shells(definition.finally_, f"{name}:finally", name, table)

    def bind(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """The environment of a new frame. Raises `TypeError`, in Python's words."""
        params = self.params
        if not kwargs and len(args) == len(params):
            return dict(zip(params, args, strict=True))
        if len(args) > len(params):
            raise TypeError(
                f"{self.name}() takes {len(params)} arguments but {len(args)} were given"
            )
        env = dict(zip(params, args, strict=False))
        for name, value in kwargs.items():
            if name not in params:
                raise TypeError(f"{self.name}() got an unexpected keyword argument {name!r}")
            if name in env:
                raise TypeError(f"{self.name}() got multiple values for argument {name!r}")
            env[name] = value
        for name in params:
            if name not in env:
                default = self._defaults.get(name)
                if default is None:
                    raise TypeError(f"{self.name}() is missing the argument {name!r}")
                env[name] = default({})
        return env


class Linked:
    """A plan, linked lazily: one workflow when it is first asked for, one graph at a time."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.tasks: dict[str, TaskDef] = plan.tasks
        self._workflows: dict[str, LinkedWorkflow] = {}
        self._graphs: dict[str, LinkedGraph] = {}

    def workflow(self, key: str) -> LinkedWorkflow:
        """The workflow with this key of `Plan.workflows`; raises `KeyError`."""
        found = self._workflows.get(key)
        if found is None:
            definition = self.plan.workflows[key]
            if definition.name != key:
                definition = definition.model_copy(update={"name": key})
            found = self._workflows[key] = LinkedWorkflow(definition)
        return found

    def graph(self, address: str) -> LinkedGraph:
        """The linked graph at an address; raises `KeyError`."""
        found = self._graphs.get(address)
        if found is None:
            key = _workflow_key(address, self.plan.workflows)
            found = self._graphs[address] = self.workflow(key).body.find(address)
        return found

    def link_graph(self, graph: Graph, address: str = DYNAMIC) -> LinkedGraph:
        """A graph that is not in the plan (one that a task returned); see `LinkedGraph.find`."""
        return _shells(graph, address, address, {}).linked()


# --------------------------------------------------------------------------- options


def shape_of(options: Mapping[str, Any]) -> Shape:
    """What a call with these options claims of the cluster, under Ray's names."""
    if not options:
        return _PLAIN
    strategy = options.get("scheduling_strategy") or ""
    runtime_env = options.get("runtime_env") or ""
    return Shape(
        num_cpus=float(options.get("num_cpus", 1.0)),
        num_gpus=float(options.get("num_gpus", 0.0)),
        memory=int(options.get("memory", 0) or 0),
        resources=tuple(sorted((options.get("resources") or {}).items())),
        accelerator_type=options.get("accelerator_type") or "",
        runtime_env=json.dumps(runtime_env, sort_keys=True) if runtime_env else "",
        scheduling_strategy=strategy if isinstance(strategy, str) else json.dumps(strategy),
        label_selector=tuple(sorted((options.get("label_selector") or {}).items())),
    )


_PLAIN = Shape()


def may_retry(options: Mapping[str, Any], error: ErrorInfo, attempt: int) -> bool:
    """Whether a task that raised `error` in its `attempt`-th attempt (from 1) is to run again.

    As in Ray: exceptions are retried only when `retry_exceptions` is true or names the exception or
    a base of it, and `max_retries` (default 3, -1: for ever) times at most.
    """
    wanted = options.get("retry_exceptions", False)
    if not wanted:
        return False
    limit = options.get("max_retries", 3)
    if limit != -1 and attempt > limit:
        return False
    if wanted is True:
        return True
    have = {error.type, *error.bases}
    have |= {name.rpartition(".")[2] for name in have}
    return any(name.removeprefix("builtins.") in have for name in wanted)


# --------------------------------------------------------------------------- internals


def _inner_graphs(node: Any) -> list[tuple[str, Graph]]:
    """The graphs that a node owns, with the suffix of their address."""
    if isinstance(node, MapNode):
        return [(node.id, node.body)]
    if not isinstance(node, BranchNode):
        return []
    out = [(f"{node.id}:{i}", arm.body) for i, arm in enumerate(node.arms)]
    if node.orelse is not None:
        out.append((f"{node.id}:else", node.orelse))
    if node.then is not None:
        out.append((f"{node.id}:then", node.then))
    return out


def _shells(
    graph: Graph, address: str, workflow: str, table: dict[str, LinkedGraph]
) -> LinkedGraph:
    """The graph and all graphs inside it, not compiled yet. Iterative: `then`s nest deep."""
    root = LinkedGraph(graph, address, workflow, table)
    todo = [root]
    while todo:
        shell = todo.pop()
        for node in shell.graph.nodes:
            inner = _inner_graphs(node)
            if not inner:
                continue
            made = shell.inner[node.id] = []
            for suffix, body in inner:
                child = LinkedGraph(body, f"{shell.address}/{suffix}", workflow, table)
                child.owner = shell
                made.append(child)
                todo.append(child)
    return root


def _uses_below(root: LinkedGraph) -> list[Uses]:
    """What each node of `root` uses; fills `free` of every graph inside, innermost first."""
    order, todo = [], [root]
    while todo:
        shell = todo.pop()
        if shell._uses is not None:
            continue
        order.append(shell)
        todo.extend(child for inner in shell.inner.values() for child in inner)
    for shell in reversed(order):
        uses = []
        made: set[str] = set()
        for node in shell.graph.nodes:
            uses.append(node_uses(node, [c.free for c in shell.inner.get(node.id, ())]))
            made.update(provides(node))
        shell._uses = uses
        shell.free = graph_uses(uses, made)
    assert root._uses is not None
    return root._uses


_PLAIN_STEPS: dict[str, Callable[[Any, int, Uses], Step]] = {
    "expr": ExprStep,
    "call": CallStep,
    "continuation": CallStep,
    "group": GroupStep,
    "wait": WaitStep,
    "sleep": SleepStep,
    "receive": ReceiveStep,
    "cancel": CancelStep,
    "return": ReturnStep,
    "fail": FailStep,
}


def _step(node: Any, index: int, uses: Uses, inner: list[LinkedGraph]) -> Step:
    if isinstance(node, MapNode):
        return MapStep(node, index, uses, inner[0])
    if isinstance(node, BranchNode):
        return BranchStep(node, index, uses, inner)
    return _PLAIN_STEPS[node.kind](node, index, uses)


def _optional(expr: Any) -> Compiled | None:
    return compile_expr(expr) if expr is not None else None


_NO_KWARGS: dict[str, Any] = {}


def _arguments(args: Sequence[Any], kwargs: Mapping[str, Any]) -> Arguments:
    """A closure that evaluates a call's arguments; the commonest arities without a loop."""
    parts = [compile_expr(a) for a in args]
    named = [(k, compile_expr(a)) for k, a in kwargs.items()]
    if named:
        return lambda env: (
            tuple([part(env) for part in parts]),
            {k: part(env) for k, part in named},
        )
    none = _NO_KWARGS
    if not parts:
        return lambda env: ((), none)
    if len(parts) == 1:
        first = parts[0]
        return lambda env: ((first(env),), none)
    if len(parts) == 2:
        first, second = parts
        return lambda env: ((first(env), second(env)), none)
    return lambda env: (tuple([part(env) for part in parts]), none)


def _ordered(items: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(items))


def _workflow_key(address: str, workflows: Mapping[str, Any]) -> str:
    """The workflow that an address is in: keys may hold slashes themselves."""
    head = address
    while head:
        for key in (head, head.removesuffix(":finally")):
            if key in workflows:
                return key
        head = head.rpartition("/")[0]
    raise KeyError(address)
