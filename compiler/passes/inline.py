"""Sub-workflow inlining: the nodes of a small workflow in the place of a call of it.

Stands behind the first folding and pruning, which make workflows smaller, and before everything that
looks at which calls stand side by side. The nodes are called `<call>/<node>`, so that every path is
what it was: the frame `main/w` is gone, its task `main/w/x` is not.

A frame does three things that its nodes alone do not, and they are kept: it begins when all its
arguments are there, it is done only when all its nodes are, and what it is called with is evaluated
whether it is used or not.
"""

from __future__ import annotations

import networkx as nx

from wfc.compiler import ir
from wfc.compiler.explain import Notes
from wfc.compiler.ir import Expr
from wfc.compiler.passes.graft import Graft

SMALL = 16
"""How many nodes a workflow may have, all that its fan-outs and branches hold included."""


def inline_workflows(program: ir.Program, notes: Notes) -> None:
    """Inline calls, the innermost workflows first, so that what is inlined is inlined already."""
    callees = {name: _callees(workflow) for name, workflow in program.workflows.items()}
    graph: nx.DiGraph[str] = nx.DiGraph()
    graph.add_nodes_from(callees)
    graph.add_edges_from((name, other) for name, others in callees.items() for other in others)
    why: dict[str, str | None] = {}
    for component in nx.strongly_connected_components(graph):
        for name in sorted(component):
            workflow = program.workflows[name]
            _Inliner(program, workflow, why, notes).run()
        for name in sorted(component):
            recurs = len(component) > 1 or name in callees[name]
            why[name] = "it recurs" if recurs else _against(program.workflows[name])


def _callees(workflow: ir.Workflow) -> dict[str, None]:
    return {
        node.target: None
        for block in workflow.blocks()
        for node in ir.walk(block)
        if isinstance(node, ir.Target) and node.callee == "workflow"
    }


def _against(workflow: ir.Workflow) -> str | None:
    """Why a workflow cannot be inlined anywhere."""
    if workflow.finally_ is not None:
        return "it has a `finally:` block"
    if workflow.options:
        return "it has options of its own"
    tail = workflow.body.tail
    if tail is not None and not isinstance(workflow.body.nodes[tail], ir.ReturnNode):
        return "it may end early, or goes on as another call"
    for count, node in enumerate(ir.walk(workflow.body), 1):
        if count > SMALL:
            return f"it has more than {SMALL} nodes"
        if isinstance(node, (ir.WaitNode, ir.GroupNode, ir.CancelNode)) or _manages(node):
            return "it looks after calls that may still run when it ends"
        if isinstance(node, ir.Target) and node.inplace:
            return "it has inplace calls, whose home is its own frame"
    if any("pending" in (p.type or "") for p in workflow.params):
        return "it takes running calls"
    return None


def _manages(node: ir.Node) -> bool:
    if isinstance(node, ir.MapNode):
        return node.managed or (node.source is not None and node.items[0] != "handle")
    return isinstance(node, (ir.CallNode, ir.SleepNode, ir.ReceiveNode)) and node.managed


class _Inliner:
    """Inlines the calls of one workflow."""

    def __init__(
        self, program: ir.Program, workflow: ir.Workflow, why: dict[str, str | None], notes: Notes
    ) -> None:
        self.program = program
        self.workflow = workflow
        self.why = why
        self.notes = notes
        self.names: set[str] = {p.name for p in workflow.params}
        self.grouped: set[str] = set()

    def run(self) -> None:
        """Inline what can be."""
        calls = False
        for block in self.workflow.blocks():
            for node in ir.walk(block):
                self.names.update((node.id, *ir.defines(node)))
                if isinstance(node, ir.MapNode):
                    self.names.update(node.targets)
                elif isinstance(node, ir.GroupNode):
                    self.grouped.update(node.members)
                elif isinstance(node, ir.CallNode):
                    calls = calls or node.callee == "workflow"
        if not calls:
            return
        for block in self.workflow.blocks():
            changed = False
            for graph in list(ir.graphs(block)):
                changed = self._graph(graph) or changed
            if changed:
                ir.connect(block)

    def _graph(self, graph: ir.Graph) -> bool:
        nodes: list[ir.Node] = []
        changed = False
        for node in graph.nodes.values():
            if not isinstance(node, ir.CallNode) or node.callee != "workflow":
                nodes.append(node)
                continue
            callee = self.program.workflows[node.target]
            refusal = self._refusal(node, callee)
            if refusal is not None:
                self.notes.left(f"put `{node.target}` in place of this call: {refusal}", node.span)
                nodes.append(node)
                continue
            nodes += Graft(callee, node, _arguments(callee, node)).nodes()
            self.notes.did(f"put the nodes of `{node.target}` in place of this call", node.span)
            changed = True
        if changed:
            graph.replace(nodes)
        return changed

    def _refusal(self, node: ir.CallNode, callee: ir.Workflow) -> str | None:
        refusal = self.why.get(node.target, "it recurs")
        if refusal is not None:
            return refusal
        for said, what in ((node.catch, "catch"), (node.inplace, "inplace")):
            if said:
                return f"the call says `{what}`"
        if node.managed or node.id in self.grouped:
            return "a `wait` may look after the call"
        if node.checkpoint == "sync" or node.options:
            return "the call has options of its own"
        if any(arg[0] == "handle" for arg in (*node.args, *node.kwargs.values())):
            return "it is given running calls"
        for inner in ir.walk(callee.body):
            if isinstance(inner, ir.MapNode):
                for name in (n for one in ir.walk(inner.body) for n in (one.id, *ir.defines(one))):
                    if name in self.names:
                        return f"it has a `{name}` in a fan-out, and so has this workflow"
        return None


def _arguments(callee: ir.Workflow, node: ir.CallNode) -> dict[str, Expr]:
    """The expression for each parameter."""
    given = dict(zip((p.name for p in callee.params), node.args, strict=False))
    given.update(node.kwargs)
    for param in callee.params:
        if param.name not in given and param.default is not None:
            given[param.name] = param.default
    return given
