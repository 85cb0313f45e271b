"""Whole programs, as text."""

from __future__ import annotations

import re
from typing import Any

from hypothesis import strategies as st

from tests.oracle.generate.body import Body
from tests.oracle.generate.parts import (
    BOOL,
    DICT,
    EXTRA,
    FUNCTIONS,
    GROWN,
    INT,
    INTS,
    OPTIONS,
    STR,
    TYPES,
    USUAL,
    Flow,
    Knobs,
    Program,
)
from tests.oracle.source import Drawn, Source, between, chance, choice


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
        self.turns: Flow | None = None
        self.rounds = 0

    def alias(self, name: str) -> str:
        """The name under which a task is called here."""
        found = self.aliases.get(name)
        return choice(self.source, [name, *found]) if found else name

    def settler(self) -> str:
        """A workflow that takes a pending value."""
        self.settles = True
        return "settle"

    def loop(self) -> str:
        """A loop whose result tells which rounds there were, and in which order."""
        self.texts["climb"] = CLIMB
        return "climb"

    def helper(self, name: str) -> str:
        """A workflow that has to do with lists of objects, and those that it calls."""
        self.texts[name] = HELPERS[name]
        if name == "both_held":
            self.helper("one_held")
        return name

    def program(self) -> Program:
        source, knobs = self.source, self.knobs
        head = self._head()
        for i in range(source.below(knobs.workflows + 1)):
            self._workflow(f"step{i + 1}")
        if knobs.recursion and knobs.modifiers and chance(source, 25):
            self._turns()
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
        becomes = (
            self.turns is not None and body.returns == INT and body.afford(self.turns.cost + 9)
        )
        if not ended and becomes and chance(self.source, 25):
            self._becomes_turns(body)
        elif not ended:
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
            body.block(0, between(source, 1, 2))
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

    def _turns(self) -> None:
        """A loop that hands on what cannot leave its process."""
        source = self.source
        rounds = between(source, 1, 3)
        body = Body(self, "turns", [("n", INT), ("acc", INT)])
        body.count["n"] = 1
        body.line("if n <= 0:")
        body.line(f"    {self._last_turn()}")
        with body.scope(times=rounds):
            body.block(0, source.below(3))
            body.bind("n", INT, f"inplace use(held, {body.expr(INT, 1)})", call=True)
            body.block(0, source.below(3))
            body.line(f"{self._onward()} turns(held, n - 1, {body.expr(INT, 1)})")
            body.spend()
        lines = "\n".join(body.lines)
        self.texts["turns"] = f"workflow turns(held: Held, n: int, acc: int) -> int:\n{lines}\n"
        self.turns = Flow(
            "turns", (("n", INT), ("acc", INT)), 0, INT, max(rounds, body.spent), body.fails, body.waited
        )  # fmt: skip
        self.rounds = rounds
        if chance(source, 60):
            self._begin()

    def _begin(self) -> None:
        """A workflow that makes the object, and becomes the loop."""
        body = Body(self, "begin", [("acc", INT)])
        body.block(0, self.source.below(3))
        self._becomes_turns(body)
        lines = "\n".join(body.lines)
        last = "finally:\n    text(1)\n" if chance(self.source, 10) else ""
        self.texts["begin"] = f"workflow begin(acc: int) -> int:\n{lines}\n{last}"
        self.flows.append(
            Flow("begin", (("acc", INT),), 0, INT, body.spent, body.fails, body.waited)
        )

    def _becomes_turns(self, body: Body) -> None:
        """End a body as the loop over an object that it makes, perhaps in an arm alone."""
        assert self.turns is not None
        body.spend(self.turns.cost + 1)
        body.fails, body.waited = body.fails or self.turns.fails, body.waited or self.turns.waits
        arm = chance(self.source, 25)
        if arm:
            body.line(f"if {body.pure(BOOL)}:")
            body.indent += 1
        with body.scope():
            body.line(f"held = nocheckpoint inplace hold({body.expr(INT, 1)})")
            body.block(0, self.source.below(2))
            body.line(f"{self._onward()} turns(held, {self.rounds}, {body.expr(INT, 1)})")
        if arm:
            body.indent -= 1
            body.line(f"return {body.expr(INT, 1)}")

    def _onward(self) -> str:
        return choice(self.source, ["continuation", "continuation inplace"])

    def _last_turn(self) -> str:
        """How a loop ends: with a value, as a task, or as the graph that one returns."""
        tasks = ["add", *(["later", "fetched"] if self.knobs.graphs else [])]
        if chance(self.source, 60):
            return "return acc"
        return f"{self._onward()} {choice(self.source, tasks)}(acc)"


def _qualify(text: str, name: str) -> str:
    """The text with a workflow's calls going to the other spec."""
    return re.sub(rf"(?<![\w.]){name}\(", f"lib.{name}(", text)


def _with_imports(text: str) -> str:
    """A spec with the functions that it uses imported."""
    modules = {"tasks": [*(f.name for f in FUNCTIONS), *EXTRA], "grown": [f.name for f in GROWN]}
    lines = []
    for module, names in modules.items():
        used = [name for name in names if re.search(rf"\b{name}\b", text)]
        lines += [f"from {module} import {', '.join(used)}"] if used else []
    return "\n".join([*lines, "", text]) if lines else text


CLIMB = """workflow climb(n: int, acc: int) -> int:
    if n <= 0:
        return acc
    a = add(acc, n)
    b = mul(a, 3)
    continuation climb(n - 1, b % 101)
"""

HELPERS = {
    "one_held": """workflow one_held(n: int) -> Held:
    a = later(n)
    return nocheckpoint inplace hold(a)
""",
    "some_held": """workflow some_held(n: int) -> list[Held]:
    return [nocheckpoint inplace hold(n + i) for i in range(2)]
""",
    "both_held": """workflow both_held(n: int) -> list[Held]:
    h1 = nocheckpoint inplace one_held(n)
    h2 = nocheckpoint inplace hold(n)
    return [h1, h2]
""",
    "use_all": """workflow use_all(helds: list[Held], n: int) -> int:
    xs = [inplace use(h, n) for h in helds]
    a = add(sum(xs), n)
    ys = [inplace use(h, a) for h in helds]
    return sum(ys)
""",
}

SETTLE = """workflow settle(late: pending[int]) -> int:
    got, rest = wait(all of late)
    cancel(rest)
    return total(got)
"""


def program(source: Source, knobs: Knobs = USUAL) -> Program:
    """Write a random program."""
    return Writer(source, knobs).program()


def programs(knobs: Knobs = USUAL) -> st.SearchStrategy[Program]:
    """The hypothesis strategy for programs."""

    @st.composite
    def make(draw: Any) -> Program:
        return program(Drawn(draw), knobs)

    return make()
