"""Stand-ins for the system calls of the value store: they fail, or write little."""

from __future__ import annotations

import os

from wfc.runtime.codec import Buffer
from wfc.runtime.files import Files


class ShortFiles(Files):
    """Writes at most a thousand bytes at once."""

    def write(self, file: int, data: Buffer) -> int:
        return super().write(file, memoryview(data)[:1000])


class FaultyFiles(Files):
    """Once armed, fails the call number `at` with the error `code`; and no other, unless `lasting`."""

    def __init__(self, code: int, at: int, *, only: str = "", lasting: bool = False) -> None:
        self.code = code
        self.at = at
        self.only = only
        self.lasting = lasting
        self.fired = False
        self.open_files: set[int] = set()
        self._armed = False
        self._count = 0

    def arm(self) -> None:
        self._armed = True

    def disarm(self) -> None:
        self._armed = False

    def _call(self, name: str) -> None:
        if not self._armed or (self.only and name != self.only):
            return
        if self.fired and not self.lasting:
            return
        if self._count == self.at:
            self.fired = True
            raise OSError(self.code, os.strerror(self.code))
        self._count += 1

    def open(self, path: str, flags: int, mode: int = 0o600, folder: int | None = None) -> int:
        self._call("open")
        file = super().open(path, flags, mode, folder)
        self.open_files.add(file)
        return file

    def close(self, file: int) -> None:
        self.open_files.discard(file)
        super().close(file)

    def write(self, file: int, data: Buffer) -> int:
        self._call("write")
        return super().write(file, data)

    def fsync(self, file: int) -> None:
        self._call("fsync")
        super().fsync(file)

    def mkdir(self, path: str, folder: int) -> None:
        self._call("mkdir")
        super().mkdir(path, folder)

    def rename(self, old: str, new: str, old_folder: int, new_folder: int) -> None:
        self._call("rename")
        super().rename(old, new, old_folder, new_folder)

    def link(self, old: str, new: str) -> None:
        self._call("link")
        super().link(old, new)

    def unlink(self, path: str, folder: int | None = None) -> None:
        self._call("unlink")
        super().unlink(path, folder)

    def size(self, file: int) -> int:
        self._call("size")
        return super().size(file)

    def map(self, file: int, size: int) -> memoryview:
        self._call("map")
        return super().map(file, size)
