"""A store: a journal and a value store, with one seal key, opened by path or URL.

A *folder* (by default `.wfc`) holds `journal.db`, `values/` and `key`, for their owner alone. A
*database URL* (`postgresql://…`) puts the journal there; its values and key are in the folder that
`?values=` or `WFC_VALUES` names. The key comes from `WFC_STORE_KEY` (32 bytes as hexadecimal digits
or base64) where that is set, otherwise from the file `key`, which is made with the store.

The folder's journal is SQLite with a write-ahead log: it needs a local file system. On a network
file system use PostgreSQL, with the values in a folder that all nodes share.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import os
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from wfc.runtime.files import Files, make_folder, nothing
from wfc.runtime.foldervalues import FolderValues
from wfc.runtime.journal import Journal
from wfc.runtime.seal import KEY_BYTES, Sealer
from wfc.runtime.storage_errors import StorageError, WrongKey, os_failure
from wfc.runtime.valuestore import ValueStore
from wfc.runtime.valuestore import open_values as open_values

DEFAULT = ".wfc"
KEY_VARIABLE = "WFC_STORE_KEY"
VALUES_VARIABLE = "WFC_VALUES"
_DRAFT = ".key."


class Store:
    """An open store. `journal` and `values` are its two halves; `values_url` and `key` are what a
    worker needs to open the values alone (`open_values`)."""

    FAILPOINTS = ("key.written", "key.placed", "key.durable", "store.opened")

    def __init__(self, journal: Journal, values: ValueStore, values_url: str, key: bytes) -> None:
        self.journal = journal
        self.values = values
        self.values_url = values_url
        self.key = key

    @classmethod
    def open(
        cls,
        where: str | os.PathLike[str] = DEFAULT,
        *,
        create: bool = True,
        environ: Mapping[str, str] = os.environ,
        clock: Callable[[], float] = time.time,
        files: Files | None = None,
        failpoint: Callable[[str], None] = nothing,
    ) -> Store:
        """Open the store at a folder or a database URL, and make it if `create`.

        Raises `StorageError` when there is none, `WrongKey`, `StoreTooNew`.
        """
        folder, url = _places(os.fspath(where), environ)
        files = files or Files()
        if create:
            make_folder(folder)
            _ignore(folder, files)
        elif not os.path.isdir(folder):
            raise StorageError(f"there is no store in {folder}")
        elif url is None and not os.path.exists(os.path.join(folder, "journal.db")):
            raise StorageError(f"there is no store in {folder}: it has no journal.db")
        fresh = create and not _has_journal(folder, url)
        key = _key(folder, environ, fresh, files, failpoint)
        database = url or URL.create("sqlite", database=os.path.join(folder, "journal.db"))
        journal = Journal.open(database, key, create=create, clock=clock, failpoint=failpoint)
        try:
            path = os.path.join(folder, "values")
            values = FolderValues(path, Sealer(key), files=files, failpoint=failpoint)
        except BaseException:
            journal.close()
            raise
        failpoint("store.opened")
        return cls(journal, values, path, key)

    def delete_run(self, run_id: str) -> None:
        """Delete a run, then its values. Raises `Owned` while somebody works on it."""
        self.journal.delete_run(run_id)
        self.values.delete(self.values.list(run_id))
        self.values.sweep(run_id)

    def orphans(self) -> Iterator[str]:
        """Keys of values whose run is not in the journal (a deletion that was cut short)."""
        known = {info.run_id for info in self.journal.runs()}
        return (key for key in self.values.list() if key.split("/")[0] not in known)

    def close(self) -> None:
        """Close both. Idempotent."""
        self.values.close()
        self.journal.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _places(where: str, environ: Mapping[str, str]) -> tuple[str, URL | None]:
    """The store's folder, and the database's URL unless that is in the folder."""
    if "://" not in where:
        return os.path.abspath(where), None
    try:
        url = make_url(where)
    except ArgumentError as error:
        raise StorageError(f"not a URL of a store: {where!r}") from error
    named = url.query.get("values") or environ.get(VALUES_VARIABLE)
    if not named or not isinstance(named, str):
        raise StorageError(
            "a store in a database needs a folder for its values: add ?values=FOLDER to its URL, "
            f"or set {VALUES_VARIABLE}"
        )
    return os.path.abspath(named), url.difference_update_query(["values"])


def _has_journal(folder: str, url: URL | None) -> bool:
    path = os.path.join(folder, "journal.db")
    return url is None and os.path.exists(path) and os.path.getsize(path) > 0


def _ignore(folder: str, files: Files) -> None:
    """Keep the store out of version control."""
    path = os.path.join(folder, ".gitignore")
    if os.path.exists(path):
        return
    try:
        _write_new(files, path, b"*\n", sync=False)
    except FileExistsError:
        return
    except OSError as error:
        raise os_failure("write", path, error) from error


def _write_new(files: Files, path: str, data: bytes, *, sync: bool = True) -> None:
    """A new file for its owner alone."""
    file = files.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    try:
        while data:
            data = data[files.write(file, data) :]
        if sync:
            files.fsync(file)
    finally:
        files.close(file)


# ------------------------------------------------------------------------------------- the key


def _key(
    folder: str,
    environ: Mapping[str, str],
    create: bool,
    files: Files,
    failpoint: Callable[[str], None],
) -> bytes:
    given = environ.get(KEY_VARIABLE)
    if given:
        return _parsed(given, KEY_VARIABLE)
    path = os.path.join(folder, "key")
    if create:
        try:
            if not os.path.exists(path):
                _make_key(folder, path, files, failpoint)
            _sweep_drafts(folder)
        except OSError as error:
            raise os_failure("write", path, error) from error
    try:
        with open(path, encoding="ascii") as file:
            return _parsed(file.read(), path)
    except FileNotFoundError as error:
        raise WrongKey(
            f"the store's key is missing: there is no {path}, and {KEY_VARIABLE} is not set"
        ) from error
    except OSError as error:
        raise os_failure("read", path, error) from error
    except UnicodeDecodeError as error:
        raise WrongKey(f"{path} is no key of {KEY_BYTES} bytes") from error


def _make_key(folder: str, path: str, files: Files, failpoint: Callable[[str], None]) -> None:
    """Make the key, whole or not at all; of several processes that do, one's key stays."""
    draft = os.path.join(folder, f"{_DRAFT}{secrets.token_hex(8)}")
    try:
        _write_new(files, draft, secrets.token_hex(KEY_BYTES).encode("ascii") + b"\n")
        failpoint("key.written")
        with contextlib.suppress(FileExistsError):
            files.link(draft, path)
        failpoint("key.placed")
        here = files.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            files.fsync(here)
        finally:
            files.close(here)
    finally:
        with contextlib.suppress(OSError):
            files.unlink(draft)
    failpoint("key.durable")


def _sweep_drafts(folder: str) -> None:
    """Delete what processes left that died while they made the key. There is one by now."""
    for name in os.listdir(folder):
        if name.startswith(_DRAFT):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(os.path.join(folder, name))


def _parsed(text: str, place: str) -> bytes:
    """A key from its text; the text itself never stands in a message."""
    text = text.strip()
    for parse in (bytes.fromhex, _from_base64):
        try:
            key = parse(text)
        except (ValueError, binascii.Error):
            continue
        if len(key) == KEY_BYTES:
            return key
    raise WrongKey(f"{place} is no key of {KEY_BYTES} bytes, as hexadecimal digits or base64")


def _from_base64(text: str) -> bytes:
    return base64.b64decode(text, altchars=b"-_" if set(text) & set("-_") else None, validate=True)
