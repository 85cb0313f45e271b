"""Elements of fan-outs that the engine runs itself, each in a scope of its own."""

from __future__ import annotations

from typing import Any

from wfc.plan.model import MapNode
from wfc.plan.order import iterate
from wfc.runtime.engine.columns import Segments
from wfc.runtime.engine.evaluate import hollow, truth
from wfc.runtime.engine.fans import Fans
from wfc.runtime.engine.state import RUNNING, WAITING, Fan, Scope
from wfc.runtime.values import (
    HOLLOW,
    MISSING,
    ErrorInfo,
    Inline,
    Part,
    Rows,
    Value,
    inline_size,
    load_inline,
)

NONE = Inline(obj=None)


class Elements(Fans):
    """Opens elements, and takes what they give."""

    def open_elements(self, fan: Fan, node: MapNode) -> None:
        """Open the scopes of elements, as many as may run at once."""
        limit = node.concurrency or fan.count
        while fan.queue and fan.running < limit and fan.scope.alive:
            k = fan.queue.popleft()
            if fan.status[k] != WAITING:
                continue
            item = self.item(fan, k)
            if self.live and self.gone(item):
                self.revive_items(fan, [k], lambda k=k: self._requeue(fan, node, k))  # type: ignore[misc]
                continue
            fan.status[k] = RUNNING
            fan.running += 1
            values = self._bind_item(fan, node, item)
            if values is None:
                continue
            g = fan.scope.g.inner[node.id]
            path = f"{fan.scope.path}/{node.id}[{k}]"
            source = fan.source
            loose = fan.volatile or (
                source is not None
                and self.member_volatile(source, fan.source_name or "", fan.source_indices[k])
            )
            volatile = set(node.targets) if loose else None
            fan.scopes[k] = self.open_scope(
                path, g, fan.scope, fan.scope.frame, ("element", fan, k), values, volatile
            )

    def _requeue(self, fan: Fan, node: MapNode, k: int) -> None:
        fan.queue.append(k)
        self.open_elements(fan, node)

    def _bind_item(self, fan: Fan, node: MapNode, item: Value) -> dict[str, Value] | None:
        if len(node.targets) == 1:
            return {node.targets[0]: item}
        if hollow(item):
            return dict.fromkeys(node.targets, HOLLOW)
        count = len(node.targets)
        if inline_size(item) is None:
            return {target: Part(item, i, count) for i, target in enumerate(node.targets)}
        try:
            parts = list(iterate(self.load(item)))
            if len(parts) != count:
                raise ValueError(f"expected {count} values to unpack, got {len(parts)}")
        except Exception as error:
            self.fail(
                fan.scope, fan.node, self._expr_error(fan.scope, fan.scope.g.nodes[fan.node], error)
            )
            return None
        return {t: Inline(obj=p) for t, p in zip(node.targets, parts, strict=True)}

    def element_ended(self, scope: Scope) -> None:
        """An element's scope is done: take its outputs."""
        self._outputs(scope, lazy=True)

    def _outputs(self, scope: Scope, lazy: bool) -> None:
        """Compute what an element gives: first whether it counts at all, then keys and values."""
        fan, k = scope.owner[1], scope.owner[2]
        node = self.map_node(fan)
        last = max(len(scope.g.nodes) - 1, 0)
        got: dict[str, tuple[Value, bool]] = {}
        parts: list[tuple[str, Any, bool]] = []
        left = 0
        whens = [out for out in node.outputs if out.when is not None]
        waiting = len(whens) + 1

        def arrived(key: str, value: Value, volatile: bool) -> None:
            nonlocal left
            got[key] = (value, volatile)
            left -= 1
            if left == 0:
                self._take_outputs(fan, k, scope, got)

        def counted(_value: Value = NONE, _volatile: bool = False) -> None:
            nonlocal left, waiting
            waiting -= 1
            if waiting:
                return
            for out in node.outputs:
                if not self._counts(got.get(f"when:{out.name}")):
                    continue
                if out.key is not None:
                    parts.append((f"key:{out.name}", out.key, False))
                parts.append((f"value:{out.name}", out.value, lazy))
            left = len(parts)
            if not left:
                self._take_outputs(fan, k, scope, got)
            for key, expr, late in parts:
                self.compute(
                    scope, last, f"out:{key}" if lazy else f"again:{key}", expr,
                    lambda v, vol, key=key: arrived(key, v, vol),  # type: ignore[misc]
                    lazy=late, joined=True,
                )  # fmt: skip

        def decided(name: str, value: Value, volatile: bool) -> None:
            got[f"when:{name}"] = (value, volatile)
            counted()

        for out in whens:
            self.compute(
                scope, last, f"out:when:{out.name}", truth(out.when),
                lambda v, vol, name=out.name: decided(name, v, vol),  # type: ignore[misc]
            )  # fmt: skip
        counted()

    def _counts(self, when: tuple[Value, bool] | None) -> bool:
        return when is None or bool(self.load(when[0]))

    def _take_outputs(
        self, fan: Fan, k: int, scope: Scope, got: dict[str, tuple[Value, bool]]
    ) -> None:
        node = self.map_node(fan)
        for out in node.outputs:
            column = fan.columns.setdefault(self.output_column(node, out.name), Segments())
            value: Value
            if f"value:{out.name}" not in got:
                value = Inline(data=Inline.encode(MISSING))
            else:
                value = got[f"value:{out.name}"][0]
                if out.key is not None and not hollow(value):
                    value = _pair(got[f"key:{out.name}"][0], value)
            column.forget([k])
            column.add(k, 1, [value])
        fan.running -= 1
        if any(volatile for _, volatile in got.values()):
            fan.volatile_members.add(k)
        else:
            fan.volatile_members.discard(k)
            self.bury_element(fan, k)
        # Otherwise the scope stays: should its result have to be made again, what it has kept counts.
        self.elements_done(fan, [k])
        if fan.queue:
            self.open_elements(fan, node)

    def bury_element(self, fan: Fan, k: int) -> None:
        """Forget an element's scope."""
        scope = fan.scopes.pop(k, None)
        if scope is not None:
            self.wind_down(self.bury(scope))

    def element_failed(self, scope: Scope, error: ErrorInfo) -> None:
        """An element that the engine runs has failed."""
        fan, k = scope.owner[1], scope.owner[2]
        fan.running -= 1
        self.bury_element(fan, k)
        self.element_error(fan, k, error)
        node = fan.scope.g.nodes[fan.node].node
        if fan.queue and fan.scope.alive:
            self.open_elements(fan, node)


def _pair(key: Value, value: Value) -> Value:
    """An entry of a dict: one object where both are at hand, otherwise a row of the two."""
    if inline_size(value) is None:
        return Rows([[key, value]])
    return Inline(obj=(load_inline(key), load_inline(value)))
