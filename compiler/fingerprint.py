"""Hashes of Python code that only a change of its meaning changes.

The form hashed is our own walk over the syntax tree, not `ast.dump`, whose text differs between
versions of Python: an upgrade of Python must not look like an edit.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from hashlib import blake2b

from wfc.compiler.reach import Reach
from wfc.compiler.signatures import Function

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Module)


def of(function: Function, beside: Iterable[Function], version: str) -> str:
    """See `wfc.compiler.signatures.fingerprint`."""
    digest = blake2b(f"version {version};".encode() if version else b"", digest_size=16)
    if function.origin is None or function.reader is None:
        digest.update(f"{function.module}:{function.qualname}".encode())
        return digest.hexdigest()
    origin, reader = function.origin, function.reader
    reached = Reach(reader.finder, reader.effects)
    for other in (function, *beside):
        search = other.origin.module.search if other.origin is not None else origin.module.search
        named = reader.finder.module(other.module, search)
        if named is not None:
            reached.load(named)
    reached.add(origin)
    reached.close()
    digest.update(f"{origin.name};".encode())
    for module, name in sorted(reached.parts):
        digest.update(f"{module}:{name}=".encode())
        digest.update(";".join(normal(n) for n in reached.parts[module, name]).encode())
        if (module, name) in reached.under:
            digest.update(f"?{';'.join(normal(n) for n in reached.under[module, name])}".encode())
    for module, statements in reached.statements.items():
        for statement in statements:
            digest.update(f"{module}+{normal(statement.node)}".encode())
            digest.update(";".join(normal(n) for n in statement.guards).encode())
    return digest.hexdigest()


def normal(node: ast.AST) -> str:
    """The tree as text, without positions, docstrings, and fields that say nothing.

    A loop and not a recursion: a sum of thousands of terms is a deep tree.
    """
    out: list[str] = []
    todo: list[object] = [node]
    while todo:
        value = todo.pop()
        if isinstance(value, _Text):
            out.append(value)
        elif isinstance(value, ast.Constant):
            out.append(f"{type(value.value).__name__}:{value.value!r}")
        elif isinstance(value, ast.AST):
            out.append(f"{type(value).__name__}(")
            todo.append(_Text(")"))
            for name, part in reversed(list(_fields(value))):
                todo.extend((_Text(","), part, _Text(f"{name}=")))
        elif isinstance(value, list):
            out.append("[")
            todo.append(_Text("]"))
            for item in reversed(value):
                todo.extend((_Text(","), item))
        else:
            out.append(repr(value))
    return "".join(out)


class _Text(str):
    """Text that stands in the output as it is."""

    __slots__ = ()


def _fields(node: ast.AST) -> Iterator[tuple[str, object]]:
    """The fields that say something."""
    for name in node._fields:
        part = getattr(node, name, None)
        if part is None or part == [] or name in ("ctx", "type_comment", "type_ignores"):
            continue
        if name == "body" and isinstance(node, _FUNCTIONS) and _is_doc(part[0]):
            part = part[1:]
        yield name, part


def _is_doc(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )
