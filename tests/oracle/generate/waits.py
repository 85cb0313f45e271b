"""Waits, and what becomes of their parts."""

from __future__ import annotations

from tests.oracle.generate.fanouts import FanOuts
from tests.oracle.generate.parts import (
    INT,
    INTS,
)
from tests.oracle.source import between, chance, choice


class Waits(FanOuts):
    """Writes waits."""

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
