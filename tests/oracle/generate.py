"""Random valid programs, as text: specs over the task functions of `tests/programs/tasks.py`.

`program(source, knobs)` writes one; `programs(knobs)` is the hypothesis strategy. What timing
decides does not show in the results of a program, unless `Knobs.splits` allows it: then its waits
have names, so that the splits of a real run can be fed to the reference interpreter.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from tests.oracle.source import Drawn, Source, between, chance, choice

INT, STR, BOOL = "int", "str", "bool"
INTS, STRS, DICT = "list[int]", "list[str]", "dict[str, int]"
TYPES = (INT, STR, INTS, STRS, DICT)


@dataclass(frozen=True, slots=True)
class Fn:
    """A task function: how it is called; `fails` where it may raise."""

    name: str
    params: tuple[str, ...]
    returns: str
    names: tuple[str, ...]
    fails: bool = False
    optional: int = 0


FUNCTIONS = (
    Fn("add", (INT, INT), INT, optional=1, names=("a", "b")),
    Fn("neg", (INT,), INT, names=("a",)),
    Fn("mul", (INT, INT), INT, optional=1, names=("a", "b")),
    Fn("clip", (INT, INT, INT), INT, optional=2, names=("a", "low", "high")),
    Fn("size", (STR,), INT, names=("s",)),
    Fn("total", (INTS,), INT, names=("xs",)),
    Fn("fail_if", (INT, INT), INT, fails=True, optional=1, names=("a", "limit")),
    Fn("lookup", (DICT, STR), INT, fails=True, names=("d", "key")),
    Fn("is_even", (INT,), BOOL, names=("a",)),
    Fn("below", (INT, INT), BOOL, optional=1, names=("a", "b")),
    Fn("text", (INT,), STR, names=("a",)),
    Fn("echo", (STR,), STR, names=("s",)),
    Fn("join", (STRS, STR), STR, optional=1, names=("xs", "sep")),
    Fn("refuse", (STR, STR), STR, fails=True, optional=1, names=("s", "why")),
    Fn("listing", (INT,), INTS, names=("n",)),
    Fn("pair", (INT, INT), INTS, names=("a", "b")),
    Fn("words", (INTS,), STRS, names=("xs",)),
    Fn("keyed", (INTS,), DICT, names=("xs",)),
)
EXTRA = ("merge", "both", "flat", "hold", "use")
AGAIN = 'max_retries=4, retry_exceptions=["FlakyError"]'
OPTIONS = ("num_cpus=0.5", "priority=1", 'name="step"', AGAIN, AGAIN, f"{AGAIN}, backoff=10ms")


@dataclass(frozen=True, slots=True)
class Knobs:
    """How large, and what may occur. `splits`: results may depend on how waits end."""

    workflows: int = 3
    statements: int = 5
    depth: int = 2
    calls: int = 120
    failing: int = 25
    waits: bool = True
    splits: bool = False
    timers: bool = True
    recursion: bool = True
    modifiers: bool = True
    imports: bool = True


SMALL = Knobs(workflows=2, statements=3, depth=1, calls=40)
LARGE = Knobs(workflows=5, statements=8, depth=3, calls=400)


@dataclass(frozen=True, slots=True)
class Program:
    """A generated program: its specs by path, the parameters, and the signals that it needs."""

    files: dict[str, str]
    params: dict[str, Any]
    signals: dict[str, list[Any]] = field(default_factory=dict)
    entry: str = "main"

    def __str__(self) -> str:
        parts = [f"--- {path}\n{text}" for path, text in self.files.items()]
        return "\n".join([*parts, f"--- params {self.params} signals {self.signals}"])


@dataclass(frozen=True, slots=True)
class Flow:
    """A workflow that is written already, and how it may be called."""

    name: str
    params: tuple[tuple[str, str], ...]
    optional: int
    returns: str
    cost: int
    fails: bool
    waits: bool
    pending: bool = False


@dataclass(slots=True)
class Var:
    """A name in scope."""

    name: str
    type: str
    call: bool = False


class Body:
    """Writes the body of one workflow."""

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
            for f in FUNCTIONS
            if f.returns == type_ and (failing or not f.fails) and self.afford()
        ]
        if not (self.w.knobs.splits and self.in_fan):
            fns += [
                f
                for f in self.w.flows
                if f.returns == type_
                and not f.pending
                and self.afford(f.cost)
                and not (self.safe and f.fails)
                and not (self.w.knobs.splits and f.waits)
            ]
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

    # ---- statements

    def bind(self, stem: str, type_: str, text: str, call: bool = False) -> str:
        name = self.fresh(stem)
        self.line(f"{name} = {text}")
        self.vars.append(Var(name, type_, call))
        return name

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
        if knobs.waits and (not knobs.splits or not self.in_fan):
            options.append((2, self._wait))
        if knobs.timers:
            options.append((1, self._timer))
        if knobs.modifiers:
            options.append((2, self._held))
        return bool(self.pick(*options))

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
        if not self.afford(1 + uses):
            return
        self.spend(1 + uses)
        self.line(f"{held} = nocheckpoint inplace hold({self.expr(INT, 1)})")
        for _ in range(uses):
            self.bind("n", INT, f"inplace use({held}, {self.expr(INT, 2)})", call=True)

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

    # ---- fan-outs

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

    # ---- catch

    def _catch(self) -> None:
        failing = [f for f in FUNCTIONS if f.fails and f.returns == INT]
        flows = [f for f in self.w.flows if f.fails and f.returns == INT and not f.pending]
        flows = [f for f in flows if self.afford(f.cost) and not (self.w.knobs.splits and f.waits)]
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

    # ---- waits

    def _members(self, failing: bool = False) -> tuple[str, int]:
        """What a wait is on, and how many members it has at least. They cannot fail, unless said."""
        with self.never_failing():
            if chance(self.source, 50) and self.afford(5):
                over = self._iterable()
                body = self._element(INT, "x")
                least = over.count(",") + 1 if over.startswith("[") and over != "[]" else 0
                if failing:
                    body = f"fail_if({body}, {between(self.source, 0, 9)})"
                kept = ""
                if self.w.knobs.splits and chance(self.source, 30):
                    kept, least = f" if {choice(self.source, ['is_even(x)', 'below(x, 3)'])}", 0
                text = f"[{body} for x in {over}{kept}]"
            else:
                least = between(self.source, 2, 3)
                calls = [self.call(INT, 1) or f"neg({i})" for i in range(least)]
                if failing:
                    calls[0] = f"fail_if({calls[0]}, {between(self.source, 0, 9)})"
                text = f"[{', '.join(calls)}]"
        self.spend(5)
        if chance(self.source, 60):
            name = self.fresh("runs")
            self.line(f"{name} = {text}")
            return name, least
        return text, least

    def _wait(self) -> None:
        if not self.afford(10):
            return
        self.waited = True
        if self.w.knobs.splits:
            self._wait_any_split()
            return
        members, least = self._members()
        quorums = ["all", "50%", "100%"]
        if least:
            quorums += ["any", *(str(q) for q in range(1, least + 1))]
        quorum = choice(self.source, quorums)
        if chance(self.source, 25):
            name = self.fresh("w")
            self.line(f"{name} = wait({quorum} of {members})")
            self.bind("n", INT, f"len({name}.ready) + len({name}.failed)")
            return
        early, late = self.fresh("early"), self.fresh("late")
        self.line(f"{early}, {late} = wait({quorum} of {members})")
        self._after_wait(early, late)

    def _after_wait(self, early: str, late: str) -> None:
        """Use both parts, so that the result is the same for every split."""

        def merged() -> None:
            self.bind("n", INT, f"merge({early}, {late})", call=True)

        def counted() -> None:
            self.line(f"cancel({late})")
            self.bind("n", INT, f"len({early})")

        def again() -> None:
            more, rest = self.fresh("more"), self.fresh("rest")
            self.line(f"{more}, {rest} = wait(all of {late})")
            self.line(f"cancel({rest})")
            self.bind("n", INT, f"sum({early}) + sum({more})")

        def mapped() -> None:
            name = self.bind("xs", INTS, f"[neg(y) for y in {late}]")
            self.vars.pop()
            self.bind("n", INT, f"len({name}) + len({early})")

        def passed() -> None:
            flow = self.w.settler()
            self.bind("n", INT, f"{flow}({late}) + sum({early})")

        self.pick((3, merged), (2, counted), (2, again), (1, mapped), (1, passed))

    def _wait_any_split(self) -> None:
        members, least = self._members(failing=chance(self.source, 40))
        timeout = f", timeout={choice(self.source, ['1s', '3s', '20s'])}"
        quorums = ["all", "50%", "80%"]
        if least:
            quorums += ["any", *(str(q) for q in range(1, least + 1))]
        quorum = choice(self.source, quorums)
        if chance(self.source, 50):
            timeout = ""
        name = self.fresh("w")
        if chance(self.source, 30):
            self._wait_caught(name, f"wait({quorum} of {members}{timeout})")
            return
        self.line(f"{name} = wait({quorum} of {members}{timeout})")
        self.fails = True
        self.bind("xs", INTS, f"{name}.ready")
        self.bind("n", INT, f"(100 if {name}.timed_out else 0) + len({name}.failed)")
        self.pick(
            (2, lambda: self.line(f"cancel({name}.pending)")),
            (2, lambda: self.bind("xs", INTS, f"[neg(y) for y in {name}.pending]", call=True)),
            (1, lambda: self.bind("n", INT, f"merge({name}.ready, {name}.pending)", call=True)),
            (1, lambda: self._wait_on(f"{name}.pending")),
        )

    def _wait_caught(self, name: str, text: str) -> None:
        self.line(f"{name} = catch {text}")
        self.bind("xs", INTS, f"{name}.value.ready if {name}.ok else []")
        self.bind(
            "n", INT, f"sum({name}.value.ready) + len({name}.value.failed) if {name}.ok else 7"
        )

    def _wait_on(self, pending: str) -> None:
        name = self.fresh("w")
        self.line(f"{name} = wait(all of {pending}, timeout={choice(self.source, ['1s', '9s'])})")
        self.line(f"cancel({name}.pending)")
        self.bind("xs", INTS, f"{name}.ready")


class Writer:
    """Writes a whole program."""

    def __init__(self, source: Source, knobs: Knobs) -> None:
        self.source = source
        self.knobs = knobs
        self.flows: list[Flow] = []
        self.texts: dict[str, str] = {}
        self.constants: list[tuple[str, str]] = []
        self.aliases: dict[str, list[str]] = {}
        self.signals: dict[str, list[Any]] = {}
        self.declared: list[str] = []
        self.settles = False

    def alias(self, name: str) -> str:
        """The name under which a task is called here."""
        found = self.aliases.get(name)
        return choice(self.source, [name, *found]) if found else name

    def settler(self) -> str:
        """A workflow that takes a pending value."""
        self.settles = True
        return "settle"

    def program(self) -> Program:
        source, knobs = self.source, self.knobs
        head = self._head()
        for i in range(source.below(knobs.workflows + 1)):
            self._workflow(f"step{i + 1}")
        main = self._body("main", self._params())
        lib, here = [], []
        # A workflow goes to the other file only with all that it calls.
        imported = knobs.imports and chance(source, 20)
        for name, text in self.texts.items():
            uses_local = any(f"{other}(" in text for other in self.texts if other != name)
            needs = [*self.declared, *(n for n, _t in self.constants), "settle("]
            free = not uses_local and not any(need in text for need in needs)
            (lib if imported and free else here).append(name)
        for name in lib:
            main = _qualify(main, name)
            for other in here:
                self.texts[other] = _qualify(self.texts[other], name)
        parts = [head, *(self.texts[n] for n in here), main]
        if lib:
            parts.insert(1, 'import "lib.wf" as lib\n')
        if self.settles:
            parts.insert(-1, SETTLE)
        files = {"main.wf": _with_imports("\n\n".join(p for p in parts if p))}
        if lib:
            files["lib.wf"] = _with_imports("\n\n".join(self.texts[n] for n in lib))
        return Program(files, self.params, self.signals)

    def _head(self) -> str:
        source = self.source
        lines: list[str] = []
        if self.knobs.modifiers:
            for i in range(source.below(3)):
                fn = choice(source, [f for f in FUNCTIONS if not f.fails])
                form = choice(
                    source, ["with", "nocheckpoint ", "inplace ", "inplace nocheckpoint "]
                )
                name = f"{fn.name}_{i + 1}"
                self.declared.append(name)
                option = choice(source, [o for o in OPTIONS if "num_cpus" not in o])
                tail = f" with ({option})" if form == "with" else ""
                lines.append(f"{'' if form == 'with' else form}task {name} = {fn.name}{tail}\n")
                # An alias may be inplace: no options where it is called, so it is used sparingly.
                if form == "with":
                    self.aliases.setdefault(fn.name, []).append(name)
                else:
                    self.flows.append(
                        Flow(
                            name,
                            tuple((n, t) for n, t in zip(fn.names, fn.params, strict=True)),
                            fn.optional,
                            fn.returns,
                            1,
                            False,
                            False,
                        )
                    )
        for name, type_, value in (
            ("LIMIT", INT, "7"),
            ("LABEL", STR, '"lab"'),
            ("FEW", INTS, "[3, 1, 2]"),
        ):
            if chance(source, 20):
                lines.append(f"{name} = {value}\n")
                self.constants.append((name, type_))
        return "".join(lines)

    def _params(self) -> list[tuple[str, str]]:
        self.params: dict[str, Any] = {}
        out = [("a", INT)]
        self.params["a"] = between(self.source, 0, 60)
        if chance(self.source, 50):
            out.append(("s", STR))
            self.params["s"] = choice(self.source, ["a", "", "xyz", "ünï"])
        if chance(self.source, 50):
            out.append(("xs", INTS))
            self.params["xs"] = [self.source.below(70) for _ in range(self.source.below(5))]
        return out

    def _body(self, name: str, params: list[tuple[str, str]]) -> str:
        body = Body(self, name, params)
        body.returns = choice(self.source, [INT, STR, INTS, DICT])
        ended = body.block(self.knobs.depth, between(self.source, 1, self.knobs.statements))
        if not ended:
            body.line(f"return {body.expr(body.returns, 2)}")
        shown = ", ".join(f"{n}: {t}" for n, t in params)
        last = ""
        if chance(self.source, 10):
            last = '\nfinally:\n    echo("end")\n'
        return (
            f"workflow {name}({shown}) -> {body.returns}:\n" + "\n".join(body.lines) + "\n" + last
        )

    def _workflow(self, name: str) -> None:
        source = self.source
        if self.knobs.recursion and chance(source, 35):
            self._recursive(name)
            return
        params = [(n, choice(source, TYPES)) for n in "abc"[: between(source, 1, 3)]]
        body = Body(self, name, params)
        body.returns = choice(source, TYPES)
        ended = body.block(self.knobs.depth, between(source, 1, max(1, self.knobs.statements - 2)))
        if not ended:
            body.line(f"return {body.expr(body.returns, 1)}")
        optional = 0
        shown = [f"{n}: {t}" for n, t in params]
        if chance(source, 25):
            optional = 1
            shown[-1] += f" = {body.literal(params[-1][1])}"
        options = " with (timeout=2h)" if chance(source, 5) else ""
        last = "finally:\n    text(0)\n" if chance(source, 5) else ""
        self.texts[name] = (
            f"workflow {name}({', '.join(shown)}) -> {body.returns}{options}:\n"
            + "\n".join(body.lines)
            + f"\n{last}"
        )
        self.flows.append(
            Flow(
                name,
                tuple(params),
                optional,
                body.returns,
                max(1, body.spent),
                body.fails,
                body.waited,
            )
        )

    def _recursive(self, name: str) -> None:
        """A loop: plain recursion or a continuation, with a counter that goes down."""
        source = self.source
        params = [("n", INT), ("acc", INT)]
        body = Body(self, name, params)
        body.count["n"] = 1
        rounds = between(source, 1, 4)
        body.line("if n <= 0:")
        body.indent += 1
        with body.scope():
            body.line(f"return {body.expr(INT, 1)}")
        body.indent -= 1
        with body.scope(times=rounds):
            body.block(0, between(source, 0, 2))
            value = body.expr(INT, 1)
            form = choice(
                source, ["return", "continuation", "continuation inplace", "plain", "bound"]
            )
            if not self.knobs.modifiers and "inplace" in form:
                form = "continuation"
            again = f"{name}(n - 1, {value})"
            if form == "plain":
                body.line(f"return {body.pure(INT)} + {again}")
            elif form == "bound":
                body.line(f"deeper = {again}")
                body.line(f"return add(deeper, {body.pure(INT)})")
                body.spend()
            elif form == "return":
                body.line(f"return {again}")
            else:
                body.line(f"{form} {again}")
        inner = f"workflow {name}(n: int, acc: int) -> int:\n" + "\n".join(body.lines) + "\n"
        outer = f"{name}_start"
        # The counter comes from a wrapper, so that a call with any argument stays small.
        wrapper = f"workflow {outer}(acc: int) -> int:\n    return {name}({rounds}, acc)\n"
        self.texts[outer] = inner + "\n\n" + wrapper
        self.flows.append(
            Flow(outer, (("acc", INT),), 0, INT, max(1, body.spent), body.fails, body.waited)
        )


def _qualify(text: str, name: str) -> str:
    """The text with a workflow's calls going to the other spec."""
    return re.sub(rf"(?<![\w.]){name}\(", f"lib.{name}(", text)


def _with_imports(text: str) -> str:
    """A spec with the functions that it uses imported."""
    names = [f.name for f in FUNCTIONS] + list(EXTRA)
    used = [name for name in names if re.search(rf"\b{name}\b", text)]
    return f"from tasks import {', '.join(used)}\n\n{text}" if used else text


SETTLE = """workflow settle(late: pending[int]) -> int:
    got, rest = wait(all of late)
    cancel(rest)
    return total(got)
"""


def program(source: Source, knobs: Knobs = Knobs()) -> Program:
    """Write a random program."""
    return Writer(source, knobs).program()


def programs(knobs: Knobs = Knobs()) -> st.SearchStrategy[Program]:
    """The hypothesis strategy for programs."""

    @st.composite
    def make(draw: Any) -> Program:
        return program(Drawn(draw), knobs)

    return make()
