"""Schema state of a library file: create it, upgrade it with a backup, or say why it cannot be used."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from sqlalchemy import Engine

from clapsearch.connection import FrozenConnection, check_is_current, connect, is_closed, is_damage, log_of, problems
from clapsearch.errors import LibraryError, SchemaError
from clapsearch.schema import APPLICATION_ID, SCHEMA_REVISION

_HERE = Path(__file__).parent


def migrations_folder() -> Path:
    """Return where the migrations are: beside this file in a wheel, beside the package in a source tree."""
    shipped = _HERE / "migrations"
    return shipped if shipped.is_dir() else _HERE.parent / "migrations"


def revision_of(path: Path) -> str | None:
    """Return the schema revision of a file, or None if it is absent or empty. alembic is not needed for this.

    Raises
    ------
    SchemaError
        If the file is no library.
    LibraryError
        If it cannot be read where it is.
    """
    if not path.exists() or path.stat().st_size == 0:
        return None
    try:
        with closing(connect(path)) as connection:
            (application,) = connection.execute("PRAGMA application_id").fetchone()
            (n_tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            if n_tables == 0:
                return None
            if application == APPLICATION_ID:
                return str(connection.execute("SELECT version_num FROM alembic_version").fetchone()[0])
    except (sqlite3.Error, TypeError) as error:
        raise _refusal(path, error) from error
    raise SchemaError(f"{path} is a database of another program; choose another file with --library")


def check(path: Path, *, current: str = SCHEMA_REVISION, folder: Path | None = None) -> bool:
    """Return whether the library must be created or upgraded before use.

    Raises
    ------
    SchemaError
        If the file is no library, or its schema is newer than this clapsearch; the message names the version it needs.
    """
    found = revision_of(path)
    if found == current:
        return False
    if found is not None and found not in _known_revisions(folder or migrations_folder()):
        raise SchemaError(
            f"{path} was written by a newer clapsearch (schema {found}, this one knows {current}); "
            f"install clapsearch {_required_version(path)} or later"
        )
    return True


def upgrade(engine: Engine, path: Path, *, folder: Path | None = None) -> Path | None:
    """Create or upgrade the schema in one transaction; returns the backup made of an older library."""
    from alembic import command
    from alembic.config import Config

    found = revision_of(path)
    backup_path = path.with_name(f"{path.name}.backup-{found}") if found else None
    if backup_path:
        backup(path, backup_path)
    config = Config()
    config.set_main_option("script_location", str(folder or migrations_folder()).replace("%", "%%"))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        connection.exec_driver_sql(f"PRAGMA application_id = {APPLICATION_ID}")
    return backup_path


def backup(path: Path, target: Path) -> None:
    """Copy a library while others may use it, through SQLite's backup interface; the copy is on disk afterwards."""
    with closing(connect(path)) as source, closing(sqlite3.connect(target)) as copy:
        source.backup(copy)
        check_is_current(source, path)
    with target.open("rb+") as written:
        os.fsync(written.fileno())


def checked_backup(path: Path, target: Path) -> None:
    """Copy a library as `backup` does, and look whether the copy is whole.

    Raises
    ------
    LibraryError
        If it is damaged, because the library is.
    """
    try:
        backup(path, target)
        with closing(FrozenConnection(target)) as copy:
            found = problems(text for (text,) in copy.execute("PRAGMA quick_check(1)"))
    except sqlite3.DatabaseError as error:
        if not is_damage(error):
            raise
        found = [str(error)]
    if found:
        raise LibraryError(
            f"no backup made: the library {path} is damaged ({found[0]}); see what is wrong with: clapsearch verify, "
            "and restore an earlier backup"
        )


def _refusal(path: Path, error: Exception) -> LibraryError:
    """Say why a file cannot be opened as a library, and what to do."""
    log = log_of(path)
    if not is_closed(error):
        return SchemaError(
            f"{path} is no clapsearch library, or a damaged one ({error}); "
            "choose another file with --library, or restore a backup"
        )
    remedy = (
        f"its folder cannot be written, and {log.name} may hold its last changes: copy both to a folder of yours, and "
        "name the copy with --library or CLAPSEARCH_LIBRARY"
        if log.exists()
        else "check its permissions, or choose another file with --library"
    )
    return LibraryError(f"cannot read the library {path} ({error}); {remedy}")


def _known_revisions(folder: Path) -> set[str]:
    return {file.name.split("_")[0] for file in (folder / "versions").glob("[0-9]*_*.py")}


def _required_version(path: Path) -> str:
    """Ask the newer library itself; its migrations keep this one cell where it is."""
    try:
        with closing(connect(path)) as connection:
            return str(connection.execute("SELECT requires FROM library").fetchone()[0])
    except (sqlite3.Error, TypeError):
        return "of the newest version"
