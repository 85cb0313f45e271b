"""The body of one workflow: its statements, those that hold others among them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.oracle.generate.parts import (
    BOOL,
    FUNCTIONS,
    GROWN,
    INT,
    STR,
    TYPES,
    Var,
)
from tests.oracle.generate.waits import Waits
from tests.oracle.source import between, chance, choice


class Body(Waits):
    """Writes the body of one workflow."""

    def block(self, depth: int, count: int) -> bool:
        """Some statements. True when the last one ended the frame."""
        return any(self.statement(depth) for _ in range(count))

    def statement(self, depth: int) -> bool:
        knobs = self.w.knobs
        options: list[tuple[int, Callable[[], Any]]] = [
            (5, self._bind_call),
            (3, self._bind_expr),
            (4, self._fan),
            (1, self._group),
            (1, self._unpacked),
            (1, self._bare),
            (2, self._catch),
        ]
        if depth > 0:
            options.append((3, lambda: self._branch(depth - 1)))
        if knobs.recursion:
            options.append((2, self._loop_in_an_arm))
        if self.may_wait and (not knobs.splits or not self.in_fan):
            options.append((2, self._wait))
        if knobs.timers:
            options.append((1, self._timer))
        if knobs.modifiers:
            options.append((2, self._held))
        if knobs.lists:
            options.append((2, self._held_list))
        return bool(self.pick(*options))

    # ---- catch

    def _catch(self) -> None:
        grown = [f for f in GROWN if f.returns == INT] if self.w.knobs.graphs else []
        failing = [*(f for f in FUNCTIONS if f.fails and f.returns == INT), *grown]
        flows = [f for f in self.w.flows if f.fails and f.returns == INT and not f.pending]
        waits = self.may_wait and not self.w.knobs.splits
        flows = [f for f in flows if self.afford(f.cost) and (waits or not f.waits)]
        if not self.afford() or self.safe:
            return
        name = self.fresh("result")
        if flows and chance(self.source, 50):
            fails = self.fails
            text = self.call_of(choice(self.source, flows), 1)
            self.fails = fails
            self.line(f"{name} = catch {text}")
        else:
            fails = self.fails
            text = self.call_of(choice(self.source, failing), 1)
            self.fails = fails
            self.line(f"{name} = catch {text}")
            if chance(self.source, 40):
                self.bind("s", STR, f'"" if {name}.ok else {name}.error.message')
        self.bind("n", INT, f"{name}.value if {name}.ok else {self.literal(INT)}")

    # ---- branches

    def _branch(self, depth: int) -> None:
        outputs = [
            (self.fresh(self.stem(t)), t)
            for t in [choice(self.source, TYPES) for _ in range(self.source.below(3))]
        ]
        test = self.expr(BOOL, 1)
        exits = [chance(self.source, 20), chance(self.source, 10)]
        has_else = bool(outputs) or chance(self.source, 50)
        if has_else and not outputs and all(exits):
            exits[1] = False
        self._arm(f"if {test}:", depth, outputs, exits[0])
        if chance(self.source, 15):
            self._arm(f"elif {self.pure(BOOL)}:", depth, outputs, False)
        if has_else:
            self._arm("else:", depth, outputs, exits[1] and not (outputs and exits[0]))
        self.vars += [Var(n, t) for n, t in outputs]

    def _loop_in_an_arm(self) -> None:
        """A small branch with a loop in the middle of it, which a worker can run with what follows."""
        rounds = between(self.source, 2, 4)
        cost = 3 + 2 * rounds
        if not self.afford(cost):
            return
        self.spend(cost)
        name, after = self.fresh("n"), self.fresh("n")
        test = choice(self.source, [f"below({self.pure(INT)}, 9)", self.pure(BOOL)])
        self.line(f"if {test}:")
        self.line(
            f"    {name} = add({self.w.loop()}({rounds}, {self.pure(INT)}), {self.pure(INT)})"
        )
        self.line("else:")
        self.line(f"    {name} = {self.pure(INT)}")
        self.line(f"{after} = add({name}, {self.pure(INT)})")
        self.vars += [Var(name, INT), Var(after, INT)]

    def _arm(self, head: str, depth: int, outputs: list[tuple[str, str]], ends: bool) -> None:
        self.line(head)
        self.indent += 1
        before = len(self.lines)
        with self.scope():
            self.block(depth, between(self.source, 0, 2))
            if ends:
                self._end()
            else:
                for name, type_ in outputs:
                    self.line(f"{name} = {self.expr(type_, 1)}")
            if len(self.lines) == before:
                self.line("pass")
        self.indent -= 1

    def _end(self) -> None:
        """A statement that ends the frame."""
        if not self.safe and chance(self.source, self.w.knobs.failing):
            self.fails = True
            self.line(f'fail(f"gave up at {{{self._name(INT)}}}")')
            return
        self.line(f"return {self.expr(self.returns, 1)}")

    returns: str = INT
