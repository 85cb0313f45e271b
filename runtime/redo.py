"""Which records of a run still hold when its code or its spec has changed.

What a changed task made does not, nor does anything made of that: along names, arguments, loop
items, what a workflow returns, and `after`. All else does, as long as the place that it belongs to is
still there: a call of the same thing with the same expressions under the same id. Where it cannot be
told (a graph that a task returned, a frame that a worker ran in one go), the answer is no, and
something is run again that need not have been.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from wfc.plan import expr as ex
from wfc.plan.model import (
    AnyNode,
    BranchNode,
    CallNode,
    ContinuationNode,
    MapNode,
    Plan,
    ReceiveNode,
    ReturnNode,
    TaskDef,
    WaitNode,
)
from wfc.runtime.engine import Engine
from wfc.runtime.engine import records as rec
from wfc.runtime.engine.graphs import Book, GraphInfo
from wfc.runtime.engine.state import Scope
from wfc.runtime.uses import own_expressions
from wfc.runtime.values import Rows


def redo(found: Iterable[rec.Record], old: Plan, new: Plan, changed: set[str]) -> list[rec.Record]:
    """The records that still hold for `new`, where `changed` are tasks of other code than before.

    `found` are those of a run of `old` that has not succeeded, without its end.
    """
    records = list(found)
    stale = Stale(old, new, changed)
    for workflow in _grown(records, old):
        stale.doubt(workflow)
    stale.spread()
    engine = Redoing(new, stale)
    kept = engine.recover(records, lambda record: _left(engine, stale, record))
    return [r for r in kept if not isinstance(r, rec.Claimed) or engine.still_claimed(r)]


class Redoing(Engine):
    """An engine that believes no decision of what is stale."""

    def __init__(self, plan: Plan, stale: Stale) -> None:
        super().__init__(plan)
        self._stale = stale

    def decided(self, scope: Scope, index: int) -> Any:
        """What a wait, a timer or a receive had come to, if that still holds."""
        at = (scope.g.address, scope.g.nodes[index].node.id)
        return None if at in self._stale.nodes else super().decided(scope, index)

    def still_claimed(self, record: rec.Claimed) -> bool:
        """Whether a signal is still taken, when all records are in: while the receive is there, and
        what is before it. It may be one of a hop that is over, or is still to be come to again."""
        found = self.locate(record.path, record.node)
        graphs = _graphs(self.book, self.plan) if found is None else (found[0].g,)
        name = record.node
        return not name or any(
            isinstance(g.nodes[g.ids[name]].node, ReceiveNode)
            and (g.address, name) not in self._stale.nodes
            for g in graphs
            if name in g.ids
        )


class Stale:
    """What of a plan cannot be believed any more: `nodes` by address of their graph and id, names of
    `results` and parameters of workflows."""

    def __init__(self, old: Plan, new: Plan, changed: set[str]) -> None:
        self.plan = new
        self.book = Book(new)
        self.changed = changed | {
            name
            for name, task in new.tasks.items()
            if name in old.tasks and _function(task) != _function(old.tasks[name])
        }
        self.before = {g.address: g for g in _graphs(Book(old), old)}
        self.nodes: set[tuple[str, str]] = set()
        self.params: set[tuple[str, str]] = set()
        self.results: set[str] = set()
        self.doubted: set[str] = set()
        for name, workflow in new.workflows.items():
            was = (
                {p.name: p.default for p in old.workflows[name].params}
                if name in old.workflows
                else {}
            )
            for param in workflow.params:
                if param.name not in was or was[param.name] != param.default:
                    self.params.add((name, param.name))

    def doubt(self, workflow: str) -> None:
        """Believe nothing of a workflow."""
        self.doubted.add(workflow)

    def spread(self) -> None:
        """Follow all that comes of what has changed, until nothing more does."""
        before = -1
        while before != (before := len(self.nodes) + len(self.params) + len(self.results)):
            for name in self.plan.workflows:
                given = {param for workflow, param in self.params if workflow == name}
                for g in (self.book.workflow(name), self.book.finally_(name)):
                    if g is not None:
                        self._walk(name, g, set(given))

    def touches(self, workflow: str) -> bool:
        """Whether anything in a workflow, or in those that it calls, is stale."""
        todo, seen = [workflow], set()
        while todo:
            name = todo.pop()
            if name in seen:
                continue
            seen.add(name)
            if name not in self.plan.workflows:  # a hop to a task
                return name in self.changed or name not in self.plan.tasks
            if name in self.results or name in self.doubted:
                return True
            for g in _all_inside(self.book.workflow(name)):
                for info in g.nodes:
                    if (g.address, info.node.id) in self.nodes:
                        return True
                    called = _workflow_of(info.node)
                    if called is not None:
                        todo.append(called)
        return False

    def inside(self, g: GraphInfo, name: str) -> bool:
        """Whether a node of a graph, or of one in it, is stale; also when there is none such. Ids may
        repeat in what excludes each other: then one that is stale is enough."""
        found = [
            (each.address, each.nodes[each.index[name]].node)
            for each in _all_inside(g)
            if name in each.index
        ]
        return not found or any(
            (address, node.id) in self.nodes or self.calls_stale(node) for address, node in found
        )

    def calls_stale(self, node: AnyNode) -> bool:
        """Whether a node is the call of a workflow in which something is stale."""
        called = _workflow_of(node)
        return called is not None and self.touches(called)

    def _walk(self, workflow: str, g: GraphInfo, names: set[str]) -> bool:
        """Mark the nodes of a graph in which these names are stale, and add to them those that it
        gives; true when the end of the frame hangs on something stale."""
        ends = False
        old = self.before.get(g.address)
        for info in g.nodes:
            node = info.node
            used = {*info.names, *info.handles, *info.after}
            bad = (
                workflow in self.doubted
                or bool(used & names)
                or old is None
                or node.id not in old.ids
                or _shape(node) != _shape(old.nodes[old.ids[node.id]].node)
                or (isinstance(node, CallNode) and self._called(node))
            )
            if isinstance(node, CallNode | ContinuationNode) and node.callee == "workflow":
                self._give(node, names)
            if isinstance(node, MapNode):
                bad = self._map(workflow, g, node, names, bad)
            elif isinstance(node, BranchNode):
                stops = self._branch(workflow, g, node, names, bad)
                ends = ends or stops or (bad and g.tail == node.id)
                bad = bad or any((i.address, n.node.id) in self.nodes
                                 for i in _branch_graphs(g, node) for n in i.nodes)  # fmt: skip
                if bad:
                    names.update(node.outputs)
            elif isinstance(node, ReturnNode | ContinuationNode):
                ends = ends or bad
                if isinstance(node, ContinuationNode):
                    ends = ends or node.target in self.results or node.target in self.changed
            if bad:
                self.nodes.add((g.address, node.id))
                names.add(node.id)
        if ends:
            self.results.add(workflow)
        return ends

    def _called(self, node: CallNode) -> bool:
        if node.callee == "workflow":
            return node.target in self.results or node.target in self.doubted
        return node.target in self.changed or node.target not in self.plan.tasks

    def _give(self, node: CallNode | ContinuationNode, names: set[str]) -> None:
        params = [p.name for p in self.plan.workflows[node.target].params]
        given = [*zip(params, node.args, strict=False), *node.kwargs.items()]
        for param, arg in given:
            if names.intersection(_names(arg)):
                self.params.add((node.target, param))

    def _map(self, workflow: str, g: GraphInfo, node: MapNode, names: set[str], bad: bool) -> bool:
        inside = set(names) | (set(node.targets) if bad else set())
        self._walk(workflow, g.inner[node.id], inside)
        for out in node.outputs:
            parts = [e for e in (out.value, out.key, out.when) if e is not None]
            if bad or any(inside.intersection(_names(e)) for e in parts):
                names.add(out.name)
                bad = True
        return bad

    def _branch(
        self, workflow: str, g: GraphInfo, node: BranchNode, names: set[str], bad: bool
    ) -> bool:
        ends = False
        for inner in _branch_graphs(g, node):
            within = set(names)
            stops = self._walk(workflow, inner, within)
            ends = ends or stops or (bad and inner.tail is not None)
            # What follows a branch, and what its arms give, is known by its own names.
            names.update(n for n in within if inner.address.endswith(":then"))
            for outer, inners in node.outputs.items():
                if within.intersection(n for n in inners if n is not None):
                    names.add(outer)
        return ends


def _left(engine: Engine, stale: Stale, record: rec.Record) -> Iterator[rec.Record]:
    """What of a record still holds."""
    if isinstance(record, rec.Began | rec.Signalled | rec.Claimed):
        yield record
        return
    if isinstance(record, rec.Fired):
        if not _timer_is_stale(engine, stale, record.timer):
            yield record
        return
    if isinstance(record, rec.Ended | rec.Cancelled | rec.Grew):
        return
    kind, scope, _, frame, index = engine.instance(record.path, record.node)
    if not kind or scope is None:
        return
    if kind == "frame":
        if isinstance(record, rec.Computed):
            return  # its deadline is set anew
        if frame is not None and not stale.touches(frame.target):
            yield record
        return
    g = scope.g
    node = g.nodes[index].node
    if isinstance(record, rec.Computed):
        if (g.address, node.id) not in stale.nodes:
            yield record
        return
    if isinstance(node, MapNode) and kind != "map":
        return  # what it goes over is not there any more
    body = g.inner[node.id] if kind == "map" else g
    if isinstance(record, rec.Completed):
        whole = kind != "map" or (g.address, node.id) not in stale.nodes
        yield from _of_completed(stale, body, kind == "map", whole, record)
    elif isinstance(record, rec.Advanced | rec.Attempted):
        if not _step_is_stale(stale, body, record.step):
            yield record
    elif isinstance(record, rec.Hopped) and not _step_is_stale(stale, body, record.frame):
        yield record


def _of_completed(
    stale: Stale, g: GraphInfo, elements: bool, whole: bool, record: rec.Completed
) -> Iterator[rec.Record]:
    good = {
        name: chunk
        for name, chunk in record.columns.items()
        if not _column_is_stale(stale, g, name)
    }
    if whole and len(good) == len(record.columns):
        yield record
    elif not elements:
        if good:
            yield replace(record, columns=good)
    else:
        # The elements are not complete any more; what holds is known inside of them.
        for name, chunk in good.items():
            if isinstance(chunk, int) or name.startswith("="):
                continue
            for k, value in zip(record.indices, Rows([chunk]).values(), strict=True):
                yield rec.Advanced(record.path, record.node, k, name, value, record.at)


def _column_is_stale(stale: Stale, g: GraphInfo, name: str) -> bool:
    if name.startswith("="):
        return any((i.address, n.node.id) in stale.nodes for i in _all_inside(g) for n in i.nodes)
    return stale.inside(g, name)


def _step_is_stale(stale: Stale, g: GraphInfo, step: str) -> bool:
    found = [(each, *each.split_step(step)) for each in _all_inside(g)]
    owners = [(each, each.nodes[at].node, rest) for each, at, _, rest in found if at is not None]
    # Ids may repeat in arms, which exclude each other: then one that is stale is enough.
    return not owners or any(
        (each.address, node.id) in stale.nodes
        or stale.calls_stale(node)
        or (bool(rest) and _workflow_of(node) is None)
        for each, node, rest in owners
    )


def _timer_is_stale(engine: Engine, stale: Stale, timer: str) -> bool:
    """Whether a timer is another one now. The deadline of a workflow is set anew: it is a time on the
    clock, so that it has passed again if it is the same."""
    if timer.endswith("!timeout"):
        return True
    return any(
        (scope.g.address, timer[len(path) + 1 :]) in stale.nodes
        for path, scopes in engine.scopes.items()
        if timer.startswith(f"{path}/")
        for scope in scopes
    )


def _grown(records: Iterable[rec.Record], old: Plan) -> set[str]:
    """Workflows in which a task has returned a graph: what that calls is not to be seen in the plan."""
    engine = Engine(old)
    found = set()

    def look(record: rec.Record) -> tuple[rec.Record]:
        if isinstance(record, rec.Grew):
            _, scope, _, frame, _ = engine.instance(record.path, record.node)
            of = frame or (scope.frame if scope is not None else None)
            while of is not None:
                if of.workflow is not None:
                    found.add(of.workflow.name)
                of = of.parent
        return (record,)

    engine.recover(records, look)
    return found


# --------------------------------------------------------------------------- reading plans


def _graphs(book: Book, plan: Plan) -> Iterator[GraphInfo]:
    for name in plan.workflows:
        for g in (book.workflow(name), book.finally_(name)):
            if g is not None:
                yield from _all_inside(g)


def _all_inside(g: GraphInfo) -> Iterator[GraphInfo]:
    todo = [g]
    while todo:
        at = todo.pop()
        yield at
        todo.extend(at.inner.values())


def _branch_graphs(g: GraphInfo, node: BranchNode) -> Iterator[GraphInfo]:
    prefix = f"{node.id}:"
    for suffix, inner in g.inner.items():
        if suffix.startswith(prefix):
            yield inner


def _function(task: TaskDef) -> tuple[str, str]:
    return task.module, task.qualname


def _workflow_of(node: AnyNode) -> str | None:
    """The workflow that a node calls, if it calls one."""
    if isinstance(node, CallNode | ContinuationNode) and node.callee == "workflow":
        return node.target
    return None


def _names(e: object) -> set[str]:
    found = set(ex.names(e))
    return found | {name.removeprefix("&") for name in found}


def _shape(node: AnyNode) -> str:
    """What a node means, without where it stands, how it is run, and the graphs in it."""
    parts: list[object] = [node.kind, list(own_expressions(node)), getattr(node, "catch", False)]
    for name in ("target", "callee", "targets", "where_each", "members", "signal"):
        parts.append(getattr(node, name, None))
    if isinstance(node, CallNode | ContinuationNode):
        parts.append(sorted(node.kwargs))
    if isinstance(node, MapNode):
        parts.append([[o.name, o.value, o.key, o.when] for o in node.outputs])
    if isinstance(node, BranchNode):
        parts.append(node.outputs)
    if isinstance(node, WaitNode):
        parts.append(node.quorum.form)
    return json.dumps(parts, sort_keys=True, default=str)
