"""Works: what is given to a worker, with the values that it needs."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from typing import Any

from wfc.plan.model import BranchNode, CallNode, ExprNode, Graph
from wfc.runtime.engine.evaluate import as_pending, element_of
from wfc.runtime.engine.graphs import NodeInfo, outer_step
from wfc.runtime.engine.records import (
    Submit,
)
from wfc.runtime.engine.state import RUNNING, Dispatch, Fan, Scope, enclosing
from wfc.runtime.engine.waits import Waits
from wfc.runtime.steps import shape_of
from wfc.runtime.uses import provides
from wfc.runtime.values import (
    ErrorInfo,
    Pending,
    Raised,
    Rows,
    Value,
)
from wfc.runtime.work import (
    Dynamic,
    HopState,
    Work,
)


class Building(Waits):
    """Builds works and has them submitted."""

    def _submit(self, work: Dispatch) -> None:
        built = self._build(work)
        if built is not None:
            work.submitted = True
            self.joined_values.pop(work.id, None)
            self.effects.append(Submit(built))

    def _build(self, work: Dispatch) -> Work | None:
        if work.kind == "unit":
            return self._build_unit(work)
        if work.kind == "map":
            return self._build_map(work)
        if work.kind == "frame":
            return self._build_frame(work)
        return self._build_expr(work)

    def _env(
        self, work: Dispatch, scope: Scope, names: Sequence[str], handles: Sequence[str],
        as_handles: set[str],
    ) -> dict[str, Value] | None:  # fmt: skip
        """The values of these names, or `None` when some have to be made first (then the work is
        put off until they are)."""
        env: dict[str, Value] = {}
        joined = self.joined_values.setdefault(work.id, {})
        left, armed = 0, False

        def one() -> None:
            nonlocal left
            left -= 1
            if left == 0 and armed and work.id in self.works:
                self.ready[work.id] = work

        for name in names:
            value = self.lookup(scope, name)
            if value is None:
                value = self.lookup(scope, "&" + name)
                if value is None:
                    continue
            if self.gone(value):
                left += 1
                self.later(self.revive, scope, name, one)
                continue
            pending = as_pending(value)
            if pending is not None and name not in as_handles:
                if name not in joined:
                    left += 1
                    self._join_for(scope, name, pending, work, one)
                value = joined.get(name, value)
            env[name] = value
        for name in handles:
            handle = self.handles_of(scope, name)
            if handle is not None:
                env["&" + name] = handle
        armed = True
        return None if left else env

    def _join_for(
        self, scope: Scope, name: str, pending: Pending, work: Dispatch, one: Callable[[], None]
    ) -> None:
        def arrived(rows: Rows) -> None:
            self.joined_values.setdefault(work.id, {})[name] = rows
            one()

        def failed(error: ErrorInfo) -> None:
            if work.id in self.works:
                self.drop_work(work.id)
                if work.kind == "map" and work.fan is not None:
                    self.fail(work.fan.scope, work.fan.node, error)
                else:
                    self.fail(scope, work.node, error)

        self.join(pending, arrived, failed)

    def _pending_params(self, members: Sequence[NodeInfo]) -> set[str]:
        """Names that these calls hand on as handles: to `Pending[…]` parameters."""
        found: set[str] = set()
        for member in members:
            node = member.node
            if not isinstance(node, CallNode) or node.callee != "task":
                continue
            task = self.plan.tasks.get(node.target)
            if task is None or not task.pending:
                continue
            for name, arg in (*zip(task.params, node.args, strict=False), *node.kwargs.items()):
                if name in task.pending and arg[0] == "name":
                    found.add(arg[1])
        return found

    def _build_unit(self, work: Dispatch) -> Work | None:
        scope = work.scope
        nodes = [i for i in work.nodes if scope.status[i] == RUNNING]
        if not nodes:
            self.forget(work.id)
            return None
        members = [scope.g.nodes[i] for i in nodes]
        own = {n for m in members for n in provides(m.node)}
        names = dict.fromkeys(n for m in members for n in (*m.names, *m.free) if n not in own)
        handles = dict.fromkeys(
            n for m in members for n in (*m.handles, *m.free_handles) if n not in own
        )
        env = self._env(work, scope, list(names), list(handles), self._pending_params(members))
        if env is None:
            return None
        self.place(work, nodes, env.values())
        if self._before_home(work):
            return None
        calls = [m.node for m in members if isinstance(m.node, CallNode)]
        lead = calls[0] if calls else members[0].node
        options = getattr(lead, "options", {})
        known: dict[str, Value | HopState | Raised] = {
            outer_step(scope.g.nodes[i].node.id, step): value
            for i in nodes
            for step, value in scope.known.get(i, {}).items()
        }
        branches = any(isinstance(m.node, BranchNode) for m in members)
        for outer in enclosing(scope):
            if branches:
                known.update(outer.prefilled)
            elif outer is not scope:  # this is an arm that a unit had begun to run
                facts = outer.prefilled.items()
                known.update((s, fact) for s, fact in facts if scope.g.holder(s) in nodes)
        for step, value in self.orphans.get(scope.path, {}).items():
            if scope.g.holder(step) in nodes and scope.g.has_inside(step):
                known[step] = value
        return Work(
            id=work.id,
            graph=scope.g.address,
            path=scope.path,
            nodes=tuple(m.node.id for m in members),
            element=element_of(scope),
            env=env,
            known={0: known} if known else {},
            shape=self._shape(lead),
            home=work.home,
            park=work.park,
            timeout=_seconds(options.get("timeout")),
            failures={0: failures} if (failures := failures_of(scope, nodes)) else {},
            checkpoint=scope.frame.checkpoint,
            priority=int(options.get("priority", 0)),
            dynamic=self._dynamic_of(scope),
        )

    def _before_home(self, work: Dispatch) -> bool:
        """Whether a work has to wait for the work that parks the process it must run in."""
        if work.home is None or work.home not in self.works:
            return False
        self.before_home.setdefault(work.home, []).append(work)
        return True

    def _shape(self, node: Any) -> Any:
        options = getattr(node, "options", {})
        if isinstance(node, CallNode) and node.callee == "workflow":
            options = self._first_call_options(self.plan.workflows[node.target].body, set())
        return shape_of(options)

    def _first_call_options(self, graph: Graph, seen: set[str]) -> dict[str, Any]:
        for node in graph.nodes:
            if isinstance(node, CallNode):
                if node.callee == "task":
                    return node.options
                if node.target not in seen:
                    seen.add(node.target)
                    inner = self._first_call_options(self.plan.workflows[node.target].body, seen)
                    if inner:
                        return inner
            elif isinstance(node, BranchNode):
                bodies = [*(a.body for a in node.arms), node.orelse, node.then]
                for body in bodies:
                    inner = self._first_call_options(body, seen) if body is not None else {}
                    if inner:
                        return inner
        return {}

    def _dynamic_of(self, scope: Scope) -> Dynamic | None:
        at = scope
        while at.up is not None:
            at = at.up
        dynamic = at.frame.dynamic
        return Dynamic(dynamic.graph, {}, dynamic.functions, dynamic.digest) if dynamic else None

    def _build_map(self, work: Dispatch) -> Work | None:
        fan = work.fan
        if fan is None:
            return None
        scope, node = fan.scope, self.map_node(fan)
        indices = work.indices
        if not self._all_running(fan, indices):
            indices = work.indices = [k for k in indices if fan.status[k] == RUNNING]
            work.left = len(indices)
        if not len(indices):
            self.forget(work.id)
            return None
        if self._items_missing(fan, work, indices):
            return None
        info = scope.g.nodes[fan.node]
        body = scope.g.inner[node.id]
        own = {*node.targets, *body.index}
        names = [n for n in info.free if n not in own]
        env = self._env(work, scope, names, info.free_handles, self._pending_params(body.nodes))
        if env is None:
            return None
        items = self.items_of(fan, indices)
        self.place(work, [work.node], (*env.values(), items))
        if self._before_home(work):
            return None
        known: dict[int, dict[str, Value | HopState | Raised]] = {}
        failures: dict[int, dict[str, int]] = {}
        if fan.known or fan.failures:
            for offset, k in enumerate(indices):
                if k in fan.known:
                    known[offset] = fan.known[k]
                if k in fan.failures:
                    failures[offset] = dict(fan.failures[k])
        options = self._first_call_options(node.body, set())
        return Work(
            id=work.id,
            graph=body.address,
            path=scope.path,
            env=env,
            map=node.id,
            items=items,
            indices=indices,
            known=known,
            shape=shape_of(options),
            home=work.home,
            limit=node.concurrency,
            timeout=_seconds(options.get("timeout")),
            failures=failures,
            checkpoint=scope.frame.checkpoint,
            priority=int(options.get("priority", node.priority)),
            dynamic=self._dynamic_of(scope),
        )

    @staticmethod
    def _all_running(fan: Fan, indices: Sequence[int]) -> bool:
        if isinstance(indices, range):
            part = fan.status[indices.start : indices.stop]
            return part.count(RUNNING) == len(indices)
        return all(fan.status[k] == RUNNING for k in indices)

    def _items_missing(self, fan: Fan, work: Dispatch, indices: Sequence[int]) -> bool:
        """Whether elements have to be made again before they can be shipped; that is under way."""
        if fan.items is not None and not self.gone(fan.items):
            return False
        lost = [k for k in indices if self.gone(self.item(fan, k))]
        if not lost:
            return False

        def made() -> None:
            if work.id in self.works:
                self.ready[work.id] = work

        self.later(self.revive_items, fan, lost, made)
        return True

    def _build_frame(self, work: Dispatch) -> Work | None:
        frame = work.frame
        if frame is None or frame.workflow is None:
            return None
        frame.args.update({n: work.scope.values[n] for n in frame.args if n in work.scope.values})
        bad = [n for n, v in frame.args.items() if self.gone(v)]
        if bad:
            env = self._env(work, work.scope, bad, (), set())
            if env is None:
                return None
            frame.args.update(env)
        home = self.home_among(frame.args.values())
        self.move(work, self.home_around(frame) if home is None else home)
        if self._before_home(work):
            return None
        return Work(
            id=work.id,
            graph=frame.target,
            path=frame.path,
            env=dict(frame.args),
            known={0: dict(frame.known)} if frame.known else {},
            hop=frame.hop,
            shape=shape_of(self._first_call_options(frame.workflow.body, {frame.target})),
            home=work.home,
            failures={0: dict(frame.failures)} if frame.failures else {},
            checkpoint=frame.checkpoint,
        )

    def _build_expr(self, work: Dispatch) -> Work | None:
        key, expr, explode = self.expr_jobs[work.id]
        scope = work.scope
        where = scope.g.nodes[work.node].node.where
        info = NodeInfo(ExprNode(id="$x", where=where, expr=expr), 0)
        env = self._env(
            work, scope, info.names, info.handles, {*info.names} if key == "members" else set()
        )
        if env is None:
            return None
        self.move(work, self.home_among(env.values()))
        graph = Graph(nodes=[info.node])
        dynamic = Dynamic(graph.to_json().encode(), {}, {}, f"$expr:{_digest(expr)}")
        return Work(
            id=work.id,
            graph="$dyn",
            path=f"{scope.path}/{scope.g.nodes[work.node].node.id}",
            nodes=("$x",),
            env=env,
            home=work.home,
            park=work.park,
            explode=explode,
            checkpoint=key in ("keep", "return") or scope.frame.checkpoint,
            dynamic=dynamic,
        )


def failures_of(scope: Scope, nodes: Sequence[int]) -> dict[str, int]:
    """How often tasks of a unit have failed, by their ids (see `Work.failures`)."""
    return {task: n for i in nodes for task, n in scope.failures.get(i, {}).items()}


def _seconds(value: Any) -> float | None:
    return None if value is None else float(value)


def _digest(expr: Any) -> str:
    return str(zlib.crc32(repr(expr).encode()))
