"""The database below the journal: SQLite or PostgreSQL, by URL, with one kind of error."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from wfc.runtime.files import make_folder
from wfc.runtime.journal import schema
from wfc.runtime.storage_errors import Corrupt, StorageError, os_failure

_LOCK = 0x776663  # of the PostgreSQL advisory lock under which the tables are made
_BUSY_SECONDS = 30
_SQLITE = (3, 35, 0)  # RETURNING


class Database:
    """Transactions on the journal's database; every failure is a `StorageError` that names it.

    SQLite runs with a write-ahead log and a sync for each commit. Its locks and its log need a real
    local file system: on a network file system (NFS, SMB) use PostgreSQL instead.
    """

    def __init__(self, url: str | URL, *, create: bool = True) -> None:
        self.url = _normal(url)
        self.place = _place(self.url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        if self.is_sqlite:
            if sqlite3.sqlite_version_info < _SQLITE:
                raise StorageError(
                    f"this Python's SQLite is {sqlite3.sqlite_version}: the journal needs "
                    f"{'.'.join(map(str, _SQLITE))} or later, or PostgreSQL"
                )
            _prepare_file(self.place, create)
            self._file = self._identity()
        self._engine = _engine(self.url, self.place)
        self._reader = self._engine.execution_options(
            **({"wfc_read": True} if self.is_sqlite else {"isolation_level": "REPEATABLE READ"})
        )

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that writes: committed at the end, rolled back on any exception."""
        with self._errors("write to"), self._engine.begin() as connection:
            yield connection
            if self.is_sqlite and self._identity() != self._file:
                raise StorageError(
                    f"cannot write to {self.place}: it is not the file that it was when it was opened"
                )

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that only reads, and sees one state throughout."""
        with self._errors("read"), self._reader.begin() as connection:
            yield connection

    def close(self) -> None:
        """Close all connections. Idempotent."""
        self._engine.dispose()

    @contextmanager
    def _errors(self, doing: str) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            raise self._failure(doing, error.orig or error) from error
        except sqlite3.Error as error:
            raise self._failure(doing, error) from error
        except UnicodeDecodeError as error:  # SQLite quotes what it found in the file
            raise Corrupt(f"{self.place} is damaged: {error}") from error
        except SQLAlchemyError as error:
            raise StorageError(f"cannot {doing} {self.place}: {error}") from error

    def _identity(self) -> tuple[int, int]:
        """Which file it is: to write to one that was deleted would succeed, and keep nothing."""
        try:
            found = os.stat(self.place)
        except OSError as error:
            raise os_failure("write to", self.place, error) from error
        return found.st_dev, found.st_ino

    def _failure(self, doing: str, error: BaseException) -> StorageError:
        text = " ".join(str(error).split())
        # A page that makes no sense to SQLite; what does not parse as the text or number it was.
        damaged = ("malformed", "not a database", "could not decode", "wrong # of entries")
        if isinstance(error, sqlite3.Error) and any(sign in text.lower() for sign in damaged):
            return Corrupt(f"{self.place} is damaged: {text}")
        return StorageError(f"cannot {doing} {self.place}: {text}")

    def make_tables(self, connection: Connection, tables: sa.MetaData = schema.metadata) -> None:
        """Make the tables that are missing; until this transaction (a write) ends nobody else
        makes or fills them."""
        if not self.is_sqlite:
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
        tables.create_all(connection)


def _normal(url: str | URL) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise StorageError(f"not a URL of a database: {url!r}") from error
    backend = parsed.get_backend_name()
    if backend in ("postgresql", "postgres"):
        return parsed.set(drivername="postgresql+psycopg")
    if backend == "sqlite":
        return parsed.set(drivername="sqlite")
    raise StorageError(f"cannot use {backend} as a journal: sqlite and postgresql are known")


def _place(url: URL) -> str:
    """What messages call it: a path, or a URL without its password."""
    if url.get_backend_name() != "sqlite":
        return url.set(drivername="postgresql", query={}).render_as_string(hide_password=True)
    if not url.database or url.database == ":memory:":
        raise StorageError("a journal in memory would not outlive this process: name a file")
    return os.path.abspath(url.database)


def _prepare_file(path: str, create: bool) -> None:
    """Make the file for its owner alone; SQLite gives the files beside it the same mode."""
    if create:
        make_folder(os.path.dirname(path))
    try:
        os.close(os.open(path, os.O_RDWR | (os.O_CREAT if create else 0) | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise os_failure("open", path, error) from error


def _engine(url: URL, place: str) -> Engine:
    try:
        if url.get_backend_name() == "sqlite":
            engine = sa.create_engine(
                url.set(database=place), connect_args={"timeout": _BUSY_SECONDS}
            )
            event.listen(engine, "connect", _on_sqlite_connect)
            event.listen(engine, "begin", _on_sqlite_begin)
            return engine
        engine = sa.create_engine(url, pool_pre_ping=True, connect_args={"connect_timeout": 10})
        event.listen(engine, "connect", _on_postgres_connect)
        return engine
    except ModuleNotFoundError as error:
        raise StorageError(
            f"cannot use {place}: the package {error.name} is missing; "
            "install it with: pip install 'wfc-ray[postgres]'"
        ) from error


def _on_sqlite_connect(connection: Any, _: Any) -> None:
    connection.isolation_level = None  # transactions begin where we say so
    cursor = connection.cursor()
    # Blobs are stored in chains of pages: with larger ones the chains are short.
    cursor.execute("PRAGMA page_size = 8192")
    _use_wal(cursor)
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA fullfsync = ON")  # means something on macOS alone
    cursor.execute("PRAGMA cell_size_check = ON")
    cursor.execute("PRAGMA trusted_schema = OFF")
    cursor.close()


def _use_wal(cursor: sqlite3.Cursor) -> None:
    """Switch a new file to a write-ahead log. Of several that do so at once SQLite refuses all but one
    without waiting, whatever the timeout says: so that is waited for here."""
    until = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            if cursor.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
                cursor.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > until:
                raise
            time.sleep(0.005)


def _on_sqlite_begin(connection: Connection) -> None:
    # A writer takes the lock at once: one that reads first and then writes could not wait for it.
    reads = connection.get_execution_options().get("wfc_read")
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


def _on_postgres_connect(connection: Any, _: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit = on")
        cursor.execute(f"SET lock_timeout = '{_BUSY_SECONDS}s'")
    connection.commit()
