"""Copies of a project's files on the disk of each node, named by their content.

A copy is made once per node, in a folder of this user alone, completely or not at all: whoever finds it
can use it. Nothing in it is ever changed.
"""

from __future__ import annotations

import atexit
import functools
import hashlib
import json
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

UNUSED = 30 * 86400.0
"""Seconds after which a copy that nobody has asked for goes away, when another one is made."""

_LENGTH = 8


@dataclass(frozen=True, slots=True)
class File:
    """A file of a project: its path from the folder on that modules are looked for in, where it lay, and
    its bytes. Without bytes it is a folder (the name ends in `/`), or a file that stayed where it is."""

    name: str
    origin: str
    data: bytes | None


def pack(files: Iterable[File]) -> bytes:
    """Files as bytes; the same files give the same bytes."""
    index, parts = [], []
    for file in files:
        index.append((file.name, file.origin, -1 if file.data is None else len(file.data)))
        parts.append(file.data or b"")
    head = json.dumps(index, separators=(",", ":")).encode()
    return b"".join([len(head).to_bytes(_LENGTH, "big"), head, *parts])


def unpack(data: bytes) -> list[File]:
    """The files that `pack` was given."""
    at = _LENGTH + int.from_bytes(data[:_LENGTH], "big")
    files = []
    for name, origin, size in json.loads(data[_LENGTH:at]):
        files.append(File(name, origin, None if size < 0 else data[at : at + size]))
        at += max(size, 0)
    return files


def digest_of(data: bytes) -> str:
    """The name of packed files."""
    return hashlib.blake2b(data, digest_size=16, person=b"wfc-code").hexdigest()


def place(digest: str, files: list[File]) -> Path:
    """The folder of this node in which the files lie, made if need be. Raises `OSError`."""
    trouble: OSError | None = None
    for home in _homes():
        folder = home / digest
        try:
            if not _whole(folder, files):
                _make(folder, files)
                _tidy(home)
            os.utime(folder)
        except OSError as error:  # a full disk, say: another one may have room
            trouble = error
            continue
        return folder
    raise trouble or OSError("there is no folder for a copy of the project's files")


def _whole(folder: Path, files: list[File]) -> bool:
    """Whether a copy is there, of which nothing was removed."""
    try:
        return all(
            os.lstat(folder / file.name).st_size == len(file.data)
            for file in files
            if file.data is not None
        ) and stat.S_ISDIR(os.lstat(folder).st_mode)
    except OSError:
        return False


def _make(folder: Path, files: list[File]) -> None:
    made = Path(tempfile.mkdtemp(prefix="new-", dir=folder.parent))
    try:
        for file in files:
            path = made / file.name
            path.parent.mkdir(parents=True, exist_ok=True)
            if file.data is not None:
                path.write_bytes(file.data)
            elif file.name.endswith("/"):
                path.mkdir(exist_ok=True)
            elif os.path.exists(file.origin):
                path.symlink_to(file.origin)
        _exchange(made, folder, files)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _exchange(made: Path, folder: Path, files: list[File]) -> None:
    """Give the copy its name. Another process may have been first; a copy that is not whole, since
    something tidied up in it, gives way."""
    try:
        made.rename(folder)
    except OSError:
        if _whole(folder, files):
            return
        aside = Path(tempfile.mkdtemp(prefix="old-", dir=folder.parent))
        try:
            with suppress(FileNotFoundError):
                folder.rename(aside / "copy")
            made.rename(folder)
        finally:
            shutil.rmtree(aside, ignore_errors=True)


def _tidy(home: Path) -> None:
    """Remove copies that nobody has asked for in a long time."""
    before = time.time() - UNUSED
    for folder in home.iterdir():
        with suppress(OSError):
            if folder.lstat().st_mtime < before:
                shutil.rmtree(folder)


def _homes() -> Iterator[Path]:
    """The folders that copies may lie in: the user's cache, one for what is temporary, and one that is
    this process's alone, where nothing else can be written, or is not the user's."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    temporary = Path(tempfile.gettempdir()) / f"wfc-{os.geteuid()}"
    for folder in (Path(cache) / "wfc", temporary):
        if folder.is_absolute() and _private(folder) and _private(folder / "code"):
            yield folder / "code"
    yield _own()


def _private(folder: Path) -> bool:
    """Make a folder of this user's alone; whether it is one."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        info = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(info.st_mode) and info.st_uid == os.geteuid() and not info.st_mode & 0o022


@functools.cache
def _own() -> Path:
    folder, owner = Path(tempfile.mkdtemp(prefix="wfc-code-")), os.getpid()

    @atexit.register
    def remove() -> None:
        if os.getpid() == owner:  # and no process that was forked off
            shutil.rmtree(folder, ignore_errors=True)

    return folder
