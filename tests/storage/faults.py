"""Stand-ins for the system calls of the value store: they fail, write little, or keep a log."""

from __future__ import annotations

import os
import random
from dataclasses import dataclass
from pathlib import Path

from wfc.runtime.codec import Buffer
from wfc.runtime.valuestore import Files


class ShortFiles(Files):
    """Writes at most a thousand bytes at once."""

    def write(self, file: int, data: Buffer) -> int:
        return super().write(file, memoryview(data)[:1000])


class FaultyFiles(Files):
    """Once armed, fails the call number `at` with the error `code`, and no other."""

    def __init__(self, code: int, at: int, *, only: str = "") -> None:
        self.code = code
        self.at = at
        self.only = only
        self.fired = False
        self.open_files: set[int] = set()
        self._armed = False
        self._count = 0

    def arm(self) -> None:
        self._armed = True

    def disarm(self) -> None:
        self._armed = False

    def _call(self, name: str) -> None:
        if not self._armed or self.fired or (self.only and name != self.only):
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

    def unlink(self, path: str, folder: int) -> None:
        self._call("unlink")
        super().unlink(path, folder)

    def size(self, file: int) -> int:
        self._call("size")
        return super().size(file)

    def map(self, file: int, size: int) -> memoryview:
        self._call("map")
        return super().map(file, size)


@dataclass
class _Entry:
    """A file or folder of the model: what is in it now, and what of that is on the disk."""

    data: bytes = b""
    synced: bytes = b""
    entries: dict[str, _Entry] | None = None
    synced_entries: dict[str, _Entry] | None = None


class LoggedFiles(Files):
    """Does the calls, and keeps a log of those that write: `replay` makes of its start what a disk
    may hold after the power went."""

    def __init__(self) -> None:
        self.log: list[tuple[str, str, str, bytes]] = []
        self._paths: dict[int, str] = {}

    def open(self, path: str, flags: int, mode: int = 0o600, folder: int | None = None) -> int:
        file = super().open(path, flags, mode, folder)
        self._paths[file] = path if folder is None else os.path.join(self._paths[folder], path)
        if flags & os.O_CREAT:
            self.log.append(("create", self._paths[file], "", b""))
        elif folder is None:
            self.log.append(("root", path, "", b""))
        return file

    def write(self, file: int, data: Buffer) -> int:
        written = super().write(file, data)
        self.log.append(("write", self._paths[file], "", bytes(data[:written])))
        return written

    def fsync(self, file: int) -> None:
        super().fsync(file)
        self.log.append(("fsync", self._paths[file], "", b""))

    def mkdir(self, path: str, folder: int) -> None:
        super().mkdir(path, folder)
        self.log.append(("mkdir", os.path.join(self._paths[folder], path), "", b""))

    def rename(self, old: str, new: str, old_folder: int, new_folder: int) -> None:
        super().rename(old, new, old_folder, new_folder)
        source = os.path.join(self._paths[old_folder], old)
        target = os.path.join(self._paths[new_folder], new)
        self.log.append(("rename", source, target, b""))

    def replay(self, target: Path, moment: int, choice: int) -> None:
        """A disk after the first `moment` calls: what was synced is there; of the rest, `choice`
        (a seed) decides for each file and each entry of a folder."""
        source = random.Random(choice)
        root = _Entry(entries={}, synced_entries={})
        top = next(path for kind, path, _, _ in self.log if kind == "root")
        for kind, path, other, data in self.log[:moment]:
            if kind == "root":
                continue
            if kind in ("create", "mkdir"):
                made = _Entry() if kind == "create" else _Entry(entries={}, synced_entries={})
                _folder(root, top, path)[os.path.basename(path)] = made
            elif kind == "write":
                _find(root, top, path).data += data
            elif kind == "fsync":
                entry = _find(root, top, path)
                entry.synced = entry.data
                entry.synced_entries = None if entry.entries is None else dict(entry.entries)
            else:
                moved = _folder(root, top, path).pop(os.path.basename(path))
                _folder(root, top, other)[os.path.basename(other)] = moved
        _store(root, target, source)


def _store(entry: _Entry, target: Path, source: random.Random) -> None:
    if entry.entries is None:
        unsynced = entry.data[len(entry.synced) :]
        torn = unsynced[: source.randrange(len(unsynced) + 1)]
        if torn and source.random() < 0.5:
            torn = bytes(len(torn))  # the size is there, the bytes are not
        target.write_bytes(entry.synced + torn)
        return
    target.mkdir()
    assert entry.synced_entries is not None
    for name in {**entry.synced_entries, **entry.entries}:
        now, synced = entry.entries.get(name), entry.synced_entries.get(name)
        kept = now if now is synced or source.random() < 0.5 else synced
        if kept is not None:
            _store(kept, target / name, source)


def _find(root: _Entry, top: str, path: str) -> _Entry:
    here = root
    for name in os.path.relpath(path, top).split("/"):
        if name != ".":
            assert here.entries is not None
            here = here.entries[name]
    return here


def _folder(root: _Entry, top: str, path: str) -> dict[str, _Entry]:
    """What is in the folder that a path is in."""
    entries = _find(root, top, os.path.dirname(path)).entries
    assert entries is not None
    return entries
