r"""Every regular expression of the package takes a time that grows with the length of its text, and no more.

They are found in the sources and in the grammar, so that one that is added without an entry here fails
the first test. The worst that is known is tried at 100,000 characters; besides, whatever can be made of a
pattern's own characters, at fewer. It happens in a process of its own that the system kills when it has
used its time up: inside of a match that is exponential, nothing of Python runs.
"""

from __future__ import annotations

import ast
import itertools
import json
import re
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.test_package import ROOT  # the repository

FOLDERS = ("dsl", "compiler", "runtime", "wfc")
FUNCTIONS = {
    "compile",
    "match",
    "search",
    "fullmatch",
    "sub",
    "subn",
    "split",
    "findall",
    "finditer",
}
LONG = 100_000
SHORT = 4_000
SECONDS = 1.0
"""What a text of 100,000 characters may take, of the processor's time. Most take a few milliseconds."""

GENERAL = ("a", "1", " ", "\n", '"', "\\", "_", "-", ".", "1_", "é", "٣")

# By the pattern, as it stands in the source: how it is used, and what takes it longest. A text is the
# pieces given, over and over; what ends it does not fit, so that the match has to fail.
EXPRESSIONS: dict[str, tuple[str, tuple[str, ...]]] = {
    # dsl
    r"#[^\n]*": ("finditer", ("#",)),
    r"(?:(?:workflow|task)[ \t]+\w+[ \t]*[(=]"
    r"|(?:inplace[ \t]+|nocheckpoint[ \t]+)+task[ \t]+\w+"
    r"|from[ \t]+[\w.]+[ \t]+import\b|import[ \t]+['\"]"
    r"|(?:return|continuation|pass|elif)\b(?![ \t]*=)|finally[ \t]*:|else[ \t]*:)": (
        "match", ("inplace ", "inplace  nocheckpoint ", "task ", "from a. ", "return ", "else  "),
    ),
    r"\\([\s\S])": ("sub", ("\\", "\\\\a")),
    r"[\x00-\x08\x0b\x0e-\x1f\x7f\x80-\x9f\ud800-\udfff\ufffe\uffff]": ("search", ("a",)),
    "'|'.join(patterns)": ("lexicon", ()),  # the terminals of the grammar, which are tried below
    r"\\N\{[^{}\\]*\}": ("search", ("\\N{", "\\N{a")),
    r"\\(?:\n|[\\'\"abfnrtv]|[0-7]{1,3}|x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}"
    r"|N\{[^{}\\]*\}|[\s\S])": ("sub", ("\\N{", "\\N{a", "\\x1", "\\")),
    "\n": ("finditer", ("\n",)),
    r"\w*": ("match", ("a",)),
    r"(?<![0-9])([0-9]+(?:\.[0-9]+)?)(ms|[smhd])": ("findall", ("1m", "1.1", "1ms")),
    r"([0-9]+(?:\.[0-9]+)?)(?:([KMGTP])(i?))?B": ("fullmatch", ("1", "1.")),
    r"\.?[0-9](?:[\w.]|(?<=[eE])[-+])*": ("match", ("1e-", "1.")),
    r"0[0-9_]+": ("fullmatch", ("0_",)),
    r"[0-9.]+[jJ]": ("fullmatch", ("1.",)),
    r"[0-9][0-9_]*": ("fullmatch", ("1", "1_", "1__")),
    r"([0-9]+(?:\.[0-9]+)?)([A-Za-z]+)": ("fullmatch", ("1", "1a", "1.1")),
    # compiler
    r"\W+": ("sub", (" ", " a")),
    r'("(?:[^"\\]|\\[\s\S])*"?)|&(?=\w)': ("sub", ('"', '\\"', "&", '"\\\n')),
    r"\bunpack\(([\w/#.]+), \d+\)\[(\d+)\]": ("sub", ("unpack(", "unpack(a, 1", "a/")),
    r"\b(?:globals|vars|locals)\(\)\s*(?:\[|\.update\b)|\bsys\.modules\[__name__\]|^[^\S\n]*exec\(": (
        "search", ("\n", " \n", "vars() ", "\t"),
    ),
    # wfc/params
    r"^<<$": ("match", ("<",)),
    r"^(?:~|null|Null|NULL|)$": ("match", ("null", "\n")),
    r"^(?:true|True|TRUE|false|False|FALSE)$": ("match", ("true",)),
    r"^(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$": ("match", ("1", "0x", "0o7")),
    r"^(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
    r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$": ("match", ("1", "1.", "1e1", ".1")),
    # runtime
    r"https?://[^/\s?]+": ("search", ("http", "http://")),
    r"<Code>([^<]*)</Code>": ("search", ("<Code>", "<Code></Code")),
    r"<Message>([^<]*)</Message>": ("search", ("<Message>", "<Message></")),
    r"status code: (\d+[\w ]*)": ("search", ("status code: ", "1 ")),
    r'message: "([^"]*)"': ("search", ('message: "', "message: ")),
    r"\?\S*": ("sub", ("?", "? ")),
    r"\[\d+\]|~\d+": ("sub", ("[1", "~", "[")),
    r"[^\w.-]": ("sub", (" ",)),
    r"(?:s3|gs|az)://[A-Za-z0-9][\w.-]*(?:/(?!\.\.?(?:/|$))[\w.=-]+)*/?": (
        "fullmatch", ("s3://a/", "/a", "/..a", "a."),
    ),
    # wfc
    r"\[\d+\]": ("sub", ("[1", "[")),
    r"~\d+": ("sub", ("~", "~1")),
    r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}": ("fullmatch", ("a", "a.")),
    "re.escape(name) + '\\\\[(\\\\d+)\\\\]/'": ("match", ()),  # `name[17]/`: as the indices above
    r"(\d{1,9})([smhd])": ("fullmatch", ("1",)),
}  # fmt: skip

TERMINALS: dict[str, tuple[str, ...]] = {
    "WAIT": ("wait", "wait ", "wait\\\n"),
    "NAME": ("a", "é1"),
    "INT": ("0x_f", "1_", "0_", "0b1", "9"),
    "FLOAT": ("1_", "1.", "1e", "1_1.", "1e-", ".1"),
    "DURATION": ("1m", "1ms", "1.1", "1.1m"),
    "SIZE": ("1", "1.", "1K"),
    "STRING": ('"', '""', "'", '\\"', '""" ', "\\\n", '"""\\'),
    "FSTRING": ('f"', '""', "f'", '\\"', 'f""" ', "{", "rf"),
    "COMMENT": ("#",),
    "BLANK": (" ", "\\\n", " \\\n", "\t "),
    "_NEWLINE": ("\n", "\n ", "\n#", "\n #a"),
}


def sources() -> Iterator[Path]:
    for folder in FOLDERS:
        yield from (p for p in sorted((ROOT / folder).rglob("*.py")) if not p.is_symlink())


def literal(node: ast.expr) -> str:
    try:
        found = ast.literal_eval(node)
        return found if isinstance(found, str) else ast.unparse(node)
    except ValueError:
        return ast.unparse(node)


def used() -> dict[str, str]:
    """Every pattern that some module gives to `re`, with the place."""
    found: dict[str, str] = {}
    for path in sources():
        tree = ast.parse(path.read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module in ("re", "regex"):
                raise AssertionError(
                    f"{path}:{node.lineno}: write `re.…`, so that it is found here"
                )
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and isinstance(node.func.value, ast.Name)
                and node.func.value.id == "re"
                and node.func.attr in FUNCTIONS
            ):
                found[literal(node.args[0])] = f"{path.relative_to(ROOT)}:{node.lineno}"
    return found


def terminals() -> dict[str, str]:
    """The patterns of the grammar's terminals."""
    import lark

    from wfc.dsl.parser import grammar_text

    parser = lark.Lark(grammar_text(), parser="lalr", lexer="basic", start=["module", "field"])
    return {t.name: t.pattern.to_regexp() for t in parser.terminals if t.pattern.type == "re"}


def test_every_expression_has_an_entry() -> None:
    found = used()
    new = {
        f"{place}: {pattern!r}" for pattern, place in found.items() if pattern not in EXPRESSIONS
    }
    assert not new, "say how it is used, and what takes it longest, in EXPRESSIONS"
    assert not EXPRESSIONS.keys() - found.keys(), "no such expression is there any more"
    assert terminals().keys() == TERMINALS.keys()


# ------------------------------------------------------------------------ in the other process


def run(pattern: str, how: str, text: str) -> float:
    made = re.compile(pattern)
    began = time.process_time()
    if how in ("sub", "subn"):
        made.sub(lambda m: m[0], text)
    elif how in ("findall", "finditer"):
        made.findall(text)
    else:
        getattr(made, how)(text)
    return time.process_time() - began


def worst(pattern: str, how: str, pieces: tuple[str, ...], size: int) -> float:
    """The longest that it takes for one piece over and over, alone and behind the first."""
    times = [0.0]
    for piece in pieces:
        text = piece * (size // len(piece)) + "\0"
        times += [run(pattern, how, text), run(pattern, how, pieces[0] + text)]
    return max(times)


def own_pieces(pattern: str) -> tuple[str, ...]:
    """What a pattern's characters can be put together to, one and two at a time."""
    words = re.findall(r"[A-Za-z]{2,}", re.sub(r"\\.", " ", pattern))
    chars = [c for c in dict.fromkeys(re.sub(r"\\[wdsWSDb]", "", pattern)) if c not in "?:*+|^$"]
    alone = list(dict.fromkeys([*GENERAL, *words[:6], *chars]))[:22]
    return (*alone, *map("".join, itertools.permutations(alone[:12], 2)))


def child() -> None:
    """Try all the patterns that come in on stdin; says which it is at before each."""
    seconds, entries = json.load(sys.stdin)
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    for name, pattern, how, pieces in entries:
        print(json.dumps([name, None]), flush=True)
        given = worst(pattern, how, pieces, LONG)
        if given < SECONDS:
            given = max(given, worst(pattern, how, own_pieces(pattern), SHORT) * LONG / SHORT)
        print(json.dumps([name, given]), flush=True)


def tried(entries: list[Any], seconds: int) -> dict[str, float | None]:
    """The time of each entry; `None` for the one at which the process was killed."""
    done = subprocess.run(
        [sys.executable, "-c", "from tests.test_expressions import child; child()"],
        input=json.dumps([seconds, entries]), capture_output=True, text=True, cwd=ROOT,
    )  # fmt: skip
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines, done.stderr
    return dict(lines)


def entries() -> list[Any]:
    plain = [[p, p, how, pieces] for p, (how, pieces) in EXPRESSIONS.items() if pieces]
    grammar = terminals()
    return plain + [[n, grammar[n], "match", pieces] for n, pieces in TERMINALS.items()]


@pytest.mark.slow
def test_every_expression_is_linear() -> None:
    given = entries()
    times = tried(given, seconds=60)
    stuck = [name for name, seconds in times.items() if seconds is None]
    assert not stuck, "killed: this one takes for ever"
    assert {name: t for name, t in times.items() if t is not None and t > SECONDS} == {}
    assert len(times) == len(given)


@pytest.mark.parametrize(
    "pattern",
    [r"[0-9]+(?:_*[0-9]+)*", r"(?m)^\s*exec\(", r"N\{[^}]*\}"],
    ids=["power", "lines", "names"],
)
def test_the_test_finds_what_is_not(pattern: str) -> None:
    """These have been in the package: the first is exponential, the others are quadratic."""
    how = "fullmatch" if pattern[0] == "[" else "search"
    took = tried([["x", pattern, how, ["1", "\n", "N{"]]], seconds=2)["x"]
    assert took is None or took > SECONDS
