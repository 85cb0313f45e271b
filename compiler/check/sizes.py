"""How many elements there are, where the spec says."""

from __future__ import annotations

from typing import Any

from wfc.compiler.check.frame import Frame
from wfc.dsl import ast


def size_of(frame: Frame, node: ast.Expr) -> int | None:
    """How many elements an expression has, where the spec says."""
    if isinstance(node, (ast.ListExpr, ast.TupleExpr)):
        return len(node.items)
    if isinstance(node, ast.Name):
        binding = frame.scope.find(node.id)
        if binding is not None:
            return binding.count
        value = frame.value_of(node)
        return len(value) if isinstance(value, (list, tuple, dict, str)) else None
    if isinstance(node, ast.Comprehension) and len(node.generators) == 1 and node.key is None:
        only = node.generators[0]
        return None if only.conditions else size_of(frame, only.iterable)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "range":
        bounds = [frame.value_of(a) for a in node.args]
        if (
            bounds
            and all(type(b) is int for b in bounds)
            and len(bounds) <= 3
            and 0 not in bounds[2:]
        ):
            numbers: list[Any] = list(bounds)
            return len(range(*numbers)) if max(map(abs, numbers)) < 2**62 else None
    return None
