"""What travels with a run: the modules beside its specs, and the data of their packages.

That is what the code imports by name, wherever it lies in the project; and what it may look up when it
runs, which nobody can see in its text: all Python in the folders of the specs and in the packages that
are imported, and the files in their packages.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import logging
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TypeAlias

from wfc.plan import python
from wfc.runtime.copies import File
from wfc.runtime.importing import code_of, outside

logger = logging.getLogger("wfc")

MOST_FILES = 5_000
"""Files that travel without being imported by name, at most."""

MOST_BARE = 1_000
"""Entries of a folder without Python that are looked at, for packages below it."""

LARGEST, MOST_DATA = 16 * 1024 * 1024, 64 * 1024 * 1024
"""Bytes of one data file, and of all, that travel."""

_SOURCES = (".py", *importlib.machinery.EXTENSION_SUFFIXES)
_NO_DATA = (".pyc", ".pyo")

Folders: TypeAlias = tuple[Path, ...]


class NameTakenError(Exception):
    """Two modules of one run have the same name."""


@dataclass(frozen=True, slots=True)
class Source:
    """A module beside a spec. `file` is where it lies; `data` is `None` for a bare folder (a namespace
    package)."""

    file: Path
    data: bytes | None
    package: bool


@dataclass(slots=True)
class Project:
    """Gathers the files of one run. `root` is the project's."""

    root: Path
    modules: dict[str, Source] = field(default_factory=dict)
    """What is imported by name, by that name."""
    _folders: dict[Path, None] = field(default_factory=dict)
    _seen: set[tuple[str, Folders]] = field(default_factory=set)

    def add(self, module: str, beside: str) -> None:
        """A module in a spec's folder (relative to the root), and everything beside it that it imports,
        anywhere in its code. Raises `NameTakenError`."""
        folder = (self.root / beside).resolve()
        folders = (folder,) if folder == self.root else (folder, self.root)
        self._folders[folder] = None
        todo = [module]
        while todo:
            name = todo.pop()
            if (name, folders) in self._seen:
                continue
            self._seen.add((name, folders))
            parent = name.rpartition(".")[0]
            if parent:
                todo.append(parent)
            source = _find(name, folders)
            if source is None:
                continue
            other = self.modules.setdefault(name, source)
            if other.file != source.file:
                raise NameTakenError(
                    f"two modules are called {name!r} in one run, {other.file} and {source.file}: "
                    "rename one"
                )
            if source.data is not None:
                todo.extend(python.imports(name, source.data, source.package))

    def files(self) -> list[File]:
        """All that travels, each file under the name that Python looks for, from one folder on."""
        found: dict[str, File] = {}
        for name, source in self.modules.items():
            path = name.replace(".", "/")
            if source.data is None:
                found[path + "/"] = File(path + "/", str(source.file), None)
            else:
                path += "/__init__.py" if source.package else ".py"
                found[path] = File(path, str(source.file), source.data)
        _Sweep(self, found).all(self._folders)
        return [found[name] for name in sorted(found)]


class _Sweep:
    """Adds what no import names to what `found` has, within bounds; tells what it left out."""

    def __init__(self, project: Project, found: dict[str, File]) -> None:
        self._project = project
        self._found = found
        self._count = 0
        self._bytes = 0
        self._budget = 0
        self._large: list[str] = []

    def all(self, folders: Iterable[Path]) -> None:
        """Go through the specs' folders, and those packages in the project's root that are imported."""
        beside, root = dict.fromkeys(folders), self._project.root
        owners: dict[str, Path] = {}
        bare: set[str] = set()
        for name, source in self._project.modules.items():
            if "." not in name:
                if source.data is None:
                    bare.add(name)
                else:
                    owners[name] = source.file.parents[1 if source.package else 0]
        for folder in dict.fromkeys((*beside, root)):
            for entry in _entries(folder):
                named = _module_name(entry)
                if named is None or owners.get(name := named, folder) != folder:
                    continue
                reached = name in owners or name in bare
                if not reached and (name in sys.stdlib_module_names or name == "wfc"):
                    continue  # it would hide Python's own from all that the worker and its children do
                if entry.is_file():
                    if name not in bare:
                        owners.setdefault(name, folder)
                        self._file(entry, entry.name)
                elif reached or folder in beside:
                    if name not in bare and (Path(entry) / "__init__.py").is_file():
                        owners.setdefault(name, folder)
                    self._budget = MOST_BARE
                    self._folder(Path(entry), name, name + "/" in self._found, ())
        self._tell()

    def _folder(self, folder: Path, name: str, inside: bool, above: tuple[object, ...]) -> None:
        """A folder below an import root. From one with Python in it everything travels."""
        try:
            info = folder.stat()
        except OSError:
            return
        here = (info.st_dev, info.st_ino)
        if here in above or (folder / "pyvenv.cfg").exists():
            return
        entries = list(_entries(folder, None if inside else self._budget))
        inside = inside or any(entry.name.endswith(_SOURCES) for entry in entries)
        if not inside:
            self._budget -= len(entries)
        for entry in entries:
            path = f"{name}/{entry.name}"
            if entry.is_file():
                if inside and not entry.name.endswith(_NO_DATA):
                    self._file(entry, path)
            elif inside or (entry.name.isidentifier() and self._budget > 0):
                self._folder(Path(entry), path, inside, (*above, here))

    def _file(self, entry: os.DirEntry[str], path: str) -> None:
        if path in self._found:
            return
        self._count += 1
        if self._count > MOST_FILES:
            return
        source = path.endswith(_SOURCES)
        try:
            size = entry.stat().st_size
            if not source and (size > LARGEST or self._bytes + size > MOST_DATA):
                self._large.append(f"{entry.path} ({size / 1e6:.1f} MB)")
                self._found[path] = File(path, entry.path, None)
                return
            data = Path(entry).read_bytes()
        except OSError:
            return  # not for us to read: it would be nothing for the workers either
        if not source:
            self._bytes += len(data)
        self._found[path] = File(path, entry.path, data)

    def _tell(self) -> None:
        if self._count > MOST_FILES:
            logger.warning(
                "of %d files beside the spec %d travel to the workers, and those that are imported by "
                "name: put the spec and its modules into a folder of their own",
                self._count,
                MOST_FILES,
            )
        if self._large:
            logger.warning(
                "too large to travel to the workers, which find it only where your folder is: %s. Give "
                "tasks its path as a parameter",
                ", ".join(self._large),
            )


def _entries(folder: Path, most: int | None = None) -> Iterator[os.DirEntry[str]]:
    """What lies in a folder, in order, but for what is hidden or made by tools; `most` of it."""
    try:
        with os.scandir(folder) as found:
            entries = sorted(islice(found, most), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        if entry.name[0] == "." or entry.name in ("__pycache__", "node_modules", "site-packages"):
            continue
        try:
            usual = entry.is_file() or entry.is_dir()
        except OSError:
            continue
        if usual:
            yield entry


def _module_name(entry: os.DirEntry[str]) -> str | None:
    """The name under which Python would import this from its folder."""
    name = entry.name
    if entry.is_file():
        suffix = next((suffix for suffix in _SOURCES if name.endswith(suffix)), None)
        if suffix is None:
            return None
        name = name[: -len(suffix)]
    return name if name.isidentifier() else None


# ------------------------------------------------------------------------- what is imported by name


def _find(name: str, folders: Folders) -> Source | None:
    parts = name.split(".")
    if parts[0] == "wfc":
        return None
    bare: Path | None = None
    for folder in folders:
        path = folder.joinpath(*parts)
        for file, package in ((path / "__init__.py", True), (path.with_suffix(".py"), False)):
            if package or parts[-1].isidentifier():
                try:
                    data = file.read_bytes()
                    importlib.util.decode_source(data)
                    return Source(file, data, package)
                except (OSError, UnicodeDecodeError, SyntaxError):
                    continue
        if bare is None and path.is_dir():
            bare = path
    # As on `sys.path`, a folder without `__init__.py` counts only when there is no real module.
    if bare is not None and (len(parts) > 1 or not _installed(name)):
        return Source(bare, None, True)
    return None


def _installed(name: str) -> bool:
    if code_of(sys.modules.get(name)) is not None:
        return False
    try:
        found = importlib.machinery.PathFinder.find_spec(name, outside(sys.path))
    except (ImportError, ValueError):
        return False
    return name in sys.builtin_module_names or (found is not None and found.origin is not None)
