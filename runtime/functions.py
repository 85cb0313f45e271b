"""The Python functions of a plan: found, checked, and shipped to wherever they run.

Modules that live beside a spec travel as *source*. A worker imports them under their own names, as
Python would, from the text that was shipped: it needs no shared disk, and a class has one identity
for all values of a run, also for those that an earlier process wrote (code pickled by value would
give every process a class of its own, and every value a copy of it). Installed modules are named
only, and imported where they are used.
"""

from __future__ import annotations

import ast
import fnmatch
import functools
import hashlib
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import pickle
import sys
import threading
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias

from wfc.dsl.suggest import nearest
from wfc.plan import python
from wfc.plan.model import Plan, Where

Functions: TypeAlias = dict[str, Callable[..., Any]]

KEPT = 8
"""How many programs one process keeps ready, so that runs that take turns do not import anew."""


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


@dataclass(frozen=True, slots=True)
class Source:
    """A module beside a spec. `file` is where it lay, for tracebacks; `text` is `None` for a bare
    folder (a namespace package)."""

    file: str
    text: str | None
    package: bool


Sources: TypeAlias = dict[str, Source]
Seen: TypeAlias = set[tuple[str, tuple[Path, ...]]]
Names: TypeAlias = dict[str, tuple[str, str]]
"""Module and qualified name by task name."""


# ---------------------------------------------------------------------------- at the coordinator


def bundle(
    plan: Plan,
    root: str | Path | None = None,
    *,
    allow: Sequence[str] = (),
    also: Iterable[tuple[str, str]] = (),
) -> bytes:
    """All functions of `plan` as bytes, of which `load` (or `pickle.loads`) makes `{task: callable}`.

    They are imported and checked here first, so that nothing starts with a function missing.
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
    sources: Sources = {}
    seen: Seen = set()
    for module, folder in also:
        _collect(module, _folders(base, folder), sources, seen)
    for task in plan.tasks.values():
        if task.beside is None:
            continue
        try:
            _collect(task.module, _folders(base, task.beside), sources, seen)
        except _NameTakenError as error:
            problems.append(Problem(task.name, str(error), task.where))
    if problems:
        raise FunctionsError(problems)
    names = {task.name: (task.module, task.qualname) for task in plan.tasks.values()}
    data = pickle.dumps(_Shipped(sources, names), protocol=5)
    _check(plan, load(data, partial=True), allow)
    return data


def _check(plan: Plan, found: Functions, allow: Sequence[str]) -> None:
    problems = []
    for task in plan.tasks.values():
        function = found[task.name]
        if isinstance(function, _Broken):
            problems.append(Problem(task.name, function.message, task.where, function.traceback))
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


def _folders(root: Path, beside: str) -> tuple[Path, ...]:
    folder = (root / beside).resolve()
    return (folder,) if folder == root else (folder, root)


class _NameTakenError(Exception):
    pass


def _collect(module: str, folders: tuple[Path, ...], into: Sources, seen: Seen) -> None:
    """Add the source of `module` and of everything beside it that it imports, anywhere in its code,
    but for what was `seen` before: the functions of one module have most of that in common."""
    todo = [module]
    while todo:
        name = todo.pop()
        if (name, folders) in seen:
            continue
        seen.add((name, folders))
        parent = name.rpartition(".")[0]
        if parent:
            todo.append(parent)
        source = _find(name, folders)
        if source is None:
            continue
        other = into.setdefault(name, source)
        if other.file != source.file:
            raise _NameTakenError(
                f"two modules are called {name!r} in one run, {other.file} and {source.file}: "
                "rename one"
            )
        if source.text is not None:
            todo.extend(_imports(name, source))


def _find(name: str, folders: tuple[Path, ...]) -> Source | None:
    parts = name.split(".")
    if parts[0] == "wfc":
        return None
    bare: Path | None = None
    for folder in folders:
        path = folder.joinpath(*parts)
        for file, package in ((path / "__init__.py", True), (path.with_suffix(".py"), False)):
            if package or parts[-1].isidentifier():
                try:
                    return Source(
                        str(file), importlib.util.decode_source(file.read_bytes()), package
                    )
                except (OSError, UnicodeDecodeError, SyntaxError):
                    continue
        if bare is None and path.is_dir():
            bare = path
    # As on `sys.path`, a folder without `__init__.py` counts only when there is no real module.
    if bare is not None and (len(parts) > 1 or not _installed(name)):
        return Source(str(bare), None, True)
    return None


def _installed(name: str) -> bool:
    if isinstance(getattr(sys.modules.get(name), "__loader__", None), _Loader):
        return False
    try:
        found = importlib.machinery.PathFinder.find_spec(name)
    except (ImportError, ValueError):
        return False
    return name in sys.builtin_module_names or (found is not None and found.origin is not None)


def _imports(name: str, source: Source) -> list[str]:
    """The modules that a module's code may import (names of functions among them do no harm)."""
    try:
        tree = python.parse_module(source.text or "")
    except (SyntaxError, ValueError):
        return []  # importing it will say so, with its own traceback
    package = name if source.package else name.rpartition(".")[0]
    out: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            out.extend(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                try:
                    base = importlib.util.resolve_name("." * node.level + base, package)
                except ImportError:
                    continue
            out.extend([base, *(f"{base}.{alias.name}" for alias in node.names)])
    return [module for module in out if module]


# -------------------------------------------------------------------------------- in every process


class _Shipped:
    """What is pickled: unpickling it gives the functions."""

    def __init__(self, sources: Sources, names: Names) -> None:
        self.sources, self.names = sources, names

    def __reduce__(self) -> Any:
        return (_restore, (self.sources, self.names))


@dataclass(eq=False, slots=True)
class _Program:
    """Shipped code as it stands in this process: its modules are in `sys.modules` while active."""

    sources: Sources
    names: Names
    functions: Functions = field(default_factory=dict)
    modules: dict[str, ModuleType] = field(default_factory=dict)


class _Broken:
    """In place of a function that could not be had; calling it says why."""

    def __init__(self, message: str, trace: str = "") -> None:
        self.message, self.traceback = message, trace

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise ImportError(self.message)


class _Loader(importlib.abc.InspectLoader):
    """Makes a module of its shipped source."""

    def __init__(self, source: Source) -> None:
        self.source = source

    def get_source(self, fullname: str) -> str | None:
        return self.source.text or ""

    def is_package(self, fullname: str) -> bool:
        return self.source.package

    def get_code(self, fullname: str) -> Any:
        return compile(self.source.text or "", self.source.file, "exec", dont_inherit=True)


class _Finder(importlib.abc.MetaPathFinder):
    """Finds the modules of the active program before those of `sys.path`."""

    def find_spec(
        self, fullname: str, path: Any = None, target: Any = None
    ) -> importlib.machinery.ModuleSpec | None:
        source = _active.sources.get(fullname) if _active is not None else None
        if source is None:
            return None
        spec = importlib.util.spec_from_loader(
            fullname, _Loader(source), origin=source.file, is_package=source.package
        )
        if spec is not None and source.text is not None:
            spec.has_location = True  # so that the module gets its `__file__`
        if spec is not None and source.package:
            spec.submodule_search_locations = [
                source.file if source.text is None else str(Path(source.file).parent)
            ]
        return spec


_lock = threading.RLock()
_finder = _Finder()
_active: _Program | None = None
_programs: dict[bytes, _Program] = {}


def load(data: bytes, *, partial: bool = False) -> Functions:
    """The functions that `bundle` shipped, and their modules importable by name from here on.

    Of several programs in one process the one that was loaded last has its modules in
    `sys.modules`; loading one again is cheap. Raises `ImportError` when a function cannot be had,
    or with `partial` gives something in its place that raises it when called.
    """
    digest = hashlib.blake2b(data, digest_size=16).digest()
    with _lock:
        known = _programs.get(digest)
        if known is None:
            pickle.loads(data)
            assert _active is not None
            known = _programs[digest] = _active
            for oldest in list(_programs)[:-KEPT]:
                del _programs[oldest]
        else:
            _activate(known)
    if not partial:
        for function in known.functions.values():
            if isinstance(function, _Broken):
                raise ImportError(function.message)
    return known.functions


def _restore(sources: Sources, names: Names) -> Functions:
    with _lock:
        for program in _programs.values():
            if program.sources == sources and program.names == names:
                _activate(program)
                return program.functions
        program = _Program(sources, names)
        _activate(program)
        program.functions.update(
            {task: _function(module, qualname) for task, (module, qualname) in names.items()}
        )
        return program.functions


def _activate(program: _Program) -> None:
    """Put the program's modules in the place of those of the one before."""
    global _active
    if _finder not in sys.meta_path:
        sys.meta_path.insert(0, _finder)
    if program is _active:
        return
    for name, module in list(sys.modules.items()):
        loader = getattr(module, "__loader__", None)
        if isinstance(loader, _Loader):
            if _active is not None:
                _active.modules[name] = module
            if program.sources.get(name) != loader.source:
                del sys.modules[name]
    _active = program
    sys.modules.update(program.modules)


def _function(module: str, qualname: str) -> Callable[..., Any]:
    """The function of that name, or a `_Broken` that tells why not."""
    try:
        found: Any = _import(module)
    except Exception as error:
        message = f"importing {module!r} failed: {_brief(error)}"
        return _Broken(message, user_traceback(error))
    reached = module
    for part in qualname.split("."):
        if not hasattr(found, part):
            near = nearest(part, [name for name in dir(found) if name[:1] != "_"])
            hint = f": did you mean {near!r}?" if near else ""
            return _Broken(f"{reached!r} has no {part!r}{hint}")
        found = getattr(found, part)
        reached = f"{reached}.{part}"
    if type(found).__module__ == "ray.remote_function":
        found = found._function  # what `@ray.remote` wraps: how it runs is the spec's to say
    if not callable(found):
        return _Broken(f"{reached!r} is not callable: it is a {type(found).__name__}")
    function: Callable[..., Any] = found
    return function


def _import(name: str) -> ModuleType:
    present = sys.modules.get(name)
    source = _active.sources.get(name) if _active is not None else None
    if present is not None and source is not None:
        file = getattr(present, "__file__", None)
        shipped = isinstance(getattr(present, "__loader__", None), _Loader)
        if not shipped and (file is None or Path(file).resolve() != Path(source.file)):
            raise ImportError(
                f"{source.file} has the name of a module that is imported already "
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
        if frame.filename != __file__ and "importlib" not in frame.filename:
            break
    else:
        return ""
    lines = ["Traceback (most recent call last):\n", *traceback.format_list(frames[skip:])]
    return "".join([*lines, *traceback.format_exception_only(error)])
