"""Parameters: of functions as they are written, and of classes as their constructors take them."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import Literal, TypeAlias

from wfc.compiler.pymodules import Defined, Opaque, PyModule
from wfc.compiler.pytypes import TypeReader
from wfc.compiler.types import ANY, NONE, Type, union

ParamKind: TypeAlias = Literal["positional", "normal", "args", "keyword", "kwargs"]


@dataclass(frozen=True, slots=True)
class Param:
    """A parameter: `positional` (only), `normal`, `args` (`*a`), `keyword` (only), `kwargs` (`**k`)."""

    name: str
    kind: ParamKind = "normal"
    type: Type = ANY
    has_default: bool = False
    annotated: bool = False


def parameters(
    reader: TypeReader, module: PyModule, args: ast.arguments, *, skip_first: bool
) -> tuple[Param, ...]:
    """The parameters of a `def` or a `lambda`."""
    made: list[Param] = []

    def add(arg: ast.arg, kind: ParamKind, default: ast.expr | None = None) -> None:
        read = reader.annotation(module, arg.annotation)
        if _is(default, None):  # `x: int = None` takes `None`, whatever it says
            read = union([read, NONE])
        made.append(Param(arg.arg, kind, read, default is not None, arg.annotation is not None))

    plain = [*args.posonlyargs, *args.args]
    defaults = [*[None] * (len(plain) - len(args.defaults)), *args.defaults]
    for index, (arg, default) in enumerate(zip(plain, defaults, strict=True)):
        add(arg, "positional" if index < len(args.posonlyargs) else "normal", default)
    if args.vararg is not None:
        add(args.vararg, "args")
    for arg, value in zip(args.kwonlyargs, args.kw_defaults, strict=True):
        add(arg, "keyword", value)
    if args.kwarg is not None:
        add(args.kwarg, "kwargs")
    return tuple(made[1:] if skip_first else made)


def constructor(
    reader: TypeReader, module: PyModule, node: ast.ClassDef
) -> tuple[Param, ...] | None:
    """The parameters that calling a class takes; `None` when they cannot be told."""
    return _Constructor(reader, module, node).params()


class _Constructor:
    """The parameters that calling a class takes."""

    def __init__(self, reader: TypeReader, module: PyModule, node: ast.ClassDef) -> None:
        self.reader = reader
        self.module = module
        self.node = node

    def params(self) -> tuple[Param, ...] | None:
        """`None` when they cannot be told."""
        info = self.reader.info(self.module, self.node)
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
                return parameters(self.reader, module, statement.args, skip_first=True)
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
        if kind == "dataclass" and not self._decorated(module, node):
            return True  # it inherits the constructor, and adds nothing to it
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

    def _decorated(self, module: PyModule, node: ast.ClassDef) -> bool:
        names = (self.reader.full_name(module, d) for d in node.decorator_list)
        return any(name.rpartition(".")[2] == "dataclass" for name in names)

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
        read = self.reader.annotation(module, node.annotation)
        fields[name] = Param(name, "keyword" if only else "normal", read, default, True)


def _assigned(node: ast.stmt) -> list[str]:
    targets = node.targets if isinstance(node, ast.Assign) else []
    return [t.id for t in targets if isinstance(t, ast.Name)]


def _is(node: ast.AST | None, value: object) -> bool:
    return isinstance(node, ast.Constant) and node.value is value


def _text(node: ast.AST | None) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
