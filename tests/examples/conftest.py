"""The examples run as anybody would run them: by `wfc.compile` and `wfc.run`, on Ray and without."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest

import wfc

Runner: TypeAlias = Callable[..., Any]


@pytest.fixture(params=["local", pytest.param("ray", marks=pytest.mark.ray)])
def engine(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The options that choose where a run runs."""
    if request.param == "local":
        return {"local": True}
    return {"address": request.getfixturevalue("ray_session")}


@pytest.fixture
def spec(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The spec of a test module, its `SPEC` with its `TASKS`, in a folder of its own."""
    (tmp_path / "jobs.py").write_text(request.module.TASKS)
    (tmp_path / "main.wf").write_text(request.module.SPEC)
    return tmp_path / "main.wf"


@pytest.fixture
def start(root: Path, store: str, engine: dict[str, Any]) -> Runner:
    """Start a workflow, `"orders/orders.wf"` or `"orders/orders.wf:name"`; gives the handle."""

    def run(target: str, /, run_id: str | None = None, **params: Any) -> wfc.Run:
        spec, _, workflow = target.partition(":")
        plan = wfc.compile(root / "examples" / spec, workflow or None)
        return wfc.start(plan, params=params, run_id=run_id, store=store, **engine)

    return run


@pytest.fixture
def run(start: Runner) -> Runner:
    """As `start`, and gives the result."""

    def result(target: str, /, **params: Any) -> Any:
        return start(target, **params).result(120)

    return result
