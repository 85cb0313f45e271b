"""Python's parser, for one thread at a time.

CPython 3.11 and 3.12 count the depth of a tree that they make in a place that all threads share, and
now and then raise `SystemError` where two make one at the same time.
"""

from __future__ import annotations

import ast
import importlib.util
import threading

_LOCK = threading.Lock()

COPIES: set[str] = set()
"""Folders on this process's `sys.path` that hold what its runs brought along: nothing is installed there."""


def parse_module(source: str | bytes, filename: str = "<unknown>") -> ast.Module:
    """As `ast.parse`, and raises what that raises."""
    with _LOCK:
        return ast.parse(source, filename)


def parse_expression(source: str) -> ast.expr:
    """As `ast.parse` for an expression, and raises what that raises."""
    with _LOCK:
        return ast.parse(source, mode="eval").body


def imports(name: str, source: str | bytes, package: bool) -> list[str]:
    """The modules that a module's code may import (names of functions among them do no harm)."""
    try:
        tree = parse_module(source)
    except (SyntaxError, ValueError):
        return []  # importing it will say so, with its own traceback
    parent = name if package else name.rpartition(".")[0]
    out: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            out.extend(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                try:
                    base = importlib.util.resolve_name("." * node.level + base, parent)
                except ImportError:
                    continue
            out.extend([base, *(f"{base}.{alias.name}" for alias in node.names)])
    return [module for module in out if module]
