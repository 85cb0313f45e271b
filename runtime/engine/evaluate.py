"""Expressions inside the engine: over what is at hand; elsewhere they become work."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

from wfc.plan import expr as ex
from wfc.plan.model import BranchNode, CallNode, MapNode
from wfc.runtime.engine.columns import durable
from wfc.runtime.engine.core import Core
from wfc.runtime.engine.graphs import NodeInfo
from wfc.runtime.engine.records import Computed
from wfc.runtime.engine.state import Fan, Scope
from wfc.runtime.values import (
    HOLLOW,
    MESSAGE_LIMIT,
    Bound,
    Caught,
    ErrorInfo,
    Hollow,
    Inline,
    Pending,
    Rows,
    Transient,
    Value,
    Waited,
    held,
    homes_of,
    inline_size,
    load_inline,
)
from wfc.runtime.work import Dynamic

AT_HAND = 4 * 1024 * 1024
"""An expression over more than this many bytes is evaluated by a worker."""

ITEMS_AGAIN = "items again"
"""The key under which the list of a fan-out is made again. It is no fact: it may be needed each time."""

Then = Callable[[Value, bool], None]
"""Takes a value, and whether it is volatile (made from what is not kept)."""


def hollow(value: Value) -> bool:
    """Whether some of a value would have to be made again."""
    if type(value) is Inline:
        return False
    if isinstance(value, Hollow):
        return True
    if isinstance(value, Transient):
        return value.lost
    return any(map(hollow, held(value)))


def mark_lost(value: Any) -> None:
    """Note that what is only in the executor's object store of a value is gone from there."""
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, Transient):
            item.lost = True
        stack.extend(held(item))


def truth(expr: Any) -> Any:
    """Whether an expression is true, as one that is small however large that is."""
    return ["call", "bool", [expr], {}]


def message(expr: Any) -> Any:
    """What an expression says, as one that is not large however long that is."""
    return ["slice", ["call", "str", [expr], {}], None, ["lit", MESSAGE_LIMIT], None]


def as_pending(value: Any) -> Pending | None:
    """The handles that a value is, or `None` when it is a plain one."""
    if not isinstance(value, Inline):
        return None
    loaded = value.peek(b"Pending")
    return loaded if isinstance(loaded, Pending) else None


def handles_in(args: Mapping[str, Value]) -> set[tuple[str, str]]:
    """The fan-outs and groups that arguments refer to, however deep inside."""
    found: set[tuple[str, str]] = set()
    for value in args.values():
        stack = [value.peek(b"Pending")] if isinstance(value, Inline) else []
        while stack:
            item = stack.pop()
            if isinstance(item, Pending):
                found.add((item.scope, item.node))
            elif isinstance(item, list | tuple | set):
                stack.extend(item)
            elif isinstance(item, dict):
                stack.extend(item.values())
    return found


def fleeting(value: Value | Dynamic) -> bool:
    """Whether a value would not outlive the process that holds it."""
    if isinstance(value, Transient | Bound | Hollow):
        return True
    if isinstance(value, Dynamic):  # the graph that a task has hopped to
        return any(map(fleeting, value.env.values()))
    return any(map(fleeting, held(value)))


class Evaluating(Core, ABC):
    """Looks names up, and computes expressions."""

    @abstractmethod
    def fail(self, scope: Scope, index: int, error: ErrorInfo) -> None:
        """A node has failed."""

    @abstractmethod
    def revive(self, scope: Scope, name: str, then: Callable[[], None]) -> None:
        """Have a value made again."""

    @abstractmethod
    def join(
        self,
        pending: Pending,
        then: Callable[[Rows], None],
        fail: Callable[[ErrorInfo], None],
        whole: bool = True,
    ) -> None:
        """Wait for all members of a pending value; `whole`: results that were not kept are made
        again."""

    def lookup(self, scope: Scope, name: str) -> Any:
        """The value of a name, `None` when there is none (yet)."""
        at: Scope | None = scope
        while at is not None:
            if name in at.values:
                return at.values[name]
            if name in at.g.index:
                return None
            at = at.up
        return None

    def is_volatile(self, scope: Scope, names: list[str]) -> bool:
        """Whether any of these names was made from what is not kept."""
        for name in names:
            at: Scope | None = scope
            while at is not None:
                if name in at.values:
                    if name in at.volatile:
                        return True
                    break
                at = at.up
        return False

    # ------------------------------------------------------------------ computing

    def compute(
        self,
        scope: Scope,
        index: int,
        key: str,
        expr: Any,
        then: Then,
        *,
        lazy: bool = False,
        joined: bool = False,
        explode: bool = False,
        note: bool = False,
    ) -> None:
        """Compute an expression of a node and hand the value to `then`.

        `lazy`: over values that are not kept the result is `HOLLOW`, made when it is needed.
        `joined`: a pending result is waited for. `explode`: the value is a list, wanted as `Rows` where
        it is not at hand.
        What came of values that had to be made again is journaled (`note`): they will not be there
        when the journal is replayed, and what follows from the result must.
        """
        info = scope.g.nodes[index]
        short = self._shortcut(scope, expr)
        if (
            explode
            and not (isinstance(short, Rows) or short is None)
            and inline_size(short) is None
        ):
            short = None  # only a worker can look into it
        if short is not None and not self.gone(short):
            volatile = self._volatile_expr(scope, expr)
            if (volatile or note) and not lazy and as_pending(short) is None:
                self.note(scope, info.node.id, key, short, explode)
            self._hand(scope, index, short, volatile, then, joined, not lazy)
            return
        names = list(dict.fromkeys(ex.names(expr)))
        volatile = self.is_volatile(scope, names)
        bad = [n for n in names if self._is_hollow(scope, n)]
        if bad:
            self._compute_hollow(
                scope, index, key, expr, then, bad, lazy=lazy, joined=joined, explode=explode
            )
            return
        if self._at_hand(scope, names):
            try:
                made = info.run(key, expr)(self._objects(scope, expr))
            except Exception as error:
                self.fail(scope, index, self._expr_error(scope, info, error))
                return
            value: Value = Inline(obj=made)
            if (volatile or note) and not lazy:
                self.note(scope, info.node.id, key, value, explode)
            self._hand(scope, index, value, volatile, then, joined, not lazy)
            return
        node = info.node.id

        def arrived(value: Value) -> None:
            self.undecided.pop((scope.path, node, key), None)
            if lazy and fleeting(value):
                value = value if self.live else HOLLOW
            # Of a list that only workers can look into, the journal has no more than the length.
            loose = volatile or explode or fleeting(value)
            self._hand(scope, index, value, loose, then, joined)

        known = self.computed.pop((scope.path, node, key), None)
        if known is not None and not (explode and self.live):  # a mere count is no list
            arrived(known)
            return
        self.undecided[scope.path, node, key] = (scope, arrived)
        work = self.new_work("expr", scope, index)
        work.nodes = []
        scope.works.add(work.id)
        self.expr_jobs[work.id] = (key, expr, explode)

    def _compute_hollow(
        self, scope: Scope, index: int, key: str, expr: Any, then: Then, bad: list[str],
        *, lazy: bool, joined: bool, explode: bool,
    ) -> None:  # fmt: skip
        if lazy:
            then(HOLLOW, True)
            return
        at = (scope.path, scope.g.nodes[index].node.id, key)

        def noted(value: Value) -> None:
            self.undecided.pop(at, None)
            self._hand(scope, index, value, True, then, joined)

        def again() -> None:
            self.undecided.pop(at, None)
            self.compute(scope, index, key, expr, then, joined=joined, explode=explode, note=True)

        if not self.live:
            self.undecided[at] = (scope, noted)
            self.retry_undecided[at] = again
            return
        left = len(bad)

        def one() -> None:
            nonlocal left
            left -= 1
            if left == 0 and scope.alive:
                self.later(again)

        for name in bad:
            self.revive(scope, name, one)

    def note(self, scope: Scope, node: str, key: str, value: Value, explode: bool) -> None:
        """Journal what an expression gave; of a list that is gone over no more than its length."""
        if key == ITEMS_AGAIN:
            return
        if explode:
            try:
                value = Inline(
                    obj=len(value) if isinstance(value, Rows) else len(load_inline(value))
                )
            except (TypeError, LookupError):
                return
        self.record(Computed(scope.path, node, key, durable(value), self.now))

    def _hand(
        self,
        scope: Scope,
        index: int,
        value: Value,
        volatile: bool,
        then: Then,
        joined: bool,
        whole: bool = True,
    ) -> None:
        if joined:
            pending = as_pending(value)
            if pending is not None:
                self.join(
                    pending,
                    lambda rows: then(rows, volatile),
                    lambda error: self.fail(scope, index, error),
                    whole,
                )
                return
        then(value, volatile)

    def _is_hollow(self, scope: Scope, name: str) -> bool:
        value = self.lookup(scope, name)
        return value is not None and self.gone(value)

    def gone(self, value: Value) -> bool:
        """Whether some of a value has to be made again: it was not kept, or its process is gone."""
        return hollow(value) or any(home not in self.homes for home in homes_of(value))

    def _volatile_expr(self, scope: Scope, expr: Any) -> bool:
        return self.is_volatile(scope, list(ex.names(expr)))

    def _shortcut(self, scope: Scope, expr: Any) -> Value | None:
        """Values of expressions that only move values about, wherever those are."""
        op = expr[0]
        if op == "name":
            found: Value | None = self.lookup(scope, expr[1])
            return found
        if op == "handle":
            return self.handles_of(scope, expr[1])
        if op == "attr":
            inner = self._shortcut(scope, expr[1])
            if isinstance(inner, Waited):
                if expr[2] == "ready":
                    return inner.ready
                if expr[2] == "pending":
                    return Inline(obj=inner.pending)
            if isinstance(inner, Caught) and expr[2] == "value":
                return inner.value
            return None
        if op == "if":
            arm = self._chosen(scope, expr)
            return None if arm is None else self._shortcut(scope, arm)
        if op == "idx" and expr[2][0] == "lit" and isinstance(expr[2][1], int):
            inner = self._shortcut(scope, expr[1])
            if isinstance(inner, Rows) and inline_size(inner) is None:
                values = list(inner.values())
                if -len(values) <= expr[2][1] < len(values):
                    return values[expr[2][1]]
            return None
        if op == "list" and expr[1]:
            parts = [self._shortcut(scope, e) for e in expr[1]]
            if all(p is not None for p in parts) and not all(
                inline_size(p) is not None for p in parts if p is not None
            ):
                return Rows([[p for p in parts if p is not None]])
            return None
        if op == "bin" and expr[1] == "+":
            a, b = self._shortcut(scope, expr[2]), self._shortcut(scope, expr[3])
            if isinstance(a, Rows) and isinstance(b, Rows):
                return Rows([*a.chunks, *b.chunks])
        return None

    def _chosen(self, scope: Scope, expr: Any) -> Any:
        """The arm that a condition picks, where only what is picked from is not at hand: a worker
        would be given the results of running calls, and the arm may be wanted as it is."""
        test = list(ex.names(expr[1]))
        if not self._at_hand(scope, test) or self._at_hand(scope, list(ex.names(expr))):
            return None
        try:
            return expr[2] if ex.compile_expr(expr[1])(self._objects(scope, expr[1])) else expr[3]
        except Exception:
            return None  # it is raised where the whole is computed

    def handles_of(self, scope: Scope, name: str) -> Value | None:
        """The handles of a fan-out or group, or the pending value that a name stands for."""
        value = self.lookup(scope, "&" + name)
        if value is None:
            value = self.lookup(scope, name)
        return value if isinstance(value, Inline) else None

    def _at_hand(self, scope: Scope, names: list[str]) -> bool:
        total = 0
        for name in names:
            value = self.lookup(scope, name)
            if value is None:
                value = self.lookup(scope, "&" + name)
            size = None if value is None else inline_size(value)
            if size is None:
                return False
            total += size
        return total <= AT_HAND

    def _objects(self, scope: Scope, expr: Any) -> dict[str, Any]:
        env: dict[str, Any] = {}
        for name in ex.names(expr):
            value = self.lookup(scope, name)
            if value is not None:
                env[name] = load_inline(value)
            handle = self.handles_of(scope, name)
            if handle is not None:
                env["&" + name] = load_inline(handle)
        return env

    def _expr_error(self, scope: Scope, info: NodeInfo, error: Exception) -> ErrorInfo:
        kind = type(error)
        name = kind.__qualname__
        if kind.__module__ not in ("builtins",):
            name = f"{kind.__module__}.{name}"
        text = f"{error}" if not isinstance(error, KeyError) else f"no item {error}"
        return ErrorInfo(
            type=name,
            message=text,
            task=self.node_path(scope, info.index),
            where=info.node.where,
        )

    def node_path(self, scope: Scope, index: int) -> str:
        """The id of a task instance."""
        node = scope.g.nodes[index].node
        origin = getattr(node, "origin", None)
        place = element_of(scope) if origin else None
        if place is not None:
            return f"{place[0]}/{origin}[{place[1]}]/{node.id}"
        return f"{scope.path}/{node.id}"

    def keeps(self, scope: Scope, index: int) -> bool:
        """Whether a call's result is kept: its own word, and that of every frame round it."""
        node = scope.g.nodes[index].node
        own = node.checkpoint if isinstance(node, CallNode) else True
        return bool(own) and scope.frame.checkpoint

    def output_of(self, scope: Scope, index: int, name: str) -> tuple[Scope, str] | None:
        """For a name that a branch gives: the scope of the arm taken, and its name there."""
        node = scope.g.nodes[index].node
        if not isinstance(node, BranchNode) or name not in node.outputs:
            return None
        arm: Scope | None = scope.state.get(index)
        if arm is None:
            return None
        inner = node.outputs[name][arm.owner[3]]
        holder = None if inner is None else self._holder_in(arm, inner)
        return None if inner is None or holder is None else (holder, inner)

    def _holder_in(self, scope: Scope, name: str) -> Scope | None:
        """The scope that provides a name of a block, what follows its branches included."""
        if name in scope.g.index:
            return scope
        for info in scope.g.nodes:
            then: Scope | None = scope.state.get(("then", info.index))
            found = self._holder_in(then, name) if then is not None else None
            if found is not None:
                return found
        return None

    @staticmethod
    def output_column(node: MapNode, name: str) -> str:
        """The column that holds an output of a fan-out."""
        for out in node.outputs:
            if out.name == name:
                plain = out.key is None and out.when is None and out.value[0] == "name"
                if plain and any(
                    isinstance(n, CallNode) and n.id == out.value[1] for n in node.body.nodes
                ):
                    return str(out.value[1])
                return f"={name}"
        return f"={name}"


def element_of(scope: Scope) -> tuple[str, int] | None:
    """Where the element that a scope is, or is an arm in, stands: the path round the fan-out, and
    its index; `None` in no element."""
    while scope.owner[0] in ("arm", "then"):
        scope = scope.owner[1]
    if scope.owner[0] != "element":
        return None
    fan: Fan = scope.owner[1]
    return fan.scope.path, scope.owner[2]
