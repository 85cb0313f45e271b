"""Store a run that waits for a signal, as this version of the program stores it: `python -m
tests.formats.make FOLDER`. Done once for each version of the format; the folder is kept as it is."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import wfc
from tests.fire.project import wait_for

SPEC = Path(__file__).with_name("flow.wf")
ARGUMENTS = {"n": 5, "text": "x"}
RESULT = {
    "doubled": [0, 2, 4, 6, 8],
    "large": 100_000,
    "failed": "ZeroDivisionError",
    "early": [1, 2],
    "late": [3, 4],
    "counted": 5,
    "forgotten": 6,
    "answer": 7,
}


def main(folder: str) -> None:
    """Make a store with a run that has ended, and one that is under way."""
    os.chdir("/")  # the folder of the maker is not to be part of it
    plan = wfc.compile(SPEC).model_copy(update={"root": None})
    for name in ("ended", "waiting"):
        run = wfc.start(plan, params=ARGUMENTS, run_id=name, store=folder, local=True)
        wait_for(lambda run=run: "main/joined" in [task.id for task in run.tasks()])  # type: ignore[misc]
        wait_for(lambda run=run: "main/counted" in str([task.id for task in run.tasks()]))  # type: ignore[misc]
        if name == "ended":
            run.send("go", 7)
            assert run.result(60) == RESULT, run.result()
        else:
            run.interrupt()


if __name__ == "__main__":
    main(os.path.abspath(sys.argv[1]))
