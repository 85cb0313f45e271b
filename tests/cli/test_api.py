"""The Python functions where people use them: in threads, in an event loop, in a notebook."""

from __future__ import annotations

import asyncio
import os
import re
import threading
import xml.etree.ElementTree as ET
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import wfc
from tests.cli.conftest import write


def test_from_several_threads_at_once(project: Path) -> None:
    def work(n: int) -> int:
        run = wfc.start("flow.wf", n=n, local=True, run_id=f"r{n}")
        return int(run.result(timeout=60))

    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(work, range(3))) == [0, 0, 2]
    assert {info.run_id: info.status for info in wfc.runs()} == {
        f"r{n}": "succeeded" for n in range(3)
    }


def test_inside_a_running_event_loop(project: Path) -> None:
    async def main() -> tuple[Any, Any, int]:
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                await asyncio.sleep(0.001)
                ticks += 1

        ticking = asyncio.create_task(tick())
        waited = await wfc.start("flow.wf", n=4, local=True, run_id="awaited")
        ticking.cancel()
        return waited, wfc.run("flow.wf", n=3, local=True, run_id="blocking"), ticks

    waited, blocking, ticks = asyncio.run(main())
    assert (waited, blocking) == (12, 6)
    assert ticks > 3, "the loop went on"


def test_a_run_that_is_awaited_raises_what_result_raises(project: Path) -> None:
    async def main() -> Any:
        return await wfc.start("flow.wf:failing", local=True)

    with pytest.raises(wfc.RunFailed, match="1 is bad"):
        asyncio.run(main())


def test_a_handle_from_elsewhere(project: Path) -> None:
    run = wfc.start("flow.wf:approved", local=True, run_id="r")
    other = wfc.get("r")
    assert not other.active
    heard: list[Any] = []
    waiter = threading.Thread(target=lambda: heard.append(other.result(timeout=60)))
    waiter.start()
    assert other.send("approval", "yes")
    assert run.result(timeout=60) == "said yes"
    waiter.join(60)
    assert heard == ["said yes"]
    assert wfc.resume("r", local=True).result() == "said yes", "it has ended: that is its result"
    with pytest.raises(wfc.StorageError, match="no run nobody"):
        wfc.get("nobody")


def test_progress_is_shown(project: Path, capsys: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("wfc.watching.EVERY", 0.0)
    assert wfc.run("flow.wf", n=3, local=True, run_id="r", progress=True) == 6
    said = capsys.readouterr().err
    assert "sum of 3\n" in said, "what tasks print"
    assert re.search(r"^r: \d+ done", said, re.MULTILINE)


def test_a_live_view_draws_on_a_terminal(project: Path, monkeypatch: Any) -> None:
    """A terminal of its own: what is drawn there is what a person would see."""
    pty = pytest.importorskip("pty")
    master, slave = pty.openpty()
    screen = os.fdopen(slave, "w")
    monkeypatch.setattr("sys.stderr", screen)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")
    run = wfc.start("flow.wf:approved", local=True, run_id="r", progress=True)
    shown = b""
    while b"waits for signal approval" not in shown:
        shown += os.read(master, 65536)
    run.send("approval", 1)
    assert run.result(timeout=60) == "said 1"
    screen.close()
    os.close(master)


def test_in_a_notebook(project: Path) -> None:
    write(
        project / "work.py",
        """
        def double(i): return 2 * i
        def total(values, label): raise ValueError(label)
        def fail_on(i, bad): return i
        def note(box): return box
        class Box: pass
        """,
    )
    plan: Any = wfc.compile("flow.wf", "main")
    assert ET.fromstring(plan._repr_html_()).tag.endswith("svg")
    run: Any = wfc.start(plan, n=2, label="<script>alert(1)</script>", local=True, run_id="r")
    with pytest.raises(wfc.RunFailed):
        run.result()
    html = run._repr_html_()
    assert "<script" not in html
    assert "ValueError: &lt;script&gt;" in html
    assert "<code>main/doubled[*]/double</code></td><td>2</td>" in html
    ET.fromstring(html)
