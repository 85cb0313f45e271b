"""Dead values: names that nothing refers to any more.

Literals, because folding put them in place: stands behind the last folding. Only what can neither fail
nor do anything is dropped: an expression that nobody uses may still raise, and a call has been made for
its effect. (That a value is never used in the spec is the checks' warning, not this pass's.)

And outputs of branches: lowering gives each name that all arms bind to what comes after. What nobody uses
there need not leave its arm, and some values could not: objects that only live in their process. So it is
with the lists in between of fan-outs that have become one.
"""

from __future__ import annotations

from collections.abc import Iterator

from wfc.compiler import ir
from wfc.compiler.explain import Notes


def drop_dead_values(program: ir.Program, notes: Notes) -> None:
    """Drop unused literals."""
    for workflow in program.workflows.values():
        for block in workflow.blocks():
            used = _used(block)
            changed = False
            for graph in ir.graphs(block):
                dead = [
                    node
                    for node in graph.nodes.values()
                    if isinstance(node, ir.ExprNode)
                    and node.expr[0] == "lit"
                    and node.id not in used
                    and not node.after
                ]
                for node in dead:
                    del graph.nodes[node.id]
                    notes.did(
                        f"drop `{node.id}`: its value is in place wherever it was used", node.span
                    )
                    changed = True
            if changed:
                ir.connect(block)


def drop_dead_outputs(program: ir.Program, notes: Notes) -> None:
    """Drop the outputs of branches and fan-outs that nothing after them uses. (No note: nothing that runs is
    changed by it.)"""
    for workflow in program.workflows.values():
        todo: list[tuple[ir.Graph, set[str]]] = [(block, set()) for block in workflow.blocks()]
        while todo:
            block, wanted = todo.pop()
            for part in block.chain():
                used = set(wanted)
                for node in part.nodes.values():
                    used.update(name for _, name in ir.uses(node))
                    if isinstance(node, ir.BranchNode) and node.then is not None:
                        used.update(node.then.free)
                for node in part.nodes.values():
                    if isinstance(node, ir.MapNode):
                        left = [o for o in node.outputs if o.name in used]
                        node.outputs = left or node.outputs[-1:]
                        taken = (n for _, e in ir.element_expressions(node) for n in ir.names(e))
                        todo.append((node.body, set(taken)))
                    elif isinstance(node, ir.BranchNode):
                        node.outputs = {n: g for n, g in node.outputs.items() if n in used}
                        todo += _arms(node)


def _arms(node: ir.BranchNode) -> Iterator[tuple[ir.Graph, set[str]]]:
    """The blocks of a branch, each with the names that are taken from it."""
    bodies = [*(arm.body for arm in node.arms), *([node.orelse] if node.orelse is not None else [])]
    for number, body in enumerate(bodies):
        yield body, {name for given in node.outputs.values() if (name := given[number]) is not None}


def _used(block: ir.Graph) -> set[str]:
    """Every name that some node refers to, wherever it stands."""
    used: set[str] = set()
    for node in ir.walk(block):
        used.update(name for _, name in ir.uses(node))
        if isinstance(node, ir.MapNode):
            for _, expr in ir.element_expressions(node):
                used.update(ir.names(expr))
        elif isinstance(node, ir.BranchNode):
            for given in node.outputs.values():
                used.update(name for name in given if name is not None)
    return used
