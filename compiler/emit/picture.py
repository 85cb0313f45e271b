"""A plan as boxes within boxes: what `dot`, `mermaid` and `svg` all draw."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from wfc.compiler.emit.text import text
from wfc.plan import model
from wfc.plan.expr import names

MAX_LABEL = 60


@dataclass(slots=True)
class Box:
    """A node of the picture; `shape` is what it is (call, workflow, expr, wait, exit, join, choice).

    `place` is its path below its workflow, `[*]` for the elements of fan-outs: the ids of the tasks
    that it stands for. `line` is where it stands in the spec (0: nowhere), `workflow` the one that it
    calls, if it does.
    """

    key: str
    label: str
    shape: str
    inplace: bool = False
    kept: bool = True
    place: str = ""
    line: int = 0
    workflow: str = ""


@dataclass(slots=True)
class Cluster:
    """Boxes and clusters with a title. `kind` is workflow, map, branch, arm, region or finally.

    `place` is as in `Box`; of a workflow, it is the workflow's name.
    """

    key: str
    title: str
    kind: str
    place: str = ""
    boxes: list[Box] = field(default_factory=list)
    clusters: list[Cluster] = field(default_factory=list)

    def all_boxes(self) -> Iterator[Box]:
        """Its boxes, and those of the clusters in it."""
        yield from self.boxes
        for cluster in self.clusters:
            yield from cluster.all_boxes()

    def all_clusters(self) -> Iterator[Cluster]:
        """Itself, and the clusters in it."""
        yield self
        for cluster in self.clusters:
            yield from cluster.all_clusters()


@dataclass(slots=True)
class Picture:
    """All clusters, and the arrows between boxes: from, to, and what the arrow stands for."""

    clusters: list[Cluster] = field(default_factory=list)
    arrows: list[tuple[str, str, str]] = field(default_factory=list)


def picture(plan: model.Plan) -> Picture:
    """The picture of a plan: the entry first, then the workflows that it calls and that are no part
    of it."""
    drawn = _Drawer()
    for name in _reached(plan):
        workflow = plan.workflows[name]
        params = ", ".join(p.name for p in workflow.params)
        cluster = Cluster(drawn.key(), f"{name}({params})", "workflow", name)
        drawn.out.clusters.append(cluster)
        drawn.block(workflow.body, cluster, {}, "")
        if workflow.finally_ is not None:
            inner = Cluster(drawn.key(), "finally", "finally")
            cluster.clusters.append(inner)
            drawn.block(workflow.finally_, inner, {}, "finally/")
    drawn.out.arrows = list(dict.fromkeys(drawn.out.arrows))
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

    def block(
        self,
        graph: model.Graph,
        cluster: Cluster,
        around: dict[str, str],
        place: str,
        gate: str = "",
    ) -> dict[str, str]:
        """Draw a block; the result tells the box that stands for each name.

        `gate` is the box of the choice that leads here. What follows a branch that may end the frame
        hangs on its choice, all of it that waits for nothing else: it stands below.
        """
        seen = dict(around)
        part: model.Graph | None = graph
        why = ""
        while part is not None:
            regions = self._regions(part, cluster)
            mine: set[str] = set()
            rest: model.Graph | None = None
            leads = ""
            for node in part.nodes:
                givers = {seen[name] for name in _names(node) if name in seen}
                head, tail = self._node(node, regions.get(node.id, cluster), seen, place)
                if gate and not givers & mine and (part is not graph or not mine):
                    self.out.arrows.append((gate, head, "" if mine else why))
                mine.add(tail)
                seen.update((name, tail) for name in (node.id, *_given(node)))
                if isinstance(node, model.BranchNode):
                    rest, leads = node.then, head
            part, gate, why = rest, leads, "goes on"
        return seen

    def _regions(self, graph: model.Graph, cluster: Cluster) -> dict[str, Cluster]:
        found: dict[str, Cluster] = {}
        for region in graph.regions.values():
            members = [*([region.hang] if region.hang else []), *region.nodes]
            if not _convex(graph, set(members)):
                continue  # something outside stands between its calls: no box can go around them
            title = f"in the process of {region.hang}" if region.hang else "in one process"
            inner = Cluster(self.key(), title, "region")
            cluster.clusters.append(inner)
            found.update((id, inner) for id in members)
        return found

    def _node(
        self, node: model.AnyNode, cluster: Cluster, seen: dict[str, str], place: str
    ) -> tuple[str, str]:
        """Draw a node; gives the box that arrows to it go to, and that from which its go."""
        if isinstance(node, model.MapNode):
            return self._map(node, cluster, seen, place)
        if isinstance(node, model.BranchNode):
            return self._branch(node, cluster, seen, place)
        label, shape = _label(node)
        box = Box(self.key(), label, shape, place=_place(place, node), line=node.where[1])
        if isinstance(node, (model.CallNode, model.ContinuationNode)):
            box.inplace = node.inplace
            box.kept = node.checkpoint is not False
            box.workflow = node.target if node.callee == "workflow" else ""
        cluster.boxes.append(box)
        self._arrows(node, box.key, seen)
        return box.key, box.key

    def _map(
        self, node: model.MapNode, cluster: Cluster, seen: dict[str, str], place: str
    ) -> tuple[str, str]:
        line = node.where[1]
        title = f"{node.id}: for {', '.join(node.targets)} in {_short(node.items)}"
        inner = Cluster(self.key(), title, "map", _place(place, node))
        cluster.clusters.append(inner)
        box = Box(self.key(), f"each {', '.join(node.targets)}", "expr", line=line)
        inner.boxes.append(box)
        self._arrows(node, box.key, seen)
        around = {**seen, **dict.fromkeys(node.targets, box.key)}
        inside = self.block(node.body, inner, around, f"{_place(place, node)}[*]/")
        last = Box(self.key(), ", ".join(o.name for o in node.outputs), "join", line=line)
        inner.boxes.append(last)
        used = [n for e in _element_expressions(node) for n in names(e) if n in inside]
        for key in dict.fromkeys(inside[name] for name in used):
            self.out.arrows.append((key, last.key, ""))
        return box.key, last.key

    def _branch(
        self, node: model.BranchNode, cluster: Cluster, seen: dict[str, str], place: str
    ) -> tuple[str, str]:
        line = node.where[1]
        inner = Cluster(self.key(), f"if, line {line}", "branch")
        cluster.clusters.append(inner)
        first = _short(node.arms[0].condition) if node.arms else ""
        box = Box(self.key(), f"{first}?", "choice", line=line)
        inner.boxes.append(box)
        self._arrows(node, box.key, seen)
        arms = [(_short(arm.condition), arm.body) for arm in node.arms]
        arms += [("else", node.orelse)] if node.orelse is not None else []
        found = []
        for title, graph in arms:
            arm = Cluster(self.key(), title, "arm")
            inner.clusters.append(arm)
            found.append(self.block(graph, arm, seen, place, box.key))
        if not node.outputs:
            return box.key, box.key
        last = Box(self.key(), ", ".join(node.outputs), "join", line=line)
        inner.boxes.append(last)
        for given in node.outputs.values():
            for i, name in enumerate(given):
                made = found[i] if i < len(found) else seen
                if name is not None:
                    self.out.arrows.append((made.get(name, box.key), last.key, ""))
        return box.key, last.key

    def _arrows(self, node: model.AnyNode, key: str, seen: dict[str, str]) -> None:
        given = dict.fromkeys(seen[name] for name in _names(node) if name in seen)
        after = dict.fromkeys(seen[name] for name in node.after if name in seen)
        self.out.arrows += [(giver, key, "") for giver in given]
        self.out.arrows += [(giver, key, "after") for giver in after if giver not in given]


def _reached(plan: model.Plan) -> list[str]:
    found = [plan.entry]
    for name in found:
        workflow = plan.workflows[name]
        for graph in (workflow.body, workflow.finally_):
            called = _called(graph) if graph is not None else ()
            found += (n for n in dict.fromkeys(called) if n not in found)
    return found


def _called(graph: model.Graph) -> Iterator[str]:
    todo = [graph]
    while todo:
        nodes = todo.pop().nodes
        calls = (n for n in nodes if isinstance(n, model.CallNode | model.ContinuationNode))
        yield from (call.target for call in calls if call.callee == "workflow")
        todo += reversed([inner for node in nodes for inner in _inner(node)])


def _inner(node: model.AnyNode) -> Iterator[model.Graph]:
    """The graphs that a node owns."""
    if isinstance(node, model.MapNode):
        yield node.body
    elif isinstance(node, model.BranchNode):
        yield from (arm.body for arm in node.arms)
        yield from (graph for graph in (node.orelse, node.then) if graph is not None)


def _convex(graph: model.Graph, members: set[str]) -> bool:
    """Whether no way leads out of these nodes and back into them."""
    inside: set[str] = set()
    left: set[str] = set()
    for node in graph.nodes:
        used = set(_all_names(node))
        gives = {node.id, *_given(node)}
        if node.id in members:
            if used & left:
                return False
            inside |= gives
        elif used & (inside | left):
            left |= gives
    return True


def _all_names(node: model.AnyNode) -> Iterator[str]:
    """All names in a node and in what it owns, `after` included."""
    yield from node.after
    yield from _names(node)
    if isinstance(node, model.MapNode):
        yield from (name for e in _element_expressions(node) for name in names(e))
    for graph in _inner(node):
        yield from (name for inner in graph.nodes for name in _all_names(inner))


def _place(place: str, node: model.AnyNode) -> str:
    """The path of a node, below its workflow; a pass may have moved it out of another fan-out."""
    origin = getattr(node, "origin", None)
    if origin and place.endswith("[*]/"):
        scope, _, _ = place.removesuffix("[*]/").rpartition("/")
        place = f"{scope}/{origin}[*]/" if scope else f"{origin}[*]/"
    return place + node.id


def _given(node: model.AnyNode) -> Iterable[str]:
    """The names that a node gives to what comes after it, besides its id."""
    if isinstance(node, model.MapNode):
        return [o.name for o in node.outputs]
    return list(node.outputs) if isinstance(node, model.BranchNode) else ()


def _names(node: model.AnyNode) -> Iterator[str]:
    """The names in a node's own expressions; not those in the graphs that it owns."""
    if isinstance(node, model.GroupNode):  # its members are names
        yield from node.members
        return
    for expr in _expressions(node):
        yield from names(expr)


def _expressions(node: model.AnyNode) -> Iterator[model.Expr]:
    if isinstance(node, (model.CallNode, model.ContinuationNode)):
        yield from (*node.args, *node.kwargs.values())
    elif isinstance(node, model.BranchNode):
        yield from (arm.condition for arm in node.arms)
    elif isinstance(node, model.WaitNode) and node.quorum.value is not None:
        yield node.quorum.value
    for port in ("expr", "items", "members", "timeout", "duration", "signal", "pending", "message"):
        found = getattr(node, port, None)
        if found is not None:
            yield found


def _element_expressions(node: model.MapNode) -> Iterator[model.Expr]:
    for output in node.outputs:
        yield from (e for e in (output.value, output.key, output.when) if e is not None)


_HANDLE = re.compile(r'("(?:[^"\\]|\\[\s\S])*"?)|&(?=\w)')


_UNPACK = re.compile(r"\bunpack\(([\w/#.]+), \d+\)\[(\d+)\]")


def _short(expr: model.Expr, before: str = "") -> str:
    """An expression for people: not too long, and a handle is the name that the spec says."""
    label = before + _HANDLE.sub(lambda found: found[1] or "", text(expr))
    label = _UNPACK.sub(r"\1[\2]", label)
    return label if len(label) <= MAX_LABEL else label[: MAX_LABEL - 1] + "…"


def _label(node: model.AnyNode) -> tuple[str, str]:
    """What is written in a box, and its shape."""
    if isinstance(node, model.ContinuationNode):
        return f"continuation {node.target}", "exit"
    if isinstance(node, model.CallNode):
        name = node.target if node.id.split("#")[0] == node.target else f"{node.id}: {node.target}"
        return name, "workflow" if node.callee == "workflow" else "call"
    if isinstance(node, model.ExprNode):
        return _short(node.expr, f"{node.id} = "), "expr"
    if isinstance(node, model.ReturnNode):
        return _short(node.expr, "return "), "exit"
    if isinstance(node, model.FailNode):
        return _short(node.message, "fail "), "exit"
    if isinstance(node, model.WaitNode):
        value = node.quorum.value
        quorum = text(value) if value is not None else node.quorum.form
        percent = "%" if node.quorum.form == "percent" else ""
        return _short(node.members, f"wait {quorum}{percent} of "), "wait"
    if isinstance(node, model.SleepNode):
        return _short(node.duration, "sleep ") + " s", "wait"
    if isinstance(node, model.ReceiveNode):
        return _short(node.signal, "receive "), "wait"
    if isinstance(node, model.CancelNode):
        return _short(node.pending, "cancel "), "call"
    return node.id, "join"
