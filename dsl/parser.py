"""Text to syntax tree. The one module that imports Lark; the grammar is `grammar/wf.lark`.

The file is read one logical line at a time. A line that does not fit is explained (`syntax_errors`), put
aside, and stands for nothing; the lines after it are read as if it had been right. So one run finds the
errors of a whole file, and none of them causes another.
"""

from __future__ import annotations

import os
import re
import stat
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass, fields
from hashlib import sha256
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

import lark
from lark.exceptions import UnexpectedToken

from wfc.dsl import ast, bad_text, syntax_errors
from wfc.dsl.build import Builder
from wfc.dsl.diagnostics import Diagnostic
from wfc.dsl.source import unify_newlines
from wfc.dsl.tokens import MAX_NESTING, Comment, Lexicon, Line, Token, Tokenizer

MAX_BYTES = 4 * 1024 * 1024
"""The largest file that is read; a larger one is refused with one diagnostic."""

MAX_ERRORS = 100
"""After so many errors the rest of a file is not read."""

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
    lark: lark.Lark
    forward: _Forward
    lexicon: Lexicon


_lock = threading.RLock()
_grammar: _Grammar | None = None


def _cache_file(text: str) -> Path | None:
    """Where the tables of this grammar may be kept: only in a folder that is the user's alone.

    Lark's tables are a pickle, so a file that somebody else could have written is never read.
    """
    if not hasattr(os, "getuid"):
        return None
    key = sha256(f"{lark.__version__}\0{os.sys.version_info[:2]}\0{text}".encode()).hexdigest()[:24]  # type: ignore[attr-defined]
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    folder = Path(base) / "wfc"
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
    return Lexicon(re.compile("|".join(patterns)).match, words, _SOFT)


def _load() -> _Grammar:
    global _grammar
    if _grammar is None:
        forward = _Forward()
        parser = _build_lark(grammar_text(), forward)
        _grammar = _Grammar(parser, forward, _lexicon(parser))
    return _grammar


# ---------------------------------------------------------------------------------- reading


def decode(text: str | bytes, file: str) -> tuple[str, Diagnostic | None]:
    """The text with unified line ends and a final newline, or what makes it unreadable."""
    start = ast.Span(file, 1, 1, 1, 1)
    if len(text) > MAX_BYTES:
        size = f"{len(text) / 1e6:.1f} MB"
        return "", Diagnostic(
            "WF002", f"this file is too large: {size}", start, "",
            f"at most {MAX_BYTES // 1024 // 1024} MiB: split it, and `import` the parts; data belongs into data files",
        )  # fmt: skip
    if isinstance(text, bytes):
        try:
            text = text.decode("utf-8")
        except UnicodeDecodeError as error:
            before = unify_newlines(text[: error.start].decode("utf-8", "replace"))
            line, column = before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1
            byte = text[error.start]
            return "", Diagnostic(
                "WF001", "this file is not UTF-8 text", ast.Span(file, line, column, line, column + 1),
                f"byte 0x{byte:02x}", "save it with the encoding UTF-8",
            )  # fmt: skip
    text = unify_newlines(text)
    bad = _CONTROL.search(text)
    if bad is not None:
        line = text.count("\n", 0, bad.start()) + 1
        column = bad.start() - (text.rfind("\n", 0, bad.start()) + 1) + 1
        name = "a NUL byte" if bad.group() == "\0" else f"the control character U+{ord(bad.group()):04X}"
        return "", Diagnostic(
            "WF001", f"{name} in the text", ast.Span(file, line, column, line, column + 1), "",
            "remove it; in a text it can be written as an escape, such as `\\x00`",
        )  # fmt: skip
    return (text if text.endswith("\n") else text + "\n"), None


class _Reader:
    """Feeds the lines of a tokenizer to the parser, and goes on after a line that does not fit."""

    def __init__(self, grammar: _Grammar, tokenizer: Tokenizer, builder: Builder, start: str) -> None:
        self.tokenizer = tokenizer
        self.builder = builder
        self.lines: list[Line] = []
        self.token_count = 0
        self._grammar = grammar
        interactive = grammar.lark.parse_interactive("", start=start)
        self._state: Any = interactive.parser_state
        self._table: dict[Any, dict[str, Any]] = self._state.parse_conf.states
        # Levels of indentation that no statement asked for: their dedents mean nothing either.
        self._phantoms: list[bool] = []
        self._errors: list[Diagnostic] = []

    def read(self) -> Any:
        """The value of the start rule, or `None` after an error. Errors go to the builder's."""
        result = None
        failed = False
        line: Line | None
        while (line := self.tokenizer.next_line()) is not None:
            self.lines.append(line)
            self.token_count += len(line.tokens)
            if not self._line(line):
                failed = True
                if len(self.builder.diagnostics) >= MAX_ERRORS:
                    return None
        end = self.tokenizer._token("$END", len(self.tokenizer.text), len(self.tokenizer.text))
        try:
            result = self._state.feed_token(end, True)
        except (UnexpectedToken, AssertionError):
            if not failed:
                self._explain(self.lines[-1], end)
        return None if failed else result

    def read_field(self) -> Any:
        """The expression of an f-string's field, or `None` after an error."""
        line = self.tokenizer.next_line()
        if line is None or not line.tokens:
            return None
        self.token_count += len(line.tokens)
        line.tokens.pop()
        if not self._line(line):
            return None
        end = self.tokenizer._token("$END", self.tokenizer.end, self.tokenizer.end)
        try:
            return self._state.feed_token(end, True)
        except (UnexpectedToken, AssertionError):
            line.tokens.append(end)
            self._explain(line, end)
            return None

    # ------------------------------------------------------------------ one line

    def _line(self, line: Line) -> bool:
        state, table, feed = self._state, self._table, self._feed
        for token in line.layout:
            if not self._feed_layout(token, line):
                return False
        before = state.state_stack[:], state.value_stack[:]
        try:
            for token in line.tokens:
                feed(token)
        except UnexpectedToken:
            pass
        else:
            return True
        return False

    def _feed(self, token: Token) -> None:
        if token.type in _SOFT and token.type not in self._table[self._state.state_stack[-1]]:
            token.type = "NAME"
        self._state.feed_token(token)

    def _feed_layout(self, token: Token, line: Line) -> bool:
        self._feed(token)
        return True

    def _explain(self, line: Line, token: Token) -> None:
        self.builder.diagnostics.append(Diagnostic("WF012", "syntax error", token.span))


def parse(text: str | bytes, file: str) -> ParseResult:
    """Read a spec file.

    `text` is the file's contents, `file` the name that spans and messages give it. Nothing is raised for
    any contents: what is wrong is in the result's diagnostics, and then there is no module.
    """
    result, _ = _parse(text, file)
    return result


def _parse(text: str | bytes, file: str) -> tuple[ParseResult, Layout | None]:
    clean, refusal = decode(text, file)
    if refusal is not None:
        return ParseResult(None, [refusal]), None
    with _lock:
        grammar = _load()
        outer = grammar.forward.builder

        def parse_field(token: Token, start: int, end: int) -> ast.Expr | None:
            at = token.start + start
            line_start = clean.rfind("\n", 0, at) + 1
            line = token.line + token.value.count("\n", 0, start)
            inner = Tokenizer(
                clean, file, grammar.lexicon, at, token.start + end, line, line_start, inside=True
            )
            reader = _Reader(grammar, inner, builder, "field")
            value: ast.Expr | None = reader.read_field()
            return value

        builder = Builder(file, parse_field)
        grammar.forward.builder = builder
        try:
            tokenizer = Tokenizer(clean, file, grammar.lexicon)
            reader = _Reader(grammar, tokenizer, builder, "module")
            module = reader.read()
        finally:
            grammar.forward.builder = outer
    diagnostics = tokenizer.problems + builder.diagnostics
    return ParseResult(None if diagnostics else module, diagnostics), None
