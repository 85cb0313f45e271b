"""Python annotations and class bodies as types, read from source."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass

from wfc.compiler import types
from wfc.compiler.pymodules import Defined, Finder, Opaque, PyModule
from wfc.compiler.types import ANY, NONE, ClassInfo, ClassRef, Instance, Type
from wfc.plan import python

MAX_DEPTH = 16

_SIMPLE = {
    "List": "list",
    "Dict": "dict",
    "Set": "set",
    "FrozenSet": "frozenset",
    "AbstractSet": "Set",
}
_TRANSPARENT = ("Annotated", "Final", "ClassVar", "Required", "NotRequired", "ReadOnly", "InitVar")


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a dataclass-like class, as a parameter of its constructor."""

    name: str
    type: Type
    has_default: bool
    keyword_only: bool = False
    init: bool = True


class TypeReader:
    """Turns annotation nodes of a module into types, and class definitions into `ClassInfo`."""

    def __init__(self, finder: Finder) -> None:
        self.finder = finder
        self._refs: dict[int, ClassRef] = {}
        self._infos: dict[int, ClassInfo] = {}

    # ------------------------------------------------------------------ annotations

    def annotation(self, module: PyModule, node: ast.AST | None, depth: int = 0) -> Type:
        """The type that an annotation means; `Any` for what is not understood."""
        if node is None or depth > MAX_DEPTH:
            return ANY
        if isinstance(node, ast.Constant):
            return self._constant(module, node.value, depth)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
            left = self.annotation(module, node.left, depth + 1)
            return types.union([left, self.annotation(module, node.right, depth + 1)])
        if isinstance(node, ast.Subscript):
            inner = node.slice
            args = list(inner.elts) if isinstance(inner, ast.Tuple) else [inner]
            return self._head(module, node.value, args, depth)
        if isinstance(node, (ast.Name, ast.Attribute)):
            return self._head(module, node, [], depth)
        return ANY

    def _constant(self, module: PyModule, value: object, depth: int) -> Type:
        if value is None:
            return NONE
        if isinstance(value, str):
            try:
                return self.annotation(module, python.parse_expression(value), depth + 1)
            except (SyntaxError, ValueError, RecursionError):
                return ANY
        return ANY

    def _head(self, module: PyModule, head: ast.expr, args: list[ast.expr], depth: int) -> Type:
        found = self.finder.dotted(module, head)
        if isinstance(found, Opaque):
            return self._known(module, found.name, args, depth)
        if not isinstance(found, Defined):
            return ANY
        if isinstance(found.node, ast.ClassDef):
            return Instance(self.ref(found.module, found.node))
        alias = _alias_value(found.node)
        if alias is None:
            return ANY
        if isinstance(alias, ast.Call):  # `UserId = NewType("UserId", int)`; a TypeVar is anything
            called = self.finder.dotted(found.module, alias.func)
            is_new = isinstance(called, Opaque) and called.name.endswith(".NewType")
            if is_new and len(alias.args) == 2:
                return self.annotation(found.module, alias.args[1], depth + 1)
            return ANY
        return self.annotation(found.module, alias, depth + 1)

    def _known(self, module: PyModule, full: str, args: list[ast.expr], depth: int) -> Type:
        """A class of the language, or of `typing`, by its full name."""
        origin, _, name = full.rpartition(".")
        if origin not in ("builtins", "typing", "typing_extensions", "collections.abc", "wfc"):
            return ANY

        def arg(index: int) -> Type:
            return self.annotation(module, args[index], depth + 1) if index < len(args) else ANY

        if name == "Literal":
            values = [a.value for a in args if isinstance(a, ast.Constant)]
            usable = [v for v in values if v is None or isinstance(v, (bool, int, str, bytes))]
            return types.LiteralType(tuple(usable)) if len(usable) == len(args) and args else ANY
        return generic(origin, name, len(args), arg, [_is_dots(a) for a in args])

    # ------------------------------------------------------------------ classes

    def ref(self, module: PyModule, node: ast.ClassDef) -> ClassRef:
        """The class that a definition makes; its body is read when somebody asks."""
        if id(node) not in self._refs:
            self._refs[id(node)] = ClassRef(module.name, node.name, lambda: self.info(module, node))
        return self._refs[id(node)]

    def info(self, module: PyModule, node: ast.ClassDef) -> ClassInfo:
        """What the class body and its bases say, read once."""
        if id(node) not in self._infos:
            self._infos[id(node)] = ClassInfo()  # where a class refers to itself
            self._infos[id(node)] = _Body(self, module, node).read()
        return self._infos[id(node)]

    def full_name(self, module: PyModule, node: ast.AST) -> str:
        """The full dotted name that a decorator or a base stands for; empty when not that simple."""
        target = node.func if isinstance(node, ast.Call) else node
        target = target.value if isinstance(target, ast.Subscript) else target
        found = self.finder.dotted(module, target)
        if isinstance(found, Opaque):
            return found.name
        if isinstance(found, Defined):
            return f"{found.module.name}.{found.name}"
        return ""


def _is_dots(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is ...


def _alias_value(node: ast.AST) -> ast.expr | None:
    if isinstance(node, (ast.Assign, ast.AnnAssign)) or type(node).__name__ == "TypeAlias":
        value = getattr(node, "value", None)
        return value if isinstance(value, ast.expr) else None
    return None


def generic(
    origin: str, name: str, count: int, arg: Callable[[int], Type], dots: list[bool] | None = None
) -> Type:
    """The type `name[arg(0), …]`, for the classes that Python and the language define."""
    if name in ("None", "NoneType"):
        return NONE
    if name in _TRANSPARENT:
        return arg(0)
    if name == "Optional":
        return types.union([arg(0), NONE])
    if name == "Union":
        return types.union([arg(i) for i in range(count)])
    if name in ("tuple", "Tuple"):
        if not count:
            return types.TupleType((ANY,), variadic=True)
        if dots and dots[-1]:
            return types.TupleType((arg(0),), variadic=True)
        return types.TupleType(tuple(arg(i) for i in range(count)))
    if name in ("Pending", "pending") and origin in ("wfc", ""):
        return types.PendingType(arg(0))
    if name == "Result" and origin in ("wfc", ""):
        return types.ResultType(arg(0))
    cls = types.CLASSES.get(_SIMPLE.get(name, name))
    if cls is None:
        return ANY
    wanted = 2 if cls.name in ("dict", "Mapping", "MutableMapping") else 1
    if cls.name == "Callable" or not count:
        return Instance(cls)
    return Instance(cls, tuple(arg(i) for i in range(min(count, wanted))))


class _Body:
    """One class definition, being read."""

    def __init__(self, reader: TypeReader, module: PyModule, node: ast.ClassDef) -> None:
        self.reader = reader
        self.module = module
        self.node = node
        self.fields: dict[str, Type] = {}
        self.required: set[str] = set()
        self.methods: set[str] = set()
        self.bases: list[Type] = []
        self.complete = True
        self.kind = "class"

    def read(self) -> ClassInfo:
        self._read_bases()
        for statement in self.node.body:
            self._read_statement(statement)
        return ClassInfo(
            self.fields,
            frozenset(self.required),
            frozenset(self.methods),
            tuple(self.bases),
            self.complete,
            self.kind,
        )

    def _read_bases(self) -> None:
        names = [self.reader.full_name(self.module, b) for b in self.node.bases]
        for base, full in zip(self.node.bases, names, strict=True):
            if self._special_base(full):
                continue
            found = self.reader.annotation(self.module, base)
            self.bases.append(found)
            if not isinstance(found, Instance):
                self.complete = False
                continue
            info = found.cls.info
            self.complete = self.complete and (
                info.complete or found.cls.module == "collections.abc"
            )
            self.methods |= info.methods
            self.fields.update(info.fields)
            self.required |= info.required
            if info.kind != "class":
                self.kind = info.kind
        for decorator in self.node.decorator_list:
            full = self.reader.full_name(self.module, decorator)
            if full in ("dataclasses.dataclass", "pydantic.dataclasses.dataclass"):
                self.kind = "dataclass"
            elif full not in (
                "functools.total_ordering",
                "typing.final",
                "typing.runtime_checkable",
            ):
                self.complete = False
        if any(k.arg == "metaclass" for k in self.node.keywords) and "abc.ABCMeta" not in [
            self.reader.full_name(self.module, k.value) for k in self.node.keywords
        ]:
            self.complete = False

    def _special_base(self, full: str) -> bool:
        origin, _, name = full.rpartition(".")
        if name in ("Generic", "ABC", "object") or full == "abc.ABC":
            return True
        kinds = {"NamedTuple": "namedtuple", "TypedDict": "typeddict", "Protocol": "protocol"}
        if origin in ("typing", "typing_extensions") and name in kinds:
            self.kind = kinds[name]
        elif full == "pydantic.BaseModel":
            self.kind = "pydantic"
            self.methods |= {"model_dump", "model_dump_json", "model_copy", "dict", "json", "copy"}
            self.fields.update(model_fields=ANY, model_extra=ANY, model_fields_set=ANY)
        elif origin == "enum":
            self.kind = "enum"
            self.fields.update(name=ANY, value=ANY)
        elif origin == "builtins" and name not in types.CLASSES:
            # exceptions and the like: what Python itself says of them is enough
            self.bases.append(Instance(ClassRef("builtins", name)))
            self.complete = False
        else:
            return False
        return True

    def _read_statement(self, node: ast.stmt) -> None:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            name = node.target.id
            self.fields[name] = self.reader.annotation(self.module, node.annotation)
            if node.value is None:
                self.required.add(name)
            else:
                self.required.discard(name)
        elif isinstance(node, ast.Assign):
            self.fields.update((t.id, ANY) for t in node.targets if isinstance(t, ast.Name))
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            self._read_method(node)
        elif isinstance(node, ast.ClassDef):
            self.methods.add(node.name)
        elif isinstance(node, (ast.If, ast.Try, ast.For, ast.With)):
            self.complete = False

    def _read_method(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        if node.name in ("__getattr__", "__getattribute__"):
            self.complete = False
        decorators = [self.reader.full_name(self.module, d) for d in node.decorator_list]
        if any(d.rpartition(".")[2] in ("property", "cached_property") for d in decorators):
            self.fields[node.name] = self.reader.annotation(self.module, node.returns)
        elif decorators and any(not d.startswith("builtins.") for d in decorators):
            self.fields[node.name] = ANY
        else:
            self.methods.add(node.name)
        for inner in ast.walk(node):
            if isinstance(inner, ast.Attribute) and isinstance(inner.ctx, ast.Store):
                if isinstance(inner.value, ast.Name) and inner.value.id == "self":
                    self.fields.setdefault(inner.attr, ANY)
            elif isinstance(inner, ast.Call) and getattr(inner.func, "id", "") in (
                "setattr",
                "vars",
            ):
                self.complete = False
