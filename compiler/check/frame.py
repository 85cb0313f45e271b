"""The workflow that is being checked: its scope, and the findings about names and plain values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import chain

from wfc.compiler import codes
from wfc.compiler.check.context import Context
from wfc.compiler.check.info import Info
from wfc.compiler.check.scope import Binding, Running, Scope
from wfc.compiler.project import (
    SPECIALS,
    ConstantSymbol,
    SpecModule,
    SpecSymbol,
    Symbol,
    TaskSymbol,
    TypeSymbol,
    WorkflowSymbol,
)
from wfc.compiler.types import ANY, NEVER, PendingType, ResultType, Type, UnionType, WaitType
from wfc.dsl import ast
from wfc.dsl.diagnostics import Label
from wfc.plan.expr import BUILTINS

WHAT = {
    TaskSymbol: "a task",
    WorkflowSymbol: "a workflow",
    TypeSymbol: "a class",
    SpecSymbol: "a spec",
    ConstantSymbol: "a constant",
}


@dataclass(eq=False)
class Frame:
    """One workflow (or one constant), being checked. `infer` gives the type of an expression.

    `later` are the names that are bound anywhere, `body` those of the body while `finally` is
    checked. `secrets` is true within the arguments of a call of a task. `started` counts the calls
    seen so far that start something, so that a fan-out can be told from a plain list.
    """

    context: Context
    module: SpecModule
    info: Info
    infer_with: Callable[[Frame, ast.Expr], Type]
    scope: Scope = field(default_factory=Scope)
    later: dict[str, ast.Span] = field(default_factory=dict)
    body: dict[str, ast.Span] = field(default_factory=dict)
    bindings: list[Binding] = field(default_factory=list)
    secrets: bool = False
    started: int = 0
    in_workflow: bool = True

    def infer(self, node: ast.Expr) -> Type:
        """The type of an expression; noted for the lowering."""
        found = self.infer_with(self, node)
        self.info.types[id(node)] = found
        return found

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
        self.context.report(code, message, span, label, hint, related)

    def warn(
        self, code: str, message: str, span: ast.Span, label: str = "", hint: str = ""
    ) -> None:
        """Add a warning."""
        self.context.report(code, message, span, label, hint, severity="warning")

    # ------------------------------------------------------------------ names

    def name(self, node: ast.Name, attribute: str = "") -> Type:
        """The type of a name, which is thereby used: whole, or one attribute of it."""
        binding = self.scope.find(node.id)
        if binding is not None:
            binding.use(attribute)
            if binding.running:
                self.info.running[id(node)] = binding.running
            return binding.type
        symbol = self.module.symbols.get(node.id)
        if isinstance(symbol, ConstantSymbol):
            self.context.used.add(symbol)
            return self.context.constant_type(symbol)
        partial = self.scope.find_partial(node.id)
        if partial is not None:
            partial.binding.use()
            text = f"`{node.id}` is bound only in some branches"
            related = (
                Label(partial.binding.span, "bound here"),
                Label(_first_line(partial.where), "another way through this `if` does not bind it"),
            )
            hint = "bind it in every branch that goes on"
            self.report(codes.MAYBE_UNBOUND, text, node.span, "may be unbound", hint, related)
            return partial.binding.type
        if node.id in self.body:
            text = f"`{node.id}` is bound in the body, and may not exist in `finally`"
            first = (Label(self.body[node.id], "bound here"),)
            hint = "`finally` runs whatever happens: it can use parameters and constants"
            self.report(codes.FINALLY_NAME, text, node.span, "may be unbound", hint, first)
            return ANY
        self._no_value(node, symbol)
        return ANY

    def _no_value(self, node: ast.Name, symbol: Symbol | None) -> None:
        if node.id in self.later and symbol is None:
            self._elsewhere(node, self.later[node.id])
        elif isinstance(symbol, TaskSymbol) and symbol.function is None:
            self.context.used.add(symbol)  # what is wrong with it is reported where it is declared
        elif symbol is not None:
            self.context.used.add(symbol)
            text = f"`{node.id}` is {WHAT[type(symbol)]}, not a value"
            hint = f"call it: `{node.id}(…)`"
            if isinstance(symbol, SpecSymbol):
                hint = f"name something in it: `{node.id}.x`"
            related = (Label(symbol.span, "declared here"),)
            self.report(codes.NO_VALUE, text, node.span, "expected a value", hint, related)
        elif node.id in BUILTINS or node.id in SPECIALS:
            text = f"`{node.id}` is a built-in function, not a value"
            self.report(
                codes.NO_VALUE, text, node.span, "expected a value", f"call it: `{node.id}(…)`"
            )
        else:
            self.unknown(node.id, node.span)

    def _elsewhere(self, node: ast.Name, place: ast.Span) -> None:
        """A name that is bound further down, or only in a branch that does not come here."""
        if (place.line, place.column) >= (node.span.line, node.span.column):
            text = f"`{node.id}` is used before it is bound"
            related = (Label(place, "bound here, further down"),)
            self.report(codes.USED_BEFORE, text, node.span, "not bound yet", related=related)
            return
        text = f"`{node.id}` is bound only in another branch"
        related = (Label(place, "bound here, in a branch that does not come to this line"),)
        hint = "bind it before the `if`, or in every branch that goes on"
        self.report(codes.MAYBE_UNBOUND, text, node.span, "not bound", hint, related)

    def unknown(self, name: str, span: ast.Span) -> None:
        """Report a name that nothing binds."""
        # Not lists: most errors of very many get no hint, and need no look at all the names.
        symbols = self.module.symbols
        constants = (n for n, s in symbols.items() if isinstance(s, ConstantSymbol))
        bound = chain(self.scope.visible(), constants)
        hint = self.context.suggest(name, bound, chain(symbols, BUILTINS, SPECIALS))
        self.report(
            codes.UNKNOWN_NAME, f"the name `{name}` is not known here", span, "not bound", hint
        )

    def bind(self, binding: Binding) -> None:
        """Bind a name, once on any path."""
        name = binding.name
        self.bindings.append(binding)
        if name == "_":
            binding.used = True
            return
        partial = self.scope.find_partial(name)
        first = self.scope.find(name) or (partial.binding if partial else None)
        if first is not None:
            text = f"`{name}` is bound twice"
            what = {"parameter": "a parameter", "loop": "the loop's name"}.get(
                first.kind, "bound first"
            )
            hint = "a name is bound once: choose another name for the second value"
            related = (Label(first.span, what),)
            self.report(codes.BOUND_TWICE, text, binding.span, "bound again", hint, related)
            binding.used = True
        self.scope.names[name] = binding

    def running(self, node: ast.Expr) -> Running:
        """Whether an expression is one running call of this frame, or many."""
        return self.info.running.get(id(node), "")

    # ------------------------------------------------------------------ plain values

    def plain(self, node: ast.Expr, use: str = "") -> Type:
        """The type of an expression where a plain value is needed; `use` says what for."""
        return self.as_plain(node, self.infer(node), use)

    def as_plain(self, node: ast.Expr, found: Type, use: str = "") -> Type:
        """Report a pending value, a `Result` or a wait's record where a plain value is needed."""
        name = f"`{node.id}`" if isinstance(node, ast.Name) else "this"
        shown = node.id if isinstance(node, ast.Name) else "x"
        after = f" {use}" if use else " as a plain value"
        if isinstance(found, PendingType):
            text = f"{name} is pending, and cannot be used{after}"
            hint = "pass it to a task (which gets the list of its results), iterate over it, or `wait` on it"
            self.report(codes.PENDING_VALUE, text, node.span, "still running", hint)
        elif isinstance(found, ResultType):
            text = f"{name} is a Result, and cannot be used{after}"
            hint = f"test `{shown}.ok`, and use `{shown}.value` or `{shown}.error`"
            self.report(codes.RESULT_VALUE, text, node.span, "the result of `catch`", hint)
        elif isinstance(found, WaitType):
            text = f"{name} is the record of a wait, and cannot be used{after}"
            hint = (
                f"use `{shown}.ready`, `{shown}.pending`, `{shown}.failed` or `{shown}.timed_out`"
            )
            self.report(codes.RESULT_VALUE, text, node.span, "the result of `wait`", hint)
        else:
            return found
        return ANY

    def value_of(self, node: ast.Expr) -> object:
        """The value of a constant expression, or `None` when it is not known.

        A local name is never a constant, whatever a constant of that name says.
        """
        if isinstance(node, ast.Name) and self.scope.find(node.id) is not None:
            return None
        if not isinstance(node, (ast.Constant, ast.Name, ast.Unary, ast.Binary)):
            return None
        return self.context.constants.known(self.module, node)


def _first_line(span: ast.Span) -> ast.Span:
    """The start of a long statement: its keyword."""
    return ast.Span(span.file, span.line, span.column, span.line, span.column + 2)


def members(t: Type) -> tuple[Type, ...]:
    """The members of a union; any other type alone."""
    if isinstance(t, UnionType):
        return t.members
    return () if t == NEVER else (t,)
