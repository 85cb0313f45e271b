"""A program as boxes within boxes: what `dot` and `mermaid` both draw."""

from __future__ import annotations

from dataclasses import dataclass, field

from wfc.compiler import ir
from wfc.compiler.emit.text import text

MAX_LABEL = 60


@dataclass(slots=True)
class Box:
    """A node of the picture; `shape` is what it is (call, workflow, expr, wait, exit, timer)."""

    key: str
    label: str
    shape: str
    inplace: bool = False
    kept: bool = True


@dataclass(slots=True)
class Cluster:
    """Boxes and clusters with a title. `kind` is workflow, map, branch, arm or region."""

    key: str
    title: str
    kind: str
    boxes: list[Box] = field(default_factory=list)
    clusters: list[Cluster] = field(default_factory=list)


@dataclass(slots=True)
class Picture:
    """All clusters, and the arrows between boxes: from, to, and what the arrow stands for."""

    clusters: list[Cluster] = field(default_factory=list)
    arrows: list[tuple[str, str, str]] = field(default_factory=list)


def picture(program: ir.Program) -> Picture:
    """The picture of a program: the entry first, then the workflows that it does not inline."""
    drawn = _Drawer()
    order = [program.entry, *(name for name in program.workflows if name != program.entry)]
    for name in order:
        workflow = program.workflows[name]
        params = ", ".join(p.name for p in workflow.params)
        cluster = Cluster(drawn.key(), f"{name}({params})", "workflow")
        drawn.out.clusters.append(cluster)
        drawn.block(workflow.body, cluster, {})
        if workflow.finally_ is not None:
            inner = Cluster(drawn.key(), "finally", "arm")
            cluster.clusters.append(inner)
            drawn.block(workflow.finally_, inner, {})
    return drawn.out


class _Drawer:
    """Draws; keys are numbers in order of appearance, so that the text is deterministic."""

    def __init__(self) -> None:
        self.out = Picture()
        self.count = 0

    def key(self) -> str:
        """A new key."""
        self.count += 1
        return f"n{self.count}"

    def block(self, graph: ir.Graph, cluster: Cluster, around: dict[str, str]) -> dict[str, str]:
        """Draw a block; the result tells the box that stands for each name."""
        seen = dict(around)
        condition = ""
        for part in graph.chain():
            regions = self._regions(part, cluster)
            for node in part.ordered():
                place = regions.get(node.id, cluster)
                key = self._node(node, place, seen)
                if condition:
                    self.out.arrows.append((condition, key, "then"))
                    condition = ""
                seen[node.id] = key
                seen.update((name, key) for name in ir.defines(node))
            condition = seen[part.tail] if part.tail is not None else ""
        return seen

    def _regions(self, graph: ir.Graph, cluster: Cluster) -> dict[str, Cluster]:
        found: dict[str, Cluster] = {}
        for region in graph.regions.values():
            title = f"in the process of {region.hang}" if region.hang else "in one process"
            inner = Cluster(self.key(), title, "region")
            cluster.clusters.append(inner)
            members = [*([region.hang] if region.hang else []), *region.nodes]
            found.update((id, inner) for id in members)
        return found

    def _node(self, node: ir.Node, cluster: Cluster, seen: dict[str, str]) -> str:
        if isinstance(node, ir.MapNode):
            return self._map(node, cluster, seen)
        if isinstance(node, ir.BranchNode):
            return self._branch(node, cluster, seen)
        box = Box(self.key(), *_label(node))
        if isinstance(node, ir.Target):
            box.inplace = node.inplace
            box.kept = node.checkpoint is not False
        cluster.boxes.append(box)
        self._arrows(node, box.key, seen)
        return box.key

    def _map(self, node: ir.MapNode, cluster: Cluster, seen: dict[str, str]) -> str:
        title = f"{node.id}: for {', '.join(node.targets)} in {_short(text(node.items))}"
        inner = Cluster(self.key(), title, "map")
        cluster.clusters.append(inner)
        box = Box(self.key(), f"each {', '.join(node.targets)}", "expr")
        inner.boxes.append(box)
        self._arrows(node, box.key, seen, only=("items", "after"))
        inside = self.block(node.body, inner, {**seen, **dict.fromkeys(node.targets, box.key)})
        last = Box(self.key(), ", ".join(o.name for o in node.outputs), "join")
        inner.boxes.append(last)
        for key in dict.fromkeys(
            inside[name]
            for _, e in ir.element_expressions(node)
            for name in ir.names(e)
            if name in inside
        ):
            self.out.arrows.append((key, last.key, ""))
        return last.key

    def _branch(self, node: ir.BranchNode, cluster: Cluster, seen: dict[str, str]) -> str:
        inner = Cluster(self.key(), f"line {node.span.line}", "branch")
        cluster.clusters.append(inner)
        first = _short(text(node.arms[0].condition)) if node.arms else ""
        box = Box(self.key(), f"{first}?", "choice")
        inner.boxes.append(box)
        own = [port for port, _ in ir.expressions(node)]
        self._arrows(node, box.key, seen, only=(*own, "after"))
        arms = [(_short(text(arm.condition)), arm.body) for arm in node.arms]
        arms += [("else", node.orelse)] if node.orelse is not None else []
        ends: list[str] = []
        for title, graph in arms:
            arm = Cluster(self.key(), title, "arm")
            inner.clusters.append(arm)
            found = self.block(graph, arm, seen)
            keys = [found[id] for id in graph.nodes]
            if keys:
                self.out.arrows.append((box.key, keys[0], title))
                ends.append(keys[-1])
        if not node.outputs:
            return box.key
        last = Box(self.key(), ", ".join(node.outputs), "join")
        inner.boxes.append(last)
        self.out.arrows += [(end, last.key, "") for end in ends or [box.key]]
        return last.key

    def _arrows(
        self, node: ir.Node, key: str, seen: dict[str, str], only: tuple[str, ...] = ()
    ) -> None:
        drawn: dict[tuple[str, str], None] = {}
        for port, name in ir.uses(node):
            if name in seen and (not only or port in only):
                drawn[seen[name], "after" if port == "after" else ""] = None
        self.out.arrows += [(giver, key, what) for giver, what in drawn]


def _short(label: str) -> str:
    return label if len(label) <= MAX_LABEL else label[: MAX_LABEL - 1] + "…"


def _label(node: ir.Node) -> tuple[str, str]:
    """What is written in a box, and its shape."""
    if isinstance(node, ir.Target):
        name = node.target if node.id.split("#")[0] == node.target else f"{node.id}: {node.target}"
        kind = "workflow" if node.callee == "workflow" else "call"
        return (
            (f"continuation {node.target}", "exit") if node.kind == "continuation" else (name, kind)
        )
    if isinstance(node, ir.ExprNode):
        return _short(f"{node.id} = {text(node.expr)}"), "expr"
    if isinstance(node, ir.ReturnNode):
        return _short(f"return {text(node.expr)}"), "exit"
    if isinstance(node, ir.FailNode):
        return _short(f"fail {text(node.message)}"), "exit"
    if isinstance(node, ir.WaitNode):
        quorum = text(node.quorum) if node.quorum is not None else node.form
        percent = "%" if node.form == "percent" else ""
        return _short(f"wait {quorum}{percent} of {text(node.members)}"), "wait"
    if isinstance(node, ir.SleepNode):
        return _short(f"sleep {text(node.duration)} s"), "wait"
    if isinstance(node, ir.ReceiveNode):
        return _short(f"receive {text(node.signal)}"), "wait"
    if isinstance(node, ir.CancelNode):
        return _short(f"cancel {text(node.pending)}"), "call"
    return node.id, "join"
