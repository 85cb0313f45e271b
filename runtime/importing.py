"""A project's modules in a process: files on `sys.path`, found in the copy that this node has of them.

They are what Python itself looks for: `import_module`, `pkgutil`, `importlib.resources` find them, and so do
the processes that a task starts, through `sys.path` and `PYTHONPATH`. What our own loader adds is where
they came from: tracebacks, debuggers and `__file__` name the user's own files.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import os
import sys
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader, FileFinder
from pathlib import Path
from types import ModuleType
from typing import Any

from wfc.plan import python
from wfc.runtime.copies import File, digest_of, place, unpack

KEPT = 8
"""How many projects one process keeps ready, so that runs that take turns do not import anew."""

lock = threading.RLock()
"""Held while modules come and go."""

_PATH = "PYTHONPATH"


@dataclass(eq=False, slots=True)
class Code:
    """The files of a project as they stand in this process. `modules` are those that were imported, while
    another project is active; `data` is what was shipped."""

    digest: str
    data: bytes
    folder: str
    files: dict[str, File]
    modules: dict[str, ModuleType] = field(default_factory=dict)

    def module_file(self, name: str) -> File | None:
        """The file of a module (a package's `__init__.py`), if it is one of the project's."""
        path = name.replace(".", "/")
        return self.files.get(f"{path}/__init__.py") or self.files.get(f"{path}.py")

    def holds(self, path: Any) -> bool:
        """Whether a path is one of the copy's."""
        return isinstance(path, str) and (path + os.sep).startswith(self.folder + os.sep)


class Loader(importlib.machinery.SourceFileLoader):
    """Loads a module of a copy."""

    def __init__(self, code: Code, fullname: str, path: str) -> None:
        super().__init__(fullname, path)
        self.code = code

    @property
    def origin(self) -> str:
        """The user's own file."""
        return self.code.files[Path(self.path).relative_to(self.code.folder).as_posix()].origin

    def get_code(self, fullname: str) -> Any:
        """Compiled anew, and never stored: stored code would name the copy's file."""
        return compile(self.get_data(self.path), self.origin, "exec", dont_inherit=True)


class Finder(FileFinder):
    """Finds the modules in a folder of a copy."""

    def __init__(self, code: Code, path: str) -> None:
        modules: Any = partial(Loader, code)
        extensions: Any = ExtensionFileLoader
        super().__init__(path, (extensions, list(EXTENSION_SUFFIXES)), (modules, [".py"]))
        self.code = code

    def find_spec(self, fullname: str, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        """As `FileFinder`, but a module's `__file__` is the user's own file where that is there: so
        whatever it opens beside it is found."""
        spec = super().find_spec(fullname, target)
        loader = spec.loader if spec is not None else None
        if spec is None or not isinstance(loader, Loader) or not os.path.exists(loader.origin):
            return spec
        if target is not None and not _children:  # `reload`, in a process of the user's own
            return importlib.util.spec_from_file_location(
                fullname, loader.origin, submodule_search_locations=spec.submodule_search_locations
            )
        spec.origin = loader.origin
        return spec


_codes: dict[str, Code] = {}
_active: Code | None = None
_children = False
"""Whether the processes that this one starts are to find the project's modules."""


def code_of(module: Any) -> Code | None:
    """The project that a module came from, in this process."""
    return _active if _active is not None and _from(module, _active) else None


def outside(paths: Iterable[str]) -> list[str]:
    """Those of these folders that are in no copy."""
    homes = {os.path.dirname(code.folder) + os.sep for code in _codes.values()}
    return [path for path in paths if not any(path.startswith(home) for home in homes)]


def active() -> Code | None:
    """The project of which the modules are in place."""
    return _active


def known(digest: str) -> Code | None:
    """A project that this process has at hand."""
    return _codes.get(digest)


def open_code(data: bytes) -> Code:
    """The project that was packed so, on this node's disk. Raises `OSError`."""
    digest = digest_of(data)
    with lock:
        code = _codes.pop(digest, None)
        if code is None:
            files = unpack(data)
            folder = str(place(digest, files))
            code = Code(digest, data, folder, {file.name: file for file in files})
            python.COPIES.add(folder)
        _codes[digest] = code
        for oldest in list(_codes)[:-KEPT]:
            if _codes[oldest] is not _active:
                del _codes[oldest]
        return code


def activate(code: Code, *, children: bool = False) -> None:
    """Put a project's modules in the place of those of the one before; `children`: for the processes that
    this one will start too, which makes it one that only works for runs."""
    global _active, _children
    with lock:
        if _hook not in sys.path_hooks:
            sys.path_hooks.insert(0, _hook)
        if code is not _active:
            before, _active = _active, code
            for path, finder in list(sys.path_importer_cache.items()):
                if code.holds(path) and getattr(finder, "code", None) is not code:
                    del sys.path_importer_cache[path]  # of before there was our hook
            if before is not None:
                _exchange(before, code)
            sys.modules.update(code.modules)
        if code.folder not in sys.path:
            sys.path[:] = [code.folder, *outside(sys.path)]
        if children:
            _children = True
            found = os.environ.get(_PATH, "").split(os.pathsep)
            if code.folder != found[0]:
                os.environ[_PATH] = os.pathsep.join(
                    [code.folder, *(path for path in outside(found) if path)]
                )


def _hook(path: str) -> Finder:
    """For `sys.path_hooks`."""
    for code in _codes.values():
        if code.holds(path) and os.path.isdir(path):
            return Finder(code, path)
    raise ImportError("not in a copy of a project")


def _exchange(before: Code, after: Code) -> None:
    """Put the modules of one project aside. Those that are the same in the other one, with all that they
    import, are in both: what is an instance of their classes stays one."""
    before.modules = {
        name: module for name, module in list(sys.modules.items()) if _from(module, before)
    }
    same = _Same(before, after)
    for name, module in before.modules.items():
        del sys.modules[name]
        if name not in after.modules and same.module(name):
            after.modules[name] = module
    for name, module in after.modules.items():
        path = name.replace(".", "/")
        spec, places = module.__spec__, getattr(module, "__path__", None)
        if isinstance(places, list):
            places[:] = [os.path.join(after.folder, path)]
        if spec is not None and isinstance(spec.loader, Loader):
            spec.loader.path = os.path.join(
                after.folder, os.path.relpath(spec.loader.path, spec.loader.code.folder)
            )
            spec.loader.code = after


def _from(module: Any, code: Code) -> bool:
    attributes = getattr(module, "__dict__", {})
    spec, places = attributes.get("__spec__"), attributes.get("__path__")
    if code.holds(getattr(getattr(spec, "loader", None), "path", None)):
        return True
    return places is not None and any(map(code.holds, list(places)))


class _Same:
    """Which modules are alike in two projects, with all that they import."""

    def __init__(self, one: Code, other: Code) -> None:
        self._one, self._other = one, other
        self._told: dict[str, bool] = {}

    def module(self, name: str) -> bool:
        """Whether this one is."""
        if name in self._told:
            return self._told[name]
        todo, seen = [name], {name}
        while todo:
            name = todo.pop()
            file = self._one.module_file(name)
            if file != self._other.module_file(name):
                self._told[name] = False
            if not self._told.get(name, True):
                return False
            if file is None or file.data is None:
                continue
            found = python.imports(name, file.data, file.name.endswith("/__init__.py"))
            parent = name.rpartition(".")[0]
            for each in (*found, *([parent] if parent else [])):
                if each not in seen:
                    seen.add(each)
                    todo.append(each)
        self._told.update(dict.fromkeys(seen, True))
        return True
