"""The report of a run, in a real browser, by clicking and reading."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import wfc
from tests.cli.browser import Browser, missing
from tests.cli.conftest import write

HOSTILE = "</script><script>window.hacked = 1</script><img src=x onerror='window.hacked = 2'>"

SPEC = """
# </script><script>window.hacked = 3</script>
from work import add, bad, one, picky

task again = picky with (max_retries=1, retry_exceptions=True, backoff=1ms)

workflow main(n: int, name: str) -> list[Any]:
    ones = [one(i) for i in range(n)]
    kept = [catch again(i, name) for i in range(3)]
    sums = part(ones)
    if n > 0:
        first = add(sums, 1)
    else:
        first = 0
    return bad(first, kept, name)

workflow part(values: list[int]) -> int:
    return add(values[0], 2)
"""

WORK = """
def one(i: int) -> int:
    return i

def add(a: int, b: int) -> int:
    return a + b

def picky(i: int, name: str) -> int:
    if i == 1:
        raise OSError(name)
    return i

def bad(first: int, kept: list, name: str) -> list:
    print("printed", name)
    raise ValueError(f"bad {name}")
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if reason := missing():
        pytest.skip(reason)
    opened = Browser(tmp_path_factory.mktemp("profile"))
    yield opened
    opened.close()


@pytest.fixture
def project(project: Path) -> Path:
    write(project / "flow.wf", SPEC)
    write(project / "work.py", WORK)
    return project


def test_a_report_of_ten_thousand_tasks(cli: Any, project: Path, browser: Browser) -> None:
    with pytest.raises(wfc.RunFailed):
        wfc.run("flow.wf", n=10_000, name=HOSTILE, local=True, run_id="r")
    done = cli("show", "r", "--html", "report.html")
    assert (done.exit_code, done.stderr) == (0, "wrote report.html: open it in a browser\n")
    browser.open(project / "report.html")

    # Failures stand on top, with what it takes to understand them.
    head = browser.text("#head")
    assert "failed" in head
    assert "1 failed, 1 caught, 10,004 done" in head
    failures = browser.text("#failures")
    assert failures.startswith("Failures\nmain/bad")
    for words in (f"ValueError: bad {HOSTILE}", "flow.wf:14", "return bad(first, kept, name)",
                  "2 attempts", f"printed {HOSTILE}", "in bad\n"):  # fmt: skip
        assert words in failures

    # The table: only what can be seen is there; it is searched, filtered, sorted, scrolled.
    rows = "return [...document.querySelectorAll('#rows .row')].map(r => r.dataset.id)"
    assert browser.text("#count") == "10,006 of 10,006"
    shown = browser.run(rows)
    assert shown[:2] == ["main/bad", "main/kept[1]/again"]
    assert len(shown) < 60
    browser.type("#search", "ones[9999]")
    assert browser.run(rows) == ["main/ones[9999]/one"]
    browser.click("#rows .row")
    assert browser.text("#detail").startswith("main/ones[9999]/one\nstate\ndone")
    browser.type("#search", "VALUEERROR bad")
    assert browser.run(rows) == ["main/bad"]
    browser.run("document.getElementById('search').value = ''; "
                "document.getElementById('search').dispatchEvent(new Event('input'))")  # fmt: skip
    browser.click("#states button:nth-child(2)")
    assert browser.text("#count") == "1 of 10,006"
    browser.click("#states button:nth-child(1)")
    browser.run("const t = document.getElementById('table'); t.scrollTop = t.scrollHeight")
    browser.run("document.getElementById('table').dispatchEvent(new Event('scroll'))")
    assert len(browser.run(rows)) < 60
    assert shown[0] not in browser.run(rows)
    browser.click("#heads span:nth-child(2)")
    assert browser.run(rows)[0] == "main/bad", "by name"

    # The picture has the colours of the tasks, and leads to them.
    words = "[...g.querySelectorAll('text')].map(t => t.textContent).join(' ')"
    boxes = "[...document.querySelectorAll('#picture g[data-state]')]"
    states = dict(browser.run(f"return {boxes}.map(g => [{words}, g.dataset.state])"))
    assert states["bad"] == "failed"
    assert states["again 2 done, 1 caught"] == "caught"
    assert states["one 10000 done"] == "done"
    browser.click("#picture g[data-state=caught] text")
    assert browser.text("#count") == "3 of 10,006"

    if kept := os.environ.get("WFC_TEST_PICTURES"):
        browser.screenshot(Path(kept) / "report.png")

    # The timeline is drawn, and shows what is under the mouse.
    assert browser.run("return document.querySelector('canvas').width") > 300

    # What came from users is text; nothing was asked for elsewhere, nothing went wrong.
    assert browser.run("return window.hacked") is None
    assert browser.run("return document.querySelectorAll('img').length") == 0
    assert browser.run("return performance.getEntriesByType('resource').length") == 0
    assert browser.log() == []


def test_the_file_asks_for_nothing(cli: Any, project: Path) -> None:
    with pytest.raises(wfc.RunFailed):
        wfc.run("flow.wf", n=1, name="x", local=True, run_id="r")
    assert cli("show", "r", "--html", "report.html").exit_code == 0
    text = (project / "report.html").read_text()
    assert re.findall(r"https?://[^\"' <]*", text) == ["http://www.w3.org/2000/svg"] * 2
    assert not re.search(
        r"\b(src|href)=", re.sub(r'<script type="application/json".*?</script>', "", text)
    )
    assert cli("show", "r", "--html", "nowhere/report.html").exit_code == 2
