"""Fan-outs: columns of results, slices given to workers."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

from wfc.plan.model import MapNode, Node
from wfc.plan.order import iterate
from wfc.runtime.engine.columns import Segments, boxed, cut, runs
from wfc.runtime.engine.evaluate import as_pending, hollow
from wfc.runtime.engine.frames import Frames
from wfc.runtime.engine.state import (
    DONE,
    DROPPED,
    FAILED,
    HELD,
    RUNNING,
    WAITING,
    Dispatch,
    Fan,
    Scope,
)
from wfc.runtime.values import (
    HOLLOW,
    MISSING,
    Caught,
    Chunk,
    Column,
    ErrorInfo,
    Inline,
    Pairs,
    Pending,
    Rows,
    Value,
)

NONE = Inline(obj=None)


class Fans(Frames):
    """Runs fan-outs."""

    def start_node(self, scope: Scope, index: int, node: Node) -> None:
        """Start a fan-out."""
        if not isinstance(node, MapNode):
            super().start_node(scope, index, node)
            return
        old = scope.fans.get(index)
        if index in scope.again and old is not None:
            self.remake_fan(old)
            return
        items = node.items
        if node.where_each is not None:
            target: Any = ["name", node.targets[0]]
            if len(node.targets) > 1:
                target = ["tuple", [["name", t] for t in node.targets]]
            items = ["comp", "list", None, target, [[node.targets, items, [node.where_each]]]]

        def expanded(value: Value, volatile: bool) -> None:
            pending = as_pending(value)
            if pending is not None:
                self._expand_stream(scope, index, node, pending, volatile)
            else:
                self._expand(scope, index, node, value, volatile)

        joined = node.where_each is not None
        self.compute(scope, index, "items", items, expanded, joined=joined, explode=True)

    @abstractmethod
    def open_elements(self, fan: Fan, node: MapNode) -> None:
        """Open the scopes of elements that the engine runs itself, as many as may run at once."""

    @abstractmethod
    def bury_element(self, fan: Fan, k: int) -> None:
        """Forget an element's scope."""

    @abstractmethod
    def remake_fan(self, fan: Fan) -> None:
        """Make the elements of a fan-out again whose results were not kept."""

    @abstractmethod
    def revive_items(self, fan: Fan, indices: Sequence[int], then: Callable[[], None]) -> None:
        """Make what these elements run on again."""

    # ------------------------------------------------------------------ expansion

    def _expand(
        self, scope: Scope, index: int, node: MapNode, value: Value, volatile: bool
    ) -> None:
        if not scope.alive:
            return
        rows: Rows | None
        if isinstance(value, Rows):
            rows, count = value, len(value)
        elif not self.live and isinstance(value, Inline) and type(value.load()) is int:
            # Replayed: the journal says how many there were; the list is made again if it is needed.
            rows, count = None, int(value.load())
        else:
            try:
                objects = list(iterate(self.load(value)))
            except Exception as error:
                self.fail(scope, index, self._expr_error(scope, scope.g.nodes[index], error))
                return
            rows, count = Rows([Column(None, len(objects), objects)]), len(objects)
        fan = self._new_fan(scope, index, node, count)
        fan.items = rows
        fan.volatile = volatile
        if count == 0:
            self._complete(fan)
        else:
            self._start_elements(fan, node, range(count))

    def _new_fan(self, scope: Scope, index: int, node: MapNode, count: int) -> Fan:
        fan = Fan(scope, index, count, bytearray(count), count)
        fan.managed = node.managed
        self.open_fan(scope, index, fan, [o.name for o in node.outputs if o.when is None])
        for out in node.outputs:
            if out.when is not None:
                fan.sparse = True
                self.open_early(fan, out.name)
        if fan.managed:
            scope.frame.fans.append(fan)
        return fan

    def _open_filtered(self, fan: Fan) -> None:
        """Which elements a fan-out has that filters by calls is known at its end: only then there
        are handles of it."""
        node = self.map_node(fan)
        for out in node.outputs:
            if out.when is None or "&" + out.name in fan.scope.values:
                continue
            column = fan.columns.get(self.output_column(node, out.name))
            indices = tuple(
                k
                for k in range(fan.count)
                if fan.status[k] != DONE or column is None or not is_absent(column.get(k))
            )
            self.open_handle(fan, out.name, indices)

    def _expand_stream(
        self, scope: Scope, index: int, node: MapNode, pending: Pending, volatile: bool
    ) -> None:
        """Each element starts when the one that it comes from is done."""
        source = self.fans.get((pending.scope, pending.node))
        if source is None or not scope.alive:
            return
        fan = self._new_fan(scope, index, node, len(pending.indices))
        fan.source = source
        fan.sparse = fan.sparse or source.sparse
        fan.source_indices = pending.indices
        fan.source_name = pending.node
        fan.volatile = volatile
        if fan.count == 0:
            self._complete(fan)
            return
        position = {i: k for k, i in enumerate(pending.indices)}

        def arrived(indices: Sequence[int]) -> None:
            ready: list[int] = []
            for i in indices:
                k = position.get(i)
                if k is None or fan.status[k] != WAITING or not scope.alive:
                    continue
                if source.status[i] == DONE:
                    value = self.member_value(source, pending.node, i)
                    if source.sparse and is_absent(value):
                        self._leave_out(fan, node, k)
                        continue
                    fan.item_values[k] = value
                    ready.append(k)
                elif source.status[i] in (FAILED, DROPPED):
                    error = source.error(i)
                    self.element_error(fan, k, error)
            self._start_elements(fan, node, ready)

        source.watchers.append(arrived)
        arrived(pending.indices)

    def _leave_out(self, fan: Fan, node: MapNode, k: int) -> None:
        """An element that is none: what it comes from was filtered out."""
        for name in dict.fromkeys(self.output_column(node, out.name) for out in node.outputs):
            fan.columns.setdefault(name, Segments()).add(k, 1, [boxed(MISSING)])
        self._end(fan, (k,))

    def _start_elements(self, fan: Fan, node: MapNode, indices: Sequence[int]) -> None:
        """Start elements, but for those whose results are known."""
        self.has_opened(fan.scope.path)
        known = self.rows_of(fan)
        for told, columns in known:
            if max(told, default=0) < fan.count:  # the same list, as far as one can tell
                fresh = [k for k in told if k in indices and fan.status[k] == WAITING]
                self._mark_running(fan, fresh)
                self.take_columns(fan, told, dict(columns))
        if known:
            indices = [k for k in indices if fan.status[k] == WAITING]
        if not indices:
            return
        if node.carried:
            self._mark_running(fan, indices)
            self.ship(fan, indices)
        else:
            fan.queue.extend(indices)
            self.open_elements(fan, node)

    @staticmethod
    def _mark_running(fan: Fan, indices: Sequence[int]) -> None:
        if len(indices) == fan.count:
            fan.status[:] = bytes([RUNNING]) * fan.count
            return
        for k in indices:
            fan.status[k] = RUNNING

    def ship(self, fan: Fan, indices: Sequence[int]) -> Dispatch:
        """Give a slice of a fan-out to the workers."""
        work = self.new_work("map", fan.scope, fan.node, fan=fan, indices=indices)
        work.left = len(indices)
        fan.works.add(work.id)
        return work

    def item(self, fan: Fan, index: int) -> Value:
        """The element that a fan-out's body runs on."""
        if index in fan.item_values:
            return fan.item_values[index]
        if fan.items is None:
            return HOLLOW
        at = 0
        for chunk in fan.items.chunks:
            size = chunk.count if isinstance(chunk, Column) else len(chunk)
            if index < at + size:
                if isinstance(chunk, Column):
                    return Inline(obj=chunk.load()[index - at])
                return chunk[index - at]
            at += size
        return HOLLOW

    def items_of(self, fan: Fan, indices: Sequence[int]) -> Rows:
        """The elements of a slice, packed where the whole is."""
        if fan.items is not None and len(indices) == fan.count:
            return fan.items
        if fan.items is not None and len(fan.items.chunks) == 1:
            chunk = fan.items.chunks[0]
            if isinstance(chunk, Column):
                objects = chunk.load()
                return Rows([Column(None, len(indices), [objects[i] for i in indices])])
        return Rows([[self.item(fan, i) for i in indices]])

    def element_path(self, fan: Fan, index: int, step: str) -> str:
        """The id of a step of an element that a worker runs."""
        node = self.map_node(fan).id
        body = fan.scope.g.inner[node]
        at, _, _ = body.split_step(step)
        origin = getattr(body.nodes[at].node, "origin", None) if at is not None else None
        return f"{fan.scope.path}/{origin or node}[{index}]/{step}".rstrip("/")

    # ------------------------------------------------------------------ results

    def take_columns(
        self, fan: Fan, indices: Sequence[int], columns: dict[str, Chunk | int]
    ) -> None:
        """Results of elements that workers ran: `columns` have one entry for each of `indices`."""
        fresh = [k for k in indices if fan.status[k] == RUNNING]
        if len(fresh) != len(indices):
            offsets = {k: at for at, k in enumerate(indices)}
            for k in fresh:
                self.take_columns(fan, (k,), {c: cut(v, offsets[k], 1) for c, v in columns.items()})
            return
        for name, chunk in columns.items():
            column = fan.columns.setdefault(name, Segments())
            for offset, start, count in runs(indices):
                column.add(start, count, cut(chunk, offset, count))
        if fan.known:
            for k in indices:
                fan.known.pop(k, None)
        self.elements_done(fan, indices)

    def elements_done(self, fan: Fan, indices: Sequence[int]) -> None:
        """Elements have run to their end."""
        self.counts["done"] += len(indices)
        self._end(fan, indices)

    def _end(self, fan: Fan, indices: Sequence[int]) -> None:
        """Mark elements as done, and see whether that was the last."""
        if isinstance(indices, range) and indices.step == 1:
            fan.status[indices.start : indices.stop] = bytes([DONE]) * len(indices)
        else:
            for k in indices:
                fan.status[k] = DONE
        fan.left -= len(indices)
        self.fan_changed(fan, list(indices) if fan.watchers else [])
        if fan.left == 0:
            self._complete(fan)

    def element_error(self, fan: Fan, k: int, error: ErrorInfo) -> None:
        """An element has failed for good."""
        if fan.status[k] in (DONE, FAILED, DROPPED):
            return
        fan.status[k] = FAILED
        fan.errors[k] = error
        fan.left -= 1
        self.counts["failed"] += 1
        if fan.managed:
            self.fan_changed(fan, [k])
            if fan.left == 0:
                self._complete(fan)
            return
        self._stop(fan)
        self.fail(fan.scope, fan.node, error)

    def _stop(self, fan: Fan) -> None:
        """One failure is that of the whole fan-out: the rest neither goes on nor fails as well."""
        for work in list(fan.works):
            self.drop_work(work)
        fan.works.clear()
        fan.queue.clear()
        for k in list(fan.scopes):
            self.bury_element(fan, k)
        for k in range(fan.count):
            if fan.status[k] in (WAITING, RUNNING, HELD):
                fan.status[k] = DROPPED
                fan.left -= 1

    # ------------------------------------------------------------------ cancellation

    def cancel_fan(self, fan: Fan) -> None:
        """Stop what still runs of a fan-out or group."""
        self.cancel_members(fan, range(fan.count))

    def cancel_members(self, fan: Fan, indices: Sequence[int]) -> None:
        """Stop these members if they are not done."""
        if fan.members is not None:
            for k in indices:
                self._cancel_node(*fan.members[k])
                if fan.status[k] in (WAITING, RUNNING, HELD):
                    fan.status[k] = DROPPED
            self.fan_changed(fan, list(indices))
            return
        dropped = [k for k in indices if fan.status[k] in (WAITING, RUNNING, HELD)]
        gone = set(dropped)
        for work_id in list(fan.works):
            work = self.works.get(work_id)
            if work is None:
                fan.works.discard(work_id)
                continue
            offsets = tuple(o for o, k in enumerate(work.indices) if k in gone)
            running = sum(1 for k in work.indices if fan.status[k] == RUNNING)
            if len(offsets) >= running:
                self.drop_work(work_id)
                fan.works.discard(work_id)
            elif offsets and work.submitted:
                self.cancel_offsets(work_id, offsets)
        for k in dropped:
            fan.status[k] = DROPPED
            fan.left -= 1
            self.bury_element(fan, k)
        self.fan_changed(fan, dropped)

    def cancel_offsets(self, work: int, offsets: tuple[int, ...]) -> None:
        """Have the executor stop some elements of a work."""

    def _cancel_node(self, scope: Scope, index: int) -> None:
        if scope.status[index] not in (WAITING, RUNNING):
            return
        scope.status[index] = DROPPED
        work = scope.state.pop(("work", index), None)
        if work is not None:
            self.drop_work(work)
        frame = scope.state.pop(("frame", index), None)
        if frame is not None:
            frame.deliver = None
            self.abort(frame, ("cancelled", "no longer needed"))
        self.close_timer(f"{scope.path}/{scope.g.nodes[index].node.id}")
        fan = scope.fans.get(index)
        if fan is not None:
            self.cancel_fan(fan)

    # ------------------------------------------------------------------ the end

    def _complete(self, fan: Fan) -> None:
        """No element is left to run: give the outputs their values."""
        scope, index = fan.scope, fan.node
        node = scope.g.nodes[index].node
        if not isinstance(node, MapNode) or not scope.alive:
            return
        self._open_filtered(fan)
        if fan.errors or DROPPED in fan.status:
            scope.status[index] = FAILED
            return
        loose = fan.volatile or not self.elements_kept(scope, node)
        for out in node.outputs:
            rows = self.output_rows(fan, node, out.name)
            value: Value = rows if out.key is None else Pairs(rows)
            volatile = loose or hollow(value)
            if node.catch:
                value = Caught(value)
            self.publish(scope, out.name, value, volatile)
        if scope.status[index] == DONE:
            scope.again.add(index)
        self.settle(scope, index, scope.values.get(node.id, NONE))

    @staticmethod
    def elements_kept(scope: Scope, node: MapNode) -> bool:
        """Whether all that the elements of a fan-out run is journaled."""
        return scope.frame.checkpoint and not scope.g.inner[node.id].unkept

    def output_rows(self, fan: Fan, node: MapNode, name: str) -> Rows:
        """The joined list of an output."""
        column = fan.columns.get(self.output_column(node, name))
        if column is None:
            return Rows([])
        rows = column.rows()
        if not fan.sparse:
            return rows
        kept: list[Chunk] = []
        for chunk in rows.chunks:
            if isinstance(chunk, Column):
                objects = [o for o in chunk.load() if o is not MISSING]
                kept.append(Column(None, len(objects), objects))
            else:
                kept.append([v for v in chunk if not is_absent(v)])
        return Rows(kept)

    def member_value(self, fan: Fan, name: str, k: int) -> Value:
        """The result of one member."""
        if fan.members is not None:
            where, i = fan.members[k]
            value: Value = self.lookup(where, where.g.nodes[i].node.id)
            return value
        node = self.map_node(fan)
        column = fan.columns.get(self.output_column(node, name))
        return HOLLOW if column is None else column.get(k)

    def column_kept(self, fan: Fan, name: str) -> bool:
        """Whether a column of elements that workers run is journaled."""
        body = fan.scope.g.inner[self.map_node(fan).id]
        if name.startswith("="):
            return not body.unkept
        return name not in body.unkept

    def member_volatile(self, fan: Fan, name: str, k: int) -> bool:
        """Whether the result of a member was made from what is not kept."""
        if fan.members is not None:
            where, i = fan.members[k]
            return self.is_volatile(where, [where.g.nodes[i].node.id])
        node = self.map_node(fan)
        if node.carried:
            return not (
                fan.scope.frame.checkpoint and self.column_kept(fan, self.output_column(node, name))
            )
        return k in fan.volatile_members

    @staticmethod
    def map_node(fan: Fan) -> MapNode:
        """The node of a fan-out (a group has none)."""
        node = fan.scope.g.nodes[fan.node].node
        if not isinstance(node, MapNode):
            raise TypeError(f"{node.id} is not a fan-out")
        return node

    def fan_names(self, fan: Fan) -> list[str]:
        """The names that stand for a fan-out."""
        node = fan.scope.g.nodes[fan.node].node
        return [o.name for o in node.outputs] if isinstance(node, MapNode) else [node.id]

    def fan_changed(self, fan: Fan, indices: list[int]) -> None:
        """Members of a fan-out or group are done or failed: tell those who watch."""
        if not indices:
            return
        for watcher in list(fan.watchers):
            watcher(indices)


def is_absent(value: Value) -> bool:
    """Whether a column's entry says that the element has no such result."""
    return isinstance(value, Inline) and value.mentions(b"MISSING") and value.load() is MISSING
