"""Calls of workflows: frames opened, hopped, made again."""

from __future__ import annotations

from collections.abc import Callable

from wfc.plan import expr as ex
from wfc.plan.model import (
    BranchNode,
    CallNode,
    ContinuationNode,
    ExprNode,
    FailNode,
    Node,
    ReturnNode,
    WorkflowDef,
)
from wfc.runtime.engine.ending import Outcome
from wfc.runtime.engine.evaluate import as_pending, fleeting, handles_in, message
from wfc.runtime.engine.flow import NONE, RESULT
from wfc.runtime.engine.graphs import inner_step
from wfc.runtime.engine.orphans import Orphans
from wfc.runtime.engine.records import Hopped
from wfc.runtime.engine.state import (
    DONE,
    FAILED,
    Fan,
    Frame,
    Scope,
    Start,
    enclosing,
)
from wfc.runtime.values import Caught, ErrorInfo, Inline, Value, homes_of
from wfc.runtime.work import Dynamic, HopState


class Frames(Orphans):
    """Opens frames, and lets them hop."""

    def start_node(self, scope: Scope, index: int, node: Node) -> None:
        """Start a call, or an exit."""
        info = scope.g.nodes[index]
        if info.unit is not None and index not in scope.loose:
            self._start_unit(scope, index, info.unit.order)
        elif isinstance(node, CallNode):
            done = self.prefilled(scope, node.id)
            if done is not None and index not in scope.again:
                self.taken(scope, index, done)
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

            self.compute(scope, index, "message", message(node.message), failed)
        elif isinstance(node, ContinuationNode):
            self._bind(
                scope, index, node,
                lambda args: self._continue(scope, index, node, args),
            )  # fmt: skip

    def _start_unit(self, scope: Scope, index: int, order: list[int]) -> None:
        for i in order:
            node = scope.g.nodes[i].node
            if isinstance(node, CallNode) and scope.status[i] != DONE and i not in scope.again:
                done = self.prefilled(scope, node.id)
                if done is not None:
                    self.taken(scope, i, done)
        rest = [i for i in order if scope.status[i] not in (DONE, FAILED)]
        if rest and scope.alive:
            self.dispatch(scope, index if index in rest else rest[0], rest)

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

    # ------------------------------------------------------------------ frames

    def open_frame(
        self, path: str, target: str, workflow: WorkflowDef | None, scope: Scope, index: int,
        args: dict[str, Value], volatile: set[str],
    ) -> None:  # fmt: skip
        """Open the frame of a workflow call; its result is the node's value."""
        node = scope.g.nodes[index].node
        frame = Frame(
            path, target, workflow, lambda out: self.frame_out(scope, index, out),
            self.keeps(scope, index), args=args, parent=scope.frame, caller=(scope, index),
        )  # fmt: skip
        if isinstance(node, CallNode) and node.inplace:
            frame.home = self.home_of(scope.frame) or self._region_home(scope, node)
            frame.bound = scope.frame.bound or self._region_of(scope, node, []) is not None
        scope.children.append(frame)
        scope.state[("frame", index)] = frame
        self.frames[path] = frame
        if self._ships(frame):
            self._hand_over(scope, index, frame)
        self.enter(frame, volatile)

    def _hand_over(self, scope: Scope, index: int, frame: Frame) -> None:
        """A frame knows what a worker had told of it that ran it as a part of a unit."""
        told = scope.known.pop(index, {})
        for at in enclosing(scope):
            for step in list(at.prefilled):
                holder, hopped, rest = scope.g.split_step(step)
                if holder == index and (hopped or rest):
                    told[inner_step(hopped, rest)] = at.prefilled.pop(step)
        told.pop("", None)  # that call itself, not to be gone on with
        frame.known = told

    def enter(self, frame: Frame, volatile: set[str] | None = None) -> None:
        """Start a frame, or its next hop."""
        workflow = frame.workflow
        if workflow is not None and frame.hop == 0 and workflow.options.get("timeout"):
            self._deadline(frame, float(workflow.options["timeout"]))
        self.has_opened(frame.path)
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

    def _ships(self, frame: Frame) -> bool:
        """Whether a worker can run the whole frame."""
        if frame.workflow is None or frame.workflow.carried is None:
            return False
        if frame.workflow.finally_ is not None:
            return False
        if frame.bound and frame.workflow.carried == "chain":
            return False  # its plain calls belong elsewhere
        if frame.hop == 0 and frame.workflow.carried == "chain":
            # Calls of a single frame stay visible one by one; a unit carries them all the same.
            return frame.parent is not None
        # What cannot leave its process cannot be handed on by a hop that a worker makes.
        return all(as_pending(v) is None and not any(homes_of(v)) for v in frame.args.values())

    def run_frame(self, frame: Frame) -> None:
        """Give the whole frame (from where it stands) to a worker."""
        g = self.book.nothing
        holder = self.open_scope(frame.hopped_path, g, None, frame, ("shipped",))
        frame.scope = holder
        holder.values.update(frame.args)
        work = self.new_work("frame", holder, 0, frame=frame)
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

        if frame.due is None:
            frame.due = self.due_at(frame.path, "", seconds)
        self.open_timer(key, frame.due, due)

    def frame_out(self, scope: Scope, index: int, out: Outcome) -> None:
        """A frame's outcome reaches the node that called it."""
        frame = scope.state.pop(("frame", index), None)
        if out[0] == "ok":
            if out[2] and frame is not None and frame.exit_at is not None:
                scope.state[("ended", index)] = frame
            self.settle(scope, index, self.caught(scope, index, out)[1], out[2])
        elif out[0] == "error":
            self.fail(scope, index, out[1])

    @staticmethod
    def caught(scope: Scope, index: int, out: Outcome) -> Outcome:
        """An outcome as the node that catches it sees it."""
        node = scope.g.nodes[index].node
        catches = out[0] == "ok" and isinstance(node, CallNode) and node.catch
        return ("ok", Caught(out[1]), out[2]) if catches else out

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
        passed = handles_in(args)
        kept_fans: list[Fan] = []
        for fan in frame.fans:
            if any((fan.scope.path, name) in passed for name in self.fan_names(fan)):
                kept_fans.append(fan)
            else:
                self.cancel_fan(fan)
        frame.fans = kept_fans
        old = frame.scope
        start = frame.first or Start.of(frame)
        frame.hop += 1
        frame.exit = None
        frame.known = {}
        frame.failures = {}
        frame.args = args
        frame.target = node.target
        if node.callee == "workflow":
            frame.workflow = self.plan.workflows[node.target]
            frame.dynamic = None
        else:
            frame.workflow = None
            functions = frame.dynamic.functions if frame.dynamic is not None else {}
            frame.dynamic = self._one_call(node, args, functions)
            frame.args = dict(frame.dynamic.env)
        passing = any(fleeting(v) for v in args.values())
        frame.first = start if passing else None
        if not passing:
            # A hop is durable, so its arguments are, also where what made them was not kept.
            volatile = set()
            if frame.bound and not start.bound and not kept_fans:
                # It is as it was before it had what cannot leave its process.
                frame.bound = False
                self.leave_home(frame)
                frame.home = None
            given = {**args, "$catch": Inline(obj=frame.catches)} if frame.catches else args
            frame.stands = HopState(frame.hop, node.target, node.callee, given, tuple(node.where))
            self.record(Hopped(frame.path, "", 0, "", frame.stands, self.now))
        elif node.inplace and self.home_of(frame) is None:
            frame.home = self.home_among(args.values())
            frame.bound = frame.bound or frame.home is not None
        lingering = [*frame.lingering, *([old] if old is not None else [])]
        needed = {id(_outermost(fan.scope)) for fan in kept_fans}
        homes = {home for value in args.values() for home in homes_of(value)}
        if homes:
            needed.update(id(scope) for scope in lingering if homes & _parked_in(scope))
        frame.lingering = [scope for scope in lingering if id(scope) in needed]
        for scope in lingering:
            if id(scope) not in needed:
                if passing:  # should that be lost, the loop begins again
                    self.set_aside(scope)
                self.bury(scope)
        frame.phase = "running"
        self.enter(frame, volatile)

    def _one_call(
        self, node: ContinuationNode, args: dict[str, Value], functions: dict[str, Value]
    ) -> Dynamic:
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
        return self.book.single(call, args, functions)

    def jump(self, frame: Frame, state: HopState) -> None:
        """Stand at a later hop at once: what was before it is no longer in the journal."""
        if frame.scope is not None:
            self.bury(frame.scope)
        frame.hop = state.hop
        frame.stands = state
        frame.target = state.target
        frame.args = dict(state.args)
        frame.catches = self.load(frame.args.pop("$catch", Inline(obj=0)))
        frame.exit = frame.first = None
        frame.known = {}
        if state.callee == "workflow":
            frame.workflow, frame.dynamic = self.plan.workflows[state.target], None
        elif (made := self.book.continuation(state)) is not None:
            frame.workflow, frame.dynamic = None, self._one_call(made, frame.args, {})
        elif frame.dynamic is not None:
            old = frame.dynamic
            frame.dynamic = Dynamic(old.graph, dict(state.args), old.functions, old.digest)
        frame.work = None
        self.enter(frame)

    # ------------------------------------------------------------------ making again

    def restart(self, scope: Scope, index: int) -> None:
        """Run a node again whose value was not kept."""
        scope.loose.add(index)
        for id in scope.works:  # it is no longer of the unit that it was run in
            work = self.works.get(id)
            if work is not None and index in work.nodes:
                work.nodes = [i for i in work.nodes if i != index]
        ended: Frame | None = scope.state.get(("ended", index))
        if ended is None or ended.exit_at is None or not ended.exit_at[0].alive:
            if isinstance(scope.g.nodes[index].node, CallNode | ExprNode | BranchNode):
                # What it was given in a unit may not be known here yet.
                self._await(scope, index, self.needs(scope.g.nodes[index]))
            else:
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
        """A parameter was made from something that was not kept: make that again, then bind anew. So
        was the result, perhaps."""
        frame = scope.frame
        if name == RESULT:
            assert frame.exit_at is not None
            at, leave = frame.exit_at
            left = at.g.nodes[leave].node
            assert isinstance(left, ReturnNode)
            self.compute(
                at, leave, "return again", left.expr,
                lambda v, _: self.publish(scope, RESULT, v, True), joined=True,
            )  # fmt: skip
            return
        if frame.hop and frame.first is not None:
            if frame.phase == "done" and frame.caller is not None:
                self._call_again(frame, *frame.caller)
            else:
                self._start_over(frame)
        elif frame.again is not None:  # it came with the graph
            self.remake_graph(frame, frame.again)
        elif frame.caller is not None:
            place, index = frame.caller
            node = place.g.nodes[index].node
            if isinstance(node, CallNode):
                self._rebind(place, index, node, scope, name)

    def remake_graph(self, frame: Frame, again: Callable[[], None]) -> None:
        """The graph of a frame could run only in a process that is gone: run its task again."""
        self._set_frame_aside(frame)
        frame.phase = "done"
        self.frames.pop(frame.path, None)
        again()

    def _set_frame_aside(self, frame: Frame) -> None:
        self.set_aside(frame)
        for scope in (*frame.lingering, frame.scope):
            if scope is not None:
                self.bury(scope)
        frame.lingering = []

    def _call_again(self, frame: Frame, place: Scope, index: int) -> None:
        """As `_start_over`, for a frame that has ended: nobody waits for its end any more."""
        self._set_frame_aside(frame)
        place.state.pop(("ended", index), None)
        self.restart(place, index)

    def _start_over(self, frame: Frame) -> None:
        """The arguments of a hop were not kept, so neither was the hop: begin at the first."""
        self._set_frame_aside(frame)
        start = frame.first or Start.of(frame)
        frame.fans = []
        frame.exit = None
        frame.known, frame.hop = dict(start.known), start.hop
        frame.target, frame.args, frame.dynamic = start.target, dict(start.args), start.dynamic
        workflows = self.plan.workflows
        frame.workflow = workflows.get(start.target) if start.dynamic is None else None
        frame.checkpoint, frame.bound, frame.catches = start.checkpoint, start.bound, start.catches
        if not frame.bound:
            self.leave_home(frame)
            frame.home = None
        frame.first = None
        self.enter(frame)

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
        if not names:
            self.later(bound)


def _outermost(scope: Scope) -> Scope:
    """The scope of the frame (or element) that an arm of a branch stands in."""
    while scope.owner[0] in ("arm", "then"):
        scope = scope.owner[1]
    return scope


def _parked_in(scope: Scope) -> set[int]:
    """The processes that are parked for the regions of a scope and of what is in it."""
    found: set[int] = set()
    stack: list[Scope | Frame | None] = [scope]
    while stack:
        item = stack.pop()
        if isinstance(item, Frame):
            stack += [item.scope, *item.lingering]
        elif item is not None:
            found.update(item.regions.values())
            stack += item.children
    return found
