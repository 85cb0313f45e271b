"""Partial results, timers and signals: `wait`, `sleep`, `receive`, `cancel`."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from itertools import filterfalse
from typing import Any

from wfc.plan.model import CancelNode, Node, Quorum, ReceiveNode, SleepNode, WaitNode
from wfc.plan.names import IN_WORDS, NAME
from wfc.runtime.engine.evaluate import as_pending, hollow, message
from wfc.runtime.engine.fans import is_absent
from wfc.runtime.engine.flow import early_key
from wfc.runtime.engine.joins import Joins
from wfc.runtime.engine.records import DECIDED, Claimed, Fired, Signalled
from wfc.runtime.engine.state import DONE, DROPPED, FAILED, Fan, Scope, Wait
from wfc.runtime.values import (
    Caught,
    ErrorInfo,
    Inline,
    Pending,
    Rows,
    Split,
    Value,
    Waited,
    inline_size,
)

NONE = Inline(obj=None)

NO_CALLS = (
    "takes running calls, and this is a value: a parameter that takes what runs is declared "
    "`pending[T]`"
)
"""What is said of a value that the checks could not know to be none of these."""


class Waits(Joins):
    """Decides waits, and keeps timers and signals."""

    def start_node(self, scope: Scope, index: int, node: Node) -> None:
        """Start a wait, a timer, a receive or a cancel."""
        if isinstance(node, WaitNode):
            self._start_wait(scope, index, node)
        elif isinstance(node, SleepNode):
            self.compute(
                scope, index, "duration", node.duration,
                lambda v, _: self._sleep(scope, index, v),
            )  # fmt: skip
        elif isinstance(node, ReceiveNode):
            taken = self.prefilled(scope, node.id)
            if taken is not None:
                self.taken(scope, index, taken)
                return
            self.compute(
                scope, index, "signal", message(node.signal),
                lambda v, _: self._receive(scope, index, node, str(self.load(v))),
            )  # fmt: skip
        elif isinstance(node, CancelNode):
            self.compute(
                scope, index, "pending", node.pending,
                lambda v, _: self._cancel(scope, index, v),
            )  # fmt: skip
        else:
            super().start_node(scope, index, node)

    # ------------------------------------------------------------------ wait

    def _start_wait(self, scope: Scope, index: int, node: WaitNode) -> None:
        if index in scope.again:
            self._wait_again(scope, index)
            return

        def members(value: Value, _volatile: bool) -> None:
            pending = as_pending(value)
            if pending is None:
                self._wrong(scope, index, f"`wait` {NO_CALLS}")
                return
            self._quorum(scope, index, node, pending)

        early = None
        if node.members[0] == "handle":  # of a fan-out that filters by calls
            early = self.lookup(scope, early_key(scope, node.members[1]))
        if early is not None:
            members(early, False)
        else:
            self.compute(scope, index, "members", node.members, members)

    def _wrong(
        self, scope: Scope, index: int, text: str, kind: str = "TypeError",
        causes: tuple[str, ...] = (),
    ) -> None:  # fmt: skip
        self.fail(scope, index, self._error_at(scope, index, text, kind, causes))

    def _error_at(
        self, scope: Scope, index: int, text: str, kind: str, causes: tuple[str, ...]
    ) -> ErrorInfo:
        where = scope.g.nodes[index].node.where
        task = self.node_path(scope, index)
        return ErrorInfo(kind, text, task=task, where=where, causes=causes)

    def _quorum(self, scope: Scope, index: int, node: WaitNode, pending: Pending) -> None:
        share = node.quorum.form == "percent"

        def counted(value: Value, _volatile: bool) -> None:
            given = self.load(value)
            if isinstance(given, bool) or not isinstance(given, int | float) or given < 0:
                self._wrong(scope, index, f"a quorum must be a number from 0 on, not {given!r}")
                return
            self._timed(scope, index, node, pending, int(given), given if share else None)

        quorum: Quorum = node.quorum
        if quorum.form == "all":
            self._timed(scope, index, node, pending, 0, 100)
        elif quorum.form == "any":
            self._timed(scope, index, node, pending, 1)
        else:
            self.compute(scope, index, "quorum", quorum.value, counted)

    def _timed(
        self, scope: Scope, index: int, node: WaitNode, pending: Pending, quorum: int,
        share: float | None = None,
    ) -> None:  # fmt: skip
        fan = self.fans.get((pending.scope, pending.node))
        if fan is None or not scope.alive:
            self._wrong(scope, index, "the calls that are waited for are gone", "wfc.Cancelled")
            return
        wait = Wait(scope, index, fan, pending.indices, quorum, share)
        wait.name = pending.node
        wait.split = self.decided(scope, index)
        if isinstance(wait.split, ErrorInfo):
            self.fail(scope, index, wait.split)
            return
        wanted = set(pending.indices)
        if isinstance(wait.split, Split):
            wait.missing = wanted.difference(wait.split.rest, (k for k, _ in wait.split.failed))
        scope.state[index] = wait

        def look(indices: Sequence[int]) -> None:
            if scope.state.get(index) is not wait or not scope.alive:
                return
            status = fan.status
            # Where none has failed, it is decided as soon as enough are done: a loop of waits that
            # takes one of a thousand each time need not look at all the others.
            sound = FAILED not in status and DROPPED not in status
            for k in indices:
                if k not in wanted:
                    continue
                if status[k] in (DONE, FAILED, DROPPED):
                    wait.missing.discard(k)
                if status[k] == DONE:
                    wanted.discard(k)
                    if fan.sparse and is_absent(self.member_value(fan, wait.name, k)):
                        wait.absent.add(k)
                        continue
                    wait.order.append(k)
                    if sound and wait.split is None and len(wait.order) >= wait.wanted:
                        break
                elif status[k] in (FAILED, DROPPED):
                    wanted.discard(k)
                    wait.failed.add(k)
            self._decide(wait, timed_out=False)

        wait.look = look
        fan.watchers.append(look)
        look(pending.indices)
        if node.timeout is not None and scope.state.get(index) is wait and wait.split is None:
            self.compute(
                scope, index, "timeout", node.timeout,
                lambda v, _: self._wait_deadline(wait, v),
            )  # fmt: skip

    def _wait_deadline(self, wait: Wait, value: Value) -> None:
        if wait.scope.state.get(wait.node) is not wait:
            return
        seconds = self._seconds(wait.scope, wait.node, "the timeout of a wait", value)
        if seconds is None:
            wait.scope.state.pop(wait.node, None)
            if wait.look in wait.fan.watchers:
                wait.fan.watchers.remove(wait.look)
            return
        self.timer(wait.scope, wait.node, seconds, lambda: self._decide(wait, timed_out=True))

    def _decide(self, wait: Wait, timed_out: bool) -> None:
        scope, index = wait.scope, wait.node
        if scope.state.get(index) is not wait or not scope.alive:
            return
        split = self._new_split(wait, timed_out) if wait.split is None else self._old_split(wait)
        if split is None:
            return
        self._end_wait(wait)
        rows = Rows([[self.member_value(wait.fan, wait.name, k) for k in split.ready]])
        pending = Pending(wait.fan.scope.path, wait.name, split.rest)
        value = Waited(rows, pending, [error for _, error in split.failed], split.timed_out)
        scope.state[("ready", index)] = (wait.fan, wait.name, list(split.ready))
        volatile = hollow(value) or not self._fan_kept(wait.fan)
        self.settle(scope, index, self._split(scope, index, value), volatile)

    def _new_split(self, wait: Wait, timed_out: bool) -> Split | None:
        """The split, if it can be told by now. A quorum that cannot be reached fails the wait."""
        quorum = wait.wanted
        reached = len(wait.order) >= quorum
        left = wait.count - len(wait.order) - len(wait.failed)
        lost = not reached and len(wait.order) + left < quorum
        if lost and not timed_out:
            self._end_wait(wait)
            self._unreachable(wait)
            return None
        if not reached and not timed_out:
            return None
        chosen = set(wait.order[:quorum])
        settled = chosen | wait.failed | wait.absent
        split = Split(
            tuple(filter(chosen.__contains__, wait.indices)),
            tuple(filterfalse(settled.__contains__, wait.indices)),
            tuple((k, wait.fan.error(k)) for k in filter(wait.failed.__contains__, wait.indices)),
            timed_out and not reached,
        )
        self.decide(wait.scope, wait.node, split)
        return split

    def _old_split(self, wait: Wait) -> Split | None:
        """The split that was made when the scope was open before, once all that was done by then is
        again. What was not kept is made again, and may fail now: then so does the wait."""
        split = wait.split
        assert isinstance(split, Split)
        gone = [k for k in split.ready if k in wait.failed] if wait.failed else ()
        if gone:
            self._end_wait(wait)
            self.fail(wait.scope, wait.node, wait.fan.error(gone[0]))
            return None
        return None if wait.missing else split

    def _end_wait(self, wait: Wait) -> None:
        del wait.scope.state[wait.node]
        if wait.look in wait.fan.watchers:
            wait.fan.watchers.remove(wait.look)
        self.stop_timer(wait.scope, wait.node)

    def _split(self, scope: Scope, index: int, value: Waited) -> Value:
        """What a wait gives: its split, in a `Result` where it says `catch`."""
        return Caught(value) if getattr(scope.g.nodes[index].node, "catch", False) else value

    def _fan_kept(self, fan: Fan) -> bool:
        if fan.members is not None:
            return all(self.keeps(where, m) for where, m in fan.members)
        return self.elements_kept(fan.scope, self.map_node(fan))

    def _wait_again(self, scope: Scope, index: int) -> None:
        """Some ready result was not kept: have those made again, the split stays."""
        found = scope.values[scope.g.nodes[index].node.id]
        value = found.value if isinstance(found, Caught) else found
        assert isinstance(value, Waited)
        fan, name, ready = scope.state[("ready", index)]

        def made() -> None:
            rows = Rows([[self.member_value(fan, name, k) for k in ready]])
            again = Waited(rows, value.pending, value.failed, value.timed_out)
            self.settle(scope, index, self._split(scope, index, again), True)

        lost = [k for k in ready if self.gone(self.member_value(fan, name, k))]
        if not lost:
            made()
        elif fan.members is None:
            self.remake_members(fan, lost, made)
        else:
            left = len(lost)

            def one() -> None:
                nonlocal left
                left -= 1
                if left == 0:
                    made()

            for k in lost:
                where, i = fan.members[k]
                self.revive(where, where.g.nodes[i].node.id, one)

    def _unreachable(self, wait: Wait) -> None:
        reasons = "; ".join(
            f"[{k}] {e.type}: {e.message}" if (e := wait.fan.errors.get(k)) else f"[{k}] cancelled"
            for k in sorted(wait.failed)
        )
        errors = [e for k in sorted(wait.failed) if (e := wait.fan.errors.get(k))]
        have, of = len(wait.order), wait.count
        self._fail_decided(
            wait.scope,
            wait.node,
            f"{wait.wanted} of {of} cannot be reached any more: {have} done, "
            f"{len(wait.failed)} failed" + (f" ({reasons})" if reasons else ""),
            "wfc.QuorumUnreachable",
            tuple(t for e in errors for t in (e.task, *e.causes)),
        )

    def _cancel(self, scope: Scope, index: int, value: Value) -> None:
        pending = as_pending(value)
        if pending is None:
            self._wrong(scope, index, f"`cancel` {NO_CALLS}")
            return
        fan = self.fans.get((pending.scope, pending.node))
        if fan is not None:
            self.cancel_members(fan, pending.indices)
        self.settle(scope, index, NONE)

    # ------------------------------------------------------------------ decisions

    def decided(self, scope: Scope, index: int) -> Any:
        """What a wait, a timer or a receive had come to when its scope was open before, if it was:
        what follows from that is done, and counts."""
        return self.decisions.get((scope.path, scope.g.nodes[index].node.id))

    def decide(self, scope: Scope, index: int, what: Any) -> None:
        """Keep what the clock, or who was first, has decided: it is not decided again, whatever is there
        by then, and in which order."""
        scope.state[("decided", index)] = what
        if self.decided(scope, index) is None:
            self.choose_for_good(scope.path, scope.g.nodes[index].node.id, DECIDED, what)

    def _fail_decided(
        self, scope: Scope, index: int, text: str, kind: str, causes: Any = ()
    ) -> None:
        error = self._error_at(scope, index, text, kind, causes)
        self.decide(scope, index, error)
        self.fail(scope, index, error)

    # ------------------------------------------------------------------ timers and signals

    def timer(self, scope: Scope, index: int, seconds: float, call: object) -> None:
        """Set the timer of a node."""
        key = f"{scope.path}/{scope.g.nodes[index].node.id}"
        scope.timers.add(key)

        def due() -> None:
            self.stop_timer(scope, index)
            if callable(call):
                call()

        due_at = self.due_at(scope.path, scope.g.nodes[index].node.id, seconds)
        scope.state[("due", index)] = due_at
        self.open_timer(key, due_at, due)

    def stop_timer(self, scope: Scope, index: int) -> None:
        """Forget the timer of a node."""
        node = scope.g.nodes[index].node.id
        scope.timers.discard(f"{scope.path}/{node}")
        self.close_timer(f"{scope.path}/{node}")
        scope.state.pop(("due", index), None)

    def fire(self, key: str) -> None:
        """A timer is due."""
        call = self.timer_calls.pop(key, None)
        if call is not None:
            self.record(Fired(key, self.now))
            call()

    def _sleep(self, scope: Scope, index: int, value: Value) -> None:
        seconds = self._seconds(scope, index, "sleep", value)
        if seconds is None:
            return

        def over() -> None:
            self.decide(scope, index, True)
            self.settle(scope, index, NONE)

        if self.decided(scope, index) is not None:
            self.settle(scope, index, NONE)
        else:
            self.timer(scope, index, seconds, over)

    def _seconds(self, scope: Scope, index: int, what: str, value: Value) -> float | None:
        """A duration; `None` when the value is none, and the node has failed."""
        if inline_size(value) is None:
            self._wrong(scope, index, f"{what} needs seconds, not a value of more than 64 KiB")
            return None
        given = self.load(value)
        try:
            return float(given)
        except (TypeError, ValueError):
            self._wrong(scope, index, f"{what} needs seconds, not {given!r}"[:200])
            return None

    def _receive(self, scope: Scope, index: int, node: ReceiveNode, name: str) -> None:
        if not NAME.fullmatch(name):
            self._wrong(
                scope, index, f"no signal can have the name {name!r}: {IN_WORDS}", "ValueError"
            )
            return
        known = self.decided(scope, index)
        if isinstance(known, ErrorInfo):
            self.fail(scope, index, known)
            return
        waiting = self.signals.get(name, {})
        if known is not None and known in waiting:
            self._received(scope, index, node, known, waiting.pop(known))
            return
        if free := next((id for id in waiting if self.claims.get(id) is None), None):
            self._received(scope, index, node, free, waiting.pop(free))
            return
        self.receivers.setdefault(name, deque()).append((scope, index))
        scope.state[("signal", index)] = name

        def late() -> None:
            if scope.state.pop(("signal", index), None) is None:
                return
            self._fail_decided(
                scope, index, f"no signal {name!r} came in time", "wfc.SignalTimeout"
            )

        if node.timeout is not None:
            self.compute(
                scope, index, "timeout", node.timeout,
                lambda v, _: self._signal_deadline(scope, index, v, late),
            )  # fmt: skip

    def _signal_deadline(
        self, scope: Scope, index: int, value: Value, late: Callable[[], None]
    ) -> None:
        if ("signal", index) not in scope.state:
            return
        seconds = self._seconds(scope, index, "the timeout of a receive", value)
        if seconds is None:
            scope.state.pop(("signal", index), None)
        else:
            self.timer(scope, index, seconds, late)

    def _received(
        self, scope: Scope, index: int, node: ReceiveNode, id: str, payload: Value
    ) -> None:
        self._claim(scope, index, id)
        scope.state.pop(("signal", index), None)
        self.stop_timer(scope, index)
        self.settle(scope, index, Caught(payload) if node.catch else payload)

    def _claim(self, scope: Scope, index: int, id: str) -> None:
        """Keep who took a signal: it outlives the scope, for the signal does."""
        scope.state[("decided", index)] = id
        taker = (scope.path, scope.g.nodes[index].node.id)
        if self.claims.get(id) != taker:
            self.claims[id] = taker
            self.choose_for_good(*taker, DECIDED, id)

    def recall(self, record: Signalled) -> None:
        """A signal of an earlier life. One that was not taken is not taken before all is as it was;
        earlier versions of the program did not tell, but went by the order of the records."""
        if record.claims:
            self.claims.setdefault(record.id, None)
        elif record.id not in self.claims:
            self.untold[record.id] = None
        if self.claims.get(record.id, ()) is None:
            self.untaken.append(record)
        else:
            self.signalled(record)

    def deliver_untaken(self) -> None:
        """After a replay: what nobody had taken is for those that wait now."""
        for id in self.untold:
            if self.claims.setdefault(id, None) is None:
                self.record(Claimed(id, "", "", self.now))
        self.untold.clear()
        untaken, self.untaken = self.untaken, []
        for record in untaken:
            self.signalled(record)

    def signalled(self, record: Signalled) -> None:
        """A signal came in: the receive that has waited longest takes it, or it waits. Where it was
        taken in an earlier life, no other receive does."""
        if record.id in self.signal_ids:
            return
        self.signal_ids.add(record.id)
        taker = self.claims.get(record.id)
        waiting = self.receivers.get(record.name, deque())
        if taker is not None:
            at = [(s, i) for s, i in waiting if (s.path, s.g.nodes[i].node.id) == taker]
            waiting = deque(at)
        while waiting:
            scope, index = waiting.popleft()
            node = scope.g.nodes[index].node
            if (
                scope.alive
                and scope.state.get(("signal", index)) == record.name
                and isinstance(node, ReceiveNode)
            ):
                self._received(scope, index, node, record.id, record.payload)
                return
        self.signals.setdefault(record.name, {})[record.id] = record.payload
