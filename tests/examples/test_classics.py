"""The workflows that other systems show, with their results."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

import wfc
from tests.examples.conftest import Runner
from wfc import testing


def notes(folder: Path) -> list[str]:
    return (folder / "notes.txt").read_text().splitlines()


@pytest.mark.parametrize(("seed", "flips"), [(1, 1), (14, 2), (3, 7)])
def test_coin_flip(run: Runner, seed: int, flips: int) -> None:
    assert run("classics/coin_flip.wf", seed=seed) == flips


def test_exit_handler(start: Runner, run: Runner, tmp_path: Path) -> None:
    assert run("classics/exit_handler.wf", folder=str(tmp_path), well=True) == "done"
    with pytest.raises(wfc.RunFailed, match="it did not go well"):
        start("classics/exit_handler.wf", folder=str(tmp_path), well=False).result(60)
    assert notes(tmp_path) == ["worked", "cleaned up"] * 2


def test_diamond(run: Runner) -> None:
    assert run("classics/diamond.wf", n=5) == 80


def test_loop_over_parameters(run: Runner) -> None:
    assert run("classics/loop.wf", names=["Ada", "Alan"]) == {
        "en": [["hello Ada", "bye Ada"], ["hello Alan", "bye Alan"]],
        "fr": [["salut Ada"], ["salut Alan"]],
    }


def test_retry_with_back_off(run: Runner, tmp_path: Path) -> None:
    found = run("classics/retry.wf", folder=str(tmp_path))
    assert found == ["attempt 3", "ValueError", "attempts 1"]
    first, second = (b - a for a, b in pairwise(map(float, notes(tmp_path))))
    # The base of 20 ms, then twice that; jitter takes away a half at most.
    assert first >= 0.010
    assert second >= 0.020


def test_saga(run: Runner, tmp_path: Path) -> None:
    folder = str(tmp_path)
    assert run("classics/saga.wf", folder=folder, wanted=["bus", "inn"]) == ["bus", "inn"]
    assert notes(tmp_path) == ["booked bus", "booked inn"]
    (tmp_path / "notes.txt").unlink()
    assert run("classics/saga.wf", folder=folder, wanted=["bus", "inn", "moon", "sun"]) == []
    assert notes(tmp_path) == ["booked bus", "booked inn", "released inn", "released bus"]


def test_scatter_gather(run: Runner, tmp_path: Path) -> None:
    for number in range(12):
        (tmp_path / f"{number}.txt").write_text("to be or not " * number)
    assert run("classics/scatter_gather.wf", folder=str(tmp_path)) == dict.fromkeys(
        ["be", "not", "or", "to"], 66
    )


@pytest.mark.parametrize(
    ("answers", "result", "asked"),
    [
        ({"lead": "yes"}, "buy it: yes", ["lead"]),
        ({"boss": "no"}, "buy it: no", ["lead", "boss"]),
        ({}, "buy it: nobody answered", ["lead", "boss"]),
    ],
    ids=["in time", "escalated", "nobody"],
)
def test_approval(
    start: Runner, tmp_path: Path, answers: dict[str, str], result: str, asked: list[str]
) -> None:
    patience = 30.0 if "lead" in answers else 0.3
    handle = start("classics/approval.wf", folder=str(tmp_path), what="buy it", patience=patience)
    for who, answer in answers.items():
        handle.send(f"approval.{who}", answer)
    assert handle.result(60) == result
    assert notes(tmp_path) == [f"{who}: buy it?" for who in asked]


def test_four_of_five(run: Runner) -> None:
    assert run("classics/four_of_five.wf", unit=0.3) == [1, 2, 3, 4]


def test_four_of_five_with_the_true_figures(root: Path) -> None:
    ran = testing.run(root / "examples/classics/four_of_five.wf")
    assert (ran.result(), ran.seconds) == ([1, 2, 3, 4], 4.0)
