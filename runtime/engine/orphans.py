"""What is known of scopes that are not open yet, or that are to be opened again.

A loop that hands on what lives in one process cannot keep its hops: after a crash, and when that
process is lost, it begins at its first one. What its calls have given counts all the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from wfc.plan.model import CallNode, ReceiveNode
from wfc.runtime.engine.ending import Ending
from wfc.runtime.engine.evaluate import fleeting
from wfc.runtime.engine.state import DONE, Fan, Frame, Scope, durable
from wfc.runtime.values import Chunk, Raised, Value
from wfc.runtime.work import HopState


class Orphans(Ending):
    """Keeps results by the path that they belong to, until somebody opens it."""

    def set_aside(self, scope: Scope) -> None:
        """Keep what has been done in a scope that is to be opened again."""
        stack: list[Scope | Frame | None] = [scope]
        while stack:
            at = stack.pop()
            if isinstance(at, Frame):
                stack += [at.scope, *at.lingering]
                for step, value in at.known.items():
                    if not isinstance(value, HopState | Raised):
                        self.orphan(at.hopped_path, step, value)
            elif at is not None:
                stack += at.children
                self._set_calls_aside(at)
                for fan in at.fans.values():
                    if fan.members is None:
                        stack += fan.scopes.values()
                        self._set_rows_aside(fan)

    def _set_calls_aside(self, scope: Scope) -> None:
        known = dict(scope.prefilled)
        for info in scope.g.nodes:
            name = info.node.id
            kept = isinstance(info.node, CallNode) and self.keeps(scope, info.index)
            if (kept or isinstance(info.node, ReceiveNode)) and name in scope.values:
                known[name] = scope.values[name]
        for name, value in known.items():
            self.orphan(scope.path, name, value)

    def _set_rows_aside(self, fan: Fan) -> None:
        done = [k for k in range(fan.count) if fan.status[k] == DONE]
        if done and not fan.managed:
            rows = {name: [durable(c.get(k)) for k in done] for name, c in fan.columns.items()}
            self.orphan_rows.setdefault(fan.key, []).append((done, rows))

    def rows_of(self, fan: Fan) -> list[tuple[Sequence[int], Mapping[str, Chunk | int]]]:
        """What is known of the elements of a fan-out that opens."""
        return self.orphan_rows.get(fan.key, [])

    def orphan(self, path: str, node: str, value: Value) -> None:
        """Keep a result whose scope is not there."""
        if not fleeting(value):
            self.orphans.setdefault(path, {})[node] = value
