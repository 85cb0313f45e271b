"""Members of fan-outs and groups, joined, and made again where they were not kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from wfc.plan.order import iterate
from wfc.runtime.engine.elements import Elements
from wfc.runtime.engine.evaluate import ITEMS_AGAIN
from wfc.runtime.engine.fans import is_absent
from wfc.runtime.engine.state import (
    DONE,
    DROPPED,
    FAILED,
    RUNNING,
    WAITING,
    Fan,
    Scope,
)
from wfc.runtime.values import (
    Column,
    ErrorInfo,
    Pending,
    Rows,
    Value,
)


class Joins(Elements):
    """Joins members, and makes them again."""

    # ------------------------------------------------------------------ joining

    def join(
        self,
        pending: Pending,
        then: Callable[[Rows], None],
        fail: Callable[[ErrorInfo], None],
        whole: bool = True,
    ) -> None:
        """Wait for all members of a pending value, in their order."""
        fan = self.fans.get((pending.scope, pending.node))
        if fan is None:
            fail(ErrorInfo("wfc.Cancelled", "the calls that this value stands for are gone"))
            return
        over = [False]

        def look(_indices: Sequence[int]) -> None:
            if over[0]:
                return
            for k in pending.indices:
                if fan.status[k] in (FAILED, DROPPED):
                    over[0] = True
                    fail(fan.error(k))
                    return
            if all(fan.status[k] == DONE for k in pending.indices):
                over[0] = True
                found = [self.member_value(fan, pending.node, k) for k in pending.indices]
                rows = Rows([[v for v in found if not (fan.sparse and is_absent(v))]])
                if whole and self.live and self.gone(rows):
                    self.remake_pending(pending, lambda: self.join(pending, then, fail, whole))
                else:
                    then(rows)

        fan.watchers.append(look)
        look(())

    # ------------------------------------------------------------------ making again

    def remake_pending(self, pending: Pending, then: Callable[[], None]) -> None:
        """Have those members made again whose results were not kept."""
        fan = self.fans[pending.scope, pending.node]
        lost = [k for k in pending.indices if self.gone(self.member_value(fan, pending.node, k))]
        if fan.members is None:
            self.remake_members(fan, lost, then)
            return
        left = len(lost)

        def one() -> None:
            nonlocal left
            left -= 1
            if left == 0:
                then()

        for k in lost:
            where, i = fan.members[k]
            self.revive(where, where.g.nodes[i].node.id, one)

    def remake_fan(self, fan: Fan) -> None:
        """Make the elements of a fan-out again whose results were not kept."""
        node = self.map_node(fan)
        lost: set[int] = set()
        for out in node.outputs:
            column = fan.columns.get(self.output_column(node, out.name))
            if column is None:
                lost.update(range(fan.count))
                continue
            lost.update(k for k in range(fan.count) if self.gone(column.get(k)))
        if lost:
            self.remake_members(fan, sorted(lost), None)
        else:
            self._complete(fan)

    def revive_argument(self, scope: Scope, name: str) -> None:
        """Make the loop item of an element again, or an argument of a frame."""
        if scope.owner[0] != "element":
            super().revive_argument(scope, name)
            return
        fan, k = scope.owner[1], scope.owner[2]

        def made() -> None:
            values = self._bind_item(fan, self.map_node(fan), self.item(fan, k))
            for target, value in (values or {}).items():
                self.publish(scope, target, value, True)

        self.revive_items(fan, [k], made)

    def revive_items(self, fan: Fan, indices: Sequence[int], then: Callable[[], None]) -> None:
        """Make what these elements run on again, wherever it comes from."""
        source = fan.source
        if source is None:
            self.remake_items(fan, then)
            return
        name = self.fan_names(source)[0] if fan.source_name is None else fan.source_name
        members = [fan.source_indices[k] for k in indices]

        def made() -> None:
            for k in indices:
                fan.item_values[k] = self.member_value(source, name, fan.source_indices[k])
            then()

        if source.members is None:
            self.remake_members(source, members, made)
            return
        left = len(members)

        def one() -> None:
            nonlocal left
            left -= 1
            if left == 0:
                made()

        for m in members:
            where, i = source.members[m]
            self.revive(where, where.g.nodes[i].node.id, one)

    def remake_members(self, fan: Fan, indices: list[int], then: Callable[[], None] | None) -> None:
        """Run elements again whose results were not kept."""
        node = self.map_node(fan)
        again = [k for k in indices if fan.status[k] == DONE]
        if then is not None:
            call = then

            def look(_changed: Sequence[int]) -> None:
                if all(fan.status[k] == DONE for k in indices) and look in fan.watchers:
                    fan.watchers.remove(look)
                    call()

            fan.watchers.append(look)
        for step, column in fan.columns.items():
            for k in again if not step.startswith("=") else ():
                kept = column.get(k)
                if not self.gone(kept) and not is_absent(kept):
                    fan.known.setdefault(k, {})[step] = kept
            column.forget(again)
        fan.left += len(again)
        if node.carried:
            for k in again:
                fan.status[k] = RUNNING
            self.ship(fan, again)
        else:
            fresh = [k for k in again if k not in fan.scopes]
            for k in fresh:
                fan.status[k] = WAITING
            fan.queue.extend(fresh)
            for k in again:
                if k in fan.scopes:
                    fan.status[k] = RUNNING
                    fan.running += 1
                    self.later(self._outputs, fan.scopes[k], False)
            self.open_elements(fan, node)

    def remake_items(self, fan: Fan, then: Callable[[], None]) -> None:
        """Make the elements of a fan-out again, whose list was not kept: once for all that ask."""
        scope, index = fan.scope, fan.node
        waiting: list[Callable[[], None]] = scope.state.setdefault((ITEMS_AGAIN, index), [])
        waiting.append(then)
        if len(waiting) > 1:
            return
        node = self.map_node(fan)

        def made(value: Value, _volatile: bool) -> None:
            if isinstance(value, Rows):
                rows = value
            else:
                objects = list(iterate(self.load(value)))
                rows = Rows([Column(None, len(objects), objects)])
            if len(rows) != fan.count:
                self.fail(scope, index, ErrorInfo(
                    type="wfc.NotReproducible",
                    message=f"{node.id} had {fan.count} elements before the crash and has {len(rows)} "
                    "now: what makes its list is nocheckpoint, but does not make the same list again",
                    task=self.node_path(scope, index), where=node.where,
                ))  # fmt: skip
                return
            fan.items = rows
            for call in scope.state.pop((ITEMS_AGAIN, index)):
                call()

        items = node.items
        if node.where_each is not None:
            target: Any = ["name", node.targets[0]]
            if len(node.targets) > 1:
                target = ["tuple", [["name", t] for t in node.targets]]
            items = ["comp", "list", None, target, [[node.targets, items, [node.where_each]]]]
        self.compute(scope, index, ITEMS_AGAIN, items, made, explode=True, joined=True)
