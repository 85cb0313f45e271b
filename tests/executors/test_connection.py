"""The one connection to Ray that the runs of a process share."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from wfc.runtime.executors import connection
from wfc.runtime.work import ExecutorLost

PROJECT = {
    "steps.py": """
import os, time

def step(gate: str) -> int:
    open(f"{gate}.begun", "w").close()
    while not os.path.exists(gate):
        time.sleep(0.02)
    return 1

def number(i: int) -> int:
    return i

def inner(i: int, spec: str) -> int:
    import ray, wfc
    ray.init(ignore_reinit_error=True)
    open(f"{spec}.{i}", "w").close()
    while not all(os.path.exists(f"{spec}.{n}") for n in range(2)):
        time.sleep(0.02)
    found = wfc.run(f"{spec}:small", n=i, store=f"{spec}.store")
    ray.shutdown()
    return found
""",
    "steps.wf": """
from steps import inner, number, step

workflow main(gate: str) -> int:
    return step(gate) with (num_cpus=0)

workflow small(n: int) -> int:
    return number(n)

workflow outer(spec: str) -> list[int]:
    return [inner(i, spec) for i in range(2)]
""",
}

BEGIN = """
import asyncio, json, multiprocessing, os, sys, threading, time
import psutil
import wfc

told = {}

def held(gate):
    return wfc.start("steps.wf:main", gate=os.path.abspath(gate), run_id=gate)

def until(what):
    end = time.monotonic() + 60
    while not what():
        assert time.monotonic() < end
        time.sleep(0.02)

def begun(*gates):
    until(lambda: all(os.path.exists(f"{gate}.begun") for gate in gates))

def open_(*gates):
    for gate in gates:
        open(gate, "w").close()

def tried(what):
    try:
        return what()
    except Exception as error:
        return f"{type(error).__name__}: {error}"

def up():
    import ray
    return ray.is_initialized()

def rays():
    children = psutil.Process().children(recursive=True)
    return sorted(p.name() for p in children if p.name() in ("raylet", "gcs_server"))
"""


def script(folder: Path, text: str, address: str, timeout: float = 240) -> tuple[int, Any, str]:
    """The exit code of a script beside the project, what it told, and its stderr."""
    for name, content in PROJECT.items():
        (folder / name).write_text(content)
    (folder / "script.py").write_text(BEGIN + text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_ADDRESS", address)
        done = subprocess.run(
            [sys.executable, "script.py"],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
    lines = [line for line in done.stdout.splitlines() if line.startswith("TOLD ")]
    return done.returncode, json.loads(lines[-1][5:]) if lines else {}, done.stderr


JOINED = """
def child(handle):
    print("TOLD", json.dumps({
        "ray": tried(lambda: wfc.run("steps.wf:small", n=1)),
        "local": tried(lambda: wfc.run("steps.wf:small", n=1, local=True)),
        "wait": handle.wait(0), "status": handle.status,
    }), file=open("child", "w"), flush=True)

if __name__ == "__main__":
    # The first to end leaves the others their connection.
    one, two = held("one"), held("two")
    begun("one", "two")
    open_("one")
    told["one"], told["then"] = one.result(), [two.status, up()]
    open_("two")
    told["two"], told["after"] = two.result(), up()

    # Many at once: threads, and coroutines.
    many = []
    def run(n):
        many.append(tried(lambda: wfc.run("steps.wf:small", n=n)))
    threads = [threading.Thread(target=run, args=(n,)) for n in range(25)]
    for thread in threads:
        thread.start()
    async def main():
        runs = [wfc.start("steps.wf:small", n=n) for n in range(25, 50)]
        return await asyncio.gather(*runs, return_exceptions=True)
    awaited = asyncio.run(main())
    for thread in threads:
        thread.join()
    told["many"] = sorted(map(str, many)), list(map(str, awaited)), up()

    # Tasks that hold all CPUs, and run workflows.
    told["tasks"] = wfc.run("steps.wf:outer", spec=os.path.abspath("steps.wf")), up()

    # Another address, and a process that is forked.
    three = held("three")
    begun("three")
    told["other"] = tried(lambda: wfc.start("steps.wf:small", n=1, address="local"))
    forked = multiprocessing.get_context("fork").Process(target=child, args=(three,))
    forked.start()
    forked.join()
    told["forked"] = json.loads(open("child").read()[5:])

    # The user connects in between: then it is theirs.
    import ray
    told["init"] = tried(lambda: ray.init(num_cpus=1))
    ray.init()
    open_("three")
    told["three"] = three.result(), up(), wfc.run("steps.wf:small", n=3), up()
    told["reached"] = ray.get(ray.remote(num_cpus=0)(lambda: 5).remote())

    # The user ends it under a run.
    four = held("four")
    begun("four")
    ray.shutdown()
    told["four"] = tried(four.result), four.status, up()
    open_("four")
    told["resumed"] = wfc.resume("four").result(), up()

    # The user had connected before, and does after.
    ray.init(os.environ["RAY_ADDRESS"])
    told["before"] = wfc.run("steps.wf:small", n=4), up()
    ray.shutdown()
    told["end"] = wfc.run("steps.wf:small", n=5), up()
    ray.init(os.environ["RAY_ADDRESS"])
    ray.shutdown()
    print("TOLD", json.dumps(told))
"""


@pytest.fixture(scope="module")
def joined(ray_session: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a process tells that does one after the other of all that can be done with a connection."""
    code, told, err = script(tmp_path_factory.mktemp("joined"), JOINED, ray_session)
    assert code == 0, err
    assert isinstance(told, dict)
    assert told, err
    return told


@pytest.mark.ray
class TestJoined:
    """The parts of that one process."""

    def test_a_run_that_ends_leaves_the_others_their_connection(self, joined: Any) -> None:
        assert joined["one"] == joined["two"] == 1
        assert joined["then"] == ["running", True]
        assert joined["after"] is False, "the last one ends it"

    def test_fifty_runs_at_once(self, joined: Any) -> None:
        in_threads, awaited, after = joined["many"]
        assert in_threads == sorted(str(n) for n in range(25))
        assert awaited == [str(n) for n in range(25, 50)]
        assert after is False

    def test_tasks_run_workflows_though_they_hold_all_cpus(self, joined: Any) -> None:
        """And a function that means to end its own connection does not end the worker's."""
        assert joined["tasks"] == [[0, 1], False]

    def test_another_address_is_refused_at_once(self, joined: Any) -> None:
        assert joined["other"].startswith(
            "ConnectionError: this process is connected to the Ray at"
        )
        assert "wait until the runs that use it have ended" in joined["other"]

    def test_a_forked_process_is_told_that_it_has_none(self, joined: Any) -> None:
        told = joined["forked"]
        assert told["ray"].startswith("ConnectionError: this process was forked")
        assert told["local"] == 1
        assert (told["wait"], told["status"]) == (True, "running"), "the run is the parent's"

    def test_what_the_user_asks_of_ray_is_not_ignored(self, joined: Any) -> None:
        assert joined["init"].startswith("RuntimeError: this process is connected to Ray already")
        assert "num_cpus cannot be set: call ray.init before" in joined["init"]

    def test_a_user_that_connects_in_between_keeps_the_connection(self, joined: Any) -> None:
        assert joined["three"] == [1, True, 3, True]
        assert joined["reached"] == 5

    def test_a_user_that_ends_it_interrupts_runs(self, joined: Any) -> None:
        error, status, after = joined["four"]
        assert error.startswith("ExecutorLost: ray.shutdown() was called in this process")
        assert (status, after) == ("interrupted", False)
        assert joined["resumed"] == [1, False]

    def test_a_user_that_connects_before_and_after(self, joined: Any) -> None:
        assert joined["before"] == [4, True]
        assert joined["end"] == [5, False]


PRIVATE = """
one, two = held("one"), held("two")
begun("one", "two")
told["shared"] = rays()
open_("one")
told["one"], told["then"] = one.result(), [two.status, rays()]
(raylet,) = (p for p in psutil.Process().children() if p.name() == "raylet")
three = held("three")
begun("three")
raylet.kill()
told["lost"] = tried(two.result), tried(three.result), two.status
open_("two")
told["two"], told["end"] = wfc.resume("two").result(), [up(), rays()]
print("TOLD", json.dumps(told), flush=True)
four = held("four")
begun("four")
"""


@pytest.mark.ray
@pytest.mark.slow
def test_a_private_ray_is_shared_and_ends_with_the_last_run(tmp_path: Path) -> None:
    """The last line of the script is reached while a run goes on there: that is no success."""
    code, told, err = script(tmp_path, PRIVATE, "local")
    assert told, err
    assert told["shared"] == ["gcs_server", "raylet"]
    assert (told["one"], told["then"]) == (1, ["running", told["shared"]])
    two, three, status = told["lost"]
    assert "is gone" in two
    assert "is gone" in three
    assert status == "interrupted"
    assert (told["two"], told["end"]) == (1, [False, []])
    assert code == 3, err
    assert "run four was interrupted: its process has ended; wfc.resume('four')" in err


# ------------------------------------------------------------------ without Ray


class StandIn:
    """Stands for the ray package: connects when it is let."""

    def __init__(self) -> None:
        self.initialized = False
        self.attempts = 0
        self.let = threading.Event()

    def is_initialized(self) -> bool:
        return self.initialized

    def init(self, **_: object) -> None:
        self.initialized = True

    def shutdown(self) -> None:
        self.initialized = False

    def nodes(self) -> list[Any]:
        return []

    def connect(self, address: str | None) -> str:
        """What fails once, leaves something half done."""
        self.attempts += 1
        self.let.wait(20)
        self.initialized = True
        if self.attempts == 1:
            raise ConnectionError("nobody there")
        return "joined"


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> StandIn:
    monkeypatch.setattr(connection, "_process", connection._Process())
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    return StandIn()


def test_those_that_wait_for_a_connection_share_its_failure(stand_in: StandIn) -> None:
    found: list[object] = []

    def join() -> None:
        try:
            found.append(connection.join(stand_in, stand_in.connect, None))
        except ConnectionError as error:
            found.append(str(error))

    threads = [threading.Thread(target=join) for _ in range(5)]
    for thread in threads:
        thread.start()
    with connection._process.turn:
        connection._process.turn.wait_for(lambda: _users() == 5, 20)
    stand_in.let.set()
    for thread in threads:
        thread.join(20)
    assert found == ["nobody there"] * 5
    assert stand_in.attempts == 1
    assert not stand_in.initialized, "what was half done is not taken for a connection"
    again = connection.join(stand_in, stand_in.connect, None)
    again.leave()
    assert (stand_in.attempts, stand_in.initialized) == (2, False)


def _users() -> int:
    current = connection._process.current
    return current.users if current is not None else 0


def test_no_call_is_made_once_it_has_ended(stand_in: StandIn) -> None:
    stand_in.let.set()
    stand_in.attempts = 1
    joined = connection.join(stand_in, stand_in.connect, None)
    with joined:
        pass
    joined.leave()
    with pytest.raises(ExecutorLost), joined:
        raise AssertionError("a call was made")


def test_ray_init_waits_while_a_connection_is_made(stand_in: StandIn) -> None:
    """Ray itself fails one of two that connect at the same time."""
    stand_in.attempts = 1
    threads = [
        threading.Thread(target=connection.join, args=(stand_in, stand_in.connect, None)),
        threading.Thread(target=lambda: stand_in.init()),
    ]
    threads[0].start()
    with connection._process.turn:
        connection._process.turn.wait_for(lambda: _users() == 1, 20)
    threads[1].start()
    assert not stand_in.initialized
    stand_in.let.set()
    for thread in threads:
        thread.join(20)
    current = connection._process.current
    assert current is not None
    assert current.adopted
    current.leave()
    assert stand_in.initialized, "it is the user's"
