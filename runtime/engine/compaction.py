"""Which records of a run are of no use any more: a hop makes obsolete what was recorded before it."""

from __future__ import annotations

from wfc.runtime.engine.evaluate import handles_in
from wfc.runtime.engine.records import Began, Claimed, Hopped, Record, Signalled

LASTING = Began, Signalled, Claimed
"""What no hop makes obsolete: who took a signal is not to be asked again after the hop."""


class Compaction:
    """Is shown the records of a run, whose entry is the workflow `entry`, in their order."""

    def __init__(self, entry: str) -> None:
        self._entry = entry
        self._passing: dict[int, None] = {}
        self._hops: dict[tuple[str, str, int, str], dict[str, int]] = {}

    def add(self, seq: int, record: Record) -> list[int]:
        """Take the record number `seq` in; gives the numbers of those that may be deleted once it is
        durable."""
        obsolete: list[int] = []
        if isinstance(record, Hopped) and not handles_in(record.state.args):
            obsolete = self._before(record, seq)
        if not isinstance(record, LASTING):
            self._passing[seq] = None
        return obsolete

    def _before(self, hop: Hopped, seq: int) -> list[int]:
        """What a hop makes obsolete that is given nothing that is still to come. One to a workflow
        can be gone on with by itself; one to a task only where the workflow is that it was made in."""
        frame = (hop.path, hop.node, hop.index, hop.frame)
        to = hop.state.callee
        if to == "workflow" and frame == (self._entry, "", 0, ""):
            obsolete = list(self._passing)
            self._passing.clear()
            self._hops.clear()
        else:
            known = self._hops.get(frame, {})
            obsolete = [at for callee, at in known.items() if to in ("workflow", callee)]
            for at in obsolete:
                self._passing.pop(at, None)
        stay = self._hops.get(frame, {}) if to == "task" else {}
        self._hops[frame] = {**stay, to: seq}
        return obsolete
