"""The nodes of a plan as they are executed: compiled expressions, and what each one needs."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from wfc.plan.expr import Compiled, Env, compile_expr
from wfc.plan.model import (
    BranchNode,
    CallNode,
    CancelNode,
    ContinuationNode,
    ExprNode,
    FailNode,
    GroupNode,
    MapNode,
    ReceiveNode,
    ReturnNode,
    SleepNode,
    WaitNode,
    Where,
)
from wfc.runtime.uses import AFTER, HANDLE, VALUE, Uses
from wfc.runtime.work import Shape

if TYPE_CHECKING:
    from wfc.runtime.linked import LinkedGraph

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
        self.own = tuple(uses.own)
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

    `arguments(env)` gives the positional and keyword arguments; `parts` and `named` are the same
    one by one, each with the name that it is, if it is only that. `shape` is what a task call claims.
    """

    __slots__ = (
        "_shape",
        "arguments",
        "callee",
        "catch",
        "checkpoint",
        "inplace",
        "managed",
        "named",
        "options",
        "origin",
        "parts",
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
        self.parts = tuple((_name(a), compile_expr(a)) for a in node.args)
        self.named = tuple((k, _name(a), compile_expr(a)) for k, a in node.kwargs.items())
        self.arguments = _arguments([p for _, p in self.parts], [(k, p) for k, _, p in self.named])
        # The one name that is the only argument: the commonest call of all.
        only = node.args[0] if len(node.args) == 1 and not node.kwargs else None
        self.simple = _name(only) if only is not None else None
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


def make_step(node: Any, index: int, uses: Uses, inner: list[LinkedGraph]) -> Step:
    """The step of a node; `inner` are the graphs that it owns, in the order of their addresses."""
    if isinstance(node, MapNode):
        return MapStep(node, index, uses, inner[0])
    if isinstance(node, BranchNode):
        return BranchStep(node, index, uses, inner)
    return _PLAIN_STEPS[node.kind](node, index, uses)


def _name(expr: Any) -> str | None:
    return expr[1] if expr[0] == "name" else None


def _optional(expr: Any) -> Compiled | None:
    return compile_expr(expr) if expr is not None else None


_NO_KWARGS: dict[str, Any] = {}


def _arguments(parts: Sequence[Compiled], named: Sequence[tuple[str, Compiled]]) -> Arguments:
    """A closure that evaluates a call's arguments; the commonest arities without a loop."""
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
