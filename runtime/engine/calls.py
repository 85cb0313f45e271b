"""Calls given to workers: works, the processes of regions, arguments."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from wfc.plan.model import (
    CallNode,
    ContinuationNode,
    Node,
    ParamDef,
)
from wfc.runtime.engine.branches import Branches
from wfc.runtime.engine.evaluate import as_pending, fleeting
from wfc.runtime.engine.records import CancelWork, Release
from wfc.runtime.engine.state import (
    DONE,
    FAILED,
    RUNNING,
    Dispatch,
    Frame,
    Scope,
    enclosing,
    hosts,
    inplace_call,
)
from wfc.runtime.values import Raised, Value, homes_of
from wfc.runtime.work import HopState


class Calls(Branches):
    """Gives calls to workers, and binds their arguments."""

    # ------------------------------------------------------------------ works

    def dispatch(self, scope: Scope, index: int, nodes: list[int]) -> Dispatch:
        """Give nodes to a worker, as one work led by `index`."""
        for i in nodes:
            scope.status[i] = RUNNING
        work = self.new_work("unit", scope, index, nodes=nodes)
        scope.works.add(work.id)
        scope.state[("work", index)] = work.id
        return work

    def settle(self, scope: Scope, index: int, value: Any, volatile: bool = False) -> None:
        """A node is done."""
        super().settle(scope, index, value, volatile)
        if scope.regions:
            self._leave_region(scope, index)

    def drop_work(self, work: int) -> None:
        """Stop a work; nothing of it counts from here on."""
        known = self.forget(work)
        self.expr_jobs.pop(work, None)
        self.home_decided(work)
        if known is not None and known.submitted:
            self.effects.append(CancelWork(work))

    # ------------------------------------------------------------------ the processes of regions

    def place(self, work: Dispatch, nodes: list[int], given: Iterable[Value]) -> None:
        """Decide which process a work must run in, just before it is submitted: the one that holds
        what it is given and cannot leave; its frame's home; or its region's, which is the process of
        the first of the region that runs."""
        scope, frame = work.scope, work.scope.frame
        self.move(work, None)
        work.park = False
        home = self.home_among(given)
        if home is not None:
            self.move(work, home)
            return
        calls = [scope.g.nodes[i].node for i in nodes]
        if work.kind == "map" and work.fan is not None:
            body = scope.g.inner[scope.g.nodes[work.node].node.id]
            calls = [info.node for info in body.nodes]
        inplace = next((c for c in calls if isinstance(c, CallNode) and c.inplace), None)
        if (home := self.home_of(frame)) is not None:
            self.move(work, home if inplace is not None else None)
            return
        found = self._region_around(frame) if inplace is not None else None
        if found is not None and work.kind == "map":
            self.move(work, self._process_of(*found))
            return
        found = found or self._region_of(scope, inplace, [scope.g.nodes[i].node.id for i in nodes])
        if found is None:
            return
        at, name = found
        region = at.g.graph.regions[name]
        members = {*region.nodes, *([region.hang] if region.hang else [])}
        whole = at is scope and all(scope.g.index[m] in nodes for m in members)
        if whole and scope.g.handed_on.isdisjoint(members):
            return
        home = at.regions.get(name)
        if home is not None and home != work.id and home in self.homes:
            self.move(work, home)
        else:
            work.park = True
            at.regions[name] = work.id
            self.homes.setdefault(work.id, 0)

    def unpark(self, work: Dispatch) -> None:
        """A work is put off that was to park a process: what it waits for may belong there too."""
        if not work.park:
            return
        self.homes.pop(work.id, None)
        at: Scope | None = work.scope
        while at is not None:
            for name in [name for name, home in at.regions.items() if home == work.id]:
                del at.regions[name]
            at = at.up
        self.home_decided(work.id)

    def home_among(self, given: Iterable[Value]) -> int | None:
        """The process that values cannot leave, if they are in one."""
        homes = (home for value in given for home in homes_of(value))
        return next((home for home in homes if home in self.homes), None)

    def _region_of(
        self, scope: Scope, inplace: CallNode | None, ids: list[str]
    ) -> tuple[Scope, str] | None:
        """The region of an inplace call, or the one that hangs on one of these nodes; and the scope
        whose graph declares it."""
        if inplace is None or inplace.region is None:
            for name, region in scope.g.graph.regions.items():
                if region.hang in ids:
                    return scope, name
            return None
        at: Scope | None = scope
        while at is not None and at.frame is scope.frame:
            if inplace.region in at.g.graph.regions:
                return at, inplace.region
            at = at.up
        return None

    def _region_around(self, frame: Frame) -> tuple[Scope, str] | None:
        """The region of the call of a frame that is to be at home where its caller is, when nothing has
        run there yet."""
        found: tuple[Scope, str] | None = None
        if self.home_of(frame) is None:
            for called in map(inplace_call, hosts(frame)):
                if called is not None:  # the outermost: what is called there is at home there
                    found = self._region_of(*called, []) or found
        return found

    def _process_of(self, at: Scope, name: str) -> int:
        """The process of a region. Only a unit can make its own process that: if there is none yet,
        a work that does nothing else keeps one."""
        home = at.regions.get(name)
        if home is None or home not in self.homes:
            work = self.new_work("expr", at, at.g.index[at.g.graph.regions[name].nodes[0]])
            work.nodes, work.park = [], True
            self.expr_jobs[work.id] = ("process", ["lit", None], False)
            at.works.add(work.id)
            home = at.regions[name] = work.id
            self.homes[home] = 0
        return home

    def home_around(self, frame: Frame) -> int | None:
        """The process that a whole frame has to run in: its home, or what is going to be that."""
        found = self._region_around(frame)
        return self.home_of(frame) if found is None else self._process_of(*found)

    def _region_home(self, scope: Scope, node: Node) -> int | None:
        """The process of the region that an inplace call of a workflow belongs to."""
        if not isinstance(node, CallNode):
            return None
        found = self._region_around(scope.frame) or self._region_of(scope, node, [])
        if found is None:
            return None
        home = found[0].regions.get(found[1])
        return home if home in self.homes else None

    def _leave_region(self, scope: Scope, index: int) -> None:
        """Let the process of a region go once all its nodes are done."""
        node = scope.g.nodes[index].node
        for name, region in scope.g.graph.regions.items():
            home = scope.regions.get(name)
            members = {*region.nodes, *([region.hang] if region.hang else [])}
            if home is None or node.id not in members:
                continue
            at = [scope.g.index[m] for m in members]
            done = all(scope.status[i] in (DONE, FAILED) for i in at)
            if done and scope.again.isdisjoint(at):
                if self._outlives(scope, region.nodes) or home in self._leaving_with(scope):
                    continue  # until the scope ends
                del scope.regions[name]
                self.release(home)

    @staticmethod
    def _outlives(scope: Scope, members: Sequence[str]) -> bool:
        """Whether others than the calls of a region may still want what cannot leave its process:
        elements and arms that have to be made again are among them."""
        bound = [m for m in members if m in scope.values and any(homes_of(scope.values[m]))]
        if not bound or scope.owner[0] != "frame":
            return bool(bound)
        calls = {m for m in members if isinstance(scope.g.nodes[scope.g.index[m]].node, CallNode)}
        others = (info.uses for info in scope.g.nodes if info.node.id not in calls)
        return any(m in uses for uses in others for m in bound)

    @staticmethod
    def _leaving_with(scope: Scope) -> set[int]:
        """The processes of what a frame hands on, or returns, as it leaves."""
        leaving = scope.frame.exit or ("",)
        given: Iterable[Value] = leaving[1:2] if leaving[0] == "return" else ()
        if leaving[0] == "cont":
            given = leaving[2].values()
        return {home for value in given for home in homes_of(value)}

    def release(self, home: int) -> None:
        """Let a parked process go, at once or when nothing runs in it any more: what is made again
        for others may be in it, and it is parked only when the work is done that parks it."""
        if home in self.works or self.homes.get(home):
            self.leaving.add(home)
            return
        self.leaving.discard(home)
        if self.homes.pop(home, None) is not None:
            self.effects.append(Release(home))

    def let_go(self) -> None:
        """Release what was waited for and is empty now."""
        for home in list(self.leaving):
            self.release(home)

    def home_decided(self, work: int) -> None:
        """A work has ended: those that are to run in the process that it parks can go, or are
        placed anew if it did not park."""
        for waiting in self.before_home.pop(work, ()):
            if waiting.id in self.works:
                self.ready[waiting.id] = waiting

    # ------------------------------------------------------------------ arguments

    def prefilled(self, scope: Scope, name: str) -> Value | Raised | None:
        """What a call in a branch has come to that a worker has run as part of a unit."""
        for at in enclosing(scope):
            if name in at.prefilled:
                found = at.prefilled.pop(name)
                assert not isinstance(found, HopState), "these stand under other names"
                return found
        return self.orphans.get(scope.path, {}).pop(name, None)

    def taken(self, scope: Scope, index: int, found: Value | Raised) -> None:
        """A call has run in a unit already."""
        if isinstance(found, Raised):
            self.fail(scope, index, found.error)
        else:
            self.settle(scope, index, found, fleeting(found))

    def _carried(self, scope: Scope, node: CallNode) -> bool:
        workflow = self.plan.workflows[node.target]
        if workflow.carried is None or (scope.frame.bound and workflow.carried == "chain"):
            return False
        return not (node.inplace and not scope.frame.bound and node.region is None)

    def _passes_handles(self, scope: Scope, node: CallNode) -> bool:
        for arg in (*node.args, *node.kwargs.values()):
            if arg[0] == "handle":
                return True
            if arg[0] == "name" and as_pending(self.lookup(scope, arg[1])) is not None:
                return True
        return False

    def _bind(
        self, scope: Scope, index: int, node: CallNode | ContinuationNode,
        then: Callable[[dict[str, tuple[Value, bool]]], None],
    ) -> None:  # fmt: skip
        """Compute a call's arguments and give them by parameter name."""
        params = self._params(node)
        wanted: list[tuple[str, Any]] = []
        for position, arg in enumerate(node.args):
            name = params[position].name if position < len(params) else f"${position}"
            wanted.append((name, arg))
        wanted += list(node.kwargs.items())
        given = {name for name, _ in wanted}
        if node.callee == "workflow":
            for param in params:
                if param.name not in given and param.default is not None:
                    wanted.append((param.name, param.default))
        # A hop is durable, so what it is given has to be there; a call's arguments can wait.
        lazy = isinstance(node, CallNode)
        args: dict[str, tuple[Value, bool]] = {}
        if not wanted:
            then(args)
            return

        def arrived(name: str, value: Value, volatile: bool) -> None:
            args[name] = (value, volatile)
            if len(args) == len(wanted) and scope.alive:
                then({name: args[name] for name, _ in wanted})

        for name, arg in wanted:
            self.compute(
                scope, index, f"arg:{name}", arg,
                lambda v, vol, name=name: arrived(name, v, vol),  # type: ignore[misc]
                lazy=lazy,
            )  # fmt: skip

    def _params(self, node: CallNode | ContinuationNode) -> list[ParamDef]:
        if node.callee == "workflow":
            return self.plan.workflows[node.target].params
        return []
