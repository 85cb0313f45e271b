"""Code that changes under a run: within one run there is one version of it, and a resume tells what has
changed; comments and formatting do not count."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

import wfc
from tests.cli.conftest import write
from tests.fire.project import Project, wait_for

pytestmark = pytest.mark.slow

SPEC = """
    from work import version, hold

    workflow main(log: str, gate: str) -> list[int]:
        held = hold(gate, log)
        return [version(i) for i in range(40)] after (held)
    """

WORK = """
    import os
    import time
    from helpers import scale

    def version(i: int) -> int:
        return scale(1)

    def hold(gate: str, log: str) -> int:
        with open(log, "a") as file:
            file.write(f"holds {os.getpid()}\\n")
        while not os.path.exists(gate):
            time.sleep(0.005)
        return 0
    """

HELPERS = """
    FACTOR = 1

    def scale(x: int) -> int:
        return x * FACTOR

    def unrelated() -> int:
        return 1
    """


class Flow(Project):
    """A project in a folder of its own, whose files can be edited."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, str(folder / "store"))
        self.folder, self.gate = folder, folder / "gate"
        write(folder / "flow.wf", SPEC)
        write(folder / "work.py", WORK)
        write(folder / "helpers.py", HELPERS)

    def edit(self, name: str, old: str, new: str) -> None:
        path = self.folder / name
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    def plan(self) -> str:
        """What `wfc resume --plan` tells."""
        code, out, err = self.says("resume", "r", "--plan")
        assert code == 0, err
        return out

    def holding(self) -> None:
        """Start run `r`, and leave it interrupted at its first task."""
        process = self.start(*self.command())
        wait_for(lambda: self.lines(), process)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)

    def command(self) -> list[str]:
        params = [f"-plog={self.log}", f"-pgate={self.gate}"]
        return ["run", str(self.folder / "flow.wf"), *params, "--local", "--run-id", "r"]


@pytest.fixture
def flow(tmp_path: Path) -> Flow:
    return Flow(tmp_path)


def test_an_edit_in_mid_run_is_not_seen_by_that_run(flow: Flow) -> None:
    """Not even by processes that start after it."""
    process = flow.start(*flow.command())
    wait_for(lambda: flow.lines(), process)
    flow.edit("helpers.py", "x * FACTOR", "x * 1000")
    flow.edit("work.py", "scale(1)", "scale(2)")
    os.kill(int(flow.lines()[0][1]), signal.SIGKILL)
    wait_for(lambda: len(flow.lines()) == 2, process)
    flow.gate.touch()
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert out == f"{[1] * 40}\n"


def test_what_counts_as_a_change(flow: Flow) -> None:
    flow.holding()
    same = "nothing has changed since: all that is done counts\n"
    assert same in flow.plan()
    flow.edit(
        "helpers.py", "    return x * FACTOR", "    # a comment\n    return (\n        x * FACTOR)"
    )
    flow.edit(
        "helpers.py",
        "def unrelated() -> int:\n    return 1",
        "def unrelated() -> int:\n    return 2",
    )
    flow.edit("flow.wf", "    held =", "    # so says the spec\n    held    =")
    assert same in flow.plan()
    flow.edit("helpers.py", "FACTOR = 1", "FACTOR = 3")
    told = flow.plan()
    assert "task version: the code of work.version has changed\n" in told
    assert same not in told
    code, out, err = flow.says("resume", "r", "--local")
    assert (code, out) == (4, "")
    assert "task version: the code of work.version has changed" in err
    assert "--keep" in err
    flow.gate.touch()
    assert wfc.get("r", store=flow.store).status == "interrupted"
    code, out, err = flow.says("resume", "r", "--local", "--keep")
    assert (code, out) == (0, f"{[3] * 40}\n"), err


def test_a_helper_that_is_imported_inside_of_a_body_counts(tmp_path: Path) -> None:
    project = Project(tmp_path, str(tmp_path / "store"))
    spec = """
        from steps import t, last

        workflow main() -> int:
            return last(t(1))
        """
    steps = """
        def t(x: int) -> int:
            from helper import price
            return price(x)

        def last(x: int) -> int:
            raise RuntimeError("fail")
        """
    write(tmp_path / "flow.wf", spec)
    write(tmp_path / "steps.py", steps)
    write(tmp_path / "helper.py", "def price(x):\n    return x + 100\n")
    code, _, err = project.says("run", str(tmp_path / "flow.wf"), "--local", "--run-id", "r")
    assert code == 1, err
    write(tmp_path / "helper.py", "def price(x):\n    return x + 101\n")
    code, _, err = project.says("resume", "r", "--local")
    assert code == 4, err
    assert "task t: the code of steps.t has changed" in err
    assert "task last" not in err
