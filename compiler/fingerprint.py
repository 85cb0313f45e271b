"""Hashes of Python code that only a change of its meaning changes.

The form hashed is our own walk over the syntax tree, not `ast.dump`, whose text differs between
versions of Python: an upgrade of Python must not look like an edit.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from hashlib import blake2b

from wfc.compiler.pymodules import Defined, Finder, PyModule
from wfc.compiler.signatures import Function

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Module)


def of(function: Function) -> str:
    """See `wfc.compiler.signatures.fingerprint`."""
    digest = blake2b(digest_size=16)
    if function.origin is None or function.reader is None:
        digest.update(f"{function.module}:{function.qualname}".encode())
        return digest.hexdigest()
    digest.update(f"{function.origin.name};".encode())
    reached = _Reach(function.reader.finder)
    reached.add(function.origin)
    reached.close()
    for key in sorted(reached.parts):
        digest.update(f"{key[0]}:{key[1]}=".encode())
        digest.update(reached.parts[key].encode())
    return digest.hexdigest()


class _Reach:
    """Collects the definitions that one definition reaches by name, in modules beside the spec."""

    def __init__(self, finder: Finder) -> None:
        self.finder = finder
        self.parts: dict[tuple[str, str], str] = {}
        self.todo: list[tuple[PyModule, ast.AST]] = []

    def add(self, found: Defined) -> None:
        """Add a definition, once."""
        key = (found.module.name, found.name)
        if key in self.parts:
            return
        nodes: list[ast.AST] = [found.node]
        top = found.module.names.get(found.name)
        if top and not isinstance(top[-1], (ast.Import, ast.ImportFrom)):
            nodes = [n for n in top if not isinstance(n, (ast.Import, ast.ImportFrom))]
        self.parts[key] = ";".join(normal(n) for n in nodes)
        if found.module.beside is not None:
            self.todo.extend((found.module, n) for n in nodes)

    def close(self) -> None:
        """Follow names until nothing new is reached."""
        while self.todo:
            module, node = self.todo.pop()
            for chain in _dotted_names(node):
                self._reach(module, chain)

    def _reach(self, module: PyModule, chain: list[ast.AST]) -> None:
        """Add what a dotted name stands for: the longest part of it that stands for anything."""
        for target in chain:
            found = self.finder.dotted(module, target)
            if isinstance(found, Defined):
                if found.module.beside is not None:
                    self.add(found)
                return
            if isinstance(found, PyModule):
                if found.beside is not None:  # used as a whole: `getattr(helpers, name)`
                    for name in list(found.names):
                        inner = self.finder.resolve(found, name)
                        if isinstance(inner, Defined) and inner.module.beside is not None:
                            self.add(inner)
                return


def _dotted_names(node: ast.AST) -> Iterator[list[ast.AST]]:
    """The names that a definition reads, each with what it is the start of, longest first."""
    todo: list[ast.AST] = [node]
    while todo:
        current = todo.pop()
        chain: list[ast.AST] = []
        part = current
        while isinstance(part, ast.Attribute):
            chain.append(part)
            part = part.value
        if isinstance(part, ast.Name):
            yield [*chain, part]
        else:
            todo.extend(ast.iter_child_nodes(part))


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
