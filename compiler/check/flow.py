"""The statements of a workflow, in order: what they bind, and where they end it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from wfc.compiler import codes
from wfc.compiler.check.context import Context
from wfc.compiler.check.expressions import infer, unpacked
from wfc.compiler.check.frame import Frame
from wfc.compiler.check.info import Info
from wfc.compiler.check.scope import Binding, Scope, settled
from wfc.compiler.check.sizes import size_of
from wfc.compiler.check.specials import cancel, fail
from wfc.compiler.constants import dotted
from wfc.compiler.project import Builtin, WorkflowSymbol
from wfc.compiler.relations import assignable, joined
from wfc.compiler.types import (
    ANY,
    NONE,
    AnyType,
    NoneT,
    PendingType,
    ResultType,
    Type,
    UnionType,
    WaitType,
    a_type,
    article,
    mismatch,
)
from wfc.dsl import ast
from wfc.dsl.diagnostics import Label


def check_workflow(context: Context, symbol: WorkflowSymbol) -> Info:
    """Check the body of a workflow and its `finally`."""
    info = Info()
    frame = Frame(context, symbol.module, info, infer)
    walker = _Walker(frame, symbol)
    try:
        walker.run()
    except RecursionError:
        text = f"the workflow `{symbol.name}` is nested too deeply to be checked"
        context.report(
            codes.TOO_DEEP, text, symbol.span, hint="give the inner parts names of their own"
        )
    return info


class _Walker:
    """Walks one workflow. A block's method gives whether the block goes on to what follows it."""

    def __init__(self, frame: Frame, symbol: WorkflowSymbol) -> None:
        self.frame = frame
        self.symbol = symbol
        self.returns = frame.context.callee(symbol).returns
        self.in_finally = False
        self.result: ast.Span | None = None
        """Where the body first gives a result."""

    def run(self) -> None:
        """Body, `finally`, and what was never used."""
        frame, decl = self.frame, self.symbol.decl
        params = frame.context.parameters(frame.module, decl.signature)
        parameters = Scope()
        for node, param in zip(decl.signature.parameters, params, strict=True):
            parameters.names[param.name] = Binding(param.name, node.span, param.type, "parameter")
        frame.later = dict(_bound_in(decl.body))
        frame.scope = Scope(parameters)
        goes_on = self.block(decl.body)
        if goes_on and not _may_be_none(self.returns):
            self._no_return(decl)
        elif goes_on and self.result is not None and isinstance(self.returns, AnyType):
            self._sometimes_none(decl, self.result)
        if decl.finally_:
            frame.scope = Scope(parameters)
            frame.body = {n: s for n, s in _bound_in(decl.body) if parameters.find(n) is None}
            frame.later = dict(_bound_in(decl.finally_))
            for name in frame.later:
                frame.body.pop(name, None)
            self.in_finally = True
            self.block(decl.finally_)
        self._unused()

    def _no_return(self, decl: ast.WorkflowDecl) -> None:
        text = f"`{decl.name}` can end without a `return`"
        hint = "return a value on every path"
        where: tuple[Label, ...] = ()
        if decl.body and isinstance(decl.body[-1], ast.If):
            last = decl.body[-1].span
            start = ast.Span(last.file, last.line, last.column, last.line, last.column + 2)
            where = (Label(start, "a way through this `if` returns nothing"),)
        expected = f"declared to give {a_type(self.returns)}"
        self.frame.report(codes.MISSING_RETURN, text, decl.name_span, expected, hint, where)

    def _sometimes_none(self, decl: ast.WorkflowDecl, first: ast.Span) -> None:
        text = f"`{decl.name}` gives a value here, and on another way it ends without a `return`"
        hint = "return a value on every path; where nothing is meant, write `return None`"
        self.frame.warn(codes.MISSING_RETURN, text, first, "gives a value", hint)

    # ------------------------------------------------------------------ statements

    def block(self, body: tuple[ast.Statement, ...]) -> bool:
        """Check statements in order."""
        goes_on = True
        dead = False
        for statement in body:
            if not goes_on and not dead:
                dead = True
                text = "this can never be reached"
                self.frame.warn(
                    codes.DEAD_CODE, text, statement.span, "the workflow has ended before"
                )
            goes_on = _STATEMENTS[type(statement)](self, statement) and goes_on
        return goes_on

    def assign(self, node: ast.Assign) -> bool:
        """`a = value`, `a, b = value`."""
        frame = self.frame
        found = frame.infer(node.value)
        running = frame.running(node.value) if len(node.targets) == 1 else ""
        dropped = _remainder(node.value, found)
        count = None
        if len(node.targets) > 1 and isinstance(found, WaitType):
            kinds = self._wait_targets(node, found)
        else:
            kinds = unpacked(frame, found, node.targets)
            if len(node.targets) == 1:
                count = size_of(frame, node.value)
            else:
                kinds = [ANY if isinstance(k, PendingType) else k for k in kinds]
        made = [
            Binding(t.id, t.span, kind, running=running, count=count)
            for t, kind in zip(node.targets, kinds, strict=True)
        ]
        for binding in made:
            binding.siblings = tuple(made)
            if isinstance(_uncaught(binding.type), (PendingType, WaitType)):
                binding.dropped = dropped
            frame.bind(binding)
        for target in node.targets:
            bound = frame.scope.find(target.id)
            if bound is not None:
                frame.info.types[id(target)] = bound.type
        return True

    def _wait_targets(self, node: ast.Assign, found: WaitType) -> list[Type]:
        if len(node.targets) == 2:
            return [found.ready, PendingType(found.item)]
        span = node.targets[0].span.to(node.targets[-1].span)
        text = f"a `wait` gives two values, and is unpacked into {len(node.targets)} names"
        hint = (
            "write `ready, pending = wait(…)`, or `w = wait(…)` for `.failed` and `.timed_out` too"
        )
        self.frame.report(codes.WAIT_TARGETS, text, span, "expected two names", hint)
        return [ANY] * len(node.targets)

    def expression(self, node: ast.ExprStatement) -> bool:
        """A bare call."""
        frame, value = self.frame, node.value
        if isinstance(value, ast.Call):
            found = frame.context.project.resolve(frame.module, value.func)
            if isinstance(found, Builtin) and found.name == "fail":
                fail(frame, value)
                return False
            if isinstance(found, Builtin) and found.name == "cancel":
                cancel(frame, value)
                return True
        kind = frame.infer(value)
        if _remainder(value, kind):
            self._dropped("", value.span)
        elif (
            not frame.running(value) and not isinstance(value, ast.Wait) and not self._secret(value)
        ):
            text = "this does nothing by itself"
            hint = "give it a name (`x = …`), `return` it, or remove it"
            frame.report(codes.NO_EFFECT, text, node.span, "no task runs here", hint)
        return True

    def _secret(self, node: ast.Expr) -> bool:
        """A bare `secret(…)` is reported for where it stands."""
        return isinstance(node, ast.Call) and dotted(node.func) == "secret"

    def return_(self, node: ast.Return) -> bool:
        """`return value`."""
        found = self.frame.infer(node.value) if node.value is not None else NONE
        self._note_result(found, node.span)
        where = node.value.span if node.value is not None else node.span
        if node.value is not None and isinstance(_uncaught(found), WaitType):
            self.frame.as_plain(node.value, found, "as the result of a workflow")
            return False
        self._ends(node.span, "return")
        self._gives(found, where)
        return False

    def continuation(self, node: ast.Continuation) -> bool:
        """`continuation call(…)`."""
        frame = self.frame
        found = frame.infer(node.call)
        self._note_result(found, node.span)
        self._ends(node.span, "continuation")
        if isinstance(node.call, ast.Call) and self._is_builtin(node.call):
            text = "`continuation` takes a call of a task or of a workflow"
            hint = "for a value, write `return`"
            frame.report(codes.CONTINUATION_TARGET, text, node.call.span, "not such a call", hint)
            return False
        self._gives(found, node.call.span)
        return False

    def _is_builtin(self, node: ast.Call) -> bool:
        return isinstance(self.frame.context.project.resolve(self.frame.module, node.func), Builtin)

    def _note_result(self, found: Type, span: ast.Span) -> None:
        if not self.in_finally and self.result is None and not isinstance(found, NoneT):
            self.result = span

    def _ends(self, span: ast.Span, word: str) -> None:
        if self.in_finally:
            text = f"`finally` cannot end the workflow with `{word}`"
            hint = "it runs after the workflow has its result: only calls belong here"
            self.frame.report(codes.EXIT_IN_FINALLY, text, span, hint=hint)

    def _gives(self, found: Type, span: ast.Span) -> None:
        if self.in_finally or assignable(joined(found), self.returns):
            return
        wanted, got = mismatch(self.returns, joined(found))
        text = f"`{self.symbol.name}` is declared to give {article(wanted)}, and this is {article(got)}"
        related: tuple[Label, ...] = ()
        declared = self.symbol.decl.signature.returns
        if declared is not None:
            related = (Label(declared.span, "declared here"),)
        self.frame.report(codes.RETURN_TYPE, text, span, f"expected {wanted}", related=related)

    def if_(self, node: ast.If) -> bool:
        """`if/elif/else`: what every arm that goes on binds is bound afterwards."""
        frame = self.frame
        outer = frame.scope
        arms: list[Scope] = []
        before: dict[str, bool] = {}
        for test, body in node.arms:
            frame.scope = Scope(outer)
            frame.scope.ok.update(before)
            frame.plain(test, "as a condition")
            holds, fails = settled(test)
            before |= fails
            frame.scope.ok.update(holds)
            if self.block(body):
                arms.append(frame.scope)
        frame.scope = Scope(outer)
        frame.scope.ok.update(before)
        if self.block(node.orelse):
            arms.append(frame.scope)
        frame.scope = outer
        outer.merge(arms, node.span)
        if len(arms) == 1:
            outer.ok.update(arms[0].ok)
        return bool(arms)

    def pass_(self, node: ast.Pass) -> bool:
        """Nothing."""
        return True

    # ------------------------------------------------------------------ unused

    def _unused(self) -> None:
        for binding in self.frame.bindings:
            if binding.name.startswith("_"):
                continue
            if isinstance(binding.type, PendingType) and not binding.used:
                if binding.dropped:
                    self._dropped(binding.name, binding.span)
            elif isinstance(_uncaught(binding.type), WaitType) and binding.used:
                part = "value" if isinstance(binding.type, ResultType) else "pending"
                if binding.dropped and not binding.whole and part not in binding.attributes:
                    self._dropped(f"{binding.name}.{part}", binding.span)
            elif not binding.used and not any(s.used for s in binding.siblings if s is not binding):
                text = f"`{binding.name}` is never used"
                hint = "a bare call runs all the same: drop the name, or begin it with `_`"
                if self.result is None and binding is self.frame.bindings[-1]:
                    hint = (
                        f"if it is the result, write `return {binding.name}`; if not, drop the name"
                    )
                self.frame.warn(codes.UNUSED_VALUE, text, binding.span, hint=hint)

    def _dropped(self, name: str, span: ast.Span) -> None:
        what = f"`{name}`, the calls that still run," if name else "the remainder of this `wait`"
        text = f"{what} {'are' if name else 'is'} never used"
        hint = "they are cancelled when the workflow ends: to say so, `cancel(…)` them, or name them `_`"
        self.frame.warn(codes.PENDING_DROPPED, text, span, "dropped", hint)


def _remainder(node: ast.Expr, found: Type) -> str:
    """Whether a wait may leave something running: not when it waits for all without a limit."""
    if isinstance(node, ast.Wait) and node.quorum == "all" and node.timeout is None:
        return ""
    return "wait" if isinstance(_uncaught(found), WaitType) else ""


def _uncaught(found: Type) -> Type:
    """The type without the `Result` that a `catch` puts round it."""
    return found.value if isinstance(found, ResultType) else found


def _may_be_none(t: Type) -> bool:
    if isinstance(t, UnionType):
        return any(isinstance(m, NoneT) for m in t.members)
    return isinstance(t, (AnyType, NoneT))


def _bound_in(body: tuple[ast.Statement, ...]) -> Iterator[tuple[str, ast.Span]]:
    """The names that statements bind, each with the first place that does."""
    seen: set[str] = set()
    todo = list(reversed(body))
    while todo:
        statement = todo.pop()
        if isinstance(statement, ast.Assign):
            for target in statement.targets:
                if target.id not in seen:
                    seen.add(target.id)
                    yield target.id, target.span
        elif isinstance(statement, ast.If):
            todo.extend(reversed(statement.orelse))
            for _, arm in reversed(statement.arms):
                todo.extend(reversed(arm))


_STATEMENTS: dict[type, Callable[[_Walker, Any], bool]] = {
    ast.Assign: _Walker.assign,
    ast.ExprStatement: _Walker.expression,
    ast.Return: _Walker.return_,
    ast.Continuation: _Walker.continuation,
    ast.If: _Walker.if_,
    ast.Pass: _Walker.pass_,
}
