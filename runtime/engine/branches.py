"""Branches: which arm is taken, what it gives, and whether it goes on."""

from __future__ import annotations

from wfc.plan.model import BranchNode
from wfc.runtime.engine.evaluate import truth
from wfc.runtime.engine.flow import NONE, Flow
from wfc.runtime.engine.state import Scope
from wfc.runtime.values import Value


class Branches(Flow):
    """Takes branches."""

    def choose(self, scope: Scope, index: int, node: BranchNode, number: int) -> None:
        """Decide a branch, from this arm on."""
        if number == len(node.arms):
            self._take(scope, index, node, number)
            return

        def decided(value: Value, _volatile: bool) -> None:
            try:
                true = bool(self.load(value))
            except Exception as error:
                self.fail(scope, index, self._expr_error(scope, scope.g.nodes[index], error))
                return
            if true:
                self._take(scope, index, node, number)
            else:
                self.later(self.choose, scope, index, node, number + 1)

        self.compute(scope, index, f"if:{number}", truth(node.arms[number].condition), decided)

    def _take(self, scope: Scope, index: int, node: BranchNode, number: int) -> None:
        if not scope.alive:
            return
        suffix = f"{node.id}:{number}" if number < len(node.arms) else f"{node.id}:else"
        g = scope.g.inner.get(suffix)
        if g is None:
            self._branch_passed(scope, index, node)
            self.branch_part_done(scope, index, node, "arm")
            return
        arm = self.open_scope(scope.path, g, scope, scope.frame, ("arm", scope, index, number))
        scope.state[index] = arm
        scope.children.append(arm)
        for outer, inners in node.outputs.items():
            inner = inners[number]
            if inner is not None:
                arm.exports.setdefault(inner, []).append(outer)
                if inner in arm.values:
                    self.publish(scope, outer, arm.values[inner], inner in arm.volatile)
                elif inner not in arm.g.index and inner not in arm.g.later:
                    self._alias(scope, arm, inner, outer)

    def _alias(self, scope: Scope, arm: Scope, inner: str, outer: str) -> None:
        """An arm's output may be a name from outside the branch."""

        def copy() -> None:
            value = self.lookup(arm, inner)
            self.publish(scope, outer, value, self.is_volatile(arm, [inner]))

        if self.lookup(arm, inner) is not None:
            copy()
        else:
            where = self._provider(arm, inner)
            if where is not None:
                self.when_published(where, inner, copy)

    def passed(self, scope: Scope) -> None:
        """It is known that a scope does not end its frame."""
        if scope.passing or not scope.alive:
            return
        scope.passing = True
        kind = scope.owner[0]
        if kind in ("arm", "then"):
            parent, index = scope.owner[1], scope.owner[2]
            node = parent.g.nodes[index].node
            if kind == "arm":
                self._branch_passed(parent, index, node)
            elif parent.g.tail == node.id:
                self.later(self.passed, parent)

    def _branch_passed(self, scope: Scope, index: int, node: BranchNode) -> None:
        if node.then is not None:
            g = scope.g.inner[f"{node.id}:then"]
            then = self.open_scope(scope.path, g, scope, scope.frame, ("then", scope, index))
            scope.children.append(then)
            scope.state[("then", index)] = then
        elif scope.g.tail == node.id:
            self.later(self.passed, scope)

    def branch_part_done(self, scope: Scope, index: int, node: BranchNode, part: str) -> None:
        """The arm that was taken (`"arm"`), or what follows the branch (`"then"`), is done."""
        parts = scope.state.setdefault(("parts", index), set())
        parts.add(part)
        if "arm" in parts and ("then" in parts or ("then", index) not in scope.state):
            self.settle(scope, index, NONE)
