"""Durations that are none: the call that has one fails, as any other mistake of a run."""

from __future__ import annotations

from pathlib import Path

import pytest

import wfc

SPEC = """
from jobs import nap, much, word

workflow sleeps() -> int:
    t = word()
    sleep(t)
    return 1

workflow sleeps_long() -> int:
    t = much()
    sleep(t)
    return 1

workflow waits() -> int:
    t = word()
    w = wait(1 of [nap(), nap()], timeout=t)
    return len(w.ready)

workflow receives() -> int:
    t = word()
    return receive("x", timeout=t)

workflow caught() -> str:
    t = word()
    r = catch receive("x", timeout=t)
    return r.error.message
"""

TASKS = """
import time

def nap():
    time.sleep(60)

def word():
    return "soon"

def much():
    return list(range(100_000))
"""

pytestmark = pytest.mark.slow

MESSAGES = {
    "sleeps": "sleep needs seconds, not 'soon'",
    "sleeps_long": "sleep needs seconds, not a value of more than 64 KiB",
    "waits": "the timeout of a wait needs seconds, not 'soon'",
    "receives": "the timeout of a receive needs seconds, not 'soon'",
}


@pytest.mark.parametrize("workflow", MESSAGES)
def test_it_fails_with_what_was_given(spec: Path, store: str, workflow: str) -> None:
    with pytest.raises(wfc.RunFailed) as failed:
        wfc.run(wfc.compile(spec, workflow), store=store, local=True)
    assert (failed.value.error.type, failed.value.error.message) == (
        "TypeError",
        MESSAGES[workflow],
    )


def test_it_can_be_caught(spec: Path, store: str) -> None:
    assert wfc.run(wfc.compile(spec, "caught"), store=store, local=True) == MESSAGES["receives"]
