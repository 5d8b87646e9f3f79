"""The read path: exact, the same with and without snapshots, ties by path, one hit a sound."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_store import CHECKPOINT, INFO, start, unit_rows

from clapsearch import snapshot
from clapsearch.audio import AudioInfo
from clapsearch.search import Hit, sample
from clapsearch.search import search as search_what_is_there
from clapsearch.store import Library, Place, Writing


def search(library: Library, query: np.ndarray, **how: Any) -> list[Hit]:
    """Search, although the folder of these libraries is made up."""
    return search_what_is_there(library, query, include_offline=True, **how)


def fill(writing: Writing, n_sounds: int, *, first: int = 0, n_vectors: int = 1) -> None:
    """Add sounds ``00000.wav`` and so on, each with its own random vectors."""
    checkpoint_id, root_id = start(writing)
    info = AudioInfo(round(10 * 48_000 + (n_vectors - 2) * 5 * 48_000), 48_000, 1, "WAV") if n_vectors > 1 else INFO
    for seed in range(first, first + n_sounds):
        content_id = writing.add_content(seed.to_bytes(16, "big"), info)
        writing.add_embedding(content_id, checkpoint_id, unit_rows(n_vectors, seed=seed), replaces=[])
        writing.place_sound(Place(root_id, b"%05d.wav" % seed, 10, 1), content_id)


def brute_force(query: np.ndarray, n_sounds: int) -> list[tuple[str, float]]:
    rows = np.concatenate([unit_rows(1, seed=seed) for seed in range(n_sounds)]).astype(np.float16).astype(np.float64)
    scores = rows @ query
    return [(f"/sounds/{seed:05}.wav", scores[seed]) for seed in np.argsort(-scores, kind="stable")]


def shown(hits: list[Hit]) -> list[tuple[str, float]]:
    return [(str(hit.path), round(hit.score, 9)) for hit in hits]


@pytest.fixture
def query() -> np.ndarray:
    return unit_rows(1, seed=12345)[0]


@pytest.fixture
def half_published(library: Library) -> Iterator[Library]:
    """300 sounds in a snapshot and 100 newer ones in the database alone."""
    with library.writing() as writing:
        fill(writing, 300)
    assert snapshot.refresh(library) is True
    with library.writing() as writing:
        fill(writing, 100, first=300)
    return library


def test_search_is_exact(half_published: Library, query: np.ndarray) -> None:
    hits = search(half_published, query, top_k=20)
    expected = brute_force(query, 400)[:20]
    assert [str(hit.path) for hit in hits] == [path for path, _ in expected]
    np.testing.assert_allclose([hit.score for hit in hits], [score for _, score in expected], atol=1e-6)
    assert [hit.rank for hit in hits] == list(range(1, 21))


def test_deleting_all_snapshots_changes_nothing(half_published: Library, query: np.ndarray) -> None:
    before = search(half_published, query, top_k=400)
    shutil.rmtree(half_published.snapshots)
    assert shown(search(half_published, query, top_k=400)) == shown(before)


@pytest.mark.parametrize("damage", ["truncated", "junk", "empty", "swapped"])
def test_a_damaged_snapshot_changes_nothing(half_published: Library, query: np.ndarray, damage: str) -> None:
    before = search(half_published, query, top_k=50)
    (path,) = half_published.snapshots.glob("*.faiss")
    whole = path.read_bytes()
    other = {"truncated": whole[:-100], "junk": b"x" * len(whole), "empty": b"", "swapped": b"IxMp" + whole[4:-4]}
    path.unlink()  # a running search may have the old file mapped: never write into it
    path.write_bytes(other[damage])
    assert shown(search(half_published, query, top_k=50)) == shown(before)


def test_a_search_writes_nothing(half_published: Library, query: np.ndarray) -> None:
    def state() -> dict[str, tuple[int, int]]:
        files = [path for path in half_published.path.parent.rglob("*") if path.suffix not in {".sqlite3-shm"}]
        return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in files if path.is_file()}

    before = state()
    search(half_published, query)
    assert state() == before


def test_replaced_embeddings_leave_the_results_at_once(half_published: Library, query: np.ndarray) -> None:
    best = search(half_published, query, top_k=1)[0]
    seed = int(best.path.stem)
    with half_published.writing() as writing:
        content_id = writing.add_content(seed.to_bytes(16, "big"))
        writing.add_embedding(content_id, 1, -query[None], replaces=[1])
    hits = search(half_published, query, top_k=400)
    assert hits[-1].path == best.path
    assert hits[-1].score == pytest.approx(-1, abs=1e-3)
    assert len({hit.path for hit in hits}) == 400


@pytest.mark.parametrize("n", [1, 7, 40, 400, 1000])
def test_a_sample_is_evenly_from_the_snapshot_and_what_is_newer(half_published: Library, n: int) -> None:
    rows = sample(half_published, n)
    stored = np.concatenate([unit_rows(1, seed=seed) for seed in range(400)]).astype(np.float16).astype(np.float32)
    places = np.array([int(np.flatnonzero((stored == row).all(axis=1))[0]) for row in rows])
    assert len(places) == min(n, 400)
    assert n < 3 or np.ptp(np.diff(places)) <= 1
    np.testing.assert_array_equal(rows, sample(half_published, n))


def test_equal_scores_are_ordered_by_path_and_none_is_cut(library: Library) -> None:
    with library.writing() as writing:
        checkpoint_id, root_id = start(writing)
        for i in reversed(range(300)):  # equal vectors of different contents, ids against the order of the paths
            content_id = writing.add_content(i.to_bytes(16, "big"), INFO)
            writing.add_embedding(content_id, checkpoint_id, unit_rows(1, seed=7), replaces=[])
            writing.place_sound(Place(root_id, b"%03d.wav" % i, 10, 1), content_id)
    expected = [f"{i:03}.wav" for i in range(5)]
    assert [hit.path.name for hit in search(library, unit_rows(1, seed=7)[0], top_k=5)] == expected
    snapshot.refresh(library)
    assert [hit.path.name for hit in search(library, unit_rows(1, seed=7)[0], top_k=5)] == expected


def test_k_counts_sounds_though_one_recording_owns_the_best_moments(library: Library) -> None:
    query = unit_rows(1, seed=3)[0]
    with library.writing() as writing:
        checkpoint_id, root_id = start(writing)
        content_id = writing.add_content(b"l" * 16, AudioInfo(3 * 3600 * 48_000, 48_000, 1, "WAV"))
        near = query + np.random.default_rng(0).normal(0, 0.01, (2000, 4)).astype(np.float32)
        near /= np.linalg.norm(near, axis=1, keepdims=True)
        writing.add_embedding(content_id, checkpoint_id, near, replaces=[])
        writing.place_sound(Place(root_id, b"long.wav", 10, 1), content_id)
        fill(writing, 50)
    hits = search(library, query, top_k=10)
    assert len(hits) == 10
    assert hits[0].path.name == "long.wav"
    assert len({hit.path for hit in hits}) == 10


def test_copies_are_sounds_of_their_own(library: Library, query: np.ndarray) -> None:
    with library.writing() as writing:
        fill(writing, 1)
        content_id = writing.add_content((0).to_bytes(16, "big"))
        writing.place_sound(Place(1, b"copy.wav", 10, 1), content_id)
    assert [hit.path.name for hit in search(library, query)] == ["00000.wav", "copy.wav"]


def test_missing_sounds_are_not_found(library: Library, query: np.ndarray) -> None:
    with library.writing() as writing:
        fill(writing, 3)
        writing.mark_missing([2], missing_since=1.0)
    assert sorted(hit.path.name for hit in search(library, query)) == ["00000.wav", "00002.wav"]


@pytest.mark.parametrize(("best", "start_s", "end_s"), [(0, 0.0, 10.0), (1, 5.0, 15.0), (3, 13.5, 23.5)])
def test_a_long_sound_names_its_best_moment(library: Library, best: int, start_s: float, end_s: float) -> None:
    query = unit_rows(1, seed=1)[0]
    moments = unit_rows(4, seed=2)
    moments[best] = query
    with library.writing() as writing:
        checkpoint_id, root_id = start(writing)
        content_id = writing.add_content(b"l" * 16, AudioInfo(round(23.5 * 48_000), 48_000, 1, "WAV"))
        writing.add_embedding(content_id, checkpoint_id, np.concatenate([query[None], moments]), replaces=[])
        writing.place_sound(Place(root_id, b"long.wav", 10, 1), content_id)
    (hit,) = search(library, query)
    assert (hit.start_s, hit.end_s, hit.duration_s) == (start_s, end_s, 23.5)


def test_a_short_sound_is_its_own_moment(library: Library, query: np.ndarray) -> None:
    with library.writing() as writing:
        fill(writing, 1)
    (hit,) = search(library, query)
    assert (hit.start_s, hit.end_s) == (0.0, hit.duration_s)


def test_an_excluded_file_is_recognised_through_links(library: Library, query: np.ndarray, tmp_path: Path) -> None:
    real, alias = tmp_path / "real", tmp_path / "alias"
    real.mkdir()
    alias.symlink_to(real)
    (real / "00000.wav").touch()
    with library.writing() as writing:
        start(writing, os.fsencode(alias))
        checkpoint_id, root_id = 1, 1
        content_id = writing.add_content(b"c" * 16, INFO)
        writing.add_embedding(content_id, checkpoint_id, unit_rows(1), replaces=[])
        writing.place_sound(Place(root_id, b"00000.wav", 10, 1), content_id)
    assert len(search(library, query)) == 1
    assert search(library, query, exclude=[real / "00000.wav"]) == []


def test_an_empty_library_has_no_hits(library: Library, query: np.ndarray) -> None:
    assert search(library, query) == []
    with library.writing() as writing:
        writing.activate(writing.add_checkpoint(CHECKPOINT))
    assert search(library, query, top_k=100_000) == []


def test_more_than_there_is_gives_all_there_is(half_published: Library, query: np.ndarray) -> None:
    hits = search(half_published, query, top_k=100_000)
    assert [str(hit.path) for hit in hits] == [path for path, _ in brute_force(query, 400)]
