"""The IR as text: deterministic, one node a line, and the language of the pass tests.

    workflow main(day: str, limit: int = 1000) -> Summary
      files = call plan(day, limit) inplace region=region
      raw = map f in files concurrency=32
        get = call get(f, region="eu-west-1")
        => get
      load = call load(tables, day=day)
      return load

`&raw` is a handle. `=> e` is what a fan-out makes of an element (with its name where it is not the
node's). An id stands at the left where something may refer to it. Nodes are in topological order.
"""

from __future__ import annotations

from collections.abc import Iterator

from wfc.compiler import ir
from wfc.compiler.emit.text import literal, text


def dump(program: ir.Program) -> str:
    """The whole program."""
    lines = [f"entry {program.entry}"]
    for task in program.tasks.values():
        lines.append(_task(task))
    for workflow in program.workflows.values():
        lines += ["", *_workflow(workflow)]
    return "\n".join(lines) + "\n"


def dump_graph(graph: ir.Graph) -> str:
    """One block."""
    return "\n".join(_graph(graph, "")) + "\n"


def dump_edges(graph: ir.Graph) -> str:
    """The edges of one graph with their ports, by order of the consumers."""
    lines = []
    for node in graph.ordered():
        for producer in graph.dag.pred[node.id]:
            ports = ", ".join(sorted(graph.dag.edges[producer, node.id]["ports"]))
            lines.append(f"{producer} -> {node.id}: {ports}")
    return "\n".join(lines) + ("\n" if lines else "")


def _task(task: ir.Task) -> str:
    flags = _flags(task.inplace, task.checkpoint) + _options(task.options)
    pending = f" pending={','.join(task.pending)}" if task.pending else ""
    return f"task {task.name} = {task.module}.{task.qualname}{pending}{flags}"


def _workflow(workflow: ir.Workflow) -> Iterator[str]:
    params = []
    for p in workflow.params:
        written = p.name + (f": {p.type}" if p.type else "")
        params.append(written + (f" = {text(p.default)}" if p.default is not None else ""))
    head = f"workflow {workflow.name}({', '.join(params)})"
    head += f" -> {workflow.returns}" if workflow.returns else ""
    head += f" carried={workflow.carried}" if workflow.carried else ""
    yield head + _options(workflow.options)
    yield from _graph(workflow.body, "  ")
    if workflow.finally_ is not None:
        yield "finally"
        yield from _graph(workflow.finally_, "  ")


def _graph(graph: ir.Graph, indent: str) -> Iterator[str]:
    """A whole block. What follows a branch that may end the frame is not indented: it is the rest."""
    for part in graph.chain():
        for name, region in part.regions.items():
            hang = f"hangs on {region.hang}" if region.hang else "own process"
            yield f"{indent}region {name} [{', '.join(region.nodes)}] {hang}"
        for unit in part.units:
            yield f"{indent}unit {unit.kind} [{', '.join(unit.nodes)}]"
        for node in part.ordered():
            yield from _node(node, indent)
        branch = part.last()
        if branch is not None and branch.then is not None:
            yield f"{indent}then"


def _node(node: ir.Node, indent: str) -> Iterator[str]:
    tail = f" after ({', '.join(node.after)})" if node.after else ""
    if isinstance(node, ir.MapNode):
        yield f"{indent}{node.id} = {_map(node)}{tail}"
        yield from _graph(node.body, indent + "  ")
        for output in node.outputs:
            yield f"{indent}  {_output(node, output)}"
    elif isinstance(node, ir.BranchNode):
        yield from _branch(node, indent, tail)
    elif isinstance(node, ir.EXITS):
        yield f"{indent}{_line(node)}{tail}"
    else:
        yield f"{indent}{node.id} = {_line(node)}{tail}"


def _map(node: ir.MapNode) -> str:
    out = f"map {', '.join(node.targets)} in {text(node.items)}"
    out += f" if {text(node.where_each)}" if node.where_each is not None else ""
    out += f" source={node.source}" if node.source is not None else ""
    out += f" concurrency={node.concurrency}" if node.concurrency is not None else ""
    out += f" priority={node.priority}" if node.priority else ""
    for flag in ("catch", "managed", "carried"):
        out += f" {flag}" if getattr(node, flag) else ""
    return out


def _output(node: ir.MapNode, output: ir.MapOutput) -> str:
    name = f"{output.name} " if output.name != node.id else ""
    key = f"{text(output.key)}: " if output.key is not None else ""
    when = f" if {text(output.when)}" if output.when is not None else ""
    return f"{name}=> {key}{text(output.value)}{when}"


def _branch(node: ir.BranchNode, indent: str, tail: str) -> Iterator[str]:
    outputs = "; ".join(
        f"{name} from {', '.join(g or '-' for g in given)}" for name, given in node.outputs.items()
    )
    carried = " carried" if node.carried else ""
    for i, arm in enumerate(node.arms):
        head = f"{node.id} = branch{carried}" if i == 0 else "else"
        tail_here = tail if i == 0 else ""
        yield f"{indent}{head} if {text(arm.condition)}{tail_here}"
        yield from _graph(arm.body, indent + "  ")
    if node.orelse is not None:
        yield f"{indent}else"
        yield from _graph(node.orelse, indent + "  ")
    if outputs:
        yield f"{indent}gives {outputs}"


def _line(node: ir.Node) -> str:
    if isinstance(node, ir.Target):
        return _call(node)
    if isinstance(node, ir.ExprNode):
        return text(node.expr)
    if isinstance(node, ir.ReturnNode):
        return f"return {text(node.expr)}"
    if isinstance(node, ir.FailNode):
        return f"fail {text(node.message)}"
    if isinstance(node, ir.GroupNode):
        return f"group [{', '.join(node.members)}]"
    if isinstance(node, ir.CancelNode):
        return f"cancel {text(node.pending)}"
    if isinstance(node, ir.WaitNode):
        quorum = text(node.quorum) if node.quorum is not None else node.form
        percent = "%" if node.form == "percent" else ""
        limit = f" timeout={text(node.timeout)}" if node.timeout is not None else ""
        caught = " catch" if node.catch else ""
        return f"wait {quorum}{percent} of {text(node.members)}{limit}{caught}"
    return _timer(node)


def _timer(node: ir.Node) -> str:
    if isinstance(node, ir.SleepNode):
        return f"sleep {text(node.duration)}{' managed' if node.managed else ''}"
    assert isinstance(node, ir.ReceiveNode)
    limit = f" timeout={text(node.timeout)}" if node.timeout is not None else ""
    caught = f"{' catch' if node.catch else ''}{' managed' if node.managed else ''}"
    return f"receive {text(node.signal)}{limit}{caught}"


def _call(node: ir.Target) -> str:
    args = [text(a) for a in node.args] + [f"{k}={text(a)}" for k, a in node.kwargs.items()]
    verb = "continuation" if isinstance(node, ir.ContinuationNode) else "call"
    out = (
        f"{verb}{' workflow' if node.callee == 'workflow' else ''} {node.target}({', '.join(args)})"
    )
    out += " catch" if node.catch else ""
    out += _flags(node.inplace, node.checkpoint)
    if isinstance(node, ir.CallNode):
        out += " managed" if node.managed else ""
        out += f" region={node.region}" if node.region is not None else ""
        out += f" origin={node.origin}" if node.origin is not None else ""
    return out + _options(node.options)


def _flags(inplace: bool, checkpoint: ir.Checkpoint) -> str:
    out = " inplace" if inplace else ""
    return out + (
        "" if checkpoint is True else " sync" if checkpoint == "sync" else " nocheckpoint"
    )


def _options(options: dict[str, object]) -> str:
    if not options:
        return ""
    return f" with ({', '.join(f'{k}={literal(v)}' for k, v in sorted(options.items()))})"
