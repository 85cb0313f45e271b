"""A static workflow as Python source that builds the Ray DAG of it, for those who want to read or keep it."""

from __future__ import annotations

import re
from typing import Any

from wfc.compiler import codes
from wfc.compiler.emit.text import text
from wfc.dsl.ast import Span
from wfc.dsl.diagnostics import Diagnostic
from wfc.plan.model import ParamDef, Plan
from wfc.plan.unroll import Known, NotStatic, Ref, Step, unroll

_HEAD = '''\
"""The workflow `{entry}` of {file} as a Ray DAG, written by `wfc compile --emit ray`.

`python {script}` runs it where its functions can be imported. It has Ray's semantics: nothing is
checkpointed, and options that only wfc has ({ours}) are not here.
"""

import ray
{imports}
from wfc.runtime.executors.ray_dag import ray_options, run_expression

value = ray.remote(num_cpus=0)(run_expression)  # a pure expression of the spec


def after(count, function):
    """The function, with arguments before its own that only have to be there first."""
    return lambda *args, **kwargs: function(*args[count:], **kwargs)


def build():
    """The graph; of its last node `execute({given})` gives an `ObjectRef`."""
'''
_OURS = "timeout, backoff, concurrency, priority, checkpoint"


def refusal(plan: Plan, found: NotStatic) -> Diagnostic:
    """Why a workflow has no Ray DAG, as what is wrong with the spec."""
    file, line, column, end_line, end_column = found.where
    span = Span(plan.files[file].path, line, column, end_line, end_column)
    hint = found.hint or "run it with `wfc run`, which decides while it runs"
    message = f"not a static workflow: {found.what}"
    return Diagnostic(codes.NOT_STATIC, message, span, "decided at run time", hint)


def source(plan: Plan) -> str:
    """The Python source. Raises `NotStatic`."""
    unrolled = unroll(plan)
    entry = plan.workflows[plan.entry]
    names = _names(unrolled.steps, plan.entry)
    modules = sorted({plan.tasks[s.task].module for s in unrolled.steps if s.task is not None})
    head = _HEAD.format(
        entry=plan.entry,
        file=plan.files[entry.where[0]].path,
        script="this_file.py",
        ours=_OURS,
        imports="".join(f"import {module}\n" for module in modules),
        given=", ".join(f"{p.name}=…" for p in entry.params),
    )
    inner = [_line(plan, step, names) for step in unrolled.steps]
    inner.append(f"return {names[unrolled.steps[-1].id]}")
    if entry.params:
        head += "    with ray.dag.InputNode() as given:\n"
    indent = " " * (8 if entry.params else 4)
    body = "\n".join(indent + line for line in inner)
    return (
        head.replace("import ray\n", "import ray\nimport ray.dag\n", 1) + body + _tail(entry.params)
    )


def _tail(params: list[ParamDef]) -> str:
    given = "**json.loads(sys.argv[1])" if params else ""
    imports = "    import json\n    import sys\n\n" if params else ""
    return (
        f'\n\n\nif __name__ == "__main__":\n{imports}    print(ray.get(build().execute({given})))\n'
    )


def _names(steps: list[Step], entry: str) -> dict[str, str]:
    """A variable for each step."""
    made: dict[str, str] = {}
    taken = {"ray", "value", "after", "build", "given", "ray_options", "run_expression"}
    for step in steps:
        base = re.sub(r"\W+", "_", step.id.removeprefix(f"{entry}/")).strip("_") or "step"
        base = f"v_{base}" if base[0].isdigit() else base
        name, count = base, 1
        while name in taken:
            count += 1
            name = f"{base}_{count}"
        taken.add(name)
        made[step.id] = name
    return made


def _line(plan: Plan, step: Step, names: dict[str, str]) -> str:
    def given(operand: Known | Ref) -> str:
        if isinstance(operand, Known):
            return repr(operand.value)
        return f"given.{operand.step}" if operand.parameter else names[operand.step]

    after = [names[name] for name in step.after]
    if step.task is None:
        env = ", ".join(f"{name!r}: {given(value)}" for name, value in step.kwargs.items())
        args = [repr(step.expr), *after, *([f"**{{{env}}}"] if env else [])]
        return f"{names[step.id]} = value.bind({', '.join(args)})  # {text(step.expr)}"
    task = plan.tasks[step.task]
    function = f"{task.module}.{task.qualname}"
    args = [*after, *map(given, step.args), *(f"{k}={given(v)}" for k, v in step.kwargs.items())]
    made = f"ray.remote({f'after({len(after)}, {function})' if after else function})"
    options: dict[str, Any] = {"name": step.id, **step.options}
    return f"{names[step.id]} = {made}.options(**ray_options({options!r})).bind({', '.join(args)})"
