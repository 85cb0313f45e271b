"""Attempts count for each task by itself, however the calls around it are put together."""

from __future__ import annotations

from pathlib import Path

import pytest

import wfc

TASKS = """
import os
import signal
import time
from pathlib import Path

import wfc

def dies_once(x: int, folder: str) -> int:
    time.sleep(0.1)  # long enough that what was before it is told
    mark = Path(folder, f"died at {x}")
    if not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return x

def first_fails(x: int) -> int:
    if wfc.attempt() == 1:
        raise ValueError("the first time")
    return x

def fails(x: int, log: str) -> int:
    with open(log, "a") as file:
        file.write(f"{wfc.attempt()}\\n")
    raise ValueError("each time")

def neg(x: int) -> int:
    return -x
"""

SPEC = """
from jobs import dies_once, fails, first_fails, neg

task once = first_fails with (max_retries=1, backoff=1ms, retry_exceptions=["ValueError"])

workflow chain(n: int) -> int:
    a = once(n)
    b = once(a)
    return once(b)

workflow behind_what_is_not_kept(n: int) -> int:
    a = nocheckpoint neg(n)
    b = once(a)
    return neg(once(b))

workflow not_kept(n: int) -> int:
    a = nocheckpoint once(n)
    return once(a)

workflow in_a_branch(n: int) -> int:
    a = nocheckpoint neg(n)
    if a < 0:
        b = once(once(a))
    else:
        b = 0
    return neg(b)

workflow elements(n: int) -> int:
    return max([once(nocheckpoint once(once(x))) for x in range(n + 1)])

workflow hops(n: int, m: int = 3) -> int:
    if m == 0:
        return n
    continuation hops(once(once(n)), m - 1)

workflow inside(n: int) -> int:
    return chain(n) + in_a_branch(n) + hops(n) - 2 * n

workflow dies_on(n: int, folder: str) -> int:
    if n == 0:
        return 0
    continuation dies_on(dies_once(n, folder) - 1, folder)

workflow ends(log: str) -> int:
    a = nocheckpoint neg(1)
    return fails(a, log) with (max_retries=2, backoff=1ms, retry_exceptions=True)
"""

ALL = ["chain", "behind_what_is_not_kept", "not_kept", "in_a_branch", "elements", "hops", "inside"]

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("optimize", [True, False], ids=["optimized", "plain"])
@pytest.mark.parametrize("workflow", ALL)
def test_each_task_has_its_own(spec: Path, store: str, workflow: str, optimize: bool) -> None:
    plan = wfc.compile(spec, workflow, optimize=optimize)
    assert wfc.run(plan, params={"n": 2}, store=store, local=True) == 2


def test_they_end_behind_what_is_not_kept(spec: Path, store: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with pytest.raises(wfc.RunFailed, match="each time") as failed:
        wfc.run(wfc.compile(spec, "ends"), params={"log": str(log)}, store=store, local=True)
    assert log.read_text().split() == ["1", "2", "3"]
    assert failed.value.error.attempts == 3


def test_losses_do_not_add_up_while_a_loop_gets_further(
    spec: Path, store: str, tmp_path: Path
) -> None:
    """Each of five rounds loses its process once; three losses of one task are the limit."""
    params = {"n": 5, "folder": str(tmp_path)}
    assert wfc.run(wfc.compile(spec, "dies_on"), params=params, store=store, local=True) == 0
    assert len(list(tmp_path.glob("died at *"))) == 5
