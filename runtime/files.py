"""Files and folders on a local disk, durably: the few system calls that the storage makes."""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
import sys

from wfc.runtime.codec import Buffer
from wfc.runtime.storage_errors import os_failure


class Files:
    """The system calls that the folder makes: tests put their own in its place."""

    def open(self, path: str, flags: int, mode: int = 0o600, folder: int | None = None) -> int:
        """As `os.open`; `folder` is the descriptor that a relative path starts from."""
        return os.open(path, flags | os.O_CLOEXEC, mode, dir_fd=folder)

    def close(self, file: int) -> None:
        """As `os.close`."""
        os.close(file)

    def write(self, file: int, data: Buffer) -> int:
        """As `os.write`: may write less than it is given."""
        return os.write(file, data)

    def fsync(self, file: int) -> None:
        """As `os.fsync`, for files and folders; down to the disk itself on macOS too."""
        sync(file)

    def mkdir(self, path: str, folder: int) -> None:
        """As `os.mkdir`, for the owner alone."""
        os.mkdir(path, 0o700, dir_fd=folder)

    def rename(self, old: str, new: str, old_folder: int, new_folder: int) -> None:
        """As `os.rename`."""
        os.rename(old, new, src_dir_fd=old_folder, dst_dir_fd=new_folder)

    def link(self, old: str, new: str) -> None:
        """As `os.link`."""
        os.link(old, new)

    def unlink(self, path: str, folder: int | None = None) -> None:
        """As `os.unlink`."""
        os.unlink(path, dir_fd=folder)

    def rmdir(self, path: str, folder: int) -> None:
        """As `os.rmdir`."""
        os.rmdir(path, dir_fd=folder)

    def size(self, file: int) -> int:
        """Bytes in an open file."""
        return os.fstat(file).st_size

    def map(self, file: int, size: int) -> memoryview:
        """A read-only view of an open file's first `size` bytes."""
        return memoryview(mmap.mmap(file, size, access=mmap.ACCESS_READ) if size else b"")


def sync(file: int) -> None:
    """Wait until a file or folder is on the disk."""
    if sys.platform == "darwin":
        # There `fsync` leaves the data in the drive's cache.
        with contextlib.suppress(OSError):
            fcntl.fcntl(file, fcntl.F_FULLFSYNC)
            return
    os.fsync(file)


def nothing(point: str) -> None:
    """The failpoint of everyday use."""


def make_folder(path: str) -> None:
    """Make a folder (and those above it), durably, for its owner alone; raises `StorageError`."""
    missing = []
    above = os.path.abspath(path)
    while not os.path.lexists(above):
        missing.append(above)
        above = os.path.dirname(above)
    try:
        os.makedirs(path, mode=0o700, exist_ok=True)
        for made in missing:
            parent = os.open(os.path.dirname(made), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                sync(parent)
            finally:
                os.close(parent)
    except OSError as error:
        raise os_failure("create", path, error) from error


def write_new(files: Files, path: str, data: bytes, *, sync: bool = True) -> None:
    """Write a new file for its owner alone. Raises `OSError`: `FileExistsError` where there is one."""
    file = files.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    try:
        while data:
            data = data[files.write(file, data) :]
        if sync:
            files.fsync(file)
    finally:
        files.close(file)
