"""The loop that runs Lark's LALR tables.

Lark's own loop hashes a rule object at every reduction, and a number in an expression is reduced through
sixteen levels of precedence. Here the reductions that only pass a value on are followed once for each
state and token, and remembered: three times as fast on long files. The tables and what is called at a
reduction are Lark's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Action = int | tuple[int, str, Callable[[list[Any]], Any] | None]
"""The state to shift to, or a reduction: how many values, to which rule, and what makes the new value
(`None`: the one value is passed on)."""


@dataclass(frozen=True)
class Tables:
    """An LALR automaton: for each state, what each terminal does, and where each rule leads."""

    actions: dict[int, dict[str, Action]]
    gotos: dict[int, dict[str, int]]
    starts: dict[str, int]
    ends: dict[str, int]
    chains: dict[tuple[int, int, str], int] = field(default_factory=dict)


class Unexpected(Exception):  # noqa: N818
    """A token that the parser's state does not accept. Never leaves this package."""


class Machine:
    """One run of the automaton."""

    __slots__ = ("states", "tables", "values")

    def __init__(self, tables: Tables, start: str) -> None:
        self.tables = tables
        self.states = [tables.starts[start]]
        self.values: list[Any] = []

    def feed(self, kind: str, token: Any) -> None:
        """Take a token; raises `Unexpected`, with the stacks as the last reduction left them."""
        tables = self.tables
        actions = tables.actions
        states = self.states
        values = self.values
        while True:
            state = states[-1]
            action = actions[state].get(kind)
            if action is None:
                raise Unexpected
            if isinstance(action, int):
                states.append(action)
                values.append(token)
                return
            size, rule, make = action
            if make is None:
                states[-1] = self._chain(states[-2], state, kind)
                continue
            if size:
                children = values[-size:]
                del states[-size:]
                del values[-size:]
            else:
                children = []
            value = make(children)
            states.append(tables.gotos[states[-1]][rule])
            values.append(value)

    def finish(self, start: str) -> Any:
        """The value of the start rule, at the end of the text; raises `Unexpected`."""
        tables = self.tables
        end = tables.ends[start]
        states, values = self.states, self.values
        while states[-1] != end:
            action = tables.actions[states[-1]].get("$END")
            if action is None or isinstance(action, int):
                raise Unexpected
            size, rule, make = action
            children = values[-size:] if size else []
            if size:
                del states[-size:]
                del values[-size:]
            states.append(tables.gotos[states[-1]][rule])
            values.append(children[0] if make is None else make(children))
        return values[-1]

    def accepts(self) -> set[str]:
        """The terminals that could really come next, the end of the text (`$END`) among them."""
        return {kind for kind in self.tables.actions[self.states[-1]] if self.would_accept(kind)}

    def would_accept(self, *kinds: str) -> bool:
        """Whether these terminals could come next, one after the other. Makes no values."""
        states = self.states[:]
        tables = self.tables
        for kind in kinds:
            while True:
                action = tables.actions[states[-1]].get(kind)
                if action is None:
                    return False
                if isinstance(action, int):
                    states.append(action)
                    break
                size, rule, _ = action
                if size:
                    del states[-size:]
                target = tables.gotos[states[-1]].get(rule)
                if target is None:
                    return False
                states.append(target)
                if kind == "$END" and target in tables.ends.values():
                    return True
        return True

    def _chain(self, below: int, state: int, kind: str) -> int:
        """Where the reductions that only pass a value on lead from `state`."""
        tables = self.tables
        key = (below, state, kind)
        found = tables.chains.get(key)
        if found is None:
            found = state
            while True:
                action = tables.actions[found].get(kind)
                if not isinstance(action, tuple) or action[2] is not None:
                    break
                found = tables.gotos[below][action[1]]
            tables.chains[key] = found
        return found
