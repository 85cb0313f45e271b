"""What calls can name in a run: the spec's tasks and workflows, and functions that tasks gave."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from wfc.dsl.suggest import nearest
from wfc.plan.model import Graph
from wfc.runtime.codec import decode, encode
from wfc.runtime.linked import Linked, LinkedGraph
from wfc.runtime.references import Alive, Unfetched, place
from wfc.runtime.values import Inline, Value
from wfc.runtime.work import Dynamic
from wfc.runtime.worker.dynamic import check_arguments, target_name
from wfc.runtime.worker.errors import Unpicklable, Unresolved

_KEPT = 256


@dataclass(frozen=True)
class Declared:
    """What is declared of a call's target, to be overridden by the call's own options."""

    inplace: bool = False
    checkpoint: Any = True
    options: dict[str, Any] = field(default_factory=dict)


_PLAIN = Declared()


class Registry:
    """Targets of calls, for one program in one process. `load` gives the functions when they are
    first needed."""

    def __init__(
        self, linked: Linked, load: Callable[[], Mapping[str, Callable[..., Any]]]
    ) -> None:
        self.linked = linked
        self._load = load
        self._functions: Mapping[str, Callable[..., Any]] | None = None
        self._tasks: dict[int, str] | None = None
        self._given: OrderedDict[str, Callable[..., Any]] = OrderedDict()
        self._targets: dict[int, tuple[Any, str]] = {}
        self._encoded: dict[str, Value] = {}
        self._graphs: OrderedDict[str, LinkedGraph] = OrderedDict()

    @property
    def functions(self) -> Mapping[str, Callable[..., Any]]:
        """The spec's functions, by task."""
        if self._functions is None:
            self._functions = self._load()
        return self._functions

    def function(self, target: str) -> Callable[..., Any]:
        """The function of a call's target; raises `LookupError`."""
        if target.startswith("$fn:"):
            return self._given[target]
        try:
            return self.functions[target]
        except KeyError:
            raise LookupError(f"the program has no function for the task {target!r}") from None

    # ------------------------------------------------------------------ what tasks call

    def check(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Raises `LookupError` when the spec has no such task or workflow, `TypeError` when it
        cannot be called so."""
        if name in self.linked.tasks:
            function = self.functions.get(name)
            if function is not None:
                check_arguments(function, args, kwargs)
        elif name in self.linked.plan.workflows:
            self.linked.workflow(name).bind(args, kwargs)
        else:
            names = [*self.linked.tasks, *self.linked.plan.workflows]
            near = nearest(name, names)
            hint = f": did you mean {near!r}?" if near else ""
            raise LookupError(f"the running spec has no task or workflow {name!r}{hint}")

    def resolve(self, target: Any) -> tuple[str, Literal["task", "workflow"], Declared]:
        """The key of a call's target, and what is declared of it. A function that is a task of the
        spec without options of its own is that task; another one is taken by value."""
        if isinstance(target, str):
            if target in self.linked.plan.workflows:
                options = self.linked.plan.workflows[target].options
                return target, "workflow", Declared(options=options)
            task = self.linked.tasks[target]
            return target, "task", Declared(task.inplace, task.checkpoint, task.options)
        if self._tasks is None:
            self._tasks = {
                id(self.functions[name]): name
                for name, task in self.linked.tasks.items()
                if name in self.functions
                and not task.options
                and not task.inplace
                and task.checkpoint is True
            }
        name = self._tasks.get(id(target))
        if name is not None:
            return name, "task", _PLAIN
        return self._target(target), "task", _PLAIN

    def _target(self, function: Callable[..., Any]) -> str:
        found = self._targets.get(id(function))
        if found is None or found[0] is not function:
            data = _encoded(function)
            digest = hashlib.blake2b(data, digest_size=12).hexdigest()
            target = f"$fn:{target_name(function)}:{digest}"
            if len(self._targets) >= _KEPT:
                self._targets.clear()
            found = self._targets[id(function)] = (function, target)
            self._encoded[target] = Inline(data)
            self._keep(target, function)
        return found[1]

    def encoded(self, target: str) -> Value:
        """A function that was given by value, as a value."""
        if target not in self._encoded:
            self._encoded[target] = Inline(_encoded(self._given[target]))
        return self._encoded[target]

    # ------------------------------------------------------------------ graphs that tasks returned

    def take(self, dynamic: Dynamic, load: Callable[[Value], Any]) -> LinkedGraph:
        """A graph that a task returned, linked, its functions at hand."""
        for target, value in dynamic.functions.items():
            if target not in self._given:
                function = decode(value.data) if isinstance(value, Inline) else load(value)
                self._encoded[target] = value
                self._keep(target, function)
        found = self._graphs.get(dynamic.digest)
        if found is None:
            graph = Graph.from_json(dynamic.graph)
            found = self._graphs[dynamic.digest] = self.linked.link_graph(graph)
            if len(self._graphs) > _KEPT:
                self._graphs.popitem(last=False)
        return found

    def _keep(self, target: str, function: Callable[..., Any]) -> None:
        self._given[target] = function
        if len(self._given) > 4 * _KEPT:
            old, _ = self._given.popitem(last=False)
            self._encoded.pop(old, None)


def _encoded(function: Callable[..., Any]) -> bytes:
    try:
        return encode(function)
    except Alive as error:
        name, where = target_name(function), place(function, error.found)
        raise Unpicklable(
            f"{name}, which is no task of the spec, has to travel with what it uses: {where or 'it'} is "
            f"{error}. Make it in the function, or have the function look it up"
        ) from None
    except Unfetched as error:
        raise Unresolved(error.error) from None
