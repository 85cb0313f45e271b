"""Text to syntax tree. The one module that imports Lark; the grammar is `grammar/wf.lark`.

The file is read one logical line at a time. A line that does not fit is explained (`syntax_errors`), put
aside, and stands for nothing; the lines after it are read as if it had been right. So one run finds the
errors of a whole file, and none of them causes another.
"""

from __future__ import annotations

import dataclasses
import gc
import os
import re
import stat
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

import lark
from lark.parsers.lalr_analysis import Shift

from wfc.dsl import ast, bad_text
from wfc.dsl.builder import Builder
from wfc.dsl.diagnostics import MAX_ERRORS, Diagnostic
from wfc.dsl.machine import Action, Tables
from wfc.dsl.reader import Reader
from wfc.dsl.source import unify_newlines
from wfc.dsl.tokens import MAX_NESTING, Comment, Lexicon, Line, Token, Tokenizer
from wfc.dsl.words import foreign_words

MAX_BYTES = 2 * 1024 * 1024
"""The largest file that is read; a larger one is refused with one diagnostic."""

_SOFT = frozenset({
    "AFTER", "OF", "TASK", "WORKFLOW", "CATCH", "CONTINUATION", "INPLACE", "NOCHECKPOINT", "WAIT",
})  # fmt: skip
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f\x80-\x9f\ud800-\udfff\ufffe\uffff]")


class ParseResult(NamedTuple):
    """What `parse` gives: the tree (`None` when there was an error), and all errors, sorted."""

    module: ast.Module | None
    diagnostics: list[Diagnostic]


@dataclass(frozen=True)
class Layout:
    """A file as the formatter needs it: its lines of tokens with the kinds the parser gave them."""

    text: str
    lines: list[Line]
    comments: list[Comment]


# ---------------------------------------------------------------------------------- the grammar


def grammar_text() -> str:
    """The grammar, as Lark reads it."""
    return resources.files("wfc.grammar").joinpath("wf.lark").read_text(encoding="utf-8")


class _Forward:
    """Passes each rule to the builder of the file that is being read; Lark binds callbacks only once."""

    def __init__(self) -> None:
        self.builder: Builder | None = None

    def __getattr__(self, rule: str) -> Callable[[list[Any]], Any]:
        if rule.startswith("__") or not hasattr(Builder, rule):
            raise AttributeError(rule)

        def build(children: list[Any]) -> Any:
            return getattr(self.builder, rule)(children)

        return build


@dataclass
class _Grammar:
    tables: Tables
    forward: _Forward
    lexicon: Lexicon
    spellings: dict[str, str]


_NOT_NESTING = (
    ast.Module, ast.WorkflowDecl, ast.If, ast.Assign, ast.ExprStatement, ast.Return, ast.Modifiers,
)  # fmt: skip
_lock = threading.RLock()
_grammar: _Grammar | None = None


def _cache_file(text: str) -> Path | None:
    """Where the tables of this grammar may be kept: only in a folder that is the user's alone.

    Lark's tables are a pickle, so a file that somebody else could have written is never read.
    """
    if not hasattr(os, "getuid"):
        return None
    key = sha256(f"{lark.__version__}\0{sys.version_info[:2]}\0{text}".encode()).hexdigest()[:24]
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    folder = Path(base) / "wfc"
    if not folder.is_absolute():
        return None
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = folder / f"grammar-{key}"
        for each in (folder, path):
            info = each.lstat() if each.exists() or each.is_symlink() else None
            if info is None:
                continue
            if stat.S_ISLNK(info.st_mode) or info.st_uid != os.getuid() or info.st_mode & 0o022:
                return None
    except OSError:
        return None
    return path


def _build_lark(text: str, forward: _Forward) -> lark.Lark:
    """The parser: from the tables that an earlier process left, or made anew (about half a second)."""
    options: dict[str, Any] = {
        "parser": "lalr",
        "lexer": "basic",
        "start": ["module", "field"],
        "maybe_placeholders": False,
        "transformer": forward,
    }
    path = _cache_file(text)
    if path is None:
        return lark.Lark(text, **options)
    if path.exists():
        return lark.Lark(text, cache=str(path), **options)
    try:
        descriptor, temporary = tempfile.mkstemp(prefix="new-", dir=path.parent)
        os.close(descriptor)
    except OSError:
        return lark.Lark(text, **options)
    try:
        built = lark.Lark(text, cache=temporary, **options)
        os.replace(temporary, path)
    except OSError:
        return lark.Lark(text, **options)
    finally:
        if os.path.exists(temporary):
            os.unlink(temporary)
    return built


def _lexicon(parser: lark.Lark) -> Lexicon:
    """The terminals of the grammar as one pattern, in the order in which Lark tries them."""
    words: dict[str, str] = {}
    patterns: list[str] = []
    order = sorted(
        parser.terminals,
        key=lambda t: (-t.priority, -t.pattern.max_width, -len(t.pattern.value), t.name),
    )
    for terminal in order:
        value = terminal.pattern.value
        if terminal.pattern.type == "str" and value.isidentifier():
            words[value] = terminal.name
        elif not terminal.name.startswith("_") or terminal.name == "_NEWLINE":
            patterns.append(f"(?P<{terminal.name}>{terminal.pattern.to_regexp()})")
    return Lexicon(re.compile("|".join(patterns)).match, {**foreign_words(), **words}, _SOFT)


def _tables(parser: lark.Lark) -> Tables:
    """Lark's tables, with the function to call beside each reduction."""
    conf = parser.parse_interactive("", start="module").parser_state.parse_conf
    table: Any = conf.parse_table
    actions: dict[int, dict[str, Action]] = {}
    gotos: dict[int, dict[str, int]] = {}
    for state, row in table.states.items():
        actions[state], gotos[state] = {}, {}
        for key, (kind, target) in row.items():
            symbol = str(key)
            if kind is not Shift:
                passes = target.options.expand1 and len(target.expansion) == 1 and not target.alias
                actions[state][symbol] = (
                    len(target.expansion),
                    str(target.origin.name),
                    None if passes else conf.callbacks[target],
                )
            elif symbol.lstrip("_").isupper() or symbol == "$END":
                actions[state][symbol] = target
            else:
                gotos[state][symbol] = target
    return Tables(actions, gotos, dict(table.start_states), dict(table.end_states))


def _spellings(parser: lark.Lark) -> dict[str, str]:
    """How the terminals that are fixed words or signs are written."""
    fixed = {t.name: t.pattern.value for t in parser.terminals if t.pattern.type == "str"}
    return {**fixed, "WAIT": "wait"}


def _load() -> _Grammar:
    global _grammar
    if _grammar is None:
        forward = _Forward()
        parser = _build_lark(grammar_text(), forward)
        _grammar = _Grammar(_tables(parser), forward, _lexicon(parser), _spellings(parser))
    return _grammar


# ---------------------------------------------------------------------------------- reading


def decode(text: str | bytes, file: str) -> tuple[str, Diagnostic | None]:
    """The text with unified line ends and a final newline, or what makes it unreadable."""
    start = ast.Span(file, 1, 1, 1, 1)
    if len(text) > MAX_BYTES:
        size = f"{len(text) / 1e6:.1f} MB"
        return "", Diagnostic(
            "WF002", f"this file is too large: {size}", start, "",
            f"at most {MAX_BYTES // 1024 // 1024} MiB: split it and `import` the parts",
        )  # fmt: skip
    if isinstance(text, bytes):
        raw = text
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError as error:
            before = unify_newlines(raw[: error.start].decode("utf-8", "replace"))
            line, column = before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1
            byte = raw[error.start]
            return "", Diagnostic(
                "WF001", "this file is not UTF-8 text", ast.Span(file, line, column, line, column + 1),
                f"byte 0x{byte:02x}", "save it with the encoding UTF-8",
            )  # fmt: skip
    text = unify_newlines(text)
    bad = _CONTROL.search(text)
    if bad is not None:
        line = text.count("\n", 0, bad.start()) + 1
        column = bad.start() - (text.rfind("\n", 0, bad.start()) + 1) + 1
        name = (
            "a NUL byte"
            if bad.group() == "\0"
            else f"the control character U+{ord(bad.group()):04X}"
        )
        return "", Diagnostic(
            "WF001", f"{name} in the text", ast.Span(file, line, column, line, column + 1), "",
            "remove it; in a text it can be written as an escape, such as `\\x00`",
        )  # fmt: skip
    return (text if text.endswith("\n") else text + "\n"), None


def parse(text: str | bytes, file: str) -> ParseResult:
    """Read a spec file.

    `text` is the file's contents, `file` the name that spans and messages give it. Nothing is raised for
    any contents: what is wrong is in the result's diagnostics, and then there is no module.
    """
    return parse_layout(text, file)[0]


@contextmanager
def _no_collector() -> Iterator[None]:
    """A tree has no cycles: looking for them while it grows would double the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def parse_layout(text: str | bytes, file: str) -> tuple[ParseResult, Layout | None]:
    """As `parse`, with the tokens and comments of a file without errors, for the formatter."""
    clean, refusal = decode(text, file)
    if refusal is not None:
        return ParseResult(None, [refusal]), None
    with _lock, _no_collector():
        grammar = _load()
        longest = 0

        def parse_field(token: Token, start: int, end: int) -> ast.Expr | None:
            nonlocal longest
            at = token.start + start
            inner = Tokenizer(
                clean, file, grammar.lexicon, at, token.start + end,
                line=token.line + token.value.count("\n", 0, start),
                line_start=token.start - token.column + 1
                if token.line == token.end_line
                else clean.rfind("\n", 0, at) + 1,
                inside=True,
            )  # fmt: skip
            reader = Reader(grammar.tables, grammar.spellings, inner, builder, "field")
            value = reader.read_field()
            longest += reader.longest
            return value

        builder = Builder(file, parse_field)
        grammar.forward.builder = builder
        tokenizer = Tokenizer(clean, file, grammar.lexicon)
        try:
            reader = Reader(grammar.tables, grammar.spellings, tokenizer, builder, "module")
            module = reader.read()
        finally:
            grammar.forward.builder = None
    # An expression is at most as deep as it has tokens: only where there are many is it looked at.
    if module is not None and longest + reader.longest > MAX_NESTING:
        too_deep = first_too_deep(module, MAX_NESTING)
        if too_deep is not None:
            builder.diagnostics.append(bad_text.too_deep(too_deep, MAX_NESTING))
    found = in_order(tokenizer.problems + builder.diagnostics)
    if found:
        return ParseResult(None, found[:MAX_ERRORS]), None
    return ParseResult(module, []), Layout(clean, reader.lines, tokenizer.comments)


def in_order(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Diagnostics by place, each once."""
    return sorted(
        dict.fromkeys(diagnostics),
        key=lambda d: (d.span.line, d.span.column, d.span.end_line, d.span.end_column, d.code),
    )


def first_too_deep(module: ast.Module, limit: int) -> ast.Span | None:
    """Where an expression of the module nests deeper than `limit`, or `None`. Itself, it does not recurse."""
    stack: list[tuple[Any, int]] = [(module, 0)]
    while stack:
        node, depth = stack.pop()
        if isinstance(node, tuple):
            stack.extend((item, depth) for item in node)
        elif dataclasses.is_dataclass(node) and not isinstance(node, ast.Span):
            deeper = depth if isinstance(node, _NOT_NESTING) else depth + 1
            if deeper > limit:
                span: ast.Span = node.span  # type: ignore[union-attr]
                return ast.Span(span.file, span.line, span.column, span.line, span.column + 1)
            stack.extend((getattr(node, f.name), deeper) for f in dataclasses.fields(node))
    return None
