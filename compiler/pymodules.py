"""Finding Python modules and the names in them, without importing or running any.

A module is looked for beside the spec first (its folder, then the project's root), as if those
stood first on `sys.path`, and then among the installed ones. Parents of a dotted module are walked
as folders, so that no `__init__` runs.
"""

from __future__ import annotations

import ast
import importlib.util
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib.machinery import EXTENSION_SUFFIXES, ModuleSpec, PathFinder
from pathlib import Path
from typing import TypeAlias

from wfc.compiler import pytree
from wfc.plan import python

MAX_HOPS = 12
"""How many re-exports are followed before a name counts as opaque."""

KNOWN = frozenset(
    [
        "abc",
        "asyncio",
        "collections",
        "collections.abc",
        "contextlib",
        "dataclasses",
        "enum",
        "functools",
        "numbers",
        "pydantic",
        "ray",
        "typing",
        "typing_extensions",
        "warnings",
        "wfc",
    ]
)
"""Modules that are known by name and need not be read: what matters of them is built in."""

Folders: TypeAlias = tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Opaque:
    """Something that exists but cannot be read: `name` is its full dotted name."""

    name: str


@dataclass(frozen=True, slots=True)
class Defined:
    """A definition: the module it stands in, and its node (def, class, or an assignment's value)."""

    module: PyModule
    name: str
    node: ast.AST


@dataclass(eq=False, slots=True)
class PyModule:
    """A Python module as text. `path` is `None` for one that has no Python source.

    `beside` is the folder that it was found in when it lives beside a spec. `search` holds the
    folders that its own absolute imports are looked up in first.
    """

    name: str
    path: Path | None
    package: bool = False
    beside: Path | None = None
    search: Folders = ()
    locations: tuple[str, ...] = ()
    error: SyntaxError | None = None
    text: str = ""
    body: list[ast.stmt] = field(default_factory=list, repr=False)
    _names: dict[str, list[ast.AST]] | None = field(default=None, repr=False)
    stars: list[ast.ImportFrom] = field(default_factory=list, repr=False)

    @property
    def names(self) -> dict[str, list[ast.AST]]:
        """What the top level binds: the nodes that bind each name, in order."""
        if self._names is None:
            self._names = {}
            tree = self._parse()
            if tree is not None:
                self.body = tree.body
                self._collect(tree.body)
        return self._names

    def _parse(self) -> ast.Module | None:
        if self.path is None:
            return None
        try:
            source = self.path.read_bytes()
            self.text = importlib.util.decode_source(source)
            return python.parse_module(source, str(self.path))
        except SyntaxError as error:
            self.error = error
        except (OSError, ValueError, RecursionError, MemoryError) as error:
            self.error = SyntaxError(str(error))
        return None

    def _collect(self, body: Sequence[ast.stmt]) -> None:
        assert self._names is not None
        names = self._names
        for node in body:
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                names.setdefault(node.name, []).append(node)
            elif isinstance(node, ast.ImportFrom) and node.names[0].name == "*":
                self.stars.append(node)
            elif isinstance(node, (ast.Import, ast.ImportFrom)):
                for alias in node.names:
                    bound = alias.asname or alias.name.partition(".")[0]
                    names.setdefault(bound, []).append(node)
            else:
                inner = list(pytree.blocks(node))
                for name, where in _given(node, compound=bool(inner)):
                    names.setdefault(name, []).append(where)
                for block in inner:
                    self._collect(block)


_MAKES_NAMES = re.compile(
    r"\b(?:globals|vars|locals)\(\)\s*(?:\[|\.update\b)|\bsys\.modules\[__name__\]|^[^\S\n]*exec\(",
    re.MULTILINE,
)
"""A module with this makes names as it is imported, as `hashlib` does: which, is not to be seen."""


def _given(node: ast.stmt, compound: bool) -> Iterator[tuple[str, ast.AST]]:
    """The names that a statement gives (an assignment, a loop, a `with`, `:=`), and what gives them."""
    for part in pytree.heads(node) if compound else [node]:
        for name in pytree.bound(part):
            yield name, part if isinstance(node, (ast.If, ast.While)) else node


class Finder:
    """Finds modules, each once."""

    def __init__(self) -> None:
        self.found: dict[tuple[str, Folders], PyModule | None] = {}

    def module(self, name: str, search: Folders) -> PyModule | None:
        """The module of that dotted name, or `None` when there is none."""
        key = (name, search)
        if key not in self.found:
            self.found[key] = self._find(name, search)
        return self.found[key]

    def _find(self, name: str, search: Folders) -> PyModule | None:
        parent, _, last = name.rpartition(".")
        if not parent:
            return self._beside(name, search) or self._installed(name, search)
        package = self.module(parent, search)
        if package is None:
            return None
        if not package.locations:  # `os.path` is a name in a module, and a module all the same
            bound = self.resolve(package, last) if last in package.names else None
            return bound if isinstance(bound, PyModule) else None
        return _in_folders(name, last, package.locations, package.beside, search)

    def _beside(self, name: str, search: Folders) -> PyModule | None:
        for folder in search:
            found = _in_folders(name, name, (str(folder),), folder, search)
            if found is not None and (found.path is not None or not self._installed(name, search)):
                return found
        return None

    def _installed(self, name: str, search: Folders) -> PyModule | None:
        if name in sys.builtin_module_names:
            return PyModule(name, None, search=search)
        paths = [p for p in sys.path if p and Path(p) not in search and p not in python.COPIES]
        try:
            spec = PathFinder.find_spec(name, paths) or importlib.util.find_spec(name)
        except (ImportError, ValueError, AttributeError):
            spec = None
        if spec is None or _shipped(spec):
            return None
        locations = tuple(spec.submodule_search_locations or ())
        origin = spec.origin if spec.has_location else None
        path = Path(origin) if origin and origin.endswith(".py") else None
        return PyModule(name, path, bool(locations), None, search, locations)

    def siblings(self, search: Folders) -> list[str]:
        """The names of the modules that lie in these folders, for "did you mean"."""
        names = set()
        for folder in search:
            try:
                entries = sorted(folder.iterdir())
            except OSError:
                continue
            for path in entries[:2000]:
                if path.suffix == ".py" and path.stem.isidentifier():
                    names.add(path.stem)
                elif path.name.isidentifier() and (path / "__init__.py").is_file():
                    names.add(path.name)
        return sorted(names)

    # ------------------------------------------------------------------ names in modules

    def resolve(
        self, module: PyModule, name: str, hops: int = 0
    ) -> Defined | PyModule | Opaque | None:
        """What `name` of a module is: followed through imports to its definition.

        `None` when the module has no such name.
        """
        full = f"{module.name}.{name}"
        if hops > MAX_HOPS or (module.path is None and not module.locations):
            return Opaque(full)
        nodes = module.names.get(name)
        if nodes:
            return self._bound(module, name, nodes, hops)
        if module.error is not None:
            return Opaque(full)
        for star in module.stars:
            target = self.imported(module, star)
            if target is None or target.path is None or target.error is not None:
                return Opaque(full)
            found = self.resolve(target, name, hops + 1)
            if found is not None:
                return found
        if module.package and (sub := self.module(full, module.search)) is not None:
            return sub
        unseen = "__getattr__" in module.names or _MAKES_NAMES.search(module.text)
        return Opaque(full) if unseen else None

    def _bound(
        self, module: PyModule, name: str, nodes: list[ast.AST], hops: int
    ) -> Defined | PyModule | Opaque:
        # The last definition counts; of several imports (`try: … except ImportError: …`) the first.
        node = nodes[0] if isinstance(nodes[0], (ast.Import, ast.ImportFrom)) else nodes[-1]
        if isinstance(node, ast.Import):
            for alias in node.names:
                bound = alias.asname or alias.name.partition(".")[0]
                if bound == name:
                    target = alias.name if alias.asname else bound
                    found = None if target in KNOWN else self.module(target, module.search)
                    return found or Opaque(target)
        if isinstance(node, ast.ImportFrom):
            wanted = next(a.name for a in node.names if (a.asname or a.name) == name)
            base = self.absolute(module, node)
            if base in KNOWN:
                return Opaque(f"{base}.{wanted}")
            source = self.module(base, module.search) if base else None
            found_name = self.resolve(source, wanted, hops + 1) if source is not None else None
            return found_name or Opaque(f"{base}.{wanted}")
        return Defined(module, name, node)

    def imported(self, module: PyModule, node: ast.ImportFrom) -> PyModule | None:
        """The module that a `from … import` names."""
        name = self.absolute(module, node)
        return self.module(name, module.search) if name else None

    @staticmethod
    def absolute(module: PyModule, node: ast.ImportFrom) -> str:
        """The dotted name of the module of a `from … import`; empty when it leaves the package."""
        if not node.level:
            return node.module or ""
        parts = module.name.split(".")
        keep = len(parts) - node.level + (1 if module.package else 0)
        if keep <= 0:
            return ""
        return ".".join([*parts[:keep], *([node.module] if node.module else [])])

    def dotted(self, module: PyModule, node: ast.AST) -> Defined | PyModule | Opaque | None:
        """What a name or dotted name in a module's code stands for; `None` when not that simple."""
        if isinstance(node, ast.Name):
            if node.id not in module.names and node.id in _BUILTINS:
                return Opaque(f"builtins.{node.id}")
            return self.resolve(module, node.id)
        if isinstance(node, ast.Attribute):
            base = self.dotted(module, node.value)
            if isinstance(base, PyModule):
                return self.resolve(base, node.attr) or Opaque(f"{base.name}.{node.attr}")
            if isinstance(base, Opaque):
                return Opaque(f"{base.name}.{node.attr}")
        return None

    def beside(self, module: PyModule, node: ast.AST) -> Defined | PyModule | None:
        """As `dotted`, for what stands beside a spec alone: what is installed is not even read."""
        found: Defined | PyModule | Opaque | None = None
        if isinstance(node, ast.Name):
            nodes = module.names.get(node.id, ())
            first = nodes[0] if nodes else None
            if isinstance(first, (ast.Import, ast.ImportFrom)) and not self.local(module, first):
                return None
            if first is not None or module.stars or node.id not in _BUILTINS:
                found = self.resolve(module, node.id)
        elif isinstance(node, ast.Attribute):
            base = self.beside(module, node.value)
            found = self.resolve(base, node.attr) if isinstance(base, PyModule) else None
        if isinstance(found, PyModule):
            return found if found.beside is not None else None
        return found if isinstance(found, Defined) and found.module.beside is not None else None

    def local(self, module: PyModule, node: ast.Import | ast.ImportFrom) -> bool:
        """Whether an import may bring something that stands beside a spec."""
        if isinstance(node, ast.ImportFrom):
            names = [self.absolute(module, node)]
        else:
            names = [alias.name for alias in node.names]
        tops = {name.partition(".")[0] for name in names if name}
        found = [self.module(top, module.search) for top in tops if top not in KNOWN]
        return any(one is not None and one.beside is not None for one in found)


def _shipped(spec: ModuleSpec) -> bool:
    """Whether a module is there only because an earlier run of this process brought it along."""
    places = [getattr(spec.loader, "path", None) or "", *(spec.submodule_search_locations or ())]
    return any(place.startswith(f"{copy}/") for copy in python.COPIES for place in places)


_BUILTINS = frozenset(dir(__import__("builtins")))


def _in_folders(
    name: str, last: str, folders: Sequence[str], beside: Path | None, search: Folders
) -> PyModule | None:
    """Module `last` of these folders: a package, a module, an extension, or a bare folder."""
    for folder in folders:
        base = Path(folder) / last
        if (init := base / "__init__.py").is_file():
            return PyModule(name, init, True, beside, search, (str(base),))
        if (file := base.with_name(last + ".py")).is_file():
            return PyModule(name, file, False, beside, search)
        if any(base.with_name(last + suffix).is_file() for suffix in EXTENSION_SUFFIXES):
            return PyModule(name, None, False, beside, search)
    bare = tuple(str(Path(f) / last) for f in folders if (Path(f) / last).is_dir())
    return PyModule(name, None, True, beside, search, bare) if bare else None
