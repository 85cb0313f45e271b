"""Python functions and classes as a spec sees them, read with `ast`: nothing is imported or run."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

from wfc.compiler import types
from wfc.compiler.pymodules import Defined, Finder, Folders, Opaque, PyModule
from wfc.compiler.pytypes import TypeReader
from wfc.compiler.types import ANY, ClassRef, PendingType, Type

ParamKind: TypeAlias = Literal["positional", "normal", "args", "keyword", "kwargs"]

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


@dataclass(frozen=True, slots=True)
class Param:
    """A parameter: `positional` (only), `normal`, `args` (`*a`), `keyword` (only), `kwargs` (`**k`)."""

    name: str
    kind: ParamKind = "normal"
    type: Type = ANY
    has_default: bool = False
    annotated: bool = False


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
    """The module has no such name; `known` are the callables that it does have."""

    module: str
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
            return NoName(module, first, self.show(found.path), self._callables(found))
        for part in rest:
            step = self._member(target, part)
            if step is None:
                return NoName(f"{module}.{first}", part, self.show(found.path), _members(target))
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
            made.params = _Constructor(self, target.module, target.node).params()
            cls = self.types.ref(target.module, target.node)
            made.returns, made.returns_annotated = types.Instance(cls), True
            return made, cls
        if isinstance(target.node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            self._describe(made, target.module, target.node, "." in target.name)
            return made, None
        value = getattr(target.node, "value", None)
        return self._value(made, target, value)

    def _value(self, made: Function, target: Defined, value: ast.AST | None) -> Found:
        """A name bound by an assignment: an alias is followed, a literal is not callable."""
        if isinstance(value, ast.Lambda):
            made.params = _parameters(self, target.module, value.args, skip_first=False)
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
            what = f"a {type(getattr(value, 'value', None)).__name__}"
            if not isinstance(value, ast.Constant):
                what = f"a {type(value).__name__.lower()}".replace("joinedstr", "str")
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
        made.params = _parameters(self, module, node.args, skip_first=bound)
        if node.returns is not None:
            made.returns = self.types.annotation(module, node.returns)
            made.returns_annotated = True


def _members(owner: Defined | PyModule | Opaque) -> list[str]:
    if isinstance(owner, Defined) and isinstance(owner.node, ast.ClassDef):
        return [n.name for n in owner.node.body if isinstance(n, (ast.FunctionDef, ast.ClassDef))]
    return []


def _parameters(
    reader: PythonReader, module: PyModule, args: ast.arguments, *, skip_first: bool
) -> tuple[Param, ...]:
    """The parameters of a `def` or a `lambda`."""
    made: list[Param] = []

    def add(arg: ast.arg, kind: ParamKind, default: bool = False) -> None:
        read = reader.types.annotation(module, arg.annotation)
        made.append(Param(arg.arg, kind, read, default, arg.annotation is not None))

    plain = [*args.posonlyargs, *args.args]
    for index, arg in enumerate(plain):
        default = index >= len(plain) - len(args.defaults)
        add(arg, "positional" if index < len(args.posonlyargs) else "normal", default)
    if args.vararg is not None:
        add(args.vararg, "args")
    for arg, value in zip(args.kwonlyargs, args.kw_defaults, strict=True):
        add(arg, "keyword", value is not None)
    if args.kwarg is not None:
        add(args.kwarg, "kwargs")
    return tuple(made[1:] if skip_first else made)


class _Constructor:
    """The parameters that calling a class takes."""

    def __init__(self, reader: PythonReader, module: PyModule, node: ast.ClassDef) -> None:
        self.reader = reader
        self.module = module
        self.node = node

    def params(self) -> tuple[Param, ...] | None:
        """`None` when they cannot be told."""
        info = self.reader.types.info(self.module, self.node)
        if info.kind in ("enum", "protocol") or self.node.keywords:
            return None
        if info.kind in ("namedtuple", "dataclass", "pydantic", "typeddict"):
            return self._of_fields(info.kind)
        found = self._own_init(self.module, self.node, 0)
        return None if found is None or not info.complete else found

    def _own_init(
        self, module: PyModule, node: ast.ClassDef, depth: int
    ) -> tuple[Param, ...] | None:
        for statement in node.body:
            name = getattr(statement, "name", "")
            if name == "__new__":
                return None
            if name == "__init__" and isinstance(statement, ast.FunctionDef):
                if statement.decorator_list:
                    return None
                return _parameters(self.reader, module, statement.args, skip_first=True)
        for base in node.bases:
            found = self.reader.finder.dotted(module, base)
            if isinstance(found, Defined) and isinstance(found.node, ast.ClassDef) and depth < 16:
                inherited = self._own_init(found.module, found.node, depth + 1)
                if inherited is None or inherited:
                    return inherited
            elif not (isinstance(found, Opaque) and found.name in ("builtins.object", "abc.ABC")):
                return None
        return ()

    def _of_fields(self, kind: str) -> tuple[Param, ...] | None:
        fields: dict[str, Param] = {}
        if not self._collect(self.module, self.node, kind, fields, 0):
            return None
        ordered = list(fields.values())
        if kind == "dataclass":  # keyword-only fields come last
            ordered.sort(key=lambda p: p.kind == "keyword")
        return tuple(ordered)

    def _collect(
        self, module: PyModule, node: ast.ClassDef, kind: str, fields: dict[str, Param], depth: int
    ) -> bool:
        for base in reversed(node.bases):
            found = self.reader.finder.dotted(module, base)
            if not (
                isinstance(found, Defined) and isinstance(found.node, ast.ClassDef) and depth < 16
            ):
                continue
            if not self._collect(found.module, found.node, kind, fields, depth + 1):
                return False
        only = kind in ("pydantic", "typeddict")
        for decorator in node.decorator_list:
            if isinstance(decorator, ast.Call):
                only = only or any(
                    k.arg == "kw_only" and _is(k.value, True) for k in decorator.keywords
                )
                if any(k.arg == "init" and _is(k.value, False) for k in decorator.keywords):
                    return False
        if kind == "typeddict" and any(k.arg == "total" for k in node.keywords):
            return False
        for statement in node.body:
            if getattr(statement, "name", "") in ("__init__", "__new__"):
                return False
            if kind == "pydantic" and "model_config" in _assigned(statement):
                return False  # aliases, extra fields: too much to tell
            if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
                label = ast.unparse(statement.annotation)
                if label.rpartition(".")[2] == "KW_ONLY":
                    only = True
                elif not label.startswith(("ClassVar", "typing.ClassVar")):
                    self._field(module, statement, label, only, fields)
        return True

    def _field(
        self,
        module: PyModule,
        node: ast.AnnAssign,
        label: str,
        only: bool,
        fields: dict[str, Param],
    ) -> None:
        name = getattr(node.target, "id", "")
        default = node.value is not None or "NotRequired" in label
        if isinstance(node.value, ast.Call):
            called = getattr(node.value.func, "id", getattr(node.value.func, "attr", ""))
            given = {k.arg: k.value for k in node.value.keywords}
            if called in ("field", "Field"):
                first = node.value.args[0] if called == "Field" and node.value.args else None
                default = bool(given.keys() & {"default", "default_factory"}) or (
                    first is not None and not _is(first, ...)
                )
                only = only or _is(given.get("kw_only"), True)
                if _is(given.get("init"), False):
                    return
                name = _text(given.get("alias")) or name
        read = self.reader.types.annotation(module, node.annotation)
        fields[name] = Param(name, "keyword" if only else "normal", read, default, True)


def _assigned(node: ast.stmt) -> list[str]:
    targets = node.targets if isinstance(node, ast.Assign) else []
    return [t.id for t in targets if isinstance(t, ast.Name)]


def _is(node: ast.AST | None, value: object) -> bool:
    return isinstance(node, ast.Constant) and node.value is value


def _text(node: ast.AST | None) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def fingerprint(function: Function) -> str:
    """A hash of the normalized source of a function and of the helpers beside the spec it reaches.

    A comment, a docstring or a reformatting changes nothing. Code that cannot be read is hashed by
    its name.
    """
    from wfc.compiler.fingerprint import of  # it needs the classes above

    return of(function)
