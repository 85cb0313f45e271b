"""Regions: which `inplace` calls of a frame without a home share a process, and whose.

Needed for what a program means, so it always runs. It stands behind everything that moves calls
between frames or graphs, and before what depends on where calls run.

Inplace calls are connected when a value goes from one to the other, by itself or inside expressions,
out of branches and through fan-outs. The region hangs on the process of the one plain task call that
its inputs come from. Regions that hang on the same task are one: they share its process anyway.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from wfc.compiler import ir
from wfc.compiler.explain import Notes
from wfc.compiler.passes.flow import Flow, Place, Vertex


@dataclass(slots=True, eq=False)
class _Part:
    """Connected inplace calls, and the plain task calls that their inputs come from."""

    members: list[Vertex] = field(default_factory=list)
    tasks: dict[int, Vertex] = field(default_factory=dict)


def assign_regions(program: ir.Program, notes: Notes) -> None:
    """Set `region` of inplace calls, and the regions of the graphs that they are kept for."""
    for workflow in program.workflows.values():
        count = 0
        for block in workflow.blocks():
            if any(isinstance(n, ir.CallNode) and n.inplace for n in ir.walk(block)):
                count = _block(block, count, notes)


def _block(block: ir.Graph, count: int, notes: Notes) -> int:
    parts = _parts(Flow(block))
    by_task: dict[int, _Part] = {}
    regions: list[tuple[_Part, Vertex | None]] = []
    for part in parts:
        hang = _hang(part)
        known = by_task.get(id(hang)) if hang is not None else None
        if known is not None:
            known.members += part.members
            continue
        if hang is not None:
            by_task[id(hang)] = part
        regions.append((part, hang))
    for part, hang in regions:
        count += 1
        _declare(part, hang, "region" if count == 1 else f"region#{count}", notes)
    return count


def _inplace(vertex: Vertex) -> bool:
    return isinstance(vertex.node, ir.CallNode) and vertex.node.inplace


def _parts(flow: Flow) -> list[_Part]:
    """The connected components, in order of appearance."""
    parent: dict[int, int] = {}

    def find(key: int) -> int:
        while parent[key] != key:
            parent[key] = parent[parent[key]]
            key = parent[key]
        return key

    calls = [v for v in flow.vertices if _inplace(v)]
    todo = list(calls)
    reached = list(calls)
    parent.update((id(v), id(v)) for v in calls)
    while todo:  # what passes values on to an inplace call belongs to it
        for given in todo.pop().inputs:
            if not given.makes and id(given) not in parent:
                parent[id(given)] = id(given)
                reached.append(given)
                todo.append(given)
    for vertex in reached:
        for given in vertex.inputs:
            if id(given) in parent:
                a, b = find(id(vertex)), find(id(given))
                parent[b] = a
    parts: dict[int, _Part] = {}
    for vertex in calls:
        parts.setdefault(find(id(vertex)), _Part()).members.append(vertex)
    for vertex in reached:
        part = parts[find(id(vertex))]
        for given in vertex.inputs:
            if (
                isinstance(given.node, ir.CallNode)
                and given.node.callee == "task"
                and not _inplace(given)
            ):
                part.tasks[id(given)] = given
    return list(parts.values())


def _around(vertices: list[Vertex]) -> Place:
    """The innermost graph around all of them."""
    place = vertices[0].place
    for vertex in vertices[1:]:
        place = place.common(vertex.place)
    return place


def _hang(part: _Part) -> Vertex | None:
    """The task call whose process the region uses: the only one, and one that is there for sure."""
    if len(part.tasks) != 1:
        return None
    task = next(iter(part.tasks.values()))
    return task if _around([*part.members, task]) is task.place else None


def _declare(part: _Part, hang: Vertex | None, name: str, notes: Notes) -> None:
    place = _around(part.members if hang is None else [*part.members, hang])
    graph = place.graph
    ids = list(dict.fromkeys(_owner(v, place) for v in part.members))
    for vertex in part.members:
        assert isinstance(vertex.node, ir.CallNode)
        vertex.node.region = name
    graph.regions[name] = ir.Region(hang.node.id if hang is not None else None, ids)
    first = part.members[0].node
    who = _list([v.node.id for v in part.members])
    if hang is not None:
        notes.did(
            f"run {who} in the process of `{hang.node.id}` (line {hang.node.span.line})", first.span
        )
    else:
        notes.did(f"run {who} in a process of their own: {_why(part)}", first.span)


def _owner(vertex: Vertex, place: Place) -> str:
    """The node of a graph that a call is, or stands in."""
    within = vertex.place
    if within is place:
        return vertex.node.id
    while within.up is not place:
        assert within.up is not None
        within = within.up
    return place.owner(within.graph)


def _why(part: _Part) -> str:
    tasks = list(part.tasks.values())
    if not tasks:
        return "no plain task gives them anything"
    if len(tasks) == 1:
        task = tasks[0].node
        where = f"`{task.id}` (line {task.span.line})"
        return f"their input comes from {where}, which may run many times or not at all"
    named = [f"`{v.node.id}` (line {v.node.span.line})" for v in tasks[:2]]
    rest = f" and {len(tasks) - 2} more" if len(tasks) > 2 else ""
    return f"their inputs come from the processes of {named[0]} and {named[1]}{rest}"


def _list(ids: list[str]) -> str:
    shown = [f"`{id}`" for id in dict.fromkeys(ids)]
    return ", ".join(shown[:6]) + (f" and {len(shown) - 6} more" if len(shown) > 6 else "")
