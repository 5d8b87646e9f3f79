"""Duplicates: exact and near, in arrays and in a library."""

import os
import time
import zlib

import numpy as np
import pytest
import test_store
from shelf import Shelf, shelf

from clapsearch import duplicates
from clapsearch.duplicates import Collapsed, collapse, exact, find, near
from clapsearch.errors import UsageError

__all__ = ["shelf"]
DIM = 64


def unit_rows(n: int, *, seed: int = 0) -> np.ndarray:
    rows = np.random.default_rng(seed).standard_normal((n, DIM)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def takes(n_sounds: int, n_takes: int, *, noise: float, seed: int = 0) -> np.ndarray:
    """Return `n_takes` noisy copies of each of some unit vectors, a sound's takes one after the other."""
    rng = np.random.default_rng(seed)
    rows = np.repeat(unit_rows(n_sounds, seed=seed), n_takes, axis=0)
    rows = rows + noise / np.sqrt(DIM) * rng.standard_normal(rows.shape).astype(np.float32)
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def by_hand(vectors: np.ndarray, durations_s: np.ndarray, *, threshold: float, max_ratio: float) -> list[set[int]]:
    """Lead row by row, the longest first: the definition, without blocks, bands and sketches."""
    left = sorted(range(len(vectors)), key=lambda i: (-durations_s[i], i))
    groups = []
    while left:
        first, *rest = left
        group = {first} | {
            i
            for i in rest
            if float(vectors[first].astype(np.float64) @ vectors[i]) >= threshold
            and durations_s[first] <= max_ratio * durations_s[i]
        }
        left = [i for i in left if i not in group]
        groups += [group] if len(group) > 1 else []
    return groups


def test_exact_groups_what_holds_one_content():
    assert exact([7, 3, 7, 9, 3, 7]) == [(0, 2, 5), (1, 4)]
    assert exact([1, 2, 3]) == []
    assert exact([]) == []


def test_near_finds_the_takes_of_each_sound():
    vectors = takes(30, 3, noise=0.1)
    groups = near(vectors, np.ones(90), np.arange(90))
    assert [set(group.members) for group in groups] == [{i, i + 1, i + 2} for i in range(0, 90, 3)]
    for group in groups:
        cosines = vectors[list(group.members)].astype(np.float64) @ vectors[group.members[0]]
        np.testing.assert_allclose(group.scores, cosines, atol=1e-6)
        assert list(group.scores[1:]) == sorted(group.scores[1:], reverse=True)


def test_durations_must_be_alike():
    vectors = takes(1, 4, noise=0.05)
    durations_s = np.array([1.0, 1.09, 1.15, 10.0])
    assert [set(group.members) for group in near(vectors, durations_s, np.arange(4))] == [{1, 2}]
    assert len(near(vectors, durations_s, np.arange(4), max_ratio=10)[0].members) == 4


def test_copies_stand_for_one():
    vectors = takes(1, 2, noise=0)
    assert near(vectors, np.ones(2), [5, 5]) == []
    assert len(near(vectors, np.ones(2), [5, 6])) == 1


def test_a_group_is_no_chain():
    """Every member is near the leader, be it only by way of others."""
    angles = np.deg2rad([0, 12, 24, 36])  # cosine of 12 degrees: .978
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    groups = near(vectors, np.array([4.0, 3.9, 3.8, 3.7]), np.arange(4))
    assert [group.members for group in groups] == [(0, 1), (2, 3)]


@pytest.mark.parametrize("threshold", [0.5, 0.75, 0.8])
def test_blocks_bands_and_sketches_change_nothing(monkeypatch, threshold):
    monkeypatch.setattr(duplicates, "_BLOCK", 7)
    monkeypatch.setattr(duplicates, "_BAND", 11)
    monkeypatch.setattr(duplicates, "_PAIRS", 3)
    monkeypatch.setattr(duplicates, "_SKETCH_DIM", 4)
    vectors = takes(20, 5, noise=0.5, seed=3)
    durations_s = np.random.default_rng(4).uniform(1, 1.5, 100)
    limits = {"threshold": threshold, "max_ratio": 1.2}
    found = [set(group.members) for group in near(vectors, durations_s, np.arange(100), **limits)]
    expected = by_hand(vectors, durations_s, **limits)
    assert sorted(map(sorted, found)) == sorted(map(sorted, expected))
    assert len(expected) > 5


def test_the_order_of_the_library_does_not_matter():
    vectors, durations_s = takes(20, 4, noise=0.4), np.random.default_rng(1).uniform(1, 1.2, 80)
    order = np.random.default_rng(2).permutation(80)
    first = near(vectors, durations_s, np.arange(80))
    second = near(vectors[order], durations_s[order], order)
    assert {group.members for group in first} == {tuple(order[list(group.members)].tolist()) for group in second}


def test_a_large_library_takes_seconds():
    """100,000 sounds of 0.1 to 100 s, a tenth of which are takes; a comparison of all pairs would take minutes."""
    vectors = np.concatenate([takes(5_000, 2, noise=0.1), unit_rows(90_000, seed=9)])
    durations_s = np.exp(np.random.default_rng(0).uniform(np.log(0.1), np.log(100), 100_000))
    durations_s[1:10_000:2] = durations_s[0:10_000:2]
    started = time.process_time()
    groups = near(vectors, durations_s, np.arange(100_000))
    assert time.process_time() - started < 30
    assert sum(set(group.members) == {i, i + 1} for group in groups for i in group.members[:1] if i % 2 == 0) >= 2400
    assert len(groups) == 5_000


def test_many_sounds_that_are_all_alike_are_one_group():
    vectors = takes(1, 3000, noise=0.01)
    (group,) = near(vectors, np.ones(3000), np.arange(3000))
    assert len(group.members) == 3000


@pytest.mark.parametrize(
    ("limits", "said"), [({"threshold": 0}, "0;"), ({"threshold": 1.1}, "1.1"), ({"max_ratio": 0.9}, "0.9")]
)
def test_limits_that_make_no_sense(limits, said):
    with pytest.raises(UsageError, match=said):
        near(takes(1, 2, noise=0), np.ones(2), [0, 1], **limits)


def test_collapse_keeps_the_best_of_each_group():
    a, b, c = unit_rows(3, seed=5)
    ranked = np.stack([a, b, a, c, b, a])
    assert collapse(ranked, np.ones(6)) == [Collapsed(0, (2, 5)), Collapsed(1, (4,)), Collapsed(3, ())]
    assert [each.count for each in collapse(ranked, np.ones(6))] == [3, 2, 1]


def test_collapse_leads_by_rank_not_by_length():
    vectors = takes(1, 2, noise=0)
    assert collapse(vectors, np.array([1.0, 1.05])) == [Collapsed(0, (1,))]
    assert collapse(vectors, np.array([1.0, 2.0])) == [Collapsed(0, ()), Collapsed(1, ())]


def test_nothing_has_no_duplicates():
    empty = np.zeros((0, DIM), np.float32)
    assert near(empty, np.zeros(0), []) == []
    assert collapse(empty, np.zeros(0)) == []


def test_a_library(shelf: Shelf):
    shelf.add("a", "rain.wav", "copy of rain.wav", content="rain")
    shelf.add("b", "again.wav", content="rain")
    shelf.add("b", "dog.wav", "cat.wav")
    with shelf.library.reading() as reading:
        found = find(reading)
    assert [[os.path.relpath(path, shelf.folder) for path in group] for group in found.exact] == [
        ["a/copy of rain.wav", "a/rain.wav", "b/again.wav"]
    ]
    assert found.near == ()


def test_near_ones_of_a_library_name_their_copies(shelf: Shelf):
    one = stored(b"one")
    alike = next(text for text in (f"two {i}" for i in range(10_000)) if stored(text.encode()) @ one > 0.98)
    shelf.add("a", "one.wav", "one again.wav", content="one")
    shelf.add("a", "two.wav", content=alike)
    with shelf.library.reading() as reading:
        (group,) = find(reading).near
        assert find(reading, exact_only=True).near == ()
    assert {(each.path.name, each.n_copies) for each in group} == {("one again.wav", 1), ("two.wav", 0)}
    assert group[1].score == pytest.approx(float(stored(alike.encode()) @ one), abs=1e-3)


def stored(content: bytes) -> np.ndarray:
    """Return the vector that the shelf gives to a content."""
    return test_store.unit_rows(1, seed=zlib.crc32(content))[0]


def test_an_empty_library(library):
    with library.reading() as reading:
        assert find(reading) == duplicates.Duplicates((), ())
