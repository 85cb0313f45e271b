"""Calls: units given to workers, frames opened, hopped, failed, finalized."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

from wfc.plan import expr as ex
from wfc.plan.model import (
    CallNode,
    ContinuationNode,
    FailNode,
    Node,
    ParamDef,
    ReturnNode,
    WorkflowDef,
)
from wfc.runtime.engine.evaluate import as_pending, fleeting
from wfc.runtime.engine.flow import NONE, Flow
from wfc.runtime.engine.records import CancelWork, Ended, Finish, Hopped, Release
from wfc.runtime.engine.state import (
    DONE,
    FAILED,
    RUNNING,
    Dispatch,
    Fan,
    Frame,
    Scope,
    durable,
)
from wfc.runtime.values import Bound, Caught, ErrorInfo, Inline, Pending, Value
from wfc.runtime.work import Dynamic, HopState

Outcome = tuple[Any, ...]


class Frames(Flow):
    """Runs calls of tasks and workflows, and ends frames."""

    def start_node(self, scope: Scope, index: int, node: Node) -> None:
        """Start a call, or an exit."""
        info = scope.g.nodes[index]
        if info.unit is not None and index not in scope.loose:
            self.dispatch(scope, index, [i for i in info.unit.order if scope.status[i] != DONE])
        elif isinstance(node, CallNode):
            done = self._prefilled(scope, node.id)
            if done is not None and index not in scope.again:
                self.settle(scope, index, done, fleeting(done))
            else:
                self._start_call(scope, index, node)
        elif isinstance(node, ReturnNode):
            lazy = scope.frame is not self.root

            def returned(value: Value, volatile: bool) -> None:
                scope.frame.exit = ("return", value, volatile)
                scope.frame.exit_at = (scope, index)
                self.settle(scope, index, NONE)

            self.compute(scope, index, "return", node.expr, returned, lazy=lazy, joined=True)
        elif isinstance(node, FailNode):

            def failed(value: Value, _volatile: bool) -> None:
                error = ErrorInfo(
                    type="wfc.Failure",
                    message=str(self.load(value)),
                    task=scope.frame.hopped_path,
                    where=node.where,
                )
                scope.frame.exit = ("fail", error)
                self.settle(scope, index, NONE)

            self.compute(scope, index, "message", node.message, failed)
        elif isinstance(node, ContinuationNode):
            self._bind(
                scope, index, node,
                lambda args: self._continue(scope, index, node, args),
            )  # fmt: skip

    # ------------------------------------------------------------------ units and calls

    def dispatch(self, scope: Scope, index: int, nodes: list[int]) -> Dispatch:
        """Give nodes to a worker, as one work led by `index`."""
        for i in nodes:
            scope.status[i] = RUNNING
        work = self.new_work("unit", scope, index, nodes=nodes)
        scope.works.add(work.id)
        scope.state[("work", index)] = work.id
        return work

    def place(self, work: Dispatch, nodes: list[int], env: dict[str, Value]) -> None:
        """Decide which process a work must run in, just before it is submitted: its frame's home,
        or its region's, which is the process of the first of the region that runs."""
        scope, frame = work.scope, work.scope.frame
        work.home, work.park = None, False
        calls = [scope.g.nodes[i].node for i in nodes]
        if work.kind == "map" and work.fan is not None:
            body = scope.g.inner[scope.g.nodes[work.node].node.id]
            calls = [info.node for info in body.nodes]
        inplace = next((c for c in calls if isinstance(c, CallNode) and c.inplace), None)
        if inplace is not None:
            for value in env.values():
                if isinstance(value, Bound) and value.home in self.homes:
                    work.home = value.home  # where its arguments are
                    return
        if frame.home is not None:
            work.home = frame.home if inplace is not None else None
            return
        found = self._region_of(scope, inplace, [scope.g.nodes[i].node.id for i in nodes])
        if found is None:
            return
        at, name = found
        region = at.g.graph.regions[name]
        members = {*region.nodes, *([region.hang] if region.hang else [])}
        if at is scope and all(scope.g.index[m] in nodes for m in members):
            return
        home = at.regions.get(name)
        if home is not None and home != work.id and home in self.homes:
            work.home = home
        else:
            work.park = True
            at.regions[name] = work.id
            self.homes.add(work.id)

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

    def _leave_region(self, scope: Scope, index: int) -> None:
        """Let the process of a region go once all its nodes are done."""
        node = scope.g.nodes[index].node
        for name, region in scope.g.graph.regions.items():
            home = scope.regions.get(name)
            members = {*region.nodes, *([region.hang] if region.hang else [])}
            if home is None or node.id not in members:
                continue
            if all(scope.status[scope.g.index[m]] in (DONE, FAILED) for m in members):
                del scope.regions[name]
                self.release(home)

    def release(self, home: int) -> None:
        """Let a parked process go."""
        if home not in self.homes:
            return
        if home in self.works:
            self.leaving.add(home)  # it is parked only when its work is done
            return
        self.homes.discard(home)
        if self.live:
            self.effects.append(Release(home))

    def home_decided(self, work: int) -> None:
        """A work has ended: those that are to run in the process that it parks can go, or are
        placed anew if it did not park."""
        for waiting in self.before_home.pop(work, ()):
            if waiting.id in self.works:
                self.ready[waiting.id] = waiting

    def settle(self, scope: Scope, index: int, value: Any, volatile: bool = False) -> None:
        """A node is done."""
        super().settle(scope, index, value, volatile)
        if scope.regions:
            self._leave_region(scope, index)

    def _start_call(self, scope: Scope, index: int, node: CallNode) -> None:
        if node.callee == "task" or (
            self._carried(scope, node) and not self._passes_handles(scope, node)
        ):
            self.dispatch(scope, index, [index])
            return
        workflow = self.plan.workflows[node.target]

        def bound(args: dict[str, tuple[Value, bool]]) -> None:
            self.open_frame(
                self.node_path(scope, index), node.target, workflow, scope, index,
                {k: v for k, (v, _) in args.items()}, {k for k, (_, vol) in args.items() if vol},
            )  # fmt: skip

        self._bind(scope, index, node, bound)

    @staticmethod
    def _prefilled(scope: Scope, name: str) -> Value | None:
        """The result of a call in a branch that a worker has run as part of a unit."""
        at: Scope | None = scope
        while at is not None and at.frame is scope.frame:
            if name in at.prefilled:
                return at.prefilled.pop(name)
            at = at.up if at.owner[0] in ("arm", "then") else None
        return None

    def _carried(self, scope: Scope, node: CallNode) -> bool:
        workflow = self.plan.workflows[node.target]
        if workflow.carried is None or (
            scope.frame.home is not None and workflow.carried == "chain"
        ):
            return False
        return not (node.inplace and scope.frame.home is None and node.region is None)

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
                lazy=True,
            )  # fmt: skip

    def _params(self, node: CallNode | ContinuationNode) -> list[ParamDef]:
        if node.callee == "workflow":
            return self.plan.workflows[node.target].params
        return []

    # ------------------------------------------------------------------ frames

    def open_frame(
        self, path: str, target: str, workflow: WorkflowDef | None, scope: Scope, index: int,
        args: dict[str, Value], volatile: set[str],
    ) -> None:  # fmt: skip
        """Open the frame of a workflow call; its result is the node's value."""
        node = scope.g.nodes[index].node
        inplace = isinstance(node, CallNode) and node.inplace
        frame = Frame(
            path, target, workflow, lambda out: self.frame_out(scope, index, out),
            self.keeps(scope, index), args=args, parent=scope.frame,
        )  # fmt: skip
        if inplace:
            frame.home = scope.frame.home or self._region_home(scope, node)
        scope.children.append(frame)
        scope.state[("frame", index)] = frame
        self.frames[path] = frame
        self.enter(frame, volatile)

    def _region_home(self, scope: Scope, node: Node) -> int | None:
        """The process of the region that an inplace call of a workflow belongs to."""
        found = self._region_of(scope, node, []) if isinstance(node, CallNode) else None
        if found is None:
            return None
        home = found[0].regions.get(found[1])
        return home if home in self.homes else None

    def enter(self, frame: Frame, volatile: set[str] | None = None) -> None:
        """Start a frame, or its next hop."""
        workflow = frame.workflow
        if workflow is not None and frame.hop == 0 and workflow.options.get("timeout"):
            self._deadline(frame, float(workflow.options["timeout"]))
        if workflow is not None and self._ships(frame):
            self.run_frame(frame)
            return
        if frame.dynamic is not None:
            g = self.book.dynamic(frame.dynamic.graph, frame.dynamic.digest)
        else:
            g = self.book.workflow(frame.target)
        frame.scope = self.open_scope(
            frame.hopped_path, g, None, frame, ("frame",), dict(frame.args), volatile
        )
        # What is known of it from before, though what made its graph had to run again.
        frame.scope.prefilled.update(self.orphans.pop(frame.hopped_path, {}))

    def _ships(self, frame: Frame) -> bool:
        """Whether a worker can run the whole frame."""
        if frame.workflow is None or frame.workflow.carried is None:
            return False
        if frame.workflow.finally_ is not None:
            return False
        if frame.home is not None and frame.workflow.carried == "chain":
            return False  # its plain calls belong elsewhere
        if frame.home is None and frame.hop == 0 and frame.workflow.carried == "chain":
            # Calls of a single frame stay visible one by one; a unit carries them all the same.
            return frame.parent is not None
        return all(as_pending(v) is None for v in frame.args.values())

    def run_frame(self, frame: Frame) -> None:
        """Give the whole frame (from where it stands) to a worker."""
        g = self.book.nothing
        holder = self.open_scope(frame.hopped_path, g, None, frame, ("shipped",))
        frame.scope = holder
        holder.values.update(frame.args)
        work = self.new_work("frame", holder, 0, frame=frame, home=frame.home)
        holder.works.add(work.id)
        frame.work = work.id

    def _deadline(self, frame: Frame, seconds: float) -> None:
        key = f"{frame.path}!timeout"

        def due() -> None:
            if frame.phase == "running":
                error = ErrorInfo(
                    type="wfc.WorkflowTimeout",
                    message=f"{frame.target} did not end within {seconds:g} s",
                    task=frame.path,
                    where=frame.workflow.where if frame.workflow else None,
                )
                self.abort(frame, ("error", error))

        self.open_timer(key, self.now + seconds, due)

    def frame_out(self, scope: Scope, index: int, out: Outcome) -> None:
        """A frame's outcome reaches the node that called it."""
        frame = scope.state.pop(("frame", index), None)
        if out[0] == "ok":
            if out[2] and frame is not None and frame.exit_at is not None:
                scope.state[("ended", index)] = frame
            value = out[1]
            node = scope.g.nodes[index].node
            if isinstance(node, CallNode) and node.catch:
                value = Caught(value)
            self.settle(scope, index, value, out[2])
        elif out[0] == "error":
            self.fail(scope, index, out[1])

    def frame_ended(self, frame: Frame) -> None:
        """All of a frame's path is settled: leave by its exit."""
        if frame.phase != "running":
            return
        leaving = frame.exit or ("return", NONE, False)
        if leaving[0] == "cont":
            if self._final(frame):
                self.finish(frame, ("hop", *leaving[1:]))
            else:
                self.hop(frame, leaving[1], leaving[2], leaving[3])
        elif leaving[0] == "fail":
            self.abort(frame, ("error", leaving[1]))
        else:
            value, volatile = leaving[1], leaving[2]
            if frame is self.root and fleeting(value) and frame.scope is not None:
                self._keep_result(frame, value)
                return
            self.finish(frame, ("ok", value, volatile))

    def _keep_result(self, frame: Frame, value: Value) -> None:
        """The run's own result must be durable, even if nothing on the way to it is."""
        scope = frame.scope
        if scope is None or not scope.g.nodes:
            self.finish(frame, ("ok", value, True))
            return
        scope.values["$result"] = value

        def kept(made: Value, _volatile: bool) -> None:
            self.finish(frame, ("ok", made, False))

        tail = scope.g.index.get(scope.g.tail or "", 0)
        self.compute(
            scope, tail, "keep", ["if", ["lit", True], ["name", "$result"], ["lit", None]], kept
        )

    def finish(self, frame: Frame, outcome: Outcome) -> None:
        """End a frame: drop what nobody waits for, run `finally:`, deliver the outcome."""
        frame.phase = "ending"
        frame.outcome = outcome
        if outcome[0] != "hop":
            for fan in frame.fans:
                self.cancel_fan(fan)
            frame.fans = []
        frame.finals = [frame] if self._final(frame) else []
        self._next_final(frame)

    def _final(self, frame: Frame) -> bool:
        return frame.workflow is not None and frame.workflow.finally_ is not None

    def _next_final(self, frame: Frame) -> None:
        if not frame.finals:
            self._close(frame)
            return
        which = frame.finals.pop(0)
        g = self.book.finally_(which.target)
        if g is None:
            self._next_final(frame)
            return
        final = Frame(
            f"{which.hopped_path}/finally", which.target, None, lambda out: self._finalized(frame, out),
            which.checkpoint, args=which.args, parent=frame,
        )  # fmt: skip
        final.scope = self.open_scope(final.path, g, None, final, ("frame",), dict(which.args))

    def _finalized(self, frame: Frame, out: Outcome) -> None:
        if out[0] == "error" and frame.outcome is not None and frame.outcome[0] == "ok":
            frame.outcome = out
        self._next_final(frame)

    def _close(self, frame: Frame) -> None:
        frame.phase = "done"
        if frame.outcome is not None and frame.outcome[0] == "hop":
            self.hop(frame, frame.outcome[1], frame.outcome[2], frame.outcome[3])
            return
        self.close_timer(f"{frame.path}!timeout")
        if frame.owns_home and frame.home is not None:
            self.release(frame.home)
        outcome = frame.outcome or ("ok", NONE, False)
        stays = (
            outcome[0] == "ok"
            and outcome[2]
            and frame.exit_at is not None
            and frame is not self.root
        )
        if not stays:
            # Otherwise its scope stays: should its result have to be made again, what it kept counts.
            for scope in (*frame.lingering, frame.scope):
                if scope is not None:
                    self.bury(scope)
            frame.lingering = []
        self.frames.pop(frame.path, None)
        if frame is self.root:
            self._end_run(outcome)
        elif frame.deliver is not None:
            frame.deliver(outcome)

    def _end_run(self, outcome: Outcome) -> None:
        if outcome[0] == "ok":
            ended = Ended("succeeded", self.now, value=durable(outcome[1]))
        elif outcome[0] == "error":
            ended = Ended("failed", self.now, error=outcome[1])
        else:
            ended = Ended("cancelled", self.now)
        if self.live:
            self.end(ended)
        else:
            self.unsaid = ended

    def end(self, ended: Ended) -> None:
        """Write the run's end down, and say it."""
        self.ended = True
        self.record(ended, sync=True)
        self.effects.append(Finish(ended))

    # ------------------------------------------------------------------ continuations

    def _continue(
        self, scope: Scope, index: int, node: ContinuationNode, args: dict[str, tuple[Value, bool]]
    ) -> None:
        volatile = {k for k, (_, vol) in args.items() if vol}
        scope.frame.exit = ("cont", node, {k: v for k, (v, _) in args.items()}, volatile)
        self.settle(scope, index, NONE)

    def hop(
        self, frame: Frame, node: ContinuationNode, args: dict[str, Value], volatile: set[str]
    ) -> None:
        """Put the next hop of a frame in the place of this one."""
        passed = _handles(args)
        kept_fans: list[Fan] = []
        for fan in frame.fans:
            if any((fan.scope.path, name) in passed for name in self.fan_names(fan)):
                kept_fans.append(fan)
            else:
                self.cancel_fan(fan)
        frame.fans = kept_fans
        old = frame.scope
        if frame.first is None:
            frame.first = (frame.target, frame.args, frame.dynamic)
        frame.hop += 1
        frame.exit = None
        frame.known = {}
        frame.attempts = 0
        frame.args = args
        frame.target = node.target
        if node.callee == "workflow":
            frame.workflow = self.plan.workflows[node.target]
            frame.dynamic = None
        else:
            frame.workflow = None
            frame.dynamic = self._one_call(node, args)
            frame.args = dict(frame.dynamic.env)
        if not any(fleeting(v) for v in args.values()):
            # A hop is durable, so its arguments are, also where what made them was not kept.
            volatile = set()
            state = HopState(frame.hop, node.target, node.callee, args)
            self.record(Hopped(frame.path, "", 0, "", state, self.now))
        lingering = [*frame.lingering, *([old] if old is not None else [])]
        needed = {id(_outermost(fan.scope)) for fan in kept_fans}
        frame.lingering = [scope for scope in lingering if id(scope) in needed]
        for scope in lingering:
            if id(scope) not in needed:
                self.bury(scope)
        frame.phase = "running"
        self.enter(frame, volatile)

    def _one_call(self, node: ContinuationNode, args: dict[str, Value]) -> Dynamic:
        """`continuation task(…)` as a graph of that one call."""
        call = CallNode(
            id=node.target,
            where=node.where,
            target=node.target,
            callee="task",
            args=[["name", k] for k in args if k.startswith("$")],
            kwargs={k: ["name", k] for k in args if not k.startswith("$")},
            inplace=node.inplace,
            checkpoint=node.checkpoint,
            catch=node.catch,
            options=node.options,
        )
        return self.book.single(call, args)

    # ------------------------------------------------------------------ failure and cancellation

    def scope_failed(self, scope: Scope, error: ErrorInfo) -> None:
        """Carry a failure outwards to the frame or the element that it ends."""
        at = scope
        while at.owner[0] in ("arm", "then"):
            at = at.owner[1]
        if at.owner[0] == "element":
            self.element_failed(at, error)
        else:
            self.abort(at.frame, ("error", error))

    @abstractmethod
    def element_failed(self, scope: Scope, error: ErrorInfo) -> None:
        """An element that the engine runs has failed."""

    def abort(self, frame: Frame, outcome: Outcome) -> None:
        """Stop everything inside a frame, then finalize it with this outcome."""
        if frame.phase not in ("running",):
            return
        frame.phase = "ending"
        frame.outcome = outcome
        finals: list[Frame] = []
        if frame.scope is not None:
            finals = self.bury(frame.scope)
            for scope in frame.lingering:
                finals += self.bury(scope)
        for fan in frame.fans:
            self.cancel_fan(fan)
        frame.fans = []
        frame.finals = [*reversed(finals), *([frame] if self._final(frame) else [])]
        self._next_final(frame)

    def bury(self, scope: Scope) -> list[Frame]:
        """Stop and forget a scope and all below it. Gives the frames whose `finally:` is due."""
        finals: list[Frame] = []
        stack: list[Scope | Frame] = [scope]
        while stack:
            item = stack.pop()
            if isinstance(item, Frame):
                if item.phase == "done" and item.scope is not None:
                    stack.extend([*item.lingering, item.scope])
                if item.phase in ("running", "ending"):
                    if item.phase == "running" and self._final(item):
                        finals.append(item)
                    item.phase = "done"
                    self.frames.pop(item.path, None)
                    self.close_timer(f"{item.path}!timeout")
                    if item.owns_home and item.home is not None:
                        self.release(item.home)
                    for fan in item.fans:
                        self.cancel_fan(fan)
                    stack.extend(item.lingering)
                    if item.scope is not None:
                        stack.append(item.scope)
                continue
            if not item.alive:
                continue
            item.alive = False
            self._unlist(item)
            for work in item.works:
                self.drop_work(work)
            for timer in item.timers:
                self.close_timer(timer)
            for home in item.regions.values():
                self.release(home)
            for fan in item.fans.values():
                for work in fan.works:
                    self.drop_work(work)
                stack.extend(fan.scopes.values())
                for name in self.fan_names(fan):
                    self.fans.pop((fan.scope.path, name), None)
            stack.extend(item.children)
        return finals

    def _unlist(self, scope: Scope) -> None:
        listed = self.scopes.get(scope.path)
        if listed is not None:
            if scope in listed:
                listed.remove(scope)
            if not listed:
                del self.scopes[scope.path]

    def drop_work(self, work: int) -> None:
        """Stop a work; nothing of it counts from here on."""
        known = self.works.pop(work, None)
        self.ready.pop(work, None)
        self.expr_jobs.pop(work, None)
        self.home_decided(work)
        if known is not None and known.submitted and self.live:
            self.effects.append(CancelWork(work))

    @abstractmethod
    def cancel_fan(self, fan: Fan) -> None:
        """Stop what still runs of a fan-out or group."""

    @abstractmethod
    def fan_names(self, fan: Fan) -> list[str]:
        """The names that stand for a fan-out."""

    # ------------------------------------------------------------------ making again

    def restart(self, scope: Scope, index: int) -> None:
        """Run a node again whose value was not kept."""
        scope.loose.add(index)
        ended: Frame | None = scope.state.get(("ended", index))
        if ended is None or ended.exit_at is None or not ended.exit_at[0].alive:
            self.later(self.start, scope, index)
            return
        at, leave = ended.exit_at
        node = at.g.nodes[leave].node
        caught = getattr(scope.g.nodes[index].node, "catch", False)
        if isinstance(node, ReturnNode):
            self.compute(
                at, leave, "return again", node.expr,
                lambda v, _: self.settle(scope, index, Caught(v) if caught else v, True),
                joined=True,
            )  # fmt: skip

    def revive_argument(self, scope: Scope, name: str) -> None:
        """A parameter was made from something that was not kept: make that again, then bind anew."""
        frame = scope.frame
        if frame.hop and frame.first is not None:
            self._start_over(frame)
            return
        for place, index in self._callers(frame):
            node = place.g.nodes[index].node
            if isinstance(node, CallNode):
                self._rebind(place, index, node, scope, name)
                return

    def _start_over(self, frame: Frame) -> None:
        """The arguments of a hop were not kept, so neither was the hop: begin at the first."""
        for scope in (*frame.lingering, frame.scope):
            if scope is not None:
                self.bury(scope)
        target, args, dynamic = frame.first or (frame.target, frame.args, frame.dynamic)
        frame.lingering = []
        frame.fans = []
        frame.known = {}
        frame.exit = None
        frame.hop = 1 if dynamic is not None else 0
        frame.target, frame.args, frame.dynamic = target, dict(args), dynamic
        frame.workflow = self.plan.workflows.get(target) if dynamic is None else None
        frame.first = None
        self.enter(frame)

    def _callers(self, frame: Frame) -> list[tuple[Scope, int]]:
        found = self.locate_call(frame)
        return [found] if found is not None else []

    def locate_call(self, frame: Frame) -> tuple[Scope, int] | None:
        """The node that a frame's result goes to."""
        for scopes in self.scopes.values():
            for scope in scopes:
                for key, value in scope.state.items():
                    if value is frame and isinstance(key, tuple) and key[0] == "frame":
                        return scope, key[1]
        return None

    def _rebind(self, place: Scope, index: int, node: CallNode, scope: Scope, name: str) -> None:
        params = self._params(node)
        exprs = {p.name: a for p, a in zip(params, node.args, strict=False)}
        exprs.update(node.kwargs)
        expr = exprs.get(name)
        if expr is None:
            return
        names = [n for n in ex.names(expr) if self._is_hollow(place, n)]
        left = len(names)

        def bound() -> None:
            self.compute(
                place, index, f"arg:{name}", expr,
                lambda v, vol: self.publish(scope, name, v, vol),
            )  # fmt: skip

        def one() -> None:
            nonlocal left
            left -= 1
            if left == 0:
                self.later(bound)

        for each in names:
            self.revive(place, each, one)


def _outermost(scope: Scope) -> Scope:
    """The scope of the frame (or element) that an arm of a branch stands in."""
    while scope.owner[0] in ("arm", "then"):
        scope = scope.owner[1]
    return scope


def _handles(args: dict[str, Value]) -> set[tuple[str, str]]:
    """The fan-outs that arguments refer to, however deep inside."""
    found: set[tuple[str, str]] = set()
    for value in args.values():
        if not isinstance(value, Inline):
            continue
        stack = [value.peek(b"Pending")]
        while stack:
            item = stack.pop()
            if isinstance(item, Pending):
                found.add((item.scope, item.node))
            elif isinstance(item, list | tuple | set):
                stack.extend(item)
            elif isinstance(item, dict):
                stack.extend(item.values())
    return found
