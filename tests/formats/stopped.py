"""Store runs that were stopped anywhere, as this version of the program stores them: `python -m
tests.formats.stopped FILE COUNT SAMPLE [waits]`.

Done once before something changes in how runs are stored or recovered: of `COUNT` runs of generated
programs and of the corpus, a `SAMPLE` is kept in `FILE`, an archive, with what each has to come to. With
`waits` they are those of the corpus that wait for some of their calls, or for signals.
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import sqlite3
import sys
import tarfile
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import wfc
from tests.oracle.generate import SMALL, program
from tests.oracle.reference import Error, Outcome
from tests.oracle.source import Seeded
from tests.programs.runner import Case, case_of, cases, compiled, plain, reference
from wfc.plan.model import Plan
from wfc.runtime import coordinator
from wfc.runtime.coordinator import Coordinator
from wfc.runtime.store import Store
from wfc.runtime.work import Done, Lost

LIMIT = 60.0
WAYS = ("killed", "interrupted", "failed")
LONG = re.compile(r"\b(\d{2,}s|[4-9]s|\d+[mhd])\b")
"""A time for which nobody wants to wait."""
MODULES = re.compile(r"^(from|import) (tasks|grown|odd)\b", re.MULTILINE)
KNOBS = (SMALL, replace(SMALL, workflows=3, statements=5))


def portable(case: Case) -> Case:
    """The case with functions that can be imported wherever the tests can."""
    files = {name: MODULES.sub(r"\1 tests.programs.\2", text) for name, text in case.files.items()}
    return replace(case, files=files, folder=Path("/"))


def candidates(waits: bool) -> Iterator[tuple[str, Case]]:
    """Programs: two of three are generated, the others are of the corpus."""
    corpus = [case for case in cases() if case.faults and _waits(case) == waits]
    random.Random(0).shuffle(corpus)
    for number in range(100_000):
        if number % 3 == 2 or waits:
            if corpus:
                case = corpus.pop()
                yield f"{case.name.replace('_', '-')}", case
            elif waits:
                return
        else:
            yield f"seed-{number}", case_of(program(Seeded(number), KNOBS[number % 2]))


def _waits(case: Case) -> bool:
    text = "".join(case.files.values())
    return "wait(" in text or "receive(" in text


def stop(folder: str, run_id: str, plan: Plan, case: Case, way: str, after: int) -> None:
    """Run a case in a process of its own, which stops it after so many records."""
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    try:
        _stop(folder, run_id, plan, case, way, after)
    finally:
        os._exit(0)


def _stop(folder: str, run_id: str, plan: Plan, case: Case, way: str, after: int) -> None:
    from wfc.api import Prepared
    from wfc.launching import launcher

    left = after
    append, carry = Coordinator._append, Coordinator._drive

    def counted(self: Coordinator, effect: Any) -> None:
        nonlocal left
        append(self, effect)
        left -= 1
        if left <= 0 and way == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if left <= 0 and way == "interrupted":
            self._stop.set()

    def failing(self: Coordinator, *args: Any) -> None:
        execute = self._execute

        def made() -> Any:
            executor = execute()
            poll = executor.poll
            executor.poll = lambda timeout: [lost(report) for report in poll(timeout)]
            return executor

        def lost(report: Any) -> Any:
            return (
                Lost(report.work, report.start, "died", "made to")
                if isinstance(report, Done) and left <= 0
                else report
            )

        if way == "failed":
            self._execute = made
        carry(self, *args)

    Coordinator._append = counted  # type: ignore[method-assign]
    Coordinator._drive = failing  # type: ignore[method-assign]
    prepared = Prepared(plan)
    launch = launcher(local=True)
    with Store.open(folder) as store:
        options = {"root": "", "entry": plan.entry}
        coordinator.create(store, run_id, plan, prepared.validate(case.params), options=options)
    run = wfc.get(run_id, store=folder)
    for name, payloads in case.signals.items():
        for payload in payloads:
            run.send(name, payload)
    wait = wfc.api.resume_with(run_id, launch, store=folder, keep=True)
    try:
        wait.result(LIMIT)
    except (wfc.WfcError, TimeoutError):
        wait.interrupt()


def outcome(folder: str, run_id: str) -> dict[str, Any]:
    """What a run comes to that is gone on with."""
    run = wfc.resume(run_id, store=folder, local=True, keep=True)
    try:
        return {"value": repr(plain(run.result(LIMIT)))}
    except TimeoutError:
        return {"value": "none in time"}
    except wfc.RunFailed as failed:
        return {"error": [failed.error.type, failed.error.message]}
    finally:
        run.interrupt()


def as_expected(found: dict[str, Any], wanted: dict[str, Any]) -> bool:
    """Whether that is what the reference says."""
    if "error" in found:
        return any(
            Error(kind, text).covers(*found["error"]) for kind, text in wanted.get("errors", ())
        )
    return found["value"] == wanted.get("value")


def expected(case: Case) -> dict[str, Any] | None:
    """What a case comes to; `None` when that depends on what was ready first."""
    made = case.expected or reference(case)
    if isinstance(made, Outcome) and made.waits:
        return None
    if not made.errors:
        return {"value": repr(plain(made.value))}
    return {"errors": sorted([e.type, e.message] for e in made.errors)}


def main(archive: str, count: int, sample: int, waits: bool) -> None:
    """Make the runs, go on with a copy of each, and keep some of those that come out right."""
    os.environ.pop("WFC_STORE_KEY", None)  # the store has a key of its own
    chance = random.Random(1)
    seen: Counter[str] = Counter()
    good: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as top:
        folder = f"{top}/store"
        for name, original in candidates(waits):
            if len(good) >= count:
                break
            case = portable(original)
            wanted = expected(original)
            if wanted is None or any(map(LONG.search, case.files.values())):
                continue
            plan = _plan(case, len(good) % 3 != 0)
            way = WAYS[len(good) % 3]
            run_id = f"{name}-{way}"
            stop(folder, run_id, plan, case, way, chance.randint(1, chance.choice((4, 12, 40))))
            status = wfc.get(run_id, store=folder).status
            seen[status] += 1
            if status in ("succeeded", "cancelled") or (way != "failed" and status == "failed"):
                continue
            copy = f"{top}/copy"
            shutil.copytree(folder, copy)
            found = outcome(copy, run_id)
            shutil.rmtree(copy)
            right = as_expected(found, wanted)
            seen[f"{way} {'right' if right else 'WRONG'}"] += 1
            if not right:
                print(f"{run_id}: {found}, not {wanted}", flush=True)
                continue
            good[run_id] = wanted
            if len(good) % 20 == 0:
                print(len(good), dict(seen), flush=True)
        print(dict(seen))
        kept = chance.sample(sorted(good), min(sample, len(good)))
        with Store.open(folder) as store:
            for info in store.journal.runs():
                if info.run_id not in kept:
                    store.delete_run(info.run_id)
            left = [key for key in store.values.list() if key.split("/")[0] not in kept]
            store.values.delete(left)
        with sqlite3.connect(f"{folder}/journal.db") as db:
            db.execute("pragma wal_checkpoint(truncate)")
        db.execute("vacuum")
        db.close()
        Path(folder, "expected.json").write_text(
            json.dumps({name: good[name] for name in kept}, indent=1), encoding="utf-8"
        )
        with tarfile.open(archive, "w:xz") as tar:
            tar.add(folder, "store")


def _plan(case: Case, optimize: bool) -> Plan:
    return compiled(case, optimize).model_copy(update={"root": None})


if __name__ == "__main__":
    main(
        os.path.abspath(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:] == ["waits"]
    )
