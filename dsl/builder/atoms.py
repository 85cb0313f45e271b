"""Names, numbers, texts and collections."""

# ruff: noqa: D102  (the methods are the grammar's rules, and are described there)

from __future__ import annotations

import itertools
import math
import re
from typing import Any

from wfc.dsl import ast, strings
from wfc.dsl.builder.base import Base, Children, text_of
from wfc.dsl.tokens import Token

_DURATION_PART = re.compile(r"(?<![0-9])([0-9]+(?:\.[0-9]+)?)(ms|[smhd])")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_ORDER = ("d", "h", "m", "s", "ms")
_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)(?:([KMGTP])(i?))?B")
_WORDS = {"True": True, "False": False, "None": None}


class Atoms(Base):
    """The rules of what an expression is made of in the end."""

    def name(self, c: Children) -> ast.Name:
        return ast.Name(text_of(c[0]), c[0].span)

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

    def text(self, c: Children) -> ast.Constant | ast.FString:
        span = c[0].span.to(c[-1].span)
        written = " ".join(token.value for token in c)
        if all(token.type == "STRING" for token in c):
            return ast.Constant("".join(self._string(token) for token in c), written, span)
        parts: list[str | ast.FormatField] = []
        for token in c:
            for part in strings.parts_of(token, self.diagnostics, self._parse_field):
                last = parts[-1] if parts else None
                if isinstance(part, str) and isinstance(last, str):
                    parts[-1] = last + part
                elif part != "":
                    parts.append(part)
        return ast.FString(tuple(parts), written, span)

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
