"""The options of `with (…)`: their names, where each may stand, and what values they take.

Names and meanings are Ray's wherever Ray has the option.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from wfc.compiler import codes
from wfc.compiler.constants import Constants, NotConstantError, dotted
from wfc.compiler.project import SpecModule, TaskSymbol, TypeSymbol
from wfc.compiler.signatures import Function
from wfc.compiler.suggest import did_you_mean
from wfc.compiler.types import ClassRef, Instance
from wfc.dsl import ast
from wfc.dsl.diagnostics import Diagnostic

Place: TypeAlias = Literal["task", "call", "workflow", "sub", "map"]
"""A task declaration, a call of a task, a workflow declaration, a call of a workflow, a fan-out."""

PLACES: dict[str, str] = {
    "task": "a task",
    "call": "a call of a task",
    "workflow": "a workflow",
    "sub": "a call of a workflow",
    "map": "a fan-out",
}


@dataclass(frozen=True, slots=True)
class Option:
    """An option: where it may stand, what is expected of its value, and the test of that."""

    places: tuple[Place, ...]
    expected: str
    fits: Callable[[Any], bool]


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _amount(value: Any) -> bool:
    return _number(value) and 0 <= value < float("inf")


def _positive(value: Any) -> bool:
    return _number(value) and 0 < value < float("inf")


def _whole(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _amounts(value: Any) -> bool:
    return isinstance(value, dict) and all(
        isinstance(k, str) and k not in ("CPU", "GPU", "memory") and _amount(v)
        for k, v in value.items()
    )


def _labels(value: Any) -> bool:
    return isinstance(value, dict) and all(
        isinstance(k, str) and isinstance(v, str) for k, v in value.items()
    )


def _backoff(value: Any) -> bool:
    if isinstance(value, (tuple, list)):
        return len(value) == 2 and all(_amount(v) for v in value) and value[0] <= value[1]
    return _amount(value)


def _plain(value: Any) -> bool:
    if isinstance(value, dict):
        return all(isinstance(k, str) and _plain(v) for k, v in value.items())
    if isinstance(value, (list, tuple)):
        return all(_plain(v) for v in value)
    return value is None or isinstance(value, (str, int, float, bool))


_TASK: tuple[Place, ...] = ("task", "call")
_FRAME: tuple[Place, ...] = ("task", "call", "workflow", "sub")
_EVERY: tuple[Place, ...] = ("task", "call", "workflow", "sub", "map")

OPTIONS: dict[str, Option] = {
    "num_cpus": Option(_TASK, "a number of CPUs, 0 or more", _amount),
    "num_gpus": Option(_TASK, "a number of GPUs, 0 or more", _amount),
    "memory": Option(_TASK, "a size, such as 2GiB", _amount),
    "resources": Option(_TASK, 'a dict of amounts by name, such as {"tpu": 1}', _amounts),
    "accelerator_type": Option(_TASK, 'a name, such as "A100"', lambda v: isinstance(v, str)),
    "max_retries": Option(
        _TASK, "a whole number, 0 or more, or -1 for no limit", lambda v: _whole(v, -1)
    ),
    "retry_exceptions": Option(
        _TASK, "True, False or a list of exceptions", lambda v: isinstance(v, (bool, list))
    ),
    "runtime_env": Option(
        _TASK, "a dict of plain values", lambda v: isinstance(v, dict) and _plain(v)
    ),
    "scheduling_strategy": Option(
        _TASK, '"DEFAULT" or "SPREAD"', lambda v: v in ("DEFAULT", "SPREAD")
    ),
    "label_selector": Option(_TASK, "a dict of labels, text to text", _labels),
    "timeout": Option(_FRAME, "a duration, such as 30s", _positive),
    "backoff": Option(_TASK, "a duration, or two: (base, cap), such as (1s, 5m)", _backoff),
    "concurrency": Option(("map",), "a whole number, 1 or more", lambda v: _whole(v, 1)),
    "name": Option(_FRAME, "a text", lambda v: isinstance(v, str)),
    "priority": Option(
        _EVERY, "a whole number (higher runs earlier)", lambda v: _whole(v, -(2**31))
    ),
    "checkpoint": Option(
        _FRAME, "`sync`, True or False", lambda v: v == "sync" or isinstance(v, bool)
    ),
    "version": Option(("task",), 'a text, such as "2026-02"', lambda v: isinstance(v, str)),
}

NOT_OF_CALLS = frozenset(["checkpoint", "version"])
"""What is said of a task with `with (…)` and is no option of its calls: how its results are kept, and
a part of its fingerprint."""

RESOURCES = frozenset(
    [
        "num_cpus",
        "num_gpus",
        "memory",
        "resources",
        "accelerator_type",
        "runtime_env",
        "scheduling_strategy",
        "label_selector",
    ]
)
"""What an `inplace` call cannot ask for: it runs in a process that exists already."""

_ELSEWHERE = {
    "map": "write it on the call inside the fan-out",
    "workflow": "a workflow uses nothing itself: write it on its tasks",
    "sub": "a workflow uses nothing itself: write it on its tasks",
    "task": "write it on the fan-out: `[… for x in xs] with (concurrency=8)`",
    "call": "write it on the fan-out: `[… for x in xs] with (concurrency=8)`",
}

_EXCEPTIONS = {
    n: c for n, c in vars(builtins).items() if isinstance(c, type) and issubclass(c, BaseException)
}


def read(
    constants: Constants,
    module: SpecModule,
    keywords: Sequence[ast.Keyword],
    place: Place,
    inherited: dict[str, Any] | None = None,
) -> tuple[dict[str, Any], list[Diagnostic]]:
    """The options given as plain JSON values, and what is wrong with them.

    `backoff` is a number or `[base, cap]`, in seconds; `retry_exceptions` a bool or a list of dotted
    names (bare names for Python's own). `inherited` are the options below these, which only matter
    for the warning about `max_retries`.
    """
    found: dict[str, Any] = {}
    wrong: list[Diagnostic] = []
    given: dict[str, ast.Keyword] = {}
    for keyword in keywords:
        given[keyword.name] = keyword
        problem = _placed(keyword, place)
        wrong.extend([problem] if problem else _valued(constants, module, keyword, found))
    wrong.extend(_retries(found, inherited or {}, given))
    return found, wrong


def _placed(keyword: ast.Keyword, place: Place) -> Diagnostic | None:
    """What is wrong with the option's name, or with having it here."""
    option = OPTIONS.get(keyword.name)
    allowed = [n for n, o in OPTIONS.items() if place in o.places]
    if option is None:
        text = f"there is no option `{keyword.name}`"
        hint = (
            did_you_mean(keyword.name, OPTIONS) or f"the options here: {', '.join(sorted(allowed))}"
        )
        return Diagnostic(codes.OPTION_UNKNOWN, text, keyword.name_span, "unknown option", hint)
    if place not in option.places:
        text = f"`{keyword.name}` is not an option of {PLACES[place]}"
        allowed_at = " or ".join(PLACES[p] for p in option.places if p not in ("call", "sub"))
        return Diagnostic(
            codes.OPTION_PLACE,
            text,
            keyword.name_span,
            f"belongs to {allowed_at}",
            _ELSEWHERE[place],
        )
    return None


def _valued(
    constants: Constants, module: SpecModule, keyword: ast.Keyword, found: dict[str, Any]
) -> list[Diagnostic]:
    """Evaluate an option into `found`, or say what is wrong with its value."""
    option = OPTIONS[keyword.name]
    node = keyword.value
    if keyword.name == "checkpoint" and isinstance(node, ast.Name) and node.id == "sync":
        found["checkpoint"] = "sync"
        return []
    if keyword.name == "retry_exceptions" and isinstance(node, (ast.ListExpr, ast.TupleExpr)):
        names = [_exception(constants, module, item) for item in node.items]
        found["retry_exceptions"] = [n for n in names if isinstance(n, str)]
        return [n for n in names if isinstance(n, Diagnostic)]
    try:
        value = constants.evaluate(module, node)
    except NotConstantError as error:
        text = f"the option `{keyword.name}` must be constant: {error.text}"
        hint = "options are part of the plan: use literals and constants of the spec"
        label = "not known at compile time"
        return [Diagnostic(codes.OPTION_CONSTANT, text, error.node.span, label, hint)]
    if not option.fits(value):
        shown = repr(value) if len(repr(value)) < 40 else f"a {type(value).__name__}"
        text = f"`{keyword.name}` cannot be {shown}"
        return [Diagnostic(codes.OPTION_TYPE, text, node.span, f"expected {option.expected}")]
    found[keyword.name] = _json(value)
    return []


def _json(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_json(v) for v in value]
    return {k: _json(v) for k, v in value.items()} if isinstance(value, dict) else value


def _retries(
    found: dict[str, Any], inherited: dict[str, Any], given: dict[str, ast.Keyword]
) -> list[Diagnostic]:
    if "max_retries" not in given or "retry_exceptions" in {**inherited, **given}:
        return []
    if not found.get("max_retries"):
        return []
    text = "`max_retries` alone covers lost workers only: a task that raises is not tried again"
    hint = "add `retry_exceptions=True` or a list of exceptions, or `retry_exceptions=False` if this is meant"
    return [
        Diagnostic(codes.RETRIES, text, given["max_retries"].span, hint=hint, severity="warning")
    ]


def _exception(constants: Constants, module: SpecModule, node: ast.Expr) -> str | Diagnostic:
    """The dotted name of an exception class; Python's own by their bare names."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value.removeprefix("builtins.")
    name = dotted(node)
    if not name:
        text = "`retry_exceptions` takes the names of exception classes"
        return Diagnostic(codes.EXCEPTION, text, node.span, "expected an exception class")
    symbol = constants.project.resolve(module, node)
    if isinstance(symbol, TypeSymbol):
        if _is_exception(symbol.cls) is False:
            text = f"`{name}` is a class, but not an exception"
            return Diagnostic(codes.EXCEPTION, text, node.span, "expected an exception class")
        return f"{symbol.cls.module}.{symbol.cls.name}"
    if isinstance(symbol, TaskSymbol) and symbol.function is not None and symbol.decl is None:
        function = symbol.function
        if function.params is None and not function.file:
            return f"{function.module}.{function.qualname}"
    elif symbol is None and name in _EXCEPTIONS:
        return name
    elif symbol is None and "." in name:
        reader, search = constants.project.reader, search_path(constants, module)
        located, rest = reader.split(name, search)
        found = reader.lookup(located, rest, search)
        if isinstance(found, tuple) and isinstance(found[0], Function):
            cls = found[1]
            return f"{cls.module}.{cls.name}" if cls is not None else name
    known = [*_EXCEPTIONS, *(n for n, s in module.symbols.items() if isinstance(s, TypeSymbol))]
    text = f"there is no exception `{name}`"
    hint = constants.suggest(name, known) or "import it, as `from module import TheError`"
    return Diagnostic(codes.EXCEPTION, text, node.span, "unknown exception", hint)


def search_path(constants: Constants, module: SpecModule) -> tuple[Any, ...]:
    """The folders in which Python modules beside a spec are looked for: its own, then the root."""
    return tuple(dict.fromkeys((module.path.parent, constants.project.root)))


def _is_exception(cls: ClassRef) -> bool | None:
    """Whether a class derives from an exception; `None` where its bases are not known."""
    todo, seen = [cls], set()
    while todo:
        current = todo.pop()
        if current.module == "builtins" and current.name in _EXCEPTIONS:
            return True
        if current in seen or current.module == "builtins":
            continue
        seen.add(current)
        for base in current.info.bases:
            if not isinstance(base, Instance):
                return None
            todo.append(base.cls)
    return False
