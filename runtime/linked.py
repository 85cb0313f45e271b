"""A plan made ready for workers: graphs by address, compiled expressions, dependencies.

A graph is linked (its expressions compiled, its dependencies counted) when it is first used, and only
once. The engine has a view of its own (`engine.graphs`); what a node needs and what a graph is called
both take from `uses`.

Addresses are those of `wfc.runtime.work.Work.graph`: `main`, `main/tables` (the body of that map),
`main/if:0` (an arm), `main/if:else`, `main/if:then`, `main:finally`, and `$dyn…` in a graph that a
task returned.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from wfc.plan.expr import Compiled, compile_expr
from wfc.plan.model import BranchNode, Graph, Plan, Region, TaskDef, Unit, WorkflowDef
from wfc.runtime.steps import MapStep, make_step
from wfc.runtime.uses import Uses, graph_uses, inner_graphs, node_uses, provides, taken
from wfc.runtime.work import Shape

DYNAMIC = "$dyn"
"""The address of the graph of a `Dynamic`."""


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
    (`wfc.runtime.uses`: `VALUE | HANDLE | AFTER`; one that is only `AFTER` needs no value). `gives` are
    the names that the graph around it takes from this one.
    """

    __slots__ = (
        "_uses",
        "address",
        "consumers",
        "free",
        "gives",
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
        self.gives: frozenset[str] = frozenset()
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
            make_step(node, i, uses[i], self.inner.get(node.id, []))
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
        # An inlined node's id has slashes of its own, so the address is not simply split.
        name = self.address[len(self.owner.address) + 1 :]
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

    def shapes(self, linked: Linked) -> set[Shape]:
        """What the task calls of a carried frame claim (inplace ones, which claim nothing, aside)."""
        found: set[Shape] = set()
        seen: set[str] = set()
        todo = [self.name]
        while todo:
            name = todo.pop()
            if name in seen:
                continue
            seen.add(name)
            for graph in linked.workflow(name).body.table.values():
                for step in graph.linked().steps:
                    if step.kind not in ("call", "continuation"):
                        continue
                    if step.callee == "workflow":
                        todo.append(step.target)
                    elif not step.inplace:
                        found.add(step.shape)
        return found


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


# --------------------------------------------------------------------------- internals


def _shells(
    graph: Graph, address: str, workflow: str, table: dict[str, LinkedGraph]
) -> LinkedGraph:
    """The graph and all graphs inside it, not compiled yet. Iterative: `then`s nest deep."""
    root = LinkedGraph(graph, address, workflow, table)
    todo = [root]
    while todo:
        shell = todo.pop()
        for node in shell.graph.nodes:
            inner = list(inner_graphs(node))
            if not inner:
                continue
            made = shell.inner[node.id] = []
            for number, (suffix, body) in enumerate(inner):
                child = LinkedGraph(body, f"{shell.address}/{suffix}", workflow, table)
                child.owner = shell
                rest = isinstance(node, BranchNode) and body is node.then
                child.gives = shell.gives if rest else frozenset(taken(node, number))
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
        shell.free = graph_uses((use.used for use in uses), made)
    assert root._uses is not None
    return root._uses


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
