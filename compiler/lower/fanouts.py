"""Comprehensions: a fan-out where they make calls, a pure expression where they do not."""

from __future__ import annotations

from wfc.compiler.ir import Arm, BranchNode, CallNode, Expr, ExprNode, MapNode, MapOutput, walk
from wfc.compiler.lower.block import Block, lowers, value
from wfc.compiler.lower.handles import after, binding_of, named_pending
from wfc.compiler.lower.lifting import lifts, parts
from wfc.compiler.lower.scope import Binding
from wfc.compiler.lower.values import provider
from wfc.compiler.project import Builtin
from wfc.dsl import ast


@lowers(ast.Comprehension)
def comprehension(block: Block, node: ast.Comprehension, bound: str | None) -> Expr:
    """`[value for …]` or `{key: value for …}`."""
    first, *rest = node.generators
    inside = [node.value, *([node.key] if node.key is not None else []), *first.conditions]
    for generator in rest:
        inside += [generator.iterable, *generator.conditions]
    if not any(lifts(block.frame, part) for part in inside):
        return _pure(block, node)
    if not rest:
        return _fan_out(block, node, bound)
    return _nested(block, node, bound)


def _pure(block: Block, node: ast.Comprehension) -> Expr:
    """No calls inside (but, it may be, in the first iterable): an expression."""
    inner = block.child()
    inner.graph = inner.start = block.graph
    inner.made = block.made
    clauses: list[Expr] = []
    for generator in node.generators:
        iterable = value(block if not clauses else inner, generator.iterable)
        targets = [target.id for target in generator.targets]
        inner.names.own.update((name, Binding(["name", name])) for name in targets)
        clauses.append([targets, iterable, [value(inner, c) for c in generator.conditions]])
    key = value(inner, node.key) if node.key is not None else None
    return ["comp", "list" if key is None else "dict", key, value(inner, node.value), clauses]


def _nested(block: Block, node: ast.Comprehension, bound: str | None) -> Expr:
    """More than one `for`: a fan-out of fan-outs, and an expression that flattens the lists."""
    first, *rest = node.generators
    pair = node.key is not None
    item = ast.TupleExpr((node.key, node.value), node.span) if node.key is not None else node.value
    inner = ast.Comprehension(None, item, tuple(rest), node.span, node.modifiers)
    outer = ast.Comprehension(None, inner, (first,), node.span, node.modifiers)
    made = _fan_out(block, outer, None, name=call_name(block, node))
    part, each = ["name", "o"], ["name", "i"]
    clauses: list[Expr] = [[["o"], made, []], [["k", "i"] if pair else ["i"], part, []]]
    flat: Expr = [
        "comp",
        "dict" if pair else "list",
        ["name", "k"] if pair else None,
        each,
        clauses,
    ]
    id = bound or block.scope.fresh("value")
    return block.add(ExprNode(id=id, span=node.span, expr=flat))


def _fan_out(
    block: Block, node: ast.Comprehension, bound: str | None, name: str | None = None
) -> Expr:
    """One `for`: a fan-out."""
    generator = node.generators[0]
    items, source = _items(block, generator.iterable)
    id = bound or block.scope.fresh(name or call_name(block, node))
    order = after(block, node.modifiers.after)
    body = block.body(id)
    targets = [body.scope.fresh(target.id) for target in generator.targets]
    for target, own in zip(generator.targets, targets, strict=True):
        body.bind(target.id, Binding(["name", own]))
    where, conditions = _split(body, generator.conditions, source)
    output = _output(body, node, id, conditions)
    options = block.frame.options(node.modifiers.options, "map")
    fan_out = MapNode(
        id=id, span=node.span, targets=targets, items=items, where_each=where, source=source,
        body=body.start, outputs=[output], after=order, catch=node.modifiers.catch is not None,
        concurrency=options.get("concurrency"), priority=options.get("priority", 0),
    )  # fmt: skip
    _spread(block, node, fan_out)
    return block.add(fan_out)


def _items(block: Block, iterable: ast.Expr) -> tuple[Expr, str | None]:
    """What a fan-out iterates over: a value, or a handle and its source, so that each element starts
    as soon as its own source element is done."""
    if isinstance(iterable, ast.Name):
        binding = block.names.find(iterable.id)
        # A fan-out inside the body of another joins what stands outside: an element is shipped whole.
        if binding is not None and binding.source is not None and binding.scope is block.scope:
            return ["handle", binding.source], binding.source
    if block.frame.info.is_pending(iterable):
        items = value(block, iterable)
        return items, named_pending(block, items, iterable)
    items = value(block, iterable)
    if isinstance(iterable, ast.Comprehension):
        binding = binding_of(block, items)
        if binding.source is not None:
            return ["handle", binding.source], binding.source
    return items, None


def _split(
    body: Block, conditions: tuple[ast.Expr, ...], source: str | None
) -> tuple[Expr | None, list[ast.Expr]]:
    """The conditions that filter before indices are given, and those that are part of the body.

    Pure ones come first, up to the first that calls something. With a source none does: its
    elements arrive in any order, and waiting for all of them to number them would be a barrier.
    """
    count = 0
    if source is None:
        while count < len(conditions) and not lifts(body.frame, conditions[count]):
            count += 1
    pure = [value(body, condition) for condition in conditions[:count]]
    if not pure:
        return None, list(conditions)
    return (pure[0] if len(pure) == 1 else ["and", pure]), list(conditions[count:])


def _output(body: Block, node: ast.Comprehension, id: str, conditions: list[ast.Expr]) -> MapOutput:
    if not conditions:
        key = value(body, node.key) if node.key is not None else None
        return MapOutput(id, value(body, node.value), key)
    test = (
        conditions[0] if len(conditions) == 1 else ast.BoolOp("and", tuple(conditions), node.span)
    )
    when = value(body, test)
    branch = body.scope.fresh("if")
    yes, no = body.child(), body.child()
    outputs: dict[str, list[str | None]] = {}
    made: list[Expr] = []
    for part in (node.value, *([node.key] if node.key is not None else [])):
        name = body.scope.fresh("value")
        given = provider(yes, name, value(yes, part), part)
        outputs[name] = [given, provider(no, name, ["lit", None], part)]
        made.append(["name", name])
    arms = [Arm(when, yes.start)]
    body.branch(
        BranchNode(id=branch, span=node.span, arms=arms, orelse=no.start, outputs=outputs),
        [yes, no],
    )
    return MapOutput(id, made[0], made[1] if len(made) > 1 else None, when)


def _spread(block: Block, node: ast.Comprehension, fan_out: MapNode) -> None:
    """`nocheckpoint` and `inplace` round a fan-out are meant for its calls."""
    said = node.modifiers
    if said.inplace is None and said.nocheckpoint is None:
        return
    for inner in walk(fan_out.body):
        if isinstance(inner, CallNode):
            inner.inplace = inner.inplace or said.inplace is not None
            inner.checkpoint = False if said.nocheckpoint is not None else inner.checkpoint


def call_name(block: Block, node: ast.Expr) -> str:
    """The visible name of the call that a fan-out without a name is known by."""
    return _call_name(block, node) or "map"


def _call_name(block: Block, node: ast.Expr) -> str | None:
    if not lifts(block.frame, node):
        return None
    if isinstance(node, ast.Wait):
        return "wait"
    if isinstance(node, ast.Comprehension):
        inside = [node.value, *([node.key] if node.key is not None else [])]
        for generator in node.generators:
            inside += generator.conditions
        inside += [g.iterable for g in node.generators]
        return next((n for part in inside if (n := _call_name(block, part))), None)
    if isinstance(node, ast.Call):
        symbol = block.frame.symbol(node)
        if isinstance(symbol, Builtin):
            if symbol.special:
                return symbol.name
        elif symbol is not None:
            return symbol.name
    return next((n for part in parts(node) if (n := _call_name(block, part))), None)
