"""Constant folding: what is known already is computed now.

Stands first, and again behind inlining, because constant arguments make more of it; and before
pruning, which lives on constant conditions. What would raise is left to raise when the program gets
there (it may not), with a warning. Only small plain values are folded, so that the plan does not grow.
"""

from __future__ import annotations

import math
from typing import Any

from wfc.compiler import ir
from wfc.compiler.emit.text import literal, text
from wfc.compiler.explain import Notes
from wfc.compiler.ir import Expr
from wfc.compiler.pages import ALWAYS_FAILS
from wfc.compiler.passes.rewrite import rebuild, targets_of, with_exprs
from wfc.dsl.ast import Span
from wfc.dsl.diagnostics import Diagnostic
from wfc.plan.expr import children, compile_expr

MAX_TEXT = 1_000
MAX_BITS = 256


def fold_constants(program: ir.Program, notes: Notes) -> None:
    """Fold constant expressions and put known values where their names are used."""
    for workflow in program.workflows.values():
        folder = _Folder(notes)
        for block in workflow.blocks():
            folder.changed = False
            folder.block(block)
            if folder.changed:
                ir.connect(block)


class _Folder:
    """Folds one workflow; `known` are the visible names whose values are known."""

    def __init__(self, notes: Notes) -> None:
        self.notes = notes
        self.known: dict[str, Expr] = {}
        self.span: Span | None = None
        self.changed = False

    def block(self, graph: ir.Graph) -> None:
        """Fold a block; what becomes known in it is forgotten at its end."""
        own: list[str] = []
        for part in graph.chain():
            then = branch.then if (branch := part.last()) is not None else None
            for node in part.ordered():
                self.span = node.span
                folded = self._node(node)
                if folded is not node:
                    part.nodes[node.id] = folded
                    self.changed = True
                    self._note(node, folded)
                # What waits for something keeps its name: who uses it would not wait any more.
                constant = isinstance(folded, ir.ExprNode) and folded.expr[0] == "lit"
                if constant and isinstance(folded, ir.ExprNode) and not folded.after:
                    self.known[node.id] = folded.expr
                    own.append(node.id)
                for _, inner in ir.inner(folded):
                    if inner is not then:
                        self.block(inner)
        for name in own:
            del self.known[name]

    def _node(self, node: ir.Node) -> ir.Node:
        """The node with its expressions folded: itself where none changes, as is the rule."""
        exprs = [expr for _, expr in ir.expressions(node)]
        if isinstance(node, ir.MapNode):
            exprs += [expr for _, expr in ir.element_expressions(node)]
        if all(self.fold(expr) is expr for expr in exprs):
            return node
        return with_exprs(node, self.fold)

    def _note(self, before: ir.Node, after: ir.Node) -> None:
        if isinstance(before, ir.ExprNode) and isinstance(after, ir.ExprNode):
            if after.expr[0] == "lit" and before.expr[0] != "lit":
                self.notes.did(f"compute `{before.id}` now: it is {text(after.expr)}", before.span)
        elif isinstance(before, ir.BranchNode) and isinstance(after, ir.BranchNode):
            for old, new in zip(before.arms, after.arms, strict=True):
                if new.condition[0] == "lit" and old.condition[0] != "lit":
                    self.notes.did(
                        f"decide `{text(old.condition)}` now: it is {text(new.condition)}",
                        before.span,
                    )

    def fold(self, expr: Expr) -> Expr:
        """The expression with what is known put in and computed."""
        op = expr[0]
        if op == "name":
            return self.known.get(expr[1], expr)
        if op in ("lit", "handle", "secret"):
            return expr
        if op == "comp":
            return self._comp(expr)
        made = rebuild(expr, self.fold)
        if made == expr:
            made = expr
        if op in ("and", "or"):
            return _bool(made)
        if op == "if" and made[1][0] == "lit":
            taken: Expr = made[2] if made[1][1] else made[3]
            return taken
        if op in ("list", "tuple", "dict", "attr") or not all(map(_constant, children(made))):
            return made
        return self._compute(made)

    def _comp(self, expr: Expr) -> Expr:
        hidden = {name: self.known.pop(name) for name in targets_of(expr) if name in self.known}
        made = rebuild(expr, self.fold)
        self.known.update(hidden)
        return expr if made == expr else made

    def _compute(self, expr: Expr) -> Expr:
        try:
            value = compile_expr(expr)({})
        except Exception as error:
            assert self.span is not None
            why = f"{type(error).__name__}: {error}"
            self.notes.left(f"compute `{text(expr)}` now: it raises {why}", self.span)
            self.notes.warn(
                Diagnostic(
                    ALWAYS_FAILS, f"`{text(expr)}` fails whenever it is evaluated", self.span, why,
                    severity="warning",
                )
            )  # fmt: skip
            return expr
        return ["lit", value] if _small(value) else expr


def _constant(expr: Expr) -> bool:
    if expr[0] in ("list", "tuple", "dict"):
        return all(_constant(part) for part in children(expr))
    return bool(expr[0] == "lit")


def _small(value: Any) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, str):
        return len(literal(value)) <= MAX_TEXT
    if isinstance(value, int):
        return value.bit_length() <= MAX_BITS
    return value is None


def _bool(expr: Expr) -> Expr:
    """`and`, `or` without what cannot decide, up to what does."""
    stop = expr[0] == "or"
    parts: list[Expr] = []
    for i, part in enumerate(expr[1]):
        last = i == len(expr[1]) - 1
        if part[0] != "lit" or last:
            parts.append(part)
        elif bool(part[1]) == stop:
            parts.append(part)
            break
    if len(parts) == len(expr[1]):
        return expr
    return parts[0] if len(parts) == 1 else [expr[0], parts]
