"""What a worker process does around its runner."""

from __future__ import annotations

from tests.executors.fake_runner import FakeRunner
from tests.executors.fakes import PROGRAM
from wfc.runtime.executors.harness import Harness
from wfc.runtime.work import Log


class Printing(FakeRunner):
    """Gives away what was printed to whoever asks first."""

    asked = 0

    def echo(self) -> Log | None:
        self.asked += 1
        return Log(1, 0, "", "printed")


def test_what_is_printed_is_left_where_it_is_while_nothing_runs() -> None:
    runner = Printing(PROGRAM, None)
    assert Harness(runner).echo() is None
    assert not runner.asked
