"""What is shown of a moment of a run, without a run."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from wfc.runtime.progress import Group, Moment, Waiting
from wfc.watching import Rates, counted, picture, span, summary, waiting

MOMENT = Moment(
    at=1000.0,
    counts={"done": 1204, "failed": 1, "retried": 3, "cached": 200},
    groups=[
        Group("main", "workflow", 4, 1, 0, 0),
        Group("main/tables", "fan-out", 10_000, 1200, 16, 1, 200),
    ],
    waits=[
        Waiting("signal", "approval", 4600.0),
        Waiting("sleep", "main/nap", 1012.0),
        Waiting("retry", "main/tables[7]", 1000.5),
    ],
    running=[("main/tables[17]/parse", 12.0), ("main/tables[3]/parse", 0.2)],
    queued=40,
)


def drawn(moment: Moment, width: int = 80) -> list[str]:
    rates = Rates()
    rates.see(replace(moment, at=moment.at - 2, counts={**moment.counts, "done": 4}, groups=[]))
    rates.see(moment)
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(picture("nightly", moment, rates, 75.0))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    return [line.rstrip() for line in text.splitlines()]


def test_the_live_view() -> None:
    assert drawn(MOMENT) == [
        "nightly  1 m 15 s  1,204 done, 200 cached, 3 retried, 1 failed, 16 running  600…",
        "                          done  running  failed  cached   total   rate",
        "main         ━━╸             1        0       0       0       4",
        "main/tables  ━           1,200       16       1     200  10,000  600/s",
        "  running for 12 s: main/tables[17]/parse",
        "  waits for signal approval, 1 h 0 m left",
        "  waits for the end of main/nap, 12 s left",
        "  waits for the next attempt at main/tables[7], 500 ms left",
    ]


def test_it_fits_any_terminal() -> None:
    long = replace(MOMENT, groups=[replace(MOMENT.groups[1], path="main/" + "x" * 200)])
    for width in (80, 60, 40):
        assert max(map(len, drawn(long, width))) <= width


def test_many_groups_are_cut_those_with_something_to_do_first() -> None:
    many = [Group(f"main/g{i}", "fan-out", 5, 5) for i in range(40)]
    lines = drawn(replace(MOMENT, groups=[*many, Group("main/last", "fan-out", 5, 1)]))
    assert lines[2].startswith("main/last")
    assert "and 29 more" in lines


def test_a_line() -> None:
    assert summary(MOMENT) == (
        "1,204 done, 200 cached, 3 retried, 1 failed, 16 running, main/tables 1,200 of 10,000, "
        "slowest main/tables[17]/parse for 12 s, waits for signal approval and 2 more"
    )
    assert counted(Moment(0.0, {"done": 0})) == "0 done"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0, "0 ms"), (0.04, "40 ms"), (1.44, "1.4 s"), (59.4, "59 s"), (59.7, "1 m 0 s"),
     (185, "3 m 5 s"), (8040, "2 h 14 m"), (200_000, "2 d 7 h")],
)  # fmt: skip
def test_spans(seconds: float, text: str) -> None:
    assert span(seconds) == text


def test_what_is_not_known_to_end_has_no_time_left() -> None:
    assert waiting(Waiting("signal", "go"), 5.0) == "signal go"
    assert waiting(Waiting("wait", "main/wait", 4.0), 5.0) == "the timeout of main/wait, 0 ms left"


def test_a_moment_is_read_as_it_was_written() -> None:
    assert Moment.from_json(MOMENT.to_json()) == MOMENT
    for text in ("{}", "[]", "nonsense", '{"at": 1, "later": 2}'):
        with pytest.raises(ValueError, match=r"."):
            Moment.from_json(text)


def test_time_that_passes_is_no_news() -> None:
    assert MOMENT.news == replace(MOMENT, at=1001.0, running=MOMENT.running[::-1]).news
    assert MOMENT.news != replace(MOMENT, queued=39).news
