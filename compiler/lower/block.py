"""Where lowered code goes: the workflow at hand, the block at hand, and the way in for expressions.

`value` lowers an expression by the type of its syntax node. The modules of this package register
their functions with `lowers`, so that none of them needs to import another for the recursion.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from wfc.compiler.check import Info
from wfc.compiler.constants import Constants
from wfc.compiler.ir import EXITS, BranchNode, Expr, Graph, Node, defines
from wfc.compiler.lower.scope import Binding, Names, Scope
from wfc.compiler.options import Place, read
from wfc.compiler.pages import NOT_LOWERED
from wfc.compiler.project import (
    Builtin,
    ConstantSymbol,
    Project,
    SpecModule,
    Symbol,
    TaskSymbol,
    WorkflowSymbol,
)
from wfc.dsl import ast
from wfc.dsl.ast import Span
from wfc.dsl.diagnostics import Diagnostic

NOTHING: Expr = ["lit", None]

Lowerer = Callable[["Block", Any, "str | None"], Expr]
F = TypeVar("F", bound=Lowerer)
_LOWERERS: dict[type, Lowerer] = {}


def lowers(*kinds: type) -> Callable[[F], F]:
    """Register a function as the one that lowers these syntax nodes."""

    def register(function: F) -> F:
        for kind in kinds:
            _LOWERERS[kind] = function
        return function

    return register


def value(block: Block, node: ast.Expr, bound: str | None = None) -> Expr:
    """Lower an expression: the calls in it become nodes of the block, what is left is returned.

    `bound` is the id that the node gets that makes the value, where there is one: then the result
    is `["name", bound]`.
    """
    return _LOWERERS[type(node)](block, node, bound)


class Lowering:
    """What the lowering of a whole project shares."""

    def __init__(self, project: Project, evaluator: Constants) -> None:
        self.project = project
        self.evaluator = evaluator
        self.diagnostics: list[Diagnostic] = []
        self.constants: dict[int, Expr] = {}
        self.needed: dict[str, TaskSymbol] = {}

    def need(self, symbol: TaskSymbol | WorkflowSymbol) -> None:
        """Note that the plan must hold a task."""
        if isinstance(symbol, TaskSymbol):
            self.needed[symbol.key] = symbol

    def refuse(self, code: str, message: str, span: Span, label: str = "", hint: str = "") -> Expr:
        """Report what cannot be lowered; the result stands for the value that it has not."""
        self.diagnostics.append(Diagnostic(code, message, span, label, hint))
        return NOTHING


class Frame:
    """The workflow (or the constant) that is being lowered."""

    def __init__(self, lowering: Lowering, module: SpecModule, info: Info) -> None:
        self.lowering = lowering
        self.module = module
        self.info = info
        self.lifting: dict[int, bool] = {}

    def symbol(self, node: ast.Call) -> Symbol | Builtin | None:
        """What a call calls."""
        info = self.info.call_at(node)
        if info is not None:
            return info.symbol
        return self.lowering.project.resolve(self.module, node.func)

    def options(self, given: Sequence[ast.Keyword], place: Place) -> dict[str, Any]:
        """The options of a `with (…)` as plain values; what is wrong with them is the checks' affair."""
        return read(self.lowering.evaluator, self.module, given, place)[0] if given else {}

    def constant(self, symbol: ConstantSymbol) -> Expr:
        """The expression of a constant, for a place that refers to it."""
        made = self.lowering.constants
        if id(symbol) not in made:
            made[id(symbol)] = NOTHING  # a cycle is an error of the checks
            frame = Frame(self.lowering, symbol.module, Info())
            made[id(symbol)] = value(Block(frame, Scope(), Names()), symbol.expr)
        return made[id(symbol)]


class Block:
    """A block of the workflow: a cursor at which nodes are appended.

    After a branch of which some arm ends the frame the cursor stands in the branch's `then`. Once
    the block always `ends`, what follows is unreachable, and is dropped.
    """

    def __init__(self, frame: Frame, scope: Scope, names: Names) -> None:
        self.frame = frame
        self.scope = scope
        self.names = names
        self.start = self.graph = Graph()
        self.ends = False
        self.may_end = False
        self.made: set[str] = set()

    def child(self) -> Block:
        """An arm: its own names and graph, the same paths."""
        return Block(self.frame, self.scope, Names(self.names))

    def body(self, owner: str) -> Block:
        """The body of the fan-out `owner`: its elements start new paths."""
        return Block(self.frame, Scope(self.scope, owner), Names(self.names))

    def add(self, node: Node) -> Expr:
        """Append a node; the result refers to its value."""
        if not self.ends:
            self.graph.add(node)
            self.made.update(defines(node))
            if isinstance(node, EXITS):
                self.graph.tail = node.id
                self.ends = self.may_end = True
        return ["name", node.id]

    def branch(self, node: BranchNode, arms: list[Block]) -> None:
        """Append a branch whose arms (the `else` last, where there is one) are these blocks."""
        if self.ends:
            return
        self.add(node)
        if not any(arm.may_end for arm in arms):
            return
        self.may_end = True
        self.graph.tail = node.id
        if node.orelse is not None and all(arm.ends for arm in arms):
            self.ends = True
        else:
            node.then = self.graph = Graph()

    def bind(self, name: str, binding: Binding) -> None:
        """Let a name of the spec stand for something from here on."""
        self.names.own[name] = binding

    def refuse(self, message: str, span: Span, label: str = "", hint: str = "") -> Expr:
        """Report what the compiler cannot do here."""
        return self.frame.lowering.refuse(NOT_LOWERED, message, span, label, hint)
