"""What can go wrong with what is stored. Each message names the place and says what to do."""

# ruff: noqa: N818 - they are named after what is the case, which reads well where they are caught

from __future__ import annotations

import errno
import os


class StorageError(Exception):
    """The storage could not do it: full, unreadable, refused, gone, or not a store.

    Nothing that was acknowledged is lost by it; the run can be resumed once the cause is mended.
    """


class Corrupt(StorageError):
    """Something stored is not what was written: its seal, its size or its place is wrong."""


class CorruptRecord(Corrupt):
    """A record, or another row of the journal, is damaged; the message names it."""


class CorruptValue(Corrupt):
    """A value is damaged; the message names it."""


class WrongKey(StorageError):
    """The store was sealed with another key, or its key is missing."""


class StoreTooNew(StorageError):
    """The store was written by a later version of this program."""


class UnknownRun(StorageError):
    """There is no such run in the store."""


class RunExists(StorageError):
    """There is a run of that name already."""


class RunOver(StorageError):
    """The run has succeeded: it takes no more signals."""


class Owned(StorageError):
    """Another process owns the run."""


class StaleLease(StorageError):
    """This process owned the run once, and does not any more: nothing was written."""


_WHY = {
    errno.ENOSPC: "no space is left on the device",
    errno.EDQUOT: "the disk quota is used up",
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
    errno.EROFS: "the file system is read-only",
    errno.EIO: "the device reports an input/output error",
    errno.ENOENT: "there is no such file or folder",
}


def os_failure(doing: str, place: str | os.PathLike[str], error: OSError) -> StorageError:
    """The `StorageError` for a failed system call: `doing` is like "write", `place` the path."""
    why = _WHY.get(error.errno or 0) or error.strerror or str(error)
    code = errno.errorcode.get(error.errno or 0, "unknown error")
    return StorageError(f"cannot {doing} {os.fspath(place)}: {why} ({code})")
