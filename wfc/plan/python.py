"""Python's parser, for one thread at a time.

CPython 3.11 and 3.12 count the depth of a tree that they make in a place that all threads share, and
now and then raise `SystemError` where two make one at the same time.
"""

from __future__ import annotations

import ast
import threading

_LOCK = threading.Lock()


def parse_module(source: str | bytes, filename: str = "<unknown>") -> ast.Module:
    """As `ast.parse`, and raises what that raises."""
    with _LOCK:
        return ast.parse(source, filename)


def parse_expression(source: str) -> ast.expr:
    """As `ast.parse` for an expression, and raises what that raises."""
    with _LOCK:
        return ast.parse(source, mode="eval").body
