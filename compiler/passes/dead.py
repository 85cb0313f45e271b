"""Dead values: names of literals that nothing refers to any more, because folding put them in place.

Stands behind the last folding. Only what can neither fail nor do anything is dropped: an expression
that nobody uses may still raise, and a call has been made for its effect. (That a value is never used
in the spec is the checks' warning, not this pass's.)
"""

from __future__ import annotations

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
