"""Expressions, pure ones and calls, in the body of a workflow."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tests.oracle.generate.parts import (
    BOOL,
    DICT,
    FUNCTIONS,
    GROWN,
    INT,
    INTS,
    OPTIONS,
    STR,
    STRS,
    Flow,
    Fn,
    Var,
)
from tests.oracle.source import between, chance, choice

if TYPE_CHECKING:
    from tests.oracle.generate.writer import Writer


class Expressions:
    """Writes expressions; keeps what is in scope, and what the calls so far cost."""

    def __init__(self, writer: Writer, name: str, params: Sequence[tuple[str, str]]) -> None:
        self.w = writer
        self.source = writer.source
        self.name = name
        self.vars = [Var(n, t) for n, t in params]
        self.lines: list[str] = []
        self.indent = 1
        self.count: dict[str, int] = {}
        self.spent = 0
        self.times = 1
        self.fails = False
        self.waited = False
        self.may_wait = writer.knobs.waits
        self.safe = 0
        self.in_fan = 0

    # ---- small things

    def line(self, text: str) -> None:
        self.lines.append("    " * self.indent + text)

    def fresh(self, stem: str) -> str:
        self.count[stem] = self.count.get(stem, 0) + 1
        return f"{stem}{self.count[stem]}"

    def stem(self, type_: str) -> str:
        return {INT: "n", STR: "s", BOOL: "ok", INTS: "xs", STRS: "ss", DICT: "d"}[type_]

    def pick(self, *options: tuple[int, Callable[[], Any]]) -> Any:
        """One of the weighted options, the first the simplest."""
        weights = [weight for weight, _make in options]
        at = self.source.below(sum(weights))
        for weight, make in options:
            if at < weight:
                return make()
            at -= weight
        raise AssertionError

    @contextmanager
    def scope(self, *more: Var, times: int = 1, fan: bool = False) -> Iterator[None]:
        """Names that are visible inside only; calls count `times` times."""
        kept, before = list(self.vars), self.times
        self.vars += more
        self.times *= times
        self.in_fan += fan
        yield
        self.vars, self.times = kept, before
        self.in_fan -= fan

    @contextmanager
    def never_failing(self) -> Iterator[None]:
        """Only what cannot fail inside."""
        self.safe += 1
        yield
        self.safe -= 1

    def names(self, type_: str) -> list[str]:
        return [v.name for v in self.vars if v.type == type_]

    def afford(self, cost: int = 1) -> bool:
        return self.spent + cost * self.times <= self.w.knobs.calls

    def spend(self, cost: int = 1) -> None:
        self.spent += cost * self.times

    # ---- pure expressions

    def literal(self, type_: str) -> str:
        s = self.source
        if type_ == INT:
            return str(between(s, 0, 9))
        if type_ == STR:
            return choice(s, ['"a"', '"b"', '"xyz"', '""', '"k0"'])
        if type_ == BOOL:
            return choice(
                s, ["False", "True", *(f"{n} > {n_}" for n in self.names(INT) for n_ in (3, 9))]
            )
        if type_ == INTS:
            return "[" + ", ".join(str(between(s, 0, 9)) for _ in range(s.below(4))) + "]"
        if type_ == STRS:
            return "[" + ", ".join(self.literal(STR) for _ in range(s.below(3))) + "]"
        return "{" + ", ".join(f'"k{i}": {s.below(9)}' for i in range(s.below(3))) + "}"

    def pure(self, type_: str, depth: int = 1) -> str:
        """An expression without calls, safe from raising."""
        known = self.names(type_)
        if depth <= 0 or not chance(self.source, 55):
            if known and not chance(self.source, 25):
                return choice(self.source, known[::-1])
            constants = [n for n, t in self.w.constants if t == type_]
            if constants and chance(self.source, 30):
                return choice(self.source, constants)
            return self.literal(type_)
        sub = lambda t: self.pure(t, depth - 1)  # noqa: E731
        options = {
            INT: [
                lambda: f"{sub(INT)} + {sub(INT)}",
                lambda: f"{sub(INT)} - ({sub(INT)})",
                lambda: f"({sub(INT)}) * {between(self.source, 2, 3)} % 101",
                lambda: f"({sub(INT)}) % 7",
                lambda: f"({sub(INT)}) // 2",
                lambda: f"len({sub(INTS)})",
                lambda: f"sum({sub(INTS)})",
                lambda: f"max({sub(INT)}, {sub(INT)})",
                lambda: f"({sub(INT)} if {sub(BOOL)} else {sub(INT)})",
                lambda: f"abs({sub(INT)})",
                lambda: f"len({sub(DICT)})",
                lambda: self._index(),
            ],
            STR: [
                lambda: f"str({sub(INT)})",
                lambda: f'f"{{{sub(INT).replace(chr(34), chr(39))}}}:{{len({self._name(STR)})}}"',
                lambda: f"{sub(STR)} + {sub(STR)}",
                lambda: f"({sub(STR)})[:2]",
            ],
            BOOL: [
                lambda: f"{sub(INT)} < {sub(INT)}",
                lambda: f"{sub(INT)} == {sub(INT)}",
                lambda: f"not ({sub(BOOL)})",
                lambda: f"({sub(BOOL)} and {sub(BOOL)})",
                lambda: f"({sub(BOOL)} or {sub(BOOL)})",
                lambda: f"({sub(INT)}) in {sub(INTS)}",
                lambda: f"0 <= {sub(INT)} < 5",
            ],
            INTS: [
                lambda: f"range(({sub(INT)}) % 4)",
                lambda: f"({sub(INTS)})[1:]",
                lambda: f"sorted({sub(INTS)})",
                lambda: self._pure_list("[{e} + 1 for {e} in %s if {e} %% 2 == 0]", sub(INTS)),
                lambda: f"[{sub(INT)}, {sub(INT)}]",
                lambda: self._pure_list("[{e} * 3 %% 11 for {e} in %s]", sub(INTS)),
                lambda: f"[p * q % 11 for p, q in zip({self._flat(INTS)}, {self._flat(INTS)})]",
            ],
            STRS: [
                lambda: self._pure_list("[str({e}) for {e} in %s]", sub(INTS)),
                lambda: f"[{sub(STR)}]",
                lambda: f"sorted({sub(STRS)})",
            ],
            DICT: [
                lambda: self._pure_list("{{str({e}): {e} for {e} in %s}}", sub(INTS)),
                lambda: f'{{"k0": {sub(INT)}}}',
            ],
        }[type_]
        return f"({choice(self.source, options)()})"

    def _pure_list(self, form: str, over: str) -> str:
        """A comprehension; its loop name is its own, since a name is bound once."""
        return form.format(e=self.fresh("e")) % over

    def _flat(self, type_: str) -> str:
        known = self.names(type_)
        return choice(self.source, known) if known else self.literal(type_)

    def _index(self) -> str:
        known = self.names(INTS)
        if not known:
            return self.literal(INT)
        name = choice(self.source, known)
        return f"({name}[0] if {name} else {self.literal(INT)})"

    def _name(self, type_: str) -> str:
        known = self.names(type_)
        return choice(self.source, known) if known else self.literal(type_).replace('"', "'")

    # ---- calls

    def call(self, type_: str, depth: int, modifiers: bool = True) -> str | None:
        """A call of a task or a workflow that gives the type, or `None`."""
        failing = not self.safe and chance(self.source, self.w.knobs.failing)
        fns: list[Fn | Flow] = [
            f
            for f in (*FUNCTIONS, *(GROWN if self.w.knobs.graphs else ()))
            if f.returns == type_ and (failing or not f.fails) and self.afford()
        ]
        if not (self.w.knobs.splits and self.in_fan):
            flows = [
                f
                for f in self.w.flows
                if f.returns == type_
                and not f.pending
                and self.afford(f.cost)
                and not (self.safe and f.fails)
                and not (self.w.knobs.splits and f.waits)
                and (self.may_wait or not f.waits)
            ]
            if flows and chance(self.source, 40):
                return self.call_of(choice(self.source, flows), depth, modifiers)
            fns += flows
        if not fns:
            return None
        return self.call_of(choice(self.source, fns), depth, modifiers)

    def call_of(self, fn: Fn | Flow, depth: int, modifiers: bool = True) -> str:
        types = list(fn.params) if isinstance(fn, Fn) else [t for _n, t in fn.params]
        names = fn.names if isinstance(fn, Fn) else tuple(n for n, _t in fn.params)
        count = len(types) - between(self.source, 0, fn.optional)
        self.spend(1 if isinstance(fn, Fn) else fn.cost)
        self.fails = self.fails or fn.fails
        if isinstance(fn, Flow):
            self.waited = self.waited or fn.waits
        args = [self.expr(t, depth - 1) for t in types[:count]]
        if names and count and chance(self.source, 20):
            args[-1] = f"{names[count - 1]}={args[-1]}"
        name = self.w.alias(fn.name) if isinstance(fn, Fn) else fn.name
        text = f"{name}({', '.join(args)})"
        if not modifiers or not self.w.knobs.modifiers:
            return text
        return self.modified(text, isinstance(fn, Fn))

    def modified(self, text: str, task: bool) -> str:
        inplace = chance(self.source, 15)
        if chance(self.source, 15):
            text = f"nocheckpoint {text}"
        if inplace:
            return f"inplace {text}"
        if task and chance(self.source, 25):
            text += f" with ({choice(self.source, OPTIONS)})"
        return text

    def expr(self, type_: str, depth: int = 1) -> str:
        """An expression, which may call."""
        if depth <= 0 or not chance(self.source, 40):
            return self.pure(type_, min(depth, 1))
        made = self.pick(
            (6, lambda: self.call(type_, depth)),
            (1, lambda: self._conditional(type_, depth)),
            (1, lambda: self._lazy(type_, depth)),
        )
        return made or self.pure(type_, 1)

    def _conditional(self, type_: str, depth: int) -> str:
        test = self.expr(BOOL, depth - 1)
        return f"({self.expr(type_, depth - 1)} if {test} else {self.expr(type_, depth - 1)})"

    def _lazy(self, type_: str, depth: int) -> str | None:
        if type_ not in (BOOL, INT):
            return None
        left, right = self.call(type_, depth - 1), self.call(type_, depth - 1)
        if left is None or right is None:
            return None
        return f"({left} {choice(self.source, ['or', 'and'])} {right})"
