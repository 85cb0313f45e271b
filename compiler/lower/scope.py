"""Ids and names while a workflow is lowered.

Two things are kept apart. A `Scope` gives out ids; it follows the paths of task instances: one per
workflow, and one per body of a fan-out, because `main/tables[17]/` starts anew there while the arms
of a branch add nothing to a path. A `Names` follows what the spec may refer to: one per block.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from wfc.compiler.ir import Expr


class Scope:
    """Gives out ids that are unique among the names visible where they stand.

    A name that the spec binds keeps that name, so all of those are `reserved` for the whole workflow
    before anything is lowered; the others get the visible name of what they call, with `#2`, `#3` …
    in order of appearance. An id in the body of a fan-out may be the same as one in the body of
    another, or as the fan-out's own (which its body cannot see), but not as another one around it.
    """

    __slots__ = ("below", "next", "own", "owners", "parent", "reserved")

    def __init__(
        self, parent: Scope | None = None, owner: str = "", reserved: Iterable[str] = ()
    ) -> None:
        self.parent = parent
        self.owners: frozenset[str] = parent.owners | {owner} if parent else frozenset()
        self.reserved: frozenset[str] = parent.reserved if parent else frozenset(reserved)
        self.own: set[str] = set()
        self.below: set[str] = set()
        self.next: dict[str, int] = {}

    def taken(self, id: str) -> bool:
        """Whether some visible name, or some name that this would be visible to, is the same."""
        if id in self.own or id in self.below:
            return True
        if id in self.owners:
            return False
        if id in self.reserved:
            return True
        scope = self.parent
        while scope is not None:
            if id in scope.own:
                return True
            scope = scope.parent
        return False

    def fresh(self, base: str) -> str:
        """`base`, or the first of `base#2`, `base#3` … that is not taken; it is taken now."""
        number = self.next.get(base, 1)
        while self.taken(id := base if number == 1 else f"{base}#{number}"):
            number += 1
        self.next[base] = number + 1
        self.own.add(id)
        scope = self.parent
        while scope is not None:
            scope.below.add(id)
            scope = scope.parent
        return id


@dataclass(slots=True)
class Binding:
    """What a name of the spec stands for.

    `ref` is the expression for its value. `node` is the name to wait for in `after (…)`, `None` for
    what is there from the start. `handle` makes the expression for it as a handle of running calls,
    in the block where it is used, and is `None` for a plain value. `call` tells a single call.
    `source` is the fan-out or group whose elements it is, and `scope` where that stands.
    """

    ref: Expr
    node: str | None = None
    handle: Callable[[Any], Expr] | None = None
    call: bool = False
    source: str | None = None
    scope: Scope | None = None


class Names:
    """What the spec's names stand for, block in block."""

    __slots__ = ("own", "parent")

    def __init__(
        self, parent: Names | None = None, own: Mapping[str, Binding] | None = None
    ) -> None:
        self.parent = parent
        self.own: dict[str, Binding] = dict(own or {})

    def find(self, name: str) -> Binding | None:
        """The binding of a name in this block or one around it."""
        names: Names | None = self
        while names is not None:
            if (found := names.own.get(name)) is not None:
                return found
            names = names.parent
        return None
