"""A disk that keeps a log of what is written to it, by SQLite and by the value store, and can fail.

SQLite's system calls are seen through a VFS of our own round its default one; the value store's
through `Files`. From the log `replay` makes what a disk may hold when the power goes at any moment.
"""

from __future__ import annotations

import _sqlite3
import ctypes
import os
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from wfc.runtime.codec import Buffer
from wfc.runtime.files import Files

SECTOR = 512
"""Bytes that a disk writes whole or not at all."""

IOERR = 10


@dataclass(frozen=True)
class Call:
    """A call that changed something: `create`, `mkdir`, `write`, `truncate`, `fsync` (of a file or a
    folder), `rename`, `link`, `unlink` or `rmdir`."""

    kind: str
    path: str
    other: str = ""
    at: int = 0
    data: bytes = b""


class Disk:
    """The log. `fault` is asked before each call of SQLite that changes something, with its kind and
    path, and gives the SQLite error code that it fails with, or 0."""

    def __init__(self, fault: Callable[[str, str], int] = lambda kind, path: 0) -> None:
        self.log: list[Call] = []
        self.fault = fault
        self.mistakes: list[BaseException] = []
        self._known: set[str] = set()

    def add(self, call: Call) -> None:
        """Note a call that was made."""
        self.log.append(call)

    @contextmanager
    def under_sqlite(self) -> Iterator[None]:
        """While this lasts, connections that are opened use this disk; they must be closed in it."""
        with _installed(self):
            yield
        assert self.mistakes == []

    def opened(self, path: str) -> None:
        """A file that SQLite opens: new, the first time."""
        if path not in self._known:
            self._known.add(path)
            self.add(Call("create", path))

    def gone(self, path: str) -> None:
        """SQLite deleted a file."""
        self._known.discard(path)
        self.add(Call("unlink", path))

    # ------------------------------------------------------------------ what is left of it

    def replay(self, top: Path, target: Path, moment: int, choice: int) -> None:
        """The folder `top` as it may be after the first `moment` calls, written to `target`. With
        `choice` 0 only the process is gone; else the power, and `choice` is a seed for what is left
        of that which was not synced."""
        root = _Folder()
        for call in self.log[:moment]:
            _apply(root, str(top), call)
        root.store(target, random.Random(choice) if choice else None)


class LoggedFiles(Files):
    """The value store's part of the disk."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self._paths: dict[int, str] = {}
        self._sizes: dict[int, int] = {}

    def _at(self, path: str, folder: int | None) -> str:
        return path if folder is None else os.path.join(self._paths[folder], path)

    def open(self, path: str, flags: int, mode: int = 0o600, folder: int | None = None) -> int:
        file = super().open(path, flags, mode, folder)
        self._paths[file] = self._at(path, folder)
        if flags & os.O_CREAT:
            self._sizes[file] = 0
            self._disk.add(Call("create", self._paths[file]))
        return file

    def write(self, file: int, data: Buffer) -> int:
        written = super().write(file, data)
        call = Call("write", self._paths[file], at=self._sizes[file], data=bytes(data[:written]))
        self._sizes[file] += written
        self._disk.add(call)
        return written

    def fsync(self, file: int) -> None:
        super().fsync(file)
        self._disk.add(Call("fsync", self._paths[file]))

    def mkdir(self, path: str, folder: int) -> None:
        super().mkdir(path, folder)
        self._disk.add(Call("mkdir", self._at(path, folder)))

    def rename(self, old: str, new: str, old_folder: int, new_folder: int) -> None:
        super().rename(old, new, old_folder, new_folder)
        self._disk.add(Call("rename", self._at(old, old_folder), self._at(new, new_folder)))

    def link(self, old: str, new: str) -> None:
        super().link(old, new)
        self._disk.add(Call("link", old, new))

    def unlink(self, path: str, folder: int | None = None) -> None:
        super().unlink(path, folder)
        self._disk.add(Call("unlink", self._at(path, folder)))

    def rmdir(self, path: str, folder: int) -> None:
        super().rmdir(path, folder)
        self._disk.add(Call("rmdir", self._at(path, folder)))


# ------------------------------------------------------------------------- the model of a disk


@dataclass(eq=False)
class _File:
    """What is on the disk, and the calls since that may have got there."""

    synced: bytes = b""
    pending: list[Call] = field(default_factory=list)

    def sync(self) -> None:
        self.synced = _written(self.synced, self.pending)
        self.pending = []

    def store(self, target: Path, source: random.Random | None) -> None:
        if source is None:
            target.write_bytes(_written(self.synced, self.pending))
            return
        how = source.choice(["nothing", "start", "calls", "sectors", "zeros"])
        kept = {"nothing": [], "start": self.pending[: source.randint(0, len(self.pending))]}.get(
            how, [call for call in self.pending if source.random() < 0.5]
        )
        if how in ("sectors", "zeros"):
            kept = [part for call in kept for part in _sectors(call, source)]
        data = _written(self.synced, kept)
        if how == "zeros":  # the size is there, the bytes are not
            data = data[: len(self.synced)] + bytes(max(0, len(data) - len(self.synced)))
        target.write_bytes(data)


class _Folder:
    """Entries of now, and those that are on the disk."""

    def __init__(self) -> None:
        self.now: dict[str, _File | _Folder] = {}
        self.synced: dict[str, _File | _Folder] = {}

    def sync(self) -> None:
        self.synced = dict(self.now)

    def store(self, target: Path, source: random.Random | None) -> None:
        target.mkdir()
        for name in sorted({**self.synced, **self.now}):
            now, synced = self.now.get(name), self.synced.get(name)
            kept = now if source is None or now is synced or source.random() < 0.5 else synced
            if kept is not None:
                kept.store(target / name, source)


def _sectors(call: Call, source: random.Random) -> Iterator[Call]:
    """Some sectors of a write."""
    if call.kind != "write":
        yield call
        return
    for at in range(0, len(call.data), SECTOR):
        if source.random() < 0.5:
            yield Call("write", call.path, at=call.at + at, data=call.data[at : at + SECTOR])


def _written(data: bytes, calls: list[Call]) -> bytes:
    now = bytearray(data)
    for call in calls:
        if call.kind == "truncate":
            del now[call.at :]
            continue
        now.extend(bytes(max(0, call.at - len(now))))
        now[call.at : call.at + len(call.data)] = call.data
    return bytes(now)


def _apply(root: _Folder, top: str, call: Call) -> None:
    if call.path == top:
        root.sync()
        return
    folder, name = _place(root, top, call.path)
    if call.kind == "create":
        folder.now[name] = _File()
    elif call.kind == "mkdir":
        folder.now[name] = _Folder()
    elif call.kind in ("unlink", "rmdir"):
        folder.now.pop(name)
    elif call.kind in ("rename", "link"):
        other, new = _place(root, top, call.other)
        other.now[new] = folder.now[name]
        if call.kind == "rename":
            del folder.now[name]
    elif call.kind == "fsync":
        if name not in folder.now:  # a folder that was made past this log, durably
            folder.now[name] = folder.synced[name] = _Folder()
        folder.now[name].sync()
    else:
        entry = folder.now[name]
        assert isinstance(entry, _File)
        entry.pending.append(call)


def _place(root: _Folder, top: str, path: str) -> tuple[_Folder, str]:
    """The folder that a path is in, and its name there."""
    *above, name = os.path.relpath(path, top).split("/")
    here = root
    for part in above:
        if part not in here.now:  # as below
            here.now[part] = here.synced[part] = _Folder()
        inner = here.now[part]
        assert isinstance(inner, _Folder)
        here = inner
    return here, name


# ------------------------------------------------------------------------- under SQLite

_INT, _PTR, _I64 = ctypes.c_int, ctypes.c_void_p, ctypes.c_int64
_OPEN = ctypes.CFUNCTYPE(_INT, _PTR, _PTR, _PTR, _INT, _PTR)
_DELETE = ctypes.CFUNCTYPE(_INT, _PTR, ctypes.c_char_p, _INT)
_WRITE = ctypes.CFUNCTYPE(_INT, _PTR, _PTR, _INT, _I64)
_TRUNCATE = ctypes.CFUNCTYPE(_INT, _PTR, _I64)
_SYNC = ctypes.CFUNCTYPE(_INT, _PTR, _INT)
_SET = ctypes.CFUNCTYPE(_INT, _PTR, ctypes.c_char_p, _PTR)
_GET = ctypes.CFUNCTYPE(_PTR, _PTR, ctypes.c_char_p)
_OPEN_FOLDER = ctypes.CFUNCTYPE(_INT, ctypes.c_char_p, _PTR)


class _Vfs(ctypes.Structure):
    """`sqlite3_vfs`, version 3."""

    _fields_ = (
        ("iVersion", _INT),
        ("szOsFile", _INT),
        ("mxPathname", _INT),
        ("pNext", _PTR),
        ("zName", ctypes.c_char_p),
        ("pAppData", _PTR),
        ("xOpen", _OPEN),
        ("xDelete", _DELETE),
        *((name, _PTR) for name in ("xAccess", "xFullPathname", "xDlOpen", "xDlError", "xDlSym")),
        *((name, _PTR) for name in ("xDlClose", "xRandomness", "xSleep", "xCurrentTime")),
        *((name, _PTR) for name in ("xGetLastError", "xCurrentTimeInt64")),
        ("xSetSystemCall", _SET),
        ("xGetSystemCall", _GET),
        ("xNextSystemCall", _PTR),
    )


class _Methods(ctypes.Structure):
    """`sqlite3_io_methods`, version 3."""

    _fields_ = (
        ("iVersion", _INT),
        ("xClose", _PTR),
        ("xRead", _PTR),
        ("xWrite", _WRITE),
        ("xTruncate", _TRUNCATE),
        ("xSync", _SYNC),
        *((f"rest{index}", _PTR) for index in range(13)),
    )


def _library() -> Any:
    """The SQLite that Python itself uses."""
    library = ctypes.CDLL(getattr(_sqlite3, "__file__", None))
    if not hasattr(library, "sqlite3_vfs_find"):
        pytest.skip("this Python hides its SQLite: the calls that it makes cannot be seen")
    library.sqlite3_vfs_find.restype = _PTR
    library.sqlite3_vfs_find.argtypes = [ctypes.c_char_p]
    library.sqlite3_vfs_register.argtypes = [_PTR, _INT]
    library.sqlite3_vfs_unregister.argtypes = [_PTR]
    return library


@contextmanager
def _installed(disk: Disk) -> Iterator[None]:
    library = _library()
    default = _Vfs.from_address(library.sqlite3_vfs_find(None))
    shim = _Shim(disk, default)
    library.sqlite3_vfs_register(ctypes.byref(shim.vfs), 1)
    default.xSetSystemCall(ctypes.addressof(default), b"openDirectory", shim.open_folder_pointer)
    try:
        yield
    finally:
        default.xSetSystemCall(ctypes.addressof(default), b"openDirectory", None)
        library.sqlite3_vfs_unregister(ctypes.byref(shim.vfs))


class _Shim:
    """The VFS: the default one, with the calls that change something noted, or failing."""

    def __init__(self, disk: Disk, default: _Vfs) -> None:
        self.disk = disk
        self._default = default
        self._files: dict[int, tuple[str, _Methods]] = {}
        self._methods: dict[int, _Methods] = {}
        self._calls = (_WRITE(self._write), _TRUNCATE(self._truncate), _SYNC(self._sync))
        self.vfs = _Vfs.from_buffer_copy(default)
        self.vfs.zName = b"logged"
        self.vfs.xOpen = _OPEN(self._open)
        self.vfs.xDelete = _DELETE(self._delete)
        pointer = default.xGetSystemCall(ctypes.addressof(default), b"openDirectory")
        self._really_open_folder = _OPEN_FOLDER(pointer)
        self._open_folder_call = _OPEN_FOLDER(self._open_folder)
        self.open_folder_pointer = ctypes.cast(self._open_folder_call, _PTR)

    def _guarded(self, act: Callable[[], int]) -> int:
        try:
            return act()
        except BaseException as error:  # it cannot get through SQLite: the test looks at these
            self.disk.mistakes.append(error)
            return IOERR

    def _open(self, vfs: int, name: int, file: int, flags: int, out: int) -> int:
        def act() -> int:
            path = ctypes.string_at(name).decode() if name else ""
            if path and not os.path.exists(path) and (code := self.disk.fault("create", path)):
                return code
            code = self._default.xOpen(vfs, name, file, flags, out)
            if code == 0 and path:
                self.disk.opened(path)
                self._wrap(file, path)
            return code

        return self._guarded(act)

    def _wrap(self, file: int, path: str) -> None:
        pointer = _PTR.from_address(file)  # the first thing in it: its methods
        original = pointer.value
        assert original is not None
        if original not in self._methods:
            mine = _Methods.from_address(original)
            mine = _Methods.from_buffer_copy(mine)
            mine.xWrite, mine.xTruncate, mine.xSync = self._calls
            self._methods[original] = mine
        self._files[file] = path, _Methods.from_address(original)
        pointer.value = ctypes.addressof(self._methods[original])

    def _delete(self, vfs: int, name: bytes, sync: int) -> int:
        def act() -> int:
            path = name.decode()
            there = os.path.exists(path)
            if there and (code := self.disk.fault("unlink", path)):
                return code
            code = self._default.xDelete(vfs, name, 0)
            if code == 0 and there:
                self.disk.gone(path)
            return code

        return self._guarded(act)

    def _write(self, file: int, data: int, size: int, at: int) -> int:
        def act() -> int:
            path, methods = self._files[file]
            code = self.disk.fault("write", path) or methods.xWrite(file, data, size, at)
            if code == 0:
                self.disk.add(Call("write", path, at=at, data=ctypes.string_at(data, size)))
            return code

        return self._guarded(act)

    def _truncate(self, file: int, size: int) -> int:
        def act() -> int:
            path, methods = self._files[file]
            code = self.disk.fault("truncate", path) or methods.xTruncate(file, size)
            if code == 0:
                self.disk.add(Call("truncate", path, at=size))
            return code

        return self._guarded(act)

    def _sync(self, file: int, flags: int) -> int:
        def act() -> int:
            path, methods = self._files[file]
            mark = len(self.disk.log)
            code = self.disk.fault("fsync", path) or methods.xSync(file, flags)
            if code == 0:  # the file first, then its folder, if that is synced with it
                self.disk.log.insert(mark, Call("fsync", path))
            return code

        return self._guarded(act)

    def _open_folder(self, name: bytes, file: int) -> int:
        """SQLite opens the folder of a new file for one thing only: to sync it."""

        def act() -> int:
            code = self._really_open_folder(name, file)
            if code == 0:
                self.disk.add(Call("fsync", os.path.dirname(name.decode())))
            return code

        return self._guarded(act)
