"""Attributes and subscripts."""

from __future__ import annotations

from wfc.compiler import codes
from wfc.compiler.check.frame import WHAT, Frame, members
from wfc.compiler.project import ConstantSymbol, SpecSymbol
from wfc.compiler.relations import assignable, element, is_number
from wfc.compiler.types import (
    ANY,
    BOOL,
    ERROR_INFO,
    AnyType,
    Instance,
    LiteralType,
    NoneT,
    PendingType,
    ResultType,
    TupleType,
    Type,
    WaitType,
    a_type,
    describe,
    join,
    list_of,
    widen,
)
from wfc.dsl import ast


def attribute(frame: Frame, node: ast.Attribute) -> Type:
    """`value.name`."""
    if isinstance(node.value, ast.Name) and frame.scope.find(node.value.id) is None:
        owner = frame.module.symbols.get(node.value.id)
        if isinstance(owner, SpecSymbol):
            return _of_spec(frame, node, owner)
    if isinstance(node.value, ast.Name):
        found = frame.name(node.value, node.name)
        frame.info.types[id(node.value)] = found
    else:
        found = frame.infer(node.value)
    if node.name.startswith("_"):
        what = "a dunder attribute" if node.name.startswith("__") else "a private attribute"
        text = f"`{node.name}` is {what}, which a spec cannot reach"
        frame.report(
            codes.DUNDER, text, node.name_span, "not reachable", "read it in a Python function"
        )
        return ANY
    if isinstance(found, (ResultType, WaitType)):
        if isinstance(found, ResultType) and isinstance(node.value, ast.Name):
            _other_side(frame, node, node.value.id)
        return _of_record(frame, node, found)
    found = frame.as_plain(node.value, found)
    parts = [m for m in members(widen(found)) if not isinstance(m, NoneT)]
    if not parts:
        if isinstance(found, NoneT):
            _no_attribute(frame, node, found, [])
        return ANY
    return join([_of_class(frame, node, part) for part in parts])


def _of_spec(frame: Frame, node: ast.Attribute, owner: SpecSymbol) -> Type:
    frame.context.used.add(owner)
    if owner.target is None:
        return ANY
    symbol = owner.target.symbols.get(node.name)
    if isinstance(symbol, ConstantSymbol):
        frame.context.used.add(symbol)
        return frame.context.constant_type(symbol)
    if symbol is None or isinstance(symbol, SpecSymbol):
        not_in_spec(frame, node, owner)
    else:
        text = f"`{owner.name}.{node.name}` is {WHAT[type(symbol)]}, not a value"
        hint = f"call it: `{owner.name}.{node.name}(…)`"
        frame.report(codes.NO_VALUE, text, node.span, "expected a value", hint)
    return ANY


def not_in_spec(frame: Frame, node: ast.Attribute, owner: SpecSymbol) -> None:
    """Report a name that an imported spec does not have."""
    assert owner.target is not None
    if owner.target.broken:
        return
    text = f"the spec `{owner.name}` ({owner.target.file}) has no `{node.name}`"
    known = (n for n, s in owner.target.symbols.items() if not isinstance(s, SpecSymbol))
    hint = frame.context.suggest(node.name, known)
    frame.report(codes.NOT_IN_SPEC, text, node.name_span, "not found", hint)


def _other_side(frame: Frame, node: ast.Attribute, name: str) -> None:
    """Warn of the value of a `Result` that has failed, and of the error of one that has not."""
    ok = frame.scope.is_ok(name)
    if (ok, node.name) in ((True, "error"), (False, "value")):
        other = "value" if ok else "error"
        text = f"`{name}.{node.name}` is always `None` here, where `{name}.ok` is {ok}"
        hint = f"use `{name}.{other}`, or move this to where `{name}.ok` is {not ok}"
        frame.warn(codes.RESULT_SIDE, text, node.span, "nothing there", hint)


def _of_record(frame: Frame, node: ast.Attribute, found: ResultType | WaitType) -> Type:
    """`.ok .value .error` of a `Result`; `.ready .pending .failed .timed_out` of a wait."""
    if isinstance(found, ResultType):
        kinds: dict[str, Type] = {"ok": BOOL, "value": found.value, "error": ERROR_INFO}
        what = "a Result"
    else:
        kinds = {
            "ready": found.ready,
            "pending": PendingType(found.item),
            "failed": list_of(ERROR_INFO),
            "timed_out": BOOL,
        }
        what = "the record of a wait"
    if node.name in kinds:
        return kinds[node.name]
    text = f"{what} has no `{node.name}`"
    hint = (
        frame.context.suggest(node.name, kinds) or f"it has {', '.join(f'`.{k}`' for k in kinds)}"
    )
    frame.report(codes.UNKNOWN_ATTRIBUTE, text, node.name_span, "not found", hint)
    return ANY


def _of_class(frame: Frame, node: ast.Attribute, found: Type) -> Type:
    if isinstance(found, TupleType):
        if node.name in ("count", "index"):
            _method(frame, node, found)
        else:
            _no_attribute(frame, node, found, [])
        return ANY
    if not isinstance(found, Instance) or found.cls.module == "collections.abc":
        return ANY
    info = found.cls.info
    if found.cls.module == "builtins" and found.cls.name == "dict":
        return found.args[1] if len(found.args) == 2 else ANY  # `d.key` reads `d["key"]`
    if node.name in info.fields:
        return info.fields[node.name]
    if node.name in info.methods:
        _method(frame, node, found)
        return ANY
    if info.complete and found.cls.name != "object":
        _no_attribute(frame, node, found, [*info.fields, *info.methods])
    return ANY


def _method(frame: Frame, node: ast.Attribute, found: Type) -> None:
    text = f"`{node.name}` is a method of {describe(found)}: a spec does not call methods"
    frame.report(codes.METHOD_CALL, text, node.name_span, "a method", METHOD_HINT)


METHOD_HINT = "a spec calls tasks, workflows and built-ins only: do this in a Python function"


def _no_attribute(frame: Frame, node: ast.Attribute, found: Type, known: list[str]) -> None:
    text = f"{describe(found)} has no attribute `{node.name}`"
    hint = frame.context.suggest(node.name, known)
    frame.report(codes.UNKNOWN_ATTRIBUTE, text, node.name_span, "not found", hint)


# ------------------------------------------------------------------------------------- subscripts


def subscript(frame: Frame, node: ast.Subscript) -> Type:
    """`value[index]` and `value[a:b]`."""
    found = frame.plain(node.value, "with `[…]`")
    if isinstance(node.index, ast.Slice):
        for bound in (node.index.lower, node.index.upper, node.index.step):
            if bound is not None:
                _index_is_int(frame, bound, frame.plain(bound, "as an index"), "a slice")
        return _sliced(frame, node, widen(found))
    index = frame.plain(node.index, "as an index")
    parts: list[Type] = [m for m in members(widen(found)) if not isinstance(m, NoneT)]
    parts = parts or [widen(found)]
    return join([_indexed(frame, node, node.index, part, index) for part in parts])


def _sliced(frame: Frame, node: ast.Subscript, found: Type) -> Type:
    if is_number(found) or isinstance(found, NoneT):
        return _not_indexable(frame, node, found)
    if isinstance(found, TupleType):
        return TupleType((element(found) or ANY,), variadic=True)
    if isinstance(found, Instance) and found.cls.module == "builtins":
        if found.cls.name in ("dict", "set", "frozenset"):
            return _not_indexable(frame, node, found)
        return found
    return ANY


def _not_indexable(frame: Frame, node: ast.Subscript, found: Type) -> Type:
    text = f"{a_type(found)} cannot be indexed"
    frame.report(codes.NOT_INDEXABLE, text, node.span, "expected a list, a dict or a text")
    return ANY


def _index_is_int(frame: Frame, node: ast.Expr, index: Type, what: str) -> None:
    index = widen(index)
    if not isinstance(index, Instance) or index.cls.module != "builtins":
        return
    if index.cls.name not in ("int", "bool", "object"):
        text = f"the index of {what} is a whole number, not {a_type(index)}"
        frame.report(codes.NOT_INDEXABLE, text, node.span, "expected an int")


def _indexed(
    frame: Frame, node: ast.Subscript, index_node: ast.Expr, found: Type, index: Type
) -> Type:
    if isinstance(found, AnyType):
        return ANY
    if isinstance(found, TupleType):
        _index_is_int(frame, index_node, index, "a tuple")
        return _tuple_item(frame, node, found, frame.value_of(index_node))
    if is_number(found) or isinstance(found, NoneT):
        return _not_indexable(frame, node, found)
    if not isinstance(found, Instance):
        return ANY
    name = found.cls.name
    if found.cls.module != "builtins":
        return _of_fields(frame, node, found, index)
    if name in ("set", "frozenset"):
        return _not_indexable(frame, node, found)
    if name == "dict":
        if found.args and not assignable(index, found.args[0]):
            text = f"the keys of this dict are {describe(found.args[0])}, not {describe(index)}"
            frame.report(
                codes.NOT_INDEXABLE, text, index_node.span, f"expected {describe(found.args[0])}"
            )
        return found.args[1] if len(found.args) == 2 else ANY
    if name in ("list", "str", "bytes", "bytearray", "range"):
        _index_is_int(frame, index_node, index, f"a {name}")
        return element(found) or ANY
    return ANY


def _tuple_item(frame: Frame, node: ast.Subscript, found: TupleType, index: object) -> Type:
    if found.variadic or type(index) is not int:
        return join(found.items) if found.items else ANY
    if -len(found.items) <= index < len(found.items):
        return found.items[index]
    text = f"index {index} is outside a tuple of {len(found.items)}"
    frame.report(codes.NOT_INDEXABLE, text, node.span, "out of range")
    return ANY


def _of_fields(frame: Frame, node: ast.Subscript, found: Instance, index: Type) -> Type:
    """A TypedDict's key, or a class that may define `__getitem__`."""
    info = found.cls.info
    if info.kind == "typeddict" and isinstance(index, LiteralType) and len(index.values) == 1:
        key = index.values[0]
        if key in info.fields:
            return info.fields[str(key)]
        if info.complete and isinstance(node.index, ast.Constant):
            text = f"{found.cls.name} has no key {key!r}"
            hint = frame.context.suggest(str(key), info.fields)
            frame.report(codes.UNKNOWN_ATTRIBUTE, text, node.index.span, "not found", hint)
        return ANY
    if found.cls.module == "collections.abc" or info.kind != "class" or not info.complete:
        return ANY
    if "__getitem__" not in info.methods and not info.bases:
        return _not_indexable(frame, node, found)
    return ANY
