"""Plans made by hand, in few words."""

from __future__ import annotations

from typing import Any

from wfc.plan.model import (
    Arm,
    BranchNode,
    CallNode,
    ContinuationNode,
    ExprNode,
    FailNode,
    Graph,
    MapNode,
    MapOutput,
    ParamDef,
    Plan,
    ReturnNode,
    SourceFile,
    TaskDef,
    Unit,
    WorkflowDef,
)

AT = (0, 1, 1, 1, 2)


def name(id: str) -> list[Any]:
    return ["name", id]


def lit(value: Any) -> list[Any]:
    return ["lit", value]


def expr(id: str, form: list[Any]) -> ExprNode:
    return ExprNode(id=id, where=AT, expr=form)


def call(id: str, target: str, args: list[Any] | None = None, **more: Any) -> CallNode:
    return CallNode(id=id, where=AT, target=target, args=args or [], **{"callee": "task", **more})


def sub(id: str, target: str, args: list[Any] | None = None, **more: Any) -> CallNode:
    return call(id, target, args, callee="workflow", **more)


def cont(target: str, args: list[Any] | None = None, **more: Any) -> ContinuationNode:
    more = {"callee": "workflow", **more}
    return ContinuationNode(id="continuation", where=AT, target=target, args=args or [], **more)


def ret(form: list[Any]) -> ReturnNode:
    return ReturnNode(id="return", where=AT, expr=form)


def fail(form: list[Any]) -> FailNode:
    return FailNode(id="fail", where=AT, message=form)


EXITS = ("return", "continuation", "fail")


def graph(nodes: list[Any], **more: Any) -> Graph:
    if nodes and "tail" not in more:
        last = nodes[-1]
        ends = last.kind in EXITS or (last.kind == "branch" and last.then is not None)
        more["tail"] = last.id if ends else None
    return Graph(nodes=nodes, **more)


def arm(condition: list[Any], nodes: list[Any]) -> Arm:
    return Arm(condition=condition, body=graph(nodes))


def branch(
    id: str,
    arms: list[Arm],
    orelse: list[Any] | None = None,
    then: list[Any] | None = None,
    outputs: dict[str, list[str | None]] | None = None,
) -> BranchNode:
    return BranchNode(
        id=id,
        where=AT,
        arms=arms,
        orelse=graph(orelse) if orelse is not None else None,
        then=graph(then) if then is not None else None,
        outputs=outputs or {},
        carried=True,
    )


def map_(
    id: str,
    targets: list[str],
    items: list[Any],
    nodes: list[Any],
    outputs: list[tuple[Any, ...]],
    **more: Any,
) -> MapNode:
    made = [
        MapOutput(**dict(zip(("name", "value", "key", "when"), o, strict=False))) for o in outputs
    ]
    return MapNode(
        id=id,
        where=AT,
        targets=targets,
        items=items,
        body=graph(nodes),
        outputs=made,
        **{"carried": True, **more},
    )


def unit(kind: Any, nodes: list[str]) -> Unit:
    return Unit(kind=kind, nodes=nodes)


def workflow(
    name: str,
    params: list[Any],
    nodes: list[Any],
    finally_: list[Any] | None = None,
    carried: Any = "chain",
    **more: Any,
) -> WorkflowDef:
    made = [
        ParamDef(name=p) if isinstance(p, str) else ParamDef(name=p[0], default=p[1])
        for p in params
    ]
    return WorkflowDef(
        name=name,
        params=made,
        body=graph(nodes, **more),
        where=AT,
        carried=carried,
        finally_=graph(finally_) if finally_ is not None else None,
    )


def plan(*workflows: WorkflowDef, tasks: dict[str, Any] | None = None, entry: str = "") -> Plan:
    defs = {
        key: TaskDef(name=key, module="m", qualname=key, **(more or {}))
        for key, more in (tasks or {}).items()
    }
    flows = {w.name: w for w in workflows}
    return Plan(
        entry=entry or workflows[0].name,
        tasks=defs,
        workflows=flows,
        files=[SourceFile(path="s.wf", text="")],
    )
