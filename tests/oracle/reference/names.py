"""What the names of a spec stand for, and pieces of its syntax."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from tests.oracle.reference.outcome import UnsupportedError
from wfc.dsl import ast


@dataclass(frozen=True, slots=True)
class Task:
    """A Python function under the name that the spec gives it."""

    name: str
    fn: Callable[..., Any]
    inplace: bool = False
    nocheckpoint: bool = False


@dataclass(frozen=True, slots=True)
class Workflow:
    """A workflow and the file that it stands in."""

    decl: ast.WorkflowDecl
    file: str


@dataclass(frozen=True, slots=True)
class Import:
    """Another spec under an alias."""

    file: str


Functions = Callable[[str], Callable[..., Any]]
"""Finds a function by its dotted path."""


def import_path(dotted: str) -> Callable[..., Any]:
    """The function at a dotted path, imported as Python does it."""
    parts = dotted.split(".")
    for cut in range(len(parts) - 1, 0, -1):
        try:
            found: Any = importlib.import_module(".".join(parts[:cut]))
        except ModuleNotFoundError:
            continue
        for part in parts[cut:]:
            found = getattr(found, part)
        return found
    raise UnsupportedError(f"no function {dotted!r}")


BUILTINS: dict[str, Callable[..., Any]] = {
    "len": len,
    "range": lambda *args: list(range(*args)),
    "min": min,
    "max": max,
    "sum": sum,
    "sorted": sorted,
    "any": any,
    "all": all,
    "int": int,
    "float": float,
    "str": str,
    "bool": bool,
    "round": round,
    "abs": abs,
    "zip": lambda *args: list(zip(*args, strict=False)),
    "enumerate": lambda items, start=0: list(enumerate(items, start)),
}
SPECIAL = ("sleep", "receive", "cancel", "fail", "secret")


def walk(node: Any) -> Iterator[Any]:
    """A piece of syntax and all pieces inside it."""
    yield node
    if isinstance(node, tuple):
        for item in node:
            yield from walk(item)
    elif hasattr(node, "__dataclass_fields__") and not isinstance(node, ast.Span):
        for name in node.__dataclass_fields__:
            yield from walk(getattr(node, name))


def called(value: ast.Expr) -> str:
    """The name of the call that a fan-out makes, which stands for it where it has no name."""
    for part in walk(value):
        if isinstance(part, ast.Call):
            return dotted_name(part.func).rpartition(".")[2]
    return "?"


def is_fail(node: Any) -> bool:
    """Whether this is the statement `fail(…)`."""
    return (
        isinstance(node, ast.ExprStatement)
        and isinstance(node.value, ast.Call)
        and isinstance(node.value.func, ast.Name)
        and node.value.func.id == "fail"
    )


def takes_anything(callee: Any, slot: int | str) -> bool:
    """Whether a workflow's parameter has no annotation: a pending value stays one in it."""
    parameters = callee.decl.signature.parameters if isinstance(callee, Workflow) else ()
    return any(slot in (i, p.name) and p.annotation is None for i, p in enumerate(parameters))


def wants_handle(callee: Any, slot: int | str) -> bool:
    """Whether a parameter takes a pending value as it is, rather than the joined list."""
    if isinstance(callee, Workflow):
        parameters = callee.decl.signature.parameters
        for index, parameter in enumerate(parameters):
            if slot in (index, parameter.name):
                return parameter.annotation is not None and parameter.annotation.name == "pending"
    if isinstance(callee, Task):
        try:
            wanted = list(inspect.signature(callee.fn).parameters.values())
        except (TypeError, ValueError):
            return False
        for index, each in enumerate(wanted):
            if slot in (index, each.name):
                return "Pending" in str(each.annotation)
    return False


def arguments(call: ast.Call) -> Iterator[tuple[int | str, ast.Expr]]:
    yield from enumerate(call.args)
    for keyword in call.keywords:
        yield keyword.name, keyword.value


def dotted_name(func: Any) -> str:
    if isinstance(func, ast.Attribute):
        return f"{dotted_name(func.value)}.{func.name}"
    assert isinstance(func, ast.Name), func
    return func.id


def name_of(dotted: str, span: ast.Span) -> Any:
    head, _, rest = dotted.partition(".")
    out: Any = ast.Name(head, span)
    for part in rest.split(".") if rest else []:
        out = ast.Attribute(out, part, span, span)
    return out


def no_workflow(file: str) -> Workflow:
    """Where constants and defaults are evaluated: outside any workflow."""
    span = ast.Span(file, 1, 1, 1, 1)
    signature = ast.Signature((), None, span)
    return Workflow(ast.WorkflowDecl("", span, signature, (), None, (), (), span), file)
