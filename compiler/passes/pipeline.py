"""Map/map pipelining: a fan-out over the elements of another becomes a part of its body.

Stands behind inlining, which brings fan-outs together, and before it is judged what can be shipped in
slices: the point is that one worker takes an element through both stages. Paths do not change: the
moved calls keep the path of their own fan-out (`origin`). Where the list in between is used elsewhere
too, the fan-out makes both lists.
"""

from __future__ import annotations

from wfc.compiler import ir
from wfc.compiler.explain import Notes
from wfc.compiler.ir import Expr
from wfc.compiler.passes.rewrite import substitute, with_exprs
from wfc.compiler.passes.shapes import describe, shape
from wfc.plan.expr import children, names


def pipeline_maps(program: ir.Program, notes: Notes) -> None:
    """Fuse fan-outs over fan-outs, where nothing is lost by it."""
    for workflow in program.workflows.values():
        for block in workflow.blocks():
            changed = False
            ready = {p.name for p in workflow.params}
            for node in ir.walk(block):
                if isinstance(node, ir.MapNode):
                    ready.update(node.targets)
            handled = {name for node in ir.walk(block) for name in _handled(node)}
            for graph in list(ir.graphs(block)):
                changed = _graph(graph, handled, ready, notes) or changed
            if changed:
                ir.connect(block)


def _handled(node: ir.Node) -> set[str]:
    """The fan-outs that a node takes a handle of, but to go over them element by element."""
    found = {e[1] for _, expr in ir.expressions(node) for e in _handles(expr)}
    if isinstance(node, ir.MapNode) and node.items[0] == "handle":
        found.discard(node.items[1])
    return found


def _handles(expr: Expr) -> list[Expr]:
    if expr[0] == "handle":
        return [expr]
    return [found for part in children(expr) for found in _handles(part)]


def _graph(graph: ir.Graph, handled: set[str], ready: set[str], notes: Notes) -> bool:
    """Fuse in one graph, each fan-out into the one that its elements come from."""
    maker: dict[str, ir.MapNode] = {}  # the fan-out that makes a list now
    changed = False
    for node in list(graph.nodes.values()):
        if not isinstance(node, ir.MapNode):
            continue
        source = maker.get(node.source) if node.source is not None else None
        maker[node.id] = node
        if source is None or node.items[0] != "handle":
            continue
        assert node.source is not None
        refusal = _against(source, node, handled) or _waits(source, node, ready)
        if refusal is not None:
            notes.left(
                f"fuse `{node.id}` with `{node.source}`: {refusal}; its elements start one by one",
                node.span,
            )
            continue
        _fuse(graph, source, node)
        maker[node.id] = source
        changed = True
        notes.did(f"fuse `{node.id}` with `{node.source}`: one pass over the elements", node.span)
    return changed


def _against(source: ir.MapNode, node: ir.MapNode, handled: set[str]) -> str | None:
    """Why two fan-outs stay two."""
    for one in (source, node):
        if one.managed or one.id in handled:
            return f"something waits on the elements of `{one.id}`"
        if one.catch:
            return f"`{one.id}` says `catch`"
        if one.concurrency is not None:
            return f"`{one.id}` has a limit of its own"
    if any(o.when is not None for o in source.outputs):
        return f"`{source.id}` leaves elements out"
    if node.where_each is not None:
        return f"`{node.id}` leaves elements out before it begins"
    if source.priority != node.priority:
        return "they have different priorities"
    for one in (source, node):
        for inner in ir.walk_inside(one):
            if not isinstance(inner, (ir.ExprNode, ir.CallNode, ir.BranchNode)):
                return f"`{inner.id}` in `{one.id}` is more than a call"
            if isinstance(inner, ir.CallNode) and "timeout" in inner.options:
                return f"`{inner.id}` has a timeout, and travels alone"
    return _apart(source, node) or _loose(source, node)


def _loose(source: ir.MapNode, node: ir.MapNode) -> str | None:
    """Calls of the second stage that need nothing of the first could run beside it: two are better."""
    output = next(o for o in source.outputs if o.name == node.source)
    if not any(name in source.body.nodes for name in names(output.value)):
        return f"an element of `{node.source}` does not come from its calls"
    found = _early(node.body, set(node.targets))
    return f"`{found}` does not need the element" if found is not None else None


def _early(graph: ir.Graph, needed: set[str]) -> str | None:
    """A call that needs none of these names, nor what is made from them."""
    needed = set(needed)
    for id, node in graph.nodes.items():
        if isinstance(node, ir.BranchNode):
            # Nothing inside begins before its first condition is there.
            used = set(names(node.arms[0].condition))
        else:
            used = {name for _, name in ir.uses(node)}
        if used & needed:
            needed.update((id, *ir.defines(node)))
        elif isinstance(node, ir.CallNode):
            return id
        else:
            inside = (_early(block, needed) for _, block in ir.inner(node))
            found = next((one for one in inside if one is not None), None)
            if found is not None:
                return found
    return None


def _apart(source: ir.MapNode, node: ir.MapNode) -> str | None:
    """Ids that would meet, and calls that want different places."""
    mine, theirs = (
        {n for inner in ir.walk_inside(one) for n in (inner.id, *ir.defines(inner))}
        for one in (source, node)
    )
    if (mine | set(source.targets)) & theirs:
        return f"both have a `{min((mine | set(source.targets)) & theirs)}`"
    shapes = {
        shape(inner)
        for one in (source, node)
        for inner in ir.walk_inside(one)
        if isinstance(inner, ir.CallNode) and inner.callee == "task" and not inner.inplace
    }
    if len(shapes) > 1:
        first, second = sorted(shapes)[:2]
        return f"their calls want different resources ({describe(first)}; {describe(second)})"
    return None


def _waits(source: ir.MapNode, node: ir.MapNode, ready: set[str]) -> str | None:
    """What the second one needs besides must be there when the first begins: it would hold it up."""
    have = {name for _, name in ir.uses(source)} | ready
    for port, name in ir.uses(node):
        if port != "items" and name not in have:
            return f"it needs `{name}` as well, and would hold `{source.id}` up"
    return None


def _fuse(graph: ir.Graph, source: ir.MapNode, node: ir.MapNode) -> None:
    """Move the body of `node` behind that of `source`."""
    output = next(o for o in source.outputs if o.name == node.source)
    item = output.value
    if item[0] not in ("name", "lit"):
        item = source.body.add(ir.ExprNode(id=f"{node.id}.item", span=node.span, expr=item))
    given: dict[str, Expr] = {}
    if len(node.targets) == 1:
        given[node.targets[0]] = item
    else:
        for i, target in enumerate(node.targets):
            unpacked: Expr = ["unpack", item, len(node.targets), i]
            made = ir.ExprNode(id=f"{node.id}.{target}", span=node.span, expr=unpacked)
            given[target] = source.body.add(made)
    for inner in _moved(node.body, given).nodes.values():
        source.body.add(inner)
    for o in node.outputs:
        parts = [substitute(e, given) if e is not None else None for e in (o.value, o.key, o.when)]
        assert parts[0] is not None
        source.outputs.append(ir.MapOutput(o.name, parts[0], parts[1], parts[2]))
    source.after = list(dict.fromkeys([*source.after, *node.after]))
    _origins(source, node)
    del graph.nodes[node.id]


def _moved(graph: ir.Graph, given: dict[str, Expr]) -> ir.Graph:
    made = ir.Graph()
    made.tail = graph.tail
    for node in graph.nodes.values():
        copy = with_exprs(node, lambda e: substitute(e, given))
        copy.after = [n for a in node.after for n in names(given.get(a, ["name", a]))]
        if isinstance(copy, ir.BranchNode):
            copy.arms = [ir.Arm(arm.condition, _moved(arm.body, given)) for arm in copy.arms]
            copy.orelse = _moved(copy.orelse, given) if copy.orelse is not None else None
            copy.then = _moved(copy.then, given) if copy.then is not None else None
        made.add(copy)
    return made


def _origins(source: ir.MapNode, node: ir.MapNode) -> None:
    """The moved calls keep the path of the fan-out that they come from."""
    moved = {inner.id for inner in ir.walk_inside(node)}
    for inner in ir.walk_inside(source):
        if isinstance(inner, ir.CallNode) and inner.id in moved and inner.origin is None:
            inner.origin = node.id
