"""What a task was called with, worked out from the plan and the journal: for people to look at.

Nothing is stored for it. What cannot be known any more (the results of a `wait`, say, or values that
were not kept) is shown as it stands in the spec.
"""

from __future__ import annotations

import re
import reprlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from wfc.plan import expr as ex
from wfc.plan import model
from wfc.runtime.values import Value

MOST = 1000
"""Elements of a fan-out that are gathered at most, to show its result as an input."""

WIDE = 400
"""Characters of an abridged value, at most."""

Find = Callable[[str], Value]
"""The stored result of a task by its id; raises `LookupError`."""


def inputs(
    plan: model.Plan,
    params: Mapping[str, Any],
    find: Find,
    load: Callable[[Value], Any],
    task: str,
) -> dict[str, str]:
    """The arguments of a task by the names of its parameters, as text that is cut.

    Empty for a task that does not stand in the plan (one that another task returned).
    """
    entry = plan.workflows[plan.entry]
    values: dict[str, Any] = {}
    for param in entry.params:
        if param.name in params:
            values[param.name] = params[param.name]
        elif param.default is not None:
            values[param.name] = ex.compile_expr(param.default)({})
    reader = _Reader(plan, find, load)
    found = _call(reader, entry, task, values)
    return {} if found is None else reader.shown(*found)


def target(plan: model.Plan, task: str) -> str | None:
    """The name of the plan's task that a task of a run is a call of, where it stands in the plan."""

    def unknown(_: Any) -> Any:
        raise LookupError

    found = _call(_Reader(plan, unknown, unknown), plan.workflows[plan.entry], task, {})
    return None if found is None else found[0].target


def _call(
    reader: _Reader, entry: model.WorkflowDef, task: str, values: dict[str, Any]
) -> tuple[model.CallNode, _Scope] | None:
    for graph, path in ((entry.body, entry.name), (entry.finally_, f"{entry.name}/finally")):
        if graph is not None and task.startswith(path + "/"):
            found = reader.call(_Scope(path, graph, values), task[len(path) + 1 :])
            if found is not None:
                return found
    return None


def abridged(value: Any) -> str:
    """A value as text of one line that is never long."""
    brief = reprlib.Repr()
    brief.maxlist = brief.maxtuple = brief.maxdict = brief.maxset = 6
    brief.maxstring, brief.maxother, brief.maxlevel = 160, 160, 3
    shape, dtype = getattr(value, "shape", None), getattr(value, "dtype", None)
    if isinstance(shape, tuple) and shape and dtype is not None:
        return f"{type(value).__name__} of shape {shape}, {dtype}"
    try:
        text = " ".join(brief.repr(value).split())
    except Exception as error:  # a class of the user's that cannot be shown
        text = f"<{type(value).__name__}, whose repr raises {type(error).__name__}>"
    return text if len(text) <= WIDE else text[: WIDE - 1] + "…"


class _Unknown(LookupError):  # noqa: N818
    """The value cannot be known from the journal."""


class _Scope:
    """An instance of a graph: `path` is before the ids of its nodes; `names` are those that it binds
    itself."""

    def __init__(
        self, path: str, graph: model.Graph, names: dict[str, Any], up: _Scope | None = None
    ) -> None:
        self.path = path
        self.names = names
        self.up = up
        self.nodes = list(_nodes(graph))


class _Hidden:
    """Stands for a secret."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return f"secret({self._name!r})"

    __str__ = __repr__


class _Reader:
    def __init__(self, plan: model.Plan, find: Find, load: Callable[[Value], Any]) -> None:
        self._plan = plan
        self._find = find
        self._load = load

    # ------------------------------------------------------------------ the call

    def call(self, scope: _Scope, rest: str) -> tuple[model.CallNode, _Scope] | None:
        """The call that a path below a scope is of, and the scope that it stands in."""
        for node in scope.nodes:
            found = None
            if isinstance(node, model.CallNode):
                if rest == node.id:
                    return node, scope
                if node.callee == "workflow" and rest.startswith(node.id + "/"):
                    found = self._inside(node, scope, rest[len(node.id) + 1 :])
            elif isinstance(node, model.MapNode):
                found = self._element(node, scope, rest)
            if found is not None:
                return found
        return None

    def _inside(
        self, node: model.CallNode, scope: _Scope, rest: str
    ) -> tuple[model.CallNode, _Scope] | None:
        return self.call(self._frame(node, scope), rest)

    def _frame(self, node: model.CallNode, scope: _Scope) -> _Scope:
        """The scope of a workflow's frame."""
        workflow = self._plan.workflows[node.target]
        names = [p.name for p in workflow.params]
        values: dict[str, Any] = {
            p.name: ex.compile_expr(p.default)({}) for p in workflow.params if p.default is not None
        }
        given = [*zip(names, node.args, strict=False), *node.kwargs.items()]
        values.update((name, _Later(self, scope, expr)) for name, expr in given)
        return _Scope(f"{scope.path}/{node.id}", workflow.body, values)

    def _element(
        self, node: model.MapNode, scope: _Scope, rest: str
    ) -> tuple[model.CallNode, _Scope] | None:
        origins = {n.origin for n in _nodes(node.body) if isinstance(n, model.CallNode)}
        for name in (node.id, *sorted(o for o in origins if o)):
            found = re.match(re.escape(name) + r"\[(\d+)\]/", rest)
            if found is not None:
                inner = self._element_scope(node, scope, int(found[1]), name)
                return self.call(inner, rest[found.end() :])
        return None

    def _element_scope(
        self, node: model.MapNode, scope: _Scope, index: int, name: str = ""
    ) -> _Scope:
        path = f"{scope.path}/{name or node.id}[{index}]"
        bound: dict[str, Any] = {t: _Item(self, node, scope, index, t) for t in node.targets}
        return _Scope(path, node.body, bound, scope)

    # ------------------------------------------------------------------ values

    def shown(self, node: model.CallNode, scope: _Scope) -> dict[str, str]:
        """The arguments of a call as text."""
        task = self._plan.tasks.get(node.target)
        names = task.params if task is not None else []
        given = {names[i] if i < len(names) else f"#{i + 1}": e for i, e in enumerate(node.args)}
        out = {}
        for name, expr in {**given, **node.kwargs}.items():
            try:
                out[name] = abridged(self.value(expr, scope))
            except Exception:  # not known, or an expression over what is not known
                from wfc.compiler.emit.text import text

                out[name] = f"{text(by_value(expr))}    (its value is not kept)"
        return out

    def value(self, expr: Any, scope: _Scope) -> Any:
        """The value of an expression; raises `_Unknown`."""
        expr = by_value(expr)
        env: dict[str, Any] = {name: self._name(name, scope) for name in ex.names(expr)}
        env["$secret"] = _Hidden
        return ex.compile_expr(expr)(env)

    def _name(self, name: str, scope: _Scope | None) -> Any:
        while scope is not None:
            if name in scope.names:
                found = scope.names[name]
                return found() if isinstance(found, (_Later, _Item)) else found
            for node in scope.nodes:
                if name == node.id or name in _outputs(node):
                    return self._node(node, name, scope)
            scope = scope.up
        raise _Unknown(name)

    def _node(self, node: model.AnyNode, name: str, scope: _Scope) -> Any:
        if isinstance(node, model.ExprNode):
            return self.value(node.expr, scope)
        if isinstance(node, model.CallNode):
            try:
                return self._load(self._find(f"{scope.path}/{node.id}"))
            except LookupError as error:
                if node.callee == "workflow" and not node.catch:
                    return self._returned(self._frame(node, scope))
                raise _Unknown(name) from error
        if isinstance(node, model.BranchNode):
            for given in node.outputs.get(name, []):
                try:
                    return self._name(given, scope) if given is not None else None
                except LookupError:
                    continue
        if isinstance(node, model.MapNode):
            return self._all(node, name, scope)
        raise _Unknown(name)

    def _returned(self, frame: _Scope) -> Any:
        """What a workflow returned, where there is only one way to do so."""
        exits = [n for n in frame.nodes if n.kind in ("return", "continuation", "fail")]
        if len(exits) != 1 or not isinstance(exits[0], model.ReturnNode):
            raise _Unknown(frame.path)
        return self.value(exits[0].expr, frame)

    def _all(self, node: model.MapNode, name: str, scope: _Scope) -> Any:
        count = len(self.items(node, scope))
        if count > MOST:
            raise _Unknown(name)
        output = next((o for o in node.outputs if o.name == name), node.outputs[0])
        out = []
        for index in range(count):
            inner = self._element_scope(node, scope, index)
            if output.when is None or self.value(output.when, inner):
                key = None if output.key is None else self.value(output.key, inner)
                out.append((key, self.value(output.value, inner)))
        return dict(out) if output.key is not None else [value for _, value in out]

    def items(self, node: model.MapNode, scope: _Scope) -> list[Any]:
        """The elements that a fan-out has, after its filter."""
        found = list(self.value(node.items, scope))
        if node.where_each is None:
            return found
        kept = []
        for item in found:
            names: dict[str, Any] = {}
            ex.bind(node.targets, item, names)
            inner = _Scope(scope.path, model.Graph(nodes=[]), names, scope)
            if self.value(node.where_each, inner):
                kept.append(item)
        return kept


class _Later:
    """An argument of a workflow, worked out when somebody asks."""

    def __init__(self, reader: _Reader, scope: _Scope, expr: Any) -> None:
        self._of = reader, scope, expr

    def __call__(self) -> Any:
        reader, scope, expr = self._of
        return reader.value(expr, scope)


class _Item:
    """A loop name of an element, worked out when somebody asks."""

    def __init__(
        self, reader: _Reader, node: model.MapNode, scope: _Scope, index: int, name: str
    ) -> None:
        self._of = reader, node, scope, index, name

    def __call__(self) -> Any:
        reader, node, scope, index, name = self._of
        names: dict[str, Any] = {}
        ex.bind(node.targets, reader.items(node, scope)[index], names)
        return names[name]


def _nodes(graph: model.Graph) -> Iterator[model.AnyNode]:
    """The nodes of a graph and of the branches in it: their paths have no part for a branch."""
    for node in graph.nodes:
        yield node
        if isinstance(node, model.BranchNode):
            for inner in (*(arm.body for arm in node.arms), node.orelse, node.then):
                if inner is not None:
                    yield from _nodes(inner)


def _outputs(node: model.AnyNode) -> list[str]:
    if isinstance(node, model.MapNode):
        return [o.name for o in node.outputs]
    return list(node.outputs) if isinstance(node, model.BranchNode) else []


def by_value(expr: Any) -> Any:
    """The expression with values in place of handles: there is nothing left to wait for."""
    if isinstance(expr, list):
        if len(expr) == 2 and expr[0] == "handle":
            return ["name", expr[1]]
        return [by_value(part) for part in expr]
    if isinstance(expr, dict):
        return {key: by_value(part) for key, part in expr.items()}
    return expr
