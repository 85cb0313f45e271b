"""What a compiled program can be written as: one function per form, all `Compiled -> str`."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

from wfc.compiler.limits import deep

if TYPE_CHECKING:
    from wfc.compiler import Compiled

__all__ = ["FORMS", "STATIC", "emit"]


def _plan(compiled: Compiled) -> str:
    assert compiled.plan is not None
    return json.dumps(compiled.plan.to_plain(), indent=1, ensure_ascii=False) + "\n"


def _ir(compiled: Compiled) -> str:
    from wfc.compiler.emit.ir import dump

    assert compiled.ir is not None
    return dump(compiled.ir)


def _dot(compiled: Compiled) -> str:
    from wfc.compiler.emit.dot import dot

    assert compiled.plan is not None
    return dot(compiled.plan)


def _mermaid(compiled: Compiled) -> str:
    from wfc.compiler.emit.mermaid import mermaid

    assert compiled.plan is not None
    return mermaid(compiled.plan)


def _svg(compiled: Compiled) -> str:
    from wfc.compiler.emit.svg import svg

    assert compiled.plan is not None
    return svg(compiled.plan)


def _ray(compiled: Compiled) -> str:
    from wfc.compiler.emit.ray import source

    assert compiled.plan is not None
    return source(compiled.plan)


FORMS: dict[str, Callable[[Compiled], str]] = {
    "plan": _plan,
    "ir": _ir,
    "dot": _dot,
    "mermaid": _mermaid,
    "svg": _svg,
}
"""The forms that every program has."""

STATIC: dict[str, Callable[[Compiled], str]] = {"ray": _ray}
"""The forms that only static ones have."""


def emit(compiled: Compiled, form: str) -> str:
    """Write a compiled program; raises `KeyError` for an unknown form, and for `ray` `NotStatic`.

    The program must have compiled: `Compiled.plan` is not `None`.
    """
    with deep():
        return {**FORMS, **STATIC}[form](compiled)
