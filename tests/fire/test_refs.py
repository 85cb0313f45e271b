"""What lives only in a Ray cluster is in no checkpoint: a reference is the object that it stands for,
for an actor's handle and its like there is an error, and nothing waits for ever."""

from __future__ import annotations

import re
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import wfc
from tests.fire.project import Project, wait_for
from wfc.runtime.values import Result

pytestmark = pytest.mark.ray

SPEC = Path(__file__).resolve().parent / "refs.wf"


@pytest.fixture(scope="module")
def results(ray_session: str, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
    """One run of all kinds, as a reader sees it who has no Ray."""
    folder = tmp_path_factory.mktemp("refs")
    run = wfc.start(
        wfc.compile(SPEC, "main"), store=folder / "store", address=ray_session, folder=str(folder)
    )
    run.result(120)
    results: Mapping[str, Any] = wfc.get(run.id, store=folder / "store").result()
    return results


VALUES = {
    "added": 42,
    "of_task": 49,
    "nested": [[8]],
    "in_dict": {"a": 1, "b": [[2], (3, 4)]},
    "texts": [[1, 2], True, "text"],  # one reference in two places is one object
    "sizes": [4999950000, 1],
    "more": [1, 2, 3, 4],
    "twice": [1, 2, 3],
    "tried": "at last",
    "pokes": [1, 2, 3, 4, 5, 6],
    "single": [1, "ObjectRef", [2]],
    "graph": [[[1, "ObjectRef", [2]], "ObjectRef", [3, 4]], 5, {"deep": 6}],
    "mixed": [
        ["int", "ObjectRef"],
        [["ObjectRef", "ObjectRef"], 4, [["ObjectRef"], ["ObjectRef"]], [3, [4]]],
    ],
    "closed": ["ObjectRef", 7],
    "local": ["ObjectRef", 5],  # it never left its process
}


@pytest.mark.parametrize("name", VALUES)
def test_a_reference_is_its_object(results: Mapping[str, Any], name: str) -> None:
    assert results[name] == VALUES[name]


ERRORS = {
    "failure": ("ray.exceptions.RayTaskError(ValueError)", "ValueError: it went wrong"),
    "top_failure": ("ray.exceptions.RayTaskError(ValueError)", "ValueError: it went wrong"),
    "bad_graph": ("ray.exceptions.RayTaskError(ValueError)", "ValueError: it went wrong"),
    "dead": ("ray.exceptions.OwnerDiedError", "Failed to retrieve object"),
    "bytes": ("LookupError", "has no owner here: a reference can be handed on by Ray alone"),
    "forever": ("wfc.TaskTimeout", ""),
    "raised": ("KeyError", "ObjectRef("),
    "actor": (
        "wfc.UnpicklableResult",
        "the result of counter cannot be kept: it is an actor handle (Actor(Counter, ",
    ),
    "deep_actor": (
        "wfc.UnpicklableResult",
        "deep_counter cannot be kept: `result['x'][0].more` is an actor handle (Actor(Counter, ",
    ),
    "queue": ("wfc.UnpicklableResult", "`result.actor` is an actor handle (Actor(_QueueActor, "),
    "group": (
        "wfc.UnpicklableResult",
        "it is a placement group, which lives only in its Ray cluster",
    ),
    "generator": (
        "wfc.UnpicklableResult",
        "an object of type DynamicObjectRefGenerator, which holds references to other objects,",
    ),
    "counting_graph": ("wfc.UnpicklableArgument", "it is an actor handle (Actor(Counter, "),
    "counting_closure": ("wfc.UnpicklableArgument", "(the variable 'counter') is an actor handle"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_what_cannot_be_had_or_kept_is_an_error_of_the_task(
    results: Mapping[str, Any], name: str
) -> None:
    result: Result = results[name]
    assert not result.ok
    assert result.error is not None
    kind, message = ERRORS[name]
    assert result.error.type == kind
    assert message in result.error.message
    if kind == "wfc.UnpicklableResult":
        assert "call it `nocheckpoint`: then it is made again" in result.error.message


def test_the_same_in_processes_of_this_machine(ray_session: str, store: str) -> None:
    params = {"address": ray_session}
    result = wfc.run(wfc.compile(SPEC, "local"), store=store, local=True, params=params)
    *values, ended, sent = result
    assert values == [42, VALUES["in_dict"], VALUES["graph"], 1, 2]
    assert "is of a Ray that this process is not connected to any more" in ended.error.message
    assert sent.error.type == "wfc.UnpicklableResult"
    assert "With `--local`: `nocheckpoint inplace`" in sent.error.message


def test_parameters_and_signals_are_stored_by_value(ray_session: str, store: str) -> None:
    import ray

    value, deep = ray.put(1), {"a": [ray.put(2)]}
    run = wfc.start(
        wfc.compile(SPEC, "given"),
        store=store,
        address=ray_session,
        run_id="r",
        params={"value": value, "deep": deep},
    )
    run.send("answer", [ray.put(3)])
    assert run.result(60) == [2, {"a": [2]}, [3]]


def test_parameters_that_cannot_be_stored_are_refused(ray_session: str, store: str) -> None:
    import ray

    class Actor:
        pass

    def fails() -> None:
        raise ValueError("it went wrong")

    actor = ray.remote(num_cpus=0)(Actor).remote()
    failed = ray.remote(num_cpus=0)(fails).remote()
    with pytest.raises(wfc.ParameterError) as raised:
        wfc.start(
            wfc.compile(SPEC, "given"),
            store=store,
            address=ray_session,
            params={"value": failed, "deep": {"a": actor}},
        )
    said = " ".join(str(raised.value).split())
    assert "value: the object of a reference cannot be had: " in said
    assert "it went wrong" in said
    assert "deep['a'] is an actor handle (Actor(" in said
    assert not Path(store).exists()


def test_an_actor_whose_maker_dies_is_made_again(
    ray_session: str, store: str, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    result = wfc.run(wfc.compile(SPEC, "lost"), store=store, address=ray_session, log=str(log))
    assert result == [[1, "beside it"], [1, "beside it"]]
    assert log.read_text().count("made") == 2


def test_a_run_that_is_killed_goes_on_in_another_session(
    ray_session: str, store: str, tmp_path: Path
) -> None:
    """With the process that was connected, all that it had in Ray is gone."""
    gate = tmp_path / "gate"
    project = Project(tmp_path, store, ["--address", ray_session])
    process = project.start(
        "run",
        f"{SPEC}:life",
        f"-plog={project.log}",
        f"-pgate={gate}",
        "--run-id",
        "r",
        *project.where,
    )
    wait_for(lambda: ["reached"] in project.lines(), process)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    gate.touch()
    process = project.resume()
    _, err = process.communicate(timeout=90)
    assert process.returncode == 0, err
    value = wfc.get("r", store=store).result()
    assert value == [VALUES["in_dict"], [1, "beside it"], [1, "beside it"]]
    assert [line[0] for line in project.lines()].count("made") == 2
    stored = b"".join(p.read_bytes() for p in Path(store).rglob("*") if p.is_file())
    assert not re.search(rb"ObjectRef|ActorHandle", stored)


def test_a_runner_in_this_process_changes_nothing_for_readers() -> None:
    """As `wfc.testing` has one: only a process that is a worker and nothing else makes references anew."""
    from tests.worker.harness import runner
    from wfc.runtime.references import refer

    runner(wfc.compile(SPEC, "apart"), {})
    assert refer(5) == 5
