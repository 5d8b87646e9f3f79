"""The background: the best score here of each of a hundred ordinary texts."""

import dataclasses
import zlib

import numpy as np
import pytest
from catalogue import Entry, add, score
from test_store import CHECKPOINT, unit_rows

from clapsearch import snapshot, standing
from clapsearch.ranking import percentile
from clapsearch.store import Library


def embed_text(texts: list[str]) -> np.ndarray:
    return np.concatenate([unit_rows(1, seed=zlib.crc32(text.encode())) for text in texts])


def never(texts: list[str]) -> np.ndarray:
    raise AssertionError("texts were embedded for nothing")


def stored(library: Library) -> np.ndarray | None:
    with library.reading() as reading:
        return reading.background()


ENTRIES = [Entry(f"/sounds/{i:03}.wav") for i in range(standing.MIN_SOUNDS)]


@pytest.mark.parametrize("published", [True, False])
def test_the_background_is_the_best_score_of_every_text_ascending(library: Library, published: bool) -> None:
    add(library, ENTRIES)
    if published:
        assert snapshot.refresh(library)
    standing.refresh(library, embed_text)
    expected = sorted(max(score(entry, text) for entry in ENTRIES) for text in embed_text(standing.texts()))
    np.testing.assert_allclose(stored(library), expected, atol=1e-6)


def test_a_small_library_has_none(library: Library) -> None:
    add(library, ENTRIES[1:])
    standing.refresh(library, never)
    assert stored(library) is None


def test_a_library_of_damaged_vectors_has_none(library: Library) -> None:
    add(library, ENTRIES)
    with library.writing() as writing:
        writing._connection.exec_driver_sql("UPDATE embedding SET crc = crc + 1")
    standing.refresh(library, never)
    assert stored(library) is None


def test_a_new_background_replaces_the_old_one(library: Library) -> None:
    add(library, ENTRIES)
    standing.refresh(library, embed_text)
    before = stored(library)
    add(library, [Entry(f"/sounds/more/{i:03}.wav") for i in range(300)])
    standing.refresh(library, embed_text)
    after = stored(library)
    assert (after >= before).all()
    assert after.sum() > before.sum()


def test_it_belongs_to_its_checkpoint(library: Library) -> None:
    add(library, ENTRIES)
    standing.refresh(library, embed_text)
    with library.writing() as writing:
        writing.activate(writing.add_checkpoint(dataclasses.replace(CHECKPOINT, weights_hash="other")))
    assert stored(library) is None
    with library.writing() as writing:
        writing.activate(1)
    assert stored(library) is not None


def test_the_texts_are_a_hundred_different_ones_of_the_vocabulary_always_the_same() -> None:
    found = standing.texts()
    assert len(set(found)) == standing.N_TEXTS
    assert found == standing.texts()
    assert len({text[0].lower() for text in found}) > 10  # spread, whatever the order of the vocabulary is


def test_percentiles() -> None:
    background = np.array([0.1, 0.2, 0.2, 0.4], np.float32)
    assert [percentile(background, score) for score in (0.0, 0.15, 0.3, 0.5)] == [0.0, 0.25, 0.75, 1.0]
    assert percentile(background, float("nan")) is None
