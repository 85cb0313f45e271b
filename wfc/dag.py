"""Static workflows as graphs of Ray's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wfc.api import Prepared, plan_of
from wfc.errors import SpecError
from wfc.plan.unroll import NotStatic, unroll

if TYPE_CHECKING:
    from wfc.api import Source


def to_ray_dag(source: Source, /, **params: Any) -> Any:
    """A static workflow as a Ray DAG: `ray.get(wfc.to_ray_dag(plan, day="…").execute())`.

    `source` is what `wfc.run` takes. Constants and parameters may decide what there is to run, and
    nothing else may: for the first construct that only a run can decide (a branch on what a task
    gives, a `wait`, a `catch`, …) a `SpecError` with its place is raised. The graph has Ray's
    semantics: no checkpoints, and of a call's options only those that Ray has. Raises
    `ParameterError` and `FunctionsError` too.
    """
    plan = plan_of(source, optimize=False)
    prepared = Prepared(plan)
    try:
        unrolled = unroll(plan, prepared.validate(params))
    except NotStatic as found:
        from wfc.compiler.emit.ray import refusal

        sources = {file.path: file.text for file in plan.files}
        raise SpecError([refusal(plan, found)], sources) from None
    from wfc.runtime.executors.ray_dag import bind

    return bind(unrolled, prepared.functions)
