"""From the grammar's rules to the nodes of `ast`: one method for each rule, called as the rule is read.

Every method is total. What the grammar lets through and the language does not (a value that is not a
call as a statement, a modifier twice) is reported here, as diagnostics; the meaning of names and types is
the compiler's.
"""

# ruff: noqa: D102  (the methods are the grammar's rules, and are described there)

from __future__ import annotations

import itertools
import math
import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from wfc.dsl import ast, strings
from wfc.dsl.diagnostics import Diagnostic, Label
from wfc.dsl.suggest import nearest
from wfc.dsl.tokens import Token

RESERVED_CALLS = ("catch", "inplace", "nocheckpoint", "continuation")
"""Words that begin an expression or a statement, and so are free only after a dot or before a `=`."""

_DURATION_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|[smhd])")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_ORDER = ("d", "h", "m", "s", "ms")
_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)(?:([KMGTP])(i?))?B")
_WORDS = {"True": True, "False": False, "None": None}
_COMPARATORS = {("not", "in"): "not-in", ("is", "not"): "is-not"}

Children = list[Any]
ParseField = Callable[[Token, int, int], "ast.Expr | None"]


@dataclass(frozen=True)
class _Options:
    items: tuple[ast.Keyword, ...]
    span: ast.Span


@dataclass(frozen=True)
class _After:
    items: tuple[ast.Expr, ...]
    span: ast.Span


@dataclass(frozen=True)
class _Dotted:
    name: str
    span: ast.Span


@dataclass(frozen=True)
class _Block:
    body: tuple[ast.Statement, ...]
    span: ast.Span


class Builder:
    """Makes the nodes of one file. `parse_field` reads an expression inside an f-string's token."""

    def __init__(self, file: str, parse_field: ParseField) -> None:
        self.file = file
        self.diagnostics: list[Diagnostic] = []
        self._parse_field = parse_field
        # Parentheses leave no node; what is built on top of one starts and ends where they do.
        self._parentheses: dict[int, tuple[Any, ast.Span]] = {}

    def report(
        self,
        code: str,
        message: str,
        span: ast.Span,
        label: str = "",
        hint: str = "",
        related: Sequence[Label] = (),
    ) -> None:
        """Add an error."""
        self.diagnostics.append(Diagnostic(code, message, span, label, hint, tuple(related)))

    def _outer(self, node: Any) -> ast.Span:
        """The span of a node with the parentheses round it."""
        if self._parentheses:
            found = self._parentheses.get(id(node))
            if found is not None:
                return found[1]
        return cast(ast.Span, node.span)

    def _join(self, first: Any, last: Any) -> ast.Span:
        return self._outer(first).to(self._outer(last))

    def _binder(self, token: Token, what: str) -> str:
        """The text of a name that is being given to something."""
        if token.value in RESERVED_CALLS or (
            token.value == "wait" and what in ("task", "workflow")
        ):
            self.report(
                "WF016", f"`{token.value}` is a word of the language, and cannot be the name of a {what}",
                token.span, "reserved", f"choose another name, such as `{token.value}_`",
            )  # fmt: skip
        return _text(token)

    def _unique(self, names: Sequence[tuple[str, ast.Span]], what: str) -> None:
        seen: dict[str, ast.Span] = {}
        for name, span in names:
            if name in seen:
                self.report(
                    "WF029", f"{what} `{name}` is given twice", span, "again here", "",
                    [Label(seen[name], "first here")],
                )  # fmt: skip
            seen.setdefault(name, span)

    # -------------------------------------------------------------------------- declarations

    def module(self, c: Children) -> ast.Module:
        doc = c.pop(0) if c and isinstance(c[0], str) else None
        span = ast.Span(self.file, 1, 1, 1, 1)
        if c:
            span = span.to(c[-1].span)
        return ast.Module(self.file, doc, tuple(c), span)

    def docstring(self, c: Children) -> str:
        return "".join(self._string(token) for token in c)

    def dotted(self, c: Children) -> _Dotted:
        return _Dotted(".".join(_text(token) for token in c), c[0].span.to(c[-1].span))

    def imported(self, c: Children) -> ast.ImportedName:
        alias = c[-1]
        return ast.ImportedName(
            _text(c[0]), self._binder(alias, "function"), c[0].span.to(alias.span)
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
        target = next(x for x in c if isinstance(x, _Dotted))
        options = c[-1].items if isinstance(c[-1], _Options) else ()
        return ast.TaskDecl(
            self._binder(name, "task"), name.span, "inplace" in modifiers,
            "nocheckpoint" in modifiers, signature, target.name, target.span, options,
            start.to(c[-1].span),
        )  # fmt: skip

    def workflow_decl(self, c: Children) -> ast.WorkflowDecl:
        name, signature = c[1], c[2]
        options = c[3].items if isinstance(c[3], _Options) else ()
        blocks = [x for x in c[3:] if isinstance(x, _Block)]
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

    def finally_block(self, c: Children) -> _Block:
        return cast(_Block, c[1])

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
        name = c[0].name if isinstance(c[0], _Dotted) else c[0].value
        args = tuple(x for x in c if isinstance(x, ast.TypeExpr))
        return ast.TypeExpr(name, args, c[0].span.to(c[-1].span))

    def options(self, c: Children) -> _Options:
        items = tuple(x for x in c if isinstance(x, ast.Keyword))
        self._unique([(k.name, k.name_span) for k in items], "option")
        return _Options(items, c[0].span.to(c[-1].span))

    def after(self, c: Children) -> _After:
        return _After(tuple(c[1:-1]), c[0].span.to(c[-1].span))

    def keyword_name(self, c: Children) -> Token:
        return cast(Token, c[0])

    def keyword(self, c: Children) -> ast.Keyword:
        name, value = c
        return ast.Keyword(_text(name), value, name.span, name.span.to(self._outer(value)))

    # -------------------------------------------------------------------------- statements

    def block(self, c: Children) -> _Block:
        return _Block(tuple(c), c[0].span.to(c[-1].span))

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

    # -------------------------------------------------------------------------- operators

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

    # -------------------------------------------------------------------------- calls

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
            word = "with" if isinstance(suffix, _Options) else "after"
            if isinstance(suffix, _Options):
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
            word = "with" if isinstance(suffixes[0], _Options) else "after"
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
        return ast.Attribute(value, _text(name), name.span, self._outer(value).to(name.span))

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

    # -------------------------------------------------------------------------- collections

    def parenthesized(self, c: Children) -> Any:
        node = c[1]
        self._parentheses[id(node)] = (node, c[0].span.to(c[2].span))
        return node

    def tuple_(self, c: Children) -> ast.TupleExpr:
        return ast.TupleExpr(tuple(c[1:-1]), c[0].span.to(c[-1].span))

    def list_(self, c: Children) -> ast.ListExpr:
        return ast.ListExpr(tuple(c[1:-1]), c[0].span.to(c[-1].span))

    def dict_(self, c: Children) -> ast.DictExpr:
        return ast.DictExpr(tuple(c[1:-1]), c[0].span.to(c[-1].span))

    def pair(self, c: Children) -> tuple[ast.Expr, ast.Expr]:
        return c[0], c[1]

    def list_comprehension(self, c: Children) -> ast.Comprehension:
        return ast.Comprehension(None, c[1], tuple(c[2:-1]), c[0].span.to(c[-1].span))

    def dict_comprehension(self, c: Children) -> ast.Comprehension:
        key, value = c[1]
        return ast.Comprehension(key, value, tuple(c[2:-1]), c[0].span.to(c[-1].span))

    def targets(self, c: Children) -> tuple[ast.Name, ...]:
        return tuple(ast.Name(self._binder(token, "variable"), token.span) for token in c)

    def comprehension_for(self, c: Children) -> ast.Generator:
        start, targets, iterable, conditions = c[0], c[1], c[3], tuple(c[4:])
        return ast.Generator(targets, iterable, conditions, start.span.to(self._outer(c[-1])))

    # -------------------------------------------------------------------------- atoms

    def name(self, c: Children) -> ast.Name:
        return ast.Name(_text(c[0]), c[0].span)

    def word(self, c: Children) -> ast.Constant:
        return ast.Constant(_WORDS[c[0].value], c[0].value, c[0].span)

    def number(self, c: Children) -> ast.Constant:
        token: Token = c[0]
        text = token.value
        if token.type == "DURATION":
            return ast.Constant(self._duration(token), text, token.span, "duration")
        if token.type == "SIZE":
            return ast.Constant(self._size(token), text, token.span, "size")
        if token.type == "FLOAT":
            value = float(text)
            if math.isinf(value):
                self.report("WF009", "this number is too large for a float", token.span)
                value = 0.0
            return ast.Constant(value, text, token.span)
        if len(text) > 1000:
            self.report("WF009", "this number has too many digits", token.span, "at most 1000")
            return ast.Constant(0, text, token.span)
        return ast.Constant(int(text.replace("_", ""), 0), text, token.span)

    def _duration(self, token: Token) -> float:
        parts = _DURATION_PART.findall(token.value)
        units = [_ORDER.index(unit) for _, unit in parts]
        if any(a >= b for a, b in itertools.pairwise(units)):
            self.report(
                "WF009", f"the units of `{token.value}` are out of order", token.span, "",
                "each unit once, the largest first: 1d2h30m5s250ms",
            )  # fmt: skip
        total = math.fsum(float(amount[:300]) * _SECONDS[unit] for amount, unit in parts)
        if not total < 1e12:
            self.report("WF009", "this duration is too long", token.span)
            return 0.0
        # 250ms is 0.25, and not 0.25000000000000006.
        return round(total, 6)

    def _size(self, token: Token) -> int:
        found = _SIZE.fullmatch(token.value)
        if found is None or len(token.value) > 40:
            self.report("WF009", "this size is too large", token.span)
            return 0
        unit = 1024 if found[3] else 1000
        factor: int = unit ** (" KMGTP".index(found[2]) if found[2] else 0)
        return round(float(found[1]) * factor) if "." in found[1] else int(found[1]) * factor

    def _string(self, token: Token) -> str:
        return strings.decode_token(token, self.diagnostics.append)

    def text(self, c: Children) -> ast.Constant | ast.FString:
        span = c[0].span.to(c[-1].span)
        written = " ".join(token.value for token in c)
        if all(token.type == "STRING" for token in c):
            return ast.Constant("".join(self._string(token) for token in c), written, span)
        parts: list[str | ast.FormatField] = []
        for token in c:
            for part in strings.parts_of(token, self.diagnostics.append, self._parse_field):
                last = parts[-1] if parts else None
                if isinstance(part, str) and isinstance(last, str):
                    parts[-1] = last + part
                elif part != "":
                    parts.append(part)
        return ast.FString(tuple(parts), written, span)


def _text(token: Token) -> str:
    """A name as Python reads it: two spellings of one letter are one name."""
    value = token.value
    return value if value.isascii() else unicodedata.normalize("NFKC", value)


_DESCRIPTIONS: dict[type, str] = {
    ast.Name: "a name", ast.FString: "text", ast.ListExpr: "a list", ast.TupleExpr: "a tuple",
    ast.DictExpr: "a dict", ast.Unary: "an expression", ast.Binary: "an expression",
    ast.BoolOp: "a condition", ast.Compare: "a comparison", ast.Conditional: "a conditional value",
    ast.Subscript: "an element", ast.Attribute: "an attribute", ast.Call: "a call",
    ast.Comprehension: "a comprehension", ast.Wait: "a `wait`",
}  # fmt: skip


def describe(node: Any) -> str:
    """What kind of expression this is, in words, with its article."""
    if isinstance(node, ast.Constant):
        if isinstance(node.value, str):
            return "text"
        if node.value is None or isinstance(node.value, bool):
            return f"`{node.value}`"
        return {"duration": "a duration", "size": "a size"}.get(node.unit, "a number")
    return _DESCRIPTIONS.get(type(node), "this")
