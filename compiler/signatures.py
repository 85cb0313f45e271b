"""Python functions and classes as a spec sees them, read with `ast`: nothing is imported or run."""

from __future__ import annotations

import ast as python
from dataclasses import dataclass
from typing import Literal

from wfc.compiler.types import ANY, Type


@dataclass(frozen=True, slots=True)
class Param:
    """A parameter: `positional` (only), `normal`, `args` (`*a`), `keyword` (only), `kwargs` (`**k`)."""

    name: str
    kind: Literal["positional", "normal", "args", "keyword", "kwargs"] = "normal"
    type: Type = ANY
    has_default: bool = False
    annotated: bool = False


@dataclass(eq=False, slots=True)
class Function:
    """A Python callable that a spec names.

    `module` and `qualname` are how the spec reached it, and how a worker imports it. `beside` is the
    folder (relative to the project's root, `.` for the root) when the module lives beside a spec,
    `None` for installed code. `params` is `None` when the signature is not known (decorated by
    something that may change it, or written in C). `file` and `line` say where it is defined.
    """

    module: str
    qualname: str
    beside: str | None
    params: tuple[Param, ...] | None
    returns: Type = ANY
    returns_annotated: bool = False
    is_class: bool = False
    file: str = ""
    line: int = 0
    node: python.AST | None = None

    @property
    def pending(self) -> list[str]:
        """The names of the parameters annotated `Pending[…]`, which receive handles."""
        from wfc.compiler.types import PendingType

        return [p.name for p in self.params or () if isinstance(p.type, PendingType)]


class PythonReader:
    """Finds and reads Python modules; lazy, and each file once."""

    def sources(self) -> dict[str, str]:
        """The text of the Python files that diagnostics may point into."""
        return {}


def fingerprint(function: Function) -> str:
    """A hash of the normalized source of a function and of the helpers beside the spec it reaches."""
    raise NotImplementedError
