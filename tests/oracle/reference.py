"""The reference: a naive, sequential interpreter of the language, straight over the syntax tree.

It shares nothing with the compiler, the plan, the expression evaluator or the engine, so that a
mistake made there is not made here too. Whatever timing may decide is made explicit:

- A frame in which several calls fail may report any of their failures: an `Outcome` that failed
  holds the *set* of errors that are possible.
- The calls of a frame that failed, and those of the members of a `wait` that nobody needed, may or
  may not have been made: `Outcome.must` and `Outcome.may` tell the two kinds apart.
- Which members of a `wait` are ready first is asked of a `WaitPolicy`, so that a real run can be
  compared given the splits that it made.

Statements are evaluated in their order, one after the other. A failed call does not stop the
evaluation: its value becomes a broken cell, and everything that does not need it goes on, as it
would in a real run, where independent calls run side by side.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import math
import pickle
import posixpath
import re
import sys
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any

import cloudpickle

from wfc.dsl import ast
from wfc.runtime.values import Pending

ANY = "*"
"""Stands for a type or a message that the language does not settle."""

UNREACHABLE = "wfc.QuorumUnreachable"


@dataclass(frozen=True, slots=True)
class Error:
    """A failure as the language sees it: the exception's type and its text."""

    type: str
    message: str

    @classmethod
    def of(cls, error: BaseException) -> Error:
        return cls(type(error).__name__, str(error))

    def covers(self, type_name: str, message: str) -> bool:
        """Whether a real failure is this one; `type_name` may be dotted."""
        texts = (ANY, message, message.removeprefix("no item "))
        return self.type in (ANY, type_name, type_name.rpartition(".")[2]) and self.message in texts


class FailuresError(Exception):
    """The evaluation failed; `errors` are those that a real run might report."""

    def __init__(self, *errors: Error) -> None:
        super().__init__(errors)
        self.errors = frozenset(errors)


class UnsupportedError(Exception):
    """The program does something that the reference has no opinion on."""


class AmbiguousError(Exception):
    """The program looks at something that timing decides: its result is not determined."""


# --------------------------------------------------------------------------- what was called


@dataclass(frozen=True, slots=True)
class CallRecord:
    """One call of a Python function: its name and its arguments, bound to its parameters."""

    name: str
    args: str

    @classmethod
    def of(
        cls, fn: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> CallRecord:
        name = getattr(fn, "__name__", repr(fn))
        try:
            bound = _signature(fn).bind(*args, **kwargs)
        except (TypeError, ValueError):
            return cls(name, _shown(f"{list(args)!r} {dict(kwargs)!r}"))
        bound.apply_defaults()
        return cls(name, _shown(", ".join(f"{k}={v!r}" for k, v in bound.arguments.items())))


@functools.lru_cache(maxsize=1000)
def _signature(fn: Callable[..., Any]) -> inspect.Signature:
    return inspect.signature(fn)


def _shown(text: str) -> str:
    """A text without the addresses of objects."""
    return re.sub(r" at 0x[0-9a-f]+", "", text)


class Trace:
    """The calls made by some part of a run. `certain` is false where they may not have been made."""

    def __init__(self, parent: Trace | None = None, certain: bool = True) -> None:
        self.entries: list[CallRecord | Trace] = []
        self.certain = certain
        if parent is not None:
            parent.entries.append(self)

    def count(self) -> tuple[Counter[CallRecord], Counter[CallRecord]]:
        """The calls that were made for certain, and those that may have been made."""
        must: Counter[CallRecord] = Counter()
        may: Counter[CallRecord] = Counter()
        todo: list[tuple[Trace, bool]] = [(self, self.certain)]
        while todo:
            trace, certain = todo.pop()
            for entry in trace.entries:
                if isinstance(entry, Trace):
                    todo.append((entry, certain and entry.certain))
                else:
                    (must if certain else may)[entry] += 1
        return must, may


# --------------------------------------------------------------------------- waits


@dataclass(frozen=True, slots=True)
class Split:
    """How a `wait` ended: the positions of the members that were ready and that had failed."""

    ready: tuple[int, ...]
    failed: tuple[int, ...] = ()
    timed_out: bool = False


@dataclass(frozen=True, slots=True)
class WaitView:
    """What a policy is told of a `wait`: its path, whether each member succeeds, the quorum, …"""

    path: str
    succeeds: tuple[bool, ...]
    quorum: int
    has_timeout: bool


WaitPolicy = Callable[[WaitView], Split | None]
"""Gives the split of a `wait`, or `None` for a `wait` that failed."""


def in_order(view: WaitView) -> Split | None:
    """Members complete in their order, and never too late."""
    return by_order(range(len(view.succeeds)), view)


def by_order(order: Iterable[int], view: WaitView) -> Split | None:
    """The split when the members complete in this order."""
    ready: list[int] = []
    failed: list[int] = []
    for index in order:
        if len(ready) >= view.quorum:
            break
        (ready if view.succeeds[index] else failed).append(index)
    if len(ready) < view.quorum:
        return None
    return Split(tuple(sorted(ready)), tuple(sorted(failed)))


class Replayed:
    """The splits that a real run made, by path; other waits are as `otherwise` says."""

    def __init__(
        self, splits: Mapping[str, Split | None], otherwise: WaitPolicy = in_order
    ) -> None:
        self.splits = splits
        self.otherwise = otherwise
        self.used: set[str] = set()

    def __call__(self, view: WaitView) -> Split | None:
        if view.path not in self.splits:
            return self.otherwise(view)
        self.used.add(view.path)
        return self.splits[view.path]


def check_split(view: WaitView, split: Split | None) -> None:
    """Raise `AssertionError` when the language does not allow this split."""
    count = len(view.succeeds)
    if split is None:
        assert sum(view.succeeds) < view.quorum, f"{view}: failed, but could be reached"
        return
    assert all(view.succeeds[i] for i in split.ready), f"{view}: ready members failed: {split}"
    assert not any(view.succeeds[i] for i in split.failed), (
        f"{view}: failed members are fine: {split}"
    )
    assert all(0 <= i < count for i in split.ready + split.failed), (
        f"{view}: no such member: {split}"
    )
    assert list(split.ready) == sorted(set(split.ready)), f"{view}: not in input order: {split}"
    assert not set(split.ready) & set(split.failed), f"{view}: ready and failed: {split}"
    if split.timed_out:
        assert view.has_timeout, f"{view}: timed out without a timeout: {split}"
        assert len(split.ready) < view.quorum, f"{view}: timed out, but was reached: {split}"
    else:
        assert len(split.ready) == view.quorum, f"{view}: not exactly the quorum: {split}"


# --------------------------------------------------------------------------- values


_NOTHING = object()


class Cell:
    """The outcome of something: a value, or the errors that broke it.

    `trace` holds the calls that made it and `sources` the cells that it was made from: they are
    certain once somebody needs this cell.
    """

    def __init__(
        self,
        value: Any = _NOTHING,
        errors: frozenset[Error] = frozenset(),
        trace: Trace | None = None,
        sources: Sequence[Cell] = (),
    ) -> None:
        self.value = value
        self.errors = errors
        self.trace = trace
        self.sources = tuple(sources)

    def need(self) -> None:
        if self.trace is not None:
            self.trace.certain = True
        for source in self.sources:
            source.need()

    def get(self) -> Any:
        """The value; raises `FailuresError` when it is broken."""
        self.need()
        if self.errors:
            raise FailuresError(*self.errors)
        return self.value


class Fan(Cell):
    """A fan-out or a list of calls: members that run side by side.

    The value of each member is the list of `(key, value)` pairs that it adds to the whole: none
    when a condition leaves it out, several where inner generators are flattened.
    """

    def __init__(self, members: Sequence[Cell], simple: bool = True, keyed: bool = False) -> None:
        super().__init__()
        self.members = list(members)
        self.simple = simple
        self.keyed = keyed
        self.errors = frozenset().union(*(m.errors for m in members))
        self.sources = tuple(members)

    def get(self) -> Any:
        self.need()
        if self.errors:
            raise FailuresError(*self.errors)
        pairs = [pair for member in self.members for pair in member.value]
        return dict(pairs) if self.keyed else [value for _key, value in pairs]

    def elements(self) -> list[Cell]:
        """One cell per element of the list that this fan-out makes."""
        out: list[Cell] = []
        for member in self.members:
            if member.errors:
                out.append(Cell(errors=member.errors, sources=[member]))
            else:
                out += [Cell(value, sources=[member]) for _key, value in member.value]
        return out


@dataclass(frozen=True, slots=True)
class Remainder:
    """A `pending`: members that still run."""

    members: tuple[Cell, ...]

    def __len__(self) -> int:
        return len(self.members)

    def get(self) -> list[Any]:
        return gather(member.get for member in self.members)


@dataclass(frozen=True, slots=True)
class ErrorView:
    """`.error` of a `Result`; what timing decides cannot be read."""

    errors: frozenset[Error]

    @property
    def type(self) -> str:
        return self._only("type")

    @property
    def message(self) -> str:
        return self._only("message")

    @property
    def traceback(self) -> str:
        raise AmbiguousError("the text of a traceback")

    def _only(self, name: str) -> str:
        found = {getattr(error, name) for error in self.errors}
        if len(found) != 1 or ANY in found:
            raise AmbiguousError(f"{name} of {self.errors}")
        return str(found.pop())


@dataclass(frozen=True, slots=True)
class ResultView:
    """What `catch` gives."""

    ok: bool
    value: Any = None
    error: ErrorView | None = None


@dataclass(frozen=True, slots=True)
class WaitValue:
    """What `wait` gives."""

    ready: list[Any]
    pending: Remainder
    failed: list[ErrorView]
    timed_out: bool


def gather(makers: Iterable[Callable[[], Any]]) -> list[Any]:
    """All the values; or all the failures together, since what makes them runs side by side."""
    values: list[Any] = []
    errors: set[Error] = set()
    for make in makers:
        try:
            values.append(make())
        except FailuresError as failed:
            errors |= failed.errors
    if errors:
        raise FailuresError(*errors)
    return values


def attempt(make: Callable[[], Any]) -> Any:
    """The value; what Python raises becomes a failure of the run."""
    try:
        return make()
    except (FailuresError, UnsupportedError, AmbiguousError):
        raise
    except Exception as error:
        raise FailuresError(Error.of(error)) from error


# --------------------------------------------------------------------------- the outcome


@dataclass(frozen=True)
class Outcome:
    """How a run ends: its value, or the errors of which it reports one; and the calls it made."""

    value: Any
    errors: frozenset[Error]
    must: Counter[CallRecord]
    may: Counter[CallRecord]
    waits: dict[str, WaitView] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        return not self.errors


# --------------------------------------------------------------------------- names


@dataclass(frozen=True, slots=True)
class Task:
    """A Python function under the name that the spec gives it."""

    name: str
    fn: Callable[..., Any]
    inplace: bool = False
    nocheckpoint: bool = False


@dataclass(frozen=True, slots=True)
class Workflow:
    """A workflow and the file that it stands in."""

    decl: ast.WorkflowDecl
    file: str


@dataclass(frozen=True, slots=True)
class Import:
    """Another spec under an alias."""

    file: str


Graphs = Callable[["Reference", Any, Trace, "Frame | None"], Any]
"""Makes a value of what a task returned: of a graph of calls its result, of anything else itself."""

Functions = Callable[[str], Callable[..., Any]]
"""Finds a function by its dotted path."""


def import_path(dotted: str) -> Callable[..., Any]:
    """The function at a dotted path, imported as Python does it."""
    parts = dotted.split(".")
    for cut in range(len(parts) - 1, 0, -1):
        try:
            found: Any = importlib.import_module(".".join(parts[:cut]))
        except ModuleNotFoundError:
            continue
        for part in parts[cut:]:
            found = getattr(found, part)
        return found
    raise UnsupportedError(f"no function {dotted!r}")


BUILTINS: dict[str, Callable[..., Any]] = {
    "len": len,
    "range": lambda *args: list(range(*args)),
    "min": min,
    "max": max,
    "sum": sum,
    "sorted": sorted,
    "any": any,
    "all": all,
    "int": int,
    "float": float,
    "str": str,
    "bool": bool,
    "round": round,
    "abs": abs,
    "zip": lambda *args: list(zip(*args, strict=False)),
    "enumerate": lambda items, start=0: list(enumerate(items, start)),
}
SPECIAL = ("sleep", "receive", "cancel", "fail", "secret")

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


def walk(node: Any) -> Iterator[Any]:
    """A piece of syntax and all pieces inside it."""
    yield node
    if isinstance(node, tuple):
        for item in node:
            yield from walk(item)
    elif hasattr(node, "__dataclass_fields__") and not isinstance(node, ast.Span):
        for name in node.__dataclass_fields__:
            yield from walk(getattr(node, name))


# --------------------------------------------------------------------------- frames and scopes


class Scope:
    """Names and their cells. The body of a comprehension has a scope of its own."""

    def __init__(self, frame: Frame, path: str, trace: Trace, outer: Scope | None = None) -> None:
        self.frame = frame
        self.path = path
        self.trace = trace
        self.outer = outer
        self.cells: dict[str, Cell] = {}
        self.seen: Counter[str] = Counter()

    def find(self, name: str) -> Cell | None:
        scope: Scope | None = self
        while scope is not None:
            if name in scope.cells:
                return scope.cells[name]
            scope = scope.outer
        return None

    def unnamed(self, name: str) -> str:
        """The path of a call that is not bound to a name."""
        self.seen[name] += 1
        count = self.seen[name]
        return f"{self.path}/{name}" + (f"#{count}" if count > 1 else "")


@dataclass
class Frame:
    """One activation of a workflow."""

    workflow: Workflow
    path: str
    nocheckpoint: bool
    managed: frozenset[str]
    errors: set[Error] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Returned:
    """The frame ended with a value."""

    value: Any


@dataclass(frozen=True, slots=True)
class Hop:
    """The frame ended with a continuation: its result is that of `run`."""

    run: Callable[[list[Callable[[], None]]], Any]


class Broken:
    """The frame cannot go on: its errors are in the frame."""


Exit = Returned | Hop | Broken


# --------------------------------------------------------------------------- the interpreter


def next_hop(path: str) -> str:
    """The path of the frame that takes the place of the one at `path`."""
    first, _, hops = path.rpartition("~")
    return f"{first}~{int(hops) + 1}" if first and hops.isdigit() else f"{path}~1"


def wait_numbers(decl: ast.WorkflowDecl) -> dict[int, int]:
    """Waits without a name of their own are counted as they are written, taken or not; in each
    fan-out anew. By the `id` of the expression."""
    numbers: dict[int, int] = {}

    def visit(node: Any, counter: list[int]) -> None:
        if isinstance(node, tuple):
            for item in node:
                visit(item, counter)
        elif is_dataclass(node) and type(node).__module__ == ast.__name__:
            if isinstance(node, ast.Comprehension):
                counter = [0]
            named = isinstance(node, ast.Assign) and len(node.targets) == 1
            if named and isinstance(node.value, ast.Wait):
                node = node.value
            elif isinstance(node, ast.Wait):
                counter[0] += 1
                numbers[id(node)] = counter[0]
            for part in fields(node):
                visit(getattr(node, part.name), counter)

    visit(decl.body, [0])
    visit(decl.finally_, [0])
    return numbers


class Reference:
    """Evaluates workflows of a set of parsed specs; see `evaluate`."""

    def __init__(
        self,
        modules: Mapping[str, ast.Module],
        functions: Functions = import_path,
        *,
        signals: Mapping[str, Sequence[Any]] | None = None,
        policy: WaitPolicy = in_order,
        secrets: Mapping[str, str] | None = None,
        graphs: Graphs | None = None,
    ) -> None:
        self.modules = modules
        self.functions = functions
        self.signals = {name: deque(payloads) for name, payloads in (signals or {}).items()}
        self.policy = policy
        self.secrets = secrets or {}
        self.graphs = graphs
        self.waits: dict[str, WaitView] = {}
        self.handles: dict[str, Remainder] = {}
        self.names = {file: self._declared(module) for file, module in modules.items()}
        self.constants: dict[tuple[str, str], Cell] = {}
        self.numbers: dict[int, dict[int, int]] = {}

    # ---- names

    def _declared(self, module: ast.Module) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for decl in module.declarations:
            if isinstance(decl, ast.FromImport):
                for item in decl.names:
                    out[item.alias] = f"{decl.module}.{item.name}"
            elif isinstance(decl, ast.SpecImport):
                folder = posixpath.dirname(module.file)
                out[decl.alias] = Import(posixpath.normpath(posixpath.join(folder, decl.path)))
            elif isinstance(decl, ast.TaskDecl):
                out[decl.name] = decl
            elif isinstance(decl, ast.WorkflowDecl):
                out[decl.name] = Workflow(decl, module.file)
            else:
                out[decl.name.id] = decl
        return out

    def _callee(self, func: Any, file: str) -> Task | Workflow | str:
        """What a call calls; built-ins and the like are given by name."""
        dotted = _dotted(func)
        names = self.names[file]
        head, _, rest = dotted.partition(".")
        found = names.get(head)
        if found is None:
            if dotted in BUILTINS or dotted in SPECIAL:
                return dotted
            raise UnsupportedError(f"call of {dotted!r}")
        if isinstance(found, Import):
            return self._callee(_name(rest, func.span), found.file)
        if isinstance(found, str):
            return Task(dotted, self.functions(found + ("." + rest if rest else "")))
        if isinstance(found, ast.TaskDecl):
            return self._task(found, file)
        if isinstance(found, Workflow):
            return found
        raise UnsupportedError(f"call of {dotted!r}")

    def _task(self, decl: ast.TaskDecl, file: str) -> Task:
        head, _, rest = decl.target.partition(".")
        found = self.names[file].get(head) if decl.name != head else None
        if isinstance(found, ast.TaskDecl):
            base = self._task(found, file)
            return Task(
                decl.name,
                base.fn,
                decl.inplace or base.inplace,
                decl.nocheckpoint or base.nocheckpoint,
            )
        if isinstance(found, str):
            fn = self.functions(found + ("." + rest if rest else ""))
        elif isinstance(found, Import):
            task = self._callee(_name(rest, decl.target_span), found.file)
            assert isinstance(task, Task)
            return Task(
                decl.name,
                task.fn,
                decl.inplace or task.inplace,
                decl.nocheckpoint or task.nocheckpoint,
            )
        else:
            fn = self.functions(decl.target)
        return Task(decl.name, fn, decl.inplace, decl.nocheckpoint)

    def calls_something(self, node: Any, file: str) -> bool:
        """Whether an expression contains a call of a task or workflow, a `wait`, a `sleep`, …"""
        for part in walk(node):
            if isinstance(part, ast.Wait):
                return True
            if isinstance(part, ast.Call):
                callee = self._callee(part.func, file)
                if not isinstance(callee, str) or (callee in SPECIAL and callee != "secret"):
                    return True
        return False

    # ---- running

    def call_workflow(
        self,
        workflow: Workflow,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        path: str,
        trace: Trace,
        nocheckpoint: bool = False,
    ) -> Any:
        """The value of a call of a workflow, its continuations included."""
        finals: list[Callable[[], None]] = []
        value, failed = None, None
        try:
            value = self._frame(workflow, args, kwargs, path, trace, nocheckpoint, finals)
            while isinstance(value, Hop):
                value = value.run(finals)
        except FailuresError as error:
            failed = error
        # The chain's `finally` blocks run when its result is known, the last frame's first.
        errors: set[Error] = set()
        for final in reversed(finals):
            try:
                final()
            except FailuresError as error:
                errors |= error.errors
        if failed is not None:
            raise failed
        if errors:
            raise FailuresError(*errors)
        return value

    def _frame(
        self,
        workflow: Workflow,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        path: str,
        trace: Trace,
        nocheckpoint: bool,
        finals: list[Callable[[], None]],
    ) -> Any:
        """One frame: its value, or the hop that replaces it. Its `finally` is added to `finals`."""
        frame = Frame(workflow, path, nocheckpoint, self._managed(workflow))
        body = Trace(trace)
        scope = Scope(frame, path, body)
        given = {name: Cell(value) for name, value in self._bind(workflow, args, kwargs).items()}
        scope.cells.update(given)
        if workflow.decl.finally_:
            finals.append(lambda: self._finally(workflow, given, path, trace, nocheckpoint))
        ended = self._block(workflow.decl.body, scope)
        if isinstance(ended, Broken) or frame.errors:
            body.certain = False
            raise FailuresError(*frame.errors)
        if isinstance(ended, Hop):
            return ended
        return ended.value if isinstance(ended, Returned) else None

    def _finally(
        self,
        workflow: Workflow,
        given: dict[str, Cell],
        path: str,
        trace: Trace,
        nocheckpoint: bool,
    ) -> None:
        """A frame's `finally` block, which sees its parameters."""
        frame = Frame(workflow, f"{path}/finally", nocheckpoint, frozenset())
        scope = Scope(frame, frame.path, Trace(trace))
        scope.cells.update(given)
        if isinstance(self._block(workflow.decl.finally_, scope), Broken) or frame.errors:
            scope.trace.certain = False
            raise FailuresError(*frame.errors)

    def _bind(
        self, workflow: Workflow, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> dict[str, Any]:
        parameters = workflow.decl.signature.parameters
        out: dict[str, Any] = dict(zip((p.name for p in parameters), args, strict=False))
        out.update(kwargs)
        if len(args) > len(parameters) or set(out) - {p.name for p in parameters}:
            raise UnsupportedError(f"arguments of {workflow.decl.name}")
        for parameter in parameters:
            if parameter.name not in out:
                if parameter.default is None:
                    raise UnsupportedError(
                        f"no argument {parameter.name!r} of {workflow.decl.name}"
                    )
                out[parameter.name] = self._constant(parameter.default, workflow.file)
        return out

    def _constant(self, expr: Any, file: str) -> Any:
        frame = Frame(_no_workflow(file), "", False, frozenset())
        return self.value(expr, Scope(frame, "", Trace()))

    def _managed(self, workflow: Workflow) -> frozenset[str]:
        """Names of calls and fan-outs that a `wait` looks after: their failures are not the frame's.

        That is so when some handle of the name is used, and its joined value is not.
        """
        handled: set[str] = set()
        joined: set[str] = set()
        over: list[tuple[str | None, str]] = []

        def names_in(node: Any) -> None:
            joined.update(part.id for part in walk(node) if isinstance(part, ast.Name))

        def visit(node: Any) -> None:
            if isinstance(node, ast.Wait):
                members = (
                    node.members.items
                    if isinstance(node.members, ast.ListExpr)
                    else (node.members,)
                )
                for member in members:
                    handle(member)
                visit(node.timeout)
                visit(node.quorum)
            elif isinstance(node, ast.Call):
                callee = self._callee(node.func, workflow.file)
                for slot, argument in _arguments(node):
                    if callee == "cancel" or _wants_handle(callee, slot):
                        handle(argument)
                    else:
                        visit(argument)
                visit(node.modifiers.after)
            elif isinstance(node, ast.Comprehension) and self.calls_something(node, workflow.file):
                chained(node, None)
            elif isinstance(node, ast.Name):
                joined.add(node.id)
            elif isinstance(node, ast.Assign):
                only = node.targets[0].id if len(node.targets) == 1 else None
                if isinstance(node.value, ast.Comprehension) and self.calls_something(
                    node.value, workflow.file
                ):
                    chained(node.value, only)
                else:
                    visit(node.value)
            elif isinstance(node, tuple):
                for item in node:
                    visit(item)
            elif hasattr(node, "__dataclass_fields__") and not isinstance(node, ast.Span):
                for name in node.__dataclass_fields__:
                    visit(getattr(node, name))

        def chained(node: ast.Comprehension, name: str | None) -> None:
            """A fan-out over a fan-out, element by element, joins it unless it is looked after."""
            first = node.generators[0]
            if isinstance(first.iterable, ast.Name):
                over.append((name, first.iterable.id))
                visit((first.targets, first.conditions))
            else:
                visit(first)
            visit((node.generators[1:], node.key, node.value, node.modifiers))

        def handle(node: Any) -> None:
            if isinstance(node, ast.Name):
                handled.add(node.id)
            elif isinstance(node, ast.Comprehension) and self.calls_something(node, workflow.file):
                handled.add(f"at {node.span}")
                chained(node, f"at {node.span}")
            else:
                visit(node)

        visit(workflow.decl.body)
        handled |= {source for _name, source in over}
        while True:
            found = {s for name, s in over if name not in handled or name in joined} - joined
            if not found:
                break
            joined |= found
        return frozenset(handled - joined)

    # ---- statements

    def _block(self, statements: Sequence[ast.Statement], scope: Scope) -> Exit | None:
        for statement in statements:
            ended = self._statement(statement, scope)
            if ended is not None:
                return ended
        return None

    def _statement(self, statement: ast.Statement, scope: Scope) -> Exit | None:
        errors = scope.frame.errors
        if isinstance(statement, ast.Pass):
            return None
        if isinstance(statement, ast.Assign):
            self._assign(statement, scope)
            return None
        if isinstance(statement, ast.If):
            return self._if(statement, scope)
        try:
            if isinstance(statement, ast.ExprStatement):
                self.value(statement.value, scope)
                return None
            if isinstance(statement, ast.Return):
                if statement.value is None:
                    return Returned(None)
                return Returned(join(self.value(statement.value, scope)))
            call = statement.call
            assert isinstance(call, ast.Call)
            run = self._prepare(call, scope, next_hop(scope.frame.path))
        except FailuresError as failed:
            errors |= failed.errors
            return (
                None
                if isinstance(statement, ast.ExprStatement) and not _fails(statement)
                else Broken()
            )
        return Broken() if errors else Hop(run)

    def _assign(self, statement: ast.Assign, scope: Scope) -> None:
        targets = [target.id for target in statement.targets]
        only = targets[0] if len(targets) == 1 else None
        managed = only is not None and only in scope.frame.managed
        cell = self.cell(statement.value, scope, only, managed)
        if not managed:
            scope.frame.errors |= cell.errors
        if only is not None:
            scope.cells[only] = cell
            return
        try:
            value = cell.get()
            if isinstance(value, WaitValue):
                items: list[Any] = [value.ready, value.pending]
            else:
                items = attempt(lambda: list(value))
            if len(items) != len(targets):
                raise FailuresError(Error(ANY, ANY))
            for target, item in zip(targets, items, strict=True):
                scope.cells[target] = Cell(item)
        except FailuresError as failed:
            scope.frame.errors |= failed.errors
            for target in targets:
                scope.cells[target] = Cell(errors=failed.errors)

    def _if(self, statement: ast.If, scope: Scope) -> Exit | None:
        try:
            for condition, body in statement.arms:
                if attempt(lambda: bool(self.value(condition, scope))):  # noqa: B023
                    return self._block(body, scope)
            return self._block(statement.orelse, scope)
        except FailuresError as failed:
            scope.frame.errors |= failed.errors
            for part in walk(statement):
                if isinstance(part, (ast.Return, ast.Continuation)) or _fails(part):
                    return Broken()
                if isinstance(part, ast.Assign):
                    for target in part.targets:
                        scope.cells[target.id] = Cell(errors=failed.errors)
            return None

    # ---- expressions

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
                return Fan([_one(cell) for cell in cells])
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
                return _caught(lambda: self._wait(expr, scope, name))
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
                return self._constant(_name(expr.name, expr.span), found.file)
        value = self.value(expr.value, scope)
        if isinstance(value, dict) and expr.name in value and not hasattr(value, expr.name):
            return value[expr.name]
        return attempt(lambda: getattr(value, expr.name))

    # ---- fan-outs

    def _comprehended(self, expr: ast.Comprehension, scope: Scope, name: str | None) -> Any:
        if expr.modifiers.catch is not None:
            plain = ast.Comprehension(expr.key, expr.value, expr.generators, expr.span)
            inner = Scope(scope.frame, scope.path, Trace(scope.trace), scope)
            inner.seen = scope.seen
            if self.calls_something(plain, scope.frame.workflow.file):
                # As with a call: what it is given is computed outside of the `catch`.
                given = self._elements(plain.generators[0].iterable, scope)
                result = _caught(
                    lambda: self._comprehension(plain, inner, name, False, given).get()
                )
            else:
                result = _caught(lambda: self.cell(plain, inner, name).get())
            inner.trace.certain = result.ok
            return result
        if self.calls_something(expr, scope.frame.workflow.file):
            return self._comprehension(expr, scope, name, managed=False).get()
        pairs = self._pairs(
            expr, list(expr.generators), Scope(scope.frame, scope.path, scope.trace, scope)
        )
        return attempt(lambda: dict(pairs)) if expr.key else [value for _key, value in pairs]

    def _comprehension(
        self, expr: ast.Comprehension, scope: Scope, name: str | None, managed: bool,
        given: list[Cell] | None = None,
    ) -> Fan:  # fmt: skip
        """A fan-out over calls: every element of the first generator is a member."""
        for expression in expr.modifiers.after:
            self.value(expression, scope)
        file = scope.frame.workflow.file
        first = expr.generators[0]
        path = f"{scope.path}/{name}" if name else scope.unnamed(_called(expr.value))
        calls = [c for c in first.conditions if self.calls_something(c, file)]
        simple = len(expr.generators) == 1 and not calls and expr.key is None
        members: list[Cell] = []
        try:
            sources = self._elements(first.iterable, scope) if given is None else given
        except FailuresError as failed:
            return Fan([Cell(errors=failed.errors)], simple, expr.key is not None)
        for source in sources:
            trace = Trace(scope.trace, certain=not managed)
            inner = Scope(scope.frame, f"{path}[{len(members)}]", trace, scope)
            try:
                self._bind_targets(first, _peek(source) if managed else source.get(), inner)
                if not self._passes(first, inner):
                    if calls:
                        members.append(Cell([], trace=trace, sources=[source]))
                    continue
                pairs = self._pairs(expr, list(expr.generators[1:]), inner)
                members.append(Cell(pairs, trace=trace, sources=[source]))
            except FailuresError as failed:
                members.append(Cell(errors=failed.errors, trace=trace, sources=[source]))
        return Fan(members, simple, expr.key is not None)

    def _elements(self, iterable: ast.Expr, scope: Scope) -> list[Cell]:
        """What a fan-out runs over, element by element where that is itself a fan-out."""
        fan = self.fan(iterable, scope)
        if fan is not None and not fan.keyed:
            return fan.elements()
        value = self.value(iterable, scope)
        if isinstance(value, Remainder):
            return list(value.members)
        return [Cell(item) for item in attempt(lambda: list(value))]

    def _pairs(
        self, expr: ast.Comprehension, generators: list[ast.Generator], scope: Scope
    ) -> list[tuple[Any, Any]]:
        """The `(key, value)` pairs that the rest of the generators make."""
        if not generators:
            parts = [expr.value] if expr.key is None else [expr.key, expr.value]
            found = self._all(parts, scope)
            return [(None if expr.key is None else found[0], found[-1])]
        first, rest = generators[0], generators[1:]

        def one(source: Cell) -> list[tuple[Any, Any]]:
            inner = Scope(scope.frame, scope.path, scope.trace, scope)
            inner.seen = scope.seen
            self._bind_targets(first, source.get(), inner)
            return self._pairs(expr, rest, inner) if self._passes(first, inner) else []

        lists = gather(lambda s=source: one(s) for source in self._elements(first.iterable, scope))
        return [pair for pairs in lists for pair in pairs]

    def _bind_targets(self, generator: ast.Generator, item: Any, scope: Scope) -> None:
        if len(generator.targets) == 1:
            scope.cells[generator.targets[0].id] = Cell(item)
            return
        items = attempt(lambda: list(item))
        if len(items) != len(generator.targets):
            raise FailuresError(Error(ANY, ANY))
        for target, part in zip(generator.targets, items, strict=True):
            scope.cells[target.id] = Cell(part)

    def _passes(self, generator: ast.Generator, scope: Scope) -> bool:
        return all(
            attempt(lambda c=condition: bool(self.value(c, scope)))
            for condition in generator.conditions
        )

    # ---- waits

    def members(self, expr: ast.Expr, scope: Scope) -> list[Cell]:
        """The members of a `wait`: cells with their plain values."""
        fan = self.fan(expr, scope, managed=True)
        if fan is not None:
            if not fan.simple:
                raise UnsupportedError(
                    "wait on a fan-out that is filtered by calls, nested or a dict"
                )
            return [
                Cell(errors=m.errors, sources=[m]) if m.errors else Cell(m.value[0][1], sources=[m])
                for m in fan.members
            ]
        if isinstance(expr, ast.ListExpr):
            return [self._member(item, scope) for item in expr.items]
        value = self.value(expr, scope)
        if isinstance(value, Remainder):
            return list(value.members)
        raise UnsupportedError("wait on plain values")

    def _member(self, item: ast.Expr, scope: Scope) -> Cell:
        if isinstance(item, ast.Name):
            found = scope.find(item.id)
            if found is not None:
                return found
        return self.cell(item, scope, None, managed=True)

    def _wait(self, expr: ast.Wait, scope: Scope, name: str | None) -> WaitValue:
        for expression in expr.modifiers.after:
            self.value(expression, scope)
        decl = scope.frame.workflow.decl
        if id(decl) not in self.numbers:
            self.numbers[id(decl)] = wait_numbers(decl)
        number = self.numbers[id(decl)].get(id(expr), 1)
        name = name or ("wait" if number == 1 else f"wait#{number}")
        path = f"{scope.path}/{name}"
        members = self.members(expr.members, scope)
        if expr.timeout is not None:
            self.value(expr.timeout, scope)
        quorum = self._quorum(expr.quorum, len(members), scope)
        view = WaitView(
            path, tuple(not m.errors for m in members), quorum, expr.timeout is not None
        )
        self.waits[path] = view
        split = self.policy(view)
        check_split(view, split)
        if split is None:
            for member in members:
                # One that is caught may be decided, and the workflow over, before all have failed.
                if member.errors and expr.modifiers.catch is None:
                    member.need()
            raise FailuresError(Error(UNREACHABLE, ANY))
        for index in (*split.ready, *split.failed):
            members[index].need()
        settled = {*split.ready, *split.failed}
        return WaitValue(
            ready=[members[i].value for i in split.ready],
            pending=Remainder(tuple(m for i, m in enumerate(members) if i not in settled)),
            failed=[ErrorView(members[i].errors) for i in split.failed],
            timed_out=split.timed_out,
        )

    def _quorum(self, quorum: Any, count: int, scope: Scope) -> int:
        if quorum == "all":
            return count
        if quorum == "any":
            return 1
        if isinstance(quorum, ast.Percent):
            share = self.value(quorum.value, scope)
            return math.ceil(count * share / 100)
        return int(self.value(quorum, scope))

    # ---- calls

    def _call(self, call: ast.Call, scope: Scope, name: str | None) -> Any:
        callee = self._callee(call.func, scope.frame.workflow.file)
        if callee in BUILTINS:
            assert isinstance(callee, str)
            values = self._all([value for _slot, value in _arguments(call)], scope)
            args = values[: len(call.args)]
            kwargs = {
                k.name: v for k, v in zip(call.keywords, values[len(call.args) :], strict=True)
            }
            return attempt(lambda: BUILTINS[callee](*args, **kwargs))
        simple = _dotted(call.func).rpartition(".")[2]
        path = f"{scope.path}/{name}" if name else scope.unnamed(simple)
        return self._prepare(call, scope, path)(None)

    def _prepare(
        self, call: ast.Call, scope: Scope, path: str
    ) -> Callable[[list[Callable[[], None]] | None], Any]:
        """Evaluate the arguments of a call; the result makes the call.

        A continuation is given the `finally` blocks of its chain, and may give a further `Hop`.
        """
        callee = self._callee(call.func, scope.frame.workflow.file)
        slots = list(_arguments(call))
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

        def run(finals: list[Callable[[], None]] | None = None) -> Any:
            if isinstance(callee, str):
                return self._special(callee, args, kwargs)
            if isinstance(callee, Workflow):
                if finals is not None:
                    return self._frame(callee, args, kwargs, path, trace, nocheckpoint, finals)
                return self.call_workflow(callee, args, kwargs, path, trace, nocheckpoint)
            inplace = callee.inplace or call.modifiers.inplace is not None
            keep = not (nocheckpoint or callee.nocheckpoint)
            return self.call_task(callee.fn, args, kwargs, trace, inplace, keep, scope.frame)

        if call.modifiers.catch is not None:
            return lambda _finals: _caught(run)
        return run

    def _argument(self, callee: Any, slot: int | str, expr: ast.Expr, scope: Scope) -> Any:
        if callee == "cancel" or _wants_handle(callee, slot):
            return Remainder(tuple(self.members(expr, scope)))
        return join(self.value(expr, scope))

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
        callee = self._callee(_name(name, span), frame.workflow.file)
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


def _called(value: ast.Expr) -> str:
    """The name of the call that a fan-out makes, which stands for it where it has no name."""
    for part in walk(value):
        if isinstance(part, ast.Call):
            return _dotted(part.func).rpartition(".")[2]
    return "?"


def _caught(run: Callable[[], Any]) -> ResultView:
    try:
        return ResultView(True, join(run()))
    except FailuresError as failed:
        return ResultView(False, None, ErrorView(failed.errors))


def join(value: Any) -> Any:
    """A pending value as the list of its results; anything else as it is."""
    return value.get() if isinstance(value, Remainder) else value


def copy(value: Any) -> Any:
    """What arrives in another process."""
    if value is None or isinstance(value, (int, float, str, bytes)):
        return value
    try:
        return pickle.loads(cloudpickle.dumps(value))
    except Exception as error:
        raise FailuresError(Error(ANY, ANY)) from error


def check_copy(value: Any) -> Any:
    """The value itself, which a checkpoint must be able to hold."""
    copy(value)
    return value


def _peek(cell: Cell) -> Any:
    """The value of a source element, which stays unneeded until the element made from it is."""
    if cell.errors:
        raise FailuresError(*cell.errors)
    return cell.value


def _one(cell: Cell) -> Cell:
    """A call as a member of a list of calls."""
    if cell.errors:
        return Cell(errors=cell.errors, sources=[cell])
    if isinstance(cell, Fan):
        raise UnsupportedError("a fan-out inside a list of calls")
    return Cell([(None, cell.value)], sources=[cell])


def _fails(node: Any) -> bool:
    """Whether this is the statement `fail(…)`."""
    return (
        isinstance(node, ast.ExprStatement)
        and isinstance(node.value, ast.Call)
        and isinstance(node.value.func, ast.Name)
        and node.value.func.id == "fail"
    )


def _wants_handle(callee: Any, slot: int | str) -> bool:
    """Whether a parameter takes a pending value as it is, rather than the joined list."""
    if isinstance(callee, Workflow):
        parameters = callee.decl.signature.parameters
        for index, parameter in enumerate(parameters):
            if slot in (index, parameter.name):
                return parameter.annotation is not None and parameter.annotation.name == "pending"
    if isinstance(callee, Task):
        try:
            wanted = list(inspect.signature(callee.fn).parameters.values())
        except (TypeError, ValueError):
            return False
        for index, each in enumerate(wanted):
            if slot in (index, each.name):
                return "Pending" in str(each.annotation)
    return False


def _arguments(call: ast.Call) -> Iterator[tuple[int | str, ast.Expr]]:
    yield from enumerate(call.args)
    for keyword in call.keywords:
        yield keyword.name, keyword.value


def _dotted(func: Any) -> str:
    if isinstance(func, ast.Attribute):
        return f"{_dotted(func.value)}.{func.name}"
    assert isinstance(func, ast.Name), func
    return func.id


def _name(dotted: str, span: ast.Span) -> Any:
    head, _, rest = dotted.partition(".")
    out: Any = ast.Name(head, span)
    for part in rest.split(".") if rest else []:
        out = ast.Attribute(out, part, span, span)
    return out


def _no_workflow(file: str) -> Workflow:
    """Where constants and defaults are evaluated: outside any workflow."""
    span = ast.Span(file, 1, 1, 1, 1)
    signature = ast.Signature((), None, span)
    return Workflow(ast.WorkflowDecl("", span, signature, (), None, (), (), span), file)


# --------------------------------------------------------------------------- the entry


def evaluate(
    modules: Mapping[str, ast.Module],
    entry: str,
    params: Mapping[str, Any],
    functions: Functions = import_path,
    *,
    file: str | None = None,
    signals: Mapping[str, Sequence[Any]] | None = None,
    policy: WaitPolicy = in_order,
    secrets: Mapping[str, str] | None = None,
    graphs: Graphs | None = None,
) -> Outcome:
    """Run the workflow `entry` of `file` (the first module, when it is not given)."""
    reference = Reference(
        modules, functions, signals=signals, policy=policy, secrets=secrets, graphs=graphs
    )
    workflow = reference.names[file or next(iter(modules))][entry]
    assert isinstance(workflow, Workflow), f"{entry!r} is not a workflow"
    trace = Trace()

    def run() -> Outcome:
        value, errors = None, frozenset[Error]()
        try:
            value = reference.call_workflow(workflow, (), params, entry, trace)
        except FailuresError as failed:
            errors = failed.errors
        must, may = trace.count()
        return Outcome(value, errors, must, may, reference.waits)

    return with_deep_stack(run)


def with_deep_stack(run: Callable[[], Any], megabytes: int = 512) -> Any:
    """The result of `run`, called where recursion may go deep."""
    out: list[Any] = []
    failed: list[BaseException] = []

    def work() -> None:
        try:
            out.append(run())
        except BaseException as error:
            failed.append(error)

    limit, size = sys.getrecursionlimit(), threading.stack_size(megabytes << 20)
    sys.setrecursionlimit(1_000_000)
    try:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    finally:
        sys.setrecursionlimit(limit)
        threading.stack_size(size)
    if failed:
        raise failed[0]
    return out[0]
