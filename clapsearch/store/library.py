"""Library: one SQLite file, its read and write transactions, and the lock that admits one writer."""

import contextlib
import logging
import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, DisconnectionError

from clapsearch import migrate
from clapsearch.connection import FrozenConnection, check_is_current, connect, is_damage
from clapsearch.errors import LibraryError, LibraryMissingError, SchemaError
from clapsearch.filesystem import network_type
from clapsearch.store import naming
from clapsearch.store.checking import Checking
from clapsearch.store.finding import Finding
from clapsearch.store.locks import held
from clapsearch.store.writing import Writing

logger = logging.getLogger(__name__)

BUSY_TIMEOUT_MS = 30_000
PAGE_SIZE = 16_384  # bytes; embeddings of a few kB then need few overflow pages
UPGRADE_WAIT_S = 60.0


class Library:
    """An open library. Use `open`; share it between threads as you like.

    Parameters
    ----------
    path : Path
        The SQLite file, schema up to date.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.snapshots = path.with_name(path.name + "-snapshots")
        self._reader = _engine(path, writes=False)
        self._writer = _engine(path, writes=True)

    @classmethod
    def open(cls, path: Path, *, create: bool = False, upgrade: bool = True) -> "Library":
        """Open a library; an older schema is backed up and upgraded first.

        Parameters
        ----------
        create : bool
            Make one where there is none, or an empty file.
        upgrade : bool
            False refuses an older schema: nothing is written.

        Raises
        ------
        LibraryMissingError
            If there is none and `create` is false.
        SchemaError
            If the file is no library, needs a newer clapsearch, or is older and `upgrade` is false.
        LibraryError
            If the folder cannot be written or the disk is full.
        """
        try:
            if path.is_dir():
                raise LibraryError(f"{path} is a folder, the library is one file; choose --library FILE")
            is_old = migrate.check(path)
            if is_old and not create and migrate.revision_of(path) is None:
                raise LibraryMissingError(f"no library at {path}; make one with: clapsearch index FOLDER")
            if create:
                path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise LibraryError(f"cannot open the library {path} ({error.strerror}); choose --library FILE") from error
        if is_old and not upgrade:
            raise SchemaError(f"{path} has an older schema; to upgrade it, keeping a backup: clapsearch status")
        library = cls(path)
        if is_old:
            library._upgrade()
        return library

    @contextlib.contextmanager
    def reading(self) -> Iterator[Finding]:
        """One read transaction: everything in it sees the same library; it never waits and never writes."""
        with self._transaction() as connection:
            yield Finding(connection)

    @contextlib.contextmanager
    def checking(self) -> Iterator[Checking]:
        """One read transaction with the questions of a verification."""
        with self._transaction() as connection:
            yield Checking(connection)

    @contextlib.contextmanager
    def writing(self) -> Iterator[Writing]:
        """One write transaction: all or nothing, on disk when the block ends."""
        with self.translated("write"), self._writer.begin() as connection:
            yield Writing(connection)
            if connection.in_transaction():  # not taken back
                naming.refresh(connection)

    def exclusive(
        self, *, wait_s: float = 0.0, should_stop: Callable[[], bool] = lambda: False
    ) -> contextlib.AbstractContextManager[None]:
        """Be the one writer process.

        Parameters
        ----------
        wait_s : float
            How long to wait for another writer; `should_stop` ends the wait.

        Raises
        ------
        LibraryBusyError
            If another process is; the message names it and since when.
        LibraryError
            If the library is on a network drive, or its folder cannot be written.
        """
        self._check_is_local()
        busy = f"{self.path} is being written by {{holder}}; wait until it is done, or stop it"
        paths = self._beside(".lock"), self._beside(".writer")
        return held(*paths, busy=busy, wait_s=wait_s, should_stop=should_stop)

    def watched(self) -> contextlib.AbstractContextManager[None]:
        """Be the one watcher process; others still may write between its batches.

        Raises
        ------
        LibraryBusyError
            If another process is; the message names it and since when.
        """
        busy = f"{self.path} is watched by {{holder}} already; stop that first"
        return held(self._beside(".watch-lock"), self.health, busy=busy)

    @property
    def health(self) -> Path:
        """Where a watcher says how it is."""
        return self._beside(".watcher")

    def close(self) -> None:
        """Close all connections."""
        self._reader.dispose()
        self._writer.dispose()

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[Connection]:
        with self.translated("read"), self._reader.connect() as connection, connection.begin():
            try:
                yield connection
            finally:
                check_is_current(connection.connection.dbapi_connection, self.path)

    def _upgrade(self) -> None:
        with self.translated("upgrade"), self.exclusive(wait_s=UPGRADE_WAIT_S):
            if migrate.check(self.path):  # nobody did it while we waited
                kept = migrate.upgrade(self._writer, self.path)
                with self.writing():
                    pass  # what a migration lists as out of date is written anew
                if kept:
                    logger.warning("upgraded the library %s; the old one is kept as %s", self.path, kept)

    def _check_is_local(self) -> None:
        kind = network_type(os.fsencode(self.path))
        if kind:
            raise LibraryError(
                f"{self.path} is on a network drive ({kind}), where SQLite's write-ahead log loses writes; keep the "
                "library on a local disk: --library FILE or CLAPSEARCH_LIBRARY (the sounds may stay where they are)"
            )

    def _beside(self, suffix: str) -> Path:
        return self.path.with_name(self.path.name + suffix)

    @contextlib.contextmanager
    def translated(self, verb: str) -> Iterator[None]:
        """Turn errors of the database into one line."""
        try:
            yield
        except (DBAPIError, sqlite3.Error) as error:
            reason = error.orig if isinstance(error, DBAPIError) else error
            remedy = (
                "it is damaged: see what is wrong with clapsearch verify, or restore a backup"
                if is_damage(reason)
                else "finished work is kept: check free disk space and permissions there, or choose another place with "
                "--library"
            )
            raise LibraryError(f"cannot {verb} the library {self.path} ({reason}); {remedy}") from error


def _engine(path: Path, *, writes: bool) -> Engine:
    reads = {} if writes else {"creator": lambda: connect(path)}
    engine = create_engine(URL.create("sqlite", database=str(path)), **reads)

    @event.listens_for(engine, "connect")
    def on_connect(connection: sqlite3.Connection, _record: Any) -> None:
        connection.isolation_level = None  # transactions are ours: see on_begin
        pragmas = [f"busy_timeout = {BUSY_TIMEOUT_MS}", "foreign_keys = ON"]
        if writes:
            pragmas += [f"page_size = {PAGE_SIZE}", "journal_mode = WAL", "synchronous = FULL"]
        else:
            pragmas += ["query_only = ON"]
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "checkout")
    def on_checkout(connection: sqlite3.Connection, _record: Any, _proxy: Any) -> None:
        if isinstance(connection, FrozenConnection) and not connection.is_current():
            raise DisconnectionError  # SQLAlchemy opens another

    @event.listens_for(engine, "begin")
    def on_begin(connection: Connection) -> None:
        # A deferred transaction that reads and then writes fails with "database is locked" whatever the timeout.
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine
