"""What must hold of every IR, between any two passes. The pass that breaks it is named by the tests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import networkx as nx

from wfc.compiler import ir
from wfc.compiler.lower.managed import references


def verify(program: ir.Program) -> list[str]:
    """The violations found, in order; empty for a good program."""
    found: list[str] = []
    if program.entry not in program.workflows:
        found.append(f"the entry {program.entry!r} is no workflow")
    for workflow in program.workflows.values():
        checker = _Checker(program, workflow)
        for graph in workflow.blocks():
            checker.block(graph, {p.name: None for p in workflow.params}, {})
        found += [f"{workflow.name}: {text}" for text in checker.found]
    return found


class _Checker:
    """Checks one workflow. `visible` maps a name to the node that gives it (`None`: a parameter)."""

    def __init__(self, program: ir.Program, workflow: ir.Workflow) -> None:
        self.program = program
        self.workflow = workflow
        self.found: list[str] = []

    def block(
        self,
        graph: ir.Graph,
        visible: dict[str, ir.Node | None],
        regions: dict[str, ir.Region],
    ) -> None:
        """Check a block. `visible` is changed on the way, and is as before afterwards."""
        added: list[str] = []
        opened: list[str] = []
        for part in graph.chain():
            self.shape(part)
            added += self.names(part, visible)
            opened += [name for name in part.regions if name not in regions]
            regions.update(part.regions)
            self.regions(part, regions)
            self.units(part)
            then = branch.then if (branch := part.last()) is not None else None
            for node in part.nodes.values():
                self.node(node, visible)
                self.inside(node, then, visible, regions)
        for name in added:
            visible.pop(name, None)
        for name in opened:
            regions.pop(name, None)

    def names(self, graph: ir.Graph, visible: dict[str, ir.Node | None]) -> list[str]:
        """Names are unique among those that are visible, and every free name is one of them."""
        own: list[str] = []
        for node in graph.nodes.values():
            for name in dict.fromkeys((node.id, *ir.defines(node))):
                if name in visible:
                    self.found.append(f"{name!r} is not unique among the visible names")
                else:
                    visible[name] = node
                    own.append(name)
        for name in graph.free:
            if name not in visible:
                self.found.append(f"{name!r} is used and nothing gives it")
        return own

    def inside(
        self,
        node: ir.Node,
        then: ir.Graph | None,
        visible: dict[str, ir.Node | None],
        regions: dict[str, ir.Region],
    ) -> None:
        """The graphs that a node owns; they do not see the node itself."""
        if not isinstance(node, (ir.MapNode, ir.BranchNode)):
            return
        hidden = [name for name in {node.id, *ir.defines(node)} if name in visible]
        for name in hidden:
            del visible[name]
        targets = node.targets if isinstance(node, ir.MapNode) else []
        for name in targets:
            if name in visible:
                self.found.append(f"the loop name {name!r} is not unique among the visible names")
            visible[name] = None
        for _, graph in ir.inner(node):
            if graph is not then:
                self.block(graph, visible, regions)
        for name in targets:
            del visible[name]
        for name in hidden:
            visible[name] = node

    def shape(self, graph: ir.Graph) -> None:
        """Edges agree with the expressions, there is no cycle, and the tail is in its place."""
        before = {(a, b): frozenset(d["ports"]) for a, b, d in graph.dag.edges(data=True)}
        dag, free = graph.dag, graph.free
        ir.derive(graph)
        after = {(a, b): frozenset(d["ports"]) for a, b, d in graph.dag.edges(data=True)}
        if before != after or free != graph.free or list(dag) != list(graph.nodes):
            self.found.append(
                f"the edges of {list(graph.nodes)[:4]} … are not those of its expressions"
            )
        if not nx.is_directed_acyclic_graph(graph.dag):
            self.found.append(f"a cycle among {list(graph.nodes)[:4]} …")
        for id, node in graph.nodes.items():
            if id != node.id:
                self.found.append(f"{node.id!r} is filed as {id!r}")
            ends = isinstance(node, ir.EXITS) or (
                isinstance(node, ir.BranchNode) and any(map(_may_end, _arms(node)))
            )
            if ends != (id == graph.tail):
                self.found.append(f"{id!r} {'ends the frame, and' if ends else ''} is no tail")
        if graph.tail is not None and graph.tail not in graph.nodes:
            self.found.append(f"the tail {graph.tail!r} is not there")

    def node(self, node: ir.Node, visible: dict[str, ir.Node | None]) -> None:
        """What must hold of one node."""
        if isinstance(node, ir.Target):
            known = self.program.tasks if node.callee == "task" else self.program.workflows
            if node.target not in known:
                self.found.append(f"{node.id!r} calls {node.target!r}, which is not there")
        if isinstance(node, ir.BranchNode):
            self.outputs(node)
        exprs = [expr for _, expr in ir.expressions(node)]
        for expr in exprs:
            for op, name in references(expr):
                giver = visible.get(name)
                lists = isinstance(giver, (ir.MapNode, ir.GroupNode))
                if op == "handle" and not lists:
                    self.found.append(f"{node.id!r} takes a handle of {name!r}, which has none")
        if isinstance(node, ir.MapNode) and node.source is not None and node.source not in visible:
            self.found.append(f"the source {node.source!r} of {node.id!r} is not visible")

    def outputs(self, node: ir.BranchNode) -> None:
        """Each arm that goes on gives each output, and no other does."""
        arms = [*(arm.body for arm in node.arms), node.orelse]
        given = [set(ir.block_names(g)) if g is not None else set() for g in arms]
        ends = [g is not None and ir.always_ends(g) for g in arms]
        for name, providers in node.outputs.items():
            if len(providers) != len(arms):
                self.found.append(f"the output {name!r} of {node.id!r} counts its arms wrongly")
                continue
            for provider, names, end in zip(providers, given, ends, strict=True):
                if provider is None and not end:
                    self.found.append(f"an arm of {node.id!r} goes on without {name!r}")
                elif provider is not None and provider not in names:
                    self.found.append(f"an arm of {node.id!r} does not make {provider!r}")

    def units(self, graph: ir.Graph) -> None:
        """Units do not overlap, stand in a topological order, and nothing leaves and comes back."""
        counts = Counter(id for unit in graph.units for id in unit.nodes)
        for id, count in counts.items():
            if count > 1 or id not in graph.nodes:
                self.found.append(f"{id!r} is in {count} units" if count > 1 else f"no node {id!r}")
        for unit in graph.units:
            if any(id not in graph.nodes for id in unit.nodes):
                continue
            self.found += [f"the unit {unit.nodes} {text}" for text in _unit(graph, unit)]

    def regions(self, graph: ir.Graph, regions: dict[str, ir.Region]) -> None:
        """Every member names its region, every region its members."""
        for name, region in graph.regions.items():
            if any(id not in graph.nodes for id in region.nodes):
                self.found.append(f"a member of the region {name!r} is not there")
            hang = graph.nodes.get(region.hang) if region.hang is not None else None
            if region.hang is not None and not (
                isinstance(hang, ir.CallNode) and hang.callee == "task" and not hang.inplace
            ):
                self.found.append(f"the region {name!r} hangs on {region.hang!r}: no plain task")
        for node in graph.nodes.values():
            region_of = node.region if isinstance(node, ir.CallNode) else None
            if region_of is None:
                continue
            if region_of not in regions:
                self.found.append(
                    f"{node.id!r} is a member of the region {region_of!r}, which is not there"
                )
            elif region_of in graph.regions and node.id not in regions[region_of].nodes:
                self.found.append(f"{node.id!r} is not a member of the region {region_of!r}")


def _arms(node: ir.BranchNode) -> Iterator[ir.Graph]:
    yield from (arm.body for arm in node.arms)
    if node.orelse is not None:
        yield node.orelse


def _may_end(graph: ir.Graph) -> bool:
    return graph.tail is not None


def _unit(graph: ir.Graph, unit: ir.Unit) -> Iterator[str]:
    place = {id: i for i, id in enumerate(unit.nodes)}
    for id in unit.nodes:
        if any(place[p] > place[id] for p in graph.dag.pred[id] if p in place):
            yield "is not in a topological order"
            return
    outside: set[str] = set()
    todo = [s for id in unit.nodes for s in graph.dag.adj[id] if s not in place]
    while todo:
        id = todo.pop()
        if id not in outside:
            outside.add(id)
            todo.extend(graph.dag.adj[id])
    if any(id in place for id in outside):
        yield "needs something from outside that needs a part of it"
