"""How control moves: scopes open, nodes become ready, values are published, branches are taken."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

from wfc.plan.model import (
    AnyNode,
    BranchNode,
    CallNode,
    ExprNode,
    GroupNode,
    MapNode,
    Node,
    ReceiveNode,
    SleepNode,
    WaitNode,
)
from wfc.runtime.engine.evaluate import Evaluating
from wfc.runtime.engine.graphs import GraphInfo, NodeInfo
from wfc.runtime.engine.state import DONE, FAILED, RUNNING, WAITING, Fan, Frame, Scope
from wfc.runtime.values import ErrorInfo, Inline, Pending, Result, Rows, Value, load_inline

RESULT = "$result"
"""The name under which the result of the run is kept, where nothing on the way to it was."""

NONE = Inline(obj=None)
_NOTHING: list[int] = []


def early_key(scope: Scope, name: str) -> str:
    """What a wait on a name waits for: of a fan-out that filters by calls, that it has begun."""
    at: Scope | None = scope
    while at is not None and name not in at.g.index:
        at = at.up
    node = at.g.nodes[at.g.index[name]].node if at is not None else None
    filters = isinstance(node, MapNode) and any(
        out.name == name and out.when is not None for out in node.outputs
    )
    return ("?" if filters else "&") + name


class Flow(Evaluating):
    """Opens scopes and moves values through them."""

    @abstractmethod
    def start_node(self, scope: Scope, index: int, node: Node) -> None:
        """Start a node of a kind that this layer does not know."""

    @abstractmethod
    def choose(self, scope: Scope, index: int, node: BranchNode, number: int) -> None:
        """Decide a branch, from this arm on."""

    @abstractmethod
    def passed(self, scope: Scope) -> None:
        """It is known that a scope does not end its frame."""

    @abstractmethod
    def branch_part_done(self, scope: Scope, index: int, node: BranchNode, part: str) -> None:
        """The arm of a branch that was taken, or what follows it, is done."""

    @abstractmethod
    def frame_ended(self, frame: Frame) -> None:
        """Everything in a frame's scope is settled."""

    @abstractmethod
    def element_ended(self, scope: Scope) -> None:
        """An element's scope is done."""

    @abstractmethod
    def scope_failed(self, scope: Scope, error: ErrorInfo) -> None:
        """Something inside a scope has failed and nothing in it takes care of that."""

    @abstractmethod
    def fan_changed(self, fan: Fan, indices: list[int]) -> None:
        """Members of a fan-out or group are done or failed."""

    # ------------------------------------------------------------------ scopes

    def open_scope(
        self,
        path: str,
        g: GraphInfo,
        up: Scope | None,
        frame: Frame,
        owner: tuple[Any, ...],
        values: dict[str, Value] | None = None,
        volatile: set[str] | None = None,
    ) -> Scope:
        """Make an instance of a graph and put its ready nodes on the agenda."""
        count = len(g.nodes)
        scope = Scope(path, g, up, frame, owner, bytearray(count), [_NOTHING] * count)
        if values:
            scope.values.update(values)
        if volatile:
            scope.volatile.update(volatile)
        self.scopes.setdefault(path, []).append(scope)
        self.has_opened(path)
        for info in g.nodes:
            if isinstance(info.node, GroupNode):
                self._open_group(scope, info)
        for info in g.nodes:
            if not is_managed(scope, info.node):
                scope.open += 1
            if info.unit is not None and frame.bound and info.unit.inplace:
                scope.loose.add(info.index)  # plain and inplace calls of it go separate ways
            if info.unit is None or info.index in scope.loose:
                names, handles = self.needs(info)
                if isinstance(info.node, WaitNode):
                    names += [early_key(scope, h) for h in handles]
                    handles = []
                self._await(scope, info.index, (names, handles))
            elif info.unit.order[0] == info.index:
                self._await(scope, info.index, info.unit.needs)
        if scope.open == 0:
            self.later(self.scope_done, scope)
        if g.tail is None:
            self.later(self.passed, scope)
        return scope

    def needs(self, info: NodeInfo) -> tuple[list[str], list[str]]:
        """Names and handles that must be there before a node starts."""
        node = info.node
        names = [*info.names, *info.after]
        if isinstance(node, GroupNode):
            return list(node.members), []
        handles = list(info.handles)
        if isinstance(node, MapNode) and node.carried:
            names += info.free
            handles += info.free_handles
        return names, handles

    def _await(self, scope: Scope, index: int, needs: tuple[list[str], list[str]]) -> None:
        left = [0]  # its own: what an earlier call of this waited for does not count any more
        for name in (*dict.fromkeys(needs[0]), *("&" + h for h in dict.fromkeys(needs[1]))):
            where = self._provider(scope, name)
            if where is None:
                continue
            left[0] += 1
            where.waiters.setdefault(name, []).append((scope, index, left))
        scope.missing[index] = left
        if left[0] == 0:
            self.later(self.start, scope, index)

    def _provider(self, scope: Scope, name: str) -> Scope | None:
        """The scope that a name is still to come from; `None` when it is there already."""
        plain = name.lstrip("&?")
        at: Scope | None = scope
        while at is not None:
            if name in at.values or (
                name is not plain and plain in at.values and plain not in at.g.index
            ):
                return None
            if plain in at.g.index:
                if name is not plain and not self._has_handle(at, plain):
                    # A handle of a name that is itself a pending value: the value is the handle.
                    if plain in at.values:
                        return None
                    at.exports.setdefault(plain, [])
                    at.handle_names.add(plain)
                return at
            at = at.up
        return None

    @staticmethod
    def _has_handle(scope: Scope, name: str) -> bool:
        return isinstance(scope.g.nodes[scope.g.index[name]].node, MapNode | GroupNode)

    def publish(self, scope: Scope, name: str, value: Any, volatile: bool = False) -> None:
        """Give a name its value, and tell those who wait for it."""
        todo = [(scope, name)]
        while todo:
            scope, name = todo.pop()
            scope.values[name] = value
            if volatile:
                scope.volatile.add(name)
            else:
                scope.volatile.discard(name)
            self._wake(scope, name)
            if name in scope.handle_names:
                self._wake(scope, "&" + name)
            if scope.owner[0] == "then":
                # What is named after a branch belongs to the block that the branch stands in.
                todo.append((scope.owner[1], name))
            todo.extend((scope.owner[1], outer) for outer in reversed(scope.exports.get(name, ())))

    def _wake(self, scope: Scope, name: str) -> None:
        for waiter in scope.waiters.pop(name, ()):
            if callable(waiter):
                waiter()
                continue
            who, index, left = waiter
            left[0] -= 1
            if left[0] == 0 and who.missing[index] is left and who.alive:
                self.later(self.start, who, index)

    def when_published(self, scope: Scope, name: str, call: Callable[[], None]) -> None:
        """Have `call` made when a name gets its (next) value."""
        scope.waiters.setdefault(name, []).append(call)

    # ------------------------------------------------------------------ nodes

    def start(self, scope: Scope, index: int) -> None:
        """A node (or the unit that it leads) has all that it waited for."""
        if not scope.alive or scope.status[index] not in (WAITING, DONE):
            return
        if scope.status[index] == DONE and index not in scope.again:
            unit = scope.g.nodes[index].unit
            if unit is not None and index not in scope.loose:
                # What led the unit is there, the rest of it is not.
                self.loosen(scope, [i for i in unit.order if scope.status[i] == WAITING])
            return
        scope.status[index] = RUNNING
        node = scope.g.nodes[index].node
        if isinstance(node, ExprNode) and self._alone(scope, index):
            self.compute(
                scope, index, "value", node.expr, lambda v, vol: self.settle(scope, index, v, vol),
                lazy=index not in scope.again,
            )  # fmt: skip
        elif isinstance(node, BranchNode) and self._alone(scope, index):
            self.choose(scope, index, node, 0)
        elif isinstance(node, GroupNode):
            self._join_group(scope, index, node)
        else:
            self.start_node(scope, index, node)

    def loosen(self, scope: Scope, nodes: list[int]) -> None:
        """Take nodes out of their unit: each starts by itself when it can."""
        for i in nodes:
            if scope.status[i] in (DONE, FAILED):
                continue
            scope.loose.add(i)
            scope.status[i] = WAITING
            self._await(scope, i, self.needs(scope.g.nodes[i]))

    def _join_group(self, scope: Scope, index: int, node: GroupNode) -> None:
        names = list(node.members)
        lost = [n for n in names if self._is_hollow(scope, n)] if index in scope.again else []
        left = len(lost)

        def joined() -> None:
            rows = Rows([[self.lookup(scope, name) for name in names]])
            self.settle(scope, index, rows, self.is_volatile(scope, names))

        def one() -> None:
            nonlocal left
            left -= 1
            if left == 0:
                joined()

        if not lost:
            joined()
        for name in lost:
            self.revive(scope, name, one)

    @staticmethod
    def _alone(scope: Scope, index: int) -> bool:
        return scope.g.nodes[index].unit is None or index in scope.loose

    def load(self, value: Value) -> Any:
        """The object of a small value."""
        return load_inline(value)

    def settle(self, scope: Scope, index: int, value: Any, volatile: bool = False) -> None:
        """A node is done, with this value."""
        if not scope.alive:
            return
        node = scope.g.nodes[index].node
        again = index in scope.again
        scope.again.discard(index)
        scope.status[index] = DONE
        if not isinstance(node, MapNode) or all(o.name != node.id for o in node.outputs):
            self.publish(scope, node.id, value, volatile)
        self._in_groups(scope, index)
        if not again and not is_managed(scope, node):
            self._one_less(scope)

    def _one_less(self, scope: Scope) -> None:
        scope.open -= 1
        if scope.open == 0:
            self.later(self.scope_done, scope)

    def fail(self, scope: Scope, index: int, error: ErrorInfo) -> None:
        """A node has failed for good: its `catch`, its `wait`, or the scope takes it."""
        if not scope.alive:
            return
        node = scope.g.nodes[index].node
        if getattr(node, "catch", False):
            result = Inline(obj=Result(ok=False, error=error))
            if isinstance(node, MapNode):
                for out in node.outputs:
                    self.publish(scope, out.name, result)
            self.settle(scope, index, result)
            return
        scope.status[index] = FAILED
        scope.errors[index] = error
        if is_managed(scope, node):
            self._in_groups(scope, index)
            return
        self.scope_failed(scope, error)

    def _open_group(self, scope: Scope, info: NodeInfo) -> None:
        node = info.node
        if not isinstance(node, GroupNode):
            return
        count = len(node.members)
        fan = Fan(scope, info.index, count, bytearray(count), count)
        fan.members = [giver(scope, name) for name in node.members]
        fan.managed = is_managed(scope, node)
        self.open_fan(scope, info.index, fan, [node.id])
        if fan.managed:
            scope.frame.fans.append(fan)
        for position, (where, member) in enumerate(fan.members):
            where.groups.setdefault(member, []).append((fan, position))
            if where is not scope:  # it may have ended before this scope was opened
                self._in_groups(where, member)

    def open_fan(self, scope: Scope, index: int, fan: Fan, names: list[str]) -> None:
        """Register handles under the names that stand for them."""
        scope.fans[index] = fan
        for name in names:
            self.open_handle(fan, name, tuple(range(fan.count)))

    def open_early(self, fan: Fan, name: str) -> None:
        """Let waits look at all elements of a fan-out that filters by calls. Everybody else counts
        those that pass, and gets a handle when it is known which they are."""
        scope = fan.scope
        self.fans[scope.path, name] = fan
        scope.values["?" + name] = Inline(obj=Pending(scope.path, name, tuple(range(fan.count))))
        self._wake(scope, "?" + name)

    def open_handle(self, fan: Fan, name: str, indices: tuple[int, ...]) -> None:
        """Let a name stand for these members of a fan-out or group."""
        scope = fan.scope
        self.fans[scope.path, name] = fan
        scope.values["&" + name] = Inline(obj=Pending(scope.path, name, indices))
        self._wake(scope, "&" + name)

    def _in_groups(self, scope: Scope, index: int) -> None:
        for fan, position in scope.groups.get(index, ()):
            status = scope.status[index]
            if fan.status[position] == status:
                continue
            fan.status[position] = status
            if status == FAILED:
                fan.errors[position] = scope.errors[index]
            self.fan_changed(fan, [position])

    # ------------------------------------------------------------------ the end of scopes

    def scope_done(self, scope: Scope) -> None:
        """Every node of a scope that its end waits for is settled."""
        if not scope.alive or scope.open != 0:
            return
        kind = scope.owner[0]
        if kind in ("arm", "then"):
            if scope.g.tail is None:
                self.passed(scope)
            parent, index = scope.owner[1], scope.owner[2]
            self.branch_part_done(parent, index, parent.g.nodes[index].node, kind)
        elif kind == "element":
            self.element_ended(scope)
        elif kind == "frame" and scope.frame.scope is scope:
            self.frame_ended(scope.frame)

    # ------------------------------------------------------------------ what must be made again

    def revive(self, scope: Scope, name: str, then: Callable[[], None]) -> None:
        """Have a value made again that was not kept, because something needs it now."""
        where = scope.find(name)
        if where is None:
            return
        self.when_published(where, name, then)
        index = where.g.index.get(name)
        if index is None:
            self.revive_argument(where, name)
            return
        node = where.g.nodes[index].node
        if isinstance(node, BranchNode):
            # The name may be there before the whole arm is done.
            found = self.output_of(where, index, name)
            if found is not None:
                self.revive(*found, lambda: None)
                return
        if index in where.again or where.status[index] != DONE:
            return
        where.again.add(index)
        self.restart(where, index)

    @abstractmethod
    def revive_argument(self, scope: Scope, name: str) -> None:
        """Make an argument, a loop item or a constant of a scope again."""

    @abstractmethod
    def restart(self, scope: Scope, index: int) -> None:
        """Run a node again whose value was not kept."""


def giver(scope: Scope, name: str) -> tuple[Scope, int]:
    """The scope, from this one outwards, that has the node of this id, and the node's number."""
    at: Scope | None = scope
    while at is not None:
        if name in at.g.index:
            return at, at.g.index[name]
        at = at.up
    raise KeyError(f"{scope.path} sees no {name}")


def is_managed(scope: Scope, node: AnyNode) -> bool:
    """Whether a scope ends without waiting for this node."""
    if isinstance(node, GroupNode):
        members = (giver(scope, m) for m in node.members)
        return any(is_managed(where, where.g.nodes[i].node) for where, i in members)
    if isinstance(node, CallNode | MapNode | SleepNode | ReceiveNode):
        return node.managed
    return False
