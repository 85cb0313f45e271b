"""Pure expressions: their form in the plan, and their evaluation.

An expression is nested lists, so that it is JSON as it stands:

    ["lit", value]                      a literal (int float str bool None)
    ["name", id]                        the value of a node, a parameter or a loop name
    ["handle", id]                      the elements of a fan-out or group, as a `Pending`, not joined
    ["un", op, a]                       op: - + ~ not
    ["bin", op, a, b]                   op: + - * / // % ** @ << >> & | ^
    ["cmp", [op, …], [a, b, …]]         op: == != < <= > >= in not-in is is-not; chained
    ["and", [a, …]] ["or", [a, …]]      short-circuit
    ["if", test, a, b]                  only the branch taken is evaluated
    ["idx", a, i] ["slice", a, lo, hi, step]   lo hi step may be null
    ["attr", a, name]                   never a dunder
    ["unpack", a, n, i]                 item i of a, which must have exactly n
    ["list", [a, …]] ["tuple", [a, …]] ["dict", [[k, v], …]]
    ["fstr", [str | [expr, conversion, spec], …]]
    ["call", builtin, [a, …], {k: a}]   one of `BUILTINS`
    ["comp", "list"|"dict", key|null, value, [[[target, …], iterable, [cond, …]], …]]
    ["secret", name]                    resolved in the worker, never stored

`compile_expr` turns one into closures: no `eval`, a budget of steps and a bound on the size of what
is made, so that a spec cannot hang or blow up the coordinator.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

from wfc.plan.order import iterate, text

Env: TypeAlias = Mapping[str, Any]
Compiled: TypeAlias = Callable[[Env], Any]

MAX_STEPS = 10_000_000
MAX_BITS = 1_000_000
MAX_ITEMS = 10_000_000


class ExprError(Exception):
    """An expression that cannot be evaluated: what Python would raise, or a limit that was met."""


class Budget:
    """Counts the steps of one evaluation of comprehensions, so that nested ones stay bounded."""

    __slots__ = ("left",)

    def __init__(self, steps: int = MAX_STEPS) -> None:
        self.left = steps

    def spend(self, steps: int = 1) -> None:
        """Take `steps` off; raises `ExprError` when none are left."""
        self.left -= steps
        if self.left < 0:
            raise ExprError("the expression takes too many steps")


def _sized(value: Any) -> Any:
    if isinstance(value, (str, bytes, list, tuple, dict)) and len(value) > MAX_ITEMS:
        raise ExprError(f"the value has {len(value):,} items, more than {MAX_ITEMS:,}")
    return value


def _mul(a: Any, b: Any) -> Any:
    for seq, count in ((a, b), (b, a)):
        repeats = isinstance(seq, (str, bytes, list, tuple)) and isinstance(count, int)
        if repeats and len(seq) * count > MAX_ITEMS:
            raise ExprError(f"the value would have more than {MAX_ITEMS:,} items")
    if isinstance(a, int) and isinstance(b, int) and a.bit_length() + b.bit_length() > MAX_BITS:
        raise ExprError("the number is too large")
    return a * b


def _pow(a: Any, b: Any) -> Any:
    if isinstance(a, int) and isinstance(b, int) and b > 0 and a.bit_length() * b > MAX_BITS:
        raise ExprError("the number is too large")
    return a**b


def _lshift(a: Any, b: Any) -> Any:
    if isinstance(a, int) and isinstance(b, int) and a.bit_length() + b > MAX_BITS:
        raise ExprError("the number is too large")
    return a << b


def _add(a: Any, b: Any) -> Any:
    return _sized(a + b)


def _mod(a: Any, b: Any) -> Any:
    if isinstance(a, (str, bytes)):
        raise ExprError("% does not format text here: use an f-string")
    return a % b


BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "+": _add,
    "-": operator.sub,
    "*": _mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": _mod,
    "**": _pow,
    "@": operator.matmul,
    "<<": _lshift,
    ">>": operator.rshift,
    "&": operator.and_,
    "|": operator.or_,
    "^": operator.xor,
}
UNARY: dict[str, Callable[[Any], Any]] = {
    "-": operator.neg,
    "+": operator.pos,
    "~": operator.invert,
    "not": operator.not_,
}
COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "in": lambda a, b: a in b,
    "not-in": lambda a, b: a not in b,
    "is": operator.is_,
    "is-not": operator.is_not,
}


def _range(*args: int) -> list[int]:
    made = range(*args)
    if len(made) > MAX_ITEMS:
        raise ExprError(f"range of {len(made):,} items, more than {MAX_ITEMS:,}")
    return list(made)


def _zip(*args: Any) -> list[tuple[Any, ...]]:
    return list(zip(*map(iterate, args), strict=False))


def _enumerate(items: Any, start: int = 0) -> list[tuple[int, Any]]:
    return list(enumerate(iterate(items), start))


def _str(value: Any = "") -> str:
    return text(value, str)


def _over(run: Callable[..., Any]) -> Callable[..., Any]:
    """A built-in that goes over its first argument."""
    return lambda items, *args, **kwargs: run(iterate(items), *args, **kwargs)


def _extreme(run: Callable[..., Any]) -> Callable[..., Any]:
    """`min` or `max`: of the items of one argument, or of several arguments."""
    over = _over(run)
    return lambda *args, **kwargs: (over if len(args) == 1 else run)(*args, **kwargs)


BUILTINS: dict[str, Callable[..., Any]] = {
    "len": len,
    "range": _range,
    "min": _extreme(min),
    "max": _extreme(max),
    "sum": _over(sum),
    "sorted": _over(sorted),
    "any": _over(any),
    "all": _over(all),
    "int": int,
    "float": float,
    "str": _str,
    "bool": bool,
    "round": round,
    "abs": abs,
    "zip": _zip,
    "enumerate": _enumerate,
}


def safe_attribute(value: Any, name: str) -> Any:
    """`value.name` without dunders, and without reaching methods' or frames' internals."""
    if name.startswith("_"):
        raise ExprError(f"the attribute {name!r} cannot be reached from a spec")
    if isinstance(value, dict) and not hasattr(value, name) and name in value:
        return value[name]
    found = getattr(value, name)
    if callable(found) and not isinstance(found, type) and hasattr(found, "__func__"):
        raise ExprError(f"{name!r} is a method: a spec calls only tasks, workflows and built-ins")
    return found


def names(expr: Any) -> Iterator[str]:
    """The free names of an expression (node ids, parameters, loop names), handles included."""
    op = expr[0]
    if op in ("name", "handle"):
        yield expr[1]
    elif op == "comp":
        bound: set[str] = set()
        for targets, iterable, conditions in expr[4]:
            yield from (n for n in names(iterable) if n not in bound)
            bound.update(targets)
            for condition in conditions:
                yield from (n for n in names(condition) if n not in bound)
        for part in (expr[2], expr[3]):
            if part is not None:
                yield from (n for n in names(part) if n not in bound)
    else:
        for child in children(expr):
            yield from names(child)


def children(expr: Any) -> Iterator[Any]:
    """The direct sub-expressions, in the order of evaluation. `comp` scopes its own: see `names`."""
    op = expr[0]
    if op in ("lit", "name", "handle", "secret"):
        return
    if op in ("un",):
        yield expr[2]
    elif op == "bin":
        yield expr[2]
        yield expr[3]
    elif op == "cmp":
        yield from expr[2]
    elif op in ("and", "or", "list", "tuple"):
        yield from expr[1]
    elif op == "if":
        yield from expr[1:4]
    elif op == "idx":
        yield from expr[1:3]
    elif op == "slice":
        yield from (part for part in expr[1:5] if part is not None)
    elif op in ("attr", "unpack"):
        yield expr[1]
    elif op == "dict":
        for key, value in expr[1]:
            yield key
            yield value
    elif op == "fstr":
        yield from (part[0] for part in expr[1] if not isinstance(part, str))
    elif op == "call":
        yield from expr[2]
        yield from expr[3].values()
    elif op == "comp":
        for _targets, iterable, conditions in expr[4]:
            yield iterable
            yield from conditions
        yield from (part for part in (expr[2], expr[3]) if part is not None)
    else:
        raise ValueError(f"unknown expression {op!r}")


def compile_expr(expr: Any) -> Compiled:
    """Closures for an expression. The result takes the environment (names to values).

    It raises `ExprError` (or what Python raises: `KeyError`, `TypeError`, `ZeroDivisionError`, …).
    """
    op = expr[0]
    if op == "lit":
        value = expr[1]
        return lambda env: value
    if op in ("name", "handle"):
        key = expr[1] if op == "name" else "&" + expr[1]
        return lambda env: env[key]
    return _COMPILERS[op](expr)


def _c_un(expr: Any) -> Compiled:
    run, a = UNARY[expr[1]], compile_expr(expr[2])
    return lambda env: run(a(env))


def _c_bin(expr: Any) -> Compiled:
    run, a, b = BINARY[expr[1]], compile_expr(expr[2]), compile_expr(expr[3])
    return lambda env: run(a(env), b(env))


def _c_cmp(expr: Any) -> Compiled:
    ops = [COMPARE[o] for o in expr[1]]
    parts = [compile_expr(e) for e in expr[2]]
    if len(ops) == 1:
        run, a, b = ops[0], parts[0], parts[1]
        return lambda env: run(a(env), b(env))

    def chained(env: Env) -> Any:
        left = parts[0](env)
        result: Any = True
        for run, part in zip(ops, parts[1:], strict=True):
            right = part(env)
            result = run(left, right)
            if not result:
                return result
            left = right
        return result

    return chained


def _c_and(expr: Any) -> Compiled:
    parts = [compile_expr(e) for e in expr[1]]

    def run(env: Env) -> Any:
        value: Any = True
        for part in parts:
            value = part(env)
            if not value:
                return value
        return value

    return run


def _c_or(expr: Any) -> Compiled:
    parts = [compile_expr(e) for e in expr[1]]

    def run(env: Env) -> Any:
        value: Any = False
        for part in parts:
            value = part(env)
            if value:
                return value
        return value

    return run


def _c_if(expr: Any) -> Compiled:
    test, a, b = (compile_expr(e) for e in expr[1:4])
    return lambda env: a(env) if test(env) else b(env)


def _c_idx(expr: Any) -> Compiled:
    a, i = compile_expr(expr[1]), compile_expr(expr[2])
    return lambda env: a(env)[i(env)]


def _c_slice(expr: Any) -> Compiled:
    a = compile_expr(expr[1])
    lo, hi, step = (compile_expr(e if e is not None else ["lit", None]) for e in expr[2:5])
    return lambda env: a(env)[lo(env) : hi(env) : step(env)]


def _c_attr(expr: Any) -> Compiled:
    a, name = compile_expr(expr[1]), expr[2]
    return lambda env: safe_attribute(a(env), name)


def _c_unpack(expr: Any) -> Compiled:
    a, count, index = compile_expr(expr[1]), expr[2], expr[3]

    def run(env: Env) -> Any:
        value = a(env)
        items = list(value.values()) if isinstance(value, dict) else list(iterate(value))
        if len(items) != count:
            raise ExprError(f"expected {count} values to unpack, got {len(items)}")
        return items[index]

    return run


def _c_list(expr: Any) -> Compiled:
    parts = [compile_expr(e) for e in expr[1]]
    return lambda env: [part(env) for part in parts]


def _c_tuple(expr: Any) -> Compiled:
    parts = [compile_expr(e) for e in expr[1]]
    return lambda env: tuple([part(env) for part in parts])


def _c_dict(expr: Any) -> Compiled:
    parts = [(compile_expr(k), compile_expr(v)) for k, v in expr[1]]
    return lambda env: {k(env): v(env) for k, v in parts}


_CONVERT: dict[str, Callable[[Any], Any]] = {"": lambda v: v, "r": repr, "s": str, "a": ascii}


def _c_fstr(expr: Any) -> Compiled:
    parts: list[Compiled] = []
    for part in expr[1]:
        if isinstance(part, str):
            parts.append(lambda env, said=part: said)  # type: ignore[misc]
        else:
            value, convert, spec = compile_expr(part[0]), _CONVERT[part[1]], part[2]
            parts.append(_c_inserted(value, convert, spec))
    return lambda env: _sized("".join([part(env) for part in parts]))


def _c_inserted(value: Compiled, convert: Callable[[Any], Any], spec: str) -> Compiled:
    def said(found: Any) -> str:
        return format(convert(found), spec)

    return lambda env: text(value(env), said)


def _c_call(expr: Any) -> Compiled:
    run = BUILTINS[expr[1]]
    args = [compile_expr(e) for e in expr[2]]
    kwargs = {k: compile_expr(e) for k, e in expr[3].items()}
    if not kwargs and len(args) == 1:
        only = args[0]
        return lambda env: run(only(env))
    return lambda env: run(*[a(env) for a in args], **{k: a(env) for k, a in kwargs.items()})


def bind(targets: list[str], item: Any, env: dict[str, Any]) -> None:
    """Bind loop targets to an item, unpacking when there are several; raises `ExprError`."""
    if len(targets) == 1:
        env[targets[0]] = item
        return
    items = list(iterate(item))
    if len(items) != len(targets):
        raise ExprError(f"expected {len(targets)} values to unpack, got {len(items)}")
    env.update(zip(targets, items, strict=True))


def _c_comp(expr: Any) -> Compiled:
    _, form, key_expr, value_expr, generators = expr
    key = compile_expr(key_expr) if key_expr is not None else None
    value = compile_expr(value_expr)
    clauses = [
        (targets, compile_expr(iterable), [compile_expr(c) for c in conditions])
        for targets, iterable, conditions in generators
    ]

    def run(env: Env) -> Any:
        budget = Budget()
        scope = dict(env)
        out: list[Any] = []

        def walk(depth: int) -> None:
            if depth == len(clauses):
                out.append((key(scope), value(scope)) if key else value(scope))
                return
            targets, iterable, conditions = clauses[depth]
            for item in iterate(iterable(scope)):
                budget.spend()
                bind(targets, item, scope)
                if all(c(scope) for c in conditions):
                    walk(depth + 1)

        walk(0)
        return dict(out) if form == "dict" else out

    return run


def _c_secret(expr: Any) -> Compiled:
    name = expr[1]
    return lambda env: env["$secret"](name)


_COMPILERS: dict[str, Callable[[Any], Compiled]] = {
    "un": _c_un,
    "bin": _c_bin,
    "cmp": _c_cmp,
    "and": _c_and,
    "or": _c_or,
    "if": _c_if,
    "idx": _c_idx,
    "slice": _c_slice,
    "attr": _c_attr,
    "unpack": _c_unpack,
    "list": _c_list,
    "tuple": _c_tuple,
    "dict": _c_dict,
    "fstr": _c_fstr,
    "call": _c_call,
    "comp": _c_comp,
    "secret": _c_secret,
}
