"""`wfc run` and what there is to see of a run, in processes of this machine."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import wfc


def test_the_result_alone_goes_to_stdout(cli: Any) -> None:
    done = cli("run", "flow.wf", "--local", "-p", "n=4", "--run-id", "r")
    assert (done.exit_code, done.stdout) == (0, "12\n")
    assert "run r in .wfc\n" in done.stderr
    assert "sum of 4\n" in done.stderr, "what tasks print"


def test_quiet(cli: Any) -> None:
    done = cli("run", "flow.wf", "--local", "--quiet")
    assert (done.exit_code, done.stdout, done.stderr) == (0, "6\n", "")


def test_json(cli: Any) -> None:
    done = cli(
        "run", "flow.wf:boxed", "--local", "--json", "-p", 'box={"name": "a"}', "--run-id", "r"
    )
    found = json.loads(done.stdout)
    assert found.pop("seconds") >= 0
    assert found == {
        "run_id": "r",
        "status": "succeeded",
        "result": {"name": "a", "size": 2},
        "error": None,
        "tasks": 1,
    }


def test_a_result_that_is_not_json(cli: Any) -> None:
    done = cli("run", "flow.wf:boxed", "--local", "-p", 'box={"name": "a", "size": 4}')
    assert done.stdout == "Box(name='a', size=5)\n"


def test_parameters_from_a_file(cli: Any, project: Path) -> None:
    (project / "p.toml").write_text("n = 5\nlabel = 'all'\n")
    assert cli("run", "flow.wf", "--local", "--params", "p.toml").stdout == "20\n"
    assert cli("run", "flow.wf", "--local", "--params", "p.toml", "-p", "n=1").stdout == "0\n"


def test_wrong_parameters_start_nothing(cli: Any, project: Path) -> None:
    done = cli("run", "flow.wf", "--local", "-p", "n=many", "-p", "lable=x")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.splitlines() == [
        "error: there is no parameter lable: did you mean label?",
        "error: n: input should be a valid integer, unable to parse string as an integer "
        "(declared int, given many)",
    ]
    assert not (project / ".wfc").exists()


def test_dry_run_starts_nothing(cli: Any, project: Path) -> None:
    done = cli("run", "flow.wf", "--dry-run", "-p", "n=2")
    assert done.exit_code == 0
    assert done.stdout.splitlines() == [
        "        2 x  main/doubled[*]/double",
        "        1 x  main/total",
    ]
    assert done.stderr.splitlines() == [
        "ok: flow.wf would run as main, with n=2, label='sum'",
        "3 tasks; nothing was started",
    ]
    assert not (project / ".wfc").exists()
    assert cli("run", "flow.wf", "--dry-run", "-p", "n=x").exit_code == 2


def test_a_plan_can_be_run(cli: Any) -> None:
    assert cli("compile", "flow.wf", "-o", "plan.json").exit_code == 0
    assert cli("run", "plan.json", "--local").stdout == "6\n"


def test_a_broken_plan(cli: Any, project: Path) -> None:
    (project / "plan.json").write_text("{}")
    done = cli("run", "plan.json", "--local")
    assert done.exit_code == 2
    assert "plan.json is not a plan" in done.stderr


def test_without_optimizing(cli: Any) -> None:
    assert cli("run", "flow.wf", "--local", "--no-optimize").stdout == "6\n"


def test_modules_that_are_not_allowed(cli: Any) -> None:
    assert cli("run", "flow.wf", "--local", "--allow-module", "work").exit_code == 0
    done = cli("run", "flow.wf", "--local", "--allow-module", "other.*")
    assert done.exit_code == 2
    assert "work.double is not among the allowed modules" in done.stderr


def test_a_failure_says_what_and_where(cli: Any, project: Path) -> None:
    done = cli("run", "flow.wf:failing", "--local", "--run-id", "r")
    assert (done.exit_code, done.stdout) == (1, "")
    assert f'File "{project}/work.py", line ' in done.stderr
    assert "ValueError: 1 is bad\n" in done.stderr
    assert "error: task failing/fail_on[1]/fail_on failed: ValueError: 1 is bad" in done.stderr
    assert "--> flow.wf:10:13\n" in done.stderr
    assert "wfc resume r --local" in done.stderr
    assert "/wfc/" not in done.stderr, "our own frames"


def test_a_failure_as_json(cli: Any) -> None:
    found = json.loads(cli("run", "flow.wf:failing", "--local", "--json").stdout)
    assert (found["status"], found["result"]) == ("failed", None)
    assert (found["error"]["type"], found["error"]["message"]) == ("ValueError", "1 is bad")
    assert found["error"]["task"] == "failing/fail_on[1]/fail_on"


def test_names_are_used_once(cli: Any) -> None:
    assert cli("run", "flow.wf", "--local", "--run-id", "r").exit_code == 0
    done = cli("run", "flow.wf", "--local", "--run-id", "r")
    assert done.exit_code == 2
    assert "there is a run r" in done.stderr
    done = cli("run", "flow.wf", "--local", "--run-id", "../r")
    assert done.exit_code == 2


def test_a_store_that_cannot_be(cli: Any, project: Path) -> None:
    (project / "file").write_text("")
    done = cli("run", "flow.wf", "--local", "--store", "file")
    assert done.exit_code == 5
    assert str(project / "file") in done.stderr
    assert cli("list", "--store", "nowhere").exit_code == 5


def test_a_ray_that_does_not_answer(cli: Any, project: Path) -> None:
    done = cli("run", "flow.wf", "--address", "127.0.0.1:1", "--run-id", "r")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "no Ray answers at 127.0.0.1:1" in done.stderr
    assert not (project / ".wfc").exists(), "nothing was started"


def test_resume_of_what_has_ended_gives_the_result(cli: Any) -> None:
    assert cli("run", "flow.wf", "--local", "--run-id", "r").exit_code == 0
    done = cli("resume", "r", "--local")
    assert (done.exit_code, done.stdout) == (0, "6\n")
    assert cli("resume", "nobody", "--local").exit_code == 2
    assert cli("resume").exit_code == 2


def test_list(cli: Any) -> None:
    assert cli("run", "flow.wf", "--local", "--run-id", "good").exit_code == 0
    assert cli("run", "flow.wf:failing", "--local", "--run-id", "bad").exit_code == 1
    lines = cli("list").stdout.splitlines()
    assert [line.split()[:2] for line in lines] == [["good", "succeeded"], ["bad", "failed"]]
    (found,) = json.loads(cli("list", "--status", "failed", "--json").stdout)
    assert (found["run_id"], found["status"]) == ("bad", "failed")
    assert "1 is bad" in found["error"]
    assert cli("list", "--status", "lost").exit_code == 2


def test_output(cli: Any) -> None:
    cli("run", "flow.wf", "--local", "--run-id", "r")
    assert cli("output", "r").stdout == "6\n"
    assert cli("output", "r", "main/doubled[2]/double").stdout == "4\n"
    assert cli("output", "r", "main/nothing").exit_code == 2
    cli("run", "flow.wf:failing", "--local", "--run-id", "f")
    assert cli("output", "f").exit_code == 1


def test_the_output_of_another_process_is_of_the_same_class(cli: Any, spawn: Any) -> None:
    done = spawn("run", "flow.wf:boxed", "--local", "-p", 'box={"name": "a"}', "--run-id", "r")
    assert done.communicate()[0] == "Box(name='a', size=2)\n"
    assert cli("output", "r").stdout == "Box(name='a', size=2)\n"
    assert wfc.get("r").result().size == 2


def test_delete(cli: Any) -> None:
    cli("run", "flow.wf", "--local", "--run-id", "r")
    assert "would delete run r" in cli("delete", "r", "--dry-run").stderr
    assert cli("delete", "r").exit_code == 0
    assert cli("show", "r").exit_code == 2


def test_gc(cli: Any) -> None:
    cli("run", "flow.wf", "--local", "--run-id", "r")
    assert cli("gc").stderr == ""
    assert "would delete run r" in cli("gc", "--older-than", "0s", "--dry-run").stderr
    assert cli("gc", "--older-than", "0s").exit_code == 0
    assert cli("list").stdout == ""
    assert cli("gc", "--older-than", "soon").exit_code == 2


def test_a_new_project_works(cli: Any, project: Path) -> None:
    assert cli("new", "words").exit_code == 0
    assert cli("new", "words").exit_code == 2
    assert cli("check", "--strict", "words/flow.wf").exit_code == 0
    assert cli("fmt", "--check", "words/flow.wf").exit_code == 0
    done = cli("run", "words/flow.wf", "--local", "--quiet")
    assert done.stdout == "Count(text='to be or not to be', words=6)\n"
    test = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "words"]
    assert subprocess.run(test, cwd=project, capture_output=True, check=False).returncode == 0


def wait_for(condition: Any, seconds: float = 30.0) -> None:
    """Wait until something is so."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.02)


def running(run_id: str) -> bool:
    """Whether somebody works on that run."""
    try:
        return wfc.get(run_id).status == "running"
    except wfc.StorageError:
        return False


def test_a_signal_from_outside(cli: Any, spawn: Any) -> None:
    run = spawn("run", "flow.wf:approved", "--local", "--run-id", "r")
    wait_for(lambda: running("r"))
    assert cli("send", "r", "approval", '"yes"', "--id", "one").exit_code == 0
    assert cli("send", "r", "approval", "nonsense").exit_code == 2
    assert run.communicate(timeout=30)[0] == '"said yes"\n'
    assert run.returncode == 0


def test_cancel_from_outside(cli: Any, spawn: Any) -> None:
    run = spawn("run", "flow.wf:approved", "--local", "--run-id", "r")
    wait_for(lambda: running("r"))
    assert cli("resume", "r", "--local").exit_code == 4, "somebody else has it"
    assert cli("cancel", "r").exit_code == 0
    out, err = run.communicate(timeout=30)
    assert (run.returncode, out) == (3, "")
    assert "run r was cancelled" in err
    assert [line.split()[1] for line in cli("list").stdout.splitlines()] == ["cancelled"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_and_resumed(cli: Any, spawn: Any, number: int) -> None:
    run = spawn("run", "flow.wf:approved", "--local", "--run-id", "r")
    wait_for(lambda: running("r"))
    os.kill(run.pid, number)
    out, err = run.communicate(timeout=30)
    assert (run.returncode, out) == (3, "")
    assert "wfc resume r --local\n" in err
    assert cli("list", "--status", "interrupted").stdout.startswith("r ")
    assert cli("send", "r", "approval", "1").exit_code == 0
    done = cli("resume", "--all", "--local")
    assert (done.exit_code, done.stdout) == (0, '"said 1"\n')


def test_changed_code_is_not_gone_on_with_silently(cli: Any, spawn: Any, project: Path) -> None:
    run = spawn("run", "flow.wf:approved", "--local", "--run-id", "r")
    wait_for(lambda: running("r"))
    os.kill(run.pid, signal.SIGINT)
    run.communicate(timeout=30)
    spec = project / "flow.wf"
    text = spec.read_text()
    spec.write_text(text.replace("said {answer}", "told {answer}"))
    done = cli("resume", "r", "--local")
    assert done.exit_code == 4
    assert "the spec flow.wf has changed" in done.stderr
    assert "the spec flow.wf has changed" in cli("resume", "r", "--plan").stdout
    spec.write_text(
        text.replace("workflow approved", "# a comment counts for nothing\nworkflow approved")
    )
    assert "nothing has changed" in cli("resume", "r", "--plan").stdout
    spec.write_text(text)
    work = project / "work.py"
    work.write_text(work.read_text().replace("2 * i", "3 * i"))
    done = cli("resume", "r", "--plan")
    assert "  changed  task double: the code of work.double has changed\n" in done.stdout
    assert cli("resume", "r", "--local").exit_code == 4
    cli("send", "r", "approval", "1")
    assert cli("resume", "r", "--local", "--keep").stdout == '"said 1"\n'


@pytest.mark.parametrize(
    "error", [OSError(errno.EMFILE, "Too many open files"), ConnectionError("the token is wrong")]
)
def test_what_a_run_is_to_run_on_cannot_be_started(
    cli: Any, monkeypatch: pytest.MonkeyPatch, error: OSError
) -> None:
    """The run is there, and goes on when that is mended."""

    def fail(*_: object, **__: object) -> None:
        raise error

    with monkeypatch.context() as patched:
        patched.setattr("wfc.runtime.executors.local.LocalTransport.__init__", fail)
        done = cli("run", "flow.wf", "--local", "--run-id", "r")
    assert (done.exit_code, done.stdout) == (3, "")
    assert f"cannot be started: {type(error).__name__}: {error}\n" in done.stderr
    assert done.stderr.endswith("When that is mended:\n  wfc resume r --local\n")
    assert cli("resume", "r", "--local").exit_code == 0
