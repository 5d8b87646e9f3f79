"""The library: transactions, one writer, and what its tables promise."""

import dataclasses
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import pytest
from peek import permissions_count, rows

from clapsearch import migrate
from clapsearch.audio import AudioInfo
from clapsearch.embedder import Checkpoint
from clapsearch.errors import LibraryBusyError, LibraryError, LibraryMissingError
from clapsearch.store import Known, Library, Place, Writing

CHECKPOINT = Checkpoint("test", None, "abc", "v1", "soxr-hq", "torch-cpu", "float32", 4, 10.0)
INFO = AudioInfo(n_samples=48_000, sr=48_000, channels=1, format="WAV/PCM_16")


def unit_rows(n: int, *, seed: int = 0) -> np.ndarray:
    rows = np.random.default_rng(seed).standard_normal((n, 4)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def start(writing: Writing, folder: bytes = b"/sounds") -> tuple[int, int]:
    """Activate the test checkpoint and add a root; returns their ids."""
    checkpoint_id = writing.add_checkpoint(CHECKPOINT)
    writing.activate(checkpoint_id)
    return checkpoint_id, writing.add_root(folder, None).id


def add_sound(writing: Writing, checkpoint_id: int, root_id: int, name: bytes, *, seed: int, n: int = 1) -> int:
    content_id = writing.add_content(seed.to_bytes(16, "big"), INFO)
    writing.add_embedding(content_id, checkpoint_id, unit_rows(n, seed=seed), replaces=[checkpoint_id])
    writing.place_sound(Place(root_id, name, 10, 1), content_id)
    return content_id


def test_an_embedding_comes_back_as_the_float16_it_was_stored_as(library: Library) -> None:
    with library.writing() as writing:
        add_sound(writing, *start(writing), b"a.wav", seed=1, n=3)
    with library.reading() as reading:
        (stored,) = reading.embeddings()
    assert stored.vectors.dtype == np.dtype("<f2")
    np.testing.assert_array_equal(stored.vectors, unit_rows(3, seed=1).astype(np.float16))


def test_a_transaction_is_all_or_nothing(library: Library) -> None:
    with pytest.raises(RuntimeError, match="half way"), library.writing() as writing:
        add_sound(writing, *start(writing), b"a.wav", seed=1)
        raise RuntimeError("half way")
    with library.reading() as reading:
        assert (reading.checkpoint(), reading.roots(), list(reading.embeddings())) == (None, [], [])


def test_a_reader_sees_one_state_while_a_writer_commits(library: Library) -> None:
    with library.writing() as writing:
        ids = start(writing)
        add_sound(writing, *ids, b"a.wav", seed=1)
    with library.reading() as reading:
        before = reading.counts()
        with library.writing() as writing:
            add_sound(writing, *ids, b"b.wav", seed=2)
        assert reading.counts() == before
    with library.reading() as reading:
        assert reading.counts().sounds == 2


def test_readers_cannot_write(library: Library) -> None:
    with pytest.raises(LibraryError, match="readonly"), library.reading() as reading:
        reading._connection.exec_driver_sql("DELETE FROM sound")


def test_writers_in_threads_never_meet_a_locked_database(library: Library) -> None:
    with library.writing() as writing:
        ids = start(writing)
    failures: list[Exception] = []

    def work(first: int) -> None:
        try:
            for seed in range(first, first + 25):
                with library.writing() as writing:
                    writing.counts()  # reads before it writes: a deferred transaction would fail here
                    add_sound(writing, *ids, b"%d.wav" % seed, seed=seed)
        except Exception as error:  # noqa: BLE001
            failures.append(error)

    threads = [threading.Thread(target=work, args=(100 * i,)) for i in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with library.reading() as reading:
        assert reading.counts().sounds == 100


def test_names_that_are_not_text_are_kept(library: Library) -> None:
    name = b"caf\xe9 \xff\n.wav"
    with library.writing() as writing:
        add_sound(writing, *start(writing, b"/so\xffunds"), name, seed=1)
    with library.reading() as reading:
        (row,) = reading.sounds([1])
    assert row.path == b"/so\xffunds/" + name


def test_a_missing_sound_of_the_same_content_moves_instead_of_being_copied(library: Library) -> None:
    with library.writing() as writing:
        checkpoint_id, root_id = start(writing)
        content_id = add_sound(writing, checkpoint_id, root_id, b"old.wav", seed=1)
        writing.mark_missing([1], missing_since=5.0)
        assert writing.place_sound(Place(root_id, b"new.wav", 10, 1), content_id) is not None
        assert [row.path for row in writing.sounds([1])] == [b"/sounds/new.wav"]
        assert writing.place_sound(Place(root_id, b"copy.wav", 10, 1), content_id) is None
        assert writing.counts().sounds == 2


def test_a_transient_failure_leaves_what_was_known(library: Library) -> None:
    with library.writing() as writing:
        checkpoint_id, root_id = start(writing)
        add_sound(writing, checkpoint_id, root_id, b"a.wav", seed=1)
        writing.fail_sound(Place(root_id, b"a.wav", 99, 99), None, "no permission", transient=True)
        known = Known(*writing.known(root_id, [checkpoint_id])[b"a.wav"])
        assert (known.size, known.settled, known.failed) == (10, False, True)
        assert len(writing.sounds([1])) == 1


def test_a_verdict_binds_the_failure_to_the_bytes(library: Library) -> None:
    with library.writing() as writing:
        checkpoint_id, root_id = start(writing)
        writing.fail_sound(Place(root_id, b"a.wav", 99, 98), b"h" * 16, "no sound", transient=False)
        known = Known(*writing.known(root_id, [checkpoint_id])[b"a.wav"])
        assert (known.size, known.mtime_ns, known.settled, known.failed) == (99, 98, True, True)
        assert [(bad.path, bad.reason) for bad in writing.failures()] == [(b"/sounds/a.wav", "no sound")]


def test_ids_of_deleted_embeddings_are_remembered_and_never_used_again(library: Library) -> None:
    with library.writing() as writing:
        checkpoint_id, root_id = start(writing)
        content_id = add_sound(writing, checkpoint_id, root_id, b"a.wav", seed=1)
        writing.add_embedding(content_id, checkpoint_id, unit_rows(1, seed=2), replaces=[checkpoint_id])
        assert [stored.id for stored in writing.embeddings()] == [2]
        assert writing.n_dead() == 1


def test_a_damaged_embedding_is_left_out_with_a_warning(library: Library, caplog: pytest.LogCaptureFixture) -> None:
    with library.writing() as writing:
        add_sound(writing, *start(writing), b"a.wav", seed=1)
        writing._connection.exec_driver_sql("UPDATE embedding SET data = zeroblob(length(data))")
    with library.reading() as reading:
        assert list(reading.embeddings()) == []
    assert "embedding 1 is damaged" in caplog.text
    assert "--repair" in caplog.text


def test_backends_of_one_space_answer_together(library: Library) -> None:
    with library.writing() as writing:
        checkpoint_id, root_id = start(writing)
        add_sound(writing, checkpoint_id, root_id, b"a.wav", seed=1)
        on_gpu = writing.add_checkpoint(dataclasses.replace(CHECKPOINT, backend="torch-cuda", precision="float16"))
        elsewhere = writing.add_checkpoint(dataclasses.replace(CHECKPOINT, weights_hash="other"))
        add_sound(writing, on_gpu, root_id, b"b.wav", seed=2)
        add_sound(writing, elsewhere, root_id, b"c.wav", seed=3)
        assert [stored.id for stored in writing.embeddings()] == [1, 2]
        assert writing.space() == [checkpoint_id, on_gpu]


def test_the_same_checkpoint_is_one_row(library: Library) -> None:
    with library.writing() as writing:
        assert writing.add_checkpoint(CHECKPOINT) == writing.add_checkpoint(CHECKPOINT)


def test_a_missing_library_is_not_made_by_asking(tmp_path: Path) -> None:
    with pytest.raises(LibraryMissingError, match="clapsearch index FOLDER"):
        Library.open(tmp_path / "none.sqlite3")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_no_library(tmp_path: Path) -> None:
    with pytest.raises(LibraryError, match="is a folder"):
        Library.open(tmp_path, create=True)


# Folders that cannot be written


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Take away the permission to write a folder."""
    folder.chmod(0o555)
    try:
        yield
    finally:
        folder.chmod(0o755)


@pytest.fixture
def shut(library: Library, tmp_path: Path) -> Iterator[Path]:
    """A backup in a folder that cannot be written, under a name that a URI has to quote."""
    with library.writing() as writing:
        add_sound(writing, *start(writing), b"a.wav", seed=1)
    folder = tmp_path / "shut"
    folder.mkdir()
    path = folder / "a % ? #.sqlite3"
    migrate.backup(library.path, path)
    with locked(folder):
        yield path


def ids(library: Library) -> list[int]:
    with library.reading() as reading:
        return [stored.id for stored in reading.embeddings()]


def test_a_library_in_a_folder_that_cannot_be_written_is_read(shut: Path) -> None:
    with permissions_count(), closing(Library.open(shut)) as library:
        assert ids(library) == ids(library) == [1]
    assert list(shut.parent.iterdir()) == [shut]


def test_a_library_in_a_folder_that_cannot_be_written_is_not_written(shut: Path) -> None:
    with (
        permissions_count(),
        closing(Library.open(shut, create=True)) as library,
        pytest.raises(LibraryError, match=r"cannot write beside .* \(Permission denied\)"),
        library.exclusive(),
    ):
        pytest.fail("a lock without a file")


def add_another(path: Path, name: bytes, *, seed: int) -> None:
    """Write to a library as somebody with the permission does."""
    path.parent.chmod(0o755)
    with closing(Library.open(path)) as other, other.writing() as writing:
        add_sound(writing, *start(writing), name, seed=seed)
    path.parent.chmod(0o555)


def test_what_others_write_to_a_folder_that_cannot_be_written_is_seen(shut: Path) -> None:
    with closing(Library(shut)) as library:
        with permissions_count():
            assert ids(library) == [1]
        add_another(shut, b"b.wav", seed=2)
        with permissions_count():
            assert ids(library) == [1, 2]


def test_what_is_read_while_others_write_without_locks_is_refused(shut: Path) -> None:
    with closing(Library(shut)) as library:
        with permissions_count():
            reading = library.reading()
            assert reading.__enter__().n_vectors() == 1
        add_another(shut, b"b.wav", seed=2)
        with pytest.raises(LibraryError, match="was written while it was read; do it again"):
            reading.__exit__(None, None, None)


def test_a_log_that_cannot_be_opened_is_not_passed_over(library: Library, tmp_path: Path) -> None:
    with library.writing() as writing:
        add_sound(writing, *start(writing), b"a.wav", seed=1)
    folder = tmp_path / "shut"
    folder.mkdir()
    for suffix in ("", "-wal"):
        shutil.copy(f"{library.path}{suffix}", folder)
    message = (
        r"cannot read the library .*folder cannot be written, and library.sqlite3-wal .* copy both .*CLAPSEARCH_LIB"
    )
    with locked(folder), permissions_count(), pytest.raises(LibraryError, match=message) as caught:
        Library.open(folder / library.path.name)
    assert "\n" not in str(caught.value)


def test_a_library_that_may_not_be_read_is_not_called_damaged(shut: Path) -> None:
    shut.chmod(0o000)
    with permissions_count(), pytest.raises(LibraryError, match=r"cannot read the library .*; check its permissions"):
        Library.open(shut)


def test_a_folder_that_is_gone_is_one_line(library: Library, tmp_path: Path) -> None:
    library.close()
    library.path.parent.rename(tmp_path / "aside")
    with pytest.raises(LibraryError, match="unable to open database file"):
        ids(library)


def tear(file: Path, table: str = "sound") -> None:
    """Let a page of a table be junk."""
    ((page,),) = rows(file, f"SELECT rootpage FROM sqlite_master WHERE name = '{table}'")
    ((page_size,),) = rows(file, "PRAGMA page_size")
    with file.open("rb+") as written:
        written.seek((page - 1) * page_size)
        written.write(b"\xa5" * page_size)


def test_a_damaged_library_is_to_be_verified_or_restored(library: Library) -> None:
    with library.writing() as writing:
        add_sound(writing, *start(writing), b"a.wav", seed=1)
    library.close()
    tear(library.path, "embedding")
    with pytest.raises(LibraryError, match=r"\(.*malformed\); .*clapsearch verify, or restore a backup") as caught:
        ids(library)
    assert "disk space" not in str(caught.value)


def test_a_second_writer_hears_who_writes_since_when(library: Library) -> None:
    other = Library(library.path)
    with (
        library.exclusive(),
        pytest.raises(LibraryBusyError, match=r"process \d+ since \d{4}-\d\d-\d\d"),
        other.exclusive(),
    ):
        pytest.fail("two writers at once")
    with other.exclusive():
        assert other.path == library.path
    other.close()


def test_the_lock_of_a_killed_writer_is_free(library: Library) -> None:
    script = (
        "import os, signal, sys; from pathlib import Path; from clapsearch.store import Library\n"
        "lock = Library(Path(sys.argv[1])).exclusive(); lock.__enter__(); os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", script, str(library.path)], check=False, timeout=60)
    with library.exclusive():
        assert library.path.exists()


def test_a_full_disk_is_one_line_and_keeps_what_was_there(library: Library) -> None:
    with library.writing() as writing:
        ids = start(writing)
        add_sound(writing, *ids, b"a.wav", seed=1)
    pages = library._writer.connect()
    pages.exec_driver_sql("PRAGMA max_page_count = 1")  # SQLite's way to play a full disk: no page more than now
    pages.close()
    with pytest.raises(LibraryError, match="full") as caught, library.writing() as writing:
        content_id = writing.add_content(b"x" * 16, INFO)
        writing.add_embedding(content_id, ids[0], unit_rows(9_000), replaces=[])
    assert "\n" not in str(caught.value)
    assert "--library" in str(caught.value)
    with library.reading() as reading:
        assert reading.counts().sounds == 1


def test_pragmas_are_what_the_design_says(library: Library) -> None:
    with library.writing() as writing:
        values = {
            name: writing._connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "page_size", "foreign_keys", "synchronous")
        }
    assert values == {"journal_mode": "wal", "page_size": 16_384, "foreign_keys": 1, "synchronous": 2}


def test_the_storage_format_can_be_read_without_us(library: Library) -> None:
    with library.writing() as writing:
        add_sound(writing, *start(writing), b"a.wav", seed=1, n=2)
    with closing(sqlite3.connect(library.path)) as plain:
        n, dim, data = plain.execute("SELECT n, dim, data FROM embedding").fetchone()
    vectors = np.frombuffer(data, "<f2").reshape(n, dim)
    np.testing.assert_allclose(vectors, unit_rows(2, seed=1), atol=1e-3)
