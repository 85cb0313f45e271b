"""Partial results: `wait`, `cancel`."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import filterfalse

from wfc.plan.model import CancelNode, Node, Quorum, WaitNode
from wfc.runtime.engine.evaluate import as_pending, hollow
from wfc.runtime.engine.fans import is_absent
from wfc.runtime.engine.flow import early_key
from wfc.runtime.engine.signals import NONE, Signals
from wfc.runtime.engine.state import DONE, DROPPED, FAILED, Fan, Scope, Wait
from wfc.runtime.values import (
    Caught,
    ErrorInfo,
    Pending,
    Rows,
    Split,
    Value,
    Waited,
)

NO_CALLS = (
    "takes running calls, and this is a value: a parameter that takes what runs is declared "
    "`pending[T]`"
)
"""What is said of a value that the checks could not know to be none of these."""


class Waits(Signals):
    """Decides waits."""

    def start_node(self, scope: Scope, index: int, node: Node) -> None:
        """Start a wait or a cancel."""
        if isinstance(node, WaitNode):
            self._start_wait(scope, index, node)
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
