"""From syntax trees back to text, in the formatter's style, without the original's layout or comments."""

from __future__ import annotations

import json
from collections.abc import Iterable

from wfc.dsl import ast

_BINARY = {
    "|": 6, "^": 7, "&": 8, "<<": 9, ">>": 9, "+": 10, "-": 10, "*": 11, "/": 11, "//": 11, "%": 11,
    "@": 11, "**": 13,
}  # fmt: skip
_CONDITIONAL, _OR, _AND, _NOT, _COMPARE, _UNARY, _POWER, _MODIFIED, _PRIMARY = (
    1,
    2,
    3,
    4,
    5,
    12,
    13,
    14,
    15,
)


def unparse(module: ast.Module) -> str:
    """A module as text that parses to the same tree, spans aside."""
    lines: list[str] = []
    if module.doc is not None:
        lines += [_quoted(module.doc), ""]
    for declaration in module.declarations:
        lines += _declaration(declaration)
    return "\n".join(lines) + "\n"


def unparse_expression(node: ast.Expr) -> str:
    """An expression on one line."""
    return _expr(node, _CONDITIONAL)


def unparse_type(node: ast.TypeExpr) -> str:
    """A type as it is written."""
    if node.name == "Union":
        return " | ".join(unparse_type(arg) for arg in node.args)
    if node.args:
        return f"{node.name}[{', '.join(unparse_type(arg) for arg in node.args)}]"
    return node.name


# ------------------------------------------------------------------------------------ declarations


def _declaration(node: ast.Declaration) -> list[str]:
    if isinstance(node, ast.FromImport):
        names = [n.name if n.name == n.alias else f"{n.name} as {n.alias}" for n in node.names]
        return [f"from {node.module} import {', '.join(names)}"]
    if isinstance(node, ast.SpecImport):
        return [f"import {_quoted(node.path)} as {node.alias}"]
    if isinstance(node, ast.ConstantDecl):
        return [f"{node.name.id} = {_top(node.value)}"]
    if isinstance(node, ast.TaskDecl):
        words = ["inplace"] * node.inplace + ["nocheckpoint"] * node.nocheckpoint + ["task"]
        signature = _signature(node.signature) if node.signature is not None else ""
        return [f"{' '.join(words)} {node.name}{signature} = {node.target}{_options(node.options)}"]
    lines = [f"workflow {node.name}{_signature(node.signature)}{_options(node.options)}:"]
    if node.doc is not None:
        lines.append("    " + _quoted(node.doc))
    lines += _block(node.body, 1) if node.body or node.doc is None else []
    if node.finally_:
        lines.append("finally:")
        lines += _block(node.finally_, 1)
    return ["", *lines, ""]


def _signature(node: ast.Signature) -> str:
    parts = []
    for p in node.parameters:
        text = p.name
        if p.annotation is not None:
            text += f": {unparse_type(p.annotation)}"
        if p.default is not None:
            equals = " = " if p.annotation is not None else "="
            text += equals + _expr(p.default, _CONDITIONAL)
        parts.append(text)
    returns = f" -> {unparse_type(node.returns)}" if node.returns is not None else ""
    return f"({', '.join(parts)}){returns}"


def _options(options: tuple[ast.Keyword, ...]) -> str:
    return f" with ({_keywords(options)})" if options else ""


# ------------------------------------------------------------------------------------ statements


def _block(body: Iterable[ast.Statement], depth: int) -> list[str]:
    lines = [line for statement in body for line in _statement(statement, depth)]
    return lines or ["    " * depth + "pass"]


def _statement(node: ast.Statement, depth: int) -> list[str]:
    blank = "    " * depth
    if isinstance(node, ast.Assign):
        targets = ", ".join(t.id for t in node.targets)
        return [f"{blank}{targets} = {_top(node.value)}"]
    if isinstance(node, ast.ExprStatement):
        return [blank + _top(node.value)]
    if isinstance(node, ast.Return):
        return [blank + ("return" if node.value is None else f"return {_top(node.value)}")]
    if isinstance(node, ast.Continuation):
        return [f"{blank}continuation {_expr(node.call, _CONDITIONAL)}"]
    if isinstance(node, ast.Pass):
        return [blank + "pass"]
    lines = []
    for index, (test, body) in enumerate(node.arms):
        word = "elif" if index else "if"
        lines.append(f"{blank}{word} {_expr(test, _CONDITIONAL)}:")
        lines += _block(body, depth + 1)
    if node.orelse:
        lines.append(f"{blank}else:")
        lines += _block(node.orelse, depth + 1)
    return lines


def _top(node: ast.Expr) -> str:
    return _expr(node, _CONDITIONAL)


# ------------------------------------------------------------------------------------ expressions


def _expr(node: ast.Expr, level: int) -> str:
    """The text of an expression, in parentheses where it binds more loosely than `level`."""
    text, own = _bare(node)
    return f"({text})" if own < level else text


def _bare(node: ast.Expr) -> tuple[str, int]:
    if isinstance(node, ast.Name):
        return node.id, _PRIMARY
    if isinstance(node, ast.Constant):
        if isinstance(node.value, str):
            return _quoted(node.value), _PRIMARY
        number = isinstance(node.value, (int, float)) and not isinstance(node.value, bool)
        return node.text, _MODIFIED if number else _PRIMARY
    if isinstance(node, ast.FString):
        return _fstring(node), _PRIMARY
    if isinstance(node, ast.ListExpr):
        return f"[{_items(node.items)}]", _PRIMARY
    if isinstance(node, ast.TupleExpr):
        return f"({_items(node.items)}{',' if len(node.items) == 1 else ''})", _PRIMARY
    if isinstance(node, ast.DictExpr):
        pairs = ", ".join(f"{_expr(k, 1)}: {_expr(v, 1)}" for k, v in node.items)
        return f"{{{pairs}}}", _PRIMARY
    if isinstance(node, ast.Attribute):
        return f"{_expr(node.value, _PRIMARY)}.{node.name}", _PRIMARY
    if isinstance(node, ast.Subscript):
        index = node.index
        inner = _slice(index) if isinstance(index, ast.Slice) else _expr(index, 1)
        return f"{_expr(node.value, _PRIMARY)}[{inner}]", _PRIMARY
    if isinstance(node, ast.Call):
        parts = [_expr(a, 1) for a in node.args]
        if node.keywords:
            parts.append(_keywords(node.keywords))
        return _modified(f"{_expr(node.func, _PRIMARY)}({', '.join(parts)})", node.modifiers)
    if isinstance(node, ast.Comprehension):
        value = _expr(node.value, 1)
        if node.key is not None:
            value = f"{_expr(node.key, 1)}: {value}"
        inner = " ".join([value, *map(_generator, node.generators)])
        return _modified(f"[{inner}]" if node.key is None else f"{{{inner}}}", node.modifiers)
    if isinstance(node, ast.Wait):
        return _wait(node)
    return _operation(node)


def _operation(
    node: ast.Unary | ast.Binary | ast.BoolOp | ast.Compare | ast.Conditional,
) -> tuple[str, int]:
    if isinstance(node, ast.Unary):
        if node.op == "not":
            return f"not {_expr(node.operand, _NOT)}", _NOT
        return f"{node.op}{_expr(node.operand, _UNARY)}", _UNARY
    if isinstance(node, ast.Binary):
        own = _BINARY[node.op]
        if node.op == "**":
            return f"{_expr(node.left, _MODIFIED)} ** {_expr(node.right, _UNARY)}", own
        return f"{_expr(node.left, own)} {node.op} {_expr(node.right, own + 1)}", own
    if isinstance(node, ast.BoolOp):
        own = _OR if node.op == "or" else _AND
        return f" {node.op} ".join(_expr(v, own + 1) for v in node.values), own
    if isinstance(node, ast.Compare):
        text = _expr(node.left, _COMPARE + 1)
        for op, right in zip(node.ops, node.rights, strict=True):
            text += f" {op.replace('-', ' ')} {_expr(right, _COMPARE + 1)}"
        return text, _COMPARE
    test, body, orelse = (
        _expr(node.test, _OR),
        _expr(node.body, _OR),
        _expr(node.orelse, _CONDITIONAL),
    )
    return f"{body} if {test} else {orelse}", _CONDITIONAL


def _modified(text: str, modifiers: ast.Modifiers) -> tuple[str, int]:
    words = [w for w in ("catch", "inplace", "nocheckpoint") if getattr(modifiers, w) is not None]
    if not words and not modifiers.options and not modifiers.after:
        return text, _PRIMARY
    text = " ".join([*words, text]) + _options(modifiers.options)
    if modifiers.after:
        text += f" after ({_items(modifiers.after)})"
    return text, _MODIFIED


def _wait(node: ast.Wait) -> tuple[str, int]:
    quorum = node.quorum
    if isinstance(quorum, ast.Percent):
        count = _expr(quorum.value, _BINARY["*"]) + "%"
    else:
        count = quorum if isinstance(quorum, str) else _expr(quorum, _CONDITIONAL)
    timeout = f", timeout={_expr(node.timeout, 1)}" if node.timeout is not None else ""
    return _modified(f"wait({count} of {_expr(node.members, 1)}{timeout})", node.modifiers)


def _generator(node: ast.Generator) -> str:
    targets = ", ".join(t.id for t in node.targets)
    conditions = "".join(f" if {_expr(c, _OR)}" for c in node.conditions)
    return f"for {targets} in {_expr(node.iterable, _OR)}{conditions}"


def _slice(node: ast.Slice) -> str:
    text = (_expr(node.lower, 1) if node.lower is not None else "") + ":"
    text += _expr(node.upper, 1) if node.upper is not None else ""
    return text + (f":{_expr(node.step, 1)}" if node.step is not None else "")


def _items(items: tuple[ast.Expr, ...]) -> str:
    return ", ".join(_expr(item, 1) for item in items)


def _keywords(keywords: tuple[ast.Keyword, ...]) -> str:
    return ", ".join(f"{k.name}={_expr(k.value, 1)}" for k in keywords)


# ------------------------------------------------------------------------------------ text


def _quoted(value: str) -> str:
    """A literal of a text. JSON's escapes are the language's, but for its surrogate pairs."""
    return "".join(
        json.dumps(c)[1:-1] if c < " " or c in '"\\\x7f' else _visible(c) for c in value
    ).join('""')


def _visible(char: str) -> str:
    if char.isprintable():
        return char
    code = ord(char)
    return (
        f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" if code < 65536 else f"\\U{code:08x}"
    )


def _fstring(node: ast.FString) -> str:
    out = []
    for part in node.parts:
        if isinstance(part, str):
            out.append(_quoted(part)[1:-1].replace("{", "{{").replace("}", "}}"))
            continue
        conversion = f"!{part.conversion}" if part.conversion else ""
        spec = f":{part.spec}" if part.spec else ""
        inner = _expr(part.value, 1)
        # A dict's brace must not touch that of the field.
        space = " " if inner.startswith("{") else ""
        out.append(f"{{{space}{_other_quotes(inner)}{conversion}{spec}}}")
    return 'f"' + "".join(out) + '"'


def _other_quotes(text: str) -> str:
    """An expression inside of an f-string, whose own texts take the other quotes."""
    return text.replace('"', "'") if "'" not in text and "\\" not in text else text
