"""`wfc delete` and `wfc gc`: what takes runs out of a store."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from wfc import stored
from wfc.cli.detach import log_of
from wfc.cli.out import reported, say, usage
from wfc.runtime.store import Store

if TYPE_CHECKING:
    from wfc.runtime.journal import RunInfo

TOLD = 20
"""Runs that `gc` names."""

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def delete(run_id: str, store: str | None, *, dry_run: bool) -> None:
    """The command."""
    with reported(), Store.open(stored.store_url(store), create=False) as opened:
        info = opened.journal.run(run_id)
        if stored.state_of(info) == "running":
            usage(f"run {run_id} is going on; wfc cancel {run_id} ends it")
        _delete(opened, info, dry_run=dry_run)


def gc(older_than: str, store: str | None, *, dry_run: bool) -> None:
    """The command."""
    found = re.fullmatch(r"(\d{1,9})([smhd])", older_than)
    if found is None:
        usage(f"--older-than is like 30d, 12h or 90m, not {older_than!r}")
    before = time.time() - int(found[1]) * _UNITS[found[2]]
    with reported(), Store.open(stored.store_url(store), create=False) as opened:
        old = [
            info
            for info in opened.journal.runs()
            if info.finished is not None and info.finished < before and not info.damage
        ]
        for place, info in enumerate(old):
            _delete(opened, info, dry_run=dry_run, told=place < TOLD)
        if len(old) > TOLD:
            say(f"and {len(old) - TOLD:,} more: {len(old):,} runs in all")
        orphans = list(opened.orphans())
        if orphans:
            say(f"{'would delete' if dry_run else 'deleted'} {len(orphans)} values of no run")
            if not dry_run:
                opened.values.delete(orphans)


def _delete(store: Store, info: RunInfo, *, dry_run: bool, told: bool = True) -> None:
    values = sum(1 for _ in store.values.list(info.run_id))
    if not dry_run:
        store.delete_run(info.run_id)
        log_of(store, info.run_id).unlink(missing_ok=True)
    if not told:
        return
    verb = "would delete" if dry_run else "deleted"
    say(f"{verb} run {info.run_id} ({stored.state_of(info)}) and {values} stored values")
