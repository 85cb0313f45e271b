"""Values in a local folder, a file each."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence

from wfc.runtime.codec import Buffer, buffers_size
from wfc.runtime.files import Files, make_folder, nothing
from wfc.runtime.names import check_key, is_name
from wfc.runtime.seal import Sealer
from wfc.runtime.storage_errors import CorruptValue, os_failure

TEMPORARY = ".tmp"
_PLACING = 64
"""How often a writer makes its folder again that deletes of others prune meanwhile."""
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_JOIN = 64 * 1024
_WRITE = 1 << 20
"""The most bytes of one write: ext4 takes what is larger into large folios, seven times slower."""


class FolderValues:
    """Values in a local folder, a file each.

    A value is written to a new file of a random name, synced, renamed to its place, and the folder
    is synced. `failpoint` is called with each name of `FAILPOINTS` on the way, `files` makes the
    system calls: both are for tests. No symbolic link below the folder is followed.
    """

    FAILPOINTS = ("value.opened", "value.written", "value.synced", "value.renamed", "value.durable")

    def __init__(
        self,
        path: str | os.PathLike[str],
        sealer: Sealer,
        *,
        create: bool = True,
        files: Files | None = None,
        failpoint: Callable[[str], None] = nothing,
    ) -> None:
        self.path = os.path.abspath(path)
        self._sealer = sealer
        self._files = files or Files()
        self._failpoint = failpoint
        self._durable: set[str] = set()  # folders whose own entry is known to be synced
        if create:
            make_folder(self.path)
        self._close(self._root("open"))

    # ------------------------------------------------------------------------------ the methods

    def put(self, key: str, buffers: Sequence[Buffer]) -> tuple[int, bytes]:
        """See `ValueStore.put`."""
        names = check_key(key).split("/")
        # Large values are sealed by a thread of its own while they are being written.
        sealed = self._sealer.begin(buffers)
        try:
            self._write(names, buffers)
        except OSError as error:
            raise os_failure("write", self._path(key), error) from error
        finally:
            seal = sealed()
        return buffers_size(buffers), seal

    def get(self, key: str, size: int, seal: bytes) -> memoryview:
        """See `ValueStore.get`."""
        names = check_key(key).split("/")
        try:
            folder = self._folder(names[:-1], create=False)
            try:
                file = self._files.open(names[-1], os.O_RDONLY | os.O_NOFOLLOW, folder=folder)
            finally:
                self._close(folder)
            try:
                found = self._files.size(file)
                if found != size:
                    raise CorruptValue(
                        f"value {key} is damaged: {self._path(key)} has {found} bytes, not {size}"
                    )
                view = self._files.map(file, size)
            finally:
                self._close(file)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise CorruptValue(f"value {key} is missing: no file {self._path(key)}") from error
        except OSError as error:
            raise os_failure("read", self._path(key), error) from error
        if not self._sealer.fits(view, seal):
            raise CorruptValue(
                f"value {key} is damaged: the seal of {self._path(key)} does not fit its bytes"
            )
        return view

    def delete(self, keys: Iterable[str]) -> None:
        """See `ValueStore.delete`. A folder that is left empty goes too."""
        for key in keys:
            names = check_key(key).split("/")
            try:
                folder = self._folder(names[:-1], create=False)
                try:
                    self._files.unlink(names[-1], folder)
                finally:
                    self._close(folder)
                self._prune(names[:-1])
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError as error:
                raise os_failure("delete", self._path(key), error) from error

    def list(self, prefix: str = "") -> Iterator[str]:
        """See `ValueStore.list`."""
        names = check_key(prefix).split("/") if prefix else []
        yield from self._list(names)

    def close(self) -> None:
        """See `ValueStore.close`: nothing is kept open."""

    def sweep(self, run_id: str) -> int:
        """See `ValueStore.sweep`."""
        count = 0
        try:
            folder = self._folder([TEMPORARY], create=False)
        except FileNotFoundError:
            return 0
        except OSError as error:
            raise os_failure("clean", self._path(TEMPORARY), error) from error
        try:
            for name in os.listdir(folder):
                if name.rpartition(".")[0] == run_id:
                    with contextlib.suppress(FileNotFoundError):
                        self._files.unlink(name, folder)
                        count += 1
        except OSError as error:
            raise os_failure("clean", self._path(TEMPORARY), error) from error
        finally:
            self._close(folder)
        return count

    # -------------------------------------------------------------------------------- the parts

    def _write(self, names: Sequence[str], buffers: Sequence[Buffer]) -> None:
        files = self._files
        temporary = f"{names[0]}.{secrets.token_hex(16)}"
        drafts = self._folder([TEMPORARY], create=True)
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
            file = files.open(temporary, flags, folder=drafts)
            try:
                try:
                    self._failpoint("value.opened")
                    for piece in _joined(buffers):
                        self._write_all(file, piece)
                    self._failpoint("value.written")
                    files.fsync(file)
                    self._failpoint("value.synced")
                finally:
                    self._close(file)
                self._place(temporary, drafts, names)
            except BaseException:
                self._discard(temporary, drafts)
                raise
        finally:
            self._close(drafts)
        self._failpoint("value.durable")

    def _write_all(self, file: int, data: memoryview) -> None:
        while len(data):
            written = self._files.write(file, data[:_WRITE])
            data = data[written:]

    def _place(self, temporary: str, drafts: int, names: Sequence[str]) -> None:
        """Rename to the final place; its folder may be pruned by a `delete` at any time."""
        for attempt in range(_PLACING):
            folder = self._folder(names[:-1], create=True)
            try:
                self._files.rename(temporary, names[-1], drafts, folder)
                self._failpoint("value.renamed")
                self._files.fsync(folder)
                return
            except FileNotFoundError:
                if attempt == _PLACING - 1:
                    raise
            finally:
                self._close(folder)

    def _discard(self, temporary: str, drafts: int) -> None:
        try:
            self._files.unlink(temporary, drafts)
        except OSError:
            return  # renamed already, or the device is gone: what failed first is what is told

    def _root(self, doing: str) -> int:
        try:
            return self._files.open(self.path, _FOLDER & ~os.O_NOFOLLOW)
        except OSError as error:
            raise os_failure(doing, self.path, error) from error

    def _folder(self, names: Sequence[str], *, create: bool, attempt: int = 0) -> int:
        """The open folder of these names, step by step, so that no link leads out of the store."""
        here = self._root("open")
        walked = ""
        for name in names:
            walked = f"{walked}/{name}"
            try:
                if create and walked not in self._durable:
                    with contextlib.suppress(FileExistsError):
                        self._files.mkdir(name, here)
                    self._files.fsync(here)
                    self._durable.add(walked)
                inner = self._files.open(name, _FOLDER, folder=here)
            except FileNotFoundError:
                if not create or attempt == _PLACING:
                    raise
                self._durable.discard(walked)  # it was pruned since
                return self._folder(names, create=True, attempt=attempt + 1)
            finally:
                self._close(here)
            here = inner
        return here

    def _prune(self, names: Sequence[str]) -> None:
        if not names:
            return
        parent = self._folder(names[:-1], create=False)
        try:
            self._files.rmdir(names[-1], parent)
        except OSError:
            return  # not empty
        finally:
            self._close(parent)

    def _list(self, names: Sequence[str]) -> Iterator[str]:
        try:
            folder = self._folder(names, create=False)
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            raise os_failure("list", self._path("/".join(names)), error) from error
        try:
            with os.scandir(folder) as found:
                entries = sorted(
                    (entry.name, entry.is_dir(follow_symlinks=False))
                    for entry in found
                    if is_name(entry.name) and not entry.is_symlink()
                )
        except OSError as error:
            raise os_failure("list", self._path("/".join(names)), error) from error
        finally:
            self._close(folder)
        for name, is_folder in entries:
            if is_folder:
                yield from self._list([*names, name])
            else:
                yield "/".join([*names, name])

    def _close(self, file: int) -> None:
        self._files.close(file)

    def _path(self, key: str) -> str:
        return os.path.join(self.path, *key.split("/"))


def _joined(buffers: Sequence[Buffer]) -> Iterator[memoryview]:
    """The buffers with the small ones joined, to make few system calls."""
    small: list[Buffer] = []
    size = 0
    for buffer in buffers:
        if len(buffer) < _JOIN:
            small.append(buffer)
            size += len(buffer)
            if size < 16 * _JOIN:
                continue
        if small:
            yield memoryview(b"".join(small))
            small, size = [], 0
        if len(buffer) >= _JOIN:
            yield memoryview(buffer)
    if small:
        yield memoryview(b"".join(small))
