"""Connections: a library opened to be read, also where nothing can be written, and what SQLite's errors mean."""

import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from clapsearch.errors import LibraryError

_WAIT_S = 30.0  # for a writer that is just opening or closing the file
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_CLOSED = {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM}


class FrozenConnection(sqlite3.Connection):
    """A connection that takes no locks and makes no files, for a library in a folder that cannot be written.

    SQLite then trusts that nobody else writes it; `is_current` tells if somebody did.
    """

    def __init__(self, path: Path, **options: Any) -> None:
        self._path = path
        self._before = self._state()
        super().__init__(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True, **options)

    def is_current(self) -> bool:
        """Whether the file is as it was when this was opened, so that all that was read is of one moment."""
        return self._state() == self._before

    def _state(self) -> tuple[int, int, bool] | None:
        try:
            status = self._path.stat()
            return status.st_size, status.st_mtime_ns, log_of(self._path).exists()
        except OSError:  # SQLite tells of it
            return None


def connect(path: Path) -> sqlite3.Connection:
    """Open a library to read it, for any thread; a `FrozenConnection` where SQLite cannot make its log beside it.

    A log that is there already may hold the last changes: without permission to read it as SQLite does, the library
    cannot be read.

    Raises
    ------
    sqlite3.Error
        If it cannot be read.
    """
    connection = sqlite3.connect(path, timeout=_WAIT_S, check_same_thread=False)
    try:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.Error as error:
        connection.close()
        if not is_closed(error) or log_of(path).exists():
            raise
        return FrozenConnection(path, check_same_thread=False)
    return connection


def check_is_current(connection: object, path: Path) -> None:
    """Refuse what was read without locks while another wrote.

    Raises
    ------
    LibraryError
        If the library was written meanwhile.
    """
    if isinstance(connection, FrozenConnection) and not connection.is_current():
        raise LibraryError(f"the library {path} was written while it was read; do it again")


def is_damage(error: BaseException | None) -> bool:
    """Whether SQLite says that a file is damaged."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGED


def problems(rows: Iterable[str]) -> list[str]:
    """Return what one of SQLite's checks says to be wrong, a line each."""
    lines = [line.strip() for text in rows for line in text.splitlines()]
    return [line for line in lines if line != "ok" and not line.startswith("***")]


def is_closed(error: BaseException | None) -> bool:
    """Whether SQLite says that it may not read or write where a file is."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _CLOSED


def log_of(path: Path) -> Path:
    """Return where the write-ahead log of a database is."""
    return path.with_name(path.name + "-wal")
