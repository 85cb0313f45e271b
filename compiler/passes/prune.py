"""Branch pruning: arms that are never taken are dropped, a branch without choice is no branch.

Stands behind folding, which finds the conditions, and before inlining: a workflow that lost its
early exits may be inlined. Paths do not change, for the arms of a branch add nothing to them.
"""

from __future__ import annotations

from wfc.compiler import ir
from wfc.compiler.explain import Notes


def prune_branches(program: ir.Program, notes: Notes) -> None:
    """Decide branches whose conditions are constant."""
    for workflow in program.workflows.values():
        for block in workflow.blocks():
            gone: dict[str, list[str]] = {}
            if _block(block, gone, notes):
                for node in ir.walk(block) if gone else ():
                    node.after = _instead(node.after, gone)
                ir.connect(block)


def _instead(after: list[str], gone: dict[str, list[str]]) -> list[str]:
    """What to wait for in place of branches that are no more: all that took their place."""
    if not any(id in gone for id in after):
        return after
    found: dict[str, None] = {}
    todo = list(reversed(after))
    while todo:
        id = todo.pop()
        if id in gone:
            todo.extend(reversed(gone[id]))
        else:
            found[id] = None
    return list(found)


def _block(block: ir.Graph, gone: dict[str, list[str]], notes: Notes) -> bool:
    """Prune a block, what is inside and what follows first; tells whether anything changed.

    `gone` collects the branches that are no more, with the ids of what took their place.
    """
    changed = False
    for graph in reversed(block.chain()):
        nodes: list[ir.Node] = []
        settled = False
        for node in graph.nodes.values():
            inside = False
            for port, inner in ir.inner(node):
                if port != "then":
                    inside = _block(inner, gone, notes) or inside
            changed = changed or inside
            if isinstance(node, ir.BranchNode) and (_decide(node, notes) or inside):
                settled = changed = True
                placed = _settle(graph, node)
                nodes += placed
                if not node.arms:
                    gone[node.id] = [n.id for n in placed if not isinstance(n, ir.EXITS)]
            else:
                nodes.append(node)
        if settled:
            graph.replace(nodes)
    return changed


def _decide(node: ir.BranchNode, notes: Notes) -> bool:
    """Drop the arms that are never taken; one that is always taken becomes the `else`."""
    keep: list[int] = []
    orelse, taken = node.orelse, len(node.arms)
    for i, arm in enumerate(node.arms):
        if arm.condition[0] != "lit":
            keep.append(i)
        elif arm.condition[1]:
            orelse, taken = arm.body, i
            break
    if len(keep) == len(node.arms):
        return False
    dropped = len(node.arms) + (node.orelse is not None) - len(keep) - (orelse is not None)
    if dropped:
        which = "one arm" if dropped == 1 else f"{dropped} arms"
        notes.did(f"drop {which} of this branch, never taken", node.span)
    elif not keep:
        notes.did("take this branch without asking: its condition always holds", node.span)
    node.outputs = {
        name: [*(given[i] for i in keep), given[taken]] for name, given in node.outputs.items()
    }
    node.arms = [node.arms[i] for i in keep]
    node.orelse = orelse
    return True


def _settle(graph: ir.Graph, node: ir.BranchNode) -> list[ir.Node]:
    """What stands in the place of a branch: it may be no branch, or end the frame no more (or always)."""
    arms = [*(arm.body for arm in node.arms), *([node.orelse] if node.orelse is not None else [])]
    if not node.arms:
        return _splice(graph, node)
    for i, arm in enumerate(arms):
        if ir.always_ends(arm):
            for given in node.outputs.values():
                given[i] = None
    rest, node.then = node.then, None
    if all(arm.tail is None for arm in arms):
        if graph.tail == node.id:
            graph.tail = rest.tail if rest is not None else None
        return [node, *(rest.nodes.values() if rest is not None else ())]
    if node.orelse is not None and all(ir.always_ends(arm) for arm in arms):
        node.outputs = {}
    else:
        node.then = rest
    return [node]


def _splice(graph: ir.Graph, node: ir.BranchNode) -> list[ir.Node]:
    """The only arm that is left, in place of the branch."""
    arm = node.orelse if node.orelse is not None else ir.Graph()
    if not ir.always_ends(arm):
        names: list[ir.Node] = [
            ir.ExprNode(id=name, span=node.span, expr=["name", given[-1]])
            for name, given in node.outputs.items()
            if given[-1] is not None and given[-1] != name
        ]
        _append(arm.chain()[-1], names, node.then)
    if graph.tail == node.id:
        graph.tail = arm.tail
    return list(arm.nodes.values())


def _append(graph: ir.Graph, nodes: list[ir.Node], rest: ir.Graph | None) -> None:
    """What follows, at the end of a block: in line, or as the `then` of the branch that ends it."""
    more = [*nodes, *(rest.nodes.values() if rest is not None else ())]
    branch = graph.last()
    if branch is None:
        for node in more:
            graph.add(node)
        graph.tail = rest.tail if rest is not None else None
    elif more:
        branch.then = ir.Graph()
        branch.then.replace(more)
        branch.then.tail = rest.tail if rest is not None else None
