"""What is decided for good, timers and signals: `sleep`, `receive`."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from wfc.plan.model import Node, ReceiveNode, SleepNode
from wfc.plan.names import IN_WORDS, NAME
from wfc.runtime.engine.evaluate import message
from wfc.runtime.engine.joins import Joins
from wfc.runtime.engine.records import DECIDED, Claimed, Fired, Signalled
from wfc.runtime.engine.state import Scope
from wfc.runtime.values import Caught, ErrorInfo, Inline, Value, inline_size

NONE = Inline(obj=None)


class Signals(Joins):
    """Keeps choices, timers and signals."""

    def start_node(self, scope: Scope, index: int, node: Node) -> None:
        """Start a timer or a receive."""
        if isinstance(node, SleepNode):
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
        else:
            super().start_node(scope, index, node)

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
