"""What a module does while it is imported, beyond giving names to things.

A registry is filled by statements that nobody refers to: `HANDLERS.append(f)`, a decorator that
registers, `price.register(…)`, a subclass of a class with `__init_subclass__`. A task that reads the
registry depends on them all the same. Here each statement of a module's top level is known by the
names that it binds, the conditions that it stands under, and the state that it may change.

It is an estimate, and errs to the side of a change that is none: a method that is called on
something may change it, but for those that are known to only read.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from wfc.compiler import pytree
from wfc.compiler.pymodules import Defined, Finder, PyModule

Key: TypeAlias = tuple[str, str]
"""A definition: the names of its module and of itself in it."""
Function: TypeAlias = "ast.FunctionDef | ast.AsyncFunctionDef"

_FUNCTIONS = pytree.FUNCTIONS
_READS = frozenset((
    "copy", "count", "decode", "encode", "endswith", "exists", "format", "get", "index", "is_dir",
    "is_file", "items", "join", "joinpath", "keys", "lower", "partition", "removeprefix",
    "removesuffix", "replace", "resolve", "rpartition", "rsplit", "rstrip", "lstrip", "split",
    "splitlines", "startswith", "strip", "title", "upper", "values", "with_name", "with_suffix",
))  # fmt: skip
"""Methods that change nothing, in Python's own types."""
_PURE = frozenset((
    "abs", "all", "any", "bool", "bytes", "callable", "chr", "dict", "divmod", "enumerate",
    "filter", "float", "format", "frozenset", "getattr", "hasattr", "hash", "id", "int",
    "isinstance", "issubclass", "iter", "len", "list", "map", "max", "min", "next", "object",
    "ord", "pow", "print", "range", "repr", "reversed", "round", "set", "sorted", "str", "sum",
    "super", "tuple", "type", "vars", "zip",
))  # fmt: skip
"""Functions of Python that change nothing that they are given."""


@dataclass(eq=False, slots=True)
class Statement:
    """A statement of a module's top level, or the head of a compound one.

    `binds` are the names that it gives, `guards` the heads that it stands under.
    """

    module: PyModule
    node: ast.AST
    binds: frozenset[str]
    guards: tuple[ast.AST, ...] = ()
    touched: frozenset[Key] | None = field(default=None, repr=False)


def statements(module: PyModule, body: Sequence[ast.stmt]) -> list[Statement]:
    """The statements of a module in order, with those inside of its `if`, `try`, `with` and loops."""
    made: list[Statement] = []
    _flatten(module, body, (), made)
    return made


def _flatten(
    module: PyModule, body: Sequence[ast.stmt], guards: tuple[ast.AST, ...], made: list[Statement]
) -> None:
    for node in body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            continue
        blocks = list(pytree.blocks(node))
        if not blocks:
            made.append(Statement(module, node, frozenset(pytree.bound(node)), guards))
            continue
        heads = list(pytree.heads(node))
        made.extend(Statement(module, h, frozenset(pytree.bound(h)), guards) for h in heads)
        for block in blocks:
            _flatten(module, block, (*guards, *heads), made)


# ------------------------------------------------------------------------------- what is changed


@dataclass(slots=True)
class _Effect:
    """Of a piece of code: the state that it may change itself, and the definitions that it calls."""

    touches: set[Key] = field(default_factory=set)
    calls: list[Defined] = field(default_factory=list)


class Effects:
    """Tells what code may change; reads each definition once. Only modules beside a spec count."""

    def __init__(self, finder: Finder) -> None:
        self.finder = finder
        self._of: dict[Key, _Effect] = {}
        self._statements: dict[str, list[Statement]] = {}

    def statements(self, module: PyModule) -> list[Statement]:
        """The statements of a module, read once."""
        if module.name not in self._statements:
            names = module.names  # reads it
            del names
            self._statements[module.name] = statements(module, module.body)
        return self._statements[module.name]

    def touched(self, statement: Statement) -> frozenset[Key]:
        """The definitions whose state a statement may change, as it runs and by what it calls."""
        if statement.touched is None:
            start = _Reader(self, statement.module, {}, None).read(pytree.at_once(statement.node))
            if isinstance(statement.node, ast.ClassDef):
                self._subclass(statement.module, statement.node, start)
            statement.touched = frozenset(self._closure(start) - _own(statement))
        return statement.touched

    def _subclass(self, module: PyModule, node: ast.ClassDef, into: _Effect) -> None:
        """A class tells its bases, and the metaclass, that it is there."""
        for base in self.ancestors(module, node):
            methods = {getattr(n, "name", "") for n in getattr(base.node, "body", ())}
            if "__init_subclass__" in methods:
                into.touches.add((base.module.name, base.name))
                into.calls.append(base)
            self._metaclass(base.module, base.node, into)
        self._metaclass(module, node, into)

    def _metaclass(self, module: PyModule, node: ast.AST, into: _Effect) -> None:
        for keyword in getattr(node, "keywords", ()):
            found = self.finder.beside(module, keyword.value)
            if keyword.arg == "metaclass" and isinstance(found, Defined):
                into.calls.append(found)
                into.touches.add((found.module.name, found.name))

    def ancestors(self, module: PyModule, node: ast.ClassDef) -> Iterator[Defined]:
        """The classes beside the spec that a class inherits from, itself aside."""
        todo, seen = [(module, node)], {id(node)}
        while todo:
            where, cls = todo.pop()
            for base in cls.bases:
                found = self.finder.beside(where, base)
                if (
                    isinstance(found, Defined)
                    and isinstance(found.node, ast.ClassDef)
                    and found.module.beside is not None
                    and id(found.node) not in seen
                ):
                    seen.add(id(found.node))
                    todo.append((found.module, found.node))
                    yield found

    def _closure(self, start: _Effect) -> set[Key]:
        touches, todo, seen = set(start.touches), list(start.calls), set[Key]()
        while todo:
            called = todo.pop()
            key = (called.module.name, called.name)
            if key in seen or called.module.beside is None:
                continue
            seen.add(key)
            if key not in self._of:
                self._of[key] = self._read(called, key)
            touches |= self._of[key].touches
            todo.extend(self._of[key].calls)
        return touches

    def _read(self, called: Defined, key: Key) -> _Effect:
        if isinstance(called.node, _FUNCTIONS):
            return _Reader(self, called.module, _locals(called.node), None).read(
                _whole(called.node)
            )
        made = _Effect()
        if isinstance(called.node, ast.ClassDef):
            for method in called.node.body:
                if isinstance(method, _FUNCTIONS):
                    found = _Reader(self, called.module, _locals(method), key).read(_whole(method))
                    made.touches |= found.touches
                    made.calls += found.calls
            for base in called.node.bases:
                inherited = self.finder.beside(called.module, base)
                if isinstance(inherited, Defined):
                    made.calls.append(inherited)
        else:  # `app = App()`: what is called on it is a method of its class
            value = getattr(called.node, "value", None)
            value = value.func if isinstance(value, ast.Call) else value
            found_value = self.finder.beside(called.module, value) if value is not None else None
            if isinstance(found_value, Defined):
                made.calls.append(found_value)
        return made


def _own(statement: Statement) -> set[Key]:
    return {(statement.module.name, name) for name in statement.binds}


def _whole(node: Function) -> Iterator[ast.AST]:
    for statement in node.body:
        yield from ast.walk(statement)


def _locals(node: Function) -> dict[str, None]:
    """The names that are the function's own."""
    own = {a.arg: None for a in ast.walk(node.args) if isinstance(a, ast.arg)}
    for part in _whole(node):
        if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
            own[part.id] = None
    for part in _whole(node):
        if isinstance(part, ast.Global):
            for name in part.names:
                own.pop(name, None)
    return own


class _Reader:
    """Reads one piece of code. `own` are its local names; `cls` the class that a method is of."""

    def __init__(
        self, effects: Effects, module: PyModule, own: dict[str, None], cls: Key | None
    ) -> None:
        self.effects, self.module, self.own, self.cls = effects, module, own, cls
        self.made = _Effect()

    def read(self, parts: Iterable[ast.AST]) -> _Effect:
        for part in parts:
            if isinstance(part, ast.Call):
                self._called(part.func)
                if not (isinstance(part.func, ast.Name) and part.func.id in _PURE):
                    for argument in (*part.args, *(k.value for k in part.keywords)):
                        self._passed(argument)
            elif isinstance(part, (*_FUNCTIONS, ast.ClassDef)):
                for decorator in part.decorator_list:
                    if not isinstance(decorator, ast.Call):
                        self._called(decorator)
            elif isinstance(part, (ast.Attribute, ast.Subscript)) and not isinstance(
                part.ctx, ast.Load
            ):
                self._touch(part.value)
            elif isinstance(part, ast.Global):
                self.made.touches.update((self.module.name, name) for name in part.names)
        return self.made

    def _called(self, func: ast.AST) -> None:
        found = self._find(func)
        if isinstance(found, Defined):
            self.made.calls.append(found)
        elif isinstance(func, ast.Attribute) and func.attr not in _READS:
            self._touch(func.value)

    def _passed(self, argument: ast.AST) -> None:
        """State that is handed to something unknown; a function or a class is no state."""
        found = self._find(argument)
        if isinstance(found, Defined) and not isinstance(found.node, (*_FUNCTIONS, ast.ClassDef)):
            self._add(found)

    def _touch(self, owner: ast.AST) -> None:
        """Something of `owner` changes: the name that it starts with does."""
        found = self._find(owner)
        while found is None and isinstance(owner, (ast.Attribute, ast.Subscript, ast.Call)):
            owner = owner.func if isinstance(owner, ast.Call) else owner.value
            found = self._find(owner)
        if isinstance(found, Defined):
            self._add(found)
        elif isinstance(owner, ast.Name) and owner.id in ("cls", "self") and self.cls is not None:
            self.made.touches.add(self.cls)

    def _add(self, found: Defined) -> None:
        if found.module.beside is not None and not _constant(found.node):
            self.made.touches.add((found.module.name, found.name))
            self.made.calls.append(found)

    def _find(self, node: ast.AST) -> Defined | PyModule | None:
        root = node
        while isinstance(root, ast.Attribute):
            root = root.value
        if not isinstance(root, ast.Name) or root.id in self.own:
            return None
        return self.effects.finder.beside(self.module, node)


def _constant(node: ast.AST) -> bool:
    """Whether what a name is bound to cannot change."""
    value = getattr(node, "value", node)
    return isinstance(value, (ast.Constant, ast.JoinedStr, ast.Lambda))
