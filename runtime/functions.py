"""The Python functions of a plan: found, checked, and shipped to wherever they run.

Modules that live beside a spec travel as *files* (`wfc.runtime.project` says which). A worker imports
them under their own names, as Python would, from its node's copy of what was shipped: it needs no
shared disk, and a class has one identity for all values of a run, also for those that an earlier
process wrote (code pickled by value would give every process a class of its own, and every value a
copy of it). Installed modules are named only, and imported where they are used.
"""

from __future__ import annotations

import fnmatch
import functools
import hashlib
import importlib
import json
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias

from wfc.dsl.suggest import nearest
from wfc.plan.model import CallNode, Plan, Where
from wfc.runtime.copies import pack
from wfc.runtime.importing import KEPT, Code, activate, active, code_of, lock, open_code
from wfc.runtime.project import NameTakenError, Project
from wfc.runtime.uses import inner_graphs

Functions: TypeAlias = dict[str, Callable[..., Any]]
Names: TypeAlias = Mapping[str, Sequence[str]]
"""Module and qualified name by task name."""

_LENGTH = 8
_MACHINERY = (__file__, sys.modules[Code.__module__].__file__)


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a task's function cannot be used: `where` in the spec, and the user's traceback, if any."""

    task: str
    message: str
    where: Where | None = None
    traceback: str = ""


class FunctionsError(Exception):
    """Some functions of a plan cannot be used; `problems` tells all of them."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(f"{p.task}: {p.message}" for p in problems))
        self.problems = list(problems)


# ---------------------------------------------------------------------------- at the coordinator


def bundle(
    plan: Plan,
    root: str | Path | None = None,
    *,
    allow: Sequence[str] = (),
    also: Iterable[tuple[str, str]] = (),
) -> bytes:
    """All functions of `plan` as bytes, of which `load` makes `{task: callable}`.

    They are imported and checked here first, so that nothing starts with a function missing. (Of a
    task that runs in a `runtime_env` alone, what it imports may be there alone too.)
    `root` is the project's root (by default the plan's). `allow` are patterns of which each
    function must match one, by the name in the spec before anything is imported, and by its real
    module and qualified name afterwards. `also` names further modules beside a spec that are
    needed, as (module, folder). Raises `FunctionsError` with everything that is wrong.
    """
    base = Path(root or plan.root or ".").resolve()
    problems = [
        Problem(task.name, f"{named} is not among the allowed modules", task.where)
        for task in plan.tasks.values()
        if not _allowed(named := f"{task.module}.{task.qualname}", task.module, allow)
    ]
    if problems:
        raise FunctionsError(problems)
    project = Project(base)
    needed: list[tuple[str, str, str, Where | None]]
    needed = [(module, module, folder, None) for module, folder in also]
    needed += [(t.name, t.module, t.beside, t.where) for t in plan.tasks.values() if t.beside]
    for name, module, folder, where in needed:
        try:
            project.add(module, folder)
        except NameTakenError as error:
            problems.append(Problem(name, str(error), where))
    if problems:
        raise FunctionsError(problems)
    names = {task.name: (task.module, task.qualname) for task in plan.tasks.values()}
    wanted = {module for module, _ in names.values()}
    order = [
        found.module
        for found in plan.imports
        if found.module in wanted or (found.module in project.modules and not allow)
    ] or [task.module for task in sorted(plan.tasks.values(), key=lambda task: task.where or ())]
    data = _pack(names, list(dict.fromkeys(order)), pack(project.files()))
    try:
        found = load(data, partial=True)
    except OSError as error:
        reason = f"the project's modules find no place here: {error}; set XDG_CACHE_HOME or TMPDIR"
        raise FunctionsError([Problem(plan.entry, reason)]) from error
    _check(plan, found, allow)
    return data


def _check(plan: Plan, found: Functions, allow: Sequence[str]) -> None:
    problems = []
    broken = any(isinstance(function, Broken) for function in found.values())
    elsewhere = _elsewhere(plan) if broken and not allow else frozenset()
    for task in plan.tasks.values():
        function = found[task.name]
        if isinstance(function, Broken):
            cause = function.cause
            if task.name in elsewhere and cause is not None and not isinstance(cause, SyntaxError):
                continue
            trace = user_traceback(cause) if cause is not None else ""
            problems.append(Problem(task.name, function.message, task.where, trace))
        elif allow:
            module, qualname = real_name(function)
            if not _allowed(f"{module}.{qualname}", module, allow):
                message = (
                    f"{task.module}.{task.qualname} is really {module}.{qualname}, "
                    "which is not among the allowed modules"
                )
                problems.append(Problem(task.name, message, task.where))
    if problems:
        raise FunctionsError(problems)


def _elsewhere(plan: Plan) -> frozenset[str]:
    """The tasks that run in a `runtime_env` wherever the plan calls them."""
    calls: dict[str, list[bool]] = {}
    todo = [g for w in plan.workflows.values() for g in (w.body, w.finally_) if g is not None]
    while todo:
        for node in todo.pop().nodes:
            todo += [inner for _, inner in inner_graphs(node)]
            if isinstance(node, CallNode) and node.callee == "task":
                calls.setdefault(node.target, []).append("runtime_env" in node.options)
    return frozenset(
        task.name
        for task in plan.tasks.values()
        if all(calls.get(task.name, ["runtime_env" in task.options]))
    )


def _allowed(name: str, module: str, allow: Sequence[str]) -> bool:
    return not allow or any(
        fnmatch.fnmatchcase(name, p) or fnmatch.fnmatchcase(module, p) for p in allow
    )


def real_name(function: Any) -> tuple[str, str]:
    """Module and qualified name of what a callable really runs (partials looked through)."""
    while isinstance(function, functools.partial):
        function = function.func
    if not hasattr(function, "__qualname__"):
        function = type(function)
    return str(function.__module__ or "builtins"), str(function.__qualname__)


# -------------------------------------------------------------------------------- in every process


@dataclass(eq=False, slots=True)
class _Program:
    """Shipped code and its functions, as they stand in this process."""

    code: Code
    functions: Functions


class Broken:
    """In place of a function that could not be had; calling it says why."""

    def __init__(self, message: str, cause: BaseException | None = None) -> None:
        self.message, self.cause = message, cause

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Raises `ImportError`."""
        raise ImportError(self.message) from self.cause


_programs: dict[bytes, _Program] = {}


def load(data: bytes, *, partial: bool = False, children: bool = False) -> Functions:
    """The functions that `bundle` shipped, and their modules importable by name from here on; with
    `children` also in the processes that this one starts.

    Of several programs in one process the one that was loaded last has its modules in
    `sys.modules`; loading one again is cheap. Raises `ImportError` when a function cannot be had,
    or with `partial` gives something in its place that raises it when called; `OSError` when the
    modules find no place on this node.
    """
    digest = hashlib.blake2b(data, digest_size=16).digest()
    with lock:
        program = _programs.pop(digest, None)
        if program is None:
            names, modules, files = _unpack(data)
            code = open_code(files)
            activate(code, children=children)
            program = _Program(code, _functions(names, modules))
        else:
            activate(program.code, children=children)
        _programs[digest] = program
        for oldest in list(_programs)[:-KEPT]:
            del _programs[oldest]
    if not partial:
        for function in program.functions.values():
            if isinstance(function, Broken):
                raise ImportError(function.message) from function.cause
    return program.functions


def _pack(names: Names, modules: Sequence[str], files: bytes) -> bytes:
    head = json.dumps([names, modules]).encode()
    return b"".join([len(head).to_bytes(_LENGTH, "big"), head, files])


def _unpack(data: bytes) -> tuple[Names, list[str], bytes]:
    at = _LENGTH + int.from_bytes(data[:_LENGTH], "big")
    names, modules = json.loads(data[_LENGTH:at])
    return names, modules, data[at:]


def _functions(names: Names, modules: Sequence[str]) -> Functions:
    """The functions by task. Their modules are imported in the order of `modules` first."""
    failed: dict[str, Exception] = {}
    for module in modules:
        try:
            _import(module)
        except Exception as error:  # for those that want something of it
            failed[module] = error
    return {task: _function(module, name, failed) for task, (module, name) in names.items()}


def _function(module: str, qualname: str, failed: Mapping[str, Exception]) -> Callable[..., Any]:
    """The function of that name, or a `Broken` that tells why not."""
    try:
        if module in failed:
            raise failed[module]
        found: Any = _import(module)
    except Exception as error:
        return Broken(f"importing {module!r} failed: {_brief(error)}", error)
    reached = module
    for part in qualname.split("."):
        if not hasattr(found, part):
            near = nearest(part, [name for name in dir(found) if name[:1] != "_"])
            hint = f": did you mean {near!r}?" if near else ""
            return Broken(f"{reached!r} has no {part!r}{hint}")
        found = getattr(found, part)
        reached = f"{reached}.{part}"
    if type(found).__module__ == "ray.remote_function":
        found = found._function  # what `@ray.remote` wraps: how it runs is the spec's to say
    if not callable(found):
        return Broken(f"{reached!r} is not callable: it is a {type(found).__name__}")
    function: Callable[..., Any] = found
    return function


def _import(name: str) -> ModuleType:
    present, code = sys.modules.get(name), active()
    ours = code.module_file(name) if code is not None else None
    if present is not None and ours is not None and code_of(present) is None:
        file = getattr(present, "__file__", None)
        if file is None or Path(file).resolve() != Path(ours.origin):
            raise ImportError(
                f"{ours.origin} has the name of a module that is imported already "
                f"({file or 'built in'}): rename it"
            )
    return importlib.import_module(name)


def _brief(error: BaseException) -> str:
    return traceback.format_exception_only(error)[-1].strip()


def user_traceback(error: BaseException) -> str:
    """The traceback of `error` from the first frame that is neither ours nor the import system's."""
    frames = traceback.extract_tb(error.__traceback__)
    skip = 0
    for skip, frame in enumerate(frames):  # noqa: B007
        if frame.filename not in _MACHINERY and "importlib" not in frame.filename:
            break
    else:
        return ""
    lines = ["Traceback (most recent call last):\n", *traceback.format_list(frames[skip:])]
    return "".join([*lines, *traceback.format_exception_only(error)])
