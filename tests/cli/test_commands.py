"""Every command: its help, its examples, its exit codes, completion, colours, widths."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer

import wfc
from tests.cli.conftest import command
from wfc.cli.app import app

COMMANDS = {
    "new": ["new", "x"],
    "check": ["check", "flow.wf"],
    "fmt": ["fmt", "--check", "flow.wf"],
    "compile": ["compile", "flow.wf"],
    "run": ["run", "flow.wf", "--dry-run"],
    "resume": ["resume", "r", "--plan"],
    "list": ["list"],
    "show": ["show", "r"],
    "output": ["output", "r"],
    "logs": ["logs", "r"],
    "send": ["send", "w", "approval", "1"],
    "cancel": ["cancel", "w"],
    "delete": ["delete", "r", "--dry-run"],
    "gc": ["gc", "--dry-run"],
    "explain": ["explain", "WF060"],
}
"""A use of each that is right: `r` has succeeded, `w` waits for a signal."""

WITH_JSON = {
    "run": ["run", "flow.wf", "--dry-run", "--json"],
    "resume": ["resume", "r", "--plan", "--json"],
    "list": ["list", "--json"],
    "show": ["show", "r", "--json"],
    "check": ["check", "flow.wf", "--format", "json"],
}
WRONG = [
    ["show", "nobody"], ["output", "nobody"], ["logs", "nobody"], ["send", "nobody", "s"],
    ["cancel", "nobody"], ["delete", "nobody"], ["resume", "nobody", "--local"], ["explain", "WF999"],
    ["check", "none.wf"], ["compile", "none.wf"], ["run", "none.wf", "--local"], ["fmt", "none.wf"],
    ["list", "--status", "odd"], ["gc", "--older-than", "odd"], ["compile", "flow.wf", "--emit", "odd"],
    ["send", "r", "s", "no json"], ["show", "r", "main/none"], ["output", "r", "main/none"],
]  # fmt: skip


@pytest.fixture
def runs(project: Path) -> None:
    """`r` has succeeded, `w` was interrupted while it waited."""
    assert wfc.run("flow.wf", local=True, run_id="r") == 6
    wfc.start("flow.wf:approved", local=True, run_id="w").interrupt()


def test_all_commands_are_here() -> None:
    group = typer.main.get_command(app)
    assert set(group.commands) == set(COMMANDS)  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", COMMANDS)
def test_help_has_examples_and_fits(cli: Any, name: str) -> None:
    done = cli(name, "--help")
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    examples = [line for line in lines if line.startswith(f"  wfc {name} ")]
    assert examples, "an example"
    listed = cli("--help").stdout
    assert not re.search(r"(?m)\w\.\.\.$", listed), "what each does, in a line"
    assert cli(name, "--no-such-option").exit_code == 2


def test_each_does_its_work_without_colour(cli: Any, runs: None, monkeypatch: Any) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, arguments in COMMANDS.items():
        done = cli(*arguments)
        assert done.exit_code == (2 if name == "fmt" and "would reformat" in done.stderr else 0), (
            name,
            done.stderr,
        )
        assert "\x1b" not in done.stdout + done.stderr, name
        if name not in ("compile",):
            assert max(map(len, [*done.stdout.splitlines(), ""])) <= 80, name


def test_json_where_it_is_promised(cli: Any, runs: None) -> None:
    for arguments in WITH_JSON.values():
        done = cli(*arguments)
        assert done.exit_code == 0
        json.loads(done.stdout)


def test_what_is_wrong_is_said_in_a_line_and_with_its_code(cli: Any, runs: None) -> None:
    for arguments in WRONG:
        done = cli(*arguments)
        assert (done.exit_code, done.stdout) == (2, ""), arguments
        assert "error" in done.stderr, arguments
        assert "Traceback" not in done.stderr, arguments


def test_colour_only_where_it_is_wanted(cli: Any, project: Path, monkeypatch: Any) -> None:
    (project / "bad.wf").write_text("workflow main():\n    return x\n")
    for name, value, coloured in (("FORCE_COLOR", "1", True), ("NO_COLOR", "1", False)):
        monkeypatch.delenv("NO_COLOR", raising=False)
        monkeypatch.setenv("FORCE_COLOR", "1")
        monkeypatch.setenv(name, value)
        assert ("\x1b[" in cli("check", "bad.wf").stderr) == coloured


@pytest.mark.parametrize(
    ("words", "found"),
    [("wfc sh", "show"), ("wfc show ", "r"), ("wfc run --det", "--detach"), ("wfc cancel w", "w")],
)
def test_the_shell_completes(project: Path, runs: None, words: str, found: str) -> None:
    environ = {
        **os.environ,
        "_WFC_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(re.split(" +", words)) - 1),
    }
    done = subprocess.run(
        command(), cwd=project, env=environ, capture_output=True, text=True, check=False
    )
    assert found in done.stdout.split(), done


def test_completion_can_be_installed(cli: Any) -> None:
    shown = cli("--help").stdout
    assert "--install-completion" in shown
    assert "--show-completion" in shown
