"""Calls of tasks and workflows, and of what the language itself gives a meaning to."""

from __future__ import annotations

from typing import Any, Literal, TypedDict

from wfc.compiler.ir import (
    CallNode,
    CancelNode,
    Checkpoint,
    ContinuationNode,
    Expr,
    FailNode,
    ReceiveNode,
    ReturnNode,
    SleepNode,
)
from wfc.compiler.lower.block import NOTHING, Block, lowers, value
from wfc.compiler.lower.handles import after, handle, named_pending
from wfc.compiler.options import NOT_OF_CALLS
from wfc.compiler.project import Builtin, TaskSymbol, TypeSymbol, WorkflowSymbol
from wfc.dsl import ast


class Called(TypedDict):
    """The fields that a call and a continuation share."""

    target: str
    callee: Literal["task", "workflow"]
    args: list[Expr]
    kwargs: dict[str, Expr]
    inplace: bool
    checkpoint: Checkpoint
    catch: bool
    options: dict[str, Any]
    after: list[str]


@lowers(ast.Call)
def call(block: Block, node: ast.Call, bound: str | None) -> Expr:
    """A call in an expression."""
    symbol = block.frame.symbol(node)
    if isinstance(symbol, Builtin):
        return _SPECIALS[symbol.name](block, node, bound) if symbol.special else pure(block, node)
    if isinstance(symbol, TypeSymbol):
        symbol = symbol.task
    if not isinstance(symbol, (TaskSymbol, WorkflowSymbol)):
        return block.refuse("this cannot be called", node.func.span)
    fields = called(block, node, symbol)
    id = bound or block.scope.fresh(symbol.name)
    return block.add(CallNode(id=id, span=node.span, **fields))


def called(block: Block, node: ast.Call, symbol: TaskSymbol | WorkflowSymbol) -> Called:
    """Arguments, modifiers and options of a call; the options are complete."""
    info = block.frame.info.call_at(node)
    handles = info.handles if info is not None else frozenset()
    task = symbol if isinstance(symbol, TaskSymbol) else None
    own = block.frame.options(node.modifiers.options, "call" if task is not None else "sub")
    options = {k: v for k, v in {**symbol.options, **own}.items() if k not in NOT_OF_CALLS}
    checkpoint: Checkpoint = own.get("checkpoint", symbol.checkpoint)
    if node.modifiers.nocheckpoint is not None:
        checkpoint = False
    block.frame.lowering.need(symbol)
    return {
        "target": symbol.key,
        "callee": "task" if task is not None else "workflow",
        "args": [_argument(block, arg, i in handles) for i, arg in enumerate(node.args)],
        "kwargs": {k.name: _argument(block, k.value, k.name in handles) for k in node.keywords},
        "inplace": node.modifiers.inplace is not None or (task is not None and task.inplace),
        "checkpoint": checkpoint,
        "catch": node.modifiers.catch is not None,
        "options": options,
        "after": after(block, node.modifiers.after),
    }


def _argument(block: Block, node: ast.Expr, as_handle: bool) -> Expr:
    if as_handle:
        return handle(block, node)
    made = value(block, node)
    if made[0] == "attr" and block.frame.info.is_pending(node):
        # Only a node's value is joined when a call takes it.
        return ["name", named_pending(block, made, node)]
    return made


def pure(block: Block, node: ast.Call) -> Expr:
    """A built-in function."""
    assert isinstance(node.func, ast.Name)
    args = [value(block, arg) for arg in node.args]
    return ["call", node.func.id, args, {k.name: value(block, k.value) for k in node.keywords}]


def continuation(block: Block, node: ast.Expr) -> None:
    """`continuation call(…)`."""
    symbol = block.frame.symbol(node) if isinstance(node, ast.Call) else None
    if isinstance(symbol, TypeSymbol):
        symbol = symbol.task
    if isinstance(node, ast.Call) and isinstance(symbol, (TaskSymbol, WorkflowSymbol)):
        fields = called(block, node, symbol)
        id = block.scope.fresh("continuation")
        block.add(ContinuationNode(id=id, span=node.span, **fields))
        return
    expr = value(block, node)
    block.add(ReturnNode(id=block.scope.fresh("return"), span=node.span, expr=expr))


# ----------------------------------------------------------------------------------- specials


def _one(block: Block, node: ast.Call, name: str) -> ast.Expr | None:
    """The first argument, by position or by name."""
    if node.args:
        return node.args[0]
    return next((k.value for k in node.keywords if k.name == name), None)


def _plain(block: Block, node: ast.Call, *, catch: bool = False) -> None:
    """Refuse the modifiers that mean nothing here, if the checks let them through."""
    said = node.modifiers
    for span in (None if catch else said.catch, said.inplace, said.nocheckpoint):
        if span is not None:
            block.refuse("this modifier has no meaning here", span)
    if said.options:
        block.refuse("options have no meaning here", said.options[0].span)


def _sleep(block: Block, node: ast.Call, bound: str | None) -> Expr:
    _plain(block, node)
    given = _one(block, node, "duration")
    duration = value(block, given) if given is not None else NOTHING
    id = bound or block.scope.fresh("sleep")
    order = after(block, node.modifiers.after)
    return block.add(SleepNode(id=id, span=node.span, duration=duration, after=order))


def _receive(block: Block, node: ast.Call, bound: str | None) -> Expr:
    _plain(block, node, catch=True)
    given = _one(block, node, "name")
    signal = value(block, given) if given is not None else NOTHING
    limit = node.args[1] if len(node.args) > 1 else None
    limit = next((k.value for k in node.keywords if k.name == "timeout"), limit)
    timeout = value(block, limit) if limit is not None else None
    order = after(block, node.modifiers.after)
    caught = node.modifiers.catch is not None
    id = bound or block.scope.fresh("receive")
    return block.add(
        ReceiveNode(
            id=id, span=node.span, signal=signal, timeout=timeout, catch=caught, after=order
        )
    )


def _cancel(block: Block, node: ast.Call, bound: str | None) -> Expr:
    _plain(block, node)
    given = _one(block, node, "pending")
    pending = handle(block, given) if given is not None else NOTHING
    order = after(block, node.modifiers.after)
    id = bound or block.scope.fresh("cancel")
    return block.add(CancelNode(id=id, span=node.span, pending=pending, after=order))


def _fail(block: Block, node: ast.Call, bound: str | None) -> Expr:
    _plain(block, node)
    given = _one(block, node, "message")
    message = value(block, given) if given is not None else ["lit", "failed"]
    order = after(block, node.modifiers.after)
    id = block.scope.fresh("fail")
    block.add(FailNode(id=id, span=node.span, message=message, after=order))
    return NOTHING


def _secret(block: Block, node: ast.Call, bound: str | None) -> Expr:
    given = _one(block, node, "name")
    if not isinstance(given, ast.Constant) or not isinstance(given.value, str):
        return block.refuse("the name of a secret must be a literal", node.span)
    return ["secret", given.value]


_SPECIALS = {
    "sleep": _sleep,
    "receive": _receive,
    "cancel": _cancel,
    "fail": _fail,
    "secret": _secret,
}
