"""A store: a journal and a value store, with one seal key, opened by path or URL.

A *folder* (by default `.wfc`) holds `journal.db`, `values/` and `key`, for their owner alone. A
*database URL* (`postgresql://…`) puts the journal there; its values are at the place that `?values=`
or `WFC_VALUES` names. That is a folder, which then holds the key too, or an object store
(`s3://bucket/prefix`), where they are below the journal's own name. The key comes from
`WFC_STORE_KEY` (32 bytes as hexadecimal digits or base64) where that is set, otherwise from the file
`key`, which is made with the store; an object store has no such file.

The folder's journal is SQLite with a write-ahead log: it needs a local file system. On a network
file system use PostgreSQL, with the values in an object store or a folder that all nodes share.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import NamedTuple

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from wfc.runtime.files import Files, make_folder, nothing, write_new
from wfc.runtime.foldervalues import FolderValues
from wfc.runtime.journal import Journal
from wfc.runtime.seal import Sealer
from wfc.runtime.storage_errors import StorageError, os_failure
from wfc.runtime.storekey import key_in, key_without_folder
from wfc.runtime.valuestore import ValueStore, checked_place, in_objects
from wfc.runtime.valuestore import open_values as open_values

DEFAULT = ".wfc"
VALUES_VARIABLE = "WFC_VALUES"


class Store:
    """An open store. `journal` and `values` are its two halves; `values_url` and `key` are what a
    worker needs to open the values alone (`open_values`); `folder` is this machine's, for what is
    neither record nor value (`make_folder` makes it)."""

    FAILPOINTS = ("key.written", "key.placed", "key.durable", "store.opened")

    def __init__(
        self, journal: Journal, values: ValueStore, values_url: str, key: bytes, folder: str
    ) -> None:
        self.journal = journal
        self.values = values
        self.values_url = values_url
        self.key = key
        self.folder = folder

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
        places = _places(os.fspath(where), environ)
        files = files or Files()
        key = _key_of(places, environ, create, files, failpoint)
        journal = Journal.open(
            places.database, key, create=create, clock=clock, failpoint=failpoint
        )
        try:
            place = places.values
            if places.folder is None:
                # Several stores may share a bucket, and even a prefix: none takes another's values
                # for its own, to be deleted with a run or as nobody's.
                place = f"{place}/{journal.name()}"
            values = _values(place, key, create, files, failpoint)
        except BaseException:
            journal.close()
            raise
        failpoint("store.opened")
        return cls(journal, values, place, key, places.folder or os.path.abspath(DEFAULT))

    def delete_run(self, run_id: str) -> None:
        """Delete a run, then its values. Raises `Owned` while somebody works on it."""
        self.journal.delete_run(run_id)
        self.values.delete(self.values.list(run_id))
        self.values.sweep(run_id)

    def orphans(self) -> Iterator[str]:
        """Keys of values whose run is not in the journal (a deletion that was cut short)."""
        # In this order: a run that begins meanwhile is known before it has values.
        keys = list(self.values.list())
        known = {info.run_id for info in self.journal.runs()}
        return (key for key in keys if key.split("/")[0] not in known)

    def make_folder(self) -> str:
        """Make the folder of this machine, where there is none yet; gives its path."""
        make_folder(self.folder)
        _ignore(self.folder, Files())
        return self.folder

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


class _Places(NamedTuple):
    """Where the parts of a store are. `folder` has its key, and what else is of this machine alone;
    there is none when the values are in an object store. `embedded`: it has the journal too."""

    database: URL
    values: str
    folder: str | None
    embedded: bool = False


def _places(where: str, environ: Mapping[str, str]) -> _Places:
    if "://" not in where:
        try:
            folder = os.path.abspath(where)
        except OSError as error:  # the current folder was deleted
            raise os_failure("open", where, error) from error
        database = URL.create("sqlite", database=os.path.join(folder, "journal.db"))
        return _Places(database, os.path.join(folder, "values"), folder, embedded=True)
    try:
        url = make_url(where)
    except ArgumentError as error:
        raise StorageError(f"not a URL of a store: {where!r}") from error
    named = url.query.get("values") or environ.get(VALUES_VARIABLE)
    if not named or not isinstance(named, str):
        raise StorageError(
            "a store in a database needs a place for its values: add ?values=FOLDER or "
            f"?values=s3://BUCKET/PREFIX to its URL, or set {VALUES_VARIABLE}"
        )
    place = checked_place(named)
    database = url.difference_update_query(["values"])
    if in_objects(place):
        return _Places(database, place, None)
    return _Places(database, os.path.join(place, "values"), place)


def _values(
    place: str, key: bytes, create: bool, files: Files, failpoint: Callable[[str], None]
) -> ValueStore:
    if not in_objects(place):
        return FolderValues(place, Sealer(key), files=files, failpoint=failpoint)
    values = open_values(place, key)
    if create:
        # Before a run begins: later a place that refuses would only show at the first large value.
        next(values.list(), None)
    return values


def _key_of(
    places: _Places,
    environ: Mapping[str, str],
    create: bool,
    files: Files,
    failpoint: Callable[[str], None],
) -> bytes:
    """The key of a store, whose folder is made if it is to be."""
    folder = places.folder
    if folder is None:
        return key_without_folder(environ)
    _prepare(folder, places.embedded, create, files)
    journal = os.path.join(folder, "journal.db")
    has_journal = places.embedded and os.path.exists(journal) and os.path.getsize(journal) > 0
    return key_in(folder, environ, create and not has_journal, files, failpoint)


def _prepare(folder: str, embedded: bool, create: bool, files: Files) -> None:
    if create:
        make_folder(folder)
        _ignore(folder, files)
    elif not os.path.isdir(folder):
        raise StorageError(f"there is no store in {folder}")
    elif embedded and not os.path.exists(os.path.join(folder, "journal.db")):
        raise StorageError(f"there is no store in {folder}: it has no journal.db")


def _ignore(folder: str, files: Files) -> None:
    """Keep the store out of version control."""
    path = os.path.join(folder, ".gitignore")
    if os.path.exists(path):
        return
    try:
        write_new(files, path, b"*\n", sync=False)
    except FileExistsError:
        return
    except OSError as error:
        raise os_failure("write", path, error) from error
