"""What a worker can run by itself: whole workflows, bodies of fan-outs, branches.

Stands behind the regions (an inplace call that belongs to a process elsewhere cannot be carried) and
before the units, which may hold carried branches and calls of carried workflows.

Two ways to be carried. "inplace": all calls are inplace, so there is nothing to place. "chain": the
plain calls follow one another and want equal resources, so that nothing is gained by spreading them.
Which workflows are carried is the greatest set that agrees with itself (recursion is fine): begin
with all whose own nodes allow it, and drop those that call one that was dropped.
"""

from __future__ import annotations

from collections import defaultdict

from wfc.compiler import ir
from wfc.compiler.explain import Notes
from wfc.compiler.passes.judge import Judge, Verdict
from wfc.compiler.passes.shapes import describe


def carry(program: ir.Program, notes: Notes) -> None:
    """Set `carried` of workflows, fan-outs and branches."""
    judge = Judge()
    catches = Catches(program)
    verdicts: dict[str, Verdict] = {}
    for name, workflow in program.workflows.items():
        verdict = judge.block(workflow.body)
        if workflow.finally_ is not None:
            judge.block(workflow.finally_)
            verdict.refuse("it has a `finally:` block", workflow.span)
        if "timeout" in workflow.options:
            verdict.refuse("it has a timeout", workflow.span)
        if (caught := catches.anywhere[id(workflow.body)]) is not None:
            verdict.refuse(f"it catches `{caught.id}`", caught.span)
        verdicts[name] = verdict
    carried = Carried(verdicts)
    for name, workflow in program.workflows.items():
        _workflow(workflow, name, verdicts[name], carried, notes)
    for node, verdict in judge.inner:
        reason = carried.against(verdict)
        caught = catches.in_arms[id(node)]
        if reason is None and caught is not None:
            reason = f"it catches `{caught.id}` in a branch"
        if isinstance(node, ir.MapNode):
            node.carried = reason is None
            if reason is None:
                notes.did(f"ship the elements of `{node.id}` in slices", node.span)
            else:
                notes.left(f"ship the elements of `{node.id}` in slices: {reason}", node.span)
        elif isinstance(node, ir.BranchNode):
            node.carried = reason is None and not verdict.exits


class Catches:
    """Calls whose failure is a value. The loss of a process is a failure too, and where a worker runs
    many calls in one go it takes with it who would have caught it, and which call it was.

    `anywhere`: the first in a graph, however deep; `in_arms`: the first in an arm of a branch, or of
    a branch in the body of a fan-out. By the `id` of the graph, or of the node.
    """

    def __init__(self, program: ir.Program) -> None:
        self.anywhere: dict[int, ir.Node | None] = {}
        self.in_arms: dict[int, ir.Node | None] = {}
        for workflow in program.workflows.values():
            for block in workflow.blocks():
                for graph in reversed(list(ir.graphs(block))):
                    self._read(graph)

    def _read(self, graph: ir.Graph) -> None:
        first: ir.Node | None = None
        for node in graph.nodes.values():
            found = [self.anywhere[id(g)] for _, g in ir.inner(node)]
            if getattr(node, "catch", False):
                found.insert(0, node)
            first = first or next((f for f in found if f is not None), None)
            if isinstance(node, ir.BranchNode):
                self.in_arms[id(node)] = next((f for f in found if f is not None), None)
            elif isinstance(node, ir.MapNode):
                arms = (self.in_arms.get(id(n)) for n in node.body.nodes.values())
                self.in_arms[id(node)] = next((a for a in arms if a is not None), None)
        self.anywhere[id(graph)] = first


def carry_single_calls(program: ir.Program, notes: Notes) -> None:
    """Set `carried` of fan-outs of one task call each: what even a plain plan ships in slices."""
    judge = Judge()
    for workflow in program.workflows.values():
        for graph in workflow.blocks():
            judge.block(graph)
    carried = Carried({})
    for node, verdict in judge.inner:
        if isinstance(node, ir.MapNode):
            calls = [n for n in node.body.nodes.values() if not isinstance(n, ir.ExprNode)]
            single = (
                len(calls) == 1 and isinstance(calls[0], ir.CallNode) and calls[0].callee == "task"
            )
            node.carried = single and carried.against(verdict) is None


def _workflow(
    workflow: ir.Workflow, name: str, verdict: Verdict, carried: Carried, notes: Notes
) -> None:
    if name in carried.inplace:
        workflow.carried = "inplace"
        notes.did(f"run a frame of `{name}` in one go: all its calls are inplace", workflow.span)
    elif name in carried.chain:
        workflow.carried = "chain"
        notes.did(f"run a frame of `{name}` in one go: its calls follow one another", workflow.span)
    else:
        reason = carried.against(verdict) or "its calls do not follow one another"
        notes.left(f"run a frame of `{name}` in one go: {reason}", workflow.span)


class Carried:
    """The workflows that can be carried, and the shape that each chain wants."""

    def __init__(self, verdicts: dict[str, Verdict]) -> None:
        self.verdicts = verdicts
        inplace = {name: v.all_calls for name, v in verdicts.items() if v.inplace}
        self.inplace = _greatest(inplace, set())
        chains = {
            name: v.plain_calls
            for name, v in verdicts.items()
            if v.chain and name not in self.inplace and v.inplace_calls <= self.inplace
        }
        self.shapes = {name: set(v.shapes) for name, v in verdicts.items()}
        self.chain = _greatest(chains, self.inplace) | self.inplace
        self._spread_shapes()

    def _spread_shapes(self) -> None:
        """A chain wants the shapes of what it calls as well; one with two of them is none."""
        chains = self.chain - self.inplace
        callers: dict[str, list[str]] = defaultdict(list)
        for name in sorted(chains):
            for needed in self.verdicts[name].plain_calls - self.inplace:
                callers[needed].append(name)
        todo = sorted(chains)
        while todo:
            name = todo.pop()
            if len(self.shapes[name]) > 1:
                chains.discard(name)
            for caller in callers[name]:
                if caller not in chains:
                    continue
                if name not in chains:
                    chains.discard(caller)
                    todo.append(caller)
                elif not self.shapes[name] <= self.shapes[caller]:
                    self.shapes[caller] |= self.shapes[name]
                    todo.append(caller)
        self.chain = chains | self.inplace

    def against(self, verdict: Verdict) -> str | None:
        """Why a block cannot be carried, or `None` when it can."""
        if verdict.inplace and verdict.all_calls <= self.inplace:
            return None
        if not verdict.chain:
            return verdict.reason
        wanted = set(verdict.shapes)
        for name in sorted(verdict.plain_calls):
            if name not in self.chain:
                return f"a frame of `{name}` cannot run in one go"
            wanted |= self.shapes.get(name, set()) if name not in self.inplace else set()
        for name in sorted(verdict.inplace_calls):
            if name not in self.inplace:
                return f"the calls of `{name}` are not all inplace"
        if len(wanted) > 1:
            first, second = sorted(wanted)[:2]
            return f"its calls want different resources ({describe(first)}; {describe(second)})"
        return None


def _greatest(needs: dict[str, set[str]], besides: set[str]) -> set[str]:
    """The largest set of names that need only names in it (or `besides`)."""
    found = set(needs)
    callers: dict[str, set[str]] = defaultdict(set)
    for name, needed in needs.items():
        for other in needed:
            callers[other].add(name)
    todo = [
        n
        for other in callers
        if other not in found and other not in besides
        for n in callers[other]
    ]
    while todo:
        name = todo.pop()
        if name in found:
            found.discard(name)
            todo.extend(callers[name] & found)
    return found
