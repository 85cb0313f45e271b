"""What the options of `with (…)` do to real tasks; those that are Ray's, on Ray."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import wfc

TASKS = """
import os
import time
from pathlib import Path

import wfc


class Broken(ConnectionError):
    pass


def flaky(folder, good, kind):
    with open(Path(folder) / "attempts", "a") as file:
        file.write(f"{wfc.attempt()}\\n")
    if wfc.attempt() < good:
        raise {"broken": Broken, "value": ValueError}[kind]("not yet")
    return wfc.attempt()


def hang(folder):
    (Path(folder) / "pid").write_text(str(os.getpid()))
    time.sleep(600)


def crowd(folder, number):
    mark = Path(folder) / f"here-{number}"
    mark.write_text("")
    time.sleep(0.05)
    found = len(list(Path(folder).glob("here-*")))
    mark.unlink()
    return found


def note(folder, text):
    with open(Path(folder) / "notes", "a") as file:
        file.write(f"{text}\\n")
    time.sleep(0.02)


def place():
    import ray
    context = ray.get_runtime_context()
    return {
        "has": {k: v for k, v in context.get_assigned_resources().items()},
        "env": os.environ.get("WFC_TEST_OPTION"),
        "node": context.get_node_id(),
        "name": context.get_task_name(),
    }
"""

SPEC = """from jobs import crowd, flaky, hang, note, Broken

workflow retried(folder: str, kind: str) -> int:
    return flaky(folder, 3, kind) with (max_retries=4, retry_exceptions=[ConnectionError], backoff=1ms)

workflow by_name(folder: str) -> int:
    return flaky(folder, 2, "broken") with (max_retries=1, retry_exceptions=[jobs.Broken])

workflow any_exception(folder: str) -> int:
    return flaky(folder, 2, "value") with (max_retries=1, retry_exceptions=True)

workflow too_often(folder: str) -> int:
    return flaky(folder, 9, "broken") with (max_retries=2, retry_exceptions=[Broken])

workflow limited(folder: str) -> str:
    r = catch hang(folder) with (timeout=500ms, max_retries=0)
    return r.error.type

workflow whole(folder: str) -> str with (timeout=1s):
    hang(folder)
    return "never"

workflow ordered(folder: str) -> int:
    low = [note(folder, "low") for n in range(8)]
    high = [note(folder, "high") for n in range(8)] with (priority=10)
    return len(low) + len(high)

workflow few(folder: str) -> list[int]:
    return [crowd(folder, n) for n in range(6)] with (concurrency=1)
"""


@pytest.fixture
def go(tmp_path: Path, store: str, engine: dict[str, Any]) -> Callable[..., Any]:
    (tmp_path / "jobs.py").write_text(TASKS)
    (tmp_path / "main.wf").write_text(SPEC)

    def run(workflow: str, **params: Any) -> Any:
        plan = wfc.compile(tmp_path / "main.wf", workflow)
        return wfc.run(plan, params={"folder": str(tmp_path), **params}, store=store, **engine)

    return run


def attempts(folder: Path) -> list[int]:
    return list(map(int, (folder / "attempts").read_text().split()))


def gone(pid: int) -> bool:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
            if "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text():
                return True
        except (ProcessLookupError, FileNotFoundError):
            return True
        time.sleep(0.02)
    return False


def test_subclasses_of_a_listed_exception_are_retried(go: Any, tmp_path: Path) -> None:
    assert go("retried", kind="broken") == 3
    assert attempts(tmp_path) == [1, 2, 3]


def test_other_exceptions_are_not_retried(go: Any, tmp_path: Path) -> None:
    with pytest.raises(wfc.RunFailed, match="not yet"):
        go("retried", kind="value")
    assert attempts(tmp_path) == [1]


@pytest.mark.parametrize("workflow", ["by_name", "any_exception"])
def test_exceptions_by_dotted_name_and_any(go: Any, tmp_path: Path, workflow: str) -> None:
    assert go(workflow) == 2
    assert attempts(tmp_path) == [1, 2]


def test_retries_end(go: Any, tmp_path: Path) -> None:
    with pytest.raises(wfc.RunFailed, match="not yet") as failed:
        go("too_often")
    assert attempts(tmp_path) == [1, 2, 3]
    assert failed.value.error.attempts == 3


def test_a_task_that_takes_too_long_is_stopped(go: Any, tmp_path: Path) -> None:
    assert go("limited") == "wfc.TaskTimeout"
    assert gone(int((tmp_path / "pid").read_text()))


def test_a_workflow_that_takes_too_long_is_stopped(go: Any, tmp_path: Path) -> None:
    with pytest.raises(wfc.RunFailed, match="1"):
        go("whole")
    if (tmp_path / "pid").exists():
        assert gone(int((tmp_path / "pid").read_text()))


def test_concurrency_is_a_limit(go: Any) -> None:
    assert go("few") == [1] * 6


RAYS = """from jobs import place

workflow sized() -> dict:
    return place() with (num_cpus=0.5, memory=64MiB, resources={{"node:127.0.0.1": 0.25}})

workflow environment() -> dict:
    return place() with (runtime_env={{"env_vars": {{"WFC_TEST_OPTION": "on"}}}}, num_cpus=0)

workflow here() -> dict:
    return place() with (label_selector={{"ray.io/node-id": "{node}"}}, scheduling_strategy="SPREAD")

workflow nowhere() -> str:
    slow = place() with (label_selector={{"zone": "elsewhere"}})
    r = catch wait(all of [slow], timeout=2s)
    cancel(r.value.pending)
    return "started" if len(r.value.ready) > 0 else "not started"
"""


@pytest.mark.ray
def test_options_of_ray_reach_ray(ray_session: str, tmp_path: Path, store: str) -> None:
    import ray

    node = ray.nodes()[0]["NodeID"]
    (tmp_path / "jobs.py").write_text(TASKS)
    (tmp_path / "main.wf").write_text(RAYS.format(node=node))

    def run(workflow: str) -> Any:
        plan = wfc.compile(tmp_path / "main.wf", workflow)
        return wfc.run(plan, store=store, address=ray_session)

    found = run("sized")["has"]
    assert (found["CPU"], found["memory"], found["node:127.0.0.1"]) == (0.5, 64 * 2**20, 0.25)
    assert run("environment")["env"] == "on"
    assert run("here")["node"] == node
    assert run("nowhere") == "not started"


def test_what_has_priority_goes_first(go: Any, tmp_path: Path) -> None:
    assert go("ordered") == 16
    notes = (tmp_path / "notes").read_text().split()
    places = {text: [i for i, n in enumerate(notes) if n == text] for text in ("low", "high")}
    assert sum(places["high"]) < sum(places["low"]) - 32, notes
