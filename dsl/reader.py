"""The lines of a file through the parser, and how to go on after one that does not fit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wfc.dsl import ast
from wfc.dsl.builder import Builder
from wfc.dsl.diagnostics import MAX_ERRORS, Diagnostic, Label
from wfc.dsl.machine import Machine, Tables, Unexpected
from wfc.dsl.syntax_errors import explain
from wfc.dsl.tokens import MAX_REREAD, Line, Token, Tokenizer
from wfc.dsl.trouble import Trouble

_PARTS_OF_FOREIGN = frozenset({"except", "finally", "else", "elif"})


class Reader:
    """Feeds the lines of a tokenizer to the parser, and goes on after a line that does not fit."""

    def __init__(
        self,
        tables: Tables,
        spellings: Mapping[str, str],
        tokenizer: Tokenizer,
        builder: Builder,
        start: str,
    ) -> None:
        self.tokenizer = tokenizer
        self.errors = builder.diagnostics
        self.lines: list[Line] = []
        self.longest = 0
        self.start = start
        self.machine = Machine(tables, start)
        self._spellings = spellings
        self._soft = tokenizer.lexicon.soft
        # For each open level of indentation, whether no statement asked for it: its end means nothing then.
        self._phantoms: list[bool] = []
        # The line that was put aside last, until it is known whether a block follows it.
        self._aside: Line | None = None
        # How deep in a block that is passed over, as the header before it has nothing to say here.
        self._skipping = 0
        self._after_foreign = False

    def read(self) -> ast.Module | None:
        """The module, or `None` after an error. Errors go to the builder's."""
        failed = False
        machine, next_line, feed = self.machine, self.tokenizer.next_line, self._feed
        while (line := next_line()) is not None and not self._enough():
            self.lines.append(line)
            self.longest = max(self.longest, len(line.tokens))
            if self._skipping and not self._skipped(line):
                continue
            if not self._open(line):
                failed = True
                if self._skipping:
                    continue
            states, values = machine.states[:], machine.values[:]
            index = 0
            try:
                for token in line.tokens:
                    feed(token)
                    index += 1
                self._after_foreign = False
            except Unexpected:
                failed = True
                self._put_aside(line, index, states, values)
        try:
            module: ast.Module = machine.finish(self.start)
            return None if failed else module
        except Unexpected:
            if failed:
                return None
            line = self.lines[-1]
            line.tokens.append(self._made("$END", line))
            self._explain(line, len(line.tokens) - 1, top=True)
            return None

    def read_field(self) -> ast.Expr | None:
        """The expression of an f-string's field, or `None` after an error."""
        line = self.tokenizer.next_line()
        if line is None or not line.tokens:
            return None
        self.longest += len(line.tokens)
        end = line.tokens[-1]
        end.type = "$END"
        index = 0
        try:
            for token in line.tokens[:-1]:
                self._feed(token)
                index += 1
            value: ast.Expr = self.machine.finish(self.start)
        except Unexpected:
            self._explain(line, index, top=False)
            return None
        return value

    def _enough(self) -> bool:
        """Whether the rest of the file is not read: there are enough errors, or a bracket in each of
        many statements is left open, each of which would have the rest be read once more."""
        count = len(self.errors) + len(self.tokenizer.problems)
        return count >= MAX_ERRORS or (count > 0 and self.tokenizer.reread > MAX_REREAD)

    # ------------------------------------------------------------------ one line

    def _feed(self, token: Token) -> None:
        kind = token.type
        machine = self.machine
        if kind in self._soft and not machine.would_accept(kind):
            kind = token.type = "NAME"
        machine.feed(kind, token)

    def _open(self, line: Line) -> bool:
        """Take the line's indents and dedents; false when they were wrong."""
        machine = self.machine
        layout = line.layout
        indented = bool(layout) and layout[0].type != "_DEDENT"
        fits = True
        if self._aside is not None:
            aside, self._aside = self._aside, None
            if indented and self._after_foreign:
                self._replace(aside, False)
                self._skipping = 1
                return False
            self._replace(aside, indented)
        if not indented and "_INDENT" in machine.tables.actions[machine.states[-1]]:
            fits = False
            self._missing_block(line)
        for token in layout:
            if token.problem is not None:
                self.errors.append(token.problem)
                if machine.would_accept("_INDENT", "PASS", "_NEWLINE", "_DEDENT"):
                    self._feed_made(line, "_INDENT", "PASS", "_NEWLINE", "_DEDENT")
                self._skipping = 1
                return False
            if token.type == "_INDENT":
                phantom = not machine.would_accept("_INDENT")
                self._phantoms.append(phantom)
                if phantom:
                    fits = False
                    self._unexpected_indent(line)
                else:
                    machine.feed("_INDENT", token)
            elif not self._phantoms.pop():
                machine.feed("_DEDENT", token)
        return fits

    def _skipped(self, line: Line) -> bool:
        """Whether `line` is behind the block that is being passed over; takes the block's indents away."""
        for index, token in enumerate(line.layout):
            self._skipping += 1 if token.type != "_DEDENT" else -1
            if not self._skipping:
                line.layout = line.layout[index + 1 :]
                return True
        return False

    def _missing_block(self, line: Line) -> None:
        header = self.lines[-2].tokens[0] if len(self.lines) > 1 else None
        first = line.tokens[0] if line.tokens else None
        related: tuple[Label, ...] = ()
        after = ""
        if header is not None:
            related = (Label(header.span, "its block is missing"),)
            after = f" after this `{header.value}`"
        where = first.span if first is not None else self._made("PASS", line).span
        if first is None and header is not None:
            where = header.span
        if first is None:
            related = ()
        self.errors.append(Diagnostic(
            "WF005", f"an indented block is missing{after}", where,
            "expected more indentation" if first is not None else "its block is missing",
            "indent its statements by 4 spaces; an empty block is written `pass`", related,
        ))  # fmt: skip
        self._feed_made(line, "_INDENT", "PASS", "_NEWLINE", "_DEDENT")

    def _unexpected_indent(self, line: Line) -> None:
        hint = "only a line that ends in `:` opens a block; line it up with the statement before"
        if self.machine.would_accept("WORKFLOW"):
            hint = "a declaration begins at the left margin"
        self.errors.append(Diagnostic(
            "WF005", "this line is indented, and no block begins here", line.layout[0].span,
            "unexpected indentation", hint,
        ))  # fmt: skip

    # ------------------------------------------------------------------ after an error

    def _put_aside(self, line: Line, index: int, states: list[int], values: list[Any]) -> None:
        """Explain what does not fit, and go back to before the line."""
        at_start = Machine(self.machine.tables, self.start)
        at_start.states = states
        count = len(self.errors)
        restart = self._explain(line, index, at_start.would_accept("WORKFLOW"))
        if self._after_foreign and line.tokens[0].value in _PARTS_OF_FOREIGN:
            del self.errors[count:]
        elif index == 0:
            self._after_foreign = self.errors[-1].code == "WF017"
        self.machine.states[:], self.machine.values[:] = states, values
        self._aside = line
        if restart is not None:
            self.tokenizer.restart(restart)

    def _explain(self, line: Line, index: int, top: bool) -> Token | None:
        trouble = Trouble(line.tokens, index, top, self.machine.accepts(), self._spellings)
        self.errors.append(explain(trouble))
        return trouble.restart

    def _replace(self, line: Line, indented: bool) -> None:
        """Feed something harmless for a line that was put aside, so that what follows has its place."""
        word = line.tokens[0].type
        accept = self.machine.would_accept
        end = ("_NEWLINE",) if indented else ("PASS", "_NEWLINE")
        candidates: list[tuple[str, ...]] = []
        if word == "FINALLY":
            candidates.append(("FINALLY", "COLON", *end))
        if word in ("ELIF", "ELSE"):
            candidates.append(("ELIF", "TRUE", "COLON", *end))
        if indented or word == "IF":
            candidates.append(("IF", "TRUE", "COLON", *end))
        if indented or word == "WORKFLOW":
            candidates.append(("WORKFLOW", "NAME", "LPAR", "RPAR", "COLON", *end))
        if not indented:
            candidates.append(end)
        for kinds in candidates:
            if accept(*kinds):
                self._feed_made(line, *kinds)
                return

    def _feed_made(self, line: Line, *kinds: str) -> None:
        for kind in kinds:
            self.machine.feed(kind, self._made(kind, line))

    def _made(self, kind: str, line: Line) -> Token:
        """A token that stands for something missing, where `line` begins."""
        near = line.tokens or line.layout
        if not near and len(self.lines) > 1:
            near = self.lines[-2].tokens[-1:]
        tokenizer = self.tokenizer
        place = near[0] if near else tokenizer.token("_NEWLINE", tokenizer.pos, tokenizer.pos)
        return Token(
            kind, self._spellings.get(kind, "_"), place.file, place.start, place.start,
            place.line, place.column, place.line, place.column,
        )  # fmt: skip
