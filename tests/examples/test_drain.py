from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from wfc import testing


@pytest.mark.parametrize("workflow", ["main", "python"])
def test_each_nap_is_shown_once(start: Any, workflow: str) -> None:
    handle = start(f"drain/drain.wf:{workflow}", count=100)
    assert handle.result(120) == "All done"


@pytest.mark.parametrize("workflow", ["main", "python"])
def test_nothing_to_drain(run: Any, workflow: str) -> None:
    assert run(f"drain/drain.wf:{workflow}", count=0) == "All done"


@pytest.mark.parametrize("workflow", ["main", "python"])
def test_the_quickest_is_shown_first(
    root: Path, workflow: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def nap(number: int) -> int:
        testing.takes(10.0 - number)
        return number

    ran = testing.run(
        f"{root}/examples/drain/drain.wf:{workflow}", {"count": 4}, stubs={"nap": nap}
    )
    assert ran.seconds == 10.0
    assert capsys.readouterr().out.split()[1::4] == ["3", "2", "1", "0"]
