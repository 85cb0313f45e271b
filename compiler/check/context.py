"""What all checks share: the project, the list of findings, and the signatures of what is called."""

from __future__ import annotations

import ast as python
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Literal

from wfc.compiler import codes, pytypes, types
from wfc.compiler.constants import Constants
from wfc.compiler.limits import MAX_CHAIN
from wfc.compiler.options import search_path
from wfc.compiler.parameters import Param
from wfc.compiler.project import (
    ConstantSymbol,
    Project,
    SpecModule,
    SpecSymbol,
    Symbol,
    TaskSymbol,
    TypeSymbol,
    WorkflowSymbol,
)
from wfc.compiler.signatures import Function
from wfc.compiler.types import ANY, Instance, Type
from wfc.dsl import ast
from wfc.dsl.diagnostics import Diagnostic, Label

_FORMS = (
    "Any",
    "Literal",
    "Optional",
    "Union",
    "None",
    "Tuple",
    "List",
    "Dict",
    "Set",
    "FrozenSet",
    "...",
)
_LANGUAGE = ("pending", "Pending", "Result")

CASCADES = frozenset(
    (
        codes.UNKNOWN_NAME,
        codes.UNKNOWN_CALLEE,
        codes.UNKNOWN_TYPE,
        codes.USED_BEFORE,
        codes.NOT_IN_SPEC,
        codes.UNUSED_IMPORT,
        codes.UNUSED_VALUE,
        codes.PENDING_DROPPED,
        codes.MISSING_RETURN,
        codes.TASK_TARGET,
        codes.EXCEPTION,
        codes.OPTION_CONSTANT,
        codes.NOT_CONSTANT,
    )
)
"""What is not reported for a file that could not be parsed whole: the missing part may be the cause."""


@dataclass(frozen=True, slots=True)
class Callee:
    """Something that can be called: `params` is `None` when any arguments are accepted."""

    name: str
    what: str
    params: tuple[Param, ...] | None
    returns: Type
    where: ast.Span | None = None


@dataclass(eq=False)
class Context:
    """One check of one project."""

    project: Project
    strict: bool
    found: list[Diagnostic] = field(default_factory=list)
    used: set[Symbol] = field(default_factory=set)
    rings: set[frozenset[str]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.constants = Constants(self.project)
        self.suggest = self.constants.suggest
        self._chain = 0
        self._callees: dict[Symbol, Callee] = {}
        self._types: dict[int, Type] = {}
        self._constant_types: dict[ConstantSymbol, Type] = {}
        self.type_constant: Callable[[Context, ConstantSymbol], Type] = lambda _c, _s: ANY
        self._broken = {m.file for m in self.project.modules.values() if m.broken}

    def report(
        self,
        code: str,
        message: str,
        span: ast.Span,
        label: str = "",
        hint: str = "",
        related: Sequence[Label] = (),
        severity: Literal["error", "warning"] = "error",
    ) -> None:
        """Add a finding."""
        if code in CASCADES and span.file in self._broken:
            return
        self.found.append(Diagnostic(code, message, span, label, hint, tuple(related), severity))

    # ------------------------------------------------------------------ types as written

    def type(self, module: SpecModule, node: ast.TypeExpr | None) -> Type:
        """The type that an annotation of a spec means; what is wrong with it is reported once."""
        if node is None:
            return ANY
        if id(node) not in self._types:
            self._types[id(node)] = self._read_type(module, node)
        return self._types[id(node)]

    def _read_type(self, module: SpecModule, node: ast.TypeExpr) -> Type:
        name = node.name
        if node.literal:
            text, hint = f"`{name}` is a value, not a type", f"write `Literal[{name}]`"
            self.report(codes.UNKNOWN_TYPE, text, node.span, "expected a type", hint)
            return ANY
        known = name in types.CLASSES or name in _FORMS or name in ("tuple", *_LANGUAGE)
        if known and name not in module.symbols:
            return self._generic(module, node)
        for arg in node.args:
            self.type(module, arg)
        symbol = self.project.resolve(module, as_expr(node.name, node.span))
        self.use(module, node.name)
        if isinstance(symbol, TypeSymbol):
            return Instance(symbol.cls)
        if isinstance(symbol, TaskSymbol):
            return self._alias(symbol, node)
        if symbol is None and "." in name:
            owner = module.symbols.get(name.partition(".")[0])
            if not isinstance(owner, SpecSymbol):
                return self._python_type(module, node)
            if owner.target is None:
                return ANY
        own = (n for n, s in module.symbols.items() if isinstance(s, TypeSymbol))
        hint = self.suggest(name, chain(own, types.CLASSES, _FORMS, _LANGUAGE, ("tuple",)))
        what = "is not a type" if symbol is not None else "is not known here"
        hint = hint or "import it: `from module import TheClass`"
        self.report(
            codes.UNKNOWN_TYPE, f"the type `{name}` {what}", node.span, "expected a type", hint
        )
        return ANY

    def _generic(self, module: SpecModule, node: ast.TypeExpr) -> Type:
        if node.name == "Literal":
            return self._literal(node)
        count, most = len(node.args), _most_arguments(node.name)
        args = [self.type(module, a) for a in node.args]
        wrong = count > most or (most == 2 and count == 1)
        if wrong:
            takes = f"takes {most or 'no'} type argument{'' if most == 1 else 's'}"
            text = f"`{node.name}` {takes}, got {count}"
            self.report(codes.TYPE_ARGUMENTS, text, node.span, takes)
            return ANY
        dots = [a.name == "..." for a in node.args]
        return pytypes.generic("", node.name, count, lambda i: args[i] if i < count else ANY, dots)

    def _literal(self, node: ast.TypeExpr) -> Type:
        wrong = [a for a in node.args if not a.literal and a.name != "None"]
        if wrong or not node.args:
            text = "`Literal` takes texts, whole numbers, `True`, `False` and `None`"
            self.report(codes.TYPE_ARGUMENTS, text, (wrong or [node])[0].span, "expected a value")
            return ANY
        return types.LiteralType(tuple(python.literal_eval(a.name) for a in node.args))

    def _alias(self, symbol: TaskSymbol, node: ast.TypeExpr) -> Type:
        """A name from Python that is no class: an alias of a type, or something unreadable."""
        function = symbol.function
        if function is None or function.origin is None:
            return ANY
        if isinstance(function.origin.node, (python.FunctionDef, python.AsyncFunctionDef)):
            text = f"`{node.name}` is a function, not a type"
            self.report(codes.UNKNOWN_TYPE, text, node.span, "expected a type")
            return ANY
        origin = function.origin
        reader = self.project.reader.types
        return reader.annotation(origin.module, python.Name(origin.name, python.Load()))

    def _python_type(self, module: SpecModule, node: ast.TypeExpr) -> Type:
        search = search_path(self.constants, module)
        located, rest = self.project.reader.split(node.name, search)
        found = self.project.reader.lookup(located, rest, search)
        if isinstance(found, tuple):
            return Instance(found[1]) if found[1] is not None else ANY
        text = f"the type `{node.name}` is not known here"
        hint = "import it: `from module import TheClass`"
        self.report(codes.UNKNOWN_TYPE, text, node.span, "expected a type", hint)
        return ANY

    def constant_type(self, symbol: ConstantSymbol) -> Type:
        """The type of a constant; its expression is checked once, by what `type_constant` says."""
        if symbol not in self._constant_types:
            self._constant_types[symbol] = ANY  # where it refers to itself
            if self._chain > MAX_CHAIN:
                text = f"more than {MAX_CHAIN} constants need each other, one after the other"
                self.report(codes.TOO_DEEP, text, symbol.span)
                return ANY
            self._chain += 1
            self._constant_types[symbol] = self.type_constant(self, symbol)
            self._chain -= 1
        return self._constant_types[symbol]

    # ------------------------------------------------------------------ what is called

    def use(self, module: SpecModule, dotted: str) -> None:
        """Note that a module uses a name of its own."""
        symbol = module.symbols.get(dotted.partition(".")[0])
        if symbol is not None:
            self.used.add(symbol)

    def callee(self, symbol: TaskSymbol | WorkflowSymbol | TypeSymbol) -> Callee:
        """The signature of a task, a workflow or a class."""
        if symbol not in self._callees:
            if isinstance(symbol, WorkflowSymbol):
                self._callees[symbol] = self._of_workflow(symbol)
            else:
                task = symbol.task if isinstance(symbol, TypeSymbol) else symbol
                self._callees[symbol] = self._of_task(task)
        return self._callees[symbol]

    def parameters(self, module: SpecModule, signature: ast.Signature) -> tuple[Param, ...]:
        """The parameters of a signature in a spec."""
        return tuple(
            Param(
                p.name,
                "normal",
                self.type(module, p.annotation),
                p.default is not None,
                p.annotation is not None,
            )
            for p in signature.parameters
        )

    def _of_workflow(self, symbol: WorkflowSymbol) -> Callee:
        signature = symbol.decl.signature
        params = self.parameters(symbol.module, signature)
        returns = self.type(symbol.module, signature.returns)
        return Callee(symbol.name, "workflow", params, returns, symbol.span)

    def _of_task(self, task: TaskSymbol) -> Callee:
        function, decl = task.function, task.decl
        params = function.params if function is not None else None
        returns = function.returns if function is not None else ANY
        where = python_span(function)
        if decl is not None and decl.signature is not None:
            written = self.parameters(task.module, decl.signature)
            params = written if params is None else _merged(params, written)
            if decl.signature.returns is not None and returns == ANY:
                returns = self.type(task.module, decl.signature.returns)
            where = decl.name_span
        return Callee(task.name, "task", params, returns, where)


def _most_arguments(name: str) -> int:
    """How many type arguments a class or form takes."""
    if name in ("tuple", "Tuple", "Union", "Callable", "Generator"):
        return 1000
    if name in ("dict", "Mapping", "MutableMapping", "Dict"):
        return 2
    if name in ("list", "set", "frozenset"):
        return 1
    cls = types.CLASSES.get(name)
    return 0 if name in ("Any", "None", "...") or (cls and cls.module == "builtins") else 1


def _merged(params: tuple[Param, ...], written: tuple[Param, ...]) -> tuple[Param, ...]:
    """Python's parameters, with the spec's types where Python has none."""
    own = {p.name: p for p in written}
    return tuple(
        Param(p.name, p.kind, own[p.name].type, p.has_default, own[p.name].annotated)
        if p.name in own and not p.annotated
        else p
        for p in params
    )


def as_expr(dotted: str, span: ast.Span) -> ast.Expr:
    """A dotted name as an expression."""
    first, *rest = dotted.split(".")
    made: ast.Expr = ast.Name(first, span)
    for part in rest:
        made = ast.Attribute(made, part, span, span)
    return made


def python_span(function: Function | None) -> ast.Span | None:
    """Where a Python function beside the spec is defined."""
    if function is None or function.beside is None or not function.file.endswith(".py"):
        return None
    return ast.Span(function.file, function.line, 1, function.line, 2)
