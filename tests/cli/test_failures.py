"""What is said of a failure: the whole text, of thirteen kinds. `golden/failures.txt` has them.

`WFC_WRITE_GOLDEN=1` writes that file anew.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import write

GOLDEN = Path(__file__).parent / "golden" / "failures.txt"

SPEC = """
from work import boom, deep, die, lock, nap, ok, secretive, three

task slow = nap with (timeout=200ms)

workflow raises(n: int = 2):
    return deep(n)

workflow times_out():
    return slow(5)

workflow quorum():
    xs = [boom(i) for i in range(1)]
    ready, _ = wait(1 of xs)
    return ready

workflow killed():
    return die(1)

workflow unpicklable():
    x = lock()
    return ok(x)

workflow unpacks():
    a, b = three()
    return ok(a)

workflow fails(day: str = "monday"):
    x = ok(1)
    if x == 1:
        fail(f"no data for {day}")
    return x

workflow secret_missing():
    return secretive(secret("WFC_NO_SUCH_SECRET"))

workflow expression():
    xs = three()
    return ok(xs[7])

workflow finally_fails():
    return ok(1)
finally:
    boom(7)

workflow waits_on_a_value():
    return first_of(three())

workflow inlined():
    return doubled(7)

workflow cancels_a_value():
    x = three()
    cancel(x[0])
    return ok(x)

workflow first_of(xs):
    ready, _ = wait(1 of xs)
    return ready

workflow doubled(xs):
    return [x * 2 for x in xs]
"""

WORK = """
import os
import threading
import time

def boom(i):
    raise ValueError(f"boom {i}")

def inner(n):
    return {}["missing"]

def deep(n):
    try:
        return inner(n)
    except KeyError as error:
        raise RuntimeError("cannot read the table") from error

def nap(seconds):
    time.sleep(seconds)

def die(x):
    os.kill(os.getpid(), 9)

def lock():
    return threading.Lock()

def three():
    return [1, 2, 3]

def ok(x):
    return x

def secretive(password):
    return len(password)
"""

KINDS = re.findall(r"^workflow (\w+)\((?!xs)", SPEC, re.MULTILINE)


@pytest.fixture
def project(project: Path) -> Path:
    write(project / "flow.wf", SPEC)
    write(project / "work.py", WORK)
    return project


def golden() -> dict[str, str]:
    parts = re.split(r"^##### (\w+)\n", GOLDEN.read_text(), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def plain(text: str, project: Path) -> str:
    """Without what differs between machines and versions of Python: folders, marks in tracebacks."""
    text = re.sub(r"(?m)^    +[\\^~ ]+\n", "", text.replace(str(project), "/project"))
    return text.replace("in <module>", "in module")


@pytest.mark.parametrize("kind", KINDS)
def test_a_failure(cli: Any, project: Path, kind: str) -> None:
    done = cli("run", f"flow.wf:{kind}", "--local", "--run-id", f"r-{kind}")
    assert (done.exit_code, done.stdout) == (1, "")
    said = plain(done.stderr, project)
    assert all(len(line) <= 80 for line in said.splitlines())
    if os.environ.get("WFC_WRITE_GOLDEN"):
        known = golden() if GOLDEN.exists() else {}
        known[kind] = said
        GOLDEN.write_text("".join(f"##### {k}\n{known[k]}" for k in KINDS if k in known))
    assert said == golden()[kind]


def test_no_kind_is_missing() -> None:
    assert list(golden()) == KINDS
    assert len(KINDS) == 13
