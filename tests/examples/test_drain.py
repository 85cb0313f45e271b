from __future__ import annotations

from typing import Any

import pytest


@pytest.mark.parametrize("workflow", ["main", "python"])
def test_each_nap_is_shown_once(start: Any, workflow: str) -> None:
    handle = start(f"drain/drain.wf:{workflow}", count=100)
    assert handle.result(120) == "All done"


@pytest.mark.parametrize("workflow", ["main", "python"])
def test_nothing_to_drain(run: Any, workflow: str) -> None:
    assert run(f"drain/drain.wf:{workflow}", count=0) == "All done"
