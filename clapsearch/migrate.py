"""Schema state of a library file: create it, upgrade it with a backup, or say why it cannot be used."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from sqlalchemy import Engine

from clapsearch.errors import SchemaError
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
    """
    if not path.exists() or path.stat().st_size == 0:
        return None
    try:
        with closing(sqlite3.connect(path)) as connection:
            (application,) = connection.execute("PRAGMA application_id").fetchone()
            (n_tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            if n_tables == 0:
                return None
            if application == APPLICATION_ID:
                return str(connection.execute("SELECT version_num FROM alembic_version").fetchone()[0])
    except (sqlite3.Error, TypeError) as error:
        raise SchemaError(
            f"{path} is no clapsearch library, or a damaged one ({error}); "
            "choose another file with --library, or restore a backup"
        ) from error
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
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(target)) as copy:
        source.backup(copy)
    with target.open("rb+") as written:
        os.fsync(written.fileno())


def _known_revisions(folder: Path) -> set[str]:
    return {file.name.split("_")[0] for file in (folder / "versions").glob("[0-9]*_*.py")}


def _required_version(path: Path) -> str:
    """Ask the newer library itself; its migrations keep this one cell where it is."""
    try:
        with closing(sqlite3.connect(path)) as connection:
            return str(connection.execute("SELECT requires FROM library").fetchone()[0])
    except (sqlite3.Error, TypeError):
        return "of the newest version"
