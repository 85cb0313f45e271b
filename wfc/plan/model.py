"""The Plan: what the compiler hands to the runtime, and the only thing that passes between them.

Plain, versioned data with a deterministic JSON form. Every node id is unique among the names that
are visible where it stands, so an expression refers to a value by that id alone. Ids are made of the
names in the spec, so the path of a task instance (`main/tables[17]/parse`) is stable between runs.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
)

PLAN_FORMAT = 1

Expr: TypeAlias = list[Any]
"""A pure expression as nested lists; its forms and meaning are in `wfc.plan.expr`."""

Json: TypeAlias = Any

Where: TypeAlias = tuple[int, int, int, int, int]
"""A span: index into `Plan.files`, line, column, end line, end column."""


class Model(BaseModel):
    """Strict, immutable base of all plan data."""

    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="constants")


class ParamDef(Model):
    """A parameter of a workflow: `type` is the annotation as text, `default` a constant expression."""

    name: str
    type: str | None = None
    default: Expr | None = None


class TaskDef(Model):
    """A Python function as a task.

    `module` and `qualname` name the function. `beside` is the folder (relative to the project's
    root, `.` for the root itself) that holds the module when it lives beside a spec, and `None` for
    installed code. `pending` lists the parameters annotated `Pending[…]`, which receive handles.
    """

    name: str
    module: str
    qualname: str
    beside: str | None = None
    params: list[str] = []
    pending: list[str] = []
    inplace: bool = False
    checkpoint: bool | Literal["sync"] = True
    options: dict[str, Json] = {}
    fingerprint: str = ""
    where: Where | None = None


class Node(Model):
    """What all nodes have: an id, a span, and the nodes that must be done first (`after (a, b)`)."""

    id: str
    where: Where
    after: list[str] = []

    @model_serializer(mode="wrap")
    def _with_kind(self, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # Defaults are left out of the JSON, but this one tells what the node is.
        return {"kind": getattr(self, "kind", ""), **plain(self)}


class ExprNode(Node):
    """A pure expression with a name."""

    kind: Literal["expr"] = "expr"
    expr: Expr


class CallNode(Node):
    """A call of a task or of a workflow of the plan, or of a sub-workflow that recurs.

    `target` is a key of `Plan.tasks` or of `Plan.workflows`. `options` are complete: the
    declaration's, overridden by the call's. `managed` is true where a `wait` looks after the call's
    failure. `region` names the region that an inplace call belongs to in a frame without a home.
    `origin` replaces the enclosing fan-out's id in the path, for nodes that a pass moved.
    """

    kind: Literal["call"] = "call"
    target: str
    callee: Literal["task", "workflow"]
    args: list[Expr] = []
    kwargs: dict[str, Expr] = {}
    inplace: bool = False
    checkpoint: bool | Literal["sync"] = True
    catch: bool = False
    managed: bool = False
    options: dict[str, Json] = {}
    region: str | None = None
    origin: str | None = None


class MapOutput(Model):
    """One list (or dict, where `key` is given) that a fan-out makes.

    `value`, `key` and `when` are expressions over the body's nodes; an element for which `when` is
    false is left out. `name` is what consumers refer to.
    """

    name: str
    value: Expr
    key: Expr | None = None
    when: Expr | None = None


class MapNode(Node):
    """A fan-out: `body` once per element of `items`, in parallel.

    `targets` are the loop names (several unpack each element). `where_each` filters elements before
    indices are given, and may use only pure expressions. `source` is the id of another map (or a
    pending value) of which `items` is the handle: then each element starts as soon as its own
    source element is done. `carried` says that the whole body can be interpreted by a worker, so
    that the fan-out is shipped in slices.
    """

    kind: Literal["map"] = "map"
    targets: list[str]
    items: Expr
    where_each: Expr | None = None
    source: str | None = None
    body: Graph
    outputs: list[MapOutput]
    concurrency: int | None = None
    priority: int = 0
    catch: bool = False
    managed: bool = False
    carried: bool = False


class Arm(Model):
    """One arm of a branch."""

    condition: Expr
    body: Graph


class BranchNode(Node):
    """`if/elif/else`. Only the arm taken runs.

    `outputs` maps a name that may be used afterwards to the node id that provides it in each arm,
    in the order of the arms and then `orelse` (`None` where that arm never goes on). `then` is the
    rest of the block after a branch of which some arm ends the frame: it opens once it is known
    that the arm taken does not.
    """

    kind: Literal["branch"] = "branch"
    arms: list[Arm]
    orelse: Graph | None = None
    outputs: dict[str, list[str | None]] = {}
    then: Graph | None = None
    carried: bool = False


class GroupNode(Node):
    """A list literal of calls, `[f(1), sleep(5s), receive("a")]`: it can be waited on or joined."""

    kind: Literal["group"] = "group"
    members: list[str]


class Quorum(Model):
    """How many members a wait needs: a count, all of them, any one, or a percentage (rounded up)."""

    form: Literal["count", "all", "any", "percent"]
    value: Expr | None = None


class WaitNode(Node):
    """`wait(quorum of members)`. Its value is a record with `ready pending failed timed_out`."""

    kind: Literal["wait"] = "wait"
    members: Expr
    quorum: Quorum
    timeout: Expr | None = None
    catch: bool = False


class SleepNode(Node):
    """A durable timer; `duration` in seconds. Its value is `None`."""

    kind: Literal["sleep"] = "sleep"
    duration: Expr
    managed: bool = False


class ReceiveNode(Node):
    """Waits for a signal; its value is the signal's payload."""

    kind: Literal["receive"] = "receive"
    signal: Expr
    timeout: Expr | None = None
    catch: bool = False
    managed: bool = False


class CancelNode(Node):
    """`cancel(pending)`."""

    kind: Literal["cancel"] = "cancel"
    pending: Expr


class ReturnNode(Node):
    """Ends the frame with a value; a pending value is joined first."""

    kind: Literal["return"] = "return"
    expr: Expr


class ContinuationNode(Node):
    """Ends the frame: its result is that call's. The frame is replaced, not stacked."""

    kind: Literal["continuation"] = "continuation"
    target: str
    callee: Literal["task", "workflow"]
    args: list[Expr] = []
    kwargs: dict[str, Expr] = {}
    inplace: bool = False
    checkpoint: bool | Literal["sync"] = True
    catch: bool = False
    options: dict[str, Json] = {}


class FailNode(Node):
    """Ends the frame as failed, with a message."""

    kind: Literal["fail"] = "fail"
    message: Expr


AnyNode: TypeAlias = Annotated[
    ExprNode
    | CallNode
    | MapNode
    | BranchNode
    | GroupNode
    | WaitNode
    | SleepNode
    | ReceiveNode
    | CancelNode
    | ReturnNode
    | ContinuationNode
    | FailNode,
    Field(discriminator="kind"),
]


class Unit(Model):
    """Nodes that one worker runs in one go, in this order, as one thing to dispatch.

    `chain`: task calls (and the expressions and carried branches between them) each of which waits
    for nothing but the one before and what was ready when the first started. `region`: inplace
    calls, with the task that they hang on first where there is one.
    """

    kind: Literal["chain", "region"]
    nodes: list[str]


class Region(Model):
    """Connected inplace calls of a frame without a home. `hang` is the task whose process they use.

    Regions that no unit covers are run call by call in one process that is kept for them.
    """

    hang: str | None = None
    nodes: list[str]


class Graph(Model):
    """Nodes in a topological order. `tail` is the node that may end the frame: an exit, or a branch
    with an exit in some arm; nothing stands after it (what follows such a branch is its `then`)."""

    nodes: list[AnyNode]
    tail: str | None = None
    units: list[Unit] = []
    regions: dict[str, Region] = {}


class WorkflowDef(Model):
    """A workflow. `carried` says that a worker can interpret a whole frame of it: `"inplace"` when
    all its calls are inplace or pure, `"chain"` when its calls follow one another on equal
    resources, and `None` when the engine must run it."""

    name: str
    params: list[ParamDef]
    returns: str | None = None
    body: Graph
    finally_: Graph | None = None
    options: dict[str, Json] = {}
    doc: str | None = None
    carried: Literal["inplace", "chain"] | None = None
    where: Where


class SourceFile(Model):
    """A spec file of the plan: its path relative to the project's root, and its text."""

    path: str
    text: str


class Plan(Model):
    """A checked, optimized program, ready to run. `entry` is a key of `workflows`."""

    format: int = PLAN_FORMAT
    entry: str
    tasks: dict[str, TaskDef]
    workflows: dict[str, WorkflowDef]
    files: list[SourceFile]
    root: str | None = None

    def to_json(self) -> str:
        """Deterministic JSON: the same spec gives the same bytes (`root` is not part of it)."""
        return self.model_dump_json(indent=1, exclude_defaults=True, exclude={"root"})

    @classmethod
    def from_json(cls, text: str | bytes) -> Plan:
        """Read a plan that `to_json` wrote.

        Raises `pydantic.ValidationError` when it is not one, `ValueError` for an unknown format.
        """
        plan = cls.model_validate_json(text)
        if plan.format != PLAN_FORMAT:
            raise ValueError(f"plan format {plan.format} is not {PLAN_FORMAT}")
        return plan


MapNode.model_rebuild()
BranchNode.model_rebuild()
Arm.model_rebuild()
Graph.model_rebuild()
WorkflowDef.model_rebuild()
Plan.model_rebuild()
