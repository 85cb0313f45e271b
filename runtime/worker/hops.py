"""Continuations in the interpreter: frames that are replaced, and what is reported of them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from wfc.plan.model import ContinuationNode, Graph
from wfc.runtime.linked import LinkedWorkflow
from wfc.runtime.steps import CallStep, shape_of
from wfc.runtime.values import HOLLOW, Bound, ErrorInfo, Inline, Value
from wfc.runtime.work import Became, Dynamic, Hop, HopState, Partial, Report, home_number
from wfc.runtime.worker.cells import given, own_copy, value_of
from wfc.runtime.worker.dynamic import Continuation
from wfc.runtime.worker.errors import Unpicklable, Unresolved, error_info
from wfc.runtime.worker.frames import CallLike, Frame, Job, ResumeStep, task_arguments
from wfc.runtime.worker.graphs import Built, Call, build, needs_of
from wfc.runtime.worker.secrets import secret

_UNFREEZABLE: dict[str, Value] = {}


class StepError(Exception):
    """A step has failed: a retry may follow, or a `catch` take it."""

    def __init__(self, frame: Frame, step: Any, info: ErrorInfo, retry: bool = False) -> None:
        super().__init__(info.message)
        self.frame = frame
        self.step = step
        self.info = info
        self.retry = retry


class Stop(Exception):  # noqa: N818 - not an error
    """The element is over for this worker: the report says why."""

    def __init__(self, report: Report) -> None:
        super().__init__()
        self.report = report


class Hops:
    """The part of the interpreter that knows about hops. See `wfc.runtime.worker.interp.Element`."""

    job: Job
    offset: int
    out: list[Report]
    known: dict[str, Any]
    dirty: list[Frame]
    top: Frame
    frame: Frame

    def id_of(self, frame: Frame, step: Any) -> str:
        """The id of a task instance."""
        raise NotImplementedError

    def invoke(self, frame: Frame, step: Any, function: Any, args: Any, kwargs: Any) -> Any:
        """Call a task's function."""
        raise NotImplementedError

    def unresolved(self, error: Unresolved, frame: Frame, step: Any) -> StepError:
        """A task's result cannot be had: it has failed."""
        raise NotImplementedError

    def _return(self, frame: Frame, value: Any, step: Any) -> bool:
        raise NotImplementedError

    def arguments(self, frame: Frame, step: CallStep) -> tuple[Sequence[Any], dict[str, Any]]:
        """The arguments of a task call."""
        return task_arguments(frame, step)

    # ------------------------------------------------------------------ hopping

    def hop_to(
        self, frame: Frame, flow: LinkedWorkflow, args: Any, kwargs: Any, call: Any
    ) -> dict[str, Any]:
        """The frame goes on as a call of `flow`; gives its environment."""
        env = flow.bind(args, kwargs)
        env["$secret"] = secret
        self._hopped(frame, call, flow)
        frame.env = env
        frame.steps = flow.body.linked().steps
        frame.pos = 0
        return env

    def _hopped(self, frame: Frame, call: Any, state: Any) -> None:
        """All that is known of the frame's earlier hops is superseded."""
        frame.hop += 1
        frame.state = state
        frame.frozen = None
        if frame.stack:
            frame.stack.clear()
        frame.src = {}
        if frame.facts:
            frame.facts = {}
            frame.unsent = {}
        if frame.closed:
            frame.closed = []
        if call.catch:
            frame.catches += 1
        if not call.checkpoint:
            frame.checkpoint = False
        if not frame.hopped:
            frame.hopped = True
            self.dirty.append(frame)
        if self.known:
            self._forget(frame)

    def _forget(self, frame: Frame) -> None:
        path = frame.path()
        if not path:
            self.known = {}
            return
        below, own = path + "/", path + "~"
        self.known = {k: v for k, v in self.known.items() if k != own and not k.startswith(below)}

    def _hop_to_task(self, frame: Frame, step: CallStep) -> None:
        """`continuation task(…)`."""
        args, kwargs = self.arguments(frame, step)
        function = self.job.registry.function(step.target)
        self._to_task(frame, step, step.target, function, args, kwargs)

    def _to_task(
        self, frame: Frame, call: Any, target: str, function: Any, args: Sequence[Any], kwargs: Any
    ) -> None:
        self._hopped(frame, call, (target, args, kwargs))
        frame.env = {}
        frame.steps = (ResumeStep(call, target, function, args, kwargs),)
        frame.pos = 0

    def _resumed(self, frame: Frame, step: ResumeStep) -> None:
        """Make the call that the frame has hopped to."""
        value = self.invoke(frame, step, step.function, step.args, step.kwargs)
        if type(value) is Continuation:
            self.become(frame, value, step)
        else:
            self._return(frame, value, step)

    def resume(self, frame: Frame, state: HopState) -> None:
        """Put a frame where its last checkpointed hop stands."""
        cells, registry = self.job.cells, self.job.registry
        args = {name: cells.load(value) for name, value in state.args.items() if name != "$bound"}
        frame.hop = state.hop
        frame.mute = frame.mute or not frame.checkpoint  # the journal does not know of this hop
        frame.catches = args.pop("$catch", 0)
        frame.stack.clear()
        frame.src = {}
        if state.target == "$dyn":
            dynamic: Dynamic = args["$dynamic"]
            frame.state = dynamic
            graph = registry.take(dynamic, cells.load)
            frame.steps = graph.steps
            frame.env = {n: cells.load(v) for n, v in dynamic.env.items()}
            first, *more = graph.steps
            alone = [getattr(s.node, "expr", None) for s in more] == [["name", first.id]]
            if alone and first.kind == "call" and first.target.startswith("$fn:"):
                # One call and its result: the frame had gone on as that call (see `_to_single`).
                frame.env["$secret"] = secret
                given, named = self.arguments(frame, first)
                function = registry.function(first.target)
                frame.steps = (ResumeStep(first, first.target, function, given, named),)
        elif state.callee == "workflow":
            flow = registry.linked.workflow(state.target)
            frame.state = flow
            frame.env = args
            frame.steps = flow.body.linked().steps
        else:
            count = sum(1 for name in args if name.startswith("$"))
            given = [args.pop(f"${i}") for i in range(count)]
            task = registry.linked.tasks.get(state.target)
            where = getattr(frame.step, "where", None) or (task.where if task else None)
            call = CallLike(where, task.options if task else {}, False, True)
            function = registry.function(state.target)
            frame.state = (state.target, given, args)
            frame.env = {}
            frame.steps = (ResumeStep(call, state.target, function, given, args),)
        frame.env["$secret"] = secret
        frame.pos = 0

    # ------------------------------------------------------------------ graphs that tasks return

    def become(self, frame: Frame, continuation: Continuation, step: Any) -> None:
        """A task was replaced by a graph: run it right here if it can be, as a hop of its frame."""
        call = step.call if step.kind == "resume" else step
        at = frame if step.kind == "resume" else frame.parent
        assert at is not None
        try:
            built = build(continuation.root, self.job.registry, call.where)
            if not self._carriable(built):
                self._hand_built(frame, built)
            if built.single is not None:
                self._to_single(frame, built, built.single, call.where)
            else:
                self._to_graph(frame, built, call.where)
        except (Unpicklable, TypeError, ValueError, LookupError) as error:
            self.frame = at
            if isinstance(error, Unresolved):
                raise self.unresolved(error, at, step) from None
            info = error_info(error, self.id_of(at, step), call.where)
            if isinstance(error, Unpicklable):
                info = ErrorInfo(
                    "wfc.UnpicklableArgument", str(error), "", (), info.task, info.where
                )
            raise StepError(at, step, info) from None

    def _to_single(self, frame: Frame, built: Built, call: Call, where: Any) -> None:
        handle = call.handle
        args: Sequence[Any] = [given(a) for a in handle.args]
        kwargs = {k: given(a) for k, a in handle.kwargs.items()}
        like = CallLike(where, call.options, call.inplace, call.checkpoint is not False)
        like.catch = call.catch
        if not call.inplace:
            args = tuple([own_copy(a) for a in args])
            kwargs = {k: own_copy(a) for k, a in kwargs.items()}
        registry = self.job.registry
        if call.callee == "workflow":
            self.hop_to(frame, registry.linked.workflow(call.target), args, kwargs, like)
            return
        function = registry.function(call.target)
        self._to_task(frame, like, call.target, function, args, kwargs)
        if call.target.startswith("$fn:"):
            frame.state = built

    def _to_graph(self, frame: Frame, built: Built, where: Any) -> None:
        graph = self.job.registry.linked.link_graph(built.graph)
        self._hopped(frame, CallLike(where, {}, False, True), built)
        frame.env = {**built.constants, "$secret": secret}
        frame.steps = graph.steps
        frame.pos = 0

    def _carriable(self, built: Built) -> bool:
        """Whether the graph can be run right here: inplace calls alone, or a chain of plain ones
        that claim what this work claims. (A mixed one cannot: its plain calls belong elsewhere.)"""
        calls = built.calls
        if any(node.kind != "call" or node.managed for node in built.nodes):
            return False
        linked = self.job.registry.linked
        for call in calls:
            if "timeout" in call.options:
                return False
            if call.callee == "workflow" and linked.workflow(call.target).carried is None:
                return False
        inplace = [call.inplace for call in calls]
        if all(inplace):
            return True
        if any(inplace):
            return False
        shape = self.job.work.shape
        for i, call in enumerate(calls):
            if call.callee == "task":
                if shape_of(call.options) != shape:
                    return False
            elif linked.workflow(call.target).shapes(linked) - {shape}:
                return False
            if i and not any(h is calls[i - 1].handle for h in needs_of(call.handle)):
                return False
        return True

    def _hand_built(self, frame: Frame, built: Built) -> None:
        job = self.job
        path = self.id_of(frame, _SCOPE)
        dynamic = built.dynamic(job.cells, job.registry, self._home(), path)
        parked = any(call.inplace for call in built.calls)
        self._hand(frame, dynamic, parked)

    def _home(self) -> int:
        work = self.job.work
        return work.home if work.home is not None else home_number(work, self.offset)

    def hand_over(self, frame: Frame, step: CallStep) -> None:
        """A continuation of something that a worker cannot run: the engine goes on."""
        args, kwargs = step.arguments(frame.env)
        env: dict[str, Value] = {}
        parked = step.inplace
        for name, value in [*((f"$c{i}", a) for i, a in enumerate(args)), *kwargs.items()]:
            try:
                env[name] = value_of(self.job.cells.argument(value))
            except Unpicklable:
                key = f"{self.id_of(frame, _SCOPE)}/{name}"
                self.job.cells.homes.setdefault(self._home(), {})[key] = value
                env[name] = Bound(self._home(), key)
                parked = True
        more = {"args": [["name", f"$c{i}"] for i in range(len(args))]}
        node: ContinuationNode = step.node.model_copy(
            update={**more, "kwargs": {k: ["name", k] for k in kwargs}}
        )
        graph = Graph(nodes=[node], tail=node.id)
        data = graph.model_dump_json(exclude_defaults=True).encode()
        digest = hashlib.blake2b(data, digest_size=16).hexdigest()
        self._hand(frame, Dynamic(data, env, {}, digest), parked)

    def _hand(self, frame: Frame, dynamic: Dynamic, parked: bool) -> None:
        job = self.job
        self.drain()
        if frame.parent is not None:
            self._tell_unkept(frame.parent)
        if parked:
            job.cells.homes.setdefault(self._home(), {})
        home = self._home() if parked else None
        path = self.id_of(frame, _SCOPE)
        if frame.hop:
            path = path.removesuffix(f"~{frame.hop}")
        outer = frame.parent
        raise Stop(
            Became(
                job.work.id,
                self.offset,
                frame.path(),
                dynamic,
                home,
                path,
                hop=frame.hop,
                catches=frame.catches + (outer is not None and bool(frame.step.catch)),
                checkpoint=frame.checkpoint,
                kept=outer is None or not outer.mute,
            )
        )

    def _tell_unkept(self, last: Frame) -> None:
        """Tell the results and hops of which there is no checkpoint: somebody else goes on inside, and
        then here, and must neither run again what gave them nor take one hop for another."""
        kept = self.top.checkpoint
        plain = {s.id for s in self.job.steps if s.kind == "call" and not (kept and s.checkpoint)}
        work, cells = self.job.work.id, self.job.cells
        for frame in self._chain(last):
            path = frame.path()
            prefix = path + "/" if path else ""
            if frame.mute and frame.hop:
                state = self._hop_state(frame, False)
                self.out.append(Hop(work, self.offset, path, state, kept=False))
            for name, cell in frame.facts.items():
                if cell is HOLLOW or frame.mute or (frame is self.top and name in plain):
                    try:
                        value = value_of(cells.cell(frame.env[name], False))
                    except Unpicklable:
                        continue  # it is made again, should somebody need it
                    self.out.append(Partial(work, self.offset, prefix + name, value, kept=False))

    @staticmethod
    def _chain(frame: Frame | None) -> list[Frame]:
        """The frames from the work's own to this one."""
        chain: list[Frame] = []
        while frame is not None:
            chain.append(frame)
            frame = frame.parent
        return chain[::-1]

    # ------------------------------------------------------------------ what is reported meanwhile

    def freeze(self) -> None:
        """Keep what the newest hops were given, before a task that may change the objects."""
        for frame in self.dirty:
            if frame.frozen is None:
                try:
                    frame.frozen = self._given(frame)
                except Unpicklable:
                    frame.frozen = _UNFREEZABLE

    def drain(self) -> None:
        """Report what is checkpointed so far inside of this element."""
        mute = False
        for frame in self._chain(self.frame):
            if frame.hopped:
                frame.hopped = False
                frame.mute = not frame.checkpoint or mute or not self._report_hop(frame)
            mute = mute or frame.mute
            if not mute and (frame.unsent or frame.closed):
                path = frame.path()
                prefix = path + "/" if path else ""
                facts = [*frame.unsent.items(), *frame.closed]
                self.out += [
                    Partial(self.job.work.id, self.offset, prefix + name, value_of(cell))
                    for name, cell in facts
                ]
            frame.unsent = {}
            if frame.closed:
                frame.closed = []
        self.dirty.clear()

    def unreported(self) -> list[Report]:
        """What `drain` would report up to the first hop, for a reader in another thread."""
        out: list[Report] = []
        for frame in self._chain(self.frame):
            if frame.hopped or frame.mute:
                break
            path = frame.path()
            prefix = path + "/" if path else ""
            for name, cell in [*dict(frame.unsent).items(), *frame.closed]:
                out.append(Partial(self.job.work.id, self.offset, prefix + name, value_of(cell)))
        return out

    def _report_hop(self, frame: Frame) -> bool:
        """`False` when the hop cannot be checkpointed, for something in it cannot be pickled."""
        try:
            made = self._hop_state(frame)
        except Unpicklable:
            return False
        self.out.append(Hop(self.job.work.id, self.offset, frame.path(), made))
        return True

    def _hop_state(self, frame: Frame, keep: bool = True) -> HopState:
        """Where a frame stands; raises `Unpicklable`."""
        if frame.frozen is _UNFREEZABLE:
            raise Unpicklable(
                "a loop hands on what cannot be pickled, and a graph in it has to run elsewhere"
            )
        args = dict(frame.frozen if frame.frozen is not None else self._given(frame, keep))
        if frame.catches:
            args["$catch"] = Inline(obj=frame.catches)
        state = frame.state
        if isinstance(state, LinkedWorkflow):
            return HopState(frame.hop, state.name, "workflow", args)
        if isinstance(state, tuple):
            return HopState(frame.hop, state[0], "task", args)
        return HopState(frame.hop, "$dyn", "workflow", args)

    def _given(self, frame: Frame, keep: bool = True) -> dict[str, Value]:
        """The arguments of the newest hop as values."""
        state = frame.state
        if isinstance(state, LinkedWorkflow):
            return {name: self._as_value(frame.env[name], keep) for name in state.params}
        if isinstance(state, tuple):
            _, args, kwargs = state
            named = {f"${i}": self._as_value(a, keep) for i, a in enumerate(args)}
            return {**named, **{k: self._as_value(a, keep) for k, a in kwargs.items()}}
        if isinstance(state, Built):
            job = self.job
            state = state.dynamic(job.cells, job.registry, job.home, self.id_of(frame, _SCOPE))
        given: dict[str, Value] = {"$dynamic": self.job.cells.value(state)}
        for value in state.env.values():
            if isinstance(value, Bound):
                given["$bound"] = value  # tells that this hop can be taken up nowhere else
        return given

    def _as_value(self, value: Any, keep: bool = True) -> Value:
        return value_of(self.job.cells.argument(value, keep))


class _Scope:
    id = ""


_SCOPE = _Scope()
