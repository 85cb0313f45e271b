"""The nodes of a workflow as a part of another one: ids, names, order, and what it returns."""

from __future__ import annotations

from wfc.compiler import ir
from wfc.compiler.ir import Expr
from wfc.compiler.passes.rewrite import rebuild, substitute, targets_of, with_exprs
from wfc.plan.expr import children, names


class Graft:
    """One call that is replaced by a copy of the workflow that it calls."""

    def __init__(self, callee: ir.Workflow, call: ir.CallNode, given: dict[str, Expr]) -> None:
        self.callee = callee
        self.call = call
        self.prefix = f"{call.id}/"
        self.bound: list[ir.Node] = []
        self.gates: dict[str, None] = dict.fromkeys(call.after)
        mapping: dict[str, Expr] = {}
        for name, expr in given.items():
            mapping[name] = expr
            if expr[0] not in ("lit", "name"):
                mapping[name] = ["name", self.prefix + name]
                self.bound.append(
                    ir.ExprNode(
                        id=self.prefix + name, span=call.span, expr=expr, after=list(call.after)
                    )
                )
            if mapping[name][0] == "name":
                self.gates[mapping[name][1]] = None
        for graph in _frame_graphs(callee.body):
            for node in graph.nodes.values():
                for name in (node.id, *ir.defines(node)):
                    mapping[name] = ["name", self.prefix + name]
        self.mapping = mapping

    def nodes(self) -> list[ir.Node]:
        """The nodes that stand in the place of the call; the last one has its id and its value."""
        body = self.callee.body
        out = list(self.bound)
        result: Expr = ["lit", None]
        span = self.call.span
        for id, node in body.nodes.items():
            if isinstance(node, ir.ReturnNode):
                result = substitute(node.expr, self.mapping)
                if result[0] not in ("lit", "name"):
                    span = node.span  # where it is computed, and may fail
                continue
            made = self._node(node, self.mapping, frame=True)
            if not self._waits_inside(id):
                made.after = self._gated(made)
            out.append(made)
        after = [self.prefix + id for id in body.nodes if not body.dag.adj[id] and id != body.tail]
        last = ir.ExprNode(id=self.call.id, span=span, expr=result, after=after)
        if len(out) == len(self.bound):
            last.after = self._gated(last)
        return [*out, last]

    def _waits_inside(self, id: str) -> bool:
        """Whether a node waits for one of the frame that does something. Expressions between them do
        not count: a later pass may put their values in their place."""
        body = self.callee.body
        todo, seen = list(body.dag.pred[id]), set()
        while todo:
            given = todo.pop()
            if given in seen:
                continue
            seen.add(given)
            if not isinstance(body.nodes[given], ir.ExprNode):
                return True
            todo += body.dag.pred[given]
        return False

    def _gated(self, node: ir.Node) -> list[str]:
        """What a node that begins the frame waits for: all arguments, and the call's `after`."""
        have = {n for _, e in ir.expressions(node) for n in names(e)} | set(node.after)
        return [*node.after, *(gate for gate in self.gates if gate not in have)]

    def _node(self, node: ir.Node, mapping: dict[str, Expr], *, frame: bool) -> ir.Node:
        """A copy of a node. `frame` tells that it stands in the frame and not in a fan-out's body."""
        made = with_exprs(node, lambda e: self._expr(e, mapping))
        made.id = self._name(node.id, mapping) if frame else node.id
        made.after = [n for a in node.after for n in names(mapping.get(a, ["name", a]))]
        if isinstance(made, ir.CallNode) and self.call.checkpoint is False:
            made.checkpoint = False
        if isinstance(made, ir.MapNode):
            return self._map(node, made, mapping, frame)
        if isinstance(made, ir.BranchNode):
            made.arms = [
                ir.Arm(arm.condition, self._graph(arm.body, mapping, frame)) for arm in made.arms
            ]
            made.orelse = (
                self._graph(made.orelse, mapping, frame) if made.orelse is not None else None
            )
            made.then = self._graph(made.then, mapping, frame) if made.then is not None else None
            if frame:
                made.outputs = {
                    self._name(name, mapping): [g and self._name(g, mapping) for g in given]
                    for name, given in made.outputs.items()
                }
        return made

    def _map(
        self, node: ir.Node, made: ir.MapNode, mapping: dict[str, Expr], frame: bool
    ) -> ir.MapNode:
        """A fan-out: the paths of its elements stay, its loop names become unique."""
        assert isinstance(node, ir.MapNode)
        inside = dict(mapping)
        for name in ir.block_names(node.body):
            inside.pop(name, None)
        inside.update((name, ["name", self.prefix + name]) for name in node.targets)
        made.targets = [self.prefix + name for name in node.targets]
        made.body = self._graph(node.body, inside, False)
        if node.where_each is not None:
            made.where_each = self._expr(node.where_each, inside)
        made.outputs = [
            ir.MapOutput(
                self._name(o.name, mapping) if frame else o.name,
                self._expr(o.value, inside),
                self._expr(o.key, inside) if o.key is not None else None,
                self._expr(o.when, inside) if o.when is not None else None,
            )
            for o in node.outputs
        ]
        if made.source is not None:
            made.source = self._name(made.source, mapping)
        if made.carried:
            made.carried = False
        return made

    def _graph(self, graph: ir.Graph, mapping: dict[str, Expr], frame: bool) -> ir.Graph:
        made = ir.Graph()
        for node in graph.nodes.values():
            made.add(self._node(node, mapping, frame=frame))
        if graph.tail is not None:
            made.tail = self._name(graph.tail, mapping) if frame else graph.tail
        return made

    def _name(self, name: str, mapping: dict[str, Expr]) -> str:
        found = mapping.get(name)
        return str(found[1]) if found is not None and found[0] == "name" else name

    def _expr(self, expr: Expr, mapping: dict[str, Expr]) -> Expr:
        return substitute(self._fresh(expr), mapping)

    def _fresh(self, expr: Expr) -> Expr:
        """Loop names of expressions become unique too: the caller may have the same."""
        if not _has_comp(expr):
            return expr
        return rename_targets(expr, self.prefix)


def _has_comp(expr: Expr) -> bool:
    return bool(expr[0] == "comp") or any(_has_comp(part) for part in children(expr))


def rename_targets(expr: Expr, prefix: str) -> Expr:
    """The expression with a prefix before all its loop names."""
    made = rebuild(expr, lambda part: rename_targets(part, prefix))
    if expr[0] != "comp":
        return made
    given: dict[str, Expr] = {name: ["name", prefix + name] for name in targets_of(expr)}
    made = rebuild(made, lambda part: substitute(part, given))
    made[4] = [[[prefix + t for t in targets], *rest] for targets, *rest in made[4]]
    return made


def _frame_graphs(block: ir.Graph) -> list[ir.Graph]:
    """The graphs of a frame: its arms, and not the bodies of its fan-outs."""
    out: list[ir.Graph] = []
    todo = [block]
    while todo:
        graph = todo.pop()
        out.append(graph)
        for node in graph.nodes.values():
            if isinstance(node, ir.BranchNode):
                todo.extend(inner for _, inner in ir.inner(node))
    return out
