"""Fan-outs."""

from __future__ import annotations

from tests.oracle.generate.bindings import Bindings
from tests.oracle.generate.parts import (
    BOOL,
    DICT,
    INT,
    INTS,
    STR,
    STRS,
    Var,
)
from tests.oracle.source import between, chance, choice


class FanOuts(Bindings):
    """Writes fan-outs and groups."""

    def _iterable(self) -> str:
        known = self.names(INTS)
        if known and chance(self.source, 60):
            return choice(self.source, known)
        if chance(self.source, 20) and self.afford():
            self.spend()
            return f"listing({self.pure(INT)})"
        return self.literal(INTS)

    def _fan(self) -> None:
        if not self.afford(5):
            return self._bind_call()
        over = self._iterable()
        limit = self.w.knobs.modifiers and chance(self.source, 10)
        tail = f" with (concurrency={between(self.source, 1, 3)})" if limit else ""
        self.pick(
            (5, lambda: self._fan_plain(over, tail)),
            (2, lambda: self._fan_filtered(over, tail)),
            (2, lambda: self._fan_chained(over, tail)),
            (2, lambda: self._fan_nested(over)),
            (2, lambda: self._fan_dict(over)),
            (1, lambda: self._fan_caught(over)),
            (1, lambda: self._fan_zip(over)),
        )
        return None

    def _element(self, type_: str, *loop: str) -> str:
        """The value of each element; it has at least one call."""
        with self.scope(*[Var(name, INT) for name in loop], times=4, fan=True):
            text = self.call(type_, self.w.knobs.depth)
            if text is None:
                self.spend()
                text = f"{'neg' if type_ == INT else 'text'}({loop[0]})"
            if chance(self.source, 15):
                text = f"{text} if {self.pure(BOOL)} else {self.pure(type_)}"
            return text

    def _fan_plain(self, over: str, tail: str) -> None:
        type_ = choice(self.source, [INT, STR])
        text = f"[{self._element(type_, 'x')} for x in {over}]{tail}"
        self.bind(self.stem(f"list[{type_}]"), f"list[{type_}]", text, call=True)

    def _fan_filtered(self, over: str, tail: str) -> None:
        with self.scope(Var("x", INT), times=4, fan=True):
            conditions = [self.pure(BOOL, 1)] if chance(self.source, 60) else []
            if not conditions or chance(self.source, 50):
                conditions.append(self.call(BOOL, 1) or "x > 1")
        text = " if ".join([f"[{self._element(INT, 'x')} for x in {over}", *conditions])
        self.bind("xs", INTS, text + "]" + tail, call=True)

    def _fan_chained(self, over: str, tail: str) -> None:
        inner = f"[{self._element(INT, 'x')} for x in {over}]"
        if chance(self.source, 50):
            inner = self.bind("xs", INTS, inner)
            self.vars.pop()
        condition = f" if {self.pure(BOOL)}" if chance(self.source, 25) else ""
        text = f"[{self._element(INT, 'y')} for y in {inner}{condition}]{tail}"
        self.bind("xs", INTS, text, call=True)

    def _fan_nested(self, over: str) -> None:
        inner = choice(self.source, ["range(x % 3)", "listing(x)", "[x, 1]"])
        self.spend(5)
        with self.scope(times=4):
            if chance(self.source, 50):
                text = f"[{self._element(INT, 'y', 'x')} for x in {over} for y in {inner}]"
                self.bind("xs", INTS, text, call=True)
                return
            text = f"[[{self._element(INT, 'y', 'x')} for y in {inner}] for x in {over}]"
        grid = self.fresh("grid")
        self.line(f"{grid} = {text}")
        self.bind("xs", INTS, f"flat({grid})", call=True)
        self.spend()

    def _fan_dict(self, over: str) -> None:
        if chance(self.source, 30):
            self.spend(4)
            text = f"{{text(x): {self.pure(INT)} for x in {over}}}"
        else:
            text = f"{{str(x): {self._element(INT, 'x')} for x in {over}}}"
        self.bind("d", DICT, text, call=True)

    def _fan_caught(self, over: str) -> None:
        limit = between(self.source, 0, 9)
        self.spend(4)
        name = self.fresh("tried")
        if chance(self.source, 40):
            self.line(f"{name} = catch [fail_if(x, {limit}) for x in {over}]")
            self.bind("xs", INTS, f"{name}.value if {name}.ok else []")
            return
        self.line(f"{name} = [catch fail_if(x, {limit}) for x in {over}]")
        self.bind("xs", INTS, f"[r.value for r in {name} if r.ok]")
        if chance(self.source, 50):
            self.bind("ss", STRS, f"[r.error.message for r in {name} if not r.ok]")

    def _fan_zip(self, over: str) -> None:
        pairs = choice(self.source, [f"enumerate({over})", f"zip({over}, {self._iterable()})"])
        text = f"[{self._element(INT, 'x', 'i')} for i, x in {pairs}]"
        self.bind("xs", INTS, text, call=True)

    def _group(self) -> None:
        calls = [self.call(INT, 1) for _ in range(between(self.source, 1, 3))]
        made = [text for text in calls if text is not None]
        if made:
            self.bind("xs", INTS, f"[{', '.join(made)}]", call=True)
