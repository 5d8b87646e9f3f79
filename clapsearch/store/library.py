"""Library: one SQLite file, its read and write transactions, and the lock that admits one writer."""

import contextlib
import json
import logging
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError

from clapsearch import migrate
from clapsearch.errors import LibraryBusyError, LibraryError, LibraryMissingError
from clapsearch.store.reading import Reading
from clapsearch.store.writing import Writing

logger = logging.getLogger(__name__)

BUSY_TIMEOUT_MS = 30_000
PAGE_SIZE = 16_384  # bytes; embeddings of a few kB then need few overflow pages
UPGRADE_WAIT_S = 60.0
_LOCK_POLL_S = 0.2


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
    def open(cls, path: Path, *, create: bool = False) -> "Library":
        """Open a library; an older schema is backed up and upgraded first.

        Raises
        ------
        LibraryMissingError
            If there is none and `create` is false.
        SchemaError
            If the file is no library or needs a newer clapsearch.
        LibraryError
            If the folder cannot be written or the disk is full.
        """
        try:
            if not path.exists() and not create:
                raise LibraryMissingError(f"no library at {path}; make one with: clapsearch index FOLDER")
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.is_dir():
                raise LibraryError(f"{path} is a folder, the library is one file; choose --library FILE")
            is_old = migrate.check(path)
        except OSError as error:
            raise LibraryError(f"cannot open the library {path} ({error.strerror}); choose --library FILE") from error
        library = cls(path)
        if is_old:
            library._upgrade()
        return library

    @contextlib.contextmanager
    def reading(self) -> Iterator[Reading]:
        """One read transaction: everything in it sees the same library; it never waits and never writes."""
        with self._translated("read"), self._reader.connect() as connection, connection.begin():
            yield Reading(connection)

    @contextlib.contextmanager
    def writing(self) -> Iterator[Writing]:
        """One write transaction: all or nothing, on disk when the block ends."""
        with self._translated("write"), self._writer.begin() as connection:
            yield Writing(connection)

    @contextlib.contextmanager
    def exclusive(self, *, wait_s: float = 0.0, should_stop: Callable[[], bool] = lambda: False) -> Iterator[None]:
        """Be the one writer process.

        Parameters
        ----------
        wait_s : float
            How long to wait for another writer; `should_stop` ends the wait.

        Raises
        ------
        LibraryBusyError
            If another process is; the message names it and since when.
        """
        from filelock import FileLock, Timeout

        lock = FileLock(self._beside(".lock"))
        until = time.monotonic() + wait_s
        try:
            while True:
                with contextlib.suppress(Timeout):
                    lock.acquire(timeout=min(_LOCK_POLL_S, wait_s))
                    break
                if should_stop() or time.monotonic() >= until:
                    raise LibraryBusyError(
                        f"{self.path} is being written by {self._holder()}; wait until it is done, or stop it"
                    )
        except OSError as error:
            raise LibraryError(f"cannot write beside {self.path} ({error.strerror}); choose --library") from error
        holder = self._beside(".writer")
        try:
            with contextlib.suppress(OSError):
                holder.write_text(json.dumps({"pid": os.getpid(), "since": time.time()}), encoding="utf-8")
            yield
        finally:
            with contextlib.suppress(OSError):
                holder.unlink(missing_ok=True)
            lock.release()

    def close(self) -> None:
        """Close all connections."""
        self._reader.dispose()
        self._writer.dispose()

    def _upgrade(self) -> None:
        with self._translated("upgrade"), self.exclusive(wait_s=UPGRADE_WAIT_S):
            if migrate.check(self.path):  # nobody did it while we waited
                kept = migrate.upgrade(self._writer, self.path)
                if kept:
                    logger.warning("upgraded the library %s; the old one is kept as %s", self.path, kept)

    def _beside(self, suffix: str) -> Path:
        return self.path.with_name(self.path.name + suffix)

    def _holder(self) -> str:
        try:
            said = json.loads(self._beside(".writer").read_text(encoding="utf-8"))
            since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(said["since"]))
            return f"process {said['pid']} since {since}"
        except (OSError, ValueError, KeyError, TypeError):
            return "another process"

    @contextlib.contextmanager
    def _translated(self, verb: str) -> Iterator[None]:
        """Turn database errors into one line; the only place that does."""
        try:
            yield
        except (DBAPIError, sqlite3.Error) as error:
            reason = error.orig if isinstance(error, DBAPIError) else error
            raise LibraryError(
                f"cannot {verb} the library {self.path} ({reason}); finished work is kept: check free disk space and "
                "permissions there, or choose another place with --library"
            ) from error


def _engine(path: Path, *, writes: bool) -> Engine:
    engine = create_engine(URL.create("sqlite", database=str(path)))

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

    @event.listens_for(engine, "begin")
    def on_begin(connection: Connection) -> None:
        # A deferred transaction that reads and then writes fails with "database is locked" whatever the timeout.
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine
