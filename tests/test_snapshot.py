"""Snapshots: published whole, under new names, only when they are due."""

from pathlib import Path

import pytest
from test_search import fill, search, shown
from test_store import unit_rows

from clapsearch import snapshot
from clapsearch.store import Library


@pytest.fixture(autouse=True)
def small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot, "MIN_NEW_VECTORS", 10)


def names(library: Library) -> list[str]:
    return sorted(path.name for path in library.snapshots.iterdir())


def test_an_empty_library_gets_none(library: Library) -> None:
    assert snapshot.refresh(library) is False
    assert not library.snapshots.exists()


def test_a_few_new_vectors_wait_and_many_do_not(library: Library) -> None:
    with library.writing() as writing:
        fill(writing, 50)
    assert snapshot.refresh(library) is True
    first = names(library)
    with library.writing() as writing:
        fill(writing, 5, first=50)
    assert snapshot.refresh(library) is False
    with library.writing() as writing:
        fill(writing, 20, first=55)
    assert snapshot.refresh(library) is True
    assert len(names(library)) == 1
    assert names(library) != first  # never a name twice: who has the old file open keeps it whole


def test_dead_embeddings_count_and_are_forgotten_once_published(library: Library) -> None:
    with library.writing() as writing:
        fill(writing, 30)
    snapshot.refresh(library)
    with library.writing() as writing:
        for seed in range(20):
            content_id = writing.add_content(seed.to_bytes(16, "big"))
            writing.add_embedding(content_id, 1, unit_rows(1, seed=1000 + seed), replaces=[1])
        assert writing.n_dead() == 20
    assert snapshot.refresh(library) is True
    with library.reading() as reading:
        assert reading.n_dead() == 0


def test_a_lost_snapshot_is_made_again(library: Library) -> None:
    with library.writing() as writing:
        fill(writing, 30)
    snapshot.refresh(library)
    (path,) = library.snapshots.iterdir()
    path.unlink()
    assert snapshot.refresh(library) is True


def test_drafts_of_killed_writers_are_swept(library: Library) -> None:
    library.snapshots.mkdir()
    (library.snapshots / "dead.faiss.draft").write_bytes(b"half")
    with library.writing() as writing:
        fill(writing, 30)
    snapshot.refresh(library)
    assert len(names(library)) == 1


def test_a_snapshot_that_cannot_be_written_is_a_warning_and_search_goes_on(
    library: Library, caplog: pytest.LogCaptureFixture
) -> None:
    Path(library.snapshots).write_bytes(b"a file where the folder should be")
    with library.writing() as writing:
        fill(writing, 30)
    query = unit_rows(1, seed=5)[0]
    before = shown(search(library, query))
    assert snapshot.refresh(library) is False
    assert "no snapshot written" in caplog.text
    assert shown(search(library, query)) == before
    assert len(before) == 10
