"""`--detach`: a run that goes on in a process of its own, whatever becomes of this terminal."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from wfc import stored
from wfc.cli.out import print_json, say, stop
from wfc.errors import DONE
from wfc.runtime.names import check_name
from wfc.runtime.store import Store

if TYPE_CHECKING:
    from wfc.cli.runs import Where

POLL = 0.05


def detach(command: Sequence[str], run_id: str, where: Where, *, as_json: bool) -> NoReturn:
    """Start `wfc` with these arguments in a session of its own, and end once it works on the run.

    Prints the run's id. What the process says goes to a file in the store's folder; if it ends before it has
    begun to work on the run, that is printed here, and its exit code is this command's.
    """
    check_name(run_id, "run")
    with Store.open(stored.store_url(where.store)) as store:
        file = log_of(store, run_id)
        store.make_folder()
        file.parent.mkdir(mode=0o700, exist_ok=True)
        known = {info.run_id: info.epoch for info in store.journal.runs()}
        before = known.get(run_id, 0)
        with file.open("ab") as out:
            from_here = out.tell()
            process = subprocess.Popen(
                [sys.executable, "-m", "wfc", *command, *_options(where)],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        while not _begun(store, run_id, before):
            if process.poll() is not None and not _begun(store, run_id, before):
                said = file.read_bytes()[from_here:].decode("utf-8", "replace")
                sys.stderr.write(said)
                stop(process.returncode)
            time.sleep(POLL)
        process.returncode = 0  # it is not this process's any more: nobody waits for it
    if as_json:
        print_json({"run_id": run_id, "pid": process.pid, "log": str(file)})
    else:
        print(run_id)
        say(f"it goes on in process {process.pid}, which writes to {file}")
        say(f"  wfc show {run_id}    tells how it stands; wfc cancel {run_id} ends it")
    stop(DONE)


def log_of(store: Store, run_id: str) -> Path:
    """Where a detached process of a run writes to."""
    return Path(store.folder) / "detached" / f"{run_id}.log"


def _begun(store: Store, run_id: str, epoch: int) -> bool:
    """Whether somebody has taken the run since."""
    return any(i.run_id == run_id and i.epoch > epoch for i in store.journal.runs())


def _options(where: Where) -> list[str]:
    out = ["--store", where.store] if where.store else []
    out += ["--local"] if where.local else []
    out += ["--address", where.address] if where.address else []
    for pattern in where.allow:
        out += ["--allow-module", pattern]
    return out
