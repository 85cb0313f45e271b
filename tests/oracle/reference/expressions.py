"""Operators, texts, names."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from tests.oracle.reference.cells import Cell, Fan, as_member, attempt, caught, gather
from tests.oracle.reference.frames import Scope
from tests.oracle.reference.lookup import Lookup
from tests.oracle.reference.names import BUILTINS, Import, name_of
from tests.oracle.reference.outcome import FailuresError, Trace, UnsupportedError
from wfc.dsl import ast

_BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "//": lambda a, b: a // b,
    "%": lambda a, b: a % b,
    "**": lambda a, b: a**b,
    "@": lambda a, b: a @ b,
    "<<": lambda a, b: a << b,
    ">>": lambda a, b: a >> b,
    "&": lambda a, b: a & b,
    "|": lambda a, b: a | b,
    "^": lambda a, b: a ^ b,
}
_UNARY: dict[str, Callable[[Any], Any]] = {
    "-": lambda a: -a,
    "+": lambda a: +a,
    "~": lambda a: ~a,
    "not": lambda a: not a,
}
_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "in": lambda a, b: a in b,
    "not-in": lambda a, b: a not in b,
    "is": lambda a, b: a is b,
    "is-not": lambda a, b: a is not b,
}
_CONVERT: dict[str, Callable[[Any], Any]] = {"": lambda v: v, "r": repr, "s": str, "a": ascii}


class Expressions(Lookup):
    """Evaluates expressions."""

    def cell(self, expr: ast.Expr, scope: Scope, name: str | None, managed: bool = False) -> Cell:
        """The cell for the right-hand side of a binding: fan-outs are kept as such."""
        fan = self.fan(expr, scope, name, managed)
        if fan is not None:
            return fan
        trace = Trace(scope.trace, certain=not managed)
        inner = Scope(scope.frame, scope.path, trace, scope)
        inner.seen = scope.seen
        try:
            return Cell(self.value(expr, inner, name), trace=trace)
        except FailuresError as failed:
            return Cell(errors=failed.errors, trace=trace)

    def fan(
        self, expr: ast.Expr, scope: Scope, name: str | None = None, managed: bool = False
    ) -> Fan | None:
        """The members, when the expression is a fan-out or a list of calls; else `None`."""
        file = scope.frame.workflow.file
        if isinstance(expr, ast.Comprehension):
            if expr.modifiers.catch is None and self.calls_something(expr, file):
                return self._comprehension(expr, scope, name, managed)
        elif isinstance(expr, ast.ListExpr) and expr.items:
            if all(self._is_member(item, file) for item in expr.items):
                cells = [self.cell(item, scope, None, managed) for item in expr.items]
                return Fan([as_member(cell) for cell in cells])
        elif isinstance(expr, ast.Name):
            found = scope.find(expr.id)
            if isinstance(found, Fan):
                return found
        return None

    def _is_member(self, expr: ast.Expr, file: str) -> bool:
        return isinstance(expr, ast.Call) and self._callee(expr.func, file) not in (
            *BUILTINS,
            "cancel",
            "fail",
            "secret",
        )

    def value(self, expr: Any, scope: Scope, name: str | None = None) -> Any:
        """The value of an expression; `name` is what it is bound to, for the paths of calls."""
        if isinstance(expr, ast.Constant):
            return expr.value
        if isinstance(expr, ast.Name):
            return self._name_value(expr, scope)
        if isinstance(expr, ast.FString):
            return "".join(gather(lambda p=part: self._format(p, scope) for part in expr.parts))
        if isinstance(expr, ast.ListExpr):
            return self._all(expr.items, scope)
        if isinstance(expr, ast.TupleExpr):
            return tuple(self._all(expr.items, scope))
        if isinstance(expr, ast.DictExpr):
            flat = self._all([part for pair in expr.items for part in pair], scope)
            return attempt(lambda: dict(zip(flat[::2], flat[1::2], strict=True)))
        if isinstance(expr, ast.Unary):
            operand = self.value(expr.operand, scope)
            return attempt(lambda: _UNARY[expr.op](operand))
        if isinstance(expr, ast.Binary):
            left, right = self._all([expr.left, expr.right], scope)
            return attempt(lambda: _BINARY[expr.op](left, right))
        if isinstance(expr, ast.BoolOp):
            return self._bool(expr, scope)
        if isinstance(expr, ast.Compare):
            return self._compare(expr, scope)
        if isinstance(expr, ast.Conditional):
            test = self.value(expr.test, scope)
            return self.value(expr.body if attempt(lambda: bool(test)) else expr.orelse, scope)
        if isinstance(expr, ast.Subscript):
            return self._subscript(expr, scope)
        if isinstance(expr, ast.Attribute):
            return self._attribute(expr, scope)
        if isinstance(expr, ast.Comprehension):
            return self._comprehended(expr, scope, name)
        if isinstance(expr, ast.Wait):
            if expr.modifiers.catch is not None:
                return caught(lambda: self._wait(expr, scope, name))
            return self._wait(expr, scope, name)
        if isinstance(expr, ast.Call):
            return self._call(expr, scope, name)
        raise UnsupportedError(f"{expr}")

    def _all(self, exprs: Iterable[Any], scope: Scope) -> list[Any]:
        return gather(lambda e=expr: self.value(e, scope) for expr in exprs)

    def _name_value(self, expr: ast.Name, scope: Scope) -> Any:
        found = scope.find(expr.id)
        if found is not None:
            return found.get()
        file = scope.frame.workflow.file
        decl = self.names[file].get(expr.id)
        if isinstance(decl, ast.ConstantDecl):
            key = (file, expr.id)
            if key not in self.constants:
                self.constants[key] = Cell(self._constant(decl.value, file))
            return self.constants[key].get()
        raise UnsupportedError(f"the name {expr.id!r}")

    def _format(self, part: str | ast.FormatField, scope: Scope) -> str:
        if isinstance(part, str):
            return part
        value = self.value(part.value, scope)
        return attempt(lambda: format(_CONVERT[part.conversion](value), part.spec))

    def _bool(self, expr: ast.BoolOp, scope: Scope) -> Any:
        value: Any = None
        for part in expr.values:
            value = self.value(part, scope)
            if attempt(lambda: bool(value)) == (expr.op == "or"):  # noqa: B023
                return value
        return value

    def _compare(self, expr: ast.Compare, scope: Scope) -> Any:
        values = self._all([expr.left, *expr.rights], scope)
        result: Any = True
        for op, left, right in zip(expr.ops, values, values[1:], strict=False):
            result = attempt(lambda: _COMPARE[op](left, right))  # noqa: B023
            if not result:
                return result
        return result

    def _subscript(self, expr: ast.Subscript, scope: Scope) -> Any:
        if isinstance(expr.index, ast.Slice):
            index = expr.index
            parts = [
                expr.value,
                *(p for p in (index.lower, index.upper, index.step) if p is not None),
            ]
            found = iter(self._all(parts, scope))
            value = next(found)
            bounds = [
                None if p is None else next(found) for p in (index.lower, index.upper, index.step)
            ]
            return attempt(lambda: value[slice(*bounds)])
        value, index_value = self._all([expr.value, expr.index], scope)
        return attempt(lambda: value[index_value])

    def _attribute(self, expr: ast.Attribute, scope: Scope) -> Any:
        if isinstance(expr.value, ast.Name) and scope.find(expr.value.id) is None:
            found = self.names[scope.frame.workflow.file].get(expr.value.id)
            if isinstance(found, Import):
                return self._constant(name_of(expr.name, expr.span), found.file)
        value = self.value(expr.value, scope)
        if isinstance(value, dict) and expr.name in value and not hasattr(value, expr.name):
            return value[expr.name]
        return attempt(lambda: getattr(value, expr.name))
