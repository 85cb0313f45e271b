"""An unrolled workflow as a graph of Ray's own (`ray.dag`), for Ray's tools: nothing of it is durable.

It imports ray in the user's process, where no run of ours is: a second place for that, by intent.
"""

from __future__ import annotations

import builtins
import pickle
from collections.abc import Mapping
from pydoc import locate
from typing import Any

import cloudpickle  # type: ignore[import-untyped]

from wfc.plan.expr import compile_expr
from wfc.plan.unroll import Known, Ref, Step, Unrolled
from wfc.runtime import functions
from wfc.runtime.policy import DEFAULT_MAX_RETRIES

RAYS_OWN = frozenset(
    [
        "num_cpus", "num_gpus", "memory", "resources", "accelerator_type", "runtime_env",
        "scheduling_strategy", "label_selector", "max_retries", "retry_exceptions", "name",
    ]
)  # fmt: skip
"""Options that Ray knows; `timeout`, `backoff`, `concurrency` and `priority` are the runtime's."""


class Sealed:
    """A value on its way from task to task. Ray reads arguments before it calls the function, and a
    class beside the spec is known only once the functions are loaded; so it is read after that."""

    def __init__(self, value: Any) -> None:
        self.buffers: list[pickle.PickleBuffer] = []
        self.data = cloudpickle.dumps(value, protocol=5, buffer_callback=self.buffers.append)

    def open(self) -> Any:
        """The value. Large arrays stay where Ray has them."""
        return pickle.loads(self.data, buffers=self.buffers)


def run_task(
    bundle: bytes, target: str, skip: int, last: bool, /, *args: Any, **kwargs: Any
) -> Any:
    """In a Ray worker: call a task's function; the first `skip` arguments only come before it."""
    call = functions.load(bundle, children=True)[target]
    given = {name: value.open() for name, value in kwargs.items()}
    value = call(*(arg.open() for arg in args[skip:]), **given)
    return value if last else Sealed(value)


def run_expression(expr: Any, /, *_after: Any, **env: Any) -> Any:
    """In a Ray worker: evaluate a pure expression."""
    return compile_expr(expr)(env)


def run_sealed(bundle: bytes, expr: Any, last: bool, /, *_after: Any, **env: Any) -> Any:
    """In a Ray worker: evaluate a pure expression over values on their way."""
    functions.load(bundle, children=True)
    value = run_expression(expr, **{name: value.open() for name, value in env.items()})
    return value if last else Sealed(value)


def ray_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Those options of a call that Ray has too. Raises `LookupError` for an unknown exception."""
    own = {key: value for key, value in options.items() if key in RAYS_OWN}
    own.setdefault("max_retries", DEFAULT_MAX_RETRIES)
    listed = own.get("retry_exceptions")
    if isinstance(listed, list):
        own["retry_exceptions"] = [_exception(name) for name in listed]
    return own


def _exception(name: str) -> Any:
    found = getattr(builtins, name, None) or locate(name)
    if found is None:
        raise LookupError(f"there is no exception {name!r} to retry")
    return found


def bind(unrolled: Unrolled, bundle: bytes) -> Any:
    """The graph: its last node, of which `execute()` gives an `ObjectRef`. Ray is started, as Ray does
    that by itself, when there is none."""
    import ray

    task, expression = ray.remote(run_task), ray.remote(num_cpus=0)(run_sealed)
    shipped = ray.put(bundle)
    made: dict[str, Any] = {}

    def given(operand: Known | Ref) -> Any:
        return Sealed(operand.value) if isinstance(operand, Known) else made[operand.step]

    def node(step: Step) -> Any:
        after = [made[name] for name in step.after]
        last = step is unrolled.steps[-1]
        kwargs = {name: given(value) for name, value in step.kwargs.items()}
        if step.task is None:
            return expression.options(name=step.id).bind(shipped, step.expr, last, *after, **kwargs)
        options = {"name": step.id, **ray_options(step.options)}
        args = [*after, *map(given, step.args)]
        return task.options(**options).bind(shipped, step.task, len(after), last, *args, **kwargs)

    for step in unrolled.steps:
        made[step.id] = node(step)
    return made[unrolled.steps[-1].id]
