"""Hypothesis strategies: syntax trees of every form that the grammar has."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from wfc.dsl import ast

S = ast.Span("x", 1, 1, 1, 1)

identifiers = st.sampled_from(
    [
        "a",
        "b",
        "x1",
        "of",
        "task",
        "workflow",
        "after",
        "wait",
        "all",
        "any",
        "größe",
        "a_long_name",
    ]
)
plain = st.sampled_from(["a", "b", "x1", "task", "größe", "a_rather_long_name_of_something"])
texts = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Cn"], exclude_characters="\ufffe\uffff"),
    max_size=8,
) | st.sampled_from(["it's", 'say "x"', "\n\t\\", "{}", "both ' and \"", "\x00"])

numbers = st.sampled_from(
    [
        ast.Constant(1000, "1_000", S), ast.Constant(255, "0xff", S), ast.Constant(0, "0", S),
        ast.Constant(1.5, "1.5", S), ast.Constant(0.001, "1e-3", S), ast.Constant(2.0, "2.", S),
        ast.Constant(300.0, "5m", S, "duration"), ast.Constant(5400.0, "1h30m", S, "duration"),
        ast.Constant(65536, "64KiB", S, "size"), ast.Constant(10**7, "10MB", S, "size"),
    ]
)  # fmt: skip
words = st.sampled_from([ast.Constant(v, str(v), S) for v in (True, False, None)])
names = identifiers.map(lambda n: ast.Name(n, S))
bound = plain.map(lambda n: ast.Name(n, S))
# `task = …` at the top begins a task.
constants = st.sampled_from(["LIMIT", "a", "größe", "of"]).map(lambda n: ast.Name(n, S))
strings = texts.map(lambda t: ast.Constant(t, repr(t), S))


def tuples(of: Any, least: int = 0, most: int = 3) -> Any:
    """A tuple of values of a strategy."""
    return st.lists(of, min_size=least, max_size=most).map(tuple)


def unique_keywords(values: Any, most: int = 2) -> Any:
    """Named arguments, each name once."""
    return st.dictionaries(plain | st.just("catch"), values, max_size=most).map(
        lambda d: tuple(ast.Keyword(k, v, S, S) for k, v in d.items())
    )


def modifiers(values: Any) -> Any:
    """What may stand round a call."""
    place = st.sampled_from([None, None, S])
    return st.just(ast.Modifiers()) | st.builds(
        ast.Modifiers, place, place, place, unique_keywords(values), tuples(values, 0, 2)
    )


def callees(values: Any) -> Any:
    """What may be called: a name, or a dotted name."""
    simple = plain.map(lambda n: ast.Name(n, S))
    return simple | simple.map(lambda n: ast.Attribute(n, "wait", S, S))


def calls(values: Any) -> Any:
    """Calls with their modifiers."""
    return st.builds(
        ast.Call, callees(values), tuples(values), unique_keywords(values), st.just(S),
        modifiers(values),
    )  # fmt: skip


def comprehensions(values: Any) -> Any:
    """List and dict comprehensions."""
    generator = st.builds(
        ast.Generator, tuples(bound, 1, 2), values, tuples(values, 0, 2), st.just(S)
    )
    return st.builds(
        ast.Comprehension, st.none() | values, values, tuples(generator, 1, 2), st.just(S),
        modifiers(values),
    )  # fmt: skip


def _merged(parts: list[Any]) -> tuple[Any, ...]:
    """Neighbouring texts of an f-string joined, as the parser gives them."""
    out: list[Any] = []
    for part in parts:
        if isinstance(part, str) and out and isinstance(out[-1], str):
            out[-1] += part
        elif part != "":
            out.append(part)
    return tuple(out)


# Inside of an f-string stand no texts: their quotes would end it.
simple_values = st.recursive(
    names | numbers | words,
    lambda inner: st.builds(ast.Binary, st.sampled_from(["+", "%"]), inner, inner, st.just(S))
    | st.builds(ast.ListExpr, tuples(inner), st.just(S))
    | st.builds(
        ast.DictExpr, tuples(st.tuples(inner, inner), 0, 1), st.just(S)
    )
    | st.builds(ast.Compare, inner, st.just(("!=",)), st.tuples(inner), st.just(S)),
    max_leaves=4,
)  # fmt: skip
fields = st.builds(
    ast.FormatField, simple_values, st.sampled_from(["", "r", "s"]), st.sampled_from(["", ">3", ".2f"]),
    st.just(S),
)  # fmt: skip
fstrings = st.lists(texts | fields, max_size=4).map(lambda p: ast.FString(_merged(p), "", S))


def _operations(v: Any) -> Any:
    binary = st.sampled_from(["+", "-", "*", "/", "//", "%", "**", "@", "<<", ">>", "&", "|", "^"])
    comparators = st.sampled_from(
        ["==", "!=", "<", "<=", ">", ">=", "in", "not-in", "is", "is-not"]
    )
    compared = st.lists(st.tuples(comparators, v), min_size=1, max_size=2)
    index = v | st.builds(ast.Slice, st.none() | v, st.none() | v, st.none() | v, st.just(S))
    quorum = v.filter(lambda q: not (isinstance(q, ast.Name) and q.id in ("all", "any")))
    percent = st.builds(ast.Percent, v, st.just(S))
    return st.one_of(
        st.builds(ast.Unary, st.sampled_from(["-", "+", "~", "not"]), v, st.just(S)),
        st.builds(ast.Binary, binary, v, v, st.just(S)),
        st.builds(ast.BoolOp, st.sampled_from(["and", "or"]), tuples(v, 2, 3), st.just(S)),
        st.builds(
            lambda left, pairs: ast.Compare(left, tuple(o for o, _ in pairs), tuple(r for _, r in pairs), S),
            v, compared,
        ),
        st.builds(ast.Conditional, v, v, v, st.just(S)),
        st.builds(ast.Subscript, v, index, st.just(S)),
        st.builds(ast.Attribute, v, identifiers | st.just("catch"), st.just(S), st.just(S)),
        st.builds(ast.ListExpr, tuples(v), st.just(S)),
        st.builds(ast.TupleExpr, tuples(v), st.just(S)),
        st.builds(ast.DictExpr, tuples(st.tuples(v, v)), st.just(S)),
        st.builds(
            ast.Wait, quorum | st.sampled_from(["all", "any"]) | percent, v, st.none() | v, st.just(S),
            modifiers(v),
        ),
        calls(v),
        comprehensions(v),
    )  # fmt: skip


_expressions: Any = st.recursive(
    names | numbers | words | strings | fstrings, _operations, max_leaves=12
)


@st.composite
def _any_expression(draw: Any) -> Any:
    """A strategy with a short name: the whole grammar would else be written out in every other's."""
    return draw(_expressions)


expressions: Any = _any_expression()

types: Any = st.recursive(
    st.sampled_from(["int", "None", "a.b.C", "..."]).map(lambda n: ast.TypeExpr(n, (), S)),
    lambda inner: st.builds(
        ast.TypeExpr, st.sampled_from(["list", "dict", "pending"]), tuples(inner, 1, 2), st.just(S)
    ),
    max_leaves=4,
) | st.just(
    ast.TypeExpr("Union", (ast.TypeExpr("int", (), S), ast.TypeExpr("None", (), S)), S)
)  # fmt: skip


@st.composite
def signatures(draw: Any) -> ast.Signature:
    """Parameters, those with defaults last."""
    chosen = draw(st.lists(identifiers, unique=True, max_size=4))
    from_ = draw(st.integers(0, len(chosen)))
    parameters = tuple(
        ast.Parameter(
            name, draw(st.none() | types), draw(expressions) if index >= from_ else None, S
        )
        for index, name in enumerate(chosen)
    )
    return ast.Signature(parameters, draw(st.none() | types), S)


simple_statements: Any = st.one_of(
    st.builds(ast.Assign, tuples(bound, 1, 2), expressions, st.just(S)),
    st.builds(ast.ExprStatement, calls(expressions) | comprehensions(expressions), st.just(S)),
    st.builds(ast.Return, st.none() | expressions, st.just(S)),
    st.builds(ast.Continuation, calls(expressions), st.just(S)),
    st.just(ast.Pass(S)),
)
statements: Any = st.recursive(
    simple_statements,
    lambda inner: st.builds(
        ast.If,
        st.lists(st.tuples(expressions, tuples(inner, 1, 2)), min_size=1, max_size=2).map(tuple),
        tuples(inner, 0, 2),
        st.just(S),
    ),
    max_leaves=4,
)
options = unique_keywords(expressions)
declarations: Any = st.one_of(
    st.builds(
        ast.FromImport, st.sampled_from(["etl", "a.b.c"]),
        tuples(st.builds(ast.ImportedName, plain, plain, st.just(S)), 1, 3), st.just(S), st.just(S),
    ),
    st.builds(ast.SpecImport, texts, plain, st.just(S), st.just(S)),
    st.builds(
        ast.TaskDecl, plain, st.just(S), st.booleans(), st.booleans(), st.none() | signatures(),
        st.sampled_from(["fetch", "etl.fetch"]), st.just(S), options, st.just(S),
    ),
    st.builds(
        ast.WorkflowDecl, plain, st.just(S), signatures(), options, st.none() | texts,
        tuples(statements, 1, 3), tuples(statements, 0, 2), st.just(S),
    ),
    st.builds(ast.ConstantDecl, constants, expressions, st.just(S)),
)  # fmt: skip
modules: Any = st.builds(
    ast.Module, st.just("x"), st.none() | texts, tuples(declarations, 0, 4), st.just(S)
)
