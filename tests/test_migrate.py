"""Schema states: absent, current, older, newer, foreign, damaged."""

import gzip
import re
import shutil
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from peek import rows
from test_store import add_sound, start

from clapsearch import __version__, migrate
from clapsearch.errors import SchemaError
from clapsearch.schema import SCHEMA_REVISION, metadata
from clapsearch.search import search
from clapsearch.store import Library

DATA = Path(__file__).parent / "data"
OLD = sorted(file.name.removeprefix("library-").removesuffix(".sqlite3.gz") for file in DATA.glob("library-*"))


@pytest.fixture
def later(tmp_path: Path) -> Path:
    """The shipped migrations and one more, as the next version would have them."""
    folder = tmp_path / "migrations"
    shutil.copytree(migrate.migrations_folder(), folder)
    (folder / "versions" / "0005_later.py").write_text(
        '"""Later."""\nfrom alembic import op\nrevision = "0005"\ndown_revision = "0004"\n'
        'def upgrade():\n    op.execute("ALTER TABLE sound ADD COLUMN later TEXT")\n'
        "    op.execute(\"UPDATE library SET requires = '9.8.7'\")\n"
    )
    return folder


def test_migrations_make_exactly_the_tables_of_the_schema(library: Library) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    def is_ours(item: object, name: str, kind: str, *_: object) -> bool:
        return kind != "table" or not name.startswith("words")  # what SQLite makes of the full-text table

    with library._writer.connect() as connection:
        context = MigrationContext.configure(connection, opts={"include_object": is_ours})
        assert compare_metadata(context, metadata) == []


def test_the_newest_migration_is_the_schema_revision() -> None:
    versions = sorted(file.name for file in (migrate.migrations_folder() / "versions").glob("0*.py"))
    assert versions[-1].startswith(SCHEMA_REVISION)


def test_a_new_library_needs_nothing(library: Library) -> None:
    assert migrate.revision_of(library.path) == SCHEMA_REVISION
    assert migrate.check(library.path) is False


def test_the_first_schema_requires_no_version_newer_than_this(library: Library) -> None:
    required = migrate._required_version(library.path)
    assert [int(part) for part in required.split(".")] <= [int(part) for part in __version__.split(".")]


def test_an_older_library_is_backed_up_and_upgraded_and_keeps_everything(library: Library, later: Path) -> None:
    with library.writing() as writing:
        add_sound(writing, *start(writing), b"a.wav", seed=1)
    assert migrate.check(library.path, current="0005", folder=later) is True
    kept = migrate.upgrade(library._writer, library.path, folder=later)
    assert kept is not None
    assert migrate.revision_of(kept) == SCHEMA_REVISION
    assert migrate.revision_of(library.path) == "0005"
    with closing(sqlite3.connect(library.path)) as upgraded, closing(sqlite3.connect(kept)) as old:
        assert upgraded.execute("SELECT later FROM sound").fetchall() == [(None,)]
        assert (
            upgraded.execute("SELECT data FROM embedding").fetchall()
            == old.execute("SELECT data FROM embedding").fetchall()
        )


# Libraries as earlier versions wrote them. A new migration needs one more, of the schema before it.


def test_there_is_a_library_of_every_earlier_schema() -> None:
    revisions = sorted(file.name.split("_")[0] for file in (migrate.migrations_folder() / "versions").glob("0*.py"))
    assert revisions[:-1] == OLD


@pytest.fixture(params=OLD)
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "old.sqlite3"
    path.write_bytes(gzip.decompress((DATA / f"library-{request.param}.sqlite3.gz").read_bytes()))
    assert migrate.revision_of(path) == request.param
    return path


def contents(path: Path, like: Path) -> dict[str, list[object]]:
    """Return the rows of a library by table, in the tables and columns of another."""
    kept = [name for (name,) in rows(like, "SELECT name FROM sqlite_master WHERE type = 'table'")]
    columns = {name: [column for _, column, *_ in rows(like, f"PRAGMA table_info({name})")] for name in kept}
    return {name: rows(path, f"SELECT {', '.join(columns[name])} FROM {name} ORDER BY 1") for name in kept}


def test_a_library_of_an_earlier_version_is_upgraded_and_keeps_everything(old: Path) -> None:
    before = contents(old, old)
    Library.open(old).close()
    assert migrate.revision_of(old) == SCHEMA_REVISION
    (backup,) = old.parent.glob("old.sqlite3.backup-*")
    assert contents(backup, backup) == before
    after = contents(old, backup)
    written = {"alembic_version", "library"}  # which schema this is, and the version that it needs
    assert {name: after[name] for name in after.keys() - written} == {
        name: before[name] for name in before.keys() - written
    }
    assert [row[2:] for row in after["library"]] == [row[2:] for row in before["library"]]
    assert rows(old, "PRAGMA integrity_check") == [("ok",)]
    assert rows(old, "PRAGMA foreign_key_check") == []


def test_a_library_of_an_earlier_version_is_searched_as_before(old: Path) -> None:
    library = Library.open(old)
    with library.reading() as reading:
        stored = list(reading.embeddings())
        expected = {each.id: sorted(row.path for row in reading.sounds([each.id])) for each in stored}
        missing, failures = reading.missing(), reading.failures()
    for each in stored:
        query = np.asarray(each.vectors[0], np.float32)
        hits = search(library, query, include_offline=True)
        best = [bytes(hit.path) for hit in hits if hit.score > 0.999]
        assert best == expected[each.id]
    assert sum(map(bool, expected.values())) >= 3
    assert missing
    assert failures
    assert {bytes(hit.path) for hit in hits}.isdisjoint(each.path for each in (*missing, *failures))
    library.close()


def test_an_upgraded_library_has_the_tables_of_a_new_one(old: Path, library: Library) -> None:
    Library.open(old).close()
    for name in metadata.tables:
        columns = [sorted(row[1:] for row in rows(path, f"PRAGMA table_info({name})")) for path in (old, library.path)]
        assert columns[0] == columns[1]


def test_a_failed_upgrade_leaves_the_old_schema_whole(library: Library, later: Path) -> None:
    broken = later / "versions" / "0005_later.py"
    broken.write_text(broken.read_text() + '    raise RuntimeError("power cut")\n')
    with pytest.raises(RuntimeError, match="power cut"):
        migrate.upgrade(library._writer, library.path, folder=later)
    assert migrate.revision_of(library.path) == SCHEMA_REVISION
    with closing(sqlite3.connect(library.path)) as plain:
        assert "later" not in [row[1] for row in plain.execute("PRAGMA table_info(sound)")]


def test_a_newer_library_is_refused_with_the_version_it_needs(library: Library, later: Path) -> None:
    migrate.upgrade(library._writer, library.path, folder=later)
    with pytest.raises(SchemaError, match=re.escape("install clapsearch 9.8.7 or later")):
        Library.open(library.path)
    assert migrate.revision_of(library.path) == "0005"


@pytest.mark.parametrize("content", [b"not a database at all, just text\n" * 20, b"SQLite format 3\0" + b"\xff" * 4000])
def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(content)
    with pytest.raises(SchemaError, match="is no clapsearch library"):
        Library.open(path, create=True)
    assert path.read_bytes() == content


def test_a_database_of_another_program_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.sqlite3"
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE alembic_version (version_num TEXT)")
    with pytest.raises(SchemaError, match="another program"):
        Library.open(path, create=True)


def test_an_empty_file_becomes_a_library(tmp_path: Path) -> None:
    path = tmp_path / "new.sqlite3"
    path.touch()
    Library.open(path, create=True).close()
    assert migrate.revision_of(path) == SCHEMA_REVISION


def test_two_processes_may_make_the_same_library_at_once(tmp_path: Path) -> None:
    path, failures = tmp_path / "library.sqlite3", []

    def make() -> None:
        try:
            Library.open(path, create=True).close()
        except Exception as error:  # noqa: BLE001
            failures.append(error)

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert migrate.revision_of(path) == SCHEMA_REVISION
