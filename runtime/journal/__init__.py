"""The journal: runs, their owners, records and signals, in SQLite or PostgreSQL."""

from wfc.runtime.journal.committer import CommitStats, GroupCommitter
from wfc.runtime.journal.core import Journal
from wfc.runtime.journal.model import Definition, Lease, RunInfo, Signal, Status, Tick
from wfc.runtime.journal.notes import Printed
from wfc.runtime.journal.owner import Owner
from wfc.runtime.journal.rows import Record

__all__ = [
    "CommitStats",
    "Definition",
    "GroupCommitter",
    "Journal",
    "Lease",
    "Owner",
    "Printed",
    "Record",
    "RunInfo",
    "Signal",
    "Status",
    "Tick",
]
