"""Units: nodes that one worker runs in one go, as one thing to dispatch.

Stands last: everything that adds, moves or removes nodes has run, and it is known what is carried.
Regions come first, because a program of inplace calls needs no process to be kept for it.
"""

from __future__ import annotations

from collections.abc import Iterator

from wfc.compiler import ir
from wfc.compiler.explain import Notes
from wfc.compiler.passes.chains import chains


def build_units(program: ir.Program, notes: Notes) -> None:
    """Give every graph that the engine opens its units."""
    for workflow in program.workflows.values():
        ready = {p.name for p in workflow.params}
        for block in workflow.blocks():
            for graph, names in _opened(block, ready):
                _regions(program, graph, notes)
                chains(graph, names, notes)


def _opened(block: ir.Graph, ready: set[str]) -> Iterator[tuple[ir.Graph, set[str]]]:
    """The graphs that are not inside something carried, with the names that are there from the
    start of each."""
    todo = [(block, ready)]
    while todo:
        graph, names = todo.pop()
        yield graph, names
        for node in graph.nodes.values():
            if isinstance(node, ir.MapNode) and not node.carried:
                todo.append((node.body, names | set(node.targets)))
            elif isinstance(node, ir.BranchNode) and not node.carried:
                todo += [(inner, names) for _, inner in ir.inner(node)]


def _regions(program: ir.Program, graph: ir.Graph, notes: Notes) -> None:
    if not graph.regions:
        return
    place = {node.id: i for i, node in enumerate(graph.ordered())}
    for name, region in graph.regions.items():
        ids = [*region.nodes, *([region.hang] if region.hang is not None else [])]
        first = graph.nodes[region.nodes[0]]
        refusal = next((why for id in ids if (why := _unfit(program, graph.nodes[id], name))), None)
        if refusal is None:
            nodes = _closed(graph, ids, place)
            if nodes is not None:
                graph.units.append(ir.Unit("region", nodes))
                notes.did(f"run the region of `{first.id}` as one program", first.span)
                continue
            refusal = "something outside stands between its calls"
        notes.left(f"run the region of `{first.id}` as one program: {refusal}", first.span)


def _unfit(program: ir.Program, node: ir.Node, region: str) -> str | None:
    """Why a member of a region cannot be a part of one program."""
    if isinstance(node, ir.CallNode):
        if "timeout" in node.options:
            return f"`{node.id}` has a timeout"
        if node.managed:
            return f"a `wait` looks after `{node.id}`"
        if node.callee == "workflow" and program.workflows[node.target].carried != "inplace":
            return f"not all calls of `{node.target}` are inplace"
        return None
    if not isinstance(node, ir.BranchNode):
        return f"some of its calls are in the fan-out `{node.id}`"
    for inner in ir.walk_inside(node):
        if isinstance(inner, ir.CallNode) and (not inner.inplace or inner.region != region):
            return f"`{inner.id}` runs elsewhere"
    return None if node.carried else f"some of its calls are in the branch at line {node.span.line}"


def _closed(graph: ir.Graph, ids: list[str], place: dict[str, int]) -> list[str] | None:
    """The members and the expressions between them in order; `None` where something else is between."""
    members = set(ids)
    end = max(place[id] for id in members)
    after: set[str] = set()  # what depends on a member, up to the last of them
    todo = list(members)
    while todo:
        for id in graph.dag.adj[todo.pop()]:
            if id not in after and place[id] <= end:
                after.add(id)
                todo.append(id)
    before: set[str] = set()  # of these, what a member depends on
    todo = list(members)
    while todo:
        for id in graph.dag.pred[todo.pop()]:
            if id in after and id not in before:
                before.add(id)
                todo.append(id)
    between = before - members
    if any(not isinstance(graph.nodes[id], ir.ExprNode) for id in between):
        return None
    return sorted(members | between, key=place.__getitem__)
