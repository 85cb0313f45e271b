"""Python's parser, for one thread at a time."""

from __future__ import annotations

import ast
import threading
from typing import Any

_LOCK = threading.Lock()


def parse(source: str | bytes, filename: str = "<unknown>", mode: str = "exec") -> Any:
    """As `ast.parse`, and raises what that raises.

    CPython 3.11 and 3.12 count the depth of a tree that they make in a place that all threads share,
    and now and then raise `SystemError` where two make one at the same time.
    """
    with _LOCK:
        return ast.parse(source, filename, mode)
