"""Expressions and nodes with names replaced. Nothing is changed in place: expressions are shared."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from wfc.compiler import ir
from wfc.compiler.ir import Expr
from wfc.plan.expr import names

Change = Callable[[Expr], Expr]


def rebuild(expr: Expr, change: Change) -> Expr:
    """The same expression with `change` done to its direct parts (all those of a `comp` included)."""
    op = expr[0]
    if op in ("lit", "name", "handle", "secret"):
        return expr
    if op in ("list", "tuple", "and", "or"):
        return [op, [change(part) for part in expr[1]]]
    if op == "cmp":
        return [op, expr[1], [change(part) for part in expr[2]]]
    if op == "dict":
        return [op, [[change(k), change(v)] for k, v in expr[1]]]
    if op == "fstr":
        return [op, [p if isinstance(p, str) else [change(p[0]), p[1], p[2]] for p in expr[1]]]
    if op == "call":
        return [
            op,
            expr[1],
            [change(a) for a in expr[2]],
            {k: change(a) for k, a in expr[3].items()},
        ]
    if op == "comp":
        clauses = [[t, change(i), [change(c) for c in conds]] for t, i, conds in expr[4]]
        key = change(expr[2]) if expr[2] is not None else None
        return [op, expr[1], key, change(expr[3]), clauses]
    if op == "attr":
        return [op, change(expr[1]), expr[2]]
    if op == "unpack":
        return [op, change(expr[1]), expr[2], expr[3]]
    if op in ("un", "bin"):
        return [op, expr[1], *(change(part) for part in expr[2:])]
    return [op, *(change(part) if part is not None else None for part in expr[1:])]


def targets_of(expr: Expr) -> set[str]:
    """The loop names of a `comp`."""
    return {target for targets, _, _ in expr[4] for target in targets}


def substitute(expr: Expr, given: Mapping[str, Expr]) -> Expr:
    """The expression with names replaced; a handle follows where its name became another name.

    Loop names inside are renamed where they would capture a name that is put in.
    """
    if expr[0] == "name":
        return given.get(expr[1], expr)
    if expr[0] == "handle":
        other = given.get(expr[1])
        return ["handle", other[1]] if other is not None and other[0] == "name" else expr
    if expr[0] != "comp":
        return rebuild(expr, lambda part: substitute(part, given))
    bound = targets_of(expr)
    inside = {name: e for name, e in given.items() if name not in bound}
    put_in = {n for name in names(expr) if name in inside for n in names(inside[name])}
    clash = {name: f"{name}~" for name in sorted(bound & put_in)}
    inside.update((name, ["name", other]) for name, other in clash.items())
    made = rebuild(expr, lambda part: substitute(part, inside))
    made[4] = [[[clash.get(t, t) for t in targets], *rest] for targets, *rest in made[4]]
    # The first iterable is evaluated outside of the loop names, which can only matter if one of them
    # is also the name of something outside: the checks refuse that.
    return made


def with_exprs(node: ir.Node, change: Change) -> ir.Node:
    """A copy of a node with its expressions changed, those of a fan-out's elements included.

    Inner graphs are the same objects as before.
    """

    def maybe(expr: Expr | None) -> Expr | None:
        return change(expr) if expr is not None else None

    if isinstance(node, ir.Target):
        args = [change(arg) for arg in node.args]
        return replace(node, args=args, kwargs={k: change(a) for k, a in node.kwargs.items()})
    if isinstance(node, (ir.ExprNode, ir.ReturnNode)):
        return replace(node, expr=change(node.expr))
    if isinstance(node, ir.MapNode):
        outputs = [
            ir.MapOutput(o.name, change(o.value), maybe(o.key), maybe(o.when)) for o in node.outputs
        ]
        where = maybe(node.where_each)
        return replace(node, items=change(node.items), outputs=outputs, where_each=where)
    if isinstance(node, ir.BranchNode):
        return replace(node, arms=[ir.Arm(change(arm.condition), arm.body) for arm in node.arms])
    changed: dict[str, Any] = {}
    for port, expr in ir.expressions(node):
        changed[port] = change(expr)
    return replace(node, **changed)
