"""What a function can reach in the modules beside a spec: all that its fingerprint is made of.

A definition reaches what it names, through imports at the top of its module and inside of its own
body. What a module does as it is imported (see `effects`) belongs to whoever reaches the state that
it changes. What is looked up by a name that is made at run time cannot be told from the text.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from typing import TypeAlias

from wfc.compiler import pytree
from wfc.compiler.effects import Effects, Key, Statement
from wfc.compiler.pymodules import Defined, Finder, Opaque, PyModule

Target: TypeAlias = "Defined | PyModule | Opaque"
Imported: TypeAlias = "dict[str, list[Target]]"
"""What the imports inside of a definition bind."""


class Reach:
    """Collects definitions by name, and statements by module, from one definition on.

    `parts` are the nodes of each definition, `under` the conditions that they stand under, and
    `statements` what else the loaded modules do that matters, in the order in which it happens.
    """

    def __init__(self, finder: Finder, done: Effects) -> None:
        self.finder, self.effects = finder, done
        self.parts: dict[Key, list[ast.AST]] = {}
        self.under: dict[Key, list[ast.AST]] = {}
        self.statements: dict[str, list[Statement]] = {}
        self._loaded: dict[str, list[Statement]] = {}
        self._todo: list[tuple[PyModule, ast.AST]] = []
        self._asks_for_subclasses = False

    def load(self, module: PyModule) -> None:
        """Count what a module, and each that it imports, does as it is imported."""
        todo = [module]
        while todo:
            one = todo.pop()
            if one.name in self._loaded or one.beside is None:
                continue
            self._loaded[one.name] = self.effects.statements(one)
            parent = one.name.rpartition(".")[0]
            found = [self.finder.module(parent, one.search)] if parent else []
            for node in _imports(one.body):
                found += self._modules(one, node)
            todo.extend(m for m in reversed(found) if m is not None)

    def add(self, found: Defined) -> None:
        """Add a definition, once."""
        key = (found.module.name, found.name)
        if key in self.parts:
            return
        nodes: list[ast.AST] = [found.node]
        top = found.module.names.get(found.name)
        if top and not isinstance(top[-1], (ast.Import, ast.ImportFrom)):
            nodes = [n for n in top if not isinstance(n, (ast.Import, ast.ImportFrom))]
        self.parts[key] = nodes
        if found.module.beside is None:
            return
        self.load(found.module)
        self._todo.extend((found.module, n) for n in nodes)
        for statement in self._loaded[found.module.name]:
            if found.name.partition(".")[0] in statement.binds and statement.guards:
                self.under.setdefault(key, []).extend(statement.guards)
                self._todo.extend((found.module, guard) for guard in statement.guards)

    def close(self) -> None:
        """Follow names, and what changes the state that they stand for, until nothing new comes."""
        self._names()
        while self._touching():
            self._names()

    def _names(self) -> None:
        while self._todo:
            module, node = self._todo.pop()
            imported = self._inside(module, node)
            for chain in _dotted_names(node):
                self._asks_for_subclasses |= any(
                    isinstance(n, ast.Attribute) and n.attr == "__subclasses__" for n in chain
                )
                self._reach(module, imported, chain)

    def _touching(self) -> bool:
        """Add the statements of loaded modules that may change something that is reached."""
        before = sum(map(len, self.statements.values()))
        for name, statements in list(self._loaded.items()):
            known = self.statements.setdefault(name, [])
            for statement in statements:
                if statement not in known and self._counts(statement):
                    known.append(statement)
                    self._todo.append((statement.module, statement.node))
                    self._todo.extend((statement.module, guard) for guard in statement.guards)
            known.sort(key=statements.index)
        return sum(map(len, self.statements.values())) > before

    def _counts(self, statement: Statement) -> bool:
        if not self.parts.keys().isdisjoint(self.effects.touched(statement)):
            return True
        return (
            self._asks_for_subclasses
            and isinstance(statement.node, ast.ClassDef)
            and any(
                (base.module.name, base.name) in self.parts
                for base in self.effects.ancestors(statement.module, statement.node)
            )
        )

    # ---------------------------------------------------------------------------- names

    def _reach(self, module: PyModule, imported: Imported, chain: list[ast.AST]) -> None:
        """Add what a dotted name stands for: the longest part of it that stands for anything."""
        root = chain[-1]
        assert isinstance(root, ast.Name)
        for start in (*imported.get(root.id, ()), self.finder.beside(module, root)):
            found: Target | None = start
            for target in reversed(chain[:-1]):
                if not isinstance(found, PyModule) or found.beside is None:
                    break
                assert isinstance(target, ast.Attribute)
                inner = self.finder.resolve(found, target.attr)
                if inner is None or isinstance(inner, Opaque):
                    self._made_on_demand(found)
                    break
                found = inner
            self._take(found)

    def _take(self, found: Target | None) -> None:
        if isinstance(found, Defined) and found.module.beside is not None:
            self.add(found)
        elif isinstance(found, PyModule) and found.beside is not None:
            self._whole(found)

    def _whole(self, module: PyModule) -> None:
        """A module that is used as a whole: `getattr(helpers, name)`."""
        self.load(module)
        for name in list(module.names):
            inner = self.finder.resolve(module, name)
            if isinstance(inner, Defined) and inner.module.beside is not None:
                self.add(inner)

    def _made_on_demand(self, module: PyModule) -> None:
        """`helpers.name` of a module that has no such name asks its `__getattr__`."""
        self._take(self.finder.resolve(module, "__getattr__"))

    # ---------------------------------------------------------------------------- imports

    def _inside(self, module: PyModule, node: ast.AST) -> Imported:
        """What the imports inside of a definition bind; their modules are loaded with it."""
        bound: Imported = {}
        importers = {"__import__", "import_module"} | _importers(module.body)
        for part in ast.walk(node):
            if isinstance(part, (ast.Import, ast.ImportFrom)):
                if self.finder.local(module, part):
                    for found in self._modules(module, part):
                        self.load(found)
                    self._bind(module, part, bound)
                importers |= _importers([part])
            elif isinstance(part, ast.Call):
                loaded = self._by_text(module, importers, part)
                if loaded is not None:
                    self._take(loaded)
        return bound

    def _bind(self, module: PyModule, node: ast.Import | ast.ImportFrom, bound: Imported) -> None:
        for alias in node.names:
            found: Target | None
            if isinstance(node, ast.Import):
                name = alias.asname or alias.name.partition(".")[0]
                found = self.finder.module(alias.name if alias.asname else name, module.search)
            else:
                name = alias.asname or alias.name
                source = self.finder.imported(module, node)
                found = self.finder.resolve(source, alias.name) if source is not None else None
                if source is not None and (found is None or isinstance(found, Opaque)):
                    self._made_on_demand(source)
                self._take(found if isinstance(found, Defined) else None)
            if found is not None:
                bound.setdefault(name, []).append(found)

    def _modules(self, module: PyModule, node: ast.Import | ast.ImportFrom) -> list[PyModule]:
        """The modules that an import loads, a name of a package that is one among them."""
        if not self.finder.local(module, node):
            return []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            base = self.finder.absolute(module, node)
            names = [base, *(f"{base}.{alias.name}" for alias in node.names)] if base else []
        found = [
            self.finder.module(name, module.search) for name in names if not name.endswith("*")
        ]
        return [m for m in found if m is not None and m.beside is not None]

    def _by_text(self, module: PyModule, importers: set[str], call: ast.Call) -> PyModule | None:
        """`import_module("helper")`, with a name that is written down."""
        first = call.args[0] if call.args else None
        name = getattr(call.func, "attr", getattr(call.func, "id", ""))
        if name not in importers or not (
            isinstance(first, ast.Constant) and isinstance(first.value, str)
        ):
            return None
        dots = len(first.value) - len(first.value.lstrip("."))
        if not dots:
            return self.finder.module(first.value, module.search)
        relative = ast.ImportFrom(module=first.value[dots:], names=[], level=dots)
        return self.finder.imported(module, relative)


def _importers(body: Iterable[ast.AST]) -> set[str]:
    """The names under which `importlib.import_module` is imported."""
    return {
        alias.asname or alias.name
        for node in body
        if isinstance(node, ast.ImportFrom) and node.module == "importlib"
        for alias in node.names
        if alias.name == "import_module"
    }


def _imports(body: list[ast.stmt]) -> Iterator[ast.Import | ast.ImportFrom]:
    """The imports that run when a module is imported."""
    for node in body:
        for part in pytree.at_once(node):
            if isinstance(part, (ast.Import, ast.ImportFrom)):
                yield part


def _dotted_names(node: ast.AST) -> Iterator[list[ast.AST]]:
    """The names that a definition reads, each with what it is the start of, longest first."""
    todo: list[ast.AST] = [node]
    while todo:
        current = todo.pop()
        chain: list[ast.AST] = []
        part = current
        while isinstance(part, ast.Attribute):
            chain.append(part)
            part = part.value
        if isinstance(part, ast.Name):
            yield [*chain, part]
        else:
            todo.extend(ast.iter_child_nodes(part))
