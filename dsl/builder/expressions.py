"""Operators, calls, and what can be said of a call."""

# ruff: noqa: D102  (the methods are the grammar's rules, and are described there)

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

from wfc.dsl import ast
from wfc.dsl.builder.atoms import Atoms
from wfc.dsl.builder.base import Children, Options, describe, text_of
from wfc.dsl.diagnostics import Label
from wfc.dsl.suggest import nearest
from wfc.dsl.tokens import Token

_COMPARATORS = {("not", "in"): "not-in", ("is", "not"): "is-not"}


class Expressions(Atoms):
    """The rules of expressions."""

    def field(self, c: Children) -> ast.Expr:
        return cast(ast.Expr, c[0])

    def bare_tuple(self, c: Children) -> ast.TupleExpr:
        return ast.TupleExpr(tuple(c), self._join(c[0], c[-1]))

    def conditional(self, c: Children) -> ast.Conditional:
        body, test, orelse = c
        return ast.Conditional(test, body, orelse, self._join(body, orelse))

    def or_(self, c: Children) -> ast.BoolOp:
        return ast.BoolOp("or", tuple(c), self._join(c[0], c[-1]))

    def and_(self, c: Children) -> ast.BoolOp:
        return ast.BoolOp("and", tuple(c), self._join(c[0], c[-1]))

    def unary(self, c: Children) -> ast.Unary:
        op, operand = c
        return ast.Unary(op.value, operand, op.span.to(self._outer(operand)))

    def compare(self, c: Children) -> ast.Compare:
        return ast.Compare(c[0], tuple(c[1::2]), tuple(c[2::2]), self._join(c[0], c[-1]))

    def comparator(self, c: Children) -> str:
        if len(c) == 1:
            return cast(str, c[0].value)
        return _COMPARATORS[c[0].value, c[1].value]

    def binary(self, c: Children) -> ast.Binary:
        left, op, right = c
        return ast.Binary(op.value, left, right, self._join(left, right))

    def _add_modifier(self, modifiers: dict[str, ast.Span], token: Token) -> None:
        first = modifiers.setdefault(token.value, token.span)
        if first != token.span:
            self.report(
                "WF021", f"`{token.value}` is said twice", token.span, "again here", "remove one of them",
                [Label(first, "first here")],
            )  # fmt: skip

    def modified(self, c: Children) -> Any:
        span = self._join(c[0], c[-1])
        prefixes: dict[str, ast.Span] = {}
        while isinstance(c[0], Token):
            self._add_modifier(prefixes, c.pop(0))
        node, suffixes = c[0], c[1:]
        if not isinstance(node, (ast.Call, ast.Comprehension, ast.Wait)):
            self._bad_modified(node, prefixes, suffixes)
            return node
        old = node.modifiers
        for word, where in prefixes.items():
            inner = getattr(old, word)
            if inner is not None:
                self.report(
                    "WF021", f"`{word}` is said twice", inner, "again here", "remove one of them",
                    [Label(where, "first here")],
                )  # fmt: skip
        options, after = old.options, old.after
        seen: dict[type, ast.Span] = {}
        for suffix in suffixes:
            word = "with" if isinstance(suffix, Options) else "after"
            if isinstance(suffix, Options):
                options += suffix.items
                self._unique([(k.name, k.name_span) for k in options], "option")
            else:
                after += suffix.items
            if type(suffix) in seen:
                self.report(
                    "WF021", f"`{word} (…)` is said twice", suffix.span, "again here",
                    f"put both into one `{word} (…)`", [Label(seen[type(suffix)], "first here")],
                )  # fmt: skip
            seen.setdefault(type(suffix), suffix.span)
        modifiers = ast.Modifiers(
            prefixes.get("catch", old.catch), prefixes.get("inplace", old.inplace),
            prefixes.get("nocheckpoint", old.nocheckpoint), options, after,
        )  # fmt: skip
        return replace(node, modifiers=modifiers, span=span)

    def _bad_modified(self, node: Any, prefixes: dict[str, ast.Span], suffixes: Children) -> None:
        if prefixes:
            word, where = next(iter(prefixes.items()))
        else:
            word = "with" if isinstance(suffixes[0], Options) else "after"
            where = suffixes[0].span
        hint = ""
        if isinstance(node, (ast.Attribute, ast.Subscript)) and isinstance(node.value, ast.Call):
            hint = f"put the call into parentheses: `({word} f(x)).field`"
            if not prefixes:
                hint = f"`{word} (…)` comes directly after the call"
        elif isinstance(node, ast.Name) and prefixes:
            hint = f"did you mean `{word} {node.id}(…)`?"
        self.report(
            "WF021", f"`{word}` belongs to a call or a comprehension", where,
            f"not to {describe(node)}", hint,
        )  # fmt: skip

    def attribute(self, c: Children) -> ast.Attribute:
        value, name = c
        return ast.Attribute(value, text_of(name), name.span, self._outer(value).to(name.span))

    def subscript(self, c: Children) -> ast.Subscript:
        value, index, closing = c
        return ast.Subscript(value, index, self._outer(value).to(closing.span))

    def slice(self, c: Children) -> ast.Slice:
        parts: dict[int, ast.Expr] = {}
        at = 0
        for item in c:
            if isinstance(item, Token):
                at += 1
            else:
                parts[at] = item
        span = self._join(c[0], c[-1])
        return ast.Slice(parts.get(0), parts.get(1), parts.get(2), span)

    def call(self, c: Children) -> ast.Call:
        func, closing = c[0], c[-1]
        args: list[ast.Expr] = []
        keywords: list[ast.Keyword] = []
        for item in c[1:-1]:
            if isinstance(item, ast.Keyword):
                keywords.append(item)
                continue
            if keywords:
                self.report(
                    "WF029", "a positional argument after a named one", self._outer(item),
                    "has no name", "put the positional arguments first",
                    [Label(keywords[0].span, "named")],
                )  # fmt: skip
            args.append(item)
        if len(keywords) > 1:
            self._unique([(k.name, k.name_span) for k in keywords], "argument")
        target = func
        while isinstance(target, ast.Attribute):
            target = target.value
        again = isinstance(target, ast.Call) and not isinstance(
            target.func, (ast.Name, ast.Attribute)
        )
        if not isinstance(target, ast.Name) and not again:
            self.report(
                "WF032", f"{describe(func)} cannot be called", self._outer(func), "not a name",
                "only a task, a workflow or a built-in can be called, by its name",
            )  # fmt: skip
        span = self._outer(func).to(closing.span)
        return ast.Call(func, tuple(args), tuple(keywords), span)

    def wait(self, c: Children) -> ast.Wait:
        quorum, members = c[1], c[3]
        if isinstance(quorum, ast.Name) and quorum.id in ("all", "any"):
            quorum = quorum.id
        timeout = None
        for keyword in c[4:-1]:
            if keyword.name != "timeout":
                guess = nearest(keyword.name, ("timeout",))
                self.report(
                    "WF020", f"`wait` has no option `{keyword.name}`", keyword.name_span,
                    "only `timeout` is known here", f"did you mean `{guess}`?" if guess else "",
                )  # fmt: skip
            timeout = keyword.value
        self._unique([(k.name, k.name_span) for k in c[4:-1]], "option")
        return ast.Wait(quorum, members, timeout, c[0].span.to(c[-1].span))

    def percent(self, c: Children) -> ast.Percent:
        return ast.Percent(c[0], self._outer(c[0]).to(c[1].span))
