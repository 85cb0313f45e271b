"""Statements, and expressions that stand where one is meant to be."""

# ruff: noqa: D102  (the methods are the grammar's rules, and are described there)

from __future__ import annotations

from typing import Any

from wfc.dsl import ast
from wfc.dsl.builder.base import Block, Children, describe
from wfc.dsl.builder.expressions import Expressions


class Statements(Expressions):
    """The rules of statements."""

    def block(self, c: Children) -> Block:
        return Block(tuple(c), c[0].span.to(c[-1].span))

    def assign(self, c: Children) -> ast.Assign:
        target, value = c
        span = self._join(target, value)
        items = target.items if isinstance(target, ast.TupleExpr) else (target,)
        targets = tuple(x for x in items if isinstance(x, ast.Name))
        for item in items:
            if not isinstance(item, ast.Name):
                self._bad_target(item)
        return ast.Assign(targets, value, span)

    def _bad_target(self, item: Any) -> None:
        hints = {
            ast.Attribute: "a value is never changed: bind a new name instead",
            ast.Subscript: "a value is never changed: bind a new name instead",
            ast.Call: "to compare, write `==`",
            ast.Compare: "to compare, write `==`",
            ast.TupleExpr: "unpack one level at a time",
        }
        self.report(
            "WF023", f"cannot assign to {describe(item)}", self._outer(item), "only a name can be bound",
            hints.get(type(item), ""),
        )  # fmt: skip

    def bare(self, c: Children) -> ast.ExprStatement:
        return ast.ExprStatement(c[0], self._outer(c[0]))

    def return_(self, c: Children) -> ast.Return:
        value = c[1] if len(c) > 1 else None
        end = c[0].span if value is None else self._outer(value)
        return ast.Return(value, c[0].span.to(end))

    def continuation(self, c: Children) -> ast.Continuation:
        value = c[1]
        span = c[0].span.to(self._outer(value))
        if not isinstance(value, ast.Call):
            hint = "to end with a plain value, use `return`"
            if isinstance(value, ast.Conditional):
                hint = "write `if test:` with a `continuation` in each branch"
            elif isinstance(value, (ast.Binary, ast.BoolOp, ast.Compare)):
                hint = (
                    "nothing is left to do after a continuation: compute it in the called workflow"
                )
            self.report(
                "WF033", "`continuation` needs a call of a task or a workflow", self._outer(value),
                f"this is {describe(value)}", hint,
            )  # fmt: skip
        return ast.Continuation(value, span)

    def pass_(self, c: Children) -> ast.Pass:
        return ast.Pass(c[0].span)

    def if_statement(self, c: Children) -> ast.If:
        arms: list[tuple[ast.Expr, tuple[ast.Statement, ...]]] = []
        orelse: tuple[ast.Statement, ...] = ()
        at = 0
        while at < len(c):
            if c[at].type == "ELSE":
                orelse = c[at + 1].body
                at += 2
            else:
                arms.append((c[at + 1], c[at + 2].body))
                at += 3
        return ast.If(tuple(arms), orelse, c[0].span.to(c[-1].span))

    def _check_statements(self, statements: tuple[ast.Statement, ...]) -> None:
        """Report the bare expressions that do nothing; a docstring is taken out before."""
        for statement in statements:
            if isinstance(statement, ast.If):
                for _, body in statement.arms:
                    self._check_statements(body)
                self._check_statements(statement.orelse)
            elif isinstance(statement, ast.ExprStatement):
                value = statement.value
                if not isinstance(value, (ast.Call, ast.Comprehension, ast.Wait)):
                    self._bad_statement(value, statement.span)

    def _bad_statement(self, value: Any, span: ast.Span) -> None:
        hint = "give it a name (`x = …`), `return` it, or remove it"
        if isinstance(value, ast.Name):
            hint = f"to call it, write `{value.id}()`"
        elif isinstance(value, ast.Constant) and isinstance(value.value, str):
            hint = "a note is written `# …`; documentation is the first text of a workflow"
        elif isinstance(value, ast.Compare) and value.ops == ("==",):
            hint = "to bind a name, write `=`"
        self.report(
            "WF024", f"{describe(value)} by itself does nothing", span,
            "only a call can be a statement", hint,
        )  # fmt: skip
