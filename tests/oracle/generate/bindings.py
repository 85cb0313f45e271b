"""Statements that hold no others."""

from __future__ import annotations

from tests.oracle.generate.expressions import Expressions
from tests.oracle.generate.parts import (
    INT,
    INTS,
    STR,
    TYPES,
    Var,
)
from tests.oracle.source import between, chance, choice


class Bindings(Expressions):
    """Writes bindings, bare calls and timers."""

    def bind(self, stem: str, type_: str, text: str, call: bool = False) -> str:
        name = self.fresh(stem)
        self.line(f"{name} = {text}")
        self.vars.append(Var(name, type_, call))
        return name

    def _bind_expr(self) -> None:
        type_ = choice(self.source, TYPES)
        self.bind(self.stem(type_), type_, self.pure(type_, 2))

    def _bind_call(self) -> None:
        type_ = choice(self.source, TYPES)
        text = self.call(type_, self.w.knobs.depth)
        if text is None:
            return self._bind_expr()
        done = [v.name for v in self.vars if v.call]
        if done and " with " not in text and chance(self.source, 20):
            text += f" after ({choice(self.source, done)})"
        self.bind(self.stem(type_), type_, text, call=True)
        return None

    def _held(self) -> None:
        """An object that cannot leave its process, and what uses it there, with calls that are made
        elsewhere between."""
        held = self.fresh("held")
        uses = between(self.source, 1, 3)
        if not self.afford(10 + uses):
            return
        self.spend(1 + uses)
        self.line(f"{held} = nocheckpoint inplace hold({self.expr(INT, 1)})")
        for _ in range(uses):
            last = self.bind("n", INT, f"inplace use({held}, {self.expr(INT, 2)})", call=True)
        if chance(self.source, 40):
            self._held_apart(held, last)
        turns = self.w.turns
        if turns is None or not self.afford(turns.cost + 1) or (turns.waits and not self.may_wait):
            return
        self.spend(turns.cost + 1)
        self.fails, self.waited = self.fails or turns.fails, self.waited or turns.waits
        self.bind("n", INT, f"inplace turns({held}, {self.w.rounds}, {last})", call=True)
        self.bind("n", INT, f"inplace use({held}, {self.pure(INT)})", call=True)

    def _held_apart(self, held: str, last: str) -> None:
        """A fan-out between two uses of an object; it reads that, or has elements beside it."""
        self.spend(9)
        over = choice(self.source, [*self.names(INTS), self.literal(INTS)])
        text = f"[add(x, {held}.number) for x in {over}]"
        if chance(self.source, 50):
            text = f"[inplace nocheckpoint add(x, {last}) for x in {over}]"
            if chance(self.source, 50):
                text = f"[add(y, {last}) for y in {text}]"
        elements = self.bind("xs", INTS, text, call=True)
        self.bind("n", INT, f"inplace use({held}, sum({elements}))", call=True)

    def _held_list(self) -> None:
        """A list of objects that cannot leave their process, made there in one of many ways."""
        if not self.afford(30):
            return
        self.spend(20)
        helds, item = self.fresh("helds"), self.fresh("h")
        makers = ("one_held", "some_held", "both_held")
        maker, given = choice(self.source, makers[1:]), self.expr(INT, 1)
        if chance(self.source, 30):
            maker = choice(self.source, ["hold", makers[0]])
            text = f"[nocheckpoint inplace {maker}(x) for x in [{self.pure(INT)}, 3]]"
        else:
            text = f"nocheckpoint inplace {maker}({given})"
        if maker in makers:
            self.w.helper(maker)
        self.line(f"{helds} = {text}")
        for _ in range(between(self.source, 1, 3)):
            given = self.pure(INT)
            used = choice(self.source, ["one", "each", "all", "caught"])
            if used == "one":
                place = choice(self.source, ["0", "-1"])
                self.bind("n", INT, f"inplace use({helds}[{place}], {given})", call=True)
            elif used == "each":
                each = f"[inplace use({item}, {given}) for {item} in {helds}]"
                self.bind("xs", INTS, each, call=True)
            else:
                text = f"inplace {self.w.helper('use_all')}({helds}, {given})"
                if used == "caught":
                    result = self.fresh("result")
                    self.line(f"{result} = catch {text}")
                    text = f"{result}.value"
                self.bind("n", INT, text, call=used == "all")

    def _unpacked(self) -> None:
        first, second = self.fresh("n"), self.fresh("n")
        self.line(f"{first}, {second} = both({self.expr(INT)}, {self.expr(INT)})")
        self.spend()
        self.vars += [Var(first, INT), Var(second, INT)]

    def _bare(self) -> None:
        text = self.call(choice(self.source, [INT, STR]), 1)
        if text is not None:
            self.line(text)

    def _timer(self) -> None:
        if self.in_fan or self.times > 1 or self.name != "main" or not chance(self.source, 50):
            self.line(f"sleep({choice(self.source, ['10ms', '1s', '5m'])})")
            return
        signal = self.fresh("signal")
        if chance(self.source, 30):
            name = self.fresh("answer")
            self.line(f'{name} = catch receive("{signal}", timeout=3s)')
            self.bind("n", INT, f"1 if {name}.ok else 0")
            return
        self.w.signals[signal] = [self.source.below(50)]
        name = self.fresh("got")
        self.line(f'{name} = receive("{signal}")')
        self.bind("n", INT, f"add({name}, 1)", call=True)
        self.spend()
