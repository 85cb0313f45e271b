"""What is known of scopes that are to be opened again.

A loop that hands on what lives in one process cannot keep its hops: after a crash, and when that
process is lost, it begins at its first one. What has been done in it counts all the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from wfc.plan.model import CallNode, ReceiveNode
from wfc.runtime.engine.columns import durable
from wfc.runtime.engine.ending import Ending
from wfc.runtime.engine.evaluate import fleeting
from wfc.runtime.engine.graphs import outer_step
from wfc.runtime.engine.records import Advanced, Hopped
from wfc.runtime.engine.state import DONE, Fan, Frame, Scope
from wfc.runtime.values import Chunk, Raised, Value
from wfc.runtime.work import HopState


class Orphans(Ending):
    """Keeps what has been done by the path that it belongs to, until somebody opens it: whole results
    as values, steps on the way to one as the records that told of them (`strays`)."""

    def set_aside(self, what: Scope | Frame) -> None:
        """Keep what has been done in a scope or frame that is to be opened again."""
        stack: list[Scope | Frame | None] = [what]
        while stack:
            at = stack.pop()
            if isinstance(at, Frame):
                stack += [at.scope, *at.lingering]
                if at.due is not None:
                    self.dues[at.path, ""] = at.due
                if at.stands is not None:  # what was before that hop is not needed any more
                    hopped = Hopped(at.path, "", 0, "", at.stands, self.now)
                    self.strays.setdefault(at.path, []).append(hopped)
                self._set_steps_aside(at.path, "", 0, at.known)
            elif at is not None:
                stack += at.children
                self._set_calls_aside(at)
                for fan in at.fans.values():
                    if fan.members is None:
                        stack += fan.scopes.values()
                        self._set_rows_aside(fan)

    def _set_calls_aside(self, scope: Scope) -> None:
        for info in scope.g.nodes:
            name = info.node.id
            if ("decided", info.index) in scope.state:
                self.decisions[scope.path, name] = scope.state[("decided", info.index)]
            if ("due", info.index) in scope.state:
                self.dues[scope.path, name] = scope.state[("due", info.index)]
            kept = isinstance(info.node, CallNode) and self.keeps(scope, info.index)
            if (kept or isinstance(info.node, ReceiveNode)) and name in scope.values:
                self.orphan(scope.path, name, scope.values[name])
            if scope.status[info.index] != DONE:
                known = scope.known.get(info.index, {})
                steps = {outer_step(name, step): value for step, value in known.items()}
                self._set_steps_aside(scope.path, name, -1, steps)
        for step, value in scope.prefilled.items():
            if scope.g.has_inside(step) and not isinstance(value, HopState | Raised):
                self.orphan(scope.path, step, value)
            elif (holder := scope.g.holder(step)) is not None:
                node = scope.g.nodes[holder].node.id
                self._set_steps_aside(scope.path, node, -1, {step: value})

    def _set_steps_aside(
        self, path: str, node: str, index: int, known: Mapping[str, Value | HopState | Raised]
    ) -> None:
        """Their order tells which hop they are of."""
        strays = self.strays.setdefault(path, []) if known else []
        for step, value in known.items():
            if isinstance(value, HopState):
                strays.append(Hopped(path, node, max(index, 0), step[:-1], value, self.now))
            elif not isinstance(value, Raised) and not fleeting(value):
                strays.append(Advanced(path, node, index, step, value, self.now))

    def _set_rows_aside(self, fan: Fan) -> None:
        for k, known in fan.known.items():
            self._set_steps_aside(*fan.key, k, known)
        done = [k for k in range(fan.count) if fan.status[k] == DONE]
        if done:
            rows = {name: [durable(c.get(k)) for k in done] for name, c in fan.columns.items()}
            self.orphan_rows.setdefault(fan.key, []).append((done, rows))

    def rows_of(self, fan: Fan) -> list[tuple[Sequence[int], Mapping[str, Chunk | int]]]:
        """What is known of the elements of a fan-out that opens."""
        return self.orphan_rows.get(fan.key, [])

    def orphan(self, path: str, node: str, value: Value) -> None:
        """Keep a result whose scope is not there."""
        if not fleeting(value):
            self.orphans.setdefault(path, {})[node] = value
