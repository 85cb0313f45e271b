"""Our side: a workflow of `work.wf`, run to its end in a fresh store with all its checkpoints."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.measure import fresh

FOLDER = Path(__file__).parent
SPEC = FOLDER / "work.wf"


def ours(workflow: str, **params: Any) -> Callable[[], Any]:
    """Runs a workflow of `work.wf`, compiled before."""
    import wfc

    return ours_of(wfc.compile(SPEC, workflow), **params)


def ours_of(plan: Any, **params: Any) -> Callable[[], Any]:
    """Runs a plan."""
    import wfc

    def run() -> Any:
        return wfc.run(plan, params=params, store=fresh())

    return run


def written(text: str, functions: str | None = None) -> Any:
    """The plan of a spec that is made up here; the functions of the benchmarks are beside it."""
    import wfc

    with tempfile.TemporaryDirectory(prefix="wfc-bench-") as folder:
        path = Path(folder, "spec.wf")
        path.write_text(text)
        Path(folder, "functions.py").write_text((FOLDER / "functions.py").read_text())
        plan = wfc.compile(path)
    return plan.model_copy(update={"root": str(FOLDER)})
