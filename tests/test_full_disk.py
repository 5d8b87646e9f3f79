"""A disk that is full at every kind of write: one line says so, nothing is lost, and with room again all goes on."""

import contextlib
import gzip
import os
from collections.abc import Callable
from pathlib import Path

import peek
import pytest
from peek import found
from stories import DATA
from world import ALL, ONE_WORKER

from clapsearch import migrate, snapshot
from clapsearch.errors import LibraryError
from clapsearch.search import search
from clapsearch.store import Library
from indexer.pipeline import Options, index

ROOM = [0, 20_000, 60_000, 150_000, 400_000, 700_000, 1_000_000]  # bytes; a new library takes about 400,000


@pytest.fixture
def fill(small_disk) -> Callable[[int], Callable[[], None]]:
    """Fill the disk up to some bytes; what it returns empties it again."""

    def fill_up(n_free: int) -> Callable[[], None]:
        status = os.statvfs(small_disk)
        n_left = status.f_bavail * status.f_frsize - n_free
        (small_disk / "ballast").write_bytes(bytes(max(0, n_left)))
        return (small_disk / "ballast").unlink

    return fill_up


@pytest.mark.parametrize("n_free", ROOM)
def test_a_first_index(world, fused, small_disk, fill, n_free):
    path = small_disk / "library.sqlite3"
    make_room = fill(n_free)
    with contextlib.suppress(LibraryError):
        library = Library.open(path, create=True)
        index(library, fused, [world.folder], ONE_WORKER)
        library.close()
    make_room()
    library = Library.open(path, create=True)
    index(library, fused, [world.folder], ONE_WORKER)
    assert found(library, fused) == ALL
    assert peek.vectors(library) == peek.vectors(world.library)
    assert peek.rows(path, "PRAGMA integrity_check") == [("ok",)]
    library.close()


@pytest.fixture
def library_there(world, fused, small_disk):
    """A library on the small disk that knows the world."""
    library = Library.open(small_disk / "library.sqlite3", create=True)
    index(library, fused, [world.folder], ONE_WORKER)
    yield library
    library.close()


@pytest.mark.parametrize("n_free", ROOM[:5])
def test_a_change_of_checkpoint(world, fused, unfused, library_there, fill, n_free):
    before, make_room = peek.vectors(library_there), fill(n_free)
    with contextlib.suppress(LibraryError):
        index(library_there, unfused, [], Options(n_workers=1, full=True))
        before = peek.vectors(library_there)
    assert peek.vectors(library_there) == before
    make_room()
    index(library_there, unfused, [], Options(n_workers=1, full=True))
    assert found(library_there, unfused) == ALL


@pytest.mark.parametrize("n_free", [0, 4_000, 30_000])
def test_a_snapshot_that_cannot_be_written_is_only_slower(fused, library_there, fill, n_free, monkeypatch, caplog):
    monkeypatch.setattr(snapshot, "MIN_NEW_VECTORS", -1)
    monkeypatch.setattr(snapshot, "NEW_SHARE", -1)
    answer = search(library_there, fused.embed_text(["rain"])[0])
    make_room = fill(n_free)
    with contextlib.suppress(LibraryError):
        snapshot.refresh(library_there)
    assert search(library_there, fused.embed_text(["rain"])[0]) == answer
    make_room()
    assert snapshot.refresh(library_there)
    assert search(library_there, fused.embed_text(["rain"])[0]) == answer
    assert len(list(library_there.snapshots.iterdir())) == 1


@pytest.mark.parametrize("n_free", ROOM[:4])
def test_an_upgrade(small_disk, fill, n_free):
    path = small_disk / "library.sqlite3"
    path.write_bytes(gzip.decompress((DATA / "library-0001.sqlite3.gz").read_bytes()))
    sounds, make_room = peek.present(path), fill(n_free)
    with pytest.raises(LibraryError, match=r"(disk|space|full)") as error:
        Library.open(path)
    assert "\n" not in str(error.value)
    assert peek.present(path) == sounds
    make_room()
    library = Library.open(path)
    library.close()
    assert not migrate.check(path)
    assert peek.present(path) == sounds


def test_a_commit_that_does_not_fit_is_one_line_with_the_way_out(world, fused, library_there, fill):
    for seed in range(5):
        Path(world.folder / f"new{seed}.wav").write_bytes(world.a.read_bytes() + bytes([seed]))
    make_room = fill(0)
    with pytest.raises(LibraryError, match=r"full.*finished work is kept: check free disk space"):
        index(library_there, fused, [], ONE_WORKER)
    assert found(library_there, fused) == ALL
    make_room()
    assert index(library_there, fused, [], ONE_WORKER).indexed == 5
