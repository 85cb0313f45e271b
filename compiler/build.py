"""From the IR to the plan: the same nodes as validated data, producers before consumers."""

from __future__ import annotations

from typing import Any

from wfc.compiler import ir
from wfc.dsl.ast import Span
from wfc.plan import model as plan


class Around:
    """Which node gives each name of a graph, and of the graphs around it."""

    __slots__ = ("made", "outer")

    def __init__(self, graph: ir.Graph, outer: Around | None) -> None:
        self.made = ir.producers(graph)
        for node in graph.nodes.values():
            if isinstance(node, ir.BranchNode) and node.then is not None:
                # It ends with the rest of its block: who stands there waits for the name alone.
                self.made.update((name, name) for name in node.outputs)
        self.outer = outer

    def nodes(self, names: list[str]) -> list[str]:
        """What to wait for so that these names are there: the nodes that give them, mostly (what no
        node gives is there from the start)."""
        found: dict[str, None] = {}
        for name in names:
            around: Around | None = self
            while around is not None:
                if name in around.made:
                    found[around.made[name]] = None
                    break
                around = around.outer
        return list(found)


class Builder:
    """Turns one program into a plan."""

    def __init__(self, program: ir.Program) -> None:
        self.program = program
        self.files = {path: i for i, (path, _) in enumerate(program.files)}

    def whole(self) -> plan.Plan:
        """The whole plan."""
        program = self.program
        return plan.Plan(
            entry=program.entry,
            tasks={name: self.task(task) for name, task in program.tasks.items()},
            workflows={name: self.workflow(w) for name, w in program.workflows.items()},
            files=[plan.SourceFile(path=path, text=text) for path, text in program.files],
            imports=[plan.Import(module=m, beside=beside) for m, beside in program.imports],
            root=program.root,
        )

    def where(self, span: Span) -> plan.Where:
        """A span as the plan has it."""
        file = self.files.setdefault(span.file, len(self.files))
        return (file, span.line, span.column, span.end_line, span.end_column)

    def task(self, task: ir.Task) -> plan.TaskDef:
        """A task."""
        inside = task.span is not None and task.span.file in self.files
        return plan.TaskDef(
            name=task.name, module=task.module, qualname=task.qualname, beside=task.beside,
            params=task.params, pending=task.pending, inplace=task.inplace,
            checkpoint=task.checkpoint, options=task.options, fingerprint=task.fingerprint,
            where=self.where(task.span) if inside and task.span is not None else None,
        )  # fmt: skip

    def workflow(self, workflow: ir.Workflow) -> plan.WorkflowDef:
        """A workflow."""
        params = [
            plan.ParamDef(name=p.name, type=p.type, default=p.default) for p in workflow.params
        ]
        finally_ = workflow.finally_
        return plan.WorkflowDef(
            name=workflow.name, params=params, returns=workflow.returns,
            body=self.graph(workflow.body, None),
            finally_=self.graph(finally_, None) if finally_ is not None else None,
            options=workflow.options, doc=workflow.doc, carried=workflow.carried,
            where=self.where(workflow.span),
        )  # fmt: skip

    def graph(self, graph: ir.Graph, outer: Around | None) -> plan.Graph:
        """A whole block, innermost `then` first: a loop, for there may be a thousand of them."""
        parts: list[tuple[ir.Graph, Around]] = []
        for part in graph.chain():
            outer = Around(part, outer)
            parts.append((part, outer))
        made: plan.Graph | None = None
        for part, around in reversed(parts):
            made = self.one(part, around, made)
        assert made is not None
        return made

    def one(self, graph: ir.Graph, around: Around, then: plan.Graph | None) -> plan.Graph:
        """One graph, given the `then` of its last branch."""
        last = graph.last()
        nodes: list[plan.AnyNode] = []
        for node in graph.ordered():
            common = {
                "id": node.id,
                "where": self.where(node.span),
                "after": around.nodes(node.after),
            }
            if isinstance(node, ir.BranchNode):
                rest = then if node is last else None
                nodes.append(self.branch(node, around, common, rest))
            else:
                nodes.append(_MAKERS[type(node)](self, node, around, common))
        return plan.Graph(
            nodes=nodes, tail=graph.tail,
            units=[plan.Unit(kind=u.kind, nodes=u.nodes) for u in graph.units],
            regions={k: plan.Region(hang=r.hang, nodes=r.nodes) for k, r in graph.regions.items()},
        )  # fmt: skip

    def branch(
        self, node: ir.BranchNode, around: Around, common: dict[str, Any], then: plan.Graph | None
    ) -> plan.BranchNode:
        """A branch."""
        return plan.BranchNode(
            **common,
            arms=[
                plan.Arm(condition=arm.condition, body=self.graph(arm.body, around))
                for arm in node.arms
            ],
            orelse=self.graph(node.orelse, around) if node.orelse is not None else None,
            outputs=node.outputs, then=then, carried=node.carried,
        )  # fmt: skip


def _target(node: ir.Target) -> dict[str, Any]:
    return {
        "target": node.target,
        "callee": node.callee,
        "args": node.args,
        "kwargs": node.kwargs,
        "inplace": node.inplace,
        "checkpoint": node.checkpoint,
        "catch": node.catch,
        "options": {key: node.options[key] for key in sorted(node.options)},
    }


def _call(b: Builder, node: ir.CallNode, around: Around, common: dict[str, Any]) -> plan.CallNode:
    return plan.CallNode(
        **common, **_target(node), managed=node.managed, region=node.region, origin=node.origin
    )


def _map(b: Builder, node: ir.MapNode, around: Around, common: dict[str, Any]) -> plan.MapNode:
    return plan.MapNode(
        **common, targets=node.targets, items=node.items, where_each=node.where_each,
        source=node.source, body=b.graph(node.body, around),
        outputs=[
            plan.MapOutput(name=o.name, value=o.value, key=o.key, when=o.when) for o in node.outputs
        ],
        concurrency=node.concurrency, priority=node.priority, catch=node.catch,
        managed=node.managed, carried=node.carried,
    )  # fmt: skip


def _wait(b: Builder, node: ir.WaitNode, around: Around, common: dict[str, Any]) -> plan.WaitNode:
    quorum = plan.Quorum(form=node.form, value=node.quorum)
    return plan.WaitNode(
        **common, members=node.members, quorum=quorum, timeout=node.timeout, catch=node.catch
    )


def _receive(
    b: Builder, node: ir.ReceiveNode, around: Around, common: dict[str, Any]
) -> plan.ReceiveNode:
    return plan.ReceiveNode(
        **common, signal=node.signal, timeout=node.timeout, catch=node.catch, managed=node.managed
    )


_MAKERS: dict[type[ir.Node], Any] = {
    ir.CallNode: _call,
    ir.MapNode: _map,
    ir.WaitNode: _wait,
    ir.ReceiveNode: _receive,
    ir.ExprNode: lambda b, n, a, c: plan.ExprNode(**c, expr=n.expr),
    ir.GroupNode: lambda b, n, a, c: plan.GroupNode(**c, members=n.members),
    ir.SleepNode: lambda b, n, a, c: plan.SleepNode(**c, duration=n.duration, managed=n.managed),
    ir.CancelNode: lambda b, n, a, c: plan.CancelNode(**c, pending=n.pending),
    ir.ReturnNode: lambda b, n, a, c: plan.ReturnNode(**c, expr=n.expr),
    ir.FailNode: lambda b, n, a, c: plan.FailNode(**c, message=n.message),
    ir.ContinuationNode: lambda b, n, a, c: plan.ContinuationNode(**c, **_target(n)),
}


def build(program: ir.Program) -> plan.Plan:
    """The plan of a program; its graphs must be connected."""
    return Builder(program).whole()
