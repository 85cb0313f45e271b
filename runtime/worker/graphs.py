"""From the calls that a task returned to the nodes of a plan."""

from __future__ import annotations

import hashlib
import inspect
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from wfc.plan.model import (
    CallNode,
    CancelNode,
    ContinuationNode,
    ExprNode,
    Graph,
    GroupNode,
    Quorum,
    ReceiveNode,
    ReturnNode,
    SleepNode,
    WaitNode,
    Where,
)
from wfc.runtime.values import Bound, Value
from wfc.runtime.work import Dynamic
from wfc.runtime.worker.cells import Cells, given, value_of
from wfc.runtime.worker.dynamic import (
    CallHandle,
    CancelHandle,
    Handle,
    ReceiveHandle,
    SleepHandle,
    StepHandle,
    WaitHandle,
    WaitPart,
    target_name,
)
from wfc.runtime.worker.errors import Unpicklable, dotted
from wfc.runtime.worker.registry import Registry

_PLAIN = (bool, int, float, str, type(None))


def inner(value: Any) -> list[Handle]:
    """The handles in an argument: itself, or inside of lists, tuples and dicts, in order."""
    if type(value) in _PLAIN:
        return []
    found: list[Handle] = []
    todo = [value]
    while todo:
        one = todo.pop()
        if isinstance(one, Handle):
            found.append(one)
        elif type(one) in (list, tuple):
            todo.extend(reversed(one))
        elif type(one) is dict:
            for key, item in reversed(list(one.items())):
                todo += [item, key]
    return found


def needs_of(handle: Handle) -> list[Handle]:
    """The handles that a call needs directly."""
    return _needs(handle, True)


def replace_handles(value: Any, by: Callable[[Handle], Any]) -> Any:
    """The value with each handle in it replaced."""
    if isinstance(value, Handle):
        return by(value)
    if not inner(value):
        return value
    if isinstance(value, dict):
        return {replace_handles(k, by): replace_handles(v, by) for k, v in value.items()}
    return type(value)(replace_handles(v, by) for v in value)


def _needs(handle: Handle, lazy_waits: bool) -> list[Handle]:
    if isinstance(handle, CallHandle):
        parts = [*handle.args, *handle.kwargs.values()]
        return [h for part in parts for h in inner(part)] + list(handle.after)
    if isinstance(handle, WaitPart):
        return [handle.wait]
    after = list(handle.after) if isinstance(handle, StepHandle) else []
    if isinstance(handle, WaitHandle):
        if isinstance(handle.members, Handle):
            return [handle.members, *after]
        if isinstance(handle.members, list) and not lazy_waits:
            return [*handle.members, *after]
    if isinstance(handle, CancelHandle) and isinstance(handle.pending, Handle):
        return [handle.pending, *after]
    return after


def in_order(graph: Any, lazy_waits: bool = False) -> Iterator[Handle]:
    """The handles of a graph, each after those that it needs. `lazy_waits`: members of a wait are
    not among them. Raises `ValueError` for a cycle."""
    done: set[int] = set()
    opened: set[int] = set()
    todo: list[tuple[Handle, bool]] = [(h, False) for h in reversed(inner(graph))]
    while todo:
        handle, ready = todo.pop()
        if id(handle) in done:
            continue
        if ready:
            done.add(id(handle))
            yield handle
            continue
        if id(handle) in opened:
            raise ValueError(f"{handle!r} needs itself")
        opened.add(id(handle))
        todo.append((handle, True))
        todo += [(h, False) for h in reversed(_needs(handle, lazy_waits)) if id(h) not in done]


@dataclass
class Call:
    """A call of a built graph, as `CallNode` has it, with its arguments as objects."""

    id: str
    target: str
    callee: Any
    inplace: bool
    checkpoint: Any
    catch: bool
    options: dict[str, Any]
    handle: CallHandle


@dataclass
class Built:
    """A graph that a task returned: nodes, the constants that they name, the functions they call.

    `single` is the call that it consists of, when it is nothing more.
    """

    nodes: list[Any] = field(default_factory=list)
    constants: dict[str, Any] = field(default_factory=dict)
    functions: dict[str, Any] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    single: Call | None = None
    tail: Any = None
    inplace_names: set[str] = field(default_factory=set)
    finish: Callable[[], None] | None = None

    @cached_property
    def graph(self) -> Graph:
        """The nodes as a graph."""
        if self.finish is not None:
            self.finish()
        return Graph(nodes=[*self.nodes, self.tail], tail=self.tail.id)

    def dynamic(self, cells: Cells, registry: Registry, home: int, path: str) -> Dynamic:
        """The same as data. Constants that cannot be pickled stay in the home, if it is inplace
        calls alone that use them; raises `Unpicklable` otherwise."""
        data = self.graph.model_dump_json(exclude_defaults=True).encode()
        env: dict[str, Value] = {}
        for name, constant in self.constants.items():
            try:
                env[name] = value_of(cells.argument(constant))
            except Unpicklable:
                if name not in self.inplace_names:
                    raise
                key = f"{path}/{name}"
                cells.homes.setdefault(home, {})[key] = constant
                env[name] = Bound(home, key)
        functions = {name: registry.encoded(name) for name in self.functions}
        digest = hashlib.blake2b(data, digest_size=16)
        for name in functions:
            digest.update(name.encode())
        return Dynamic(data, env, functions, digest.hexdigest())


def build(root: Any, registry: Registry, where: Where) -> Built:
    """The plan nodes of a graph of calls. Raises what is wrong with it (`ValueError`, `TypeError`)."""
    return _Builder(registry, where).build(root)


class _Builder:
    def __init__(self, registry: Registry, where: Where) -> None:
        self._registry = registry
        self._where = where
        self._built = Built()
        self._ids: dict[int, str] = {}
        self._parts: dict[tuple[int, str], str] = {}
        self._taken: dict[str, int] = {}
        self._constants: dict[int, str] = {}
        self._joined: set[int] = set()

    def build(self, root: Any) -> Built:
        built = self._built
        if isinstance(root, CallHandle) and not _needs(root, False):
            call = self._call(root)
            built.calls.append(call)
            built.single = call
            built.finish = lambda: self._tail(root, call)  # most often it runs here, as it is
            return built
        handles = list(in_order(root))
        for handle in handles:
            self._joined.update(id(h) for h in _needs(handle, True))
        self._joined.update(id(h) for h in inner(root))
        last = handles[-1] if isinstance(root, CallHandle) else None
        for handle in handles:
            if handle is last:
                call = self._call(root)
                built.calls.append(call)
                self._tail(root, call)
                return built
            self._node(handle)
        form = self._expr(root, False)
        built.tail = ReturnNode(id=self._name("return"), where=self._where, expr=form)
        return built

    def _name(self, wanted: str) -> str:
        base = wanted if wanted.isidentifier() else re.sub(r"[^\w.-]", "_", wanted) or "call"
        count = self._taken[base] = self._taken.get(base, 0) + 1
        return base if count == 1 else f"{base}#{count}"

    def _call(self, handle: CallHandle) -> Call:
        target, callee, declared = self._registry.resolve(handle.target)
        if callee == "task" and target.startswith("$fn:"):
            self._built.functions[target] = handle.target
        inplace = bool(declared.inplace if handle.inplace is None else handle.inplace)
        checkpoint = declared.checkpoint if handle.checkpoint is None else handle.checkpoint
        if checkpoint not in (True, False, "sync"):
            raise ValueError(f'checkpoint is True, False or "sync", not {checkpoint!r}')
        options = declared.options
        if handle.settings:
            options = {**options, **{k: _plain(v) for k, v in handle.settings.items()}}
        name = self._name(handle.name or target_name(handle.target).rpartition(".")[2])
        self._ids[id(handle)] = name
        return Call(name, target, callee, inplace, checkpoint, handle.catch, options, handle)

    def _declared(self, call: Call) -> list[str]:
        """The parameters of a task or workflow of the spec; those that take handles are marked."""
        _, _, declared = self._registry.resolve(call.handle.target)
        pending = set(getattr(declared, "pending", ()))
        return [f"&{p}" if p in pending else str(p) for p in getattr(declared, "params", ())]

    def _argument(self, value: Any, call: Call, name: str) -> list[Any]:
        as_handle = name.startswith("&") or call.callee == "workflow"
        if not as_handle and callable(call.handle.target):
            as_handle = f"&{name}" in _parameters(call.handle.target)
        if isinstance(value, WaitPart) and value.part == "pending" and as_handle:
            # A parameter annotated `Pending[…]` gets the running calls, not their results.
            return self._pending(value)
        return self._expr(given(value), call.inplace)

    def _common(self, call: Call) -> dict[str, Any]:
        handle = call.handle
        taken = _parameters(handle.target) if callable(handle.target) else self._declared(call)
        return {
            "where": self._where,
            "after": self._after(handle),
            "target": call.target,
            "callee": call.callee,
            "args": [
                self._argument(a, call, taken[i] if i < len(taken) else "")
                for i, a in enumerate(handle.args)
            ],
            "kwargs": {k: self._argument(a, call, k) for k, a in handle.kwargs.items()},
            "inplace": call.inplace,
            "checkpoint": call.checkpoint,
            "catch": call.catch,
            "options": call.options,
        }

    def _tail(self, handle: CallHandle, call: Call) -> None:
        """The last call: the frame ends with it, so that a million of these do not pile up."""
        if call.target.startswith("$fn:"):
            # The frame that follows would not have the function: it stays a call of this one.
            self._built.nodes.append(CallNode(id=call.id, **self._common(call)))
            form = ["name", call.id]
            self._built.tail = ReturnNode(id=self._name("return"), where=self._where, expr=form)
        else:
            name = self._name("continuation")
            self._built.tail = ContinuationNode(id=name, **self._common(call))

    def _node(self, handle: Handle) -> None:
        built, where = self._built, self._where
        if isinstance(handle, CallHandle):
            call = self._call(handle)
            built.calls.append(call)
            managed = id(handle) not in self._joined
            built.nodes.append(CallNode(id=call.id, managed=managed, **self._common(call)))
            return
        if isinstance(handle, WaitPart):
            # A node of its own, so that a pending part is joined like any other pending value.
            if (id(handle.wait), handle.part) in self._parts:
                return
            name = self._parts[id(handle.wait), handle.part] = self._name(handle.part)
            expr = ["attr", ["name", self._ids[id(handle.wait)]], handle.part]
            built.nodes.append(ExprNode(id=name, where=where, expr=expr))
            return
        managed = id(handle) not in self._joined
        after = self._after(handle)
        if isinstance(handle, SleepHandle):
            name = self._ids[id(handle)] = self._name("sleep")
            duration = ["lit", handle.seconds]
            built.nodes.append(
                SleepNode(id=name, where=where, after=after, duration=duration, managed=managed)
            )
        elif isinstance(handle, ReceiveHandle):
            name = self._ids[id(handle)] = self._name("receive")
            timeout = ["lit", handle.timeout] if handle.timeout is not None else None
            signal = ["lit", handle.signal]
            built.nodes.append(
                ReceiveNode(
                    id=name, where=where, after=after, signal=signal, timeout=timeout,
                    catch=handle.catch, managed=managed,
                )
            )  # fmt: skip
        elif isinstance(handle, CancelHandle):
            name = self._ids[id(handle)] = self._name("cancel")
            pending = self._pending(handle.pending)
            built.nodes.append(CancelNode(id=name, where=where, after=after, pending=pending))
        elif isinstance(handle, WaitHandle):
            self._wait(handle)

    def _after(self, handle: Any) -> list[str]:
        return [self._ids[id(_whole(h))] for h in handle.after]

    def _pending(self, value: Any) -> list[Any]:
        """The running calls that a wait left, not joined."""
        if isinstance(value, WaitPart):
            return ["attr", ["name", self._ids[id(value.wait)]], value.part]
        return self._expr(value, False)

    def _wait(self, handle: WaitHandle) -> None:
        built = self._built
        if isinstance(handle.members, list):
            group = self._name("group")
            members = [self._ids[id(m)] for m in handle.members]
            built.nodes.append(GroupNode(id=group, where=self._where, members=members))
            form: list[Any] = ["handle", group]
        else:
            form = self._expr(handle.members, False)
        name = self._ids[id(handle)] = self._name("wait")
        value = ["lit", handle.quorum] if handle.quorum is not None else None
        quorum = Quorum.model_validate({"form": handle.form, "value": value})
        timeout = ["lit", handle.timeout] if handle.timeout is not None else None
        built.nodes.append(
            WaitNode(
                id=name, where=self._where, after=self._after(handle), members=form, quorum=quorum,
                timeout=timeout, catch=handle.catch,
            )
        )  # fmt: skip

    # ------------------------------------------------------------------ expressions

    def _expr(self, value: Any, inplace: bool) -> list[Any]:
        if isinstance(value, WaitPart):
            return ["name", self._parts[id(value.wait), value.part]]
        if isinstance(value, Handle):
            return ["name", self._ids[id(value)]]
        kind = type(value)
        if kind in _PLAIN and _is_literal(value):
            return ["lit", value]
        if kind in (list, tuple, dict) and inner(value):
            if kind is dict:
                pairs = [[self._expr(k, inplace), self._expr(v, inplace)] for k, v in value.items()]
                return ["dict", pairs]
            return ["list" if kind is list else "tuple", [self._expr(v, inplace) for v in value]]
        return ["name", self._constant(value, inplace)]

    def _constant(self, value: Any, inplace: bool) -> str:
        name = self._constants.get(id(value))
        if name is None:
            name = self._constants[id(value)] = f"$c{len(self._constants)}"
            self._built.constants[name] = value
            if inplace:
                self._built.inplace_names.add(name)
        elif not inplace:
            self._built.inplace_names.discard(name)
        return name


def _whole(handle: Handle) -> Handle:
    return handle.wait if isinstance(handle, WaitPart) else handle


def _parameters(function: Any) -> list[str]:
    """The names of a function's parameters, with `&` before those annotated `Pending[…]`."""
    try:
        found = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return []
    return [f"&{p.name}" if "Pending" in str(p.annotation) else p.name for p in found]


def _is_literal(value: Any) -> bool:
    if isinstance(value, str):
        return len(value) <= 1024 and value.isprintable()
    if isinstance(value, float):
        return math.isfinite(value)
    return not isinstance(value, int) or -(1 << 53) <= value <= 1 << 53


def _plain(value: Any) -> Any:
    """An option's value as JSON: exception classes by their dotted names."""
    if isinstance(value, type):
        return dotted(value)
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
