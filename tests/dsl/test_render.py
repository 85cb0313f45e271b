"""How diagnostics look, and how tools read them."""

from __future__ import annotations

import json

from wfc.dsl.ast import Span
from wfc.dsl.diagnostics import Diagnostic, Label
from wfc.dsl.render import render, summary, to_json
from wfc.dsl.source import Source


def one(text: str, span: Span, *related: Label, **more: str) -> str:
    """A diagnostic in a file of one text."""
    found = Diagnostic("WF099", "wrong", span, related=related, **more)  # type: ignore[arg-type]
    return render([found], {"m.wf": text})


def test_all_parts() -> None:
    text = "a = 1\nb = 2\nc = 3\na = 4\n"
    first = Label(Span("m.wf", 1, 1, 1, 2), "first here")
    shown = one(text, Span("m.wf", 4, 1, 4, 2), first, label="again", hint="rename one")
    assert (
        shown
        == """\
error[WF099]: wrong
 --> m.wf:4:1
  |
1 | a = 1
  | - first here
...
4 | a = 4
  | ^ again
  |
  = help: rename one
"""
    )


def test_a_label_in_another_file() -> None:
    other = Label(Span("lib.wf", 1, 1, 1, 2), "declared here")
    found = Diagnostic(
        "WF099", "wrong", Span("m.wf", 1, 5, 1, 6), related=(other,), severity="warning"
    )
    assert (
        render([found], {"m.wf": "x = y", "lib.wf": Source.of("y = 1", "lib.wf")})
        == """\
warning[WF099]: wrong
 --> m.wf:1:5
  |
1 | x = y
  |     ^
 ::: lib.wf:1:1
  |
1 | y = 1
  | - declared here
"""
    )


def test_without_the_source() -> None:
    found = Diagnostic("WF099", "wrong", Span("m.wf", 3, 5, 3, 6), hint="do")
    assert render([found], {}) == "error[WF099]: wrong\n --> m.wf:3:5\n  |\n  = help: do\n"


def test_wide_and_tabbed_text_is_underlined_where_it_stands() -> None:
    # Two columns of a wide letter, four of a tab, and one; then two wide letters.
    shown = one("中\tx漢字", Span("m.wf", 1, 4, 1, 6), label="here")
    assert shown.endswith("\n1 | 中    x漢字\n  | " + " " * 7 + "^^^^ here\n")


def test_a_line_of_100_000_characters_is_cut_round_the_span() -> None:
    text = "x" * 50_000 + "HERE" + "y" * 50_000
    shown = one(text, Span("m.wf", 1, 50_001, 1, 50_005), label="this")
    lines = shown.split("\n")
    assert max(map(len, lines)) < 140
    at = lines[3].index("HERE")
    assert lines[4][at : at + 4] == "^^^^"
    assert lines[3][4] == lines[3][-1] == "…"


def test_a_span_over_lines_is_underlined_to_the_end_of_its_first() -> None:
    assert "1 | f(a,\n  | ^^^^\n" in one("f(a,\n  b)", Span("m.wf", 1, 1, 2, 5))


def test_control_characters_do_not_reach_the_terminal() -> None:
    found = Diagnostic("WF099", "bad \x1b[31m\nname", Span("m.wf", 1, 1, 1, 2))
    shown = render([found], {"m.wf": "a\x1b[31m\u202e"})
    assert "\x1b" not in shown
    assert "\u202e" not in shown


def test_color_is_only_added() -> None:
    import re

    found = Diagnostic("WF099", "wrong", Span("m.wf", 1, 1, 1, 2), "here", "do")
    plain = render([found], {"m.wf": "a"})
    colored = render([found], {"m.wf": "a"}, color=True)
    assert "\x1b[1;31m" in colored
    assert re.sub(r"\x1b\[[0-9;]*m", "", colored) == plain


def test_json_has_stable_keys() -> None:
    span = Span("m.wf", 1, 2, 3, 4)
    found = Diagnostic("WF099", "wrong", span, "here", "do", (Label(span, "there"),), "warning")
    place = {"file": "m.wf", "line": 1, "column": 2, "end_line": 3, "end_column": 4}
    assert json.loads(json.dumps(to_json([found]))) == [
        {
            "code": "WF099", "severity": "warning", "message": "wrong", **place, "label": "here",
            "hint": "do", "related": [{**place, "text": "there"}],
        }
    ]  # fmt: skip


def test_summary() -> None:
    error = Diagnostic("WF099", "wrong", Span("m.wf", 1, 1, 1, 1))
    warning = Diagnostic("WF099", "odd", Span("m.wf", 1, 1, 1, 1), severity="warning")
    assert summary([error, error, warning]) == "2 errors, 1 warning"
    assert summary([]) == ""


def test_spans_beyond_the_text_do_no_harm() -> None:
    for span in (Span("m.wf", 9, 9, 9, 9), Span("m.wf", 1, 99, 1, 99), Span("m.wf", 1, 1, 1, 1)):
        assert one("a", span)
