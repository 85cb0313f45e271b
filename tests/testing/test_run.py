"""What `wfc.testing` promises: stubs, virtual time, signals, crashes."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

import wfc
from wfc.runtime.engine import Engine, Record, records
from wfc.testing import Signal, Stuck, crash_everywhere, run, takes

FLOWS = Path(__file__).parent / "flows.wf"
DAY = 86400.0


def flow(name: str) -> str:
    return f"{FLOWS}:{name}"


def slow(seconds: float) -> float:
    takes(seconds)
    return seconds


# --------------------------------------------------------------------------- stubs and calls


def test_stubs_stand_in_for_tasks_and_calls_are_noted() -> None:
    ran = run(flow("chained"), {"items": ["a", "b"]}, stubs={"charge": lambda item, n: item * 2})
    assert ran.result() == ["AA", "BB"]
    assert ran.status == "succeeded"
    assert [(c.id, c.args, c.attempt, c.at) for c in ran.called("ask")] == [
        ("chained/asked[0]/ask", ("a",), 1, 0.0),
        ("chained/asked[1]/ask", ("b",), 1, 0.0),
    ]
    assert sorted(c.args for c in ran.called("charge")) == [("A", 1), ("B", 1)]
    assert {task.id for task in ran.tasks()} == {call.id for call in ran.calls}
    assert ran.output("chained/asked[1]/ask") == "B"
    assert ran.output("chained/charge[1]/charge") == "BB"


def test_a_mock_is_a_stub() -> None:
    charge = Mock(return_value="charged")
    ran = run(flow("chained"), {"items": ["a"]}, stubs={"charge": charge})
    assert ran.result() == ["charged"]
    charge.assert_called_once_with("A", 1)


def test_what_is_replaced_is_not_imported(tmp_path: Path) -> None:
    (tmp_path / "gpu.py").write_text("raise ImportError('no GPU here')\n\ndef train(n): ...\n")
    (tmp_path / "f.wf").write_text(
        "from gpu import train\n\nworkflow main(n: int) -> int:\n    return train(n)\n"
    )
    assert run(tmp_path / "f.wf", {"n": 3}, stubs={"train": lambda n: n + 1}).result() == 4
    with pytest.raises(Exception, match="no GPU here"):
        run(tmp_path / "f.wf", {"n": 3})


def test_a_stub_stands_in_for_calls_that_tasks_make() -> None:
    assert run(flow("hops"), {"n": 4}).result() == 0
    assert len(run(flow("hops"), {"n": 4}).called("again")) == 5

    ran = run(flow("hops"), {"n": 4}, stubs={"again": lambda n: -n})
    assert (ran.result(), len(ran.calls)) == (-4, 1)


def test_a_stub_of_no_task_and_one_that_cannot_be_called_are_refused() -> None:
    with pytest.raises(LookupError, match="no task 'chrage' to replace: did you mean 'charge'"):
        run(flow("chained"), {"items": []}, stubs={"chrage": print})
    with pytest.raises(TypeError, match="'charge' cannot be called: make it lambda"):
        run(flow("chained"), {"items": []}, stubs={"charge": 3})  # type: ignore[dict-item]
    with pytest.raises(LookupError, match="no task 'pay'; it has"):
        run(flow("chained"), {"items": []}).called("pay")


def test_parameters_are_checked_as_in_a_run() -> None:
    with pytest.raises(wfc.ParameterError, match="items"):
        run(flow("chained"), {"items": 3})


def test_a_task_gets_a_copy_as_it_would_from_another_process() -> None:
    made = ["made"]

    def spoil(item: list[str], _: int) -> str:
        item.append("spoilt")
        return str(len(item))

    stubs = {"ask": lambda item: made, "charge": spoil}
    assert run(flow("chained"), {"items": ["a", "b"]}, stubs=stubs).result() == ["2", "2"]
    assert made == ["made"]


def test_a_failure_is_told_as_in_a_run() -> None:
    def broken(item: str) -> str:
        raise KeyError(item)

    ran = run(flow("chained"), {"items": ["a"]}, stubs={"ask": broken})
    assert ran.status == "failed"
    assert ran.error is not None
    assert (ran.error.type, ran.error.message) == ("KeyError", "'a'")
    head, first, *_ = ran.error.traceback.splitlines()
    assert head.startswith("Traceback")
    assert first.endswith("in broken")  # none of our own frames
    with pytest.raises(wfc.RunFailed, match="KeyError"):
        ran.result()


# --------------------------------------------------------------------------- time and signals


def test_sleep_takes_virtual_time_alone() -> None:
    ran = run(flow("naps"), {"days": 1})
    assert (ran.result(), ran.seconds) == ("AWAKE", 5 * DAY)


@pytest.mark.parametrize(
    ("signals", "result", "seconds"),
    [
        ([Signal("approval", 7, at=2 * DAY)], "tea for 7", 2 * DAY),
        ([Signal("approval", 7), Signal("approval", 8)], "tea for 7", 0),
        ([], "nobody answered", 3 * DAY),
        ([Signal("approval", 7, at=4 * DAY)], "nobody answered", 3 * DAY),
    ],
)
def test_signals_and_their_timeouts(signals: list[Signal], result: str, seconds: float) -> None:
    ran = run(flow("approval"), {"item": "tea"}, signals=signals)
    assert (ran.result(), ran.seconds) == (result, seconds)


def test_a_task_that_takes_longer_than_its_timeout_is_stopped_and_tried_again() -> None:
    assert run(flow("timed"), {"seconds": 9.0}, stubs={"patient": slow}).seconds == 9.0

    ran = run(flow("timed"), {"seconds": 11.0}, stubs={"patient": slow})
    assert ran.status == "failed"
    assert ran.error is not None
    assert "timeout of 10 s" in ran.error.message
    assert [(c.attempt, c.at) for c in ran.calls] == [(1, 0.0), (2, 10.0)]

    def slow_at_first(seconds: float) -> float:
        takes(60.0 if wfc.attempt() == 1 else 1.0)
        return seconds

    ran = run(flow("timed"), {"seconds": 11.0}, stubs={"patient": slow_at_first})
    assert (ran.result(), ran.seconds) == (11.0, 11.0)


def test_backoff_is_waited_for() -> None:
    def flaky(item: str) -> str:
        if wfc.attempt() < 3:
            raise ConnectionError(item)
        return "there"

    ran = run(flow("retried"), {"item": "a"}, stubs={"stubborn": flaky})
    assert (ran.result(), len(ran.calls)) == ("there", 3)
    first, second, third = (call.at for call in ran.calls)
    assert 2 <= second - first <= 4 <= third - second <= 8


@pytest.mark.parametrize(
    ("seconds", "need", "result", "took"),
    [
        ([30.0, 10.0, 20.0], 2, [10.0, 20.0], 20.0),
        ([10.0, 900.0, 900.0], 2, [10.0], 60.0),
        ([10.0, 20.0, 30.0, 5.0], 4, [10.0, 20.0, 30.0, 5.0], 30.0),  # the fourth waits for a slot
        ([50.0, 50.0, 50.0, 20.0], 4, [50.0, 50.0, 50.0], 60.0),
    ],
)
def test_a_quorum_in_virtual_time(
    seconds: list[float], need: int, result: list[float], took: float
) -> None:
    ran = run(flow("quorum"), {"seconds": seconds, "need": need}, stubs={"slow": slow})
    assert (ran.result(), ran.seconds) == (result, took)


def test_cancelling_runs_the_finally() -> None:
    ran = run(flow("tidy"), {"seconds": 900.0}, stubs={"slow": slow}, cancel_at=5.0)
    assert (ran.status, ran.seconds) == ("cancelled", 5.0)
    assert ran.called("notify")[0].args == ("tidied",)
    with pytest.raises(wfc.RunCancelled):
        ran.result()


def test_a_run_that_would_go_on_for_ever_is_told(tmp_path: Path) -> None:
    with pytest.raises(Stuck, match="goes on after 7200 s; it waits for the sleep forever~2/"):
        run(flow("forever"), limit=7200.0)
    (tmp_path / "w.wf").write_text('workflow main() -> int:\n    return receive("go")\n')
    with pytest.raises(
        Stuck, match="nothing more will happen, and the run waits for the signal go"
    ):
        run(tmp_path / "w.wf", signals=[Signal("stop")])


def test_takes_has_no_meaning_elsewhere() -> None:
    with pytest.raises(RuntimeError, match="no virtual time here"):
        takes(1.0)
    ran = run(flow("timed"), {"seconds": -1.0}, stubs={"patient": slow})
    assert ran.error is not None
    assert "cannot take -1.0 seconds" in ran.error.message


# --------------------------------------------------------------------------- crashes


def test_what_is_kept_is_not_done_again_and_what_is_lost_is() -> None:
    items = {"items": ["a"]}
    whole = run(flow("chained"), items)
    assert [c.task for c in whole.calls] == ["ask", "charge"]
    kept, lost = set(), set()
    for number in range(1, whole.checkpoints + 1):
        after, before = (
            run(flow("chained"), items, crash_after=number),
            run(flow("chained"), items, crash_before=number),
        )
        assert after.result() == before.result() == ["A for 1"]
        kept.add(len(after.calls))
        lost.add(len(before.calls))
    assert kept == {2}
    assert lost == {2, 4}


def test_an_engine_that_forgets_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    recover = Engine.recover

    def forgetful(self: Engine, found: list[Record]) -> None:
        done = (records.Completed, records.Advanced)
        recover(self, [record for record in found if not isinstance(record, done)])

    monkeypatch.setattr(Engine, "recover", forgetful)
    with pytest.raises(AssertionError, match=r"with crash_after=2: .* ran again: it was done"):
        crash_everywhere(flow("chained"), {"items": ["a"]})


def test_deadlines_are_absolute() -> None:
    ran = run(flow("approval"), {"item": "tea"}, crash_after=2, down=4 * DAY)
    assert (ran.result(), ran.seconds) == ("nobody answered", 4 * DAY)
    ran = run(flow("approval"), {"item": "tea"}, crash_after=2, down=1 * DAY)
    assert ran.seconds == 3 * DAY


def test_everywhere_means_before_and_after_each_checkpoint() -> None:
    runs = crash_everywhere(
        flow("approval"), {"item": "tea"}, signals=[Signal("approval", 7, at=60.0)]
    )
    assert {ran.result() for ran in runs} == {"tea for 7"}
    assert len(runs) == 1 + 2 * runs[0].checkpoints
    assert (
        max(len(ran.called("charge")) for ran in runs) == 2
    )  # at least once: it can be seen twice


def test_a_task_that_is_not_repeatable_is_found() -> None:
    def once() -> dict[str, Any]:
        seen: list[str] = []

        def charge(item: str, amount: int) -> str:
            seen.append(item)
            return f"charged {len(seen)} times"

        return {"charge": charge}

    with pytest.raises(AssertionError, match=r"with crash_before=\d+: the result is .*2 times"):
        crash_everywhere(flow("chained"), {"items": ["a"]}, stubs=once)

    def by_id() -> dict[str, Any]:
        seen: set[str] = set()

        def charge(item: str, amount: int) -> str:
            seen.add(wfc.task_id())
            return f"charged {len(seen)} times"

        return {"charge": charge}

    assert crash_everywhere(flow("chained"), {"items": ["a"]}, stubs=by_id)


def test_failures_survive_crashes_too() -> None:
    def broken(item: str) -> str:
        raise KeyError(item)

    runs = crash_everywhere(flow("retried"), {"item": "a"}, stubs={"stubborn": broken})
    assert {ran.status for ran in runs} == {"failed"}


def test_a_place_that_there_is_not_is_refused() -> None:
    with pytest.raises(ValueError, match="no crash at checkpoint 99: there are"):
        run(flow("chained"), {"items": ["a"]}, crash_after=99)
    with pytest.raises(ValueError, match="counted from 1"):
        run(flow("chained"), {"items": ["a"]}, crash_before=0)


def test_a_failed_run_is_resumed_with_what_was_mended() -> None:
    def broken(item: str, amount: int) -> str:
        raise OSError("the till is shut")

    failed = run(flow("chained"), {"items": ["a", "b"]}, stubs={"charge": broken})
    assert failed.status == "failed"
    mended = failed.resume(stubs={"charge": lambda item, amount: f"{item}!"})
    assert mended.result() == ["A!", "B!"]
    assert not {"chained/asked[0]/ask"} & {call.id for call in mended.calls}
    assert len(mended.called("charge")) == 2


def test_a_wait_that_failed_the_run_waits_anew_when_it_is_resumed() -> None:
    def broken(seconds: float) -> float:
        raise OSError("no answer")

    given = {"seconds": [1.0, 2.0], "need": 2}
    failed = run(flow("quorum"), given, stubs={"slow": broken})
    assert failed.status == "failed"
    assert failed.resume(stubs={"slow": slow}).result() == [1.0, 2.0]


def test_a_wait_on_what_is_filtered_by_calls_is_decided_as_soon_as_it_can_be() -> None:
    ran = run(
        flow("chosen"), {"seconds": [1.0, 1000.0, 4.0, 3.0, 1.0], "need": 2}, stubs={"slow": slow}
    )
    assert ran.result() == [4.0, 3.0]
    assert ran.seconds == 8.0
    every = run(flow("chosen"), {"seconds": [1.0, 4.0, 3.0, 1.0], "need": 2}, stubs={"slow": slow})
    assert (every.result(), every.seconds) == ([4.0, 3.0], 8.0)
    with pytest.raises(wfc.RunFailed, match="3 of 2 cannot be reached any more"):
        run(flow("chosen"), {"seconds": [1.0, 4.0, 3.0], "need": 3}, stubs={"slow": slow}).result()
