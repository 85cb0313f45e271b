"""Constant expressions: what may stand in one, and its value where that is cheap to know.

The values are for option values and for checks (`wait(3 of …)`); the plan carries the expressions
themselves. What would take long to evaluate counts as unknown.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from wfc.compiler.limits import MAX_CHAIN
from wfc.compiler.project import Builtin, ConstantSymbol, Project, SpecModule
from wfc.compiler.suggest import Suggestions
from wfc.dsl import ast
from wfc.plan import expr

MAX_ITEMS = 100_000


class NotConstantError(Exception):
    """Why an expression has no value at compile time: the node that stands in the way.

    `kind` is `call` or `name` where it is not constant, `cycle` where a constant needs itself,
    `fails` where evaluating it raises, and `large` where it would take too long.
    """

    def __init__(self, node: ast.Expr, kind: str, text: str) -> None:
        super().__init__(text)
        self.node = node
        self.kind = kind
        self.text = text


class Constants:
    """Evaluates the constant expressions of a project, each constant once."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.suggest = Suggestions()
        self._values: dict[ConstantSymbol, Any] = {}
        self._open: list[ConstantSymbol] = []

    def known(self, module: SpecModule, node: ast.Expr) -> Any:
        """The value, or `None` when it is not known."""
        try:
            return self.evaluate(module, node)
        except NotConstantError:
            return None

    def constant(self, symbol: ConstantSymbol) -> Any:
        """The value of a constant; raises `NotConstantError`."""
        if symbol in self._values:
            found = self._values[symbol]
            if isinstance(found, NotConstantError):
                raise found
            return found
        if symbol in self._open:
            names = [s.name for s in self._open[self._open.index(symbol) :]]
            raise NotConstantError(symbol.expr, "cycle", " → ".join([*names, symbol.name]))
        if len(self._open) > MAX_CHAIN:
            raise NotConstantError(symbol.expr, "large", "it needs too many other constants")
        self._open.append(symbol)
        try:
            self._values[symbol] = self.evaluate(symbol.module, symbol.expr)
        except NotConstantError as error:
            self._values[symbol] = error
            raise
        finally:
            self._open.pop()
        return self._values[symbol]

    def evaluate(
        self, module: SpecModule, node: ast.Expr, env: dict[str, Any] | None = None
    ) -> Any:
        """The value of an expression of a module; raises `NotConstantError`."""
        try:
            return self._eval(module, node, env or {})
        except NotConstantError:
            raise
        except RecursionError:
            raise NotConstantError(node, "large", "it is nested too deeply") from None
        except Exception as error:
            text = str(error) or type(error).__name__
            raise NotConstantError(node, "fails", f"{type(error).__name__}: {text}") from None

    def _eval(self, module: SpecModule, node: ast.Expr, env: dict[str, Any]) -> Any:
        def go(part: ast.Expr) -> Any:
            return self._eval(module, part, env)

        match node:
            case ast.Constant(value):
                return value
            case ast.Name(name):
                return env[name] if name in env else self._name(module, node)
            case ast.FString(parts):
                return "".join(p if isinstance(p, str) else _format(p, go(p.value)) for p in parts)
            case ast.ListExpr(items):
                return [go(i) for i in items]
            case ast.TupleExpr(items):
                return tuple(go(i) for i in items)
            case ast.DictExpr(pairs):
                return {go(k): go(v) for k, v in pairs}
            case ast.Unary(op, operand):
                return expr.UNARY[op](go(operand))
            case ast.Binary(op, left, right):
                return expr.BINARY[op](go(left), go(right))
            case ast.BoolOp(op, values):
                value = go(values[0])
                for part in values[1:]:
                    if bool(value) == (op == "or"):
                        break
                    value = go(part)
                return value
            case ast.Compare():
                return _compare(node, go)
            case ast.Conditional(test, body, orelse):
                return go(body) if go(test) else go(orelse)
            case ast.Subscript(value, index):
                if isinstance(index, ast.Slice):
                    bounds = (index.lower, index.upper, index.step)
                    return go(value)[slice(*(None if b is None else go(b) for b in bounds))]
                return go(value)[go(index)]
            case ast.Attribute():
                return self._name(module, node)
            case ast.Call():
                return self._call(module, node, env)
            case ast.Comprehension():
                return self._comprehension(module, node, env)
            case _:
                raise NotConstantError(node, "call", "`wait` runs only in a workflow")

    def _name(self, module: SpecModule, node: ast.Name | ast.Attribute) -> Any:
        found = self.project.resolve(module, node)
        if isinstance(found, ConstantSymbol):
            try:
                return self.constant(found)
            except NotConstantError as error:
                if error.kind == "cycle":
                    raise NotConstantError(node, "cycle", error.text) from None
                raise
        if isinstance(node, ast.Attribute) and found is None:
            return expr.safe_attribute(self._eval(module, node.value, {}), node.name)
        if found is None:
            raise NotConstantError(node, "unknown", f"`{dotted(node)}` is no constant of this file")
        raise NotConstantError(node, "name", f"`{dotted(node)}` is no constant")

    def _call(self, module: SpecModule, node: ast.Call, env: dict[str, Any]) -> Any:
        found = self.project.resolve(module, node.func)
        if not isinstance(found, Builtin) or found.special:
            text = f"`{dotted(node.func)}` is called in a workflow only"
            raise NotConstantError(node, "call", text)
        args = [self._eval(module, a, env) for a in node.args]
        kwargs = {k.name: self._eval(module, k.value, env) for k in node.keywords}
        if found.name == "range" and len(range(*args)) > MAX_ITEMS:
            raise NotConstantError(node, "large", "it has too many items")
        return expr.BUILTINS[found.name](*args, **kwargs)

    def _comprehension(
        self, module: SpecModule, node: ast.Comprehension, env: dict[str, Any]
    ) -> Any:
        made: list[Any] = []
        steps = [0]

        def walk(depth: int, scope: dict[str, Any]) -> None:
            if depth == len(node.generators):
                value = self._eval(module, node.value, scope)
                made.append(
                    value if node.key is None else (self._eval(module, node.key, scope), value)
                )
                return
            part = node.generators[depth]
            for item in self._eval(module, part.iterable, scope):
                steps[0] += 1
                if steps[0] > MAX_ITEMS:
                    raise NotConstantError(node, "large", "it has too many items")
                inner = dict(scope)
                expr.bind([t.id for t in part.targets], item, inner)
                if all(self._eval(module, c, inner) for c in part.conditions):
                    walk(depth + 1, inner)

        walk(0, env)
        return made if node.key is None else dict(made)


def _format(part: ast.FormatField, value: Any) -> str:
    convert: dict[str, Callable[[Any], Any]] = {"r": repr, "s": str, "a": ascii}
    made = convert[part.conversion](value) if part.conversion else value
    return format(made, part.spec)


def _compare(node: ast.Compare, go: Any) -> Any:
    left, result = go(node.left), True
    for op, right_node in zip(node.ops, node.rights, strict=True):
        right = go(right_node)
        result = expr.COMPARE[op](left, right)
        if not result:
            return result
        left = right
    return result


def dotted(node: ast.Expr) -> str:
    """`a.b.c` of a name or a chain of attributes; empty for anything else."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.name)
        node = node.value
    if not isinstance(node, ast.Name):
        return ""
    return ".".join([node.id, *reversed(parts)])
