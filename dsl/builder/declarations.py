"""A whole file: imports, tasks, workflows, constants; signatures and options."""

# ruff: noqa: D102  (the methods are the grammar's rules, and are described there)

from __future__ import annotations

from typing import cast

from wfc.dsl import ast
from wfc.dsl.builder.base import After, Block, Children, Dotted, Options, text_of
from wfc.dsl.builder.statements import Statements
from wfc.dsl.diagnostics import Label
from wfc.dsl.tokens import Token


class Builder(Statements):
    """Makes the nodes of one file. `parse_field` reads an expression inside an f-string's token."""

    def module(self, c: Children) -> ast.Module:
        doc = c.pop(0) if c and isinstance(c[0], str) else None
        span = ast.Span(self.file, 1, 1, 1, 1)
        if c:
            span = span.to(c[-1].span)
        return ast.Module(self.file, doc, tuple(c), span)

    def docstring(self, c: Children) -> str:
        return "".join(self._string(token) for token in c)

    def dotted(self, c: Children) -> Dotted:
        return Dotted(".".join(text_of(token) for token in c), c[0].span.to(c[-1].span))

    def imported(self, c: Children) -> ast.ImportedName:
        alias = c[-1]
        return ast.ImportedName(
            text_of(c[0]), self._binder(alias, "function"), c[0].span.to(alias.span)
        )

    def from_import(self, c: Children) -> ast.FromImport:
        module = c[1]
        names = tuple(item for item in c if isinstance(item, ast.ImportedName))
        span = c[0].span.to(c[-1].span)
        return ast.FromImport(module.name, names, module.span, span)

    def spec_import(self, c: Children) -> ast.SpecImport:
        path = self._string(c[1])
        alias = self._binder(c[2], "spec")
        return ast.SpecImport(path, alias, c[1].span, c[0].span.to(c[2].span))

    def task_decl(self, c: Children) -> ast.TaskDecl:
        start = c[0].span
        modifiers: dict[str, ast.Span] = {}
        while c[0].type != "TASK":
            self._add_modifier(modifiers, c.pop(0))
        name = c[1]
        signature = next((x for x in c if isinstance(x, ast.Signature)), None)
        target = next(x for x in c if isinstance(x, Dotted))
        options = c[-1].items if isinstance(c[-1], Options) else ()
        return ast.TaskDecl(
            self._binder(name, "task"), name.span, "inplace" in modifiers,
            "nocheckpoint" in modifiers, signature, target.name, target.span, options,
            start.to(c[-1].span),
        )  # fmt: skip

    def workflow_decl(self, c: Children) -> ast.WorkflowDecl:
        name, signature = c[1], c[2]
        options = c[3].items if isinstance(c[3], Options) else ()
        blocks = [x for x in c[3:] if isinstance(x, Block)]
        body = list(blocks[0].body)
        doc = None
        if body and isinstance(body[0], ast.ExprStatement):
            first = body[0].value
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                doc = first.value
                body.pop(0)
        finally_ = blocks[1].body if len(blocks) > 1 else ()
        self._check_statements(tuple(body))
        self._check_statements(finally_)
        return ast.WorkflowDecl(
            self._binder(name, "workflow"), name.span, signature, options, doc, tuple(body), finally_,
            c[0].span.to(c[-1].span),
        )  # fmt: skip

    def finally_block(self, c: Children) -> Block:
        return cast(Block, c[1])

    def constant(self, c: Children) -> ast.ConstantDecl:
        name = ast.Name(self._binder(c[0], "constant"), c[0].span)
        return ast.ConstantDecl(name, c[-1], c[0].span.to(self._outer(c[-1])))

    def signature(self, c: Children) -> ast.Signature:
        parameters = tuple(x for x in c if isinstance(x, ast.Parameter))
        returns = c[-1] if isinstance(c[-1], ast.TypeExpr) else None
        self._unique([(p.name, p.span) for p in parameters], "parameter")
        default: ast.Parameter | None = None
        for parameter in parameters:
            if parameter.default is not None:
                default = default or parameter
            elif default is not None:
                self.report(
                    "WF029", f"parameter `{parameter.name}` without a default after one that has a default",
                    parameter.span, "no default", "put the parameters with defaults last",
                    [Label(default.span, "has a default")],
                )  # fmt: skip
        return ast.Signature(parameters, returns, c[0].span.to(c[-1].span))

    def parameter(self, c: Children) -> ast.Parameter:
        annotation = next((x for x in c[1:] if isinstance(x, ast.TypeExpr)), None)
        default = c[-1] if len(c) > 1 and not isinstance(c[-1], ast.TypeExpr) else None
        end = c[-1].span if default is None else self._outer(default)
        return ast.Parameter(
            self._binder(c[0], "parameter"), annotation, default, c[0].span.to(end)
        )

    def type(self, c: Children) -> ast.TypeExpr:
        if len(c) == 1:
            return cast(ast.TypeExpr, c[0])
        kept = tuple(x for x in c if isinstance(x, ast.TypeExpr))
        return ast.TypeExpr("Union", kept, c[0].span.to(c[-1].span))

    def type_atom(self, c: Children) -> ast.TypeExpr:
        name = c[0].name if isinstance(c[0], Dotted) else c[0].value
        args = tuple(x for x in c if isinstance(x, ast.TypeExpr))
        return ast.TypeExpr(name, args, c[0].span.to(c[-1].span))

    def literal(self, c: Children) -> ast.TypeExpr:
        token, span = c[-1], c[0].span.to(c[-1].span)
        if token.type == "STRING":
            text = repr(self._string(token))
        else:
            read = self.number if token.type == "INT" else self.word
            text = ("-" if len(c) == 2 else "") + repr(read([token]).value)
        return ast.TypeExpr(text, (), span, literal=True)

    def options(self, c: Children) -> Options:
        items = tuple(x for x in c if isinstance(x, ast.Keyword))
        self._unique([(k.name, k.name_span) for k in items], "option")
        return Options(items, c[0].span.to(c[-1].span))

    def after(self, c: Children) -> After:
        return After(tuple(c[1:-1]), c[0].span.to(c[-1].span))

    def keyword_name(self, c: Children) -> Token:
        return cast(Token, c[0])

    def keyword(self, c: Children) -> ast.Keyword:
        name, value = c
        return ast.Keyword(text_of(name), value, name.span, name.span.to(self._outer(value)))
