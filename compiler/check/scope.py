"""Names bound in a workflow: layers, one for each branch, with what each knows of its names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from wfc.compiler.types import Type, join
from wfc.dsl import ast

Running: TypeAlias = Literal["", "one", "many", "joined"]
"""Whether an expression, or a name, is a running call of this frame, or several that can be handed on
as they run (a fan-out, a list of calls); `joined` are several of which there are only the results: a
dict of calls, and a fan-out with more than one `for`."""


@dataclass(eq=False, slots=True)
class Binding:
    """One binding of a name. `parts` are the bindings in the branches that it was merged from."""

    name: str
    span: ast.Span
    type: Type
    kind: Literal["parameter", "value", "loop"] = "value"
    running: Running = ""
    count: int | None = None
    used: bool = False
    attributes: set[str] = field(default_factory=set)
    whole: bool = False
    dropped: str = ""
    siblings: tuple[Binding, ...] = ()
    parts: tuple[Binding, ...] = ()

    def use(self, attribute: str = "") -> None:
        """Note a use of the name: of one attribute, or (without one) of the whole value."""
        self.used = True
        if attribute:
            self.attributes.add(attribute)
        else:
            self.whole = True
        for part in self.parts:
            part.use(attribute)


@dataclass(frozen=True, slots=True)
class Partial:
    """A name that only some branches bind: one of its bindings, and the `if` that they are in."""

    binding: Binding
    where: ast.Span


class Scope:
    """The names visible at a place. A branch has a layer of its own above that of its block."""

    def __init__(self, parent: Scope | None = None) -> None:
        self.parent = parent
        self.names: dict[str, Binding] = {}
        self.partial: dict[str, Partial] = {}
        self.ok: dict[str, bool] = {}
        """Names of Results of which it is known here whether they are ok."""

    def layers(self) -> Iterator[Scope]:
        """This layer and those below it."""
        layer: Scope | None = self
        while layer is not None:
            yield layer
            layer = layer.parent

    def find(self, name: str) -> Binding | None:
        """The binding of a name, if it is certainly bound."""
        for layer in self.layers():
            if name in layer.names:
                return layer.names[name]
        return None

    def find_partial(self, name: str) -> Partial | None:
        """How a name is bound, if only some branches bind it."""
        for layer in self.layers():
            if name in layer.partial:
                return layer.partial[name]
        return None

    def is_ok(self, name: str) -> bool | None:
        """Whether a `Result` is ok, where an `if` has settled that."""
        return next((layer.ok[name] for layer in self.layers() if name in layer.ok), None)

    def visible(self) -> Iterator[str]:
        """All names that are bound here."""
        for layer in self.layers():
            yield from layer.names

    def merge(self, arms: list[Scope], where: ast.Span) -> None:
        """Take over what the branches that go on bind: all of them, or (partly bound) only some."""
        names = dict.fromkeys(name for arm in arms for name in (*arm.names, *arm.partial))
        for name in names:
            bound = [arm.names[name] for arm in arms if name in arm.names]
            if len(bound) < len(arms):
                first = bound[0] if bound else next(a for a in arms if name in a.partial)
                binding = first if isinstance(first, Binding) else first.partial[name].binding
                self.partial[name] = Partial(binding, where)
            else:
                # Also where only one branch goes on: what runs in it is a value behind it.
                merged = Binding(
                    name, bound[0].span, join([b.type for b in bound]), parts=tuple(bound)
                )
                merged.used = True  # its parts are the ones that can be unused
                self.names[name] = merged


def settled(test: ast.Expr) -> tuple[dict[str, bool], dict[str, bool]]:
    """What a condition such as `r.ok` or `not r.ok` says of Results, where it holds and where not."""
    if isinstance(test, ast.Attribute) and test.name == "ok" and isinstance(test.value, ast.Name):
        return {test.value.id: True}, {test.value.id: False}
    if isinstance(test, ast.Unary) and test.op == "not":
        holds, fails = settled(test.operand)
        return fails, holds
    if isinstance(test, ast.BoolOp):
        parts = [settled(value) for value in test.values]
        side = 0 if test.op == "and" else 1
        known = {name: ok for part in parts for name, ok in part[side].items()}
        return (known, {}) if test.op == "and" else ({}, known)
    return {}, {}
