"""A process that competes for a run's lease; one line of JSON tells it what to do, it answers so.

Its lines: `["acquire", run, ttl]`, `["append", run, text]`, `["stop"]`.
"""

from __future__ import annotations

import json
import sys

from wfc.runtime.journal import Journal, Lease
from wfc.runtime.storage_errors import StorageError


def main(url: str, key: str) -> None:
    journal = Journal.open(url, bytes.fromhex(key), create=False)
    held: dict[str, Lease] = {}
    print("ready", flush=True)
    for line in sys.stdin:
        order, *arguments = json.loads(line)
        try:
            answer = _obey(journal, held, order, *arguments)
        except StorageError as error:
            answer = [type(error).__name__, str(error)]
        print(json.dumps(answer), flush=True)
    journal.close()


def _obey(journal: Journal, held: dict[str, Lease], order: str, *arguments: object) -> list[object]:
    run_id = str(arguments[0])
    if order == "acquire":
        held[run_id] = journal.acquire(run_id, ttl=float(str(arguments[1])))
        return ["acquired", held[run_id].epoch]
    assert order == "append"
    journal.append(held[run_id], [("k", str(arguments[1]).encode())])
    return ["appended"]


if __name__ == "__main__":
    main(*sys.argv[1:])
