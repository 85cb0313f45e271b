"""Calls: of workflows, tasks, built-ins, and those that a graph holds which a task returned."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tests.oracle.reference.cells import Remainder, attempt, caught, check_copy, copy, gather, join
from tests.oracle.reference.fanouts import FanOuts
from tests.oracle.reference.frames import Frame, Scope
from tests.oracle.reference.names import (
    BUILTINS,
    Task,
    Workflow,
    arguments,
    dotted_name,
    name_of,
    takes_anything,
    wants_handle,
)
from tests.oracle.reference.outcome import (
    ANY,
    CallRecord,
    Error,
    FailuresError,
    Trace,
    UnsupportedError,
)
from wfc.dsl import ast
from wfc.runtime.values import Pending


class Calls(FanOuts):
    """Makes calls."""

    def _call(self, call: ast.Call, scope: Scope, name: str | None) -> Any:
        callee = self._callee(call.func, scope.frame.workflow.file)
        if callee in BUILTINS:
            assert isinstance(callee, str)
            values = self._all([value for _slot, value in arguments(call)], scope)
            args = values[: len(call.args)]
            kwargs = {
                k.name: v for k, v in zip(call.keywords, values[len(call.args) :], strict=True)
            }
            return attempt(lambda: BUILTINS[callee](*args, **kwargs))
        simple = dotted_name(call.func).rpartition(".")[2]

        def path() -> str:  # a call has its number after those that it is given the results of
            return f"{scope.path}/{name}" if name else scope.unnamed(simple)

        return self._prepare(call, scope, path)(None)

    def _prepare(
        self, call: ast.Call, scope: Scope, path: Callable[[], str]
    ) -> Callable[[list[Callable[[], None]] | None], Any]:
        """Evaluate the arguments of a call; the result makes the call.

        A continuation is given the `finally` blocks of its chain, and may give a further `Hop`.
        """
        callee = self._callee(call.func, scope.frame.workflow.file)
        slots = list(arguments(call))
        afters = call.modifiers.after
        made = gather(
            [
                *(
                    lambda s=slot, v=value: self._argument(callee, s, v, scope)
                    for slot, value in slots
                ),
                *(lambda e=expr: self.value(e, scope) for expr in afters),
            ]
        )
        values = made[: len(slots)]
        args = [v for (slot, _), v in zip(slots, values, strict=True) if isinstance(slot, int)]
        kwargs = {s: v for (s, _), v in zip(slots, values, strict=True) if isinstance(s, str)}
        nocheckpoint = scope.frame.nocheckpoint or call.modifiers.nocheckpoint is not None
        trace = scope.trace

        at = path()

        def run(finals: list[Callable[[], None]] | None = None) -> Any:
            if isinstance(callee, str):
                return self._special(callee, args, kwargs)
            if isinstance(callee, Workflow):
                if finals is not None:
                    return self._frame(callee, args, kwargs, at, trace, nocheckpoint, finals)
                return self.call_workflow(callee, args, kwargs, at, trace, nocheckpoint)
            inplace = callee.inplace or call.modifiers.inplace is not None
            keep = not (nocheckpoint or callee.nocheckpoint)
            return self.call_task(callee.fn, args, kwargs, trace, inplace, keep, scope.frame)

        if call.modifiers.catch is not None:
            return lambda _finals: caught(run)
        return run

    def _argument(self, callee: Any, slot: int | str, expr: ast.Expr, scope: Scope) -> Any:
        if callee == "cancel" or wants_handle(callee, slot):
            return Remainder(tuple(self.members(expr, scope)))
        value = self.value(expr, scope)
        return value if takes_anything(callee, slot) else join(value)

    def call_task(
        self,
        fn: Callable[..., Any],
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        trace: Trace,
        inplace: bool = False,
        keep: bool = True,
        frame: Frame | None = None,
    ) -> Any:
        """Call a Python function. Unless it is inplace it gets copies, as over a process boundary."""
        args = [self._handed(value) for value in args]
        kwargs = {name: self._handed(value) for name, value in kwargs.items()}
        if not inplace:
            args = [copy(value) for value in args]
            kwargs = {name: copy(value) for name, value in kwargs.items()}
        trace.entries.append(CallRecord.of(fn, args, kwargs))
        result = attempt(lambda: fn(*args, **kwargs))
        if self.graphs is not None:
            result = self.graphs(self, result, trace, frame)
        return copy(result) if keep and not inplace else check_copy(result) if keep else result

    # ---- for graphs that tasks return

    def call_function(
        self, fn: Any, args: Any, kwargs: Any, trace: Trace, inplace: bool, keep: bool, frame: Any
    ) -> Any:
        """A call of a Python function in a graph."""
        return self.call_task(fn, args, kwargs, trace, inplace, keep, frame)

    def call_named(
        self, name: str, args: Any, kwargs: Any, trace: Trace, inplace: bool, keep: bool, frame: Any
    ) -> Any:
        """A call of a task or workflow of the running spec in a graph."""
        span = ast.Span(frame.workflow.file, 1, 1, 1, 1)
        callee = self._callee(name_of(name, span), frame.workflow.file)
        if isinstance(callee, Workflow):
            return join(self.call_workflow(callee, args, kwargs, "?", trace, not keep))
        assert isinstance(callee, Task)
        return self.call_task(callee.fn, args, kwargs, trace, inplace, keep, frame)

    def _handed(self, value: Any) -> Any:
        """A pending value as a Python function gets it."""
        if not isinstance(value, Remainder):
            return value
        key = f"reference-{len(self.handles)}"
        self.handles[key] = value
        return Pending(key, "", tuple(range(len(value.members))))

    def _special(self, name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        if name in ("sleep", "cancel"):
            return None
        if name == "fail":
            raise FailuresError(Error(ANY, str(args[0] if args else kwargs.get("message", ""))))
        if name == "secret":
            return self.secrets[args[0]]
        signal = args[0] if args else kwargs["name"]
        return self.take_signal(signal, "timeout" in kwargs or len(args) > 1)

    def take_signal(self, signal: str, has_timeout: bool) -> Any:
        """The next payload of a signal."""
        waiting = self.signals.get(signal)
        if waiting:
            return waiting.popleft()
        if has_timeout:
            raise FailuresError(Error(ANY, ANY))
        raise UnsupportedError(f"nobody sends the signal {signal!r}")
