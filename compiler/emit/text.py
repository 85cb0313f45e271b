"""Expressions of the plan as people write them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from wfc.compiler.ir import Expr

_BINDING = {
    "|": 7, "^": 8, "&": 9, "<<": 10, ">>": 10, "+": 11, "-": 11, "*": 12, "/": 12, "//": 12, "%": 12,
    "@": 12, "**": 14,
}  # fmt: skip
_IF, _OR, _AND, _NOT, _CMP, _SIGN, _ATOM = 1, 3, 4, 5, 6, 13, 20


def text(expr: Expr) -> str:
    """An expression as text; a handle is `&name`."""
    return _text(expr)[0]


def _in(expr: Expr, level: int) -> str:
    """The text of a part, in parentheses where it binds less tightly than `level`."""
    written, own = _text(expr)
    return written if own >= level else f"({written})"


def _text(expr: Expr) -> tuple[str, int]:
    write: Callable[[Expr], tuple[str, int]] = _WRITERS[expr[0]]
    return write(expr)


def literal(value: Any) -> str:
    """A literal; text as JSON has it, which is how a spec writes it too."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


def _lit(e: Expr) -> tuple[str, int]:
    negative = isinstance(e[1], (int, float)) and not isinstance(e[1], bool) and e[1] < 0
    return literal(e[1]), _SIGN if negative else _ATOM


def _un(e: Expr) -> tuple[str, int]:
    if e[1] == "not":
        return f"not {_in(e[2], _NOT)}", _NOT
    return f"{e[1]}{_in(e[2], _SIGN)}", _SIGN


def _bin(e: Expr) -> tuple[str, int]:
    level = _BINDING[e[1]]
    right_first = e[1] == "**"
    left, right = _in(e[2], level + right_first), _in(e[3], level + (not right_first))
    return f"{left} {e[1]} {right}", level


def _cmp(e: Expr) -> tuple[str, int]:
    out = _in(e[2][0], _CMP + 1)
    for op, part in zip(e[1], e[2][1:], strict=True):
        out += f" {op.replace('-', ' ')} {_in(part, _CMP + 1)}"
    return out, _CMP


def _bool(e: Expr) -> tuple[str, int]:
    level = _AND if e[0] == "and" else _OR
    return f" {e[0]} ".join(_in(part, level + 1) for part in e[1]), level


def _if(e: Expr) -> tuple[str, int]:
    return f"{_in(e[2], _OR)} if {_in(e[1], _OR)} else {_in(e[3], _IF)}", _IF


def _slice(e: Expr) -> tuple[str, int]:
    low, high, step = ("" if part is None else text(part) for part in e[2:5])
    return f"{_in(e[1], _ATOM)}[{low}:{high}{':' + step if step else ''}]", _ATOM


def _tuple(e: Expr) -> tuple[str, int]:
    inside = ", ".join(text(part) for part in e[1])
    return f"({inside}{',' if len(e[1]) == 1 else ''})", _ATOM


def _fstr(e: Expr) -> tuple[str, int]:
    out = ""
    for part in e[1]:
        if isinstance(part, str):
            out += json.dumps(part, ensure_ascii=False)[1:-1].replace("{", "{{").replace("}", "}}")
        else:
            value, conversion, spec = part
            out += f"{{{text(value)}{'!' + conversion if conversion else ''}{':' + spec if spec else ''}}}"
    return f'f"{out}"', _ATOM


def _call(e: Expr) -> tuple[str, int]:
    args = [text(a) for a in e[2]] + [f"{k}={text(a)}" for k, a in e[3].items()]
    return f"{e[1]}({', '.join(args)})", _ATOM


def _comp(e: Expr) -> tuple[str, int]:
    _, form, key, value, clauses = e
    out = text(value) if key is None else f"{text(key)}: {text(value)}"
    for targets, iterable, conditions in clauses:
        out += f" for {', '.join(targets)} in {_in(iterable, _OR)}"
        out += "".join(f" if {_in(c, _OR)}" for c in conditions)
    return (f"{{{out}}}" if form == "dict" else f"[{out}]"), _ATOM


_WRITERS: dict[str, Any] = {
    "lit": _lit,
    "name": lambda e: (e[1], _ATOM),
    "handle": lambda e: ("&" + e[1], _ATOM),
    "un": _un,
    "bin": _bin,
    "cmp": _cmp,
    "and": _bool,
    "or": _bool,
    "if": _if,
    "idx": lambda e: (f"{_in(e[1], _ATOM)}[{text(e[2])}]", _ATOM),
    "slice": _slice,
    "attr": lambda e: (f"{_in(e[1], _ATOM)}.{e[2]}", _ATOM),
    "unpack": lambda e: (f"unpack({text(e[1])}, {e[2]})[{e[3]}]", _ATOM),
    "list": lambda e: (f"[{', '.join(text(part) for part in e[1])}]", _ATOM),
    "tuple": _tuple,
    "dict": lambda e: (f"{{{', '.join(f'{text(k)}: {text(v)}' for k, v in e[1])}}}", _ATOM),
    "fstr": _fstr,
    "call": _call,
    "comp": _comp,
    "secret": lambda e: (f"secret({literal(e[1])})", _ATOM),
}
