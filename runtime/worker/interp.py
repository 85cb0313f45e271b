"""The interpreter of a work: runs the nodes of one element (or frame, or unit) in this process.

One loop over an explicit stack of frames: no Python recursion however deep calls nest, and a frame
that ends with a continuation is replaced, so that a million hops take no more memory than one.
"""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter
from types import CoroutineType
from typing import Any

from wfc.plan.expr import ExprError
from wfc.plan.order import iterate, text
from wfc.runtime.policy import retries_error
from wfc.runtime.references import is_reference
from wfc.runtime.steps import CallStep
from wfc.runtime.storage_errors import StorageError
from wfc.runtime.values import HOLLOW, MESSAGE_LIMIT, MISSING, ErrorInfo, Raised, Result
from wfc.runtime.work import Failed, HopState, Report
from wfc.runtime.worker.cells import (
    IMMUTABLE,
    VALUES,
    Source,
    ValueGone,
    given,
    is_plain,
    own_copy,
    stays,
)
from wfc.runtime.worker.context import WATCH, awaited
from wfc.runtime.worker.dynamic import Continuation
from wfc.runtime.worker.errors import Unpicklable, Unresolved, error_info, expression_error
from wfc.runtime.worker.frames import Frame, Job, task_arguments
from wfc.runtime.worker.hops import StepError, Stop
from wfc.runtime.worker.outcomes import NOWHERE, Outcomes


class Element(Outcomes):
    """One element of a job being run.

    `advance(deadline)` runs it until it is done (`True`; then `report` is set when it ended other
    than well, else `result`) or the time is up. It is also the context of the task that runs.
    """

    def __init__(self, job: Job, offset: int, stage: Any, out: list[Report]) -> None:
        self.job = job
        self.offset = offset
        self.stage = stage
        self.out = out
        self.known: dict[str, Any] = dict(job.work.known.get(offset, {}))
        self.failures = job.work.failures.get(offset)
        self.urgent = False  # something is to be reported before anything else is done
        self.exited = False  # the work's own frame has ended by itself
        self.adopted: Continuation | None = None
        self.report: Report | None = None
        self.result: Any = MISSING
        self.dirty: list[Frame] = []
        self.at: tuple[Frame, Any] | None = None
        env = dict(job.env)
        top = Frame(job.steps, env, checkpoint=job.work.checkpoint)
        top.src = job.src
        if job.map is not None:
            top.src = dict(job.src)
            self._bind_item(top)
        top.hop = job.work.hop
        self.top = top
        self.frame = top
        if "~" in self.known:
            self.resume(top, self.known["~"])

    def _bind_item(self, frame: Frame) -> None:
        """Give the element's item its names. What is wrong with it fails the element."""
        job = self.job
        assert job.map is not None
        item, targets = job.items[self.offset], job.map.targets
        source = None
        try:
            if type(item) in VALUES:
                source = Source(item, job.cells.load)
                item = source.very()
            items = [item] if len(targets) == 1 else list(iterate(item))
            if len(items) != len(targets):
                raise ExprError(f"expected {len(targets)} values to unpack, got {len(items)}")
        except ValueGone:
            raise
        except Exception as error:
            info = expression_error(error, job.path(self.offset), job.map.where)
            if isinstance(error, StorageError):
                info = ErrorInfo("wfc.StorageError", str(error), task=info.task)
            self.report = Failed(job.work.id, self.offset, "", info)
            return
        for name, one in zip(targets, items, strict=True):
            frame.src.pop(name, None)
            frame.env[name] = one
        if source is not None and len(targets) == 1:
            frame.src[targets[0]] = source

    # ------------------------------------------------------------------ the loop

    def advance(self, deadline: float) -> bool:
        """Go on; see the class."""
        WATCH.task = self
        if self.report is not None:
            return True
        while True:
            try:
                if self.adopted is not None:
                    continuation, self.adopted = self.adopted, None
                    self.become(self.frame, continuation, self.frame.step)
                return self._run(deadline)
            except StepError as failure:
                if not self._unwind(failure):
                    self.report = self._failed(failure)
                    return True
                if self.result is not MISSING:
                    return True
            except Stop as stop:
                self.report = stop.report
                return True

    def _run(self, deadline: float) -> bool:
        """Runs steps until the element is done (`True`) or the time is up."""
        frame = self.frame
        steps, pos, env = frame.steps, frame.pos, frame.env
        step: Any = None
        args: Sequence[Any]
        flows = self.job.registry.linked.workflow
        try:
            while True:
                if pos >= len(steps):
                    if frame.stack:
                        steps, pos, step, arm = frame.stack.pop()
                        if arm >= 0:
                            self._merge(frame, step, arm)
                            if step.then is not None:
                                frame.stack.append((steps, pos, step, -1))
                                steps, pos = step.then.linked().steps, 0
                        continue
                    frame.steps, frame.pos = steps, pos
                    if self._end(frame):
                        return True
                    frame = self.frame
                    steps, pos, env = frame.steps, frame.pos, frame.env
                    continue
                step = steps[pos]
                pos += 1
                kind = step.kind
                if kind == "expr":
                    env[step.id] = step.run(env)
                elif kind == "branch":
                    arm = step.choose(env)
                    graph = step.taken(arm)
                    frame.stack.append((steps, pos, step, arm))
                    steps, pos = (graph.linked().steps if graph is not None else ()), 0
                elif kind == "continuation" and step.callee == "workflow":
                    flow = flows(step.target)
                    frame.steps, frame.pos = steps, pos
                    if flow.carried is None:
                        self.hand_over(frame, step)
                    args, kwargs = step.arguments(env)
                    if not (IMMUTABLE.issuperset(map(type, args)) and not kwargs):
                        if any(map(stays, (*args, *kwargs.values()))):
                            # Such a hop cannot be told.
                            self.hand_over(frame, step)
                        if not step.inplace:
                            args, kwargs = _copies(args, kwargs)
                    env = self.hop_to(frame, flow, args, kwargs, step)
                    steps, pos = frame.steps, 0
                    if perf_counter() >= deadline:
                        return False
                elif kind == "call" or kind == "continuation" or kind == "resume":
                    frame.steps, frame.pos = steps, pos
                    if kind == "call":
                        self._call(frame, step)
                    elif kind == "resume":
                        self._resumed(frame, step)
                        if self.result is not MISSING:
                            return True
                    else:
                        self._hop_to_task(frame, step)
                    frame = self.frame
                    steps, pos, env = frame.steps, frame.pos, frame.env
                    if perf_counter() >= deadline:
                        return False
                elif kind == "return":
                    value = step.run(env)
                    frame.steps, frame.pos = steps, pos
                    if self._return(frame, value, step):
                        return True
                    frame = self.frame
                    steps, pos, env = frame.steps, frame.pos, frame.env
                    if perf_counter() >= deadline:
                        return False
                elif kind == "fail":
                    said = text(step.run(env), str)[:MESSAGE_LIMIT]
                    info = ErrorInfo("wfc.Failure", said, where=tuple(step.where))
                    raise StepError(frame, step, self._placed(info, frame))
                else:
                    raise LookupError(f"a worker cannot run a {kind} node")
        except (StepError, Stop, ValueGone):
            frame.steps, frame.pos = steps, pos
            raise
        except StorageError as error:  # no fault of the task, and nothing to be caught by a spec
            info = ErrorInfo(
                "wfc.StorageError", f"{error}", task=self.id_of(frame, step or NOWHERE)
            )
            raise Stop(Failed(self.job.work.id, self.offset, frame.path(), info)) from None
        except Exception as error:  # an expression, or the binding of arguments
            frame.steps, frame.pos = steps, pos
            raise StepError(frame, step, self._expression(error, frame, step)) from None

    def _merge(self, frame: Frame, step: Any, arm: int) -> None:
        """An arm has ended without leaving the frame: what it provides has its outer names."""
        for name, node in step.provided(arm):
            if name != node:
                frame.env[name] = frame.env[node]
                source = frame.src.get(node)
                if source is not None:
                    frame.src[name] = source
                else:
                    frame.src.pop(name, None)
            if frame is self.top and not self.job.whole and name in self.job.exported:
                self._note(frame, name, frame.env[name], frame.checkpoint, step)

    # ------------------------------------------------------------------ calls

    def adopt(
        self, position: int, env: dict[str, Any], cells: dict[str, Any], made: Continuation
    ) -> None:
        """The steps before `position` are done already, and the call there has become a graph."""
        top, step = self.top, self.job.steps[position]
        top.pos = position + 1
        top.env = env
        top.facts.update(cells)
        kept = {s.id for s in self.job.steps if s.kind == "call" and s.checkpoint}
        if top.checkpoint:
            top.unsent.update((n, c) for n, c in cells.items() if n in kept)
        self.at = top, step
        self.adopted = made
        self._child(top, step, ())

    def _call(self, frame: Frame, step: CallStep) -> None:
        if self.known:
            path = frame.join(step.id)
            found = self.known.get(path)
            if isinstance(found, Raised):
                raise StepError(frame, step, found.error)
            if found is not None and not isinstance(found, HopState) and found is not HOLLOW:
                self._restore(frame, step, found)
                return
            state = self.known.get(path + "~")
            if state is not None:
                child = self._child(frame, step, ())
                self.resume(child, state)
                return
        if step.callee == "workflow":
            flow = self.job.registry.linked.workflow(step.target)
            args: Sequence[Any]
            args, kwargs = step.arguments(frame.env)
            if not step.inplace:
                args, kwargs = _copies(args, kwargs)
            child = self._child(frame, step, flow.body.linked().steps)
            child.env = flow.bind(args, kwargs)
            child.env["$secret"] = frame.env["$secret"]
            child.state = flow
            return
        function = self.job.registry.function(step.target)
        args, kwargs = task_arguments(frame, step)
        value = self.invoke(frame, step, function, args, kwargs)
        if type(value) is Continuation:
            self.become(self._child(frame, step, ()), value, step)
            return
        self._settle(frame, step, Result(True, value) if step.catch else value)

    def _child(self, frame: Frame, step: Any, steps: Sequence[Any]) -> Frame:
        child = Frame(steps, {}, frame, step, frame.checkpoint and step.checkpoint)
        self.frame = child
        return child

    def _restore(self, frame: Frame, step: Any, found: Any) -> None:
        """What is checkpointed already."""
        source = Source(found, self.job.cells.load)
        frame.env[step.id] = source.very()
        frame.src[step.id] = source
        frame.facts[step.id] = found

    def invoke(
        self, frame: Frame, step: Any, function: Any, args: Sequence[Any], kwargs: dict[str, Any]
    ) -> Any:
        """Call a task's function. Raises `StepError` for whatever it raises."""
        self.at = frame, step
        inplace = step.kind == "resume" or step.inplace
        if self.dirty and inplace and not all(map(is_plain, (*args, *kwargs.values()))):
            self.freeze()
        error: BaseException | None = None
        value: Any = None
        try:
            value = function(*args, **kwargs)
            if type(value) is CoroutineType:
                value = awaited(value)
            if is_reference(value):
                value = given(value)
        except Unresolved as failed:
            error = failed.error
        except BaseException as raised:
            error = raised
        if WATCH.touched:
            self.tidy(frame, step)
        if error is not None:
            call = step.call if step.kind == "resume" else step
            attempt = self.attempt()
            info = error_info(error, self.id_of(frame, step), call.where, attempt)
            raise StepError(frame, step, info, retries_error(call.options, info, attempt))
        return value


def _copies(args: Sequence[Any], kwargs: dict[str, Any]) -> tuple[Sequence[Any], dict[str, Any]]:
    """Arguments of a plain call of a workflow: copies of their own."""
    if not kwargs and IMMUTABLE.issuperset(map(type, args)):
        return args, kwargs
    return [_copy(a) for a in args], {k: _copy(a) for k, a in kwargs.items()}


def _copy(value: Any) -> Any:
    """What cannot be copied is handed on as it is: a workflow may call `inplace` what takes it. A plain
    call of a task that is given it fails."""
    try:
        return own_copy(value)
    except Unpicklable:
        return value
