"""From a path to a checked spec or a plan."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wfc.errors import ParameterError, SpecError

if TYPE_CHECKING:
    from wfc.compiler import Compiled
    from wfc.dsl.diagnostics import Diagnostic
    from wfc.params import Classes
    from wfc.plan.model import Plan


@dataclass(frozen=True, slots=True)
class Spec:
    """A spec without errors. `warnings` are what the checks found all the same."""

    path: Path
    warnings: tuple[Diagnostic, ...] = ()
    sources: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Checked:
    """What the checks found, and the text of the files that they point into."""

    diagnostics: list[Diagnostic]
    sources: Mapping[str, str]


def check(path: str | os.PathLike[str], *, strict: bool = False) -> Checked:
    """All that is wrong with a spec and what it imports. No Python of the user's is imported."""
    from wfc.compiler.check import check as check_project
    from wfc.compiler.project import load as load_project

    project = load_project(path)
    return Checked(check_project(project, strict=strict), project.sources())


def load(path: str | os.PathLike[str], *, strict: bool = False) -> Spec:
    """Read and check a spec. Raises `SpecError`."""
    found = check(path, strict=strict)
    if any(d.severity == "error" for d in found.diagnostics):
        raise SpecError(found.diagnostics, found.sources)
    return Spec(Path(path), tuple(found.diagnostics), found.sources)


def compile_path(
    path: str | os.PathLike[str],
    workflow: str | None = None,
    *,
    optimize: bool = True,
    strict: bool = False,
) -> tuple[Plan, Compiled]:
    """The plan of a workflow, and all that came of compiling it. Raises `SpecError`."""
    from wfc.compiler import compile_spec

    done = compile_spec(path, workflow, optimize=optimize, strict=strict)
    if done.plan is None:
        raise SpecError(done.diagnostics, done.sources)
    return done.plan, done


def split_target(target: str) -> tuple[str, str | None]:
    """`SPEC:WORKFLOW` as its two parts; a dotted workflow is one of an imported spec."""
    path, sign, name = target.rpartition(":")
    if sign and path and all(part.isidentifier() for part in name.split(".")):
        return path, name
    return target, None


def is_plan(path: str | os.PathLike[str]) -> bool:
    """Whether this is a plan that was compiled before, by its name."""
    return os.fspath(path).endswith(".json")


def read_plan(path: str | os.PathLike[str]) -> Plan:
    """A plan that `wfc compile -o` wrote; its project's root is found as a spec's is.

    Raises `ParameterError` when it is none.
    """
    from wfc.compiler.project import find_root
    from wfc.plan.model import Plan

    try:
        plan = Plan.from_json(Path(path).read_bytes())
    except OSError as error:
        raise ParameterError([f"cannot read {path}: {error.strerror}"]) from None
    except ValueError as error:
        reason = str(error).partition("\n")[0]
        raise ParameterError([f"{path} is not a plan of this version: {reason}"]) from None
    return plan.model_copy(update={"root": str(find_root(Path(path).resolve().parent))})


def class_modules(plan: Plan) -> dict[str, tuple[str, str, str]]:
    """The classes that the entry's file imports: name to (module, qualified name, folder).

    The plan itself knows types as text alone; a run that is about to start may look further.
    """
    from wfc.dsl import ast
    from wfc.dsl.parser import parse

    file = plan.files[plan.workflows[plan.entry].where[0]]
    module = parse(file.text, file.path).module
    folder = os.path.dirname(file.path) or "."
    return {
        name.alias: (declared.module, name.name, folder)
        for declared in (module.declarations if module else ())
        if isinstance(declared, ast.FromImport)
        for name in declared.names
    }


def needs_classes(plan: Plan) -> bool:
    """Whether some parameter of the entry is declared with a class of the user's."""
    from wfc.params import resolve_type

    seen: list[str] = []

    def note(name: str) -> Any:
        seen.append(name)
        return Any

    for param in plan.workflows[plan.entry].params:
        resolve_type(param.type, note)
    return bool(seen)


def classes_of(plan: Plan) -> Classes:
    """Finds the classes that parameters are declared with; to be used once the plan's functions are
    loaded, so that their modules can be imported."""
    if not needs_classes(plan):
        from wfc.params import anything

        return anything
    known = class_modules(plan)

    def find(name: str) -> Any:
        if name not in known:
            return Any
        import importlib

        from wfc.params import is_type

        module, qualname, _ = known[name]
        try:
            found = getattr(importlib.import_module(module), qualname, Any)
        except Exception as error:  # whatever the user's module does
            message = f"importing {module!r}, for the type {name}, failed: {error!r}"
            raise ParameterError([message]) from error
        return found if is_type(found) else Any

    return find
