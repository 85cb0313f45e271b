"""Python functions and classes as a spec sees them, read with `ast`: nothing is imported or run."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

from wfc.compiler import types
from wfc.compiler.effects import Effects
from wfc.compiler.parameters import Param, constructor, parameters
from wfc.compiler.pymodules import Defined, Finder, Folders, Opaque, PyModule
from wfc.compiler.pytypes import TypeReader
from wfc.compiler.types import ANY, ClassRef, PendingType, Type

TRANSPARENT = frozenset(
    [
        "functools.wraps",
        "functools.cache",
        "functools.lru_cache",
        "builtins.staticmethod",
        "builtins.classmethod",
        "typing.final",
        "typing.override",
        "typing.no_type_check",
        "typing_extensions.override",
        "typing_extensions.deprecated",
        "warnings.deprecated",
        "abc.abstractmethod",
        "pydantic.validate_call",
    ]
)
"""Decorators that leave the signature as it is written."""


@dataclass(eq=False, slots=True)
class Function:
    """A Python callable that a spec names.

    `module` and `qualname` are how the spec reached it, and how a worker imports it. `beside` is the
    folder (relative to the project's root, `.` for the root) when the module lives beside a spec,
    `None` for installed code. `params` is `None` when the signature is not known (decorated by
    something that may change it, or written in C). `file` and `line` say where it is defined.
    `flaw` names what makes it unfit as a task: it is `async`, or a Ray remote function.
    """

    module: str
    qualname: str
    beside: str | None
    params: tuple[Param, ...] | None
    returns: Type = ANY
    returns_annotated: bool = False
    is_class: bool = False
    file: str = ""
    line: int = 0
    flaw: Literal["", "async", "remote"] = ""
    origin: Defined | None = field(default=None, repr=False)
    reader: PythonReader | None = field(default=None, repr=False)

    @property
    def pending(self) -> list[str]:
        """The names of the parameters annotated `Pending[…]`, which receive handles."""
        return [p.name for p in self.params or () if isinstance(p.type, PendingType)]


@dataclass(frozen=True, slots=True)
class NoModule:
    """There is no such module; `known` are the names of those that lie beside the spec."""

    name: str
    known: list[str]


@dataclass(frozen=True, slots=True)
class NoName:
    """`owner` (a module, or a class in one) has no such name; `known` are those that it does have."""

    owner: str
    name: str
    file: str
    known: list[str]


@dataclass(frozen=True, slots=True)
class Broken:
    """The module is not valid Python."""

    module: str
    file: str
    message: str
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class NotCallable:
    """The name is bound to something that cannot be called: a literal, or a module."""

    name: str
    what: str
    file: str
    line: int


Found: TypeAlias = tuple[Function, "ClassRef | None"] | NoModule | NoName | Broken | NotCallable


class PythonReader:
    """Finds and reads Python modules; lazy, and each file once. `root` is the project's."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.finder = Finder()
        self.types = TypeReader(self.finder)
        self.effects = Effects(self.finder)

    def sources(self) -> dict[str, str]:
        """The text of the Python files beside the specs, which diagnostics may point into."""
        modules = self.finder.found.values()
        return {self.show(m.path): m.text for m in modules if m and m.path and m.beside and m.text}

    def show(self, path: Path | None) -> str:
        """A Python file as diagnostics name it: relative to the root where it lies in it."""
        if path is None:
            return ""
        try:
            return path.relative_to(self.root).as_posix()
        except ValueError:
            return path.as_posix()

    def split(self, dotted: str, search: Folders) -> tuple[str, str]:
        """`etl.plan` as module and name: as much of it as is a module, at least one part."""
        parts = dotted.split(".")
        for count in range(len(parts) - 1, 0, -1):
            if self.finder.module(".".join(parts[:count]), search) is not None:
                return ".".join(parts[:count]), ".".join(parts[count:])
        return ".".join(parts[:-1]), parts[-1]

    def lookup(self, module: str, name: str, search: Folders) -> Found:
        """The callable `name` (dotted for a method) of a module, and its class if it is one."""
        found = self.finder.module(module, search)
        if found is None:
            return NoModule(module, self.finder.siblings(search))
        first, *rest = name.split(".")
        target = self.finder.resolve(found, first)
        broken = found if found.error is not None else None
        if isinstance(target, Defined) and target.module.error is not None:
            broken = target.module
        if broken is not None and broken.beside is not None and broken.error is not None:
            error = broken.error
            where = error.lineno or 1, error.offset or 1
            return Broken(broken.name, self.show(broken.path), error.msg, *where)
        if target is None:
            return NoName(
                f"the Python module `{module}`",
                first,
                self.show(found.path),
                self._callables(found),
            )
        for part in rest:
            step = self._member(target, part)
            if step is None:
                return NoName(
                    f"the Python class `{module}.{first}`",
                    part,
                    self.show(found.path),
                    _members(target),
                )
            target = step
        return self._callable(found, name, target)

    @staticmethod
    def _callables(module: PyModule) -> list[str]:
        return [n for n in module.names if not n.startswith("_")]

    def _member(
        self, owner: Defined | PyModule | Opaque, name: str
    ) -> Defined | PyModule | Opaque | None:
        if isinstance(owner, PyModule):
            return self.finder.resolve(owner, name)
        if isinstance(owner, Defined) and isinstance(owner.node, ast.ClassDef):
            for node in owner.node.body:
                if getattr(node, "name", None) == name:
                    return Defined(owner.module, f"{owner.name}.{name}", node)
            return Opaque(name) if owner.node.bases else None
        return Opaque(name)

    def _callable(self, module: PyModule, name: str, target: Defined | PyModule | Opaque) -> Found:
        beside = None
        if module.beside is not None:
            beside = self.show(module.beside) or "."
        made = Function(module.name, name, beside, None, reader=self)
        if isinstance(target, PyModule):
            return NotCallable(name, "a module", self.show(target.path), 1)
        if isinstance(target, Opaque):
            return made, None
        made.origin = target
        made.file = self.show(target.module.path)
        made.line = getattr(target.node, "lineno", 0)
        if isinstance(target.node, ast.ClassDef):
            made.is_class = True
            made.params = constructor(self.types, target.module, target.node)
            cls = self.types.ref(target.module, target.node)
            made.returns, made.returns_annotated = types.Instance(cls), True
            names = [self.types.full_name(target.module, d) for d in target.node.decorator_list]
            if "ray.remote" in names:
                made.flaw = "remote"
            return made, cls
        if isinstance(target.node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            self._describe(made, target.module, target.node, "." in target.name)
            return made, None
        value = getattr(target.node, "value", None)
        return self._value(made, target, value)

    def _value(self, made: Function, target: Defined, value: ast.AST | None) -> Found:
        """A name bound by an assignment: an alias is followed, a literal is not callable."""
        if isinstance(value, ast.Lambda):
            made.params = parameters(self.types, target.module, value.args, skip_first=False)
        elif isinstance(value, (ast.Name, ast.Attribute)):
            step = self.finder.dotted(target.module, value)
            if isinstance(step, Defined) and step.node is not target.node:
                found = self._callable(target.module, target.name, step)
                if isinstance(found, tuple):
                    found[0].module, found[0].qualname = made.module, made.qualname
                    found[0].beside = made.beside
                return found
        elif isinstance(
            value, (ast.Constant, ast.List, ast.Dict, ast.Set, ast.Tuple, ast.JoinedStr)
        ):
            what = type(getattr(value, "value", None)).__name__
            if not isinstance(value, ast.Constant):
                what = type(value).__name__.lower().replace("joinedstr", "str")
            what = types.article(what)
            return NotCallable(made.qualname, what, made.file, made.line)
        return made, None

    def _describe(
        self,
        made: Function,
        module: PyModule,
        node: ast.FunctionDef | ast.AsyncFunctionDef,
        method: bool,
    ) -> None:
        decorators = [self.types.full_name(module, d) for d in node.decorator_list]
        if isinstance(node, ast.AsyncFunctionDef):
            made.flaw = "async"
        if "ray.remote" in decorators:
            made.flaw = "remote"
        if any(d not in TRANSPARENT for d in decorators):
            return
        bound = method and "builtins.classmethod" in decorators
        made.params = parameters(self.types, module, node.args, skip_first=bound)
        if node.returns is not None:
            made.returns = self.types.annotation(module, node.returns)
            made.returns_annotated = True


def _members(owner: Defined | PyModule | Opaque) -> list[str]:
    if isinstance(owner, Defined) and isinstance(owner.node, ast.ClassDef):
        return [n.name for n in owner.node.body if isinstance(n, (ast.FunctionDef, ast.ClassDef))]
    return []


def fingerprint(function: Function, beside: Iterable[Function] = (), version: str = "") -> str:
    """A hash of the normalized source of a function and of what it reaches in modules beside the spec.

    A comment, a docstring or a reformatting changes nothing. Code that cannot be read is hashed by
    its name. `beside` are the other functions of the plan: their modules are loaded with it, and may
    change what it reads. `version` is what the spec says of what no text shows.
    """
    from wfc.compiler.fingerprint import of  # it needs the classes above

    return of(function, beside, version)
