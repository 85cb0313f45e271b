"""The abstract syntax of a `.wf` file: plain, frozen data with a span on every node.

Nothing here has meaning yet: names are not resolved, types are not checked. The parser makes
these nodes, the formatter and the compiler read them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a source file; lines and columns are counted from 1, the end is exclusive."""

    file: str
    line: int
    column: int
    end_line: int
    end_column: int

    def to(self, other: Span) -> Span:
        """The stretch from the start of this span to the end of `other`."""
        return Span(self.file, self.line, self.column, other.end_line, other.end_column)


# --------------------------------------------------------------------------- expressions


@dataclass(frozen=True, slots=True)
class Name:
    """A bare name."""

    id: str
    span: Span


@dataclass(frozen=True, slots=True)
class Constant:
    """A literal; `text` is how it was written (`1_000`, `5m`, `64KiB`), `unit` tells durations and sizes."""

    value: int | float | str | bool | None
    text: str
    span: Span
    unit: Literal["", "duration", "size"] = ""


@dataclass(frozen=True, slots=True)
class FormatField:
    """One `{expr!r:spec}` of an f-string."""

    value: Expr
    conversion: Literal["", "r", "s", "a"]
    spec: str
    span: Span


@dataclass(frozen=True, slots=True)
class FString:
    """An f-string: literal text and fields in order; `text` is how it was written."""

    parts: tuple[str | FormatField, ...]
    text: str
    span: Span


@dataclass(frozen=True, slots=True)
class ListExpr:
    """`[a, b]`."""

    items: tuple[Expr, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class TupleExpr:
    """`(a, b)`."""

    items: tuple[Expr, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class DictExpr:
    """`{k: v}`."""

    items: tuple[tuple[Expr, Expr], ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Unary:
    """`-x`, `+x`, `~x`, `not x`."""

    op: Literal["-", "+", "~", "not"]
    operand: Expr
    span: Span


@dataclass(frozen=True, slots=True)
class Binary:
    """Arithmetic and bit operators: `+ - * / // % ** @ << >> & | ^`."""

    op: str
    left: Expr
    right: Expr
    span: Span


@dataclass(frozen=True, slots=True)
class BoolOp:
    """`a and b and c`, `a or b`: short-circuit, as in Python."""

    op: Literal["and", "or"]
    values: tuple[Expr, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Compare:
    """A chained comparison `a < b <= c`; ops are `== != < <= > >= in not-in is is-not`."""

    left: Expr
    ops: tuple[str, ...]
    rights: tuple[Expr, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Conditional:
    """`body if test else orelse`."""

    test: Expr
    body: Expr
    orelse: Expr
    span: Span


@dataclass(frozen=True, slots=True)
class Subscript:
    """`value[index]`."""

    value: Expr
    index: Expr | Slice
    span: Span


@dataclass(frozen=True, slots=True)
class Slice:
    """`lower:upper:step` inside a subscript."""

    lower: Expr | None
    upper: Expr | None
    step: Expr | None
    span: Span


@dataclass(frozen=True, slots=True)
class Attribute:
    """`value.name`."""

    value: Expr
    name: str
    name_span: Span
    span: Span


@dataclass(frozen=True, slots=True)
class Keyword:
    """`name=value`, in a call's arguments or in `with (…)`."""

    name: str
    value: Expr
    name_span: Span
    span: Span


@dataclass(frozen=True, slots=True)
class Modifiers:
    """What may stand around a call, a comprehension or a wait: `catch inplace … with (…) after (…)`.

    The spans are those of the keywords; `None` where the modifier is absent.
    """

    catch: Span | None = None
    inplace: Span | None = None
    nocheckpoint: Span | None = None
    options: tuple[Keyword, ...] = ()
    after: tuple[Expr, ...] = ()


@dataclass(frozen=True, slots=True)
class Call:
    """`f(a, k=b)`; `func` is a `Name` or a dotted `Attribute`. `sleep`, `receive`, `cancel`, `fail`,
    `secret` and the pure built-ins are calls too: the compiler tells them apart by name."""

    func: Expr
    args: tuple[Expr, ...]
    keywords: tuple[Keyword, ...]
    span: Span
    modifiers: Modifiers = field(default_factory=Modifiers)


@dataclass(frozen=True, slots=True)
class Generator:
    """`for a, b in xs if cond` of a comprehension."""

    targets: tuple[Name, ...]
    iterable: Expr
    conditions: tuple[Expr, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Comprehension:
    """`[value for …]`, or `{key: value for …}` where `key` is given. More than one generator nests."""

    key: Expr | None
    value: Expr
    generators: tuple[Generator, ...]
    span: Span
    modifiers: Modifiers = field(default_factory=Modifiers)


@dataclass(frozen=True, slots=True)
class Wait:
    """`wait(quorum of members, timeout=…)`. `quorum` is an int expression, "all", "any" or a `Percent`."""

    quorum: Expr | Percent | Literal["all", "any"]
    members: Expr
    timeout: Expr | None
    span: Span
    modifiers: Modifiers = field(default_factory=Modifiers)


@dataclass(frozen=True, slots=True)
class Percent:
    """`80%`, only as the quorum of a `wait`."""

    value: Expr
    span: Span


Expr: TypeAlias = (
    Name | Constant | FString | ListExpr | TupleExpr | DictExpr | Unary | Binary | BoolOp | Compare
    | Conditional | Subscript | Attribute | Call | Comprehension | Wait
)  # fmt: skip


# --------------------------------------------------------------------------- statements


@dataclass(frozen=True, slots=True)
class Assign:
    """`a = value`, or `a, b = value`."""

    targets: tuple[Name, ...]
    value: Expr
    span: Span


@dataclass(frozen=True, slots=True)
class ExprStatement:
    """A bare call (or `cancel(…)`, `fail(…)`)."""

    value: Expr
    span: Span


@dataclass(frozen=True, slots=True)
class Return:
    """`return value`; `value` is `None` for a bare `return`."""

    value: Expr | None
    span: Span


@dataclass(frozen=True, slots=True)
class Continuation:
    """`continuation call(…)`."""

    call: Expr
    span: Span


@dataclass(frozen=True, slots=True)
class If:
    """`if/elif/else`: the arms in order, then the `else` body (empty when there is none)."""

    arms: tuple[tuple[Expr, tuple[Statement, ...]], ...]
    orelse: tuple[Statement, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Pass:
    """`pass`."""

    span: Span


Statement: TypeAlias = Assign | ExprStatement | Return | Continuation | If | Pass


# --------------------------------------------------------------------------- declarations


@dataclass(frozen=True, slots=True)
class TypeExpr:
    """A type as written: `list[Quote]`, `int | None`, `dict[str, float]`, `pending[T]`.

    `name` is dotted; `|` is the name "Union" with its members as `args`. With `literal` it is one of
    the values of a `Literal[…]`, as Python writes it.
    """

    name: str
    args: tuple[TypeExpr, ...]
    span: Span
    literal: bool = False


@dataclass(frozen=True, slots=True)
class ImportedName:
    """`name as alias` of a `from … import …`."""

    name: str
    alias: str
    span: Span


@dataclass(frozen=True, slots=True)
class FromImport:
    """`from module import a, b as c`."""

    module: str
    names: tuple[ImportedName, ...]
    module_span: Span
    span: Span


@dataclass(frozen=True, slots=True)
class SpecImport:
    """`import "path.wf" as alias`."""

    path: str
    alias: str
    path_span: Span
    span: Span


@dataclass(frozen=True, slots=True)
class Parameter:
    """`name: type = default`."""

    name: str
    annotation: TypeExpr | None
    default: Expr | None
    span: Span


@dataclass(frozen=True, slots=True)
class Signature:
    """`(params) -> type`."""

    parameters: tuple[Parameter, ...]
    returns: TypeExpr | None
    span: Span


@dataclass(frozen=True, slots=True)
class TaskDecl:
    """`[inplace] [nocheckpoint] task name [signature] = target [with (…)]`; `target` is a dotted path."""

    name: str
    name_span: Span
    inplace: bool
    nocheckpoint: bool
    signature: Signature | None
    target: str
    target_span: Span
    options: tuple[Keyword, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class WorkflowDecl:
    """`workflow name(params) [-> type] [with (…)]:` with its body and its `finally:` (empty if absent)."""

    name: str
    name_span: Span
    signature: Signature
    options: tuple[Keyword, ...]
    doc: str | None
    body: tuple[Statement, ...]
    finally_: tuple[Statement, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class ConstantDecl:
    """`NAME = expression` at the top of a file."""

    name: Name
    value: Expr
    span: Span


Declaration: TypeAlias = FromImport | SpecImport | TaskDecl | WorkflowDecl | ConstantDecl


@dataclass(frozen=True, slots=True)
class Module:
    """One `.wf` file."""

    file: str
    doc: str | None
    declarations: tuple[Declaration, ...]
    span: Span
