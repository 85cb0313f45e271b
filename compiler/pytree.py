"""The parts of Python's statements: which names they give, what of them runs, and when."""

from __future__ import annotations

import ast
from collections.abc import Iterator

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def blocks(node: ast.stmt) -> Iterator[list[ast.stmt]]:
    """The blocks of a compound statement, which run at the level that it stands at itself."""
    if isinstance(node, (*FUNCTIONS, ast.ClassDef)):
        return
    for name in ("body", "orelse", "finalbody"):
        block = getattr(node, name, None)
        if isinstance(block, list) and block:
            yield block
    for part in (*getattr(node, "handlers", ()), *getattr(node, "cases", ())):
        yield part.body


def heads(node: ast.stmt) -> Iterator[ast.AST]:
    """What a compound statement evaluates before and between its blocks."""
    for name in ("test", "iter", "target", "subject", "items"):
        part = getattr(node, name, None)
        if isinstance(part, ast.AST):
            yield part
        elif isinstance(part, list):
            yield from part
    yield from (h.type for h in getattr(node, "handlers", ()) if h.type is not None)
    for case in getattr(node, "cases", ()):
        yield case.pattern
        if case.guard is not None:
            yield case.guard


def bound(node: ast.AST) -> Iterator[str]:
    """The names that a statement, or an expression with `:=` in it, gives at its own level."""
    if isinstance(node, (*FUNCTIONS, ast.ClassDef)):
        yield node.name
        return
    for part in at_once(node):
        if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
            yield part.id
        elif type(part).__name__ in ("MatchAs", "MatchStar", "MatchMapping"):
            name = getattr(part, "name", None) or getattr(part, "rest", None)
            if name:
                yield name


def at_once(node: ast.AST) -> Iterator[ast.AST]:
    """The parts of a statement that run when it does: not the bodies of functions."""
    todo: list[ast.AST] = [node]
    while todo:
        part = todo.pop()
        yield part
        if isinstance(part, (*FUNCTIONS, ast.Lambda)):
            todo.extend(getattr(part, "decorator_list", ()))
            todo.extend((*part.args.defaults, *(d for d in part.args.kw_defaults if d is not None)))
        elif isinstance(part, ast.comprehension):  # its names are its own
            todo.extend((part.iter, *part.ifs))
        else:
            todo.extend(ast.iter_child_nodes(part))
