"""What can be handed on while it runs: to a `wait`, a `cancel`, or a parameter of type `pending[T]`."""

from __future__ import annotations

from wfc.compiler.check.frame import Frame
from wfc.compiler.relations import element
from wfc.compiler.types import ANY, AnyType, Instance, PendingType, ResultType, Type
from wfc.dsl import ast


def handed_on(frame: Frame, node: ast.Expr, found: Type) -> Type | None:
    """The type of one result of what runs; `None` where the expression is a value.

    A value of unknown type may turn out to be what a `wait` left. If it does not, the run fails there.
    """
    if isinstance(found, PendingType):
        return found.item
    if frame.running(node) == "many":
        return element(found) or ANY
    if isinstance(found, AnyType) and not _has_value(frame, node):
        return ANY
    return None


def _has_value(frame: Frame, node: ast.Expr) -> bool:
    """Whether the expression is certainly a value, although its type is not known."""
    return (
        isinstance(node, (ast.Call, ast.Binary, ast.ListExpr, ast.Comprehension))
        or frame.running(node) != ""
    )


def why_a_value(frame: Frame, node: ast.Expr) -> tuple[str, str]:
    """A label and a hint for what runs, or ran, and can be had as a value only; empty for others."""
    if frame.running(node) == "joined":
        one = "make one list of calls: `[f(x) for x in xs]`"
        label = (
            "a dict of calls"
            if _is_dict(frame.info.type_at(node))
            else "a fan-out with a second `for`"
        )
        return label, one
    if isinstance(node, ast.Name):
        binding = frame.scope.find(node.id)
        if binding is not None and any(part.running for part in binding.parts):
            return "bound in a branch", "behind its `if` it is a value: do this in the branch"
    return "", ""


def _is_dict(found: Type) -> bool:
    if isinstance(found, ResultType):
        found = found.value
    return isinstance(found, Instance) and found.cls.name == "dict"
