"""The Plan: what the compiler hands to the runtime, and the only thing that passes between them.

Plain, versioned data with a deterministic JSON form. Every node id is unique among the names that
are visible where it stands, so an expression refers to a value by that id alone. Ids are made of the
names in the spec, so the path of a task instance (`main/tables[17]/parse`) is stable between runs.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    ValidationInfo,
    model_serializer,
)

PLAN_FORMAT = 2
"""2: graphs are in one table, and what owns one has its number. In 1 they stood in one another."""

Expr: TypeAlias = list[Any]
"""A pure expression as nested lists; its forms and meaning are in `wfc.plan.expr`."""

Json: TypeAlias = Any

Where: TypeAlias = tuple[int, int, int, int, int]
"""A span: index into `Plan.files`, line, column, end line, end column."""


class Model(BaseModel):
    """Strict, immutable base of all plan data."""

    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="constants")

    def plain(self, graphs: list[Graph]) -> dict[str, Any]:
        """What the JSON says: fields that are not as usual. A graph is put into `graphs`, and is its
        place there, so that nothing nests as deep as the spec does."""
        out: dict[str, Any] = {"kind": getattr(self, "kind", "")} if isinstance(self, Node) else {}
        for name, field in type(self).model_fields.items():
            value = getattr(self, name)
            if field.is_required() or value != field.get_default(call_default_factory=True):
                out[name] = _plain(value, graphs)
        return out


def _plain(value: Any, graphs: list[Graph]) -> Any:
    if isinstance(value, Graph):
        graphs.append(value)
        return len(graphs) - 1
    if isinstance(value, Model):
        return value.plain(graphs)
    # Expressions are lists too; they hold no models, and are as deep as the spec says.
    if isinstance(value, list) and value and isinstance(value[0], Model):
        return [item.plain(graphs) for item in value]
    if isinstance(value, dict) and isinstance(next(iter(value.values()), None), Model):
        return {key: item.plain(graphs) for key, item in value.items()}
    return value


def _from_table(value: Any, info: ValidationInfo) -> Any:
    if not isinstance(value, int) or info.context is None:
        return value
    if value not in info.context:
        raise ValueError(f"there is no graph {value} that may stand here")
    return info.context[value]


Body: TypeAlias = Annotated["Graph", BeforeValidator(_from_table)]
"""A graph that belongs to something."""


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


class Import(Model):
    """A Python module that a spec takes names of; `beside` as a task has it."""

    module: str
    beside: str | None = None


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
    body: Body
    outputs: list[MapOutput]
    concurrency: int | None = None
    priority: int = 0
    catch: bool = False
    managed: bool = False
    carried: bool = False


class Arm(Model):
    """One arm of a branch."""

    condition: Expr
    body: Body


class BranchNode(Node):
    """`if/elif/else`. Only the arm taken runs.

    `outputs` maps a name that may be used afterwards to the node id that provides it in each arm,
    in the order of the arms and then `orelse` (`None` where that arm never goes on). `then` is the
    rest of the block after a branch of which some arm ends the frame: it opens once it is known
    that the arm taken does not.
    """

    kind: Literal["branch"] = "branch"
    arms: list[Arm]
    orelse: Body | None = None
    outputs: dict[str, list[str | None]] = {}
    then: Body | None = None
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

    def to_json(self) -> str:
        """JSON of this graph alone; see `Plan.to_json`."""
        return _to_text(_with_table(self))

    @classmethod
    def from_json(cls, text: str | bytes) -> Graph:
        """Read a graph that `to_json` wrote, or pydantic where nothing nests. Raises `ValueError`."""
        try:
            return cls.model_validate_json(text)  # twice as fast, and only for 200 levels of JSON
        except ValidationError:
            data = _from_text(text)
            return cls.model_validate(data, context=_read_table(data))


class WorkflowDef(Model):
    """A workflow. `carried` says that a worker can interpret a whole frame of it: `"inplace"` when
    all its calls are inplace or pure, `"chain"` when its calls follow one another on equal
    resources, and `None` when the engine must run it."""

    name: str
    params: list[ParamDef]
    returns: str | None = None
    body: Body
    finally_: Body | None = None
    options: dict[str, Json] = {}
    doc: str | None = None
    carried: Literal["inplace", "chain"] | None = None
    where: Where


class SourceFile(Model):
    """A spec file of the plan: its path relative to the project's root, and its text."""

    path: str
    text: str


class Plan(Model):
    """A checked, optimized program, ready to run. `entry` is a key of `workflows`. `imports` are the Python
    modules in the order in which the specs name them, an imported spec's where it is imported."""

    format: int = PLAN_FORMAT
    entry: str
    tasks: dict[str, TaskDef]
    workflows: dict[str, WorkflowDef]
    files: list[SourceFile]
    imports: list[Import] = []
    root: str | None = None

    def to_json(self) -> str:
        """Deterministic JSON: the same spec gives the same bytes (`root` is not part of it)."""
        return _to_text(self.to_plain())

    def to_plain(self) -> dict[str, Any]:
        """What the JSON says, as plain data."""
        plan = _with_table(self)
        plan.pop("root", None)
        return {"format": self.format, **plan}

    @classmethod
    def from_json(cls, text: str | bytes) -> Plan:
        """Read a plan that `to_json` wrote, of this version or of one before.

        Raises `ValueError` when it is none (`pydantic.ValidationError` is one).
        """
        data = _from_text(text)
        written = data.get("format", 1)
        if written not in (1, PLAN_FORMAT):
            raise ValueError(f"plan format {written} is not {PLAN_FORMAT}")
        plan = cls.model_validate(data, context=_read_table(data))
        return plan.model_copy(update={"format": PLAN_FORMAT})


# --------------------------------------------------------------------------- JSON, however deep


def _with_table(root: Model) -> dict[str, Any]:
    graphs: list[Graph] = []
    out, table = root.plain(graphs), []
    for graph in graphs:  # it grows meanwhile
        table.append(graph.plain(graphs))
    return {**out, "graphs": table} if table else out


def _read_table(data: dict[str, Any]) -> dict[int, Graph]:
    table = data.pop("graphs", [])
    found: dict[int, Graph] = {}
    for number in range(len(table) - 1, -1, -1):  # what is inside comes after what is outside
        found[number] = Graph.model_validate(table[number], context=found)
    return found


def _to_text(data: dict[str, Any]) -> str:
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"))


def _from_text(text: str | bytes) -> dict[str, Any]:
    try:
        data = json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(data, dict):
        raise ValueError("it is no JSON object")
    return data


MapNode.model_rebuild()
BranchNode.model_rebuild()
Arm.model_rebuild()
Graph.model_rebuild()
WorkflowDef.model_rebuild()
Plan.model_rebuild()
