"""`wfc check`, `compile`, `fmt`, `explain`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from wfc.plan.model import Plan


def test_check_of_a_good_spec(cli: Any) -> None:
    done = cli("check", "flow.wf")
    assert (done.exit_code, done.stdout) == (0, "")
    assert done.stderr.endswith("ok: flow.wf\n")


def test_check_shows_the_line_and_a_fix(cli: Any, project: Path) -> None:
    (project / "bad.wf").write_text(
        "from work import double\n\nworkflow main(n: int) -> int:\n    return doubel(n)\n"
    )
    done = cli("check", "flow.wf", "bad.wf")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "--> bad.wf:4:12" in done.stderr
    assert "did you mean `double`?" in done.stderr
    assert "1 error" in done.stderr


def test_check_for_tools(cli: Any, project: Path) -> None:
    (project / "bad.wf").write_text("workflow main() -> int:\n    return nothing\n")
    done = cli("check", "bad.wf", "--format", "json")
    assert done.exit_code == 2
    (found,) = json.loads(done.stdout)
    assert (found["file"], found["line"], found["severity"]) == ("bad.wf", 2, "error")
    assert cli("check", "flow.wf", "--format", "json").stdout == "[]\n"
    assert cli("check", "flow.wf", "--format", "xml").exit_code == 2


def test_check_of_nothing(cli: Any) -> None:
    done = cli("check", "nowhere.wf")
    assert done.exit_code == 2
    assert "nowhere.wf" in done.stderr


def test_strict(cli: Any, project: Path) -> None:
    (project / "loose.wf").write_text("workflow main(n):\n    return n\n")
    assert cli("check", "loose.wf").exit_code == 0
    assert cli("check", "loose.wf", "--strict").exit_code == 2


def test_compile_gives_the_same_plan_each_time(cli: Any, project: Path) -> None:
    first = cli("compile", "flow.wf")
    assert first.exit_code == 0
    assert Plan.from_json(first.stdout).entry == "main"
    assert cli("compile", "flow.wf:main").stdout == first.stdout
    done = cli("compile", "flow.wf", "-o", "plan.json")
    assert (done.exit_code, done.stdout) == (0, "")
    assert (project / "plan.json").read_text() == first.stdout


def test_compile_explains(cli: Any) -> None:
    done = cli("compile", "flow.wf", "--explain")
    assert done.exit_code == 0
    assert "flow.wf:6: " in done.stdout
    assert "doubled" in done.stdout


def test_compile_emits(cli: Any) -> None:
    assert "doubled = map i in range(n)" in cli("compile", "flow.wf", "--emit", "ir").stdout
    assert cli("compile", "flow.wf", "--emit", "dot").stdout.startswith("digraph")
    assert cli("compile", "flow.wf", "--emit", "mermaid").stdout.startswith("flowchart")
    assert cli("compile", "flow.wf", "--emit", "png").exit_code == 2


def test_compile_of_an_unknown_workflow(cli: Any) -> None:
    done = cli("compile", "flow.wf:mian")
    assert done.exit_code == 2
    assert "did you mean `main`?" in done.stderr


def test_fmt(cli: Any, project: Path) -> None:
    spec = project / "ugly.wf"
    spec.write_text("workflow main( n:int )->int:   # why\n    return n+1\n")
    ugly = spec.read_text()
    assert cli("fmt", "ugly.wf", "--check").exit_code == 2
    diff = cli("fmt", "ugly.wf", "--diff")
    assert diff.exit_code == 0
    assert (
        "-    return n+1\n+workflow main(n: int) -> int:  # why\n+    return n + 1\n" in diff.stdout
    )
    assert spec.read_text() == ugly
    assert cli("fmt", "ugly.wf").exit_code == 0
    assert spec.read_text() == "workflow main(n: int) -> int:  # why\n    return n + 1\n"
    assert cli("fmt", "ugly.wf", "--check").exit_code == 0


def test_fmt_leaves_what_it_cannot_read(cli: Any, project: Path) -> None:
    spec = project / "broken.wf"
    spec.write_text("workflow main(:\n")
    assert cli("fmt", "broken.wf").exit_code == 2
    assert spec.read_text() == "workflow main(:\n"


def test_explain(cli: Any) -> None:
    done = cli("explain", "wf012")
    assert done.exit_code == 0
    assert done.stdout.startswith("WF012: ")
    assert cli("explain", "WF999").exit_code == 2


def test_a_spec_that_is_not_there_is_one_error_with_a_hint(cli: Any, project: Path) -> None:
    (project / "flow.wf").write_text("workflow main() -> int:\n    return 1\n")
    for command in (("check",), ("run", "--local")):
        done = cli(*command, "flw.wf")
        assert done.exit_code == 2
        assert done.stderr == (
            "error[WF040]: cannot read `flw.wf`: there is no such file\n"
            " --> flw.wf:1:1\n"
            "  |\n"
            "  = help: did you mean `flow.wf`?\n"
            "\n"
            "1 error\n"
        )
